package storage_test

import (
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"usher/storage"
	"usher/storage/password"
)

func TestSeed(t *testing.T) {
	c := newClock()
	path := filepath.Join(t.TempDir(), "test.db")
	s := openAt(t, path, c.options)
	d := s.Directory("d")
	seed := storage.Seed{
		Records:  map[storage.RecordKind][]storage.Record{storage.Role: {{ID: "r1", Name: "admin", Document: raw(`{"a":1}`)}}},
		Policies: []storage.Policy{{ID: "1", Default: true}},
		Users: []storage.NewUser{
			{ID: "1", Name: "root", Password: "p", Roles: []string{"admin"}, CreatedAt: c.AddDate(-2, 0, 0), UpdatedAt: c.AddDate(-1, 0, 0)},
			{ID: "2", Name: "later"},
		},
	}

	// Whole or nothing: the second time the seed is as it should be.
	broken := seed
	broken.Users = append(broken.Users[:2:2], storage.NewUser{ID: "3", Name: "root"})
	done, err := d.Seed(t.Context(), admin, broken)
	wantKind(t, err, storage.Exists, "name")
	want(t, done, false)
	broken.Users[2] = storage.NewUser{ID: "3", Name: "x", Password: "p", Policy: password.Policy{MinLength: 2}}
	_, err = d.Seed(t.Context(), admin, broken)
	wantKind(t, err, storage.WeakPassword)
	rs, err := d.Records(storage.Role).List(t.Context())
	if err != nil || rs != nil {
		t.Fatal(rs, err)
	}
	want(t, events(t, d, 9), []string(nil))

	done, err = d.Seed(t.Context(), admin, seed)
	if err != nil || !done {
		t.Fatal(done, err)
	}
	want(t, events(t, d, 9), []string{"seeded admin>d ok"})
	want(t, mustUser(t, d, "1").CreatedAt, c.AddDate(-2, 0, 0))
	want(t, mustUser(t, d, "1").UpdatedAt, c.AddDate(-1, 0, 0))
	want(t, mustUser(t, d, "2").CreatedAt, c.Time)
	if err := login(t, d, "root", "p"); err != nil {
		t.Fatal(err)
	}

	// Once in its life, although what it made is gone, and without hashing.
	if _, err := d.DeleteUser(t.Context(), admin, "1"); err != nil {
		t.Fatal(err)
	}
	for _, d := range []*storage.Directory{d, openAt(t, path).Directory("d")} {
		broken.Users[2].Password = "p"
		done, err = d.Seed(t.Context(), admin, broken)
		if err != nil || done {
			t.Fatal(done, err)
		}
	}
	_, err = d.User(t.Context(), "1")
	wantKind(t, err, storage.NotFound)
	done, err = s.Directory("e").Seed(t.Context(), admin, seed)
	if err != nil || !done {
		t.Fatal("another directory", done, err)
	}
}

func TestSeedOnceAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	var seeded atomic.Int64
	var wg sync.WaitGroup
	for _, s := range []*storage.Store{openAt(t, path), openAt(t, path)} {
		for range 4 {
			wg.Go(func() {
				done, err := s.Directory("d").Seed(t.Context(), admin, storage.Seed{Users: []storage.NewUser{{ID: "1", Name: "root"}}})
				if err != nil {
					t.Error(err)
				}
				if done {
					seeded.Add(1)
				}
			})
		}
	}
	wg.Wait()
	want(t, seeded.Load(), int64(1))
}
