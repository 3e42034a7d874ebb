package storage_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/storage"
	"usher/storage/password"
)

// listed are the names of the files in the folder of path.
func listed(t *testing.T, path string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// saved is a backup of the store at path, in a folder of its own.
func saved(t *testing.T, path string) (to string) {
	t.Helper()
	to = filepath.Join(t.TempDir(), "saved.db")
	if err := storage.Backup(t.Context(), path, to, false); err != nil {
		t.Fatal(err)
	}
	return to
}

// A backup onto a link is one onto what the link leads to: a store in use is not
// replaced by another name either, and the link stays.
func TestBackupOntoALink(t *testing.T) {
	path, other := lived(t), lived(t)
	s := openAt(t, path)
	mustCreate(t, s.Directory("d"), storage.NewUser{Name: "bob"})
	name := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(path, name); err != nil {
		t.Fatal(err)
	}
	if err := storage.Backup(t.Context(), other, name, true); !errors.Is(err, storage.ErrLog) {
		t.Errorf("a link to a store in use: %v", err)
	}
	if err := storage.Backup(t.Context(), path, name, true); err == nil || !strings.Contains(err.Error(), "the store itself") {
		t.Errorf("a link to the store itself: %v", err)
	}
	if err := storage.Backup(t.Context(), other, name, false); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a link, not to be replaced: %v", err)
	}
	if r := mustCheck(t, path); r.Users != 2 || r.Problems != nil {
		t.Error(r)
	}

	older := saved(t, path)
	if err := errors.Join(os.Remove(name), os.Symlink(older, name)); err != nil {
		t.Fatal(err)
	}
	if err := storage.Backup(t.Context(), other, name, true); err != nil {
		t.Error(err)
	}
	if to, err := os.Readlink(name); err != nil || to != older {
		t.Error("the link is gone:", to, err)
	}
	want(t, mustCheck(t, older).Users, 1)

	if err := os.Remove(older); err != nil {
		t.Fatal(err)
	}
	for _, replace := range []bool{true, false} {
		if err := storage.Backup(t.Context(), other, name, replace); err == nil || !strings.Contains(err.Error(), "nothing is there") {
			t.Errorf("a link to nothing: %v", err)
		}
	}
	if _, err := storage.Restore(t.Context(), admin, other, name); err == nil || !strings.Contains(err.Error(), "nothing is there") {
		t.Errorf("restore onto a link to nothing: %v", err)
	}
	want(t, listed(t, name), []string{"link.db"})
}

var (
	errNoLinks = errors.New("no links here")
	errNoName  = errors.New("no other name here")
)

// A backup has its name with all that is in it or not at all, with links and
// without, and never that of a file that came in between.
func TestBackupThatGetsNoName(t *testing.T) {
	path := lived(t)
	for _, links := range []bool{true, false} {
		for _, replace := range []bool{true, false} {
			to := filepath.Join(t.TempDir(), "copy.db")
			renames := true
			before := func() {}
			storage.OnFileNames(t, func(byLink bool, _, _ string) error {
				before()
				switch {
				case byLink && !links:
					return errNoLinks
				case !byLink && !renames:
					return errNoName
				}
				return nil
			})
			if err := storage.Backup(t.Context(), path, to, replace); err != nil {
				t.Fatal(err)
			}
			want(t, mustCheck(t, to).Users, 1)
			want(t, listed(t, to), []string{"copy.db"})
			if err := os.Remove(to); err != nil {
				t.Fatal(err)
			}

			if renames = false; !links || replace {
				if err := storage.Backup(t.Context(), path, to, replace); !errors.Is(err, errNoName) {
					t.Error(err)
				}
				want(t, listed(t, to), []string(nil))
			}
			if renames = true; replace {
				continue
			}
			before = func() {
				if err := os.WriteFile(to, []byte("faster"), 0o600); err != nil {
					t.Error(err)
				}
			}
			if err := storage.Backup(t.Context(), path, to, false); !errors.Is(err, fs.ErrExist) {
				t.Error(err)
			}
			want(t, listed(t, to), []string{"copy.db"})
			if is, err := os.ReadFile(to); err != nil || string(is) != "faster" {
				t.Error(string(is), err)
			}
		}
	}
}

