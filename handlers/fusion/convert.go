package fusion

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
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
		Permissions: printed(d.Permissions),
		UpdatedAt:   edited(u.UpdatedAt),
	}
	return v, nil
}

// verbs is the order in which every list of methods that the vendor prints has
// them.
var verbs = []gen.HTTPMethod{gen.OPTIONS, gen.GET, gen.PUT, gen.PATCH, gen.HEAD, gen.DELETE, gen.POST}

// printed are permissions as they are answered.
func printed(permissions []gen.GlobPermissionPublicView) []gen.GlobPermissionPublicView {
	all := make([]gen.GlobPermissionPublicView, len(permissions))
	for i, p := range permissions {
		if p.Methods != nil {
			methods := slices.SortedFunc(slices.Values(*p.Methods), func(a, b gen.HTTPMethod) int {
				return cmp.Compare(slices.Index(verbs, a), slices.Index(verbs, b))
			})
			if methods == nil {
				methods = []gen.HTTPMethod{}
			}
			p.Methods = &methods
		}
		all[i] = p
	}
	return all
}

// edited is when something was changed; nil: never.
func edited(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	at = seconds(at)
	return &at
}

// views is view for a list, without the API keys.
func views(users []storage.User) ([]gen.UserPublicView, error) {
	all := make([]gen.UserPublicView, 0, len(users))
	for _, u := range users {
		if isAPIKey(u) {
			continue
		}
		v, err := view(u)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
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
