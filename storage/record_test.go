package storage_test

import (
	"errors"
	"testing"
	"time"

	"usher/storage"
)

var errRefused = errors.New("refused")

func TestRecords(t *testing.T) {
	c := newClock()
	d := open(t, c.options).Directory("d")
	rs := d.Records("realm")
	b, err := rs.Create(t.Context(), admin, storage.Record{ID: "1", Name: "b", Document: raw(`{"p": []}`)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want(t, b, storage.Record{ID: "1", Name: "b", CreatedAt: c.Time, Document: raw(`{"p": []}`)})
	want(t, events(t, d, 1), []string{"realm-created admin>b ok"})
	old, err := rs.Create(t.Context(), admin, storage.Record{ID: "2", Name: "c", CreatedAt: c.AddDate(-1, 0, 0), UpdatedAt: c.Time}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want(t, old.Document, raw(`{}`))
	a, err := rs.Create(t.Context(), admin, storage.Record{ID: "3", Name: "a"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	// The same id and name, of another kind and in another directory, are others.
	if _, err := d.Records(storage.Role).Create(t.Context(), admin, a, nil); err != nil {
		t.Fatal(err)
	}
	list, err := rs.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want(t, list, []storage.Record{old, a, b})

	for _, tt := range []struct {
		r     storage.Record
		kind  storage.Kind
		field string
	}{
		{storage.Record{Name: "x"}, storage.Invalid, "id"},
		{storage.Record{ID: "x"}, storage.Invalid, "name"},
		{storage.Record{ID: "x", Name: "x", Document: raw("1")}, storage.Invalid, "document"},
		{storage.Record{ID: "1", Name: "x"}, storage.Exists, "id"},
		{storage.Record{ID: "x", Name: "a"}, storage.Exists, "name"},
		{storage.Record{ID: "1", Name: "a"}, storage.Exists, "name"},
	} {
		_, err := rs.Create(t.Context(), admin, tt.r, nil)
		wantKind(t, err, tt.kind, tt.field)
	}

	c.Time = c.Add(time.Hour)
	b, err = rs.Update(t.Context(), admin, "1", func(_ storage.View, r *storage.Record) error {
		r.Name, r.Document = "bb", raw(`{"p":[1]}`)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want(t, b, storage.Record{ID: "1", Name: "bb", CreatedAt: c.Add(-time.Hour), UpdatedAt: c.Time, Document: raw(`{"p":[1]}`)})
	want(t, events(t, d, 1), []string{"realm-updated admin>bb ok"})
	for name, tt := range map[string]struct {
		edit  func(*storage.Record)
		kind  storage.Kind
		field string
	}{
		"id":       {func(r *storage.Record) { r.ID = "9" }, storage.Invalid, "id"},
		"created":  {func(r *storage.Record) { r.CreatedAt = c.Time }, storage.Invalid, "created"},
		"no name":  {func(r *storage.Record) { r.Name = "" }, storage.Invalid, "name"},
		"document": {func(r *storage.Record) { r.Document = raw("[]") }, storage.Invalid, "document"},
		"taken":    {func(r *storage.Record) { r.Name = "a" }, storage.Exists, "name"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := rs.Update(t.Context(), admin, "1", func(_ storage.View, r *storage.Record) error { tt.edit(r); return nil })
			wantKind(t, err, tt.kind, tt.field)
			got, err := rs.Get(t.Context(), "1")
			if err != nil {
				t.Fatal(err)
			}
			want(t, got, b)
		})
	}

	deleted, err := rs.Delete(t.Context(), admin, "1", storage.RecordDelete{})
	if err != nil {
		t.Fatal(err)
	}
	want(t, deleted, b)
	want(t, events(t, d, 1), []string{"realm-deleted admin>bb ok"})
	_, err = rs.Get(t.Context(), "1")
	wantKind(t, err, storage.NotFound)
	_, err = rs.Update(t.Context(), admin, "1", nil)
	wantKind(t, err, storage.NotFound)
	_, err = rs.Delete(t.Context(), admin, "1", storage.RecordDelete{})
	wantKind(t, err, storage.NotFound)
	if _, err := d.Records(storage.Role).Get(t.Context(), a.ID); err != nil {
		t.Fatal(err)
	}
}

// A check sees what is there at that moment, itself included in an update, and
// what it refuses does not happen.
func TestRecordChecks(t *testing.T) {
	d := open(t).Directory("d")
	rs := d.Records("group")
	limit := func(v storage.View) error {
		groups, err := v.Records("group")
		if err != nil {
			return err
		}
		if len(groups) >= 1 {
			return errRefused
		}
		return nil
	}
	if _, err := rs.Create(t.Context(), admin, storage.Record{ID: "1", Name: "a"}, limit); err != nil {
		t.Fatal(err)
	}
	if _, err := rs.Create(t.Context(), admin, storage.Record{ID: "2", Name: "b"}, limit); !errors.Is(err, errRefused) {
		t.Fatal(err)
	}
	if _, err := rs.Update(t.Context(), admin, "1", func(v storage.View, r *storage.Record) error {
		r.Name = "b"
		return limit(v)
	}); !errors.Is(err, errRefused) {
		t.Fatal(err)
	}
	check := func(v storage.View, r storage.Record) error {
		if r.Name != "a" {
			t.Errorf("checked %q", r.Name)
		}
		return limit(v)
	}
	if _, err := rs.Delete(t.Context(), admin, "1", storage.RecordDelete{Check: check}); !errors.Is(err, errRefused) {
		t.Fatal(err)
	}
	list, err := rs.List(t.Context())
	if err != nil || len(list) != 1 || list[0].Name != "a" {
		t.Fatal(list, err)
	}
	want(t, events(t, d, 9), []string{"group-created admin>a ok"})

	_, err = d.CreateUser(t.Context(), admin, storage.NewUser{ID: "1", Name: "bob", Check: limit})
	if !errors.Is(err, errRefused) {
		t.Fatal(err)
	}
	mustCreate(t, d, storage.NewUser{ID: "1", Name: "bob"})
	_, err = d.UpdateUser(t.Context(), admin, storage.UserEdit{
		ID: "1", Edit: func(u *storage.User) error { u.Name = "ann"; return nil },
		Check: func(v storage.View, u storage.User) error {
			want(t, u.Name, "ann")
			return limit(v)
		},
	})
	if !errors.Is(err, errRefused) {
		t.Fatal(err)
	}
	want(t, mustUser(t, d, "1").Name, "bob")
}

// A role that is deleted stays with its users as a name, unless it is taken
// from them.
func TestDeleteRole(t *testing.T) {
	s := open(t)
	d, other := s.Directory("d"), s.Directory("other")
	roles := d.Records(storage.Role)
	for _, name := range []string{"a", "b", "c"} {
		if _, err := roles.Create(t.Context(), admin, storage.Record{ID: name, Name: name}, nil); err != nil {
			t.Fatal(err)
		}
	}
	mustCreate(t, d, storage.NewUser{ID: "1", Name: "bob", Roles: []string{"a", "b", "c"}})
	mustCreate(t, other, storage.NewUser{ID: "1", Name: "bob", Roles: []string{"b"}})
	for _, step := range []struct {
		id       string
		unassign bool
		want     []string
	}{{"a", false, []string{"a", "b", "c"}}, {"b", true, []string{"a", "c"}}} {
		if _, err := roles.Delete(t.Context(), admin, step.id, storage.RecordDelete{Unassign: step.unassign}); err != nil {
			t.Fatal(err)
		}
		want(t, mustUser(t, d, "1").Roles, step.want)
	}
	want(t, mustUser(t, other, "1").Roles, []string{"b"})
	// What is left can still be added to.
	u, err := d.UpdateUser(t.Context(), admin, storage.UserEdit{ID: "1", Edit: func(u *storage.User) error {
		u.Roles = append(u.Roles, "d")
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	want(t, mustUser(t, d, "1").Roles, []string{"a", "c", "d"})
	want(t, u.Roles, []string{"a", "c", "d"})
}
