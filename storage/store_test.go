package storage_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/storage"
	"usher/storage/password"
)

func TestMain(m *testing.M) {
	if path := os.Getenv("STORAGE_TEST_CHANGE"); path != "" {
		changePasswords(path)
	}
	os.Exit(m.Run())
}

func TestReopen(t *testing.T) {
	// A path that means something in a URI, and is not where the process is.
	path := filepath.Join(t.TempDir(), "ü ?mode=ro#%41&_pragma=x.db")
	s := openAt(t, path)
	u := mustCreate(t, s.Directory("d"), storage.NewUser{Name: "bob", Password: "p", Roles: []string{"r"}})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, path)
	want(t, mustUser(t, s.Directory("d"), "bob"), u)
	if err := login(t, s.Directory("d"), "bob", "p"); err != nil {
		t.Fatal(err)
	}
}

func TestFilesAreTheOwnersOnly(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, filepath.Join(dir, "test.db"))
	mustCreate(t, s.Directory("d"), storage.NewUser{Name: "bob"})
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		i, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		want(t, i.Mode(), fs.FileMode(0o600))
	}
	want(t, len(files), 3)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files, err = os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	want(t, len(files), 1) // the log is cleared away
}

// A store that the first version of the tables was made for keeps all it has.
func TestMigrateRecords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	c := newClock()
	now := c.UnixMicro()
	const secret = "c2VjcmV0"
	digest := sha256.Sum256([]byte(secret))
	for _, x := range []struct {
		query string
		args  []any
	}{
		{storage.Schema(t, 1), nil},
		{`INSERT INTO role VALUES ('d', 'r1', 'admin', ?, ?, '{"a":1}')`, []any{now, now}},
		{`INSERT INTO "user" VALUES ('d', '1', 'native', 'bob', '', ?, 7, ?, ?, '{}')`, []any{password.Dummy(cheap), now, now + 1}},
		{`INSERT INTO "user" VALUES ('d', '2', 'native', 'ann', '', '', 8, ?, ?, '{}')`, []any{now, now}},
		{`INSERT INTO user_role VALUES ('d', '1', 0, 'admin')`, nil},
		{`INSERT INTO token VALUES (?, 'd', '1', 'access', ?, ?)`, []any{digest[:], now, c.Add(time.Hour).UnixMicro()}},
	} {
		if _, err := db.Exec(x.query, x.args...); err != nil {
			t.Fatal(err)
		}
	}
	// Users by what the trail knows of their passwords: kinds, by whom.
	users := map[string]struct {
		trail [][2]string
		set   int64 // which of the events it was, counted from 1; 0: none
		own   bool
	}{
		"by-admin":   {[][2]string{{"user-created", "a"}, {"password-changed", "by-admin"}, {"password-set", "a"}, {"user-updated", "by-admin"}}, 3, false},
		"by-oneself": {[][2]string{{"user-created", "a"}, {"password-set", "a"}, {"password-changed", "by-oneself"}, {"login", "by-oneself"}}, 3, true},
		"by-nobody":  {[][2]string{{"user-created", ""}, {"password-set", ""}}, 2, false},
		"not-at-all": {[][2]string{{"user-created", "a"}, {"password-change-failed", "not-at-all"}}, 0, false},
		"made-again": {[][2]string{{"user-created", "a"}, {"password-changed", "made-again"}, {"user-deleted", "a"}, {"user-created", "a"}}, 0, false},
	}
	for id, u := range users {
		if _, err := db.Exec(`INSERT INTO "user" VALUES ('d', ?, '', ?, '', ?, 7, ?, ?, '{}')`, id, id, password.Dummy(cheap), now, now+100); err != nil {
			t.Fatal(err)
		}
		for i, e := range u.trail {
			if _, err := db.Exec(`INSERT INTO event (directory, at, kind, actor_id, actor_name, target_id, target_name, source, request, result)
				VALUES ('d', ?, ?, ?, '', ?, '', '', '', 'ok'), ('other', ?, 'password-set', 'x', '', ?, '', '', '', 'ok')`,
				now+int64(i)+1, e[0], e[1], id, now+50, id); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	d := openAt(t, path, c.options).Directory("d")
	for id, u := range users {
		got := mustUser(t, d, id)
		if want := c.Add(time.Duration(u.set) * time.Microsecond); !got.PasswordSetAt.Equal(want) || got.PasswordOwn != u.own {
			t.Errorf("%s: set at %v, own %v; want %v, %v", id, got.PasswordSetAt, got.PasswordOwn, want, u.own)
		}
	}
	l, k, err := d.AuthenticateToken(t.Context(), "access", secret, "2")
	if err != nil {
		t.Fatal(err)
	}
	role := storage.Record{ID: "r1", Name: "admin", CreatedAt: c.Time, UpdatedAt: c.Time, Document: raw(`{"a":1}`)}
	want(t, l.Roles, []storage.Record{role})
	want(t, l.User.PasswordSetAt, c.Time)
	want(t, l.User.PasswordOwn, false)
	want(t, l.Target.PasswordSetAt, time.Time{})
	want(t, k, storage.Token{Kind: "access", UserID: "1", CreatedAt: c.Time, ExpiresAt: c.Add(time.Hour), Document: raw("{}")})
	got, err := d.Records(storage.Role).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want(t, got, []storage.Record{role})
}

func TestOpenRefuses(t *testing.T) {
	db := func(statement string) string {
		path := filepath.Join(t.TempDir(), "test.db")
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = db.Exec(statement); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		return path
	}
	// A store of the next version.
	const newer = `CREATE TABLE t (a); PRAGMA application_id = 0x75736872; PRAGMA user_version = 1000`
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("no database\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, want string
		o          storage.Options
	}{
		{"no path", "a store is a file", storage.Options{}},
		{"missing", "no such file", storage.Options{Path: filepath.Join(t.TempDir(), "x"), Existing: true}},
		{"empty", "nothing in the file", storage.Options{Path: db(``), Existing: true}},
		{"older", "written by an older version: its schema is 1, the newest is", storage.Options{Path: db(storage.Schema(t, 1)), Existing: true}},
		{"newer", "newer version: its schema is 1000, the newest known here is", storage.Options{Path: db(newer), Existing: true}},
		{"memory", "a store is a file", storage.Options{Path: ":memory:"}},
		{"no such directory", "no such file", storage.Options{Path: filepath.Join(t.TempDir(), "a", "b")}},
		{"newer", "newer version: its schema is 1000, the newest known here is", storage.Options{Path: db(newer)}},
		{"another program's", "another program's database", storage.Options{Path: db(`CREATE TABLE t (a)`)}},
		{"another program's, with versions", "another program's database", storage.Options{Path: db(`CREATE TABLE t (a); PRAGMA user_version = 1`)}},
		{"lacks a column", "no such column: u.password_own", storage.Options{Path: db(storage.Schema(t, 3) + `; ALTER TABLE "user" DROP COLUMN password_own`)}},
		{"no database", "not a database", storage.Options{Path: text}},
		{"parameters", "memory 1 KiB", storage.Options{Path: filepath.Join(t.TempDir(), "x"), Hash: password.Params{Memory: 1, Time: 1, Threads: 1}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := storage.Open(t.Context(), tt.o)
			if err == nil {
				t.Fatal("opened", s.Close())
			}
			if tt.o.Existing && errors.Is(err, storage.ErrOlder) != (tt.name == "older") {
				t.Errorf("as to its age: %v", err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want it to say %q", err, tt.want)
			}
		})
	}
}

// Replicas may start together on a file that is not there yet.
func TestOpenAtOnce(t *testing.T) {
	for range 10 {
		path := filepath.Join(t.TempDir(), "test.db")
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				s, err := storage.Open(t.Context(), storage.Options{Path: path, Hash: cheap})
				if err != nil {
					t.Error(err)
					return
				}
				mustCreate(t, s.Directory("d"), storage.NewUser{Name: strconv.Itoa(i)})
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		_, total, err := openAt(t, path).Directory("d").Users(t.Context(), storage.UserQuery{})
		if err != nil || total != 4 {
			t.Fatal(total, err)
		}
	}
}

func TestCloseAndPing(t *testing.T) {
	s := open(t)
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Ping(t.Context()); err == nil {
		t.Error("a closed store answers a ping")
	}
	_, err := s.Directory("d").User(t.Context(), "1")
	wantKind(t, err, storage.Internal)
	_, err = s.Directory("d").CreateUser(t.Context(), admin, storage.NewUser{ID: "1", Name: "bob"})
	wantKind(t, err, storage.Internal)
}

// A file that another process holds is Busy, once the patience for it is over.
func TestLockedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	s := openAt(t, path)
	d := s.Directory("d")
	db, err := sql.Open("sqlite", path+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	other, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		_, err := d.CreateUser(t.Context(), admin, storage.NewUser{ID: "1", Name: "bob"})
		done <- err
	}()
	time.Sleep(50 * time.Millisecond)
	if err := other.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal("it should have waited: ", err)
	}

	if other, err = db.BeginTx(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	s.NoPatience(t)
	_, err = d.CreateUser(t.Context(), admin, storage.NewUser{ID: "2", Name: "ann"})
	wantKind(t, err, storage.Busy)
	wantKind(t, s.Ping(t.Context()), storage.Busy)
	if _, err := d.User(t.Context(), "1"); err != nil {
		t.Fatal("readers need not wait: ", err)
	}
	if err := other.Rollback(); err != nil {
		t.Fatal(err)
	}
}

// Sixteen writers, in two processes' worth of stores, lose nothing.
func TestSixteenWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	ds := []*storage.Directory{openAt(t, path).Directory("d"), openAt(t, path).Directory("d")}
	mustCreate(t, ds[0], storage.NewUser{Name: "shared", Document: raw(`{"n":0}`)})
	const writers, rounds = 16, 10
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			d, name := ds[w%len(ds)], fmt.Sprint("user", w)
			mustCreate(t, d, storage.NewUser{Name: name, Password: "0", Roles: []string{"r"}})
			for i := range rounds {
				old, p := password.Plain(strconv.Itoa(i)), password.Plain(strconv.Itoa(i+1))
				u, err := d.ChangePassword(t.Context(), admin, storage.PasswordChange{Name: name, Old: old, New: p})
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := d.CreateTokens(t.Context(), admin, u, storage.TokenSpec{Kind: "k", TTL: time.Hour}); err != nil {
					t.Error(err)
				}
				_, err = d.UpdateUser(t.Context(), admin, storage.UserEdit{ID: "shared", Edit: func(u *storage.User) error {
					n, err := strconv.Atoi(strings.Trim(string(u.Document), `{"n:}`))
					u.Document = fmt.Appendf(nil, `{"n":%d}`, n+1)
					return err
				}})
				if err != nil {
					t.Error(err)
				}
				if _, _, err := d.Users(t.Context(), storage.UserQuery{Limit: 3}); err != nil {
					t.Error(err)
				}
			}
			if err := login(t, d, name, password.Plain(strconv.Itoa(rounds))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	want(t, string(mustUser(t, ds[1], "shared").Document), fmt.Sprintf(`{"n":%d}`, writers*rounds))
}

// numbered is the password that the n-th change sets.
func numbered(n int) password.Plain { return password.Plain(fmt.Sprint("password number ", n)) }

// changePasswords changes bob's password without end, from the one that the
// trail says is the last, and prints the number of each change once it is made.
func changePasswords(path string) {
	fail := func(err error) {
		fmt.Println(err)
		os.Exit(1)
	}
	s, err := storage.Open(context.Background(), storage.Options{Path: path, Hash: cheap})
	if err != nil {
		fail(err)
	}
	d := s.Directory("d")
	es, err := d.Events(context.Background(), storage.EventQuery{})
	if err != nil {
		fail(err)
	}
	for n := len(es); ; n++ { // the first event made bob, each other one is a change
		if _, err := d.ChangePassword(context.Background(), admin, storage.PasswordChange{ID: "bob", Old: numbered(n - 1), New: numbered(n)}); err != nil {
			fail(err)
		}
		fmt.Println(n)
	}
}

// TestKill kills a process that changes passwords, at moments it cannot know,
// and looks for every change that it said it had made.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	s := openAt(t, path)
	mustCreate(t, s.Directory("d"), storage.NewUser{Name: "bob", Password: numbered(0)})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for range 6 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "STORAGE_TEST_CHANGE="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		said := 0
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			n, err := strconv.Atoi(lines.Text())
			if err != nil {
				t.Fatal(lines.Text())
			}
			if said == 0 {
				time.AfterFunc(rand.N(100*time.Millisecond), func() { _ = cmd.Process.Kill() })
			}
			said = n
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.Exited() {
			t.Fatalf("the process ended by itself: %v", err)
		}

		// The last change it spoke of is there, or the one it had no time to
		// speak of; and with a change, all that belongs to it.
		s := openAt(t, path)
		d := s.Directory("d")
		made := len(events(t, d, 1<<30)) - 1
		if made != said && made != said+1 {
			t.Fatalf("%d changes in the trail, %d were acknowledged", made, said)
		}
		if _, err := d.ChangePassword(t.Context(), admin, storage.PasswordChange{ID: "bob", Old: numbered(made), New: numbered(made + 1)}); err != nil {
			t.Fatalf("password %d of %d acknowledged: %v", made, said, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// What kill -9 cannot show: a commit is on the disk before it is acknowledged.
func TestCommitsAreOnTheDisk(t *testing.T) {
	want(t, open(t).Synchronous(t), 2)
}

// A file that is refused is as it was.
func TestRefusedFileIsNotChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "other.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), `CREATE TABLE t (a)`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := storage.Open(t.Context(), storage.Options{Path: path}); err == nil {
		t.Fatal("opened", s.Close())
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed: %v", err)
	}
}

func TestPingWantsToWrite(t *testing.T) {
	s := open(t)
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Exec(t, `PRAGMA query_only = on`)
	if err := s.Ping(t.Context()); err == nil {
		t.Error("a store that cannot be written is well")
	}
	s.Exec(t, `PRAGMA query_only = off`)
}

func TestLinkToAFileThatIsNotThere(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(dir, "real.db"), filepath.Join(dir, "link.db")); err != nil {
		t.Fatal(err)
	}
	openAt(t, filepath.Join(dir, "link.db"))
	info, err := os.Stat(filepath.Join(dir, "real.db"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// Long lists leave readers for what is short, and wait no longer than they may.
func TestListsLeaveRoom(t *testing.T) {
	s := open(t)
	d := s.Directory("d")
	mustCreate(t, d, storage.NewUser{Name: "bob", Password: "p"})
	release := s.HoldLists()
	for name, list := range map[string]func(context.Context) error{
		"users":   func(ctx context.Context) error { _, _, err := d.Users(ctx, storage.UserQuery{}); return err },
		"events":  func(ctx context.Context) error { _, err := d.Events(ctx, storage.EventQuery{}); return err },
		"records": func(ctx context.Context) error { _, err := d.Records(storage.Role).List(ctx); return err },
		"tokens":  func(ctx context.Context) error { _, err := d.Tokens(ctx, "k", ""); return err },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := list(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
	if _, err := d.Tokens(t.Context(), "k", "bob"); err != nil { // as few as one user has
		t.Error(err)
	}
	mustUser(t, d, "bob")
	release()
	if _, n, err := d.Users(t.Context(), storage.UserQuery{}); err != nil || n != 1 {
		t.Errorf("%d users, %v", n, err)
	}
}
