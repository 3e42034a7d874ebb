package milvus

import (
	"context"
	"slices"

	gen "usher/gen/milvus"
	"usher/storage"
)

// The roles that there always are. What admin may is not granted to it: it is
// everything.
const (
	adminRole  = "admin"
	publicRole = "public"
)

// CreateRole is POST /roles/create.
func (s *server) CreateRole(ctx context.Context, r gen.CreateRoleRequestObject) (gen.CreateRoleResponseObject, error) {
	by, name := callerFrom(ctx).in(r.Body.DBName), r.Body.RoleName
	if err := s.needs(ctx, by, createOwnership); err != nil {
		return nil, err
	}
	if err := checkRoleName(name); err != nil {
		return nil, err
	}
	_, err := s.roles.Create(ctx, by.Actor, storage.Record{ID: name, Name: name}, func(v storage.View) error {
		roles, err := v.Records(storage.Role)
		switch {
		case err != nil:
			return err
		case slices.ContainsFunc(roles, func(r storage.Record) bool { return r.Name == name }):
			return roleExists.because(name)
		case len(roles) >= s.maxRoles:
			return tooManyRoles.because()
		}
		return nil
	})
	return gen.CreateRole200JSONResponse{Body: done()}, err
}

// DescribeRole is POST /roles/describe. Whoever has a role may know what it
// grants.
func (s *server) DescribeRole(ctx context.Context, r gen.DescribeRoleRequestObject) (gen.DescribeRoleResponseObject, error) {
	by, name := callerFrom(ctx).in(r.Body.DBName), r.Body.RoleName
	if !by.has(name) {
		if err := s.needs(ctx, by, selectOwnership); err != nil {
			return nil, err
		}
	}
	if err := checkRoleName(name); err != nil {
		return nil, err
	}
	role, err := s.roles.Get(ctx, name)
	if storage.KindOf(err) == storage.NotFound {
		return nil, noRoleToDescribe.because(name)
	}
	if err != nil {
		return nil, err
	}
	body, err := grantsIn(role, by.database)
	return gen.DescribeRole200JSONResponse{Body: body}, err
}

// DropRole is POST /roles/drop.
func (s *server) DropRole(ctx context.Context, r gen.DropRoleRequestObject) (gen.DropRoleResponseObject, error) {
	by, name := callerFrom(ctx).in(r.Body.DBName), r.Body.RoleName
	if err := s.needs(ctx, by, dropOwnership); err != nil {
		return nil, err
	}
	if err := checkRoleName(name); err != nil {
		return nil, err
	}
	if name == adminRole || name == publicRole {
		return nil, defaultRoleStays.because(name)
	}
	_, err := s.roles.Delete(ctx, by.Actor, name, storage.RecordDelete{Unassign: true, Check: func(_ storage.View, r storage.Record) error {
		d, err := roleDocumentOf(r)
		if err == nil && len(d.Grants) > 0 {
			err = roleHasGrants.because()
		}
		return err
	}})
	if storage.KindOf(err) == storage.NotFound {
		err = noRole.because()
	}
	return gen.DropRole200JSONResponse{Body: done()}, err
}

// ListRoles is POST /roles/list.
func (s *server) ListRoles(ctx context.Context, r gen.ListRolesRequestObject) (gen.ListRolesResponseObject, error) {
	if err := s.needs(ctx, callerFrom(ctx).in(r.Body.DBName), selectOwnership); err != nil {
		return nil, err
	}
	roles, err := s.roles.List(ctx)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = r.Name
	}
	slices.Sort(names)
	return gen.ListRoles200JSONResponse{Body: gen.NamesResult{Data: &names}}, nil
}

// GrantRole is POST /users/grant_role.
func (s *server) GrantRole(ctx context.Context, r gen.GrantRoleRequestObject) (gen.GrantRoleResponseObject, error) {
	err := s.operateRole(ctx, *r.Body, func(roles []string, role string) []string {
		if slices.Contains(roles, role) {
			return roles
		}
		return append(roles, role)
	})
	if storage.KindOf(err) == storage.NotFound {
		err = noUserToGrantTo.because(r.Body.UserName)
	}
	return gen.GrantRole200JSONResponse{Body: done()}, err
}

// RevokeRole is POST /users/revoke_role. A user that there is not has no roles
// to be revoked.
func (s *server) RevokeRole(ctx context.Context, r gen.RevokeRoleRequestObject) (gen.RevokeRoleResponseObject, error) {
	err := s.operateRole(ctx, *r.Body, func(roles []string, role string) []string {
		return slices.DeleteFunc(roles, func(r string) bool { return r == role })
	})
	if storage.KindOf(err) == storage.NotFound {
		err = nil
	}
	return gen.RevokeRole200JSONResponse{Body: done()}, err
}

// operateRole changes a user's roles; the role must be there at that moment, and
// is asked for before the user is. Errors: those of the names, noRole, NotFound
// for the user.
func (s *server) operateRole(ctx context.Context, r gen.UserRoleRequest, edit func(roles []string, role string) []string) error {
	by := callerFrom(ctx)
	if err := s.needs(ctx, by, manageOwnership); err != nil {
		return err
	}
	if err := s.rules.checkName(r.UserName); err != nil {
		return err
	}
	if err := checkRoleName(r.RoleName); err != nil {
		return err
	}
	if _, err := s.roles.Get(ctx, r.RoleName); err != nil {
		return orNoRole(err)
	}
	_, err := s.users.UpdateUser(ctx, by.Actor, storage.UserEdit{
		ID:   r.UserName,
		Edit: func(u *storage.User) error { u.Roles = edit(u.Roles, r.RoleName); return nil },
		Check: func(v storage.View, _ storage.User) error {
			roles, err := v.Records(storage.Role)
			if err == nil && !slices.ContainsFunc(roles, func(have storage.Record) bool { return have.Name == r.RoleName }) {
				err = noRole.because()
			}
			return err
		},
	})
	return err
}

// orNoRole tells of a role that there is not.
func orNoRole(err error) error {
	if storage.KindOf(err) == storage.NotFound {
		return noRole.because()
	}
	return err
}
