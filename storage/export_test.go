package storage

import (
	"fmt"
	"os"
	"testing"

	"usher/storage/password"
)

// OnVerify has f called with each hash that a password is about to be verified
// against, while the hasher's slot is taken. Not for use while verbs run.
func (s *Store) OnVerify(f func(encoded string)) {
	verify := s.hasher.verify
	s.hasher.verify = func(encoded string, p password.Plain) error {
		f(encoded)
		return verify(encoded, p)
	}
}

// HoldLists takes every turn to read a list until release is called.
func (s *Store) HoldLists() (release func()) {
	for range cap(s.lists) {
		s.lists <- struct{}{}
	}
	return func() {
		for range cap(s.lists) {
			<-s.lists
		}
	}
}

// Exec runs a statement behind the store's back.
func (s *Store) Exec(t *testing.T, query string) {
	t.Helper()
	if _, err := s.writer.ExecContext(t.Context(), query); err != nil {
		t.Fatal(err)
	}
}

// Synchronous is SQLite's setting of that name on the writer: 2 is FULL.
func (s *Store) Synchronous(t *testing.T) (level int) {
	t.Helper()
	if err := s.writer.QueryRowContext(t.Context(), `PRAGMA synchronous`).Scan(&level); err != nil {
		t.Fatal(err)
	}
	return level
}

// Waiting is how many hashes wait for a slot.
func (s *Store) Waiting() int { return int(s.hasher.waiting.Load()) }

// NoPatience has s give up at once on a file that another process holds.
func (s *Store) NoPatience(t *testing.T) {
	t.Helper()
	if _, err := s.writer.ExecContext(t.Context(), `PRAGMA busy_timeout = 0`); err != nil {
		t.Fatal(err)
	}
}

// Count is how many rows a table has.
func (s *Store) Count(t *testing.T, table string) (n int) {
	t.Helper()
	if err := s.reader.QueryRowContext(t.Context(), `SELECT count(*) FROM `+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// Schema is the migrations up to a version, as a script.
func Schema(t *testing.T, version int) (script string) {
	t.Helper()
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files[:version] {
		b, err := migrations.ReadFile("migrations/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		script += string(b)
	}
	return script + fmt.Sprintf("PRAGMA user_version = %d;", version)
}

// OnFileNames has f asked, until the test ends, before a file is given another
// name or, by a link, one more: what it returns is the error.
func OnFileNames(t *testing.T, f func(byLink bool, from, to string) error) {
	t.Helper()
	t.Cleanup(func() { link, rename = os.Link, os.Rename })
	ask := func(byLink bool, do func(from, to string) error) func(from, to string) error {
		return func(from, to string) error {
			if err := f(byLink, from, to); err != nil {
				return err
			}
			return do(from, to)
		}
	}
	link, rename = ask(true, os.Link), ask(false, os.Rename)
}

// MaxBuckets is how many buckets of a kind the throttle keeps.
const MaxBuckets = maxBuckets

// MaxPairs is how many sources that have proven its password an account has.
const MaxPairs = maxPairs

// Pairs is how many of these there are of all accounts.
func (s *Store) Pairs() int { return s.throttle.pairs.Len() }

// FillThrottle has n attempts fail and n succeed, each from an address of its own
// at an account of its own, and returns how many accounts, sources and pairs of
// them are kept.
func (s *Store) FillThrottle(n int) [3]int {
	t := s.throttle
	for i := range n {
		at := t.attempt("d", Actor{Source: fmt.Sprint("source", i)}, &account{User: User{ID: fmt.Sprint(i), Name: fmt.Sprint("name", i)}}, "", "")
		_, _ = t.take(at)
		t.succeed(at)
	}
	return [3]int{t.accounts.Len(), t.sources.Len(), t.pairs.Len()}
}

// FailNamed has an attempt fail at a name that nobody has, without a hash.
func (s *Store) FailNamed(name, source string) {
	_, _ = s.throttle.take(s.throttle.attempt("d", Actor{Source: source}, nil, "", name))
}

// Connections is how many there are to the file.
func (s *Store) Connections() int {
	return s.writer.Stats().OpenConnections + s.reader.Stats().OpenConnections
}
