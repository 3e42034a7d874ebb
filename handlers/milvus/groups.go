package milvus

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	gen "usher/gen/milvus"
	"usher/storage"
)

// privilegeGroup is the kind of records that privilege groups of one's own are,
// under their names as ids.
const privilegeGroup storage.RecordKind = "privilege-group"

// groupDocument is what there is about a privilege group.
type groupDocument struct {
	Privileges []string `json:"privileges"` // sorted
}

// CreatePrivilegeGroup is POST /privilege_groups/create.
func (s *server) CreatePrivilegeGroup(ctx context.Context, r gen.CreatePrivilegeGroupRequestObject) (gen.CreatePrivilegeGroupResponseObject, error) {
	by, name := callerFrom(ctx), r.Body.PrivilegeGroupName
	if err := s.needs(ctx, by, createPrivilegeGroup); err != nil {
		return nil, err
	}
	if err := checkGroupName(name); err != nil {
		return nil, err
	}
	if isDefined(name) {
		return nil, groupBuiltIn.because(name)
	}
	_, err := s.groups.Create(ctx, by.Actor, storage.Record{ID: name, Name: name, Document: json.RawMessage(`{"privileges":[]}`)}, nil)
	if storage.KindOf(err) == storage.Exists {
		err = groupExists.because(name)
	}
	return gen.CreatePrivilegeGroup200JSONResponse{Body: done()}, err
}

// DropPrivilegeGroup is POST /privilege_groups/drop. A group that there is not
// needs no dropping.
func (s *server) DropPrivilegeGroup(ctx context.Context, r gen.DropPrivilegeGroupRequestObject) (gen.DropPrivilegeGroupResponseObject, error) {
	by, name := callerFrom(ctx), r.Body.PrivilegeGroupName
	if err := s.needs(ctx, by, dropPrivilegeGroup); err != nil {
		return nil, err
	}
	if err := checkGroupName(name); err != nil {
		return nil, err
	}
	_, err := s.groups.Delete(ctx, by.Actor, name, storage.RecordDelete{Check: func(v storage.View, _ storage.Record) error {
		roles, err := v.Records(storage.Role)
		if err != nil {
			return err
		}
		slices.SortFunc(roles, func(a, b storage.Record) int { return strings.Compare(a.Name, b.Name) })
		for _, role := range roles {
			d, err := roleDocumentOf(role)
			if err != nil {
				return err
			}
			if slices.ContainsFunc(d.Grants, func(g grant) bool { return g.Privilege == name }) {
				return groupInUse.because(name, role.Name)
			}
		}
		return nil
	}})
	if storage.KindOf(err) == storage.NotFound {
		err = nil
	}
	return gen.DropPrivilegeGroup200JSONResponse{Body: done()}, err
}

// ListPrivilegeGroups is POST /privilege_groups/list.
func (s *server) ListPrivilegeGroups(ctx context.Context, r gen.ListPrivilegeGroupsRequestObject) (gen.ListPrivilegeGroupsResponseObject, error) {
	if err := s.needs(ctx, callerFrom(ctx).in(r.Body.DBName), listPrivilegeGroups); err != nil {
		return nil, err
	}
	own, err := s.ownGroups(ctx)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(own, func(a, b group) int { return strings.Compare(a.name, b.name) })
	return gen.ListPrivilegeGroups200JSONResponse{Body: listedGroups(slices.Concat(own, builtIn))}, nil
}

// AddPrivilegesToGroup is POST /privilege_groups/add_privileges_to_group.
func (s *server) AddPrivilegesToGroup(ctx context.Context, r gen.AddPrivilegesToGroupRequestObject) (gen.AddPrivilegesToGroupResponseObject, error) {
	err := s.operateGroup(ctx, *r.Body, func(have, given []string) ([]string, error) {
		together := slices.Concat(have, given)
		for _, p := range together[1:] {
			if levelOf(p) != levelOf(together[0]) {
				return nil, levelsMixed.because()
			}
		}
		return together, nil
	})
	return gen.AddPrivilegesToGroup200JSONResponse{Body: done()}, err
}

// RemovePrivilegesFromGroup is POST /privilege_groups/remove_privileges_from_group.
func (s *server) RemovePrivilegesFromGroup(ctx context.Context, r gen.RemovePrivilegesFromGroupRequestObject) (gen.RemovePrivilegesFromGroupResponseObject, error) {
	err := s.operateGroup(ctx, *r.Body, func(have, given []string) ([]string, error) {
		return slices.DeleteFunc(have, func(p string) bool { return slices.Contains(given, p) }), nil
	})
	return gen.RemovePrivilegesFromGroup200JSONResponse{Body: done()}, err
}

// operateGroup changes what a group holds. A name may be that of a group, too;
// only one of the first generation counts in there.
func (s *server) operateGroup(ctx context.Context, r gen.AlterPrivilegeGroupRequest, edit func(have, given []string) ([]string, error)) error {
	by := callerFrom(ctx)
	if err := s.needs(ctx, by, operatePrivilegeGroup); err != nil {
		return err
	}
	if err := checkGroupName(r.PrivilegeGroupName); err != nil {
		return err
	}
	var given []string
	for _, p := range value(r.Privileges) {
		if err := checkNameOrAny("Privilege", value(p)); err != nil {
			return err
		}
		given = append(given, value(p))
	}
	_, err := s.groups.Update(ctx, by.Actor, r.PrivilegeGroupName, func(v storage.View, record *storage.Record) error {
		own, err := viewGroups(v)
		if err != nil {
			return err
		}
		if len(given) == 0 {
			return noPrivileges.because()
		}
		for _, p := range given {
			if !isDefined(p) && !slices.ContainsFunc(own, func(g group) bool { return g.name == p }) {
				return noPrivilegeForGroup.because(p)
			}
		}
		have, err := edit(membersOf(own, record.Name), given)
		if err != nil {
			return err
		}
		slices.Sort(have)
		record.Document, err = json.Marshal(groupDocument{append([]string{}, slices.Compact(have)...)})
		return err
	})
	if storage.KindOf(err) == storage.NotFound {
		return noGroup.because(r.PrivilegeGroupName)
	}
	return err
}

// ownGroups are the privilege groups that are not the server's.
func (s *server) ownGroups(ctx context.Context) ([]group, error) {
	return groupsOf(s.groups.List(ctx))
}

// viewGroups is ownGroups inside a transaction.
func viewGroups(v storage.View) ([]group, error) { return groupsOf(v.Records(privilegeGroup)) }

func groupsOf(records []storage.Record, err error) ([]group, error) {
	if err != nil {
		return nil, err
	}
	groups := make([]group, len(records))
	for i, r := range records {
		var d groupDocument
		if err := json.Unmarshal(r.Document, &d); err != nil {
			return nil, err
		}
		groups[i] = group{r.Name, d.Privileges}
	}
	return groups, nil
}
