package storage_test

import (
	"strings"
	"testing"

	"usher/storage"
)

// What a seed leaves open is made as the owner would make it, and the same each time;
// what it gives stays.
func TestSeedForm(t *testing.T) {
	type note struct {
		Text string `json:"text"`
		More []int  `json:"more,omitempty"`
	}
	form := storage.SeedForm{
		ID: storage.HexID(4),
		User: func(u *storage.NewUser) any {
			if u.Realm == "" {
				u.Realm = "home"
			}
			return &note{Text: "of " + u.Name}
		},
		Policy:  func(*storage.Policy) any { return &note{} },
		Records: map[storage.RecordKind]func(*storage.Record) any{storage.Role: func(*storage.Record) any { return &note{} }},
	}
	seed := func() storage.Seed {
		return storage.Seed{
			Users:    []storage.NewUser{{Name: "ann"}, {Name: "ann", Realm: "away"}, {ID: "7", Name: "bob", Document: raw(`{"more":[1]}`)}},
			Policies: []storage.Policy{{ID: "1"}},
			Records:  map[storage.RecordKind][]storage.Record{"role": {{Name: "ann", Document: raw(`{"text":"a"}`)}}, "other": {{Name: "o", Document: raw(`{"x": 1}`)}}},
		}
	}
	s := seed()
	if err := form.Complete(&s); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{s.Users[0].ID: true, s.Users[1].ID: true, s.Records["role"][0].ID: true}
	for id := range ids {
		if len(id) != 8 {
			t.Errorf("%q is not of 4 bytes", id)
		}
	}
	want(t, len(ids), 3)
	want(t, s.Users[0].Realm, "home")
	want(t, s.Users[2].ID, "7")
	for i, document := range []string{`{"text":"of ann"}`, `{"text":"of ann"}`, `{"text":"of bob","more":[1]}`} {
		want(t, string(s.Users[i].Document), document)
	}
	want(t, string(s.Policies[0].Document), `{"text":""}`)
	want(t, string(s.Records["role"][0].Document), `{"text":"a"}`)
	want(t, string(s.Records["other"][0].Document), `{"x": 1}`)
	again := seed()
	if err := form.Complete(&again); err != nil {
		t.Fatal(err)
	}
	want(t, again, s)

	plain := seed()
	if err := (storage.SeedForm{}).Complete(&plain); err != nil {
		t.Fatal(err)
	}
	want(t, plain.Users[0], storage.NewUser{ID: "ann", Name: "ann"})

	for what, s := range map[string]storage.Seed{
		`user "ann"`: {Users: []storage.NewUser{{Name: "ann", Document: raw(`{"secret":1}`)}}},
		`policy "1"`: {Policies: []storage.Policy{{ID: "1", Document: raw(`{"text":1}`)}}},
		`role "r"`:   {Records: map[storage.RecordKind][]storage.Record{"role": {{Name: "r", Document: raw(`[]`)}}}},
	} {
		err := form.Complete(&s)
		wantKind(t, err, storage.Invalid, "document")
		if !strings.HasPrefix(err.Error(), what+": storage: invalid: document: ") {
			t.Error(err)
		}
	}
}
