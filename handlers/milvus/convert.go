package milvus

import (
	"encoding/json"
	"slices"

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

func listed(users []storage.User) gen.UserNamesResult {
	names := make([]string, len(users))
	for i, u := range users {
		names[i] = u.Name
	}
	return gen.UserNamesResult{Data: &names}
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
