// Package applivery serves the users and passwords of Applivery's public API
// (https://docs.applivery.com, "Workspace"), as it was in November 2025: log in
// with an e-mail address and a password, read and change users, change a
// password. Everything is below /v1.
//
// Its quirks, all described in openapi/applivery.yaml: every answer is an
// envelope of status and data or error; a wrong verb is an unknown route; a
// token is checked before anything else of a request; a request that does not
// fit is answered with the words of Joi 14 in the shape of express-validation 1,
// on which the vendor's own express-api-skeleton is built, all problems at
// once; an unknown token has a code of its own everywhere but where a password
// is changed.
//
// Where to look next: auth.go for who calls and what each role may do,
// errors.go for the codes, validation.go for Joi's words, convert.go for how a
// user is kept.
package applivery

import (
	"sync"

	gen "usher/gen/applivery"
	"usher/handlers/edge"
	"usher/storage"
)

// Name is the API's name: in paths of ours, in logs, and as a directory of the
// store.
const Name = "applivery"

// Administrator is the login of the first administrator.
const Administrator = "admin@example.com"

var contract = sync.OnceValues(func() (*edge.Contract, error) { return edge.ParseContract(gen.Requests) })

// API serves the users that the store keeps for Applivery. It fails only if the
// embedded contract cannot be parsed.
func API(store *storage.Store) (edge.API, error) {
	c, err := contract()
	if err != nil {
		return edge.API{}, err
	}
	s := &server{users: store.Directory(Name)}
	return edge.API{
		Name:     Name,
		Roots:    []string{"/v1"},
		Contract: c,
		OpenAPI:  gen.OpenAPI,
		Register: func(r edge.Router) { gen.RegisterHandlers(r, gen.NewStrictHandler(s, nil)) },
		// Express routes so.
		TrailingSlash: true,
		HeadIsGet:     true,

		Authenticate: s.authenticate,
		Fail:         fail,
		// As Express' body-parser leaves it: without a body it understands,
		// the request's members are those of {}.
		Body: edge.BodyRules{OtherIsEmpty: true, EmptyIsObject: true},
		JSON: edge.JSONStyle{ContentType: "application/json; charset=utf-8"},
		// The vendor documents none; this is what most of the field reads.
		RequestID: "X-Request-Id",
	}, nil
}

// server implements the operations of the contract.
type server struct {
	users *storage.Directory
}

var _ gen.StrictServerInterface = (*server)(nil)
