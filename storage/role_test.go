package storage_test

import (
	"testing"

	"usher/storage"
)

func TestRoles(t *testing.T) {
	c := newClock()
	d := open(t, c.options).Directory("d")
	b, err := d.CreateRole(t.Context(), admin, storage.Role{ID: "1", Name: "b", Document: raw(`{"p": []}`)})
	if err != nil {
		t.Fatal(err)
	}
	want(t, b, storage.Role{ID: "1", Name: "b", CreatedAt: c.Time, Document: raw(`{"p": []}`)})
	want(t, events(t, d, 1), []string{"role-created admin>b ok"})
	a, err := d.CreateRole(t.Context(), admin, storage.Role{ID: "2", Name: "a", CreatedAt: c.AddDate(-1, 0, 0), UpdatedAt: c.Time})
	if err != nil {
		t.Fatal(err)
	}
	rs, err := d.Roles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want(t, rs, []storage.Role{a, b})
	for _, tt := range []struct {
		r     storage.Role
		kind  storage.Kind
		field string
	}{
		{storage.Role{Name: "c"}, storage.Invalid, "id"},
		{storage.Role{ID: "3"}, storage.Invalid, "name"},
		{storage.Role{ID: "3", Name: "c", Document: raw("1")}, storage.Invalid, "document"},
		{storage.Role{ID: "1", Name: "c"}, storage.Exists, "id"},
		{storage.Role{ID: "3", Name: "a"}, storage.Exists, "name"},
	} {
		_, err := d.CreateRole(t.Context(), admin, tt.r)
		wantKind(t, err, tt.kind, tt.field)
	}
}
