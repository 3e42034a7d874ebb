package handlers_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"usher/handlers"
	"usher/storage"
	"usher/storage/password"
)

// What the settings for passwords do, over HTTP.

// lets reports whether a user's password opens the API.
func (w *world) lets(t *testing.T, name, secret string) bool {
	t.Helper()
	var r reply
	switch w.api {
	case "fusion":
		r = w.do(t, w.basic(t, "GET", "/api/session?_cookie=false", "", name, secret))
	case "applivery":
		r = w.do(t, w.request(t, "POST", "/v1/auth/login", `{"provider":"traditional","payload":{"email":"`+name+`@example.com","password":`+jsonString(secret)+`}}`))
	case "saymon":
		r = w.do(t, w.basic(t, "GET", "/node/api/users/current", "", name, secret))
	case "milvus":
		r = w.do(t, w.basic(t, "POST", "/v2/vectordb/users/describe", `{"userName":"`+name+`"}`, name, secret))
	}
	return succeeded(w.api, r)
}

// hashOf is what the store's file has of a user's password.
func hashOf(t *testing.T, dir, name string) (hash string) {
	t.Helper()
	db := openFile(t, dir)
	err := db.QueryRowContext(t.Context(), `SELECT password_hash FROM "user" WHERE name IN ($1, $1 || '@example.com')`, name).Scan(&hash)
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

// openFile opens the store's file behind its back.
func openFile(t *testing.T, dir string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "usher.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// restart is a server on the store's file in dir, whose hashes cost that much.
func restart(t *testing.T, dir, api string, cost password.Params) *world {
	t.Helper()
	w, err := newWorld(dir, api, []string{"admin"}, func(o *storage.Options) { o.Hash = cost })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, problem := range w.close() {
			t.Error(problem)
		}
	})
	return w
}

// Parameters that are raised, or lowered, reach an old hash at the next login
// that is right, and no other; so does argon2id a hash of bcrypt's.
func TestOldHashesAreMadeAnew(t *testing.T) {
	const secret = "Passw0rd-1"
	low, high := password.Params{Memory: 8, Time: 1, Threads: 1}, password.Params{Memory: 32, Time: 3, Threads: 2}
	for _, api := range handlers.Names() {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			at := func(w *world, before, after string) {
				t.Helper()
				defer func() {
					for _, problem := range w.close() {
						t.Error(problem)
					}
					w.defers, w.watch.problems = nil, nil
				}()
				was := hashOf(t, dir, "alice")
				if !strings.HasPrefix(was, before) {
					t.Fatalf("before: %s, want %s", was, before)
				}
				if w.lets(t, "alice", secret+"x") {
					t.Error("a wrong password lets in")
				}
				if is := hashOf(t, dir, "alice"); is != was {
					t.Errorf("a wrong password makes %s of %s", is, was)
				}
				for range 2 {
					if !w.lets(t, "alice", secret) {
						t.Error("the password does not let in")
					}
				}
				is := hashOf(t, dir, "alice")
				if !strings.HasPrefix(is, after) || password.Verify(is, secret) != nil {
					t.Errorf("after: %s, want %s", is, after)
				}
			}
			const cheap, dear = "$argon2id$v=19$m=8,t=1,p=1$", "$argon2id$v=19$m=32,t=3,p=2$"
			w := restart(t, dir, api, low)
			if made := w.do(t, dialects[api].create(t, w, "alice", secret)); !succeeded(api, made) {
				t.Fatal(made)
			}
			at(w, cheap, cheap)
			at(restart(t, dir, api, high), cheap, dear)
			at(restart(t, dir, api, high), dear, dear)
			at(restart(t, dir, api, low), dear, cheap)

			imported, err := bcrypt.GenerateFromPassword([]byte(secret), bcrypt.MinCost)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := openFile(t, dir).ExecContext(t.Context(),
				`UPDATE "user" SET password_hash = $1 WHERE name IN ('alice', 'alice@example.com')`, string(imported)); err != nil {
				t.Fatal(err)
			}
			at(restart(t, dir, api, high), "$2a$04$", dear)
		})
	}
}

// A hash that is made anew is no change of the password: sessions and tokens go on.
func TestNewHashesEndNothing(t *testing.T) {
	low, high := password.Params{Memory: 8, Time: 1, Threads: 1}, password.Params{Memory: 32, Time: 3, Threads: 2}
	for _, api := range handlers.Names() {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			w := restart(t, dir, api, low)
			u := inhabitants[api](t, w, "alice")
			if problems := w.close(); problems != nil {
				t.Fatal(problems)
			}
			*w = *restart(t, dir, api, high) // for all that u does
			w.defers = nil
			before := hashOf(t, dir, "alice")
			all := func(wayIn) bool { return true }
			u.tryAll(t, "while the hash is made anew", all)
			if after := hashOf(t, dir, "alice"); after == before || !strings.HasPrefix(after, "$argon2id$v=19$m=32,t=3,p=2$") {
				t.Errorf("%s, and before %s", after, before)
			}
			u.tryAll(t, "after", all)
		})
	}
}

// Logins that make a new hash of a password while it is changed do not undo the
// change: what is stored in the end is the new one.
func TestNewHashesDoNotUndoAChange(t *testing.T) {
	const users, logins = 4, 4
	low, high := password.Params{Memory: 8, Time: 1, Threads: 1}, password.Params{Memory: 4 << 10, Time: 2, Threads: 1}
	for _, api := range handlers.Names() {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			w := restart(t, dir, api, low)
			ids := make([]string, users)
			for i := range ids {
				ids[i] = inhabitants[api](t, w, fmt.Sprint("alice", i)).id
			}
			if problems := w.close(); problems != nil {
				t.Fatal(problems)
			}
			w.defers = nil
			w = restart(t, dir, api, high)
			for i, id := range ids {
				name := fmt.Sprint("alice", i)
				var group sync.WaitGroup
				for range logins {
					group.Go(func() { w.lets(t, name, firstSecret) })
				}
				var changed reply
				group.Go(func() { changed = w.do(t, dialects[api].change(t, w, name, id, firstSecret, secondSecret)) })
				group.Wait()
				if !succeeded(api, changed) {
					t.Fatalf("%s: %s", name, changed)
				}
				if w.lets(t, name, firstSecret) || !w.lets(t, name, secondSecret) {
					t.Errorf("%s: the old password lets in, or the new one does not", name)
				}
				if hash := hashOf(t, dir, name); password.Verify(hash, secondSecret) != nil {
					t.Errorf("%s: %s is not of the new password", name, hash)
				}
			}
		})
	}
}