// A restore that fails at its end leaves what was there, by its own name, with its
// log, and not by another name as well.
func TestRestoreThatGetsNoName(t *testing.T) {
	from := saved(t, lived(t))
	for _, links := range []bool{true, false} {
		for _, with := range [][]string{{}, {"test.db"}, {"test.db-wal"}, {"test.db", "test.db-journal", "test.db-wal"}} {
			to := filepath.Join(t.TempDir(), "test.db")
			for _, name := range with { // too damaged to take in its log
				if err := os.WriteFile(filepath.Join(filepath.Dir(to), name), []byte(strings.Repeat(name, 1000)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			stuck := false
			storage.OnFileNames(t, func(byLink bool, from, name string) error {
				switch {
				case byLink && !links:
					return errNoLinks
				case name == to && strings.HasSuffix(from, ".part"), stuck && strings.HasPrefix(name, to):
					stuck = len(with) > 1 && !links && !byLink
					return errNoName
				}
				return nil
			})
			_, err := storage.Restore(t.Context(), admin, from, to)
			if !errors.Is(err, errNoName) {
				t.Error(err)
			}
			if stuck { // and it does not go back either
				if !strings.Contains(err.Error(), "what was there is "+to+".") {
					t.Error(err)
				}
				continue
			}
			if left := listed(t, to); !slices.Equal(left, with) {
				t.Errorf("there is %v, was %v", left, with)
			}
			for _, name := range with {
				if is, err := os.ReadFile(filepath.Join(filepath.Dir(to), name)); err != nil || !strings.HasPrefix(string(is), name) {
					t.Error(name, err)
				}
			}
		}
	}
}

// Whoever reads a trail, or checks a store, or copies one, leaves the file as it is.
func TestReadingChangesNothing(t *testing.T) {
	path := saved(t, lived(t))
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	trail, err := storage.OpenTrail(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	es, err := trail.Events(t.Context(), storage.EventQuery{})
	if err != nil || len(es) != 3 || es[0].Kind != storage.Seeded || es[0].Directory != "d" {
		t.Error(es, err)
	}
	_, err = trail.Events(t.Context(), storage.EventQuery{Limit: -1})
	wantKind(t, err, storage.Invalid, "limit")
	if err := trail.Close(); err != nil {
		t.Fatal(err)
	}
	mustCheck(t, path)
	saved(t, path)
	if after, err := os.ReadFile(path); err != nil || sha256.Sum256(after) != sha256.Sum256(before) {
		t.Error("it has changed", err)
	}
	want(t, listed(t, path), []string{"saved.db"})
}

// What was replaced or pruned is not in the file any more once the log is, nor in a
// backup.
func TestWhatIsGoneIsOverwritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	s := openAt(t, path)
	d := s.Directory("d")
	var gone []string
	for i := range 200 {
		id := fmt.Sprint("user", i)
		hash, err := password.Hash(password.Plain(id), cheap)
		if err != nil {
			t.Fatal(err)
		}
		gone = append(gone, hash)
		mustCreate(t, d, storage.NewUser{Name: id, Hash: hash})
	}
	s.Exec(t, `PRAGMA wal_checkpoint(truncate)`)
	count := func(path string, texts ...string) (n int) {
		t.Helper()
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range texts {
			n += min(1, strings.Count(string(file), text))
		}
		return n
	}
	gone = append(gone, string(storage.UserCreated))
	want(t, count(path, gone...), len(gone))
	for i := range 200 {
		if _, err := d.SetPassword(t.Context(), admin, fmt.Sprint("user", i), "another", password.Policy{}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := d.PruneEvents(t.Context(), admin, time.Now()); err != nil || n != 400 {
		t.Fatal(n, err)
	}
	s.Exec(t, `PRAGMA wal_checkpoint(truncate)`)
	want(t, count(path, gone...), 0)
	want(t, count(saved(t, path), gone...), 0)
}

// The trail of a store in use has what is in its log.
func TestTrailOfAStoreInUse(t *testing.T) {
	path := lived(t)
	d := openAt(t, path).Directory("d")
	trail, err := storage.OpenTrail(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"bob", "claire"} {
		mustCreate(t, d, storage.NewUser{Name: name})
		if es, err := trail.Events(t.Context(), storage.EventQuery{Since: time.Unix(1, 0)}); err != nil || len(es) != 4+i || es[3+i].TargetName != name {
			t.Error(es, err)
		}
	}
	if err := trail.Close(); err != nil {
		t.Error(err)
	}
	for _, path := range []string{filepath.Join(t.TempDir(), "none"), t.TempDir()} {
		if _, err := storage.OpenTrail(t.Context(), path); err == nil {
			t.Error(path)
		}
	}
}
