package milvus

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	gen "usher/gen/milvus"
	"usher/storage"
)

// grant is a privilege, or a group of them, that a role has on an object.
type grant struct {
	ObjectType string `json:"objectType"`
	Database   string `json:"database"`
	ObjectName string `json:"objectName"`
	Privilege  string `json:"privilege"`
	Grantor    string `json:"grantor"`
}

// compare orders grants as the server's keys do.
func (g grant) compare(o grant) int {
	return cmp.Or(
		strings.Compare(g.ObjectType, o.ObjectType),
		strings.Compare(g.Database+"."+g.ObjectName, o.Database+"."+o.ObjectName),
		strings.Compare(keptName(g.Privilege), keptName(o.Privilege)),
	)
}

// same says whether two grants are one, whoever granted it.
func (g grant) same(o grant) bool { return g.compare(o) == 0 }

// roleDocument is what only Milvus keeps about a role.
type roleDocument struct {
	Grants []grant `json:"grants,omitempty"`
}

func roleDocumentOf(r storage.Record) (d roleDocument, err error) {
	err = json.Unmarshal(r.Document, &d)
	return d, err
}

// right is what an operation needs: a privilege on an object in a database.
type right struct {
	privilege, objectType, objectName, database string
}

// gives says whether a grant of a privilege gives a right, as the server's
// enforcer does: the type of object is the privilege's own, whatever it was
// granted on, and for all privileges it is Global. All and Admin count in the
// very database that they were granted for, since the enforcer compares names
// there; so would ReadOnly and ReadWrite, which give no right that is asked for.
func (g grant) gives(r right) bool {
	there := g.Database == r.database
	switch {
	case g.Privilege == all:
		return there
	case g.Privilege == admin:
		return there && slices.Contains(administers, r.privilege)
	case !there && g.Database != anything:
		return false
	case g.Privilege == anything:
		return r.objectType == global
	}
	return g.Privilege == r.privilege && (r.objectType == global || g.on(r.objectName))
}

func (g grant) on(object string) bool { return g.ObjectName == anything || g.ObjectName == object }

// may says whether the caller has a right: everyone has the role public besides
// his own.
func (s *server) may(ctx context.Context, by caller, r right) (bool, error) {
	if by.free {
		return true, nil
	}
	roles := by.roles
	if !slices.ContainsFunc(roles, func(r storage.Record) bool { return r.Name == publicRole }) {
		public, err := s.roles.Get(ctx, publicRole)
		if err != nil {
			return false, err
		}
		roles = append(slices.Clip(roles), public)
	}
	own := sync.OnceValues(func() ([]group, error) { return s.ownGroups(ctx) }) // when the first grant asks for them
	for _, role := range roles {
		d, err := roleDocumentOf(role)
		if err != nil {
			return false, err
		}
		for _, g := range d.Grants {
			members, err := expand(g.Privilege, own)
			if err != nil {
				return false, err
			}
			for _, g.Privilege = range members {
				if g.gives(r) {
					return true, nil
				}
			}
		}
	}
	return false, nil
}

// expand lists what is granted with a privilege, or with a group of the second
// generation. What a group holds is not expanded again, and a group that is gone
// holds nothing.
func expand(privilege string, own func() ([]group, error)) ([]string, error) {
	if in, ok := builtInGroup(privilege); ok {
		return in.privileges, nil
	}
	if privilege == anything || isDefined(privilege) {
		return []string{privilege}, nil
	}
	groups, err := own()
	return membersOf(groups, privilege), err
}

// membersOf is what a group holds, for the caller to keep.
func membersOf(groups []group, name string) []string {
	for _, g := range groups {
		if g.name == name {
			return slices.Clone(g.privileges)
		}
	}
	return nil
}

// GrantPrivilege is POST /roles/grant_privilege.
func (s *server) GrantPrivilege(ctx context.Context, r gen.GrantPrivilegeRequestObject) (gen.GrantPrivilegeResponseObject, error) {
	err := s.operatePrivilege(ctx, *r.Body, addGrant)
	return gen.GrantPrivilege200JSONResponse{Body: done()}, err
}

// RevokePrivilege is POST /roles/revoke_privilege.
func (s *server) RevokePrivilege(ctx context.Context, r gen.RevokePrivilegeRequestObject) (gen.RevokePrivilegeResponseObject, error) {
	err := s.operatePrivilege(ctx, *r.Body, removeGrant)
	return gen.RevokePrivilege200JSONResponse{Body: done()}, err
}

// operatePrivilege grants or revokes as the first generation does.
func (s *server) operatePrivilege(ctx context.Context, r gen.GrantPrivilegeRequest, operate func(*roleDocument, grant)) error {
	by := callerFrom(ctx).in(r.DBName)
	if err := s.needs(ctx, by, manageOwnership); err != nil {
		return err
	}
	if err := checkGrantNames(r); err != nil {
		return err
	}
	if _, ok := objectPrivileges[r.ObjectType]; !ok {
		return badObjectType.because()
	}
	return s.editGrants(ctx, by, r.RoleName, func(v storage.View, d *roleDocument) error {
		if err := checkPrivilege(v, r.Privilege, r.ObjectType); err != nil {
			return err
		}
		g := grant{r.ObjectType, by.database, r.ObjectName, r.Privilege, by.grantor()}
		if r.ObjectType == global && r.Privilege != admin {
			g.ObjectName = anything
		}
		operate(d, g)
		for _, g.Privilege = range related[r.Privilege] {
			operate(d, g)
		}
		return nil
	})
}

