// Package fusion is the user management of Lucidworks Fusion 5.9, below /api,
// over one directory of the store: users, roles, realms, sessions, access tokens
// and API keys.
//
// Its contract is gen/fusion/openapi.yaml: Lucidworks' own document, corrected
// and completed by openapi/fusion.overlay.yaml, where each decision that no
// source settles is marked x-usher-decision. What is peculiar to Fusion:
//
//   - A user is named by a UUID, not by its name (the vendor's pages warn of it).
//   - PUT replaces: what the body leaves out is emptied, but for the password
//     (the two examples printed for PUT).
//   - Rights are globs over paths, held by roles and by users; a user's own go
//     before those of the roles (the vendor's page on permissions).
//   - The first administrator has no password until POST /api sets it.
//   - A password belongs to the native realm; users of other realms are known
//     here, with roles, but neither log in nor get a password.
//   - JSON is as Jackson writes and reads it: null is as good as absent,
//     and never written.
//
// It never looks at a table, computes a hash or decides whether a password is
// right: package storage does. Look next at auth.go (who calls, and may he),
// permission.go (the globs), errors.go (every failure's words), sessions.go and
// users.go.
package fusion

import (
	"crypto/rand"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	gen "usher/gen/fusion"
	"usher/handlers/edge"
	"usher/storage"
)

// Name is the API's name, and that of its directory.
const Name = "fusion"

// Administrator is the login of the first administrator.
const Administrator = "admin"

const (
	root = "/api"
	// atRoot has the one path that is not below /api.
	atRoot = "/oauth2"
	// native is the realm whose passwords are kept here, and the one that
	// counts where a request names none.
	native = "native"
)

var contract = sync.OnceValues(func() (*edge.Contract, error) { return edge.ParseContract(gen.Requests) })

// API serves Fusion over the store's directory of that name. It fails only on
// a contract that cannot be parsed.
func API(store *storage.Store) (edge.API, error) {
	parsed, err := contract()
	if err != nil {
		return edge.API{}, err
	}
	sessions, err := lru.New[basicCaller, basicSession](maxSessions)
	if err != nil {
		return edge.API{}, err
	}
	users := store.Directory(Name)
	s := &server{
		users: users, roles: users.Records(storage.Role), realms: users.Records(realmKind),
		sessions: sessions, signing: []byte(rand.Text()), now: store.Now, started: store.Now(),
	}
	return edge.API{
		Name:         Name,
		Roots:        []string{root, atRoot},
		Contract:     parsed,
		OpenAPI:      gen.OpenAPI,
		Register:     func(r edge.Router) { gen.RegisterHandlers(r, gen.NewStrictHandler(s, nil)) },
		Authenticate: s.authenticate,
		Anyone:       s.anyone,
		Denied:       denied,
		Fail:         fail,
		Body:         edge.BodyRules{NullIsAbsent: true},
		JSON:         edge.JSONStyle{ContentType: "application/json"},
		RequestID:    "fusion-request-id",
	}, nil
}

// server implements the contract's operations.
type server struct {
	users    *storage.Directory
	roles    *storage.Records
	realms   *storage.Records
	keyRealm atomic.Pointer[string] // the id of a realm that let API keys in
	compiled compiled
	sessions *lru.Cache[basicCaller, basicSession] // of those who come with Basic
	signing  []byte                                // the key of access tokens
	now      func() time.Time                      // the store's
	started  time.Time
}

var _ gen.StrictServerInterface = (*server)(nil)
