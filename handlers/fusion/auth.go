package fusion

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"usher/handlers/edge"
	"usher/storage"
	"usher/storage/password"
)

// setInitialAdminPassword is the one operation without credentials
// (operationId of POST /).
const setInitialAdminPassword = "setInitialAdminPassword"

// caller is who calls, with all that was read to find that out.
type caller struct {
	user   storage.User
	target *storage.User // the user whom the path names; nil: there is none
	own    []permission
	roles  [][]permission
}

type callerKey struct{}

// callerFrom gives the caller of an operation that takes credentials.
func callerFrom(ctx context.Context) *caller {
	return ctx.Value(callerKey{}).(*caller)
}

// authenticate finds out who calls, reads the path's user along with it, and
// asks whether the caller may: permission comes before the request is looked at.
func (s *server) authenticate(ctx context.Context, call *edge.Call) (context.Context, error) {
	if call.Operation == setInitialAdminPassword {
		return ctx, nil
	}
	name, secret, err := basic(call.Request)
	if err != nil {
		return nil, err
	}
	login, err := s.users.Authenticate(ctx,
		storage.Actor{Source: call.Source, Request: call.ID},
		storage.Credentials{Realm: native, Name: name, Password: secret, Target: call.Param("id")})
	if storage.KindOf(err) == storage.WrongPassword {
		return nil, errInvalidCredentials
	}
	if err != nil {
		return nil, err
	}
	call.Principal = login.User.Name
	c, err := s.callerOf(login)
	if err != nil {
		return nil, err
	}
	if path := strings.TrimPrefix(call.Request.URL.Path, root); !c.may(call.Request.Method, path) {
		return nil, errForbidden(call.Request.Method, path)
	}
	return context.WithValue(ctx, callerKey{}, c), nil
}

// basic takes a name and a password from the Authorization header. A session
// cookie, a bearer token or an API key is nothing yet: the operations that
// hand them out are not served.
func basic(r *http.Request) (name string, secret password.Plain, err error) {
	name, text, ok := r.BasicAuth()
	if ok {
		return name, password.Plain(text), nil
	}
	if hasScheme(r, "Basic") { // but not base64 of name:password
		return "", "", errInvalidCredentials
	}
	return "", "", errAuthenticationRequired
}

func hasScheme(r *http.Request, scheme string) bool {
	sent, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(sent, scheme)
}

// callerOf is the caller with the permissions that a login brought.
func (s *server) callerOf(login storage.Login) (*caller, error) {
	own, err := s.compiled.permissions(login.User.Document)
	if err != nil {
		return nil, fmt.Errorf("user %s: %w", login.User.ID, err)
	}
	c := &caller{user: login.User, target: login.Target, own: own, roles: make([][]permission, len(login.Roles))}
	for i, role := range login.Roles {
		if c.roles[i], err = s.compiled.permissions(role.Document); err != nil {
			return nil, fmt.Errorf("role %s: %w", role.ID, err)
		}
	}
	return c, nil
}

// nobody stands for the id of any user. It is made anew by each process, so
// that no list of ids can hold it: only a pattern fits.
var nobody = uuid.NewString()

// isAdmin says whether the caller may change any user's password, which is
// what makes an administrator in the vendor's words about PATCH [ours].
func (c *caller) isAdmin() bool { return c.may(http.MethodPatch, "/users/"+nobody) }

// existing is the user whom the path names. Errors: errUserNotFound.
func (c *caller) existing() (storage.User, error) {
	if c.target == nil {
		return storage.User{}, errUserNotFound
	}
	return *c.target, nil
}

// actor is who performs a verb, for the trail of events.
func actor(ctx context.Context) storage.Actor {
	call := edge.CallFrom(ctx)
	by := storage.Actor{Source: call.Source, Request: call.ID}
	if c, ok := ctx.Value(callerKey{}).(*caller); ok {
		by.ID, by.Name = c.user.ID, c.user.Name
	}
	return by
}
