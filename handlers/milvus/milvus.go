// Package milvus speaks what the Milvus RESTful API v2 has for users, roles and
// privilege groups, as of Milvus 2.6.20, below /v2/vectordb.
//
// What is particular to it, all of it read in the server's source unless a
// comment says otherwise:
//
//   - HTTP 200 does not mean success. What goes wrong with a body, a rule or an
//     account is a code in the body; only authentication, rights, routes and
//     timeouts have a status (errors.go).
//   - Every verb but POST is an unknown path, told in plain text, and even that
//     only to callers who have proven who they are.
//   - The body is JSON whatever its Content-Type says, and errors in it are
//     told in the words of Go's encoding/json and of a validator, with the
//     names of the server's own types.
//   - There is no login: name and password come with every request, in one of
//     three forms (auth.go).
//   - Its reference and its server disagree about names and passwords, so there
//     are two rule books (policy.go).
//   - Request-Timeout is looked at before the body (auth.go).
//
// A user's name is his id, and so is a role's. What is granted to a role is in
// the role's document; grants.go decides by it what a caller may do, with the
// tables of privileges.go. Look into openapi/milvus.yaml for the contract with
// its sources, and into testdata for the behaviour, one file each.
package milvus

import (
	"cmp"
	"fmt"
	"net/http"
	"sync"

	gen "usher/gen/milvus"
	"usher/handlers/edge"
	"usher/storage"
)

// Name is the API's name, and its directory's.
const Name = "milvus"

// Administrator is the login of the first administrator. The name itself
// grants everything, and its user cannot be dropped.
const Administrator = "root"

// Milvus' proxy.maxUserNum, root included, and proxy.maxRoleNum, admin and
// public included.
const (
	maxUsers = 100
	maxRoles = 10
)

// Options are the settings of a Milvus server that matter here.
type Options struct {
	// AuthenticationOff asks nobody who he is, and allows everything to
	// everyone: Milvus' common.security.authorizationEnabled, reversed.
	AuthenticationOff bool `json:"-"`
	// Rules is the rule book for names and passwords; empty: Documented.
	Rules Rules `json:"rules,omitempty"`
	// MaxUsers is how many users there may be, root included; 0: 100.
	MaxUsers int `json:"maxUsers,omitempty"`
	// MaxRoles is how many roles there may be, admin and public included; 0: 10.
	MaxRoles int `json:"maxRoles,omitempty"`
}

// contract is parsed once per process.
var contract = sync.OnceValues(func() (*edge.Contract, error) { return edge.ParseContract(gen.Requests) })

// API serves the Milvus API over store. Errors: rules that there are not; fewer users
// or roles than none.
func (o Options) API(store *storage.Store) (edge.API, error) {
	c, err := contract()
	if err != nil {
		return edge.API{}, err
	}
	if o.Rules == "" {
		o.Rules = Documented
	}
	rules, ok := ruleBooks[o.Rules]
	if !ok {
		return edge.API{}, fmt.Errorf("rules %q: they are %s or %s", o.Rules, Documented, Server)
	}
	if o.MaxUsers < 0 || o.MaxRoles < 0 {
		return edge.API{}, fmt.Errorf("limits of %d users and %d roles: there cannot be fewer than none", o.MaxUsers, o.MaxRoles)
	}
	directory := store.Directory(Name)
	s := &server{
		users: directory, roles: directory.Records(storage.Role), groups: directory.Records(privilegeGroup),
		rules: rules, maxUsers: cmp.Or(o.MaxUsers, maxUsers), maxRoles: cmp.Or(o.MaxRoles, maxRoles),
	}
	authenticate := s.authenticate
	if o.AuthenticationOff {
		authenticate = s.anyone
	}
	return edge.API{
		Name:     Name,
		Roots:    []string{"/v2/vectordb"},
		Contract: c,
		OpenAPI:  gen.OpenAPI,
		Register: func(r edge.Router) { gen.RegisterHandlers(r, gen.NewStrictHandler(s, nil)) },

		Authenticate:      authenticate,
		Anyone:            s.anyone,
		Denied:            denied,
		AuthenticateFirst: true,
		Fail:              s.fail,
		Preflight:         func(*edge.Call) edge.Answer { return edge.Answer{Status: http.StatusNoContent} },

		// What encoding/json does, reading the first value into a struct.
		Body:      edge.BodyRules{AnyMediaType: true, NullIsObject: true, NullIsAbsent: true, TrailingIgnored: true},
		JSON:      edge.JSONStyle{ContentType: "application/json; charset=utf-8", EscapeHTML: true},
		Header:    cors,
		RequestID: "X-Request-Id", // Milvus has none; the name is the common one
	}, nil
}

// cors goes onto every answer. Request-Timeout is not among the headers that it
// allows, in Milvus neither.
var cors = http.Header{
	"Access-Control-Allow-Origin":      {"*"},
	"Access-Control-Allow-Credentials": {"true"},
	"Access-Control-Allow-Headers":     {"Content-Type, Content-Length, Accept-Encoding, X-CSRF-Token, Authorization, accept, origin, Cache-Control, X-Requested-With"},
	"Access-Control-Allow-Methods":     {"GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"},
}

// server implements the operations.
type server struct {
	users    *storage.Directory
	roles    *storage.Records // under their names as ids
	groups   *storage.Records // of privileges, those that are not the server's own
	rules    rules
	maxUsers int
	maxRoles int
}

var _ gen.StrictServerInterface = (*server)(nil)
