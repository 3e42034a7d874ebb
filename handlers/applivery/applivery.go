// Package applivery serves the users and passwords of Applivery's public API
// (https://docs.applivery.com, "Workspace"), as it was in November 2025: register,
// log in with an e-mail address and a password, exchange tokens, read and change
// users, change a password. Everything is below /v1.
//
// Its quirks, all described in openapi/applivery.yaml: every answer is an
// envelope of status and data or error; a wrong verb is an unknown route; a
// token is checked before anything else of a request; a request that does not
// fit is answered with the words of Joi 14 in the shape of express-validation 1,
// on which the vendor's own express-api-skeleton is built, all problems at
// once; an unknown token has a code of its own everywhere but where a password
// is changed.
//
// One address may send so many requests an hour, and is told where it stands with
// every answer (rate.go).
//
// Where to look next: auth.go for who calls and what each role may do,
// errors.go for the codes, validation.go for Joi's words, convert.go for how a
// user is kept.
package applivery

import (
	"cmp"
	"sync"
	"time"

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

// Options are the settings of Applivery that matter here.
type Options struct {
	// RateLimit is how many requests one address may send within an hour; 0:
	// 10 000, as many as the vendor takes; less than 0: as many as it likes.
	RateLimit int `json:"rateLimit,omitempty"`
}

// API serves the users that the store keeps for Applivery. It fails only if the
// embedded contract cannot be parsed.
func (o Options) API(store *storage.Store) (edge.API, error) {
	c, err := contract()
	if err != nil {
		return edge.API{}, err
	}
	var admit func(*edge.Call) error
	if o.RateLimit >= 0 {
		l, err := newLimiter(cmp.Or(o.RateLimit, rateLimit), store.Now)
		if err != nil {
			return edge.API{}, err
		}
		admit = l.admit
	}
	s := &server{users: store.Directory(Name), now: store.Now}
	return edge.API{
		Name:     Name,
		Roots:    []string{"/v1"},
		Contract: c,
		OpenAPI:  gen.OpenAPI,
		Register: func(r edge.Router) { gen.RegisterHandlers(r, gen.NewStrictHandler(s, nil)) },
		// Express routes so.
		TrailingSlash: true,
		HeadIsGet:     true,

		Admit:        admit,
		Authenticate: s.authenticate,
		Anyone:       s.anyone,
		Denied:       denied,
		Fail:         fail,
		// As Express' body-parser leaves it: without a body it understands,
		// the request's members are those of {}. The booleans are Joi's.
		Body: edge.BodyRules{OtherIsEmpty: true, EmptyIsObject: true, BooleanWords: true},
		JSON: edge.JSONStyle{ContentType: "application/json; charset=utf-8"},
		// The vendor documents none; this is what most of the field reads.
		RequestID: "X-Request-Id",
	}, nil
}

// server implements the operations of the contract.
type server struct {
	users *storage.Directory
	now   func() time.Time
}

var _ gen.StrictServerInterface = (*server)(nil)
