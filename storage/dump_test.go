package storage_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"usher/storage"
	"usher/storage/password"
)

// dump is what is in a store.
func dump(t *testing.T, s *storage.Store) map[string]storage.Seed {
	t.Helper()
	seeds, err := s.Dump(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return seeds
}

// A store that a dump is loaded into has all that the other has: ids, times and
// passwords, and what has become of them.
func TestDumpAndLoad(t *testing.T) {
	c := newClock()
	s := open(t, c.options)
	fill(t, s)
	d := s.Directory("d")
	c.Time = c.Add(time.Hour)
	mustCreate(t, d, storage.NewUser{Name: "bob", Realm: "native", Email: "bob@example.com", Document: raw(`{"b":1,"a":[2,{"z":null}]}`)})
	if _, err := d.ChangePassword(t.Context(), storage.Actor{}, storage.PasswordChange{ID: "1", Old: "second", New: "third"}); err != nil {
		t.Fatal(err)
	}
	c.Time = c.Add(time.Hour)
	if _, err := d.UpdateUser(t.Context(), admin, storage.UserEdit{ID: "1", Edit: func(u *storage.User) error {
		u.Roles = append(u.Roles, "nobody's")
		return nil
	}}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.CreatePolicy(t.Context(), admin, storage.Policy{ID: "0", Document: raw(`{"length":8}`)}); err != nil {
		t.Fatal(err)
	}
	mustCreate(t, s.Directory("never seeded"), storage.NewUser{Name: "eve"})

	c.Time = c.Add(time.Hour)
	loaded := open(t, c.options)
	if err := loaded.Load(t.Context(), admin, dump(t, s)); err != nil {
		t.Fatal(err)
	}
	want(t, dump(t, loaded), dump(t, s))
	for _, id := range []string{"1", "bob"} {
		got, expected := mustUser(t, loaded.Directory("d"), id), mustUser(t, d, id)
		a, _ := json.Marshal(got)
		b, _ := json.Marshal(expected)
		want(t, string(a), string(b))
	}
	if u := mustUser(t, loaded.Directory("d"), "1"); !u.PasswordOwn || !u.PasswordSetAt.Equal(newClock().Add(time.Hour)) {
		t.Errorf("%+v", u)
	}
	if err := login(t, loaded.Directory("d"), "ann", "third"); err != nil {
		t.Error(err)
	}
	want(t, loaded.Count(t, "token"), 0)
	want(t, events(t, loaded.Directory("never seeded"), 10), []string{"seeded admin>never seeded ok"})

	// It is not seeded again, nor given what comes to the seed.
	later := storage.Seed{Upgrades: []storage.SeedUpgrade{{Records: map[storage.RecordKind][]storage.Record{storage.Role: {{ID: "r9", Name: "later"}}}}}}
	if done, err := loaded.Directory("d").Seed(t.Context(), admin, later); done || err != nil {
		t.Error(done, err)
	}
	want(t, dump(t, loaded), dump(t, s))
}

// Load takes all or nothing.
func TestLoadRefuses(t *testing.T) {
	seeded := func(s *storage.Store) error {
		_, err := s.Directory("b").Seed(t.Context(), admin, storage.Seed{})
		return err
	}
	used := func(s *storage.Store) error {
		_, err := s.Directory("b").Records("realm").Create(t.Context(), admin, storage.Record{ID: "1", Name: "r"}, nil)
		return err
	}
	empty := func(*storage.Store) error { return nil }
	failed := errors.New("no")
	users := func(us ...storage.NewUser) storage.Seed { return storage.Seed{Users: us} }
	for _, tt := range []struct {
		name   string
		before func(*storage.Store) error
		b      storage.Seed
		kind   storage.Kind
		text   string
	}{
		{"seeded", seeded, users(), storage.Conflict, `directory "b": storage: conflict`},
		{"used", used, users(), storage.Conflict, `directory "b": storage: conflict`},
		{"no name", empty, users(storage.NewUser{ID: "1"}), storage.Invalid, `directory "b": user "1": storage: invalid: name`},
		{
			"no hash", empty, users(storage.NewUser{ID: "1", Name: "ann", Hash: "secret"}), storage.Invalid,
			`directory "b": user "ann": storage: invalid: hash: password: malformed hash: want $argon2id$v=19$, $2a$, $2b$ or $2y$`,
		},
		{
			"twice", empty, users(storage.NewUser{ID: "1", Name: "ann"}, storage.NewUser{ID: "1", Name: "bob"}), storage.Exists,
			`directory "b": user "bob": storage: exists: id`,
		},
		{
			"a weak password", empty, users(storage.NewUser{ID: "1", Name: "ann", Password: "x", Policy: password.Policy{MinLength: 8}}), storage.WeakPassword,
			`directory "b": user "ann": storage: weak password: min-length: want 8`,
		},
		{
			"a record twice", empty,
			storage.Seed{Records: map[storage.RecordKind][]storage.Record{"role": {{ID: "1", Name: "r"}, {ID: "2", Name: "r"}}}},
			storage.Exists,
			`directory "b": role "r": storage: exists: name`,
		},
		{"a policy without id", empty, storage.Seed{Policies: []storage.Policy{{}}}, storage.Invalid, `directory "b": policy "": storage: invalid: id`},
		{"not committed", empty, storage.Seed{BeforeCommit: func() error { return failed }}, storage.Internal, "no"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t)
			if err := tt.before(s); err != nil {
				t.Fatal(err)
			}
			before := dump(t, s)
			err := s.Load(t.Context(), admin, map[string]storage.Seed{"a": users(storage.NewUser{ID: "1", Name: "ann"}), "b": tt.b, "c": {}})
			wantKind(t, err, tt.kind)
			if err.Error() != tt.text {
				t.Errorf("%q, want %q", err, tt.text)
			}
			want(t, dump(t, s), before)
		})
	}
	if err := open(t).Load(t.Context(), admin, nil); err != nil {
		t.Error(err)
	}
}

