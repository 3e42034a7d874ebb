package handlers

import (
	"context"
	"fmt"
	"strings"

	"usher/storage"
	"usher/storage/password"
)

// FindUser finds the one user of an API who has that name or that id, in that
// realm unless it is nil. Errors: no such API or user, or more than one.
func FindUser(ctx context.Context, store *storage.Store, api, user string, realm *string) (storage.User, error) {
	if _, err := vendorNamed(api, Options{}); err != nil {
		return storage.User{}, err
	}
	d := store.Directory(api)
	found, _, err := d.Users(ctx, storage.UserQuery{Name: &user, Realm: realm})
	if err != nil {
		return storage.User{}, err
	}
	u, err := d.User(ctx, user)
	switch {
	case err == nil && (realm == nil || u.Realm == *realm) && (len(found) == 0 || found[0].ID != u.ID):
		found = append(found, u)
	case err != nil && storage.KindOf(err) != storage.NotFound:
		return storage.User{}, err
	}
	switch len(found) {
	case 0:
		return storage.User{}, fmt.Errorf("%s: no user has the name or the id %q", api, user)
	case 1:
		return found[0], nil
	}
	is := make([]string, len(found))
	for i, u := range found {
		is[i] = fmt.Sprintf("%q (realm %q)", u.ID, u.Realm)
	}
	return storage.User{}, fmt.Errorf("%s: which %q? There are the ids %s", api, user, strings.Join(is, ", "))
}

// SetPassword gives a user of an API another password, which ends the user's
// sessions as storage.SetPassword says, and returns the user as changed. Servers
// over the same store know at once. Errors: no such API; a password that the
// API's own rule refuses (storage.WeakPassword), or a user who can have none;
// those of storage.SetPassword.
func SetPassword(ctx context.Context, store *storage.Store, o Options, by storage.Actor, api string, u storage.User, p password.Plain) (storage.User, error) {
	v, err := vendorNamed(api, o)
	if err != nil {
		return storage.User{}, err
	}
	d := store.Directory(api)
	rule, err := v.rule(ctx, d, u)
	if err == nil {
		u, err = d.SetPassword(ctx, by, u.ID, p, rule)
	}
	if err != nil {
		return storage.User{}, fmt.Errorf("%s: %w", api, err)
	}
	return u, nil
}

// vendorNamed is the API of that name. Errors: there is none.
func vendorNamed(name string, o Options) (vendor, error) {
	for _, v := range apis(o) {
		if v.name == name {
			return v, nil
		}
	}
	return vendor{}, errNoAPI(name)
}

// errNoAPI says that there is no API of that name.
func errNoAPI(name string) error {
	return fmt.Errorf("no API is called %q: there are %s", name, strings.Join(Names(), ", "))
}
