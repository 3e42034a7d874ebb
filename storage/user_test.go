package storage_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"usher/storage"
	"usher/storage/password"
)

func TestCreateUserAndRead(t *testing.T) {
	c := newClock()
	d := open(t, c.options).Directory("d")
	n := storage.NewUser{
		ID: "1", Realm: "native", Name: "bob", Email: "bob@example.com",
		Roles: []string{"b", "nobody has it", "a"}, Password: "secret1", Document: raw(`{"z": 1, "a": [null]}`),
	}
	made, err := d.CreateUser(t.Context(), admin, n)
	if err != nil {
		t.Fatal(err)
	}
	read := mustUser(t, d, "1")
	want(t, read, made)
	want(t, read.Roles, n.Roles)
	want(t, string(read.Document), string(n.Document))
	want(t, read.HasPassword, true)
	want(t, read.CreatedAt, c.Time)
	want(t, read.UpdatedAt.IsZero(), true)
	named, err := d.UserNamed(t.Context(), "native", "bob")
	if err != nil {
		t.Fatal(err)
	}
	want(t, named, read)
	want(t, events(t, d, 1), []string{"user-created admin>bob ok"})

	_, err = d.UserNamed(t.Context(), "other", "bob")
	wantKind(t, err, storage.NotFound)
	_, err = d.User(t.Context(), "bob")
	wantKind(t, err, storage.NotFound)
}

func TestCreateUserDefaults(t *testing.T) {
	d := open(t).Directory("d")
	u := mustCreate(t, d, storage.NewUser{Name: "bob"})
	want(t, u, mustUser(t, d, "bob"))
	want(t, u.Roles, []string{})
	want(t, string(u.Document), "{}")
	want(t, u.HasPassword, false)
	want(t, u.CreatedAt.Location(), time.UTC)

	past := time.Date(2020, 1, 2, 3, 4, 5, 6789, time.FixedZone("", 3600))
	u = mustCreate(t, d, storage.NewUser{Name: "ann", CreatedAt: past, UpdatedAt: past.Add(time.Hour)})
	want(t, u, mustUser(t, d, "ann"))
	want(t, u.CreatedAt, past.UTC().Truncate(time.Microsecond))
	want(t, u.UpdatedAt, u.CreatedAt.Add(time.Hour))
}