// checkGrantNames returns what is wrong with the names of a grant, in the
// server's order.
func checkGrantNames(r gen.GrantPrivilegeRequest) error {
	if err := checkNameOrAny("Privilege", r.Privilege); err != nil {
		return err
	}
	if err := checkNameOf("ObjectType", r.ObjectType); err != nil {
		return err
	}
	if err := checkNameOrAny("object name", r.ObjectName); err != nil {
		return err
	}
	return checkRoleName(r.RoleName)
}

// checkPrivilege returns nil if the first generation has a privilege of that
// name on objects of that type.
func checkPrivilege(v storage.View, privilege, objectType string) error {
	if privilege == anything {
		return nil
	}
	own, err := viewGroups(v)
	if err != nil {
		return err
	}
	if _, ok := builtInGroup(privilege); ok {
		return builtInOfOld.because(privilege)
	}
	switch {
	case slices.ContainsFunc(own, func(g group) bool { return g.name == privilege }):
		return ownOfOld.because(privilege)
	case !slices.Contains(objectPrivileges[objectType], privilege):
		return noPrivilegeOnObject.because(privilege, objectType)
	}
	return nil
}

// GrantPrivilegeV2 is POST /roles/grant_privilege_v2.
func (s *server) GrantPrivilegeV2(ctx context.Context, r gen.GrantPrivilegeV2RequestObject) (gen.GrantPrivilegeV2ResponseObject, error) {
	err := s.operatePrivilegeV2(ctx, *r.Body, addGrant)
	return gen.GrantPrivilegeV2200JSONResponse{Body: done()}, err
}

// RevokePrivilegeV2 is POST /roles/revoke_privilege_v2.
func (s *server) RevokePrivilegeV2(ctx context.Context, r gen.RevokePrivilegeV2RequestObject) (gen.RevokePrivilegeV2ResponseObject, error) {
	err := s.operatePrivilegeV2(ctx, *r.Body, removeGrant)
	return gen.RevokePrivilegeV2200JSONResponse{Body: done()}, err
}

// operatePrivilegeV2 grants or revokes as the second generation does, which
// looks at the body's database alone.
func (s *server) operatePrivilegeV2(ctx context.Context, r gen.GrantPrivilegeV2Request, operate func(*roleDocument, grant)) error {
	by := callerFrom(ctx)
	if err := s.needs(ctx, by, manageOwnership); err != nil {
		return err
	}
	database, name := value(r.DBName), value(r.CollectionName)
	if err := checkGrantV2(r, database, name); err != nil {
		return err
	}
	return s.editGrants(ctx, by, r.RoleName, func(v storage.View, d *roleDocument) error {
		own, err := viewGroups(v)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(own, func(g group) bool { return g.name == r.Privilege })
		if i < 0 && r.Privilege != anything && !isDefined(r.Privilege) {
			return noPrivilege.because(r.Privilege)
		}
		if i >= 0 && len(own[i].privileges) > 0 {
			if err := checkScope(r.Privilege, levelOf(own[i].privileges[0]), database, name); err != nil {
				return err
			}
		}
		if database == "" {
			database = defaultDatabase
		}
		operate(d, grant{objectTypeOf(r.Privilege), database, name, r.Privilege, by.grantor()})
		return nil
	})
}

// checkGrantV2 returns what is wrong with the names of a grant, and with where a
// built-in group is to count, in the server's order.
func checkGrantV2(r gen.GrantPrivilegeV2Request, database, name string) error {
	if err := checkRoleName(r.RoleName); err != nil {
		return err
	}
	if err := checkNameOrAny("Privilege", r.Privilege); err != nil {
		return err
	}
	if g, ok := builtInGroup(r.Privilege); ok {
		if err := checkScope(r.Privilege, levelOf(g.privileges[0]), database, name); err != nil {
			return err
		}
	}
	if err := checkDatabaseName(database); err != nil {
		return err
	}
	return checkNameOrAny("collection name", name)
}

// checkScope returns nil if a group of that level can count for the collection
// of the database.
func checkScope(name, level, database, collection string) error {
	switch {
	case level == "":
		return noLevel.because()
	case level == "Cluster" && (database != anything || collection != anything):
		return clusterScope.because(name)
	case level == "Database" && collection != "" && collection != anything:
		return databaseScope.because(name)
	case level == "Collection" && database == anything && collection != anything && collection != "":
		return collectionScope.because(name)
	}
	return nil
}

// editGrants changes what is granted to a role.
func (s *server) editGrants(ctx context.Context, by caller, role string, edit func(storage.View, *roleDocument) error) error {
	_, err := s.roles.Update(ctx, by.Actor, role, func(v storage.View, r *storage.Record) error {
		d, err := roleDocumentOf(*r)
		if err != nil {
			return err
		}
		if err := edit(v, &d); err != nil {
			return err
		}
		r.Document, err = json.Marshal(d)
		return err
	})
	if storage.KindOf(err) == storage.NotFound {
		return noRoleToGrantTo.because(role)
	}
	return err
}

// addGrant grants what is not granted yet.
func addGrant(d *roleDocument, g grant) {
	if !slices.ContainsFunc(d.Grants, g.same) {
		d.Grants = append(d.Grants, g)
	}
}

// removeGrant revokes what is granted.
func removeGrant(d *roleDocument, g grant) {
	d.Grants = slices.DeleteFunc(d.Grants, g.same)
}
