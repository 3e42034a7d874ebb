package milvus

import (
	"cmp"
	"context"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"usher/handlers/edge"
	"usher/storage"
	"usher/storage/password"
)

// caller is who calls.
type caller struct {
	storage.Actor
	// free: nothing is denied to him, since he is root or of the role admin, or
	// authentication is off, or the body of his request authenticates him.
	free bool
	// database is what a denial names, although users belong to none.
	database string
}

type callerKey struct{}

func callerFrom(ctx context.Context) caller { return ctx.Value(callerKey{}).(caller) }

// authenticate is edge.API's Authenticate. Milvus asks who calls before it
// looks at the route, and for a time limit once there is one.
func (s *server) authenticate(ctx context.Context, call *edge.Call) (context.Context, error) {
	who, err := s.identify(ctx, call)
	if err != nil {
		return nil, err
	}
	ctx = context.WithValue(ctx, callerKey{}, who)
	if call.Operation == "" {
		return ctx, nil
	}
	return limitTime(ctx, call.Request.Header)
}

// identify finds out who calls. A header that is there must be valid, an empty
// one included; without one, update_password is left to the old password in its
// body, since the reference's own example sends no header.
func (s *server) identify(ctx context.Context, call *edge.Call) (caller, error) {
	who := caller{
		Actor:    storage.Actor{Source: call.Source, Request: call.ID},
		database: cmp.Or(take(call.Request.Header, "DB-Name"), defaultDatabase),
	}
	_, given := call.Request.Header["Authorization"]
	if s.open || !given && call.Operation == "updatePassword" {
		who.free = true
		return who, nil
	}
	name, secret, basic := credentials(call.Request)
	if basic {
		call.Header()["WWW-Authenticate"] = []string{`Basic realm="restricted", charset="UTF-8"`} // on a 200 as well
	}
	if name == "" || secret == "" {
		return caller{}, unauthenticated.because()
	}
	login, err := s.users.Authenticate(ctx, who.Actor, storage.Credentials{Name: name, Password: secret})
	if storage.KindOf(err) == storage.WrongPassword {
		return caller{}, unauthenticated.because()
	}
	if err != nil {
		return caller{}, err
	}
	call.Principal = login.User.Name
	who.ID, who.Name = login.User.ID, login.User.Name
	who.free = who.Name == Administrator || slices.Contains(login.User.Roles, adminRole)
	return who, nil
}

// credentials reads the three forms of Authorization: Basic, "Bearer
// name:password", and "name:password" with nothing before it. What is not a
// well-formed Basic is taken for one of the others.
func credentials(r *http.Request) (name string, secret password.Plain, basic bool) {
	name, plain, basic := r.BasicAuth()
	if !basic {
		name, plain, _ = strings.Cut(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), ":")
	}
	return name, password.Plain(plain), basic
}

// Milvus' names for the rights that these operations need.
const (
	selectOwnership = "PrivilegeSelectOwnership"
	selectUser      = "PrivilegeSelectUser"
	createOwnership = "PrivilegeCreateOwnership"
	dropOwnership   = "PrivilegeDropOwnership"
	updateUser      = "PrivilegeUpdateUser"
)

const defaultDatabase = "default"

// needs denies what takes a privilege, which no role but admin has.
func (c caller) needs(privilege string) error {
	if c.free {
		return nil
	}
	return denied.because(privilege, c.Name, c.database)
}

// needsFor is needs for what everyone may do to himself. Milvus compares the
// name as it was sent.
func (c caller) needsFor(user, privilege string) error {
	if c.Name == user {
		return nil
	}
	return c.needs(privilege)
}

// limitTime gives a request the time that its Request-Timeout grants: whole
// seconds, where 0 and less are over at once. It can only shorten what the edge
// grants, which is Milvus' own 30 s.
func limitTime(ctx context.Context, header http.Header) (context.Context, error) {
	given := take(header, "Request-Timeout")
	if given == "" {
		return ctx, nil
	}
	seconds, err := strconv.ParseInt(given, 10, 64)
	if err != nil {
		return nil, badTimeout.because(err)
	}
	if seconds <= 0 {
		return nil, timedOut.because()
	}
	seconds = min(seconds, math.MaxInt64/int64(time.Second))
	limited, cancel := context.WithTimeout(ctx, time.Duration(seconds)*time.Second)
	context.AfterFunc(ctx, cancel) // the edge ends ctx with the request
	return limited, nil
}

// take takes a header away and gives its first value, the only one that Milvus
// looks at. The generated binder has errors of its own for an empty or repeated
// one.
func take(header http.Header, name string) string {
	first := header.Get(name)
	header.Del(name)
	return first
}
