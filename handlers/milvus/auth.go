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
	// roles are his own; everyone has public besides.
	roles []storage.Record
	// database is where his rights are looked for, and what a denial names,
	// although users and roles belong to none.
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
	return admitted(ctx, call, who)
}

// anyone is edge.API's Anyone, and what Milvus does whose authentication is off:
// the caller has no name.
func (s *server) anyone(ctx context.Context, call *edge.Call) (context.Context, error) {
	who := callerOf(call)
	who.free = true
	return admitted(ctx, call, who)
}

// admitted is the context of a caller who is let in.
func admitted(ctx context.Context, call *edge.Call, who caller) (context.Context, error) {
	ctx = context.WithValue(ctx, callerKey{}, who)
	if call.Operation == "" {
		return ctx, nil
	}
	return limitTime(ctx, call.Request.Header)
}

// callerOf is a caller of whom nothing is known.
func callerOf(call *edge.Call) caller {
	return caller{
		Actor:    storage.Actor{Source: call.Source, Request: call.ID},
		database: cmp.Or(take(call.Request.Header, "DB-Name"), defaultDatabase),
	}
}

// identify finds out who calls. A header that is there must be valid, an empty
// one included; without one, update_password is left to the old password in its
// body, since the reference's own example sends no header.
func (s *server) identify(ctx context.Context, call *edge.Call) (caller, error) {
	who := callerOf(call)
	if _, given := call.Request.Header["Authorization"]; !given && call.Operation == "updatePassword" {
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
	switch kind := storage.KindOf(err); {
	case err == nil:
	case kind == storage.WrongPassword:
		return caller{}, unauthenticated.because()
	case kind == storage.Throttled:
		return caller{}, &edge.CallerError{Err: err}
	default:
		return caller{}, err
	}
	call.Principal = login.User.Name
	who.ID, who.Name = login.User.ID, login.User.Name
	who.roles = login.Roles
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

const defaultDatabase = "default"

// in is the caller as far as the database is concerned that his body names; nil
// or empty: it names none.
func (c caller) in(database *string) caller {
	c.database = cmp.Or(value(database), c.database)
	return c
}

// has says whether a role is one of his, or everyone's.
func (c caller) has(role string) bool {
	return role == publicRole || slices.ContainsFunc(c.roles, func(r storage.Record) bool { return r.Name == role })
}

// grantor is who a grant says that it comes from: with authentication off that
// is root, since Milvus wants it to be somebody [ours].
func (c caller) grantor() string { return cmp.Or(c.Name, Administrator) }

// needs denies what takes a privilege that the caller does not have.
func (s *server) needs(ctx context.Context, by caller, privilege string) error {
	return s.needsOn(ctx, by, right{privilege, global, anything, by.database})
}

// needsFor is needs for what everyone may do to himself. Milvus compares the
// name as it was sent.
func (s *server) needsFor(ctx context.Context, by caller, user, privilege string) error {
	if by.Name == user {
		return nil
	}
	return s.needsOn(ctx, by, right{privilege, userObject, user, by.database})
}

func (s *server) needsOn(ctx context.Context, by caller, r right) error {
	ok, err := s.may(ctx, by, r)
	if err == nil && !ok {
		err = denial.because(r.privilege, by.Name, by.database)
	}
	return err
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
