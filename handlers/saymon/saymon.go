// Package saymon speaks the REST API of the SAYMON monitoring platform for
// users, their groups, sessions and passwords, and the password policies
// (api.saymon.tech; it has no version). gen/saymon is its contract.
//
// Its quirks:
//   - The envelope, its Content-Type without a charset and the pairs of code
//     and status are those of Node's restify and restify-errors, by which the
//     vendor's printed errors come out byte for byte.
//   - The message of a 401 is a JSON document in a JSON string, and a password
//     that breaks the policy is answered 500, with the first problem: both
//     printed by the vendor.
//   - What is not JSON is answered in the words of Node's JSON.parse; see
//     json.go.
//   - A body of another media type is as good as none, and none is an object
//     without members: the vendor's own Python sample forgets to send its body.
//   - Who has no manage-users sees of a user only the id, and the display name
//     in place of the login.
//   - A session's id and an authentication token are answered as JSON strings,
//     quotation marks and all.
//
// What the vendor leaves open is decided in the contract, under
// x-usher-decision. Nothing here knows of a table or a hash: that is package
// storage, in whose directory of this package's name all of this lives.
//
// Look next into auth.go for who calls, errors.go for what is answered when
// something fails, and users.go for the operations.
package saymon

import (
	"sync"
	"time"

	gen "usher/gen/saymon"
	"usher/handlers/edge"
	"usher/storage"
)

// Name is the API's name, and that of its directory in a store.
const Name = "saymon"

// Administrator is the login of the first user, who has every permission.
const Administrator = "admin"

var contract = sync.OnceValues(func() (*edge.Contract, error) { return edge.ParseContract(gen.Requests) })

// API serves SAYMON's API over the store's directory of that name. It fails
// only if the contract cannot be parsed.
func API(store *storage.Store) (edge.API, error) {
	c, err := contract()
	if err != nil {
		return edge.API{}, err
	}
	d := store.Directory(Name)
	s := &server{directory: d, groups: d.Records(storage.Role), now: store.Now}
	return edge.API{
		Name:         Name,
		Roots:        []string{"/node/api"},
		Contract:     c,
		OpenAPI:      gen.OpenAPI,
		Register:     func(r edge.Router) { gen.RegisterHandlers(r, gen.NewStrictHandler(s, nil)) },
		Authenticate: s.authenticate,
		Anyone:       s.anyone,
		Denied:       denied,
		Fail:         fail,
		Body:         edge.BodyRules{OtherIsEmpty: true, EmptyIsObject: true},
		JSON:         edge.JSONStyle{ContentType: "application/json"},
		RequestID:    "Request-Id", // restify's name for it
	}, nil
}

// server answers the operations.
type server struct {
	directory *storage.Directory
	groups    *storage.Records // of users, under their ids as names
	now       func() time.Time // what activeTo and the age of a password are compared with
}

var _ gen.StrictServerInterface = (*server)(nil)
