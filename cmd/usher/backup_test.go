package main

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// changer changes the password of a user of its own without end.
type changer struct {
	*dialect
	by           administrator
	u            who
	asked, known atomic.Int64 // the last password that was asked for, and that was acknowledged
}

func newChangers(t *testing.T, url string, n int) []*changer {
	t.Helper()
	by := administrators(t, url, dialects...)
	changers := make([]*changer, n)
	for i := range changers {
		d := dialects[i%len(dialects)]
		c := &changer{dialect: d, by: by[d], u: who{name: "changer" + string(rune('a'+i))}}
		got, said := d.put(url, d.create(c.u.name, secret(0)), c.by)
		if said != yes {
			t.Fatalf("%s: %s", d.name, got)
		}
		c.u.id = d.id(c.u.name, got)
		changers[i] = c
	}
	return changers
}

func (c *changer) work(ctx context.Context, t *testing.T, url string) {
	t.Helper()
	for ctx.Err() == nil {
		n := c.asked.Add(1)
		if got, said := c.put(url, c.change(c.u, secret(n-1), secret(n)), c.by); said != yes {
			t.Errorf("%s: change %d: %s", c.name, n, got)
			return
		}
		c.known.Store(n)
	}
}

// A backup of a server under load is the store at a moment while the command ran:
// of each user's passwords it has exactly one, of those that were in force then.
// Restored, it is what the server goes on with.
func TestBackupUnderLoad(t *testing.T) {
	dir := t.TempDir()
	p := startUnbounded(t, dir)
	changers := newChangers(t, p.url, 8)
	ctx, stop := context.WithCancel(t.Context())
	var working sync.WaitGroup
	for _, c := range changers {
		working.Go(func() { c.work(ctx, t, p.url) })
	}
	const backups = 3
	var from, to [backups][]int64
	file := func(i int) string { return filepath.Join(dir, "backup"+string(rune('0'+i))+".db") }
	for i := range backups {
		for _, c := range changers {
			from[i] = append(from[i], c.known.Load())
		}
		said := outputOf(t, dir, 0, "backup", file(i))
		for _, c := range changers {
			to[i] = append(to[i], c.asked.Load())
		}
		if !strings.HasPrefix(said, file(i)+" has all of usher.db: ") {
			t.Error(said)
		}
		if is, err := os.Stat(file(i)); err != nil || is.Mode() != 0o600 {
			t.Error(is.Mode(), err)
		}
		if said := outputOf(t, dir, 0, "check", "--db", file(i)); !strings.Contains(said, "is sound") {
			t.Error(said)
		}
	}
	if said := outputOf(t, dir, 1, "backup", file(0)); !strings.Contains(said, "there is a file "+file(0)+" already; --replace takes its place") {
		t.Error(said)
	}
	if said := outputOf(t, dir, 1, "restore", file(0)); !strings.Contains(said, "usher.db is in use; stop the server first") {
		t.Error(said)
	}
	if said := outputOf(t, dir, 0, "check"); !strings.Contains(said, "is sound") {
		t.Error(said)
	}
	stop()
	working.Wait()
	p.kill() // which leaves a log behind
	for i := range backups {
		said := outputOf(t, dir, 0, "restore", file(i))
		_, aside, _ := strings.Cut(strings.TrimSpace(said), "what was there is kept as ")
		if said := outputOf(t, dir, 0, "check", "--db", aside); !strings.Contains(said, "is sound") {
			t.Error(said)
		}
		restored := startUnbounded(t, dir)
		for j, c := range changers {
			n := 0
			for k := from[i][j]; k <= to[i][j]; k++ {
				if got, said := c.put(restored.url, c.login(c.u, secret(k)), c.by); said == yes {
					n++
				} else if said != no {
					t.Error(got)
				}
			}
			if n != 1 {
				t.Errorf("%s: %d of the passwords %d to %d work", c.name, n, from[i][j], to[i][j])
			}
		}
		restored.kill()
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.part")); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

// What is no store, or one of the future, is refused by every command that takes
// a store, and stays as it is.
func TestCommandsRefuse(t *testing.T) {
	dir := t.TempDir()
	start(t, dir, nil, "--demo", "--db", "newer.db").kill()
	outputOf(t, dir, 0, "backup", "--db", "newer.db", "sound.db")
	db, err := sql.Open("sqlite", filepath.Join(dir, "newer.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("PRAGMA user_version = 1000"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "text.db"), []byte(strings.Repeat("no store\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"newer.db": "the file was written by a newer version: its schema is 1000, the newest known here is",
		"text.db":  "file is not a database",
		"none.db":  "no store none.db",
		".":        "it is a directory",
	} {
		before, _ := os.ReadFile(filepath.Join(dir, name))
		for _, args := range [][]string{
			{"check", "--db", name},
			{"events", "--db", name},
			{"user", "set-password", "--api", "saymon", "--user", "Bob", "--db", name},
			{"backup", "copy.db", "--db", name},
			{"restore", name, "--db", "sound.db"},
			{"serve", "--listen", "127.0.0.1:0", "--db", name},
		} {
			code, want := 1, want
			switch {
			case args[0] == "serve" && name == "none.db":
				continue // which makes it
			case args[0] == "serve" && name == ".":
				want = "directory"
			case args[0] == "check" && name == "text.db":
				code = 2
			case args[0] == "restore" && name == "none.db":
				want = "no such file"
			}
			if said := outputOf(t, dir, code, args...); !strings.Contains(said, want) {
				t.Errorf("%v: %s, want %s", args, said, want)
			}
		}
		if after, _ := os.ReadFile(filepath.Join(dir, name)); string(after) != string(before) {
			t.Errorf("%s has changed", name)
		}
	}
	if said := outputOf(t, dir, 0, "check", "--db", "sound.db"); !strings.Contains(said, "sound.db is sound") {
		t.Error(said)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 3 {
		t.Errorf("left behind: %v", left)
	}
}

func TestCheckTellsByItsCode(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, nil, "--demo", "--db", "usher.db")
	if said := outputOf(t, dir, 0, "check"); !strings.Contains(said, "usher.db is sound: schema ") || !strings.Contains(said, ", 8 users, 4 events\n") {
		t.Error(said)
	}
	p.kill()
	db, err := sql.Open("sqlite", filepath.Join(dir, "usher.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.Exec(`DROP INDEX user_email; UPDATE user_role SET user_id = 'gone' WHERE directory = 'milvus'`); err != nil {
		t.Fatal(err)
	}
	said := outputOf(t, dir, 2, "check")
	for _, want := range []string{"user_role: 1 rows that belong to no user\n", "index user_email: missing\n", "usher: 2 problems\n"} {
		if !strings.Contains(said, want) {
			t.Errorf("%s, want %s", said, want)
		}
	}
	const first = "it is damaged: user_role: 1 rows that belong to no user; usher check --db usher.db says what else is wrong"
	if said := outputOf(t, dir, 1, "backup", "copy.db"); !strings.Contains(said, first) {
		t.Error(said)
	}
	if said := outputOf(t, dir, 1, "restore", "usher.db", "--db", "other.db"); !strings.Contains(said, first) {
		t.Error(said)
	}
	// Where what is counted is gone, too.
	if _, err := db.Exec(`DROP TABLE event`); err != nil {
		t.Fatal(err)
	}
	if said := outputOf(t, dir, 2, "check"); !strings.Contains(said, "index event_directory: missing\n") {
		t.Error(said)
	}
	if _, err := db.Exec(`PRAGMA user_version = -1`); err != nil {
		t.Fatal(err)
	}
	if said := outputOf(t, dir, 2, "check"); said != "its schema is said to be -1, which no version writes\nusher: 1 problem\n" {
		t.Error(said)
	}
	if said := outputOf(t, dir, 1, "serve", "--listen", "127.0.0.1:0"); !strings.Contains(said, "its schema is said to be -1") || strings.Contains(said, "panic") {
		t.Error(said)
	}
}