func TestCreateUserRefused(t *testing.T) {
	d := open(t).Directory("d")
	mustCreate(t, d, storage.NewUser{ID: "1", Name: "bob", Email: "bob@example.com"})
	tests := []struct {
		name  string
		n     storage.NewUser
		kind  storage.Kind
		field string
	}{
		{"no id", storage.NewUser{Name: "x"}, storage.Invalid, "id"},
		{"no name", storage.NewUser{ID: "2"}, storage.Invalid, "name"},
		{"document is no object", storage.NewUser{ID: "2", Name: "x", Document: raw(`[]`)}, storage.Invalid, "document"},
		{"document is not JSON", storage.NewUser{ID: "2", Name: "x", Document: raw(`{"a"}`)}, storage.Invalid, "document"},
		{"bad hash", storage.NewUser{ID: "2", Name: "x", Hash: "$1$md5"}, storage.Invalid, "hash"},
		{"greedy hash", storage.NewUser{ID: "2", Name: "x", Hash: "$argon2id$v=19$m=8388608,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}, storage.Invalid, "hash"},
		{"weak", storage.NewUser{ID: "2", Name: "x", Password: "p", Policy: password.Policy{MinLength: 2}}, storage.WeakPassword, ""},
		{"id taken", storage.NewUser{ID: "1", Name: "x"}, storage.Exists, "id"},
		{"name taken", storage.NewUser{ID: "2", Name: "bob"}, storage.Exists, "name"},
		{"email taken", storage.NewUser{ID: "2", Name: "x", Email: "bob@example.com"}, storage.Exists, "email"},
		{"name taken at the limit", storage.NewUser{ID: "2", Name: "bob", Limit: 1}, storage.Exists, "name"},
		{"limit", storage.NewUser{ID: "2", Name: "x", Limit: 1}, storage.Limit, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := d.CreateUser(t.Context(), admin, tt.n)
			wantKind(t, err, tt.kind, tt.field)
			_, err = d.User(t.Context(), "2")
			wantKind(t, err, storage.NotFound)
		})
	}
	want(t, events(t, d, 9), []string{"user-created admin>bob ok"})

	var e *storage.Error
	_, err := d.CreateUser(t.Context(), admin, storage.NewUser{ID: "2", Name: "x", Password: "é", Policy: password.Policy{MinLength: 2, MinDigits: 1}})
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	want(t, e.Violations, []password.Violation{{Rule: password.MinLength, Want: 2, Got: 1}, {Rule: password.MinDigits, Want: 1, Got: 0}})
	want(t, err.Error(), "storage: weak password: min-length: want 2: min-digits: want 1")

	// What is unique is so within its directory, its realm.
	mustCreate(t, d, storage.NewUser{ID: "2", Realm: "other", Name: "bob", Limit: 2})
	mustCreate(t, d, storage.NewUser{ID: "3", Name: "without address"})
}

func TestDirectoriesKnowNothingOfEachOther(t *testing.T) {
	s := open(t)
	a, b := s.Directory("a"), s.Directory("b")
	mustCreate(t, a, storage.NewUser{ID: "1", Name: "bob", Email: "bob@example.com", Password: "in a"})
	mustCreate(t, b, storage.NewUser{ID: "1", Name: "bob", Email: "bob@example.com", Password: "in b"})
	for range 2 { // the second time from memory
		if err := login(t, a, "bob", "in a"); err != nil {
			t.Fatal(err)
		}
		if err := login(t, b, "bob", "in b"); err != nil {
			t.Fatal(err)
		}
	}
	wantKind(t, login(t, a, "bob", "in b"), storage.WrongPassword)
	wantKind(t, login(t, s.Directory("c"), "bob", "in a"), storage.WrongPassword)
	if _, err := a.DeleteUser(t.Context(), admin, "1"); err != nil {
		t.Fatal(err)
	}
	if err := login(t, b, "bob", "in b"); err != nil {
		t.Fatal(err)
	}
}

func TestUsers(t *testing.T) {
	c := newClock()
	d := open(t, c.options).Directory("d")
	for i, n := range []storage.NewUser{
		{ID: "3", Realm: "x", Name: "carol", Email: "c@example.com", Roles: []string{"r2", "r1"}, Document: raw(`{"age": 9, "at": {"last": "b"}}`)},
		{ID: "1", Realm: "x", Name: "alice", Email: "z@example.com", Document: raw(`{"age": 10, "at": {"last": "a"}}`)},
		{ID: "2", Realm: "y", Name: "bob", Email: "a@example.com", Roles: []string{"r1"}},
		{ID: "4", Realm: "y", Name: "alice", Document: raw(`{"age": 9}`)},
	} {
		c.Time = c.Add(time.Duration(i) * time.Second)
		mustCreate(t, d, n)
	}
	c.Time = c.Add(time.Hour)
	if _, err := d.UpdateUser(t.Context(), admin, storage.UserEdit{ID: "1"}); err != nil {
		t.Fatal(err)
	}
	x, alice, nobody := "x", "alice", "nobody"
	tests := []struct {
		name  string
		q     storage.UserQuery
		ids   string
		total int
	}{
		{"all, oldest first", storage.UserQuery{}, "3 1 2 4", 4},
		{"newest first", storage.UserQuery{Sort: storage.UserSort{By: "created", Descending: true}}, "4 2 1 3", 4},
		{"id", storage.UserQuery{Sort: storage.UserSort{By: "id"}}, "1 2 3 4", 4},
		{"name, then id", storage.UserQuery{Sort: storage.UserSort{By: "name"}}, "1 4 2 3", 4},
		{"name descending, then id", storage.UserQuery{Sort: storage.UserSort{By: "name", Descending: true}}, "3 2 1 4", 4},
		{"email", storage.UserQuery{Sort: storage.UserSort{By: "email"}}, "4 2 3 1", 4},
		{"updated, or created", storage.UserQuery{Sort: storage.UserSort{By: "updated", Descending: true}}, "1 4 2 3", 4},
		{"number in the document", storage.UserQuery{Sort: storage.UserSort{By: "document.age"}}, "2 3 4 1", 4},
		{"deep in the document", storage.UserQuery{Sort: storage.UserSort{By: "document.at.last", Descending: true}}, "3 1 2 4", 4},
		{"realm", storage.UserQuery{Realm: &x}, "3 1", 2},
		{"name in any realm", storage.UserQuery{Name: &alice}, "1 4", 2},
		{"realm and name", storage.UserQuery{Realm: &x, Name: &alice}, "1", 1},
		{"nobody", storage.UserQuery{Name: &nobody}, "", 0},
		{"first page", storage.UserQuery{Limit: 3}, "3 1 2", 4},
		{"second page", storage.UserQuery{Limit: 3, Offset: 3}, "4", 4},
		{"past the end", storage.UserQuery{Limit: 3, Offset: 6}, "", 4},
		{"offset alone", storage.UserQuery{Offset: 1}, "1 2 4", 4},
		{"page of a filter", storage.UserQuery{Realm: &x, Offset: 1, Limit: 1, Sort: storage.UserSort{By: "name"}}, "3", 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			us, total, err := d.Users(t.Context(), tt.q)
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, u := range us {
				ids = append(ids, u.ID)
				want(t, u, mustUser(t, d, u.ID))
			}
			want(t, strings.Join(ids, " "), tt.ids)
			want(t, total, tt.total)
		})
	}
	for _, by := range []string{"password_hash", "document", "document.", `document.a"b`, "document.a'b", "document.a b", "name; DROP TABLE role", "CREATED"} {
		_, _, err := d.Users(t.Context(), storage.UserQuery{Sort: storage.UserSort{By: by}})
		wantKind(t, err, storage.Invalid, "sort")
	}
	_, _, err := d.Users(t.Context(), storage.UserQuery{Offset: -1})
	wantKind(t, err, storage.Invalid, "offset")
	_, _, err = d.Users(t.Context(), storage.UserQuery{Limit: -1})
	wantKind(t, err, storage.Invalid, "limit")
}

