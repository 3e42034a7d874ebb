package saymon

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	gen "usher/gen/saymon"
	"usher/storage"
)

// groupOf is a group as the store has it, under its id as name, since users
// belong to groups by id: the document is what the API shows.
func groupOf(r storage.Record) (gen.UserGroup, error) {
	var g gen.UserGroup
	err := json.Unmarshal(r.Document, &g)
	g.ID = r.ID
	return g, err
}

// applyGroup takes over what is given. A list replaces the one there was.
func applyGroup(g *gen.UserGroup, given gen.UpdateUserGroupRequest) {
	g.Name = *cmp.Or(given.Name, &g.Name)
	g.EventFilter = *cmp.Or(given.EventFilter, &g.EventFilter)
	if o := given.ObjectPermissions; o != nil {
		g.ObjectPermissions.Include = *cmp.Or(o.Include, &g.ObjectPermissions.Include)
		g.ObjectPermissions.Exclude = *cmp.Or(o.Exclude, &g.ObjectPermissions.Exclude)
	}
	g.Permissions = *cmp.Or(given.Permissions, &g.Permissions)
}

// ListUserGroups answers GET /user-groups.
func (s *server) ListUserGroups(ctx context.Context, _ gen.ListUserGroupsRequestObject) (gen.ListUserGroupsResponseObject, error) {
	records, err := s.groups.List(ctx)
	if err != nil {
		return nil, err
	}
	who := callerOf(ctx)
	answer := gen.ListUserGroups200JSONResponse{}
	for _, r := range records {
		if !who.may(manageUsers) && !slices.Contains(who.user.Roles, r.Name) {
			continue
		}
		g, err := groupOf(r)
		if err != nil {
			return nil, err
		}
		answer = append(answer, g)
	}
	return answer, nil
}

// CreateUserGroup answers POST /user-groups.
func (s *server) CreateUserGroup(ctx context.Context, r gen.CreateUserGroupRequestObject) (gen.CreateUserGroupResponseObject, error) {
	who := callerOf(ctx)
	if err := who.require(manageUsers); err != nil {
		return nil, err
	}
	g := gen.UserGroup{
		ID: newID(), EventFilter: []gen.EventFilter{}, Permissions: []string{},
		ObjectPermissions: gen.ObjectPermissions{Include: []any{}, Exclude: []any{}},
	}
	applyGroup(&g, gen.UpdateUserGroupRequest{
		Name: &r.Body.Name, EventFilter: r.Body.EventFilter, ObjectPermissions: r.Body.ObjectPermissions, Permissions: r.Body.Permissions,
	})
	document, err := json.Marshal(g)
	if err != nil {
		return nil, err
	}
	_, err = s.groups.Create(ctx, who.Actor, storage.Record{ID: g.ID, Name: g.ID, Document: document}, nil)
	return gen.CreateUserGroup200JSONResponse(g), err
}

// UpdateUserGroup answers PATCH /user-groups/{id}.
func (s *server) UpdateUserGroup(ctx context.Context, r gen.UpdateUserGroupRequestObject) (gen.UpdateUserGroupResponseObject, error) {
	who := callerOf(ctx)
	if err := who.require(manageUsers); err != nil {
		return nil, err
	}
	var g gen.UserGroup
	_, err := s.groups.Update(ctx, who.Actor, r.ID, func(_ storage.View, record *storage.Record) (err error) {
		if g, err = groupOf(*record); err != nil {
			return err
		}
		applyGroup(&g, *r.Body)
		record.Document, err = json.Marshal(g)
		return err
	})
	return gen.UpdateUserGroup200JSONResponse(g), err
}

// DeleteUserGroup answers DELETE /user-groups/{id}.
func (s *server) DeleteUserGroup(ctx context.Context, r gen.DeleteUserGroupRequestObject) (gen.DeleteUserGroupResponseObject, error) {
	who := callerOf(ctx)
	if err := who.require(manageUsers); err != nil {
		return nil, err
	}
	if _, err := s.groups.Delete(ctx, who.Actor, r.ID, storage.RecordDelete{Unassign: true}); err != nil {
		return nil, err
	}
	return gen.DeleteUserGroup200Response{}, nil
}
