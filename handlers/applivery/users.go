package applivery

import (
	"context"

	gen "usher/gen/applivery"
	"usher/handlers/edge"
	"usher/storage"
)

// What a list takes without parameters.
const (
	firstPage  = 1
	pageLength = 100
)

// ListUsers answers a page of all users.
func (s *server) ListUsers(ctx context.Context, r gen.ListUsersRequestObject) (gen.ListUsersResponseObject, error) {
	if !callerFrom(ctx).is(gen.RoleAdmin, gen.RoleAdminViewer) {
		return nil, errForbidden
	}
	page, limit := or(r.Params.Page, firstPage), or(r.Params.Limit, pageLength)
	users, total, err := s.users.Users(ctx, storage.UserQuery{
		Sort: fromSort(or(r.Params.Sort, "")), Offset: (page - 1) * limit, Limit: limit,
	})
	if err != nil {
		return nil, err
	}
	data, err := toPage(users, total, page, limit)
	if err != nil {
		return nil, err
	}
	return gen.ListUsers200JSONResponse{Status: true, Data: data}, nil
}

// CreateUser makes a user with a first password.
func (s *server) CreateUser(ctx context.Context, r gen.CreateUserRequestObject) (gen.CreateUserResponseObject, error) {
	c := callerFrom(ctx)
	if !c.is(gen.RoleAdmin) {
		return nil, errForbidden
	}
	u, err := s.users.CreateUser(ctx, c.Actor, fromCreate(*r.Body))
	if err != nil {
		return nil, err
	}
	data, err := toUser(u)
	if err != nil {
		return nil, err
	}
	return gen.CreateUser201JSONResponse{Status: true, Data: data}, nil
}

// GetProfile answers the caller, who was read with the token.
func (s *server) GetProfile(ctx context.Context, _ gen.GetProfileRequestObject) (gen.GetProfileResponseObject, error) {
	data, err := toUser(callerFrom(ctx).self)
	if err != nil {
		return nil, err
	}
	return gen.GetProfile200JSONResponse{Status: true, Data: data}, nil
}

// GetUser answers a user, who was read with the token.
func (s *server) GetUser(ctx context.Context, _ gen.GetUserRequestObject) (gen.GetUserResponseObject, error) {
	u, err := callerFrom(ctx).target(gen.RoleAdmin, gen.RoleAdminViewer)
	if err != nil {
		return nil, err
	}
	data, err := toUser(u)
	if err != nil {
		return nil, err
	}
	return gen.GetUser200JSONResponse{Status: true, Data: data}, nil
}

// UpdateUser changes the members that are given. Without any it writes nothing,
// so that updatedAt stays. Who may change a role is decided on the one that the
// user has at that moment.
func (s *server) UpdateUser(ctx context.Context, r gen.UpdateUserRequestObject) (gen.UpdateUserResponseObject, error) {
	c := callerFrom(ctx)
	u, err := c.target(gen.RoleAdmin)
	if err != nil {
		return nil, err
	}
	if *r.Body != (gen.UpdateUserRequest{}) {
		u, err = s.users.UpdateUser(ctx, c.Actor, storage.UserEdit{ID: u.ID, Edit: func(u *storage.User) error {
			if r.Body.Role != nil && *r.Body.Role != roleOf(*u) && !c.is(gen.RoleAdmin) {
				return errForbidden
			}
			return applyUpdate(u, *r.Body)
		}})
		if err != nil {
			return nil, err
		}
	}
	data, err := toUser(u)
	if err != nil {
		return nil, err
	}
	return gen.UpdateUser200JSONResponse{Status: true, Data: data}, nil
}

// DeleteUser deletes a user, whose tokens go with the account.
func (s *server) DeleteUser(ctx context.Context, _ gen.DeleteUserRequestObject) (gen.DeleteUserResponseObject, error) {
	c := callerFrom(ctx)
	u, err := c.target(gen.RoleAdmin)
	if err != nil {
		return nil, err
	}
	if _, err := s.users.DeleteUser(ctx, c.Actor, u.ID); err != nil {
		return nil, err
	}
	return gen.DeleteUser200JSONResponse{Status: true, Data: gen.DeleteUserData{Delete: "OK"}}, nil
}

// Register makes a user with a first password for whoever asks. That the address
// is taken is no secret of the vendor's.
func (s *server) Register(ctx context.Context, r gen.RegisterRequestObject) (gen.RegisterResponseObject, error) {
	if !canHaveMail(r.Body.Email) {
		return nil, errInvalidDomain
	}
	call := edge.CallFrom(ctx)
	_, err := s.users.CreateUser(ctx, storage.Actor{Source: call.Source, Request: call.ID}, fromRegister(*r.Body))
	if storage.KindOf(err) == storage.Exists {
		return nil, errRegistered
	}
	if err != nil {
		return nil, err
	}
	return gen.Register200JSONResponse{Status: true, Data: gen.DoneData{Done: true, Message: "User registered"}}, nil
}