func TestUpdateUser(t *testing.T) {
	c := newClock()
	d := open(t, c.options).Directory("d")
	old := mustCreate(t, d, storage.NewUser{ID: "1", Name: "bob", Roles: []string{"r1", "r2"}, Password: "old"})
	c.Time = c.Add(time.Minute)
	u, err := d.UpdateUser(t.Context(), admin, storage.UserEdit{ID: "1", Edit: func(u *storage.User) error {
		want(t, *u, old)
		u.Realm, u.Name, u.Email = "native", "robert", "r@example.com"
		u.Roles[0] = "r3"
		u.Document = raw(`{"a":1}`)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	want(t, u, mustUser(t, d, "1"))
	want(t, u.Roles, []string{"r3", "r2"})
	want(t, u.UpdatedAt, c.Time)
	want(t, u.CreatedAt, old.CreatedAt)
	want(t, events(t, d, 2), []string{"user-updated admin>robert ok", "roles-changed admin>robert ok"})

	// The same roles are no change of roles.
	_, err = d.UpdateUser(t.Context(), admin, storage.UserEdit{ID: "1", Edit: func(u *storage.User) error { u.Realm = ""; return nil }})
	if err != nil {
		t.Fatal(err)
	}
	want(t, events(t, d, 2), []string{"roles-changed admin>robert ok", "user-updated admin>robert ok"})

	// nil roles are no roles.
	u, err = d.UpdateUser(t.Context(), admin, storage.UserEdit{ID: "1", Edit: func(u *storage.User) error { u.Roles = nil; return nil }})
	if err != nil {
		t.Fatal(err)
	}
	want(t, u, mustUser(t, d, "1"))
	want(t, u.Roles, []string{})

	if err := login(t, d, "robert", "old"); err != nil {
		t.Fatal(err)
	}
	ts, err := d.CreateTokens(t.Context(), admin, u, storage.TokenSpec{Kind: "k", TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	u, err = d.UpdateUser(t.Context(), admin, storage.UserEdit{ID: "1", Password: "new"})
	if err != nil {
		t.Fatal(err)
	}
	want(t, u, mustUser(t, d, "1"))
	want(t, events(t, d, 2), []string{"user-updated admin>robert ok", "password-set admin>robert ok"})
	wantKind(t, login(t, d, "robert", "old"), storage.WrongPassword)
	if err := login(t, d, "robert", "new"); err != nil {
		t.Fatal(err)
	}
	_, _, err = d.AuthenticateToken(t.Context(), "k", ts[0].Secret, "")
	wantKind(t, err, storage.NotFound)
}

func TestUpdateUserRefused(t *testing.T) {
	d := open(t).Directory("d")
	mustCreate(t, d, storage.NewUser{ID: "1", Name: "bob", Email: "bob@example.com", Password: "old"})
	before := mustCreate(t, d, storage.NewUser{ID: "2", Name: "ann", Roles: []string{"r"}, Password: "old"})
	mine := errors.New("mine")
	edit := func(f func(*storage.User)) storage.UserEdit {
		return storage.UserEdit{ID: "2", Edit: func(u *storage.User) error { f(u); return nil }}
	}
	tests := []struct {
		name  string
		e     storage.UserEdit
		kind  storage.Kind
		field string
	}{
		{"not found", storage.UserEdit{ID: "3", Password: "p", Policy: password.Policy{MinLength: 2}}, storage.NotFound, ""},
		{"weak", storage.UserEdit{ID: "2", Password: "p", Policy: password.Policy{MinLength: 2}}, storage.WeakPassword, ""},
		{"bad hash", storage.UserEdit{ID: "2", Hash: "x"}, storage.Invalid, "hash"},
		{"id", edit(func(u *storage.User) { u.ID = "3" }), storage.Invalid, "id"},
		{"created", edit(func(u *storage.User) { u.CreatedAt = time.Now() }), storage.Invalid, "created"},
		{"password", edit(func(u *storage.User) { u.HasPassword = false }), storage.Invalid, "password"},
		{"no name", edit(func(u *storage.User) { u.Name = "" }), storage.Invalid, "name"},
		{"document", edit(func(u *storage.User) { u.Document = nil }), storage.Invalid, "document"},
		{"name taken", edit(func(u *storage.User) { u.Name, u.Roles = "bob", nil }), storage.Exists, "name"},
		{"email taken", edit(func(u *storage.User) { u.Email = "bob@example.com" }), storage.Exists, "email"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := d.UpdateUser(t.Context(), admin, tt.e)
			wantKind(t, err, tt.kind, tt.field)
			want(t, mustUser(t, d, "2"), before)
		})
	}
	_, err := d.UpdateUser(t.Context(), admin, storage.UserEdit{ID: "2", Password: "new", Edit: func(u *storage.User) error { u.Name = "x"; return mine }})
	want(t, err, mine)
	want(t, mustUser(t, d, "2"), before)
	if err := login(t, d, "ann", "old"); err != nil {
		t.Fatal(err)
	}
}

// A user whose version Edit wipes, by assigning a whole User, keeps it.
func TestUpdateUserKeepsVersion(t *testing.T) {
	d := open(t).Directory("d")
	mustCreate(t, d, storage.NewUser{ID: "1", Name: "bob", Password: "p"})
	u, err := d.UpdateUser(t.Context(), admin, storage.UserEdit{ID: "1", Edit: func(w *storage.User) error {
		*w = storage.User{ID: w.ID, Name: w.Name, HasPassword: true, CreatedAt: w.CreatedAt, Document: raw("{}")}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.CreateTokens(t.Context(), admin, u, storage.TokenSpec{Kind: "k", TTL: time.Hour}); err != nil {
		t.Fatal(err)
	}
}

func TestDeleteUser(t *testing.T) {
	d := open(t).Directory("d")
	n := storage.NewUser{ID: "1", Name: "bob", Roles: []string{"r"}, Password: "first"}
	u := mustCreate(t, d, n)
	if err := login(t, d, "bob", "first"); err != nil {
		t.Fatal(err)
	}
	ts, err := d.CreateTokens(t.Context(), admin, u, storage.TokenSpec{Kind: "k", TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	gone, err := d.DeleteUser(t.Context(), admin, "1")
	if err != nil {
		t.Fatal(err)
	}
	want(t, gone, u)
	want(t, events(t, d, 1), []string{"user-deleted admin>bob ok"})
	_, err = d.DeleteUser(t.Context(), admin, "1")
	wantKind(t, err, storage.NotFound)
	wantKind(t, login(t, d, "bob", "first"), storage.WrongPassword)
	_, _, err = d.AuthenticateToken(t.Context(), "k", ts[0].Secret, "")
	wantKind(t, err, storage.NotFound)

	// Made again under the same id, the user is another one: what was proven
	// or given for the first is worth nothing.
	n.Roles, n.Password = nil, "second"
	again := mustCreate(t, d, n)
	want(t, mustUser(t, d, "1").Roles, []string{})
	wantKind(t, login(t, d, "bob", "first"), storage.WrongPassword)
	_, err = d.CreateTokens(t.Context(), admin, u, storage.TokenSpec{Kind: "k", TTL: time.Hour})
	wantKind(t, err, storage.WrongPassword)
	_, err = d.CreateTokens(t.Context(), admin, again, storage.TokenSpec{Kind: "k", TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
}

func TestManyRoles(t *testing.T) {
	d := open(t).Directory("d")
	var roles []string
	for i := range 20 {
		roles = append(roles, fmt.Sprint("r", (i*7)%20))
	}
	want(t, mustCreate(t, d, storage.NewUser{Name: "bob", Roles: roles}).Roles, roles)
	want(t, mustUser(t, d, "bob").Roles, roles)
}

func TestLimitIsTheDirectorys(t *testing.T) {
	s := open(t)
	for _, name := range []string{"a", "b", "c"} {
		mustCreate(t, s.Directory("other"), storage.NewUser{Name: name})
	}
	d := s.Directory("d")
	mustCreate(t, d, storage.NewUser{Name: "a", Limit: 1})
	_, err := d.CreateUser(t.Context(), admin, storage.NewUser{ID: "b", Name: "b", Limit: 1})
	wantKind(t, err, storage.Limit)
	_, err = d.CreateUser(t.Context(), admin, storage.NewUser{ID: "a", Name: "a", Limit: 1})
	wantKind(t, err, storage.Exists, "id") // told before the limit, and the id before the name
}

// What an owner notes about a user is no edit of the user's.
func TestQuietEdit(t *testing.T) {
	c := newClock()
	d := open(t, c.options).Directory("d")
	before := mustCreate(t, d, storage.NewUser{ID: "1", Name: "bob"})
	c.Time = c.Add(time.Hour)
	u, err := d.UpdateUser(t.Context(), admin, storage.UserEdit{ID: "1", Quiet: true, Edit: func(u *storage.User) error {
		u.Document = raw(`{"seen":1}`)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	before.Document = raw(`{"seen":1}`)
	want(t, u, before)
	want(t, mustUser(t, d, "1"), before)
	want(t, events(t, d, 1), []string{"user-created admin>bob ok"})
}
