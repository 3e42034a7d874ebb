package storage_test

import (
	"bytes"
	"compress/gzip"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"usher/storage"
	"usher/storage/password"
)

// imageOf takes an image.
func imageOf(tb testing.TB, s *storage.Store) storage.Image {
	tb.Helper()
	i, err := s.Image(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return i
}

// openImage opens a store that is made of an image, until the test ends.
func openImage(tb testing.TB, i storage.Image) *storage.Store {
	tb.Helper()
	return openImageWith(tb, i)
}

// openImageWith is openImage with other options.
func openImageWith(tb testing.TB, i storage.Image, set ...func(*storage.Options)) *storage.Store {
	tb.Helper()
	o := storage.Options{Path: filepath.Join(tb.TempDir(), "test.db"), Hash: cheap, Volatile: true}
	for _, f := range set {
		f(&o)
	}
	s, err := storage.OpenImage(tb.Context(), o, i)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// An image has all that there is, what is in the log only as well, and what is made
// of it is a store like any other.
func TestImage(t *testing.T) {
	s := open(t)
	fill(t, s)
	u := mustUser(t, s.Directory("d"), "1")
	tokens, err := s.Directory("d").CreateTokens(t.Context(), admin, u, storage.TokenSpec{Kind: "access"})
	if err != nil {
		t.Fatal(err)
	}
	one := openImage(t, imageOf(t, s))
	for _, table := range []string{"directory", "user", "user_role", "record", "policy", "token", "password_history", "event"} {
		if n := s.Count(t, `"`+table+`"`); n == 0 || one.Count(t, `"`+table+`"`) != n {
			t.Errorf("%d rows of %s, not %d", one.Count(t, `"`+table+`"`), table, n)
		}
	}
	want(t, mustUser(t, one.Directory("d"), "1"), u)
	if _, _, err := one.Directory("d").AuthenticateToken(t.Context(), "access", tokens[0].Secret, ""); err != nil {
		t.Error(err)
	}
	if err := one.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	want(t, one.Synchronous(t), 0)
}

// Worlds that come of one image have nothing to do with each other: a password that
// is proven, and then changed, in one of them is what it was in the others.
func TestImagesAreWorldsOfTheirOwn(t *testing.T) {
	s := open(t)
	d := s.Directory("d")
	mustCreate(t, d, storage.NewUser{Name: "ann", Password: "first"})
	if err := login(t, d, "ann", "first"); err != nil {
		t.Fatal(err)
	}
	i := imageOf(t, s)
	before := bytes.Clone(i.Bytes())
	one, other := openImage(t, i).Directory("d"), openImage(t, i).Directory("d")
	for _, d := range []*storage.Directory{one, d} {
		if _, err := d.ChangePassword(t.Context(), admin, storage.PasswordChange{ID: "ann", Old: "first", New: "second"}); err != nil {
			t.Fatal(err)
		}
		wantKind(t, login(t, d, "ann", "first"), storage.WrongPassword)
	}
	if err := login(t, other, "ann", "first"); err != nil {
		t.Error(err)
	}
	wantKind(t, login(t, other, "ann", "second"), storage.WrongPassword)
	hashes := 0
	fork := openImage(t, i)
	fork.OnVerify(func(string) { hashes++ })
	if err := login(t, fork.Directory("d"), "ann", "first"); err != nil || hashes != 1 {
		t.Errorf("%v, %d hashes: what was proven elsewhere is not proven here", err, hashes)
	}
	if !bytes.Equal(i.Bytes(), before) {
		t.Error("the image has changed")
	}
}

// An image is of one moment: each user comes with an event in one transaction.
func TestImageIsOfOneMoment(t *testing.T) {
	s := open(t)
	d := s.Directory("d")
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for n := range 50 {
				if _, err := d.CreateUser(t.Context(), admin, storage.NewUser{ID: fmt.Sprint(w, "-", n), Name: fmt.Sprint(w, "-", n)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 20 {
		i := openImage(t, imageOf(t, s))
		if users, events := i.Count(t, `"user"`), i.Count(t, "event"); users != events {
			t.Errorf("%d users, %d events", users, events)
		}
	}
	writers.Wait()
	want(t, openImage(t, imageOf(t, s)).Count(t, `"user"`), 200)
}

func TestOpenImageRefuses(t *testing.T) {
	i := imageOf(t, open(t))
	path := filepath.Join(t.TempDir(), "there")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	logged := filepath.Join(t.TempDir(), "logged")
	if err := os.WriteFile(logged+"-wal", []byte("of another store"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path string
		i    storage.Image
		want string
	}{
		{path, i, "exists"},
		{logged, i, "the log of another store"},
		{"", i, "a store is a file"},
		{filepath.Join(t.TempDir(), "a", "b"), i, "no such file"},
		{filepath.Join(t.TempDir(), "x"), storage.Image{}, "no image"},
	} {
		s, err := storage.OpenImage(t.Context(), storage.Options{Path: tt.path, Hash: cheap}, tt.i)
		if err == nil {
			t.Fatal("opened", s.Close())
		}
		if errors.Is(err, fs.ErrExist) != (tt.path == path) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v", tt.path, err)
		}
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "mine" {
		t.Errorf("%s, %v: what was there", b, err)
	}
}

// first is the file of a store that the first version has made.
func first(t *testing.T) []byte {
	t.Helper()
	f, err := os.Open("testdata/version-1.db.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What somebody sends is an image if it is a store: of this version or an older one,
// and nothing wrong with it.
func TestReadImage(t *testing.T) {
	path := lived(t)
	read := func(path string) []byte {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, content := range map[string][]byte{
		"an image":        imageOf(t, openAt(t, path)).Bytes(),
		"a backup":        read(saved(t, path)),
		"an older backup": first(t),
	} {
		i, err := storage.ReadImage(t.Context(), content)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		s := openImage(t, i)
		if users := s.Count(t, `"user"`); users == 0 {
			t.Errorf("%s: %d users", name, users)
		}
		mustCreate(t, s.Directory("d"), storage.NewUser{Name: "made since"})
	}

	// Who wrote the file has said what is done with each row of it.
	other := saved(t, path)
	db, err := sql.Open("sqlite", other)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	_, err = db.Exec(`PRAGMA writable_schema = on;
		UPDATE sqlite_schema SET sql = replace(sql, 'UNIQUE (directory, name', 'CHECK (length(hex(zeroblob(1000))) > 0), UNIQUE (directory, name') WHERE name = 'user'`)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}

	newer := read(saved(t, path))
	newer[63] = 200 // the last byte of user_version: https://www.sqlite.org/fileformat.html#user_version_number
	for _, tt := range []struct {
		name    string
		content []byte
		damaged bool
	}{
		{"nothing", nil, false},
		{"no database", []byte(strings.Repeat("no database\n", 1000)), true},
		{"a part", read(saved(t, path))[:8192], true},
		{"damaged", append(read(saved(t, path))[:20*4096], bytes.Repeat([]byte("junk"), 4096)...), true},
		{"newer", newer, false},
		{"other tables", read(other), true},
	} {
		if _, err := storage.ReadImage(t.Context(), tt.content); err == nil || errors.Is(err, storage.ErrDamaged) != tt.damaged {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// A volatile store that nobody uses has no file open, and is there when somebody
// does again.
func TestVolatileStoreLetsGo(t *testing.T) {
	s := open(t)
	mustCreate(t, s.Directory("d"), storage.NewUser{Name: "ann", Password: "first"})
	i := imageOf(t, s)
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := storage.OpenImage(t.Context(), storage.Options{Path: filepath.Join(folder, "test.db"), Hash: cheap, Volatile: true}, i)
		if err != nil {
			t.Fatal(err)
		}
		want(t, s.Connections(), 0)
		for _, p := range []struct{ old, new password.Plain }{{"first", "second"}, {"second", "third"}} {
			if _, err := s.Directory("d").ChangePassword(t.Context(), admin, storage.PasswordChange{ID: "ann", Old: p.old, New: p.new}); err != nil {
				t.Fatal(err)
			}
			want(t, s.Connections(), 2)
			time.Sleep(time.Minute)
			synctest.Wait()
			want(t, s.Connections(), 0)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
