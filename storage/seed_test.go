package storage_test

import (
	"errors"
	"io"
	"path/filepath"
	"slices"
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
	refused := seed
	refused.BeforeCommit = func() error { return io.ErrShortWrite }
	if done, err := d.Seed(t.Context(), admin, refused); done || !errors.Is(err, io.ErrShortWrite) {
		t.Fatal(done, err)
	}
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

// A directory that an earlier version of the seed filled is given what has come
// since, once, and what somebody changed stays as it is.
func TestSeedUpgrades(t *testing.T) {
	ctx := t.Context()
	s := open(t)
	record := func(id, document string) storage.Record {
		return storage.Record{ID: id, Name: "named " + id, Document: raw(document)}
	}
	first := storage.Seed{Records: map[storage.RecordKind][]storage.Record{
		storage.Role: {record("r1", `{}`), record("r2", `{}`), record("r3", `{}`)},
		"realm":      {record("m0", `{}`)},
	}}
	second := first
	second.Upgrades = []storage.SeedUpgrade{
		{Records: map[storage.RecordKind][]storage.Record{"realm": {record("m1", `{"a":1}`)}}},
		{
			Records: map[storage.RecordKind][]storage.Record{"realm": {record("m2", `{"b":1}`), record("m3", `{}`), record("m4", `{}`), record("m0", `{}`)}},
			Documents: []storage.SeedDocument{
				{Kind: storage.Role, Name: "named r1", Old: raw(`{}`), New: raw(`{"new":1}`)},
				{Kind: storage.Role, Name: "named r2", Old: raw(`{}`), New: raw(`{"new":2}`)},
				{Kind: storage.Role, Name: "named r3", Old: raw(`{"other":1}`), New: raw(`{"new":3}`)},
				{Kind: storage.Role, Name: "nobody's", Old: raw(`{}`), New: raw(`{"new":4}`)},
			},
		},
	}
	documents := func(d *storage.Directory) map[string]string {
		t.Helper()
		all := map[string]string{}
		for _, kind := range []storage.RecordKind{storage.Role, "realm"} {
			rs, err := d.Records(kind).List(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rs {
				all[r.ID] = string(r.Document)
			}
		}
		return all
	}
	seed := func(d *storage.Directory, seed storage.Seed) (done bool) {
		t.Helper()
		done, err := d.Seed(ctx, admin, seed)
		if err != nil {
			t.Fatal(err)
		}
		return done
	}

	d := s.Directory("d")
	seed(d, first)
	edit := func(storage.View, *storage.Record) error { return nil }
	if _, err := d.Records(storage.Role).Update(ctx, admin, "r2", edit); err != nil {
		t.Fatal(err)
	}
	realms := d.Records("realm")
	for _, r := range []storage.Record{record("m3", `{"own":1}`), {ID: "own", Name: "named m4", Document: raw(`{"own":2}`)}} {
		if _, err := realms.Create(ctx, admin, r, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := realms.Delete(ctx, admin, "m0", storage.RecordDelete{}); err != nil {
		t.Fatal(err)
	}
	upgraded := map[string]string{
		"r1": `{"new":1}`, "r2": `{}`, "r3": `{}`, "m1": `{"a":1}`, "m2": `{"b":1}`, "m3": `{"own":1}`, "own": `{"own":2}`,
	}
	for range 2 {
		want(t, seed(d, second), false)
		want(t, documents(d), upgraded)
	}
	want(t, events(t, d, 2), []string{"realm-deleted admin>named m0 ok", "seed-upgraded admin>d ok"})
	if _, err := realms.Delete(ctx, admin, "m1", storage.RecordDelete{}); err != nil {
		t.Fatal(err)
	}
	seed(d, second)
	delete(upgraded, "m1")
	want(t, documents(d), upgraded)

	// Which the second version fills has had them.
	e := s.Directory("e")
	want(t, seed(e, second), true)
	want(t, seed(e, second), false)
	want(t, documents(e), map[string]string{"r1": `{}`, "r2": `{}`, "r3": `{}`, "m0": `{}`})
	want(t, events(t, e, 9), []string{"seeded admin>e ok"})

	// Whole or not at all.
	third := second
	third.Upgrades = slices.Concat(second.Upgrades, []storage.SeedUpgrade{{Records: map[storage.RecordKind][]storage.Record{
		"realm": {record("m5", `{}`), {ID: "m6"}},
	}}})
	if _, err := d.Seed(ctx, admin, third); storage.KindOf(err) != storage.Invalid {
		t.Error(err)
	}
	want(t, documents(d), upgraded)
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
