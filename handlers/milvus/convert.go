package milvus

import (
	"encoding/json"
	"slices"
	"strings"

	gen "usher/gen/milvus"
	"usher/storage"
)

// document is what only Milvus keeps about a user.
type document struct {
	Description string `json:"description,omitempty"`
}

func newUser(name string, r gen.CreateUserRequest) (storage.NewUser, error) {
	var d document
	if r.Description != nil {
		d.Description = *r.Description
	}
	raw, err := json.Marshal(d)
	return storage.NewUser{ID: name, Name: name, Password: r.Password, Document: raw}, err
}

// done is the success of an operation that answers nothing more.
func done() gen.EmptyResult {
	return gen.EmptyResult{Data: &map[string]any{}}
}

func listed(users []storage.User) gen.NamesResult {
	names := make([]string, len(users))
	for i, u := range users {
		names[i] = u.Name
	}
	return gen.NamesResult{Data: &names}
}

// description describes a user; the zero user is one that there is not.
func description(u storage.User) (gen.UserRolesResult, error) {
	roles := append([]string{}, u.Roles...)
	slices.Sort(roles)
	var d document
	if u.Document != nil {
		if err := json.Unmarshal(u.Document, &d); err != nil {
			return gen.UserRolesResult{}, err
		}
	}
	return gen.UserRolesResult{Data: &roles, Description: &d.Description}, nil
}

// value is what an optional member holds, zero if it is absent.
func value[T any](member *T) (v T) {
	if member != nil {
		v = *member
	}
	return v
}

// grantsIn lists what is granted to a role in a database: what was granted for
// it and for all.
func grantsIn(role storage.Record, database string) (gen.GrantsResult, error) {
	d, err := roleDocumentOf(role)
	if err != nil {
		return gen.GrantsResult{}, err
	}
	slices.SortFunc(d.Grants, grant.compare)
	listed := []gen.Grant{}
	for _, g := range d.Grants {
		if g.Database != database && g.Database != anything && database != anything {
			continue
		}
		listed = append(listed, gen.Grant{
			DBName: g.Database, Grantor: g.Grantor, ObjectName: g.ObjectName, ObjectType: g.ObjectType, Privilege: g.Privilege,
		})
	}
	return gen.GrantsResult{Data: &listed}, nil
}

func listedGroups(groups []group) gen.PrivilegeGroupsResult {
	listed := make([]gen.PrivilegeGroup, len(groups))
	for i, g := range groups {
		listed[i] = gen.PrivilegeGroup{PrivilegeGroupName: g.name, Privileges: strings.Join(g.privileges, ",")}
	}
	return gen.PrivilegeGroupsResult{Data: &gen.PrivilegeGroupsData{PrivilegeGroups: listed}}
}
