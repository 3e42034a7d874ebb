package storage_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/storage"
	"usher/storage/password"
)

// lived is a store, closed, in which things have happened.
func lived(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "test.db")
	s, err := storage.Open(t.Context(), storage.Options{Path: path, Hash: cheap})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// fill puts something into every table.
func fill(t *testing.T, s *storage.Store) {
	t.Helper()
	d := s.Directory("d")
	_, err := d.Seed(t.Context(), admin, storage.Seed{
		Records:  map[storage.RecordKind][]storage.Record{storage.Role: {{ID: "r1", Name: "boss"}}},
		Policies: []storage.Policy{{ID: "1", Default: true}},
		Users:    []storage.NewUser{{ID: "1", Name: "ann", Roles: []string{"boss"}, Password: "first"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	u, err := d.SetPassword(t.Context(), admin, "1", "second", password.Policy{Unique: 3})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.CreateTokens(t.Context(), admin, u, storage.TokenSpec{Kind: "session"}); err != nil {
		t.Fatal(err)
	}
}

func mustCheck(t *testing.T, path string) storage.Report {
	t.Helper()
	r, err := storage.Check(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCheckOfASoundStore(t *testing.T) {
	path := lived(t)
	r := mustCheck(t, path)
	want(t, r, storage.Report{Schema: r.Newest, Newest: r.Newest, Users: 1, Events: 3})
	if left, _ := filepath.Glob(path + "?*"); left != nil {
		t.Error(left)
	}
	// In use, what is in the log counts.
	s := openAt(t, path)
	mustCreate(t, s.Directory("d"), storage.NewUser{Name: "bob"})
	want(t, mustCheck(t, path), storage.Report{Schema: r.Newest, Newest: r.Newest, Users: 2, Events: 4})
}

// Whatever is broken behind the store's back is found, and said without secrets.
func TestCheckFinds(t *testing.T) {
	for name, test := range map[string]struct {
		statement string
		want      string
	}{
		"a token of nobody":        {`PRAGMA foreign_keys = off; UPDATE token SET user_id = 'gone'`, "token: 1 rows that belong to no user"},
		"a role of nobody":         {`PRAGMA foreign_keys = off; UPDATE user_role SET user_id = 'gone'`, "user_role: 1 rows that belong to no user"},
		"an old password":          {`PRAGMA foreign_keys = off; UPDATE password_history SET user_id = 'gone'`, "password_history: 1 rows that belong to no user"},
		"no JSON":                  {`UPDATE "user" SET document = '{'`, `user "d 1": the document is no JSON object`},
		"no object":                {`UPDATE record SET document = '[]'`, `record "d role r1": the document is no JSON object`},
		"a policy":                 {`UPDATE policy SET document = ''`, `policy "d 1": the document is no JSON object`},
		"a token's document":       {`UPDATE token SET document = 'null'`, `token "d session of 1": the document is no JSON object`},
		"no hash":                  {`UPDATE "user" SET password_hash = 'hunter2'`, `user "d 1": the password's hash cannot be read`},
		"no old hash":              {`UPDATE password_history SET password_hash = 'hunter2'`, `password_history "d 1": the password's hash cannot be read`},
		"an index that is missing": {`DROP INDEX user_email`, "index user_email: missing"},
		"a column too many":        {`ALTER TABLE directory ADD COLUMN b TEXT`, "table directory(name, seeded_at, seed_upgrades, b): no migration makes it\ntable directory(name, seeded_at, seed_upgrades): missing"},
		"a table too many":         {`CREATE TABLE other (a)`, "table other(a): no migration makes it"},
		"a trigger":                {`CREATE TRIGGER t AFTER UPDATE ON "user" BEGIN DELETE FROM event; END`, "trigger t: no migration makes it"},
		"documents of a table":     {`CREATE TABLE other (document)`, "table other(document): no migration makes it"},
		"no events": {`DROP TABLE event`, "index event_directory: missing\n" +
			"table event(id, directory, at, kind, actor_id, actor_name, target_id, target_name, source, request, result): missing\n" +
			"SQL logic error: no such table: event (1)"},
		"no users": {`PRAGMA foreign_keys = off; DROP TABLE "user"`, "password_history: 1 rows that belong to no user\n" +
			"token: 1 rows that belong to no user\n" +
			"user_role: 1 rows that belong to no user\n" +
			"index sqlite_autoindex_user_1: missing\n" +
			"index sqlite_autoindex_user_2: missing\n" +
			"index user_email: missing\n" +
			"table user(directory, id, realm, name, email, password_hash, password_version, created_at, updated_at, document, password_set_at, password_own): missing\n" +
			"SQL logic error: no such table: user (1)"},
		"another column": {`ALTER TABLE policy RENAME COLUMN id TO x`, "table policy(directory, x, position, is_default, document): no migration makes it\n" +
			"table policy(directory, id, position, is_default, document): missing\n" +
			"SQL logic error: no such column: id (1)"},
		"no value": {`PRAGMA writable_schema = on; UPDATE sqlite_schema SET sql = replace(sql, 'NOT NULL', '') WHERE name = 'user';
			PRAGMA writable_schema = reset; UPDATE "user" SET password_hash = NULL`, `user "d 1": the password's hash cannot be read`},
		"a negative version":                    {`PRAGMA user_version = -1`, "its schema is said to be -1, which no version writes"},
		"a lost version":                        {`PRAGMA user_version = 0`, "it has tables, and the version of its schema is lost"},
		"a name that is a command to terminals": {"CREATE TABLE \"a\n\x1b[31m\u009b\u202e\" (x)", `table a\n\x1b[31m\u009b\u202e(x): no migration makes it`},
	} {
		t.Run(name, func(t *testing.T) {
			path, sound := lived(t), lived(t)
			s := openAt(t, path)
			s.Exec(t, test.statement)
			want(t, strings.Join(mustCheck(t, path).Problems, "\n"), test.want)

			// Neither is it copied, nor does it take the place of a sound one.
			first, _, _ := strings.Cut(test.want, "\n")
			refused := func(what string, err error) {
				t.Helper()
				if !errors.Is(err, storage.ErrDamaged) || !strings.HasSuffix(err.Error(), "it is damaged: "+first) {
					t.Errorf("%s: %v", what, err)
				}
			}
			to := filepath.Join(t.TempDir(), "copy.db")
			refused("backup", storage.Backup(t.Context(), path, to, false))
			_, err := storage.Restore(t.Context(), admin, path, sound)
			refused("restore", err)
			want(t, mustCheck(t, sound).Problems, []string(nil))
			for _, name := range []string{to, sound + "?"} {
				if left, _ := filepath.Glob(name + "*"); left != nil {
					t.Errorf("left behind: %v", left)
				}
			}
		})
	}
}

// What ANALYZE leaves for SQLite to read is no problem, and copied.
func TestCheckKnowsStatistics(t *testing.T) {
	path := lived(t)
	s := openAt(t, path)
	s.Exec(t, `ANALYZE`)
	want(t, mustCheck(t, path).Problems, []string(nil))
	if err := storage.Backup(t.Context(), path, filepath.Join(t.TempDir(), "copy.db"), false); err != nil {
		t.Error(err)
	}
}

func TestCheckCountsWhatItDoesNotList(t *testing.T) {
	path := lived(t)
	s := openAt(t, path)
	s.Exec(t, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150)
		INSERT INTO record SELECT 'd', 'x', i, i, 0, NULL, '' FROM n`)
	ps := mustCheck(t, path).Problems
	if len(ps) != 101 || ps[100] != "and 50 more" {
		t.Error(len(ps), ps[len(ps)-1])
	}
}

// damage overwrites a file from a page on.
func damage(t *testing.T, path string, page int) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	from := page * 4096
	junk := []byte(strings.Repeat("junk", (int(info.Size())-from)/4))
	if _, err := f.WriteAt(junk, int64(from)); err != nil {
		t.Fatal(err)
	}
}

func TestDamageIsFound(t *testing.T) {
	for _, page := range []int{1, 20} { // with the names of the tables, and without
		path := lived(t)
		damage(t, path, page)
		if r := mustCheck(t, path); len(r.Problems) == 0 {
			t.Errorf("from page %d on: nothing found", page)
		}
		to := filepath.Join(t.TempDir(), "copy.db")
		if err := storage.Backup(t.Context(), path, to, false); err == nil || !strings.Contains(err.Error(), "malformed") {
			t.Errorf("from page %d on: a backup of it: %v", page, err)
		}
		if left, _ := filepath.Glob(to + "*"); left != nil {
			t.Errorf("from page %d on: left behind: %v", page, left)
		}
	}
}

// What is no store is an error, and stays as it was.
func TestNoStore(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	newer := lived(t)
	s := openAt(t, newer)
	s.Exec(t, `PRAGMA user_version = 99`)
	other := lived(t)
	openAt(t, other).Exec(t, `PRAGMA application_id = 1`)
	for path, want := range map[string]string{
		filepath.Join(dir, "none"): "no such file",
		dir:                        "directory",
		empty:                      "nothing in the file",
		newer:                      "written by a newer version: its schema is 99",
		other:                      "another program's",
	} {
		if _, err := storage.Check(t.Context(), path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("check: %v, want %s", err, want)
		}
		to := filepath.Join(t.TempDir(), "copy")
		if err := storage.Backup(t.Context(), path, to, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("backup: %v, want %s", err, want)
		}
		if _, err := storage.Restore(t.Context(), admin, path, to); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("restore: %v, want %s", err, want)
		}
		if left, _ := filepath.Glob(to + "*"); left != nil {
			t.Errorf("left behind: %v", left)
		}
	}
	if r := mustCheck(t, text); len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "not a database") {
		t.Error(r)
	}
	if _, err := os.Stat(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a file was made")
	}
}

// A backup is made while others write, and is as the store was at one moment:
// each change writes two rows, and the copy has both or neither.
func TestBackupOfAStoreInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	s := openAt(t, path)
	fill(t, s)
	d := s.Directory("d")
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	for _, name := range []string{"a", "b", "c"} {
		writing.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				id := name + strings.Repeat("x", i)
				if _, err := d.CreateUser(context.WithoutCancel(ctx), admin, storage.NewUser{ID: id, Name: id, Roles: []string{"boss"}}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 5 {
		to := filepath.Join(t.TempDir(), "copy.db")
		if err := storage.Backup(t.Context(), path, to, false); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(to)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatal(info.Mode(), err)
		}
		if left, _ := filepath.Glob(to + "?*"); left != nil {
			t.Errorf("next to it: %v", left)
		}
		r := mustCheck(t, to)
		// The seed's user has an event for the seed, one for the password, one for
		// the session; each of the others has one.
		if r.Problems != nil || r.Users < 1 || r.Events != r.Users+2 {
			t.Errorf("backup %d: %+v", i, r)
		}
		copied := openAt(t, to)
		want(t, copied.Count(t, "user_role"), r.Users)
		if err := login(t, copied.Directory("d"), "ann", "second"); err != nil {
			t.Error(err)
		}
		if err := storage.Backup(t.Context(), path, to, false); !errors.Is(err, fs.ErrExist) {
			t.Errorf("onto a file that is there: %v", err)
		}
		if r := mustCheck(t, to); r.Problems != nil {
			t.Error("the file that was there is not what it was")
		}
	}
	stop()
	writing.Wait()
}

// What is there is replaced if one says so, and never a store, in use or left as
// it was when its process was killed.
func TestBackupThatReplaces(t *testing.T) {
	path := lived(t)
	dir := t.TempDir()
	to := filepath.Join(dir, "copy.db")
	if err := os.WriteFile(to, []byte("older"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := storage.Backup(t.Context(), filepath.Join(dir, "none"), to, true); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of nothing: %v", err)
	}
	if was, _ := os.ReadFile(to); string(was) != "older" {
		t.Errorf("what was there: %q", was)
	}
	if err := storage.Backup(t.Context(), path, to, true); err != nil {
		t.Fatal(err)
	}
	if r := mustCheck(t, to); r.Problems != nil || r.Users != 1 {
		t.Error(r)
	}
	mustCreate(t, openAt(t, path).Directory("d"), storage.NewUser{Name: "bob"}) // so that there is a log
	if err := storage.Backup(t.Context(), path, path, true); err == nil || !strings.Contains(err.Error(), "the store itself") {
		t.Errorf("onto the store itself: %v", err)
	}
	if err := storage.Backup(t.Context(), to, path, true); !errors.Is(err, storage.ErrLog) {
		t.Errorf("onto a store in use: %v", err)
	}
	if r := mustCheck(t, path); r.Problems != nil || r.Users != 2 {
		t.Error(r)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func TestBackupThatIsInterrupted(t *testing.T) {
	path := lived(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	to := filepath.Join(t.TempDir(), "copy.db")
	if err := storage.Backup(ctx, path, to, false); err == nil {
		t.Error("no error")
	}
	if left, _ := filepath.Glob(to + "*"); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

func TestRestore(t *testing.T) {
	path := lived(t)
	saved := filepath.Join(t.TempDir(), "saved.db")
	if err := storage.Backup(t.Context(), path, saved, false); err != nil {
		t.Fatal(err)
	}
	s, err := storage.Open(t.Context(), storage.Options{Path: path, Hash: cheap})
	if err != nil {
		t.Fatal(err)
	}
	mustCreate(t, s.Directory("d"), storage.NewUser{Name: "bob", Password: "third"})

	unchanged := func() {
		t.Helper()
		if r := mustCheck(t, path); r.Users != 2 || r.Problems != nil {
			t.Fatalf("the store that was there: %+v", r)
		}
	}
	_, err = storage.Restore(t.Context(), admin, saved, path)
	if !errors.Is(err, storage.ErrStoreInUse) {
		t.Errorf("a store in use: %v", err)
	}
	unchanged()
	if left, _ := filepath.Glob(path + ".*"); left != nil {
		t.Errorf("left behind: %v", left)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	aside, err := storage.Restore(t.Context(), admin, saved, path)
	if err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(path + "*")
	slices.Sort(files)
	want(t, files, []string{path, aside})
	for file, users := range map[string]int{path: 1, aside: 2, saved: 1} {
		if r := mustCheck(t, file); r.Users != users || r.Problems != nil {
			t.Errorf("%s: %+v", file, r)
		}
	}
	used := openAt(t, path)
	d := used.Directory("d")
	is, err := os.Stat(saved)
	if err != nil {
		t.Fatal(err)
	}
	want(t, events(t, d, 1), []string{"restored admin>" + is.ModTime().UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano) + " ok"})
	if err := login(t, d, "ann", "second"); err != nil {
		t.Error(err)
	}
	wantKind(t, login(t, d, "bob", "third"), storage.WrongPassword)

	// Where there is none, and then beside the log of one that is gone.
	fresh := filepath.Join(t.TempDir(), "fresh.db")
	if aside, err := storage.Restore(t.Context(), admin, saved, fresh); err != nil || aside != "" {
		t.Fatal(aside, err)
	}
	if err := errors.Join(os.Remove(fresh), os.WriteFile(fresh+"-wal", []byte("a log"), 0o600)); err != nil {
		t.Fatal(err)
	}
	aside, err = storage.Restore(t.Context(), admin, saved, fresh)
	if log, _ := os.ReadFile(aside + "-wal"); err != nil || string(log) != "a log" {
		t.Fatal(aside, err)
	}
	if r := mustCheck(t, fresh); r.Users != 1 || r.Problems != nil {
		t.Error(r)
	}
	// By another name: what the link leads to is replaced.
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	mustCreate(t, d, storage.NewUser{Name: "claire"})
	if _, err := storage.Restore(t.Context(), admin, saved, link); !errors.Is(err, storage.ErrStoreInUse) {
		t.Errorf("a link to a store in use: %v", err)
	}
	if err := used.Close(); err != nil {
		t.Fatal(err)
	}
	if aside, err := storage.Restore(t.Context(), admin, saved, link); err != nil || !strings.HasPrefix(aside, path+".") {
		t.Fatal(aside, err)
	}
	if r := mustCheck(t, path); r.Users != 1 || r.Problems != nil {
		t.Error(r)
	}
}

// A store too damaged to be opened is replaced all the same, and kept.
func TestRestoreOverDamage(t *testing.T) {
	path := lived(t)
	saved := filepath.Join(t.TempDir(), "saved.db")
	if err := storage.Backup(t.Context(), path, saved, false); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("junk", 2000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+"-wal", []byte("a log"), 0o600); err != nil {
		t.Fatal(err)
	}
	aside, err := storage.Restore(t.Context(), admin, saved, path)
	if err != nil {
		t.Fatal(err)
	}
	if r := mustCheck(t, path); r.Problems != nil || r.Users != 1 {
		t.Error(r)
	}
	for file, content := range map[string]string{aside: "junkjunk", aside + "-wal": "a log"} {
		if b, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(b), content) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestEventsThatFit(t *testing.T) {
	c := newClock()
	s := open(t, c.options)
	d := s.Directory("d")
	start := c.Time
	for _, name := range []string{"ann", "bob", "claire"} {
		mustCreate(t, d, storage.NewUser{ID: "id-" + name, Name: name})
		c.Time = c.Add(time.Minute)
	}
	if _, err := d.DeleteUser(t.Context(), storage.Actor{ID: "id-claire", Name: "claire"}, "id-bob"); err != nil {
		t.Fatal(err)
	}
	mustCreate(t, s.Directory("other"), storage.NewUser{ID: "id-ann", Name: "ann"})
	for _, test := range []struct {
		q    storage.EventQuery
		want []int64
	}{
		{storage.EventQuery{Since: start.Add(time.Minute)}, []int64{2, 3, 4}},
		{storage.EventQuery{Until: start.Add(time.Minute)}, []int64{1}},
		{storage.EventQuery{Since: start.Add(time.Minute), Until: start.Add(2 * time.Minute)}, []int64{2}},
		{storage.EventQuery{Kind: storage.UserDeleted}, []int64{4}},
		{storage.EventQuery{User: "bob"}, []int64{2, 4}},
		{storage.EventQuery{User: "id-claire"}, []int64{3, 4}},
		{storage.EventQuery{User: "claire", Kind: storage.UserCreated, Limit: 5, After: 1}, []int64{3}},
		{storage.EventQuery{User: "nobody"}, nil},
		{storage.EventQuery{Directory: "other", User: "bob"}, []int64{2, 4}},
	} {
		es, err := d.Events(t.Context(), test.q)
		if err != nil {
			t.Fatal(err)
		}
		var ids []int64
		for _, e := range es {
			ids = append(ids, e.ID)
		}
		want(t, ids, test.want)
	}
	es, err := s.Events(t.Context(), storage.EventQuery{User: "ann"})
	if err != nil || len(es) != 2 || es[0].Directory != "d" || es[1].Directory != "other" {
		t.Error("of all directories:", es, err)
	}
}

// Pruning takes more than one transaction, leaves what is later and what is
// another's, and is in the trail itself.
func TestPruneEvents(t *testing.T) {
	c := newClock()
	s := open(t, c.options)
	d, other := s.Directory("d"), s.Directory("other")
	s.Exec(t, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
		INSERT INTO event (directory, at, kind, actor_id, actor_name, target_id, target_name, source, request, result)
		SELECT 'd', i, 'login', '', '', '', '', '', '', 'ok' FROM n`)
	mustCreate(t, other, storage.NewUser{Name: "ann"})
	mustCreate(t, d, storage.NewUser{Name: "bob"})
	pruned, err := d.PruneEvents(t.Context(), admin, c.Time)
	if err != nil || pruned != 2500 {
		t.Fatal(pruned, err)
	}
	want(t, events(t, d, 9), []string{"user-created admin>bob ok", "events-pruned admin>2026-11-20T12:00:00Z ok"})
	want(t, events(t, other, 9), []string{"user-created admin>ann ok"})
	if pruned, err := d.PruneEvents(t.Context(), admin, c.Time); err != nil || pruned != 0 {
		t.Fatal(pruned, err)
	}
	want(t, len(events(t, d, 9)), 2)

	// Of what is still to come there is nothing to prune, and the trail says that
	// everything before has been.
	c.Time = c.Add(time.Second)
	if pruned, err := d.PruneEvents(t.Context(), admin, c.Add(time.Hour)); err != nil || pruned != 2 {
		t.Fatal(pruned, err)
	}
	want(t, events(t, d, 9), []string{"events-pruned admin>2026-11-20T12:00:01Z ok"})
}
