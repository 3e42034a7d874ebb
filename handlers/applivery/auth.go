package applivery

import (
	"context"
	"net/http"
	"slices"
	"strings"

	gen "usher/gen/applivery"
	"usher/handlers/edge"
	"usher/storage"
	"usher/storage/password"
)

// The kinds of tokens that a login makes.
const (
	accessToken  = "access"
	refreshToken = "refresh"
)

// The operations that authentication treats in their own way.
const (
	login          = "login"
	changePassword = "changeUserPassword"
)

// caller is who calls, and whom the path is about.
type caller struct {
	storage.Actor
	self  storage.User
	found *storage.User // the user whom the path names; nil: there is none
}

type callerKey struct{}

// callerFrom gives the caller whom authenticate found.
func callerFrom(ctx context.Context) caller { return ctx.Value(callerKey{}).(caller) }

// authenticate finds out whose access token it is, in one query with the user
// whom the path names.
func (s *server) authenticate(ctx context.Context, call *edge.Call) (context.Context, error) {
	if call.Operation == login {
		return ctx, nil
	}
	token, ok := bearer(call.Request.Header)
	if !ok {
		return nil, errNoAuthToken
	}
	found, _, err := s.users.AuthenticateToken(ctx, accessToken, token, strings.ToLower(call.Param("userId")))
	if err != nil {
		return nil, refusal(call.Operation, err)
	}
	call.Principal = found.User.Name
	return context.WithValue(ctx, callerKey{}, caller{
		Actor: storage.Actor{ID: found.User.ID, Name: found.User.Name, Source: call.Source, Request: call.ID},
		self:  found.User,
		found: found.Target,
	}), nil
}

// bearer gives the token of an Authorization header. The scheme's case does
// not count, as with passport, which the vendor's skeleton uses.
func bearer(h http.Header) (password.Plain, bool) {
	words := strings.Fields(h.Get("Authorization"))
	if len(words) != 2 || !strings.EqualFold(words[0], "Bearer") {
		return "", false
	}
	return password.Plain(words[1]), true
}

// refusal words why a token is none. The page of the password change knows
// 4002 and 4001 only; the pages of the other operations tell more.
func refusal(operation string, err error) error {
	kind := storage.KindOf(err)
	switch {
	case kind != storage.NotFound && kind != storage.Expired:
		return err
	case operation == changePassword:
		return errUnauthorized
	case kind == storage.Expired:
		return errTokenExpired
	default:
		return errInvalidToken
	}
}

// is reports whether the caller has one of the roles.
func (c caller) is(roles ...gen.Role) bool { return slices.Contains(roles, roleOf(c.self)) }

// target gives the user whom the path names to that user, and to callers who
// have one of the roles.
func (c caller) target(roles ...gen.Role) (storage.User, error) {
	switch {
	case c.found == nil:
		return storage.User{}, errEntityNotFound
	case c.found.ID != c.self.ID && !c.is(roles...):
		return storage.User{}, errForbidden
	}
	return *c.found, nil
}
