package fusion

import (
	"context"
	"errors"

	gen "usher/gen/fusion"
	"usher/storage"
	"usher/storage/password"
)

// UpdatePassword changes a user's password and nothing else of it.
func (s *server) UpdatePassword(ctx context.Context, r gen.UpdatePasswordRequestObject) (gen.UpdatePasswordResponseObject, error) {
	target, err := callerFrom(ctx).existing()
	if err != nil {
		return nil, err
	}
	wanted := newPassword{plain: &r.Body.Password, confirmation: &r.Body.PasswordConfirm}
	if err := wanted.check(target.Realm); err != nil {
		return nil, err
	}
	u, err := s.replacePassword(ctx, target.ID, *r.Body)
	if err != nil {
		return nil, err
	}
	s.renew(ctx, &u)
	v, err := view(u)
	if err != nil {
		return nil, err
	}
	return gen.UpdatePassword200JSONResponse{Body: v}, nil
}

// replacePassword checks the current password if it is sent, and wants it sent
// by those who change their own and may not change everyone's [ours].
func (s *server) replacePassword(ctx context.Context, id string, b gen.UpdatePasswordPublicView) (storage.User, error) {
	if b.CurrentPassword != nil {
		return s.users.ChangePassword(ctx, actor(ctx), passwordChange(id, b))
	}
	if c := callerFrom(ctx); c.user.ID == id && !c.isAdmin() {
		return storage.User{}, errCurrentPasswordRequired
	}
	return s.users.SetPassword(ctx, actor(ctx), id, b.Password, rule)
}

// SetInitialAdminPassword gives the first administrator a password, once.
func (s *server) SetInitialAdminPassword(ctx context.Context, r gen.SetInitialAdminPasswordRequestObject) (gen.SetInitialAdminPasswordResponseObject, error) {
	if err := initPassword(ctx, s.users, actor(ctx), r.Body.Password); err != nil {
		return nil, err
	}
	return gen.SetInitialAdminPassword201Response{}, nil
}

// GivePassword gives the first administrator of a store the password that he
// still waits for; given is false if he has one, or is gone. Errors: WeakPassword,
// Busy.
func GivePassword(ctx context.Context, store *storage.Store, admin password.Plain) (given bool, err error) {
	err = initPassword(ctx, store.Directory(Name), storage.Actor{Name: "usher"}, admin)
	if errors.Is(err, errInitialized) || storage.KindOf(err) == storage.Conflict {
		return false, nil
	}
	return err == nil, err
}

// initPassword gives the first administrator a password, once. Errors:
// errInitialized, Conflict (which says the same), WeakPassword, Busy.
func initPassword(ctx context.Context, users *storage.Directory, by storage.Actor, p password.Plain) error {
	id, err := initialAdmin(ctx, users)
	if err != nil {
		return err
	}
	_, err = users.InitPassword(ctx, by, id, p, rule)
	return err
}

// initialAdmin is the id of the administrator that the first start made. Where
// he is gone, his password was set: nobody else could have deleted him. Errors:
// errInitialized.
func initialAdmin(ctx context.Context, users *storage.Directory) (string, error) {
	u, err := users.UserNamed(ctx, native, Administrator)
	if storage.KindOf(err) == storage.NotFound {
		return "", errInitialized
	}
	if err != nil {
		return "", err
	}
	d, err := documentOf(u)
	if err == nil && !d.Initial {
		err = errInitialized
	}
	return u.ID, err
}
