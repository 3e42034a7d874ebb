package storage

import (
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

// Waiting is how many hashes wait for a slot.
func (s *Store) Waiting() int { return int(s.hasher.waiting.Load()) }

// NoPatience has s give up at once on a file that another process holds.
func (s *Store) NoPatience(t *testing.T) {
	t.Helper()
	if _, err := s.writer.ExecContext(t.Context(), `PRAGMA busy_timeout = 0`); err != nil {
		t.Fatal(err)
	}
}
