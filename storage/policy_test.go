package storage_test

import (
	"errors"
	"testing"

	"usher/storage"
)

func TestPolicies(t *testing.T) {
	d := open(t).Directory("d")
	seeded := []storage.Policy{
		{ID: "2", Default: true, Document: raw(`{"name":"Default"}`)},
		{ID: "1", Document: raw(`{}`)},
	}
	if _, err := d.Seed(t.Context(), admin, storage.Seed{Policies: seeded}); err != nil {
		t.Fatal(err)
	}
	policies := func() []storage.Policy {
		t.Helper()
		ps, err := d.Policies(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return ps
	}
	want(t, policies(), seeded)
	p, err := d.UpdatePolicy(t.Context(), admin, "2", func(p *storage.Policy) error {
		want(t, *p, seeded[0])
		p.Document = raw(`{"length":8}`)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want(t, p, storage.Policy{ID: "2", Default: true, Document: raw(`{"length":8}`)})
	changed := []storage.Policy{p, seeded[1]}
	want(t, policies(), changed)
	want(t, events(t, d, 1), []string{"policy-updated admin> ok"})

	mine := errors.New("mine")
	_, err = d.UpdatePolicy(t.Context(), admin, "2", func(*storage.Policy) error { return mine })
	want(t, err, mine)
	for field, edit := range map[string]func(p *storage.Policy){
		"id":       func(p *storage.Policy) { p.ID = "3" },
		"default":  func(p *storage.Policy) { p.Default = false },
		"document": func(p *storage.Policy) { p.Document = raw("[]") },
	} {
		_, err := d.UpdatePolicy(t.Context(), admin, "2", func(p *storage.Policy) error { edit(p); return nil })
		wantKind(t, err, storage.Invalid, field)
	}
	_, err = d.UpdatePolicy(t.Context(), admin, "3", func(*storage.Policy) error { return nil })
	wantKind(t, err, storage.NotFound)
	want(t, policies(), changed)
}

func TestCreatePolicy(t *testing.T) {
	d := open(t).Directory("d")
	for _, tt := range []struct {
		p     storage.Policy
		kind  storage.Kind
		field string
	}{
		{storage.Policy{ID: "1"}, 0, ""},
		{storage.Policy{ID: "0", Document: raw(`{"length":3}`)}, 0, ""},
		{storage.Policy{ID: "0"}, storage.Exists, "id"},
		{storage.Policy{}, storage.Invalid, "id"},
		{storage.Policy{ID: "2", Default: true}, storage.Invalid, "default"},
		{storage.Policy{ID: "2", Document: raw("1")}, storage.Invalid, "document"},
	} {
		p, err := d.CreatePolicy(t.Context(), admin, tt.p)
		if tt.field != "" {
			wantKind(t, err, tt.kind, tt.field)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if tt.p.Document == nil {
			tt.p.Document = raw("{}")
		}
		want(t, p, tt.p)
	}
	ps, err := d.Policies(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want(t, ps, []storage.Policy{{ID: "1", Document: raw("{}")}, {ID: "0", Document: raw(`{"length":3}`)}})
	want(t, events(t, d, 1), []string{"policy-created admin> ok"})
}
