package milvus

import (
	"context"
	"strings"

	gen "usher/gen/milvus"
	"usher/storage"
)

// CreateUser is POST /users/create. The name is stored without the white space
// around it.
func (s *server) CreateUser(ctx context.Context, r gen.CreateUserRequestObject) (gen.CreateUserResponseObject, error) {
	by := callerFrom(ctx)
	if err := s.needs(ctx, by, createOwnership); err != nil {
		return nil, err
	}
	name := strings.TrimSpace(r.Body.UserName)
	if err := s.rules.checkName(name); err != nil {
		return nil, err
	}
	user, err := newUser(name, *r.Body)
	if err != nil {
		return nil, err
	}
	user.Policy, user.Limit = s.rules.password, s.maxUsers
	if _, err := s.users.CreateUser(ctx, by.Actor, user); err != nil {
		return nil, &userError{name, err}
	}
	return gen.CreateUser200JSONResponse{Body: done()}, nil
}

// DescribeUser is POST /users/describe. A user that there is not has no roles.
func (s *server) DescribeUser(ctx context.Context, r gen.DescribeUserRequestObject) (gen.DescribeUserResponseObject, error) {
	name := r.Body.UserName
	if err := s.needsFor(ctx, callerFrom(ctx), name, selectUser); err != nil {
		return nil, err
	}
	if err := s.rules.checkName(name); err != nil {
		return nil, err
	}
	user, err := s.users.User(ctx, name)
	if err != nil && storage.KindOf(err) != storage.NotFound {
		return nil, err
	}
	body, err := description(user)
	if err != nil {
		return nil, err
	}
	return gen.DescribeUser200JSONResponse{Body: body}, nil
}

// DropUser is POST /users/drop. A user that there is not needs no dropping.
func (s *server) DropUser(ctx context.Context, r gen.DropUserRequestObject) (gen.DropUserResponseObject, error) {
	by := callerFrom(ctx)
	if err := s.needs(ctx, by, dropOwnership); err != nil {
		return nil, err
	}
	if r.Body.UserName == Administrator {
		return nil, rootStays.because()
	}
	_, err := s.users.DeleteUser(ctx, by.Actor, r.Body.UserName)
	if err != nil && storage.KindOf(err) != storage.NotFound {
		return nil, err
	}
	return gen.DropUser200JSONResponse{Body: done()}, nil
}

// ListUsers is POST /users/list.
func (s *server) ListUsers(ctx context.Context, r gen.ListUsersRequestObject) (gen.ListUsersResponseObject, error) {
	if err := s.needs(ctx, callerFrom(ctx).in(r.Body.DBName), selectOwnership); err != nil {
		return nil, err
	}
	users, _, err := s.users.Users(ctx, storage.UserQuery{Sort: storage.UserSort{By: "name"}})
	if err != nil {
		return nil, err
	}
	return gen.ListUsers200JSONResponse{Body: listed(users)}, nil
}
