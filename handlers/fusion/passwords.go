package fusion

import (
	"context"

	gen "usher/gen/fusion"
	"usher/storage"
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
	id, err := s.initialAdmin(ctx)
	if err != nil {
		return nil, err
	}
	if _, err = s.users.InitPassword(ctx, actor(ctx), id, r.Body.Password, rule); err != nil {
		return nil, err
	}
	return gen.SetInitialAdminPassword201Response{}, nil
}

// initialAdmin is the id of the administrator that the first start made. Where
// he is gone, his password was set: nobody else could have deleted him. Errors:
// errInitialized.
func (s *server) initialAdmin(ctx context.Context) (string, error) {
	u, err := s.users.UserNamed(ctx, native, Administrator)
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
