package fusion

import (
	"context"

	"github.com/google/uuid"

	gen "usher/gen/fusion"
)

// GetUsers lists the users that the filters fit.
func (s *server) GetUsers(ctx context.Context, r gen.GetUsersRequestObject) (gen.GetUsersResponseObject, error) {
	users, _, err := s.users.Users(ctx, query(r.Params))
	if err != nil {
		return nil, err
	}
	all, err := views(users)
	if err != nil {
		return nil, err
	}
	return gen.GetUsers200JSONResponse{Body: all}, nil
}

// CreateUser makes a user, once the password is found fit and then name and id
// are found free.
func (s *server) CreateUser(ctx context.Context, r gen.CreateUserRequestObject) (gen.CreateUserResponseObject, error) {
	n, err := newUser(*r.Body, uuid.NewString())
	if err != nil {
		return nil, err
	}
	wanted := newPassword{plain: r.Body.Password, confirmation: r.Body.PasswordConfirm, hash: r.Body.PasswordHash}
	if err := wanted.check(n.Realm); err != nil {
		return nil, err
	}
	u, err := s.users.CreateUser(ctx, actor(ctx), n)
	if err != nil {
		return nil, taken(err, `User "`+n.Name+`" already exists in realm "`+n.Realm+`"`, `User with id "`+n.ID+`" already exists`)
	}
	v, err := view(u)
	if err != nil {
		return nil, err
	}
	return gen.CreateUser201JSONResponse{Body: v}, nil
}

// GetUser answers a user, who was read when the caller was.
func (s *server) GetUser(ctx context.Context, _ gen.GetUserRequestObject) (gen.GetUserResponseObject, error) {
	u, err := callerFrom(ctx).existing()
	if err != nil {
		return nil, err
	}
	v, err := view(u)
	if err != nil {
		return nil, err
	}
	return gen.GetUser200JSONResponse{Body: v}, nil
}

// UpdateUser replaces what PUT may replace of a user.
func (s *server) UpdateUser(ctx context.Context, r gen.UpdateUserRequestObject) (gen.UpdateUserResponseObject, error) {
	target, err := callerFrom(ctx).existing()
	if err != nil {
		return nil, err
	}
	wanted := newPassword{plain: r.Body.Password, hash: r.Body.PasswordHash}
	if err := wanted.check(target.Realm); err != nil {
		return nil, err
	}
	u, err := s.users.UpdateUser(ctx, actor(ctx), replacement(target.ID, *r.Body))
	if err != nil {
		return nil, err
	}
	s.renew(ctx, &u)
	v, err := view(u)
	if err != nil {
		return nil, err
	}
	return gen.UpdateUser200JSONResponse{Body: v}, nil
}

// DeleteUser deletes a user of any realm.
func (s *server) DeleteUser(ctx context.Context, _ gen.DeleteUserRequestObject) (gen.DeleteUserResponseObject, error) {
	target, err := callerFrom(ctx).existing()
	if err != nil {
		return nil, err
	}
	if _, err := s.users.DeleteUser(ctx, actor(ctx), target.ID); err != nil {
		return nil, err
	}
	s.renew(ctx, nil)
	return gen.DeleteUser204Response{}, nil
}
