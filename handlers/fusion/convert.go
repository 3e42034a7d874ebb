package fusion

import (
	"encoding/json"
	"fmt"
	"time"

	gen "usher/gen/fusion"
	"usher/storage"
)

// document is what Fusion alone keeps about a user. Permissions stand in the
// documents of roles under the same name.
type document struct {
	Timezone    *string                        `json:"timezone,omitempty"`
	Permissions []gen.GlobPermissionPublicView `json:"permissions,omitempty"`
	// Initial marks the administrator that the first start made, the only user
	// whom POST / may give a password: without it, anyone could give one to a
	// user called admin that was made, without one, after the first was deleted.
	Initial bool `json:"initial,omitempty"`
}

func documentOf(u storage.User) (d document, err error) {
	if err = json.Unmarshal(u.Document, &d); err != nil {
		return document{}, fmt.Errorf("user %s: %w", u.ID, err)
	}
	return d, nil
}

// view is a user as it is answered: no null, lists even if empty, times to the
// second.
func view(u storage.User) (gen.UserPublicView, error) {
	d, err := documentOf(u)
	if err != nil {
		return gen.UserPublicView{}, err
	}
	v := gen.UserPublicView{
		ID: u.ID, Username: u.Name, RealmName: u.Realm,
		CreatedAt:   seconds(u.CreatedAt),
		RoleNames:   orEmpty(u.Roles),
		Timezone:    d.Timezone,
		Permissions: orEmpty(d.Permissions),
	}
	if !u.UpdatedAt.IsZero() {
		at := seconds(u.UpdatedAt)
		v.UpdatedAt = &at
	}
	return v, nil
}

// views is view for a list.
func views(users []storage.User) ([]gen.UserPublicView, error) {
	all := make([]gen.UserPublicView, len(users))
	for i, u := range users {
		var err error
		if all[i], err = view(u); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func seconds(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// newUser is a user as POST /users describes it, under the id given there or
// the one given here.
func newUser(b gen.CreateUserPublicView, id string) (storage.NewUser, error) {
	doc, err := json.Marshal(document{Timezone: b.Timezone, Permissions: deref(b.Permissions)})
	return storage.NewUser{
		ID:       deref(first(b.ID, &id)),
		Realm:    realmOf(b),
		Name:     b.Username,
		Roles:    deref(first(b.RoleNames, b.Roles)),
		Password: deref(b.Password),
		Hash:     deref(b.PasswordHash),
		Policy:   rule,
		Document: doc,
	}, err
}

// realmOf is the realm that a new user is to have, in one of its two spellings.
func realmOf(b gen.CreateUserPublicView) string {
	realm := native
	return *first(first(b.RealmName, b.Realm), &realm)
}

// replacement is what PUT makes of a user: what the body leaves out is emptied,
// name, realm and times stay.
func replacement(id string, b gen.UpdateUserPublicView) storage.UserEdit {
	return storage.UserEdit{
		ID: id,
		Edit: func(u *storage.User) error {
			d, err := documentOf(*u)
			if err != nil {
				return err
			}
			u.Roles = deref(first(b.RoleNames, b.Roles))
			d.Timezone, d.Permissions = b.Timezone, deref(b.Permissions)
			u.Document, err = json.Marshal(d)
			return err
		},
		Password: deref(b.Password),
		Hash:     deref(b.PasswordHash),
		Policy:   rule,
	}
}

// passwordChange is a change by someone who sends the current password.
func passwordChange(id string, b gen.UpdatePasswordPublicView) storage.PasswordChange {
	return storage.PasswordChange{ID: id, Old: deref(b.CurrentPassword), New: b.Password, Policy: rule, PolicyFirst: true}
}

// query selects users by the filters of GET /users. An empty one is none.
func query(p gen.GetUsersParams) storage.UserQuery {
	return storage.UserQuery{Name: given(p.Username), Realm: given(p.Realm)}
}

func given(s *string) *string {
	if deref(s) == "" {
		return nil
	}
	return s
}

// first is a, or b if there is no a.
func first[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
