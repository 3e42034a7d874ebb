package applivery

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

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
const changePassword = "changeUserPassword"

// public are the operations that take no access token.
var public = []string{"login", "register", "refresh"}

// caller is who calls, and whom the path is about.
type caller struct {
	storage.Actor
	self  storage.User
	found *storage.User // the user whom the path names; nil: there is none
	free  bool          // nothing is denied to him
}

type callerKey struct{}

// callerFrom gives the caller whom authenticate found.
func callerFrom(ctx context.Context) caller { return ctx.Value(callerKey{}).(caller) }

// authenticate finds out whose access token it is, in one query with the user
// whom the path names.
func (s *server) authenticate(ctx context.Context, call *edge.Call) (context.Context, error) {
	if slices.Contains(public, call.Operation) {
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
	return context.WithValue(ctx, callerKey{}, s.callerOf(ctx, call, found, storage.Secret{Kind: accessToken, Value: token})), nil
}

// anyone is edge.API's Anyone: the first administrator, whatever his role is by
// now. Where there is no user of that address any more, it is one without a record.
func (s *server) anyone(ctx context.Context, call *edge.Call) (context.Context, error) {
	if slices.Contains(public, call.Operation) {
		return ctx, nil
	}
	admin, err := s.users.Unproven(ctx, "", Administrator, strings.ToLower(call.Param("userId")))
	if err != nil {
		return nil, err
	}
	if admin.User.ID == "" {
		admin.User = storage.User{ID: noID, Name: Administrator, Roles: []string{string(gen.RoleAdmin)}, Document: document{Language: gen.En}.encode()}
	}
	c := s.callerOf(ctx, call, admin, storage.Secret{})
	c.free = true
	return context.WithValue(ctx, callerKey{}, c), nil
}

// callerOf is who logged in with a token, which is noted as an action of his.
func (s *server) callerOf(ctx context.Context, call *edge.Call, login storage.Login, token storage.Secret) caller {
	c := caller{
		Actor: storage.Actor{ID: login.User.ID, Name: login.User.Name, Source: call.Source, Request: call.ID, Token: token},
		self:  s.noteAction(ctx, login.User),
		found: login.Target,
	}
	if c.found != nil && c.found.ID == c.self.ID {
		c.found = &c.self
	}
	return c
}

// noID is the id of no user.
const noID = "000000000000000000000000"

// noteEvery is how often an action is noted at most: a read for each request
// should not become a write.
const noteEvery = time.Minute

// noteAction notes that a user does something, and gives the user with that. It
// is no reason to refuse what the user wants: if it cannot be noted now, the next
// action is.
func (s *server) noteAction(ctx context.Context, u storage.User) storage.User {
	now := s.now()
	d, err := documentOf(u)
	if err != nil || d.LastAction != nil && now.Sub(*d.LastAction) < noteEvery {
		return u
	}
	noted, err := s.users.UpdateUser(ctx, storage.Actor{}, storage.UserEdit{ID: u.ID, Quiet: true, Edit: func(u *storage.User) error {
		return edit(u, func(d *document) { d.LastAction = &now })
	}})
	if err != nil {
		return u
	}
	return noted
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

// is reports whether the caller has one of the roles, or is as good as that.
func (c caller) is(roles ...gen.Role) bool {
	return c.free || slices.Contains(roles, roleOf(c.self))
}

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