func TestDiff(t *testing.T) {
	c := newClock()
	s := open(t, c.options)
	fill(t, s)
	d := s.Directory("d")
	mustCreate(t, d, storage.NewUser{Name: "eve"})
	mustCreate(t, d, storage.NewUser{Name: "tim", Password: "first", Document: raw(`{"a":{"b":1,"c":2},"l":[1,2]}`)})
	fork := openImageWith(t, imageOf(t, s), c.options)
	if ds, err := storage.Diff(t.Context(), s, fork); err != nil || ds != nil {
		t.Fatal(ds, err)
	}

	c.Time = c.Add(time.Hour)
	f := fork.Directory("d")
	if _, err := f.UpdateUser(t.Context(), admin, storage.UserEdit{ID: "tim", Password: "second", Edit: func(u *storage.User) error {
		u.Roles, u.Document = []string{"boss"}, raw(`{"a":{"c":3,"b":1},"l":[1,2],"n":{}}`)
		return nil
	}}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.DeleteUser(t.Context(), admin, "eve"); err != nil {
		t.Fatal(err)
	}
	u := mustCreate(t, f, storage.NewUser{Name: "new"})
	if _, err := f.CreateTokens(t.Context(), admin, u, storage.TokenSpec{Kind: "session"}, storage.TokenSpec{Kind: "access", TTL: time.Minute}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.UpdatePolicy(t.Context(), admin, "1", func(p *storage.Policy) error {
		p.Document = raw(`{"length":8}`)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	mustCreate(t, fork.Directory("other"), storage.NewUser{Name: "x"})
	ds, err := storage.Diff(t.Context(), s, fork)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(ds)
	if err != nil {
		t.Fatal(err)
	}
	const before, after = `"2026-11-20T12:00:00Z"`, `"2026-11-20T13:00:00Z"`
	want(t, string(got), `[`+
		`{"Directory":"d","Kind":"policy","ID":"1","Name":"","Change":"changed","Members":[{"Path":"document","Before":{},"After":null},{"Path":"document.length","Before":null,"After":8}]},`+
		`{"Directory":"d","Kind":"token","ID":"access","Name":"","Change":"added","Members":null},`+
		`{"Directory":"d","Kind":"token","ID":"session","Name":"","Change":"changed","Members":[{"Path":"count","Before":1,"After":2}]},`+
		`{"Directory":"d","Kind":"user","ID":"eve","Name":"eve","Change":"removed","Members":null},`+
		`{"Directory":"d","Kind":"user","ID":"new","Name":"new","Change":"added","Members":null},`+
		`{"Directory":"d","Kind":"user","ID":"tim","Name":"tim","Change":"changed","Members":[`+
		`{"Path":"document.a.c","Before":2,"After":3},{"Path":"document.n","Before":null,"After":{}},`+
		`{"Path":"password","Before":null,"After":null},{"Path":"passwordSetAt","Before":`+before+`,"After":`+after+`},`+
		`{"Path":"roles","Before":[],"After":["boss"]},{"Path":"updatedAt","Before":null,"After":`+after+`}]},`+
		`{"Directory":"other","Kind":"user","ID":"x","Name":"x","Change":"added","Members":null}]`)

	// What has expired is as good as gone.
	c.Time = c.Add(time.Hour)
	if ds, err = storage.Diff(t.Context(), s, fork); err != nil || ds[1].ID != "session" {
		t.Error(ds, err)
	}
}

// What somebody's file may have and no calendar has, or no JSON is, ends a comparison
// and not the process.
func TestDiffOfWhatCannotBeCompared(t *testing.T) {
	s := open(t)
	fill(t, s)
	for _, statement := range []string{
		`UPDATE "user" SET created_at = 9000000000000000000`,
		`UPDATE record SET document = '{'`,
		`UPDATE policy SET document = 'x'`,
	} {
		other := openImage(t, imageOf(t, s))
		other.Exec(t, statement)
		for _, pair := range [][2]*storage.Store{{s, other}, {other, s}} {
			if ds, err := storage.Diff(t.Context(), pair[0], pair[1]); !errors.Is(err, storage.ErrDamaged) {
				t.Errorf("%s: %v, %v", statement, ds, err)
			}
		}
	}
}

// A hash that is replaced because it costs too little is no other password, and nor is
// one that is loaded from a dump.
func TestDiffOfHashes(t *testing.T) {
	s := open(t)
	mustCreate(t, s.Directory("d"), storage.NewUser{Name: "ann", Password: "first"})
	fork := openImageWith(t, imageOf(t, s), func(o *storage.Options) { o.Hash.Time++ })
	if err := login(t, fork.Directory("d"), "ann", "first"); err != nil {
		t.Fatal(err)
	}
	if dump(t, fork)["d"].Users[0].Hash == dump(t, s)["d"].Users[0].Hash {
		t.Fatal("the hash was not replaced")
	}
	loaded := open(t)
	if err := loaded.Load(t.Context(), admin, dump(t, s)); err != nil {
		t.Fatal(err)
	}
	for _, other := range []*storage.Store{fork, loaded} {
		if ds, err := storage.Diff(t.Context(), s, other); err != nil || ds != nil {
			t.Error(ds, err)
		}
	}
}
