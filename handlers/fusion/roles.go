package fusion

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"

	gen "usher/gen/fusion"
	"usher/storage"
)

// roleDocument is what a role is beside its name, by which users hold it.
type roleDocument struct {
	Desc          *string                        `json:"desc,omitempty"`
	Permissions   []gen.GlobPermissionPublicView `json:"permissions,omitempty"`
	UIPermissions []string                       `json:"uiPermissions,omitempty"`
}

// roleView is a role as it is answered.
func roleView(r storage.Record) (gen.RolePublicView, error) {
	var d roleDocument
	if err := json.Unmarshal(r.Document, &d); err != nil {
		return gen.RolePublicView{}, fmt.Errorf("role %s: %w", r.ID, err)
	}
	return gen.RolePublicView{
		ID: r.ID, Name: r.Name, CreatedAt: seconds(r.CreatedAt), UpdatedAt: edited(r.UpdatedAt),
		Desc: d.Desc, Permissions: printed(d.Permissions), UIPermissions: orEmpty(d.UIPermissions),
	}, nil
}

// GetRoles lists the roles whose name has the filter in it.
func (s *server) GetRoles(ctx context.Context, r gen.GetRolesRequestObject) (gen.GetRolesResponseObject, error) {
	roles, err := s.roles.List(ctx)
	if err != nil {
		return nil, err
	}
	answer := []gen.RolePublicView{}
	for _, role := range roles {
		if !strings.Contains(role.Name, deref(r.Params.Name)) {
			continue
		}
		v, err := roleView(role)
		if err != nil {
			return nil, err
		}
		answer = append(answer, v)
	}
	return gen.GetRoles200JSONResponse{Body: answer}, nil
}

// CreateRole makes a role, once name and id are found free.
func (s *server) CreateRole(ctx context.Context, r gen.CreateRoleRequestObject) (gen.CreateRoleResponseObject, error) {
	doc, err := json.Marshal(roleDocument{Desc: r.Body.Desc, Permissions: deref(r.Body.Permissions), UIPermissions: deref(r.Body.UIPermissions)})
	if err != nil {
		return nil, err
	}
	id := uuid.NewString()
	role, err := s.roles.Create(ctx, actor(ctx), storage.Record{ID: deref(first(r.Body.ID, &id)), Name: r.Body.Name, Document: doc}, nil)
	if err != nil {
		return nil, taken(err, `Role "`+r.Body.Name+`" already exists`, `Role with id "`+deref(r.Body.ID)+`" already exists`)
	}
	v, err := roleView(role)
	return gen.CreateRole201JSONResponse{Body: v}, err
}

// GetRole answers a role.
func (s *server) GetRole(ctx context.Context, r gen.GetRoleRequestObject) (gen.GetRoleResponseObject, error) {
	role, err := s.roles.Get(ctx, r.ID)
	if err != nil {
		return nil, absent(err, errRoleNotFound)
	}
	v, err := roleView(role)
	return gen.GetRole200JSONResponse{Body: v}, err
}

// UpdateRole replaces all of a role but its id and the time it was made.
func (s *server) UpdateRole(ctx context.Context, r gen.UpdateRoleRequestObject) (gen.UpdateRoleResponseObject, error) {
	doc, err := json.Marshal(roleDocument{Desc: r.Body.Desc, Permissions: deref(r.Body.Permissions), UIPermissions: deref(r.Body.UIPermissions)})
	if err != nil {
		return nil, err
	}
	role, err := s.roles.Update(ctx, actor(ctx), r.ID, func(_ storage.View, role *storage.Record) error {
		role.Name, role.Document = r.Body.Name, doc
		return nil
	})
	if err != nil {
		return nil, absent(taken(err, `Role "`+r.Body.Name+`" already exists`, ""), errRoleNotFound)
	}
	v, err := roleView(role)
	return gen.UpdateRole200JSONResponse{Body: v}, err
}

// DeleteRole deletes a role. Its users keep the name, which grants nothing.
func (s *server) DeleteRole(ctx context.Context, r gen.DeleteRoleRequestObject) (gen.DeleteRoleResponseObject, error) {
	if _, err := s.roles.Delete(ctx, actor(ctx), r.ID, storage.RecordDelete{}); err != nil {
		return nil, absent(err, errRoleNotFound)
	}
	return gen.DeleteRole204Response{}, nil
}
