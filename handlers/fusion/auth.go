package fusion

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"usher/handlers/edge"
	"usher/storage"
	"usher/storage/password"
)

// The operations that authentication treats in their own way, by operationId.
var (
	public = []string{"getSystemStatus", "setInitialAdminPassword", "createSession"}
	// unconditional need no permission: they are about the caller alone.
	unconditional = []string{"getSession", deleteSession, createToken}
)

const (
	deleteSession = "deleteSession" // takes a session's cookie alone
	createToken   = "createToken"   // takes Basic alone
)

// caller is who calls, with all that was read to find that out.
type caller struct {
	user   storage.User
	token  storage.Secret // that the caller came with, if it was no password
	target *storage.User  // the user whom the path names; nil: there is none
	own    []permission
	roles  [][]permission
	held   []storage.Record // the roles themselves
	free   bool             // nothing is denied to him
}

type callerKey struct{}

// callerFrom gives the caller of an operation that takes credentials.
func callerFrom(ctx context.Context) *caller {
	return ctx.Value(callerKey{}).(*caller)
}

// authenticate finds out who calls, reads the path's user along with it, and
// asks whether the caller may: permission comes before the request is looked at.
func (s *server) authenticate(ctx context.Context, call *edge.Call) (context.Context, error) {
	if slices.Contains(public, call.Operation) {
		return ctx, nil
	}
	login, token, err := s.identify(ctx, call)
	if err != nil {
		return nil, err
	}
	call.Principal = login.User.Name
	if isAPIKey(login.User) { // its id may be some user's name
		call.Principal = "API key " + login.User.Name
	}
	c, err := s.callerOf(login)
	if err != nil {
		return nil, err
	}
	c.token = token
	path := strings.TrimPrefix(call.Request.URL.Path, root)
	if !slices.Contains(unconditional, call.Operation) && !c.may(call.Request.Method, path) {
		return nil, errForbidden(call.Request.Method, path)
	}
	return context.WithValue(ctx, callerKey{}, c), nil
}

// anyone is edge.API's Anyone: the first administrator, whichever rights he has by
// now. Where there is no user of that name any more, it is one without a record.
func (s *server) anyone(ctx context.Context, call *edge.Call) (context.Context, error) {
	if slices.Contains(public, call.Operation) {
		return ctx, nil
	}
	admin, err := s.users.Unproven(ctx, native, Administrator, call.Param("id"))
	if err != nil {
		return nil, err
	}
	if admin.User.ID == "" {
		admin.User = storage.User{ID: nobody, Realm: native, Name: Administrator, Document: json.RawMessage("{}")}
	}
	c, err := s.callerOf(admin)
	if err != nil {
		return nil, err
	}
	c.free = true
	return context.WithValue(ctx, callerKey{}, c), nil
}

// identify goes by the first credentials that there are: HTTP Basic, a bearer
// token, an API key, a session's cookie. It gives the token, but for a key, which
// is a user of its own.
func (s *server) identify(ctx context.Context, call *edge.Call) (login storage.Login, token storage.Secret, err error) {
	r := call.Request
	switch op := call.Operation; {
	case hasScheme(r, "Basic") && op != deleteSession:
		login, err = s.basic(ctx, call)
		return login, token, err
	case op == createToken:
		return login, token, errAuthenticationRequired
	case hasScheme(r, "Bearer") && op != deleteSession:
		_, sent, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.Contains(sent, ".") { // no JWT: fusion-datasource-cloner, a published client, sends an API key so
			login, err = s.withKey(ctx, call, password.Plain(sent), errInvalidToken)
			return login, token, err
		}
		token = storage.Secret{Kind: bearerToken, Value: password.Plain(sent)}
		login, err = s.token(ctx, call, token, errInvalidToken)
		return login, token, err
	}
	if key := keyOf(r); key != "" && call.Operation != deleteSession {
		login, err = s.withKey(ctx, call, key, errInvalidAPIKey)
		return login, token, err
	}
	if cookie := cookieIn(r); cookie != "" {
		token = storage.Secret{Kind: sessionToken, Value: cookie}
		login, err = s.token(ctx, call, token, errSessionExpired)
		return login, token, err
	}
	return login, token, errAuthenticationRequired
}

// keyOf is the API key that a request carries: the vendor's page shows the
// headers x-api-key and apiKey and the query's apiKey, and names x-api-key as a
// parameter of the query, too.
func keyOf(r *http.Request) password.Plain {
	query := r.URL.Query()
	return password.Plain(cmp.Or(r.Header.Get("x-api-key"), r.Header.Get("apiKey"), query.Get("x-api-key"), query.Get("apiKey")))
}

// cookieIn is the session that a request carries.
func cookieIn(r *http.Request) password.Plain {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return ""
	}
	return password.Plain(cookie.Value)
}

// basic is identify by name and password, for which a session is given unless
// the query says _cookie=false.
func (s *server) basic(ctx context.Context, call *edge.Call) (storage.Login, error) {
	name, secret, ok := call.Request.BasicAuth()
	if !ok { // no base64 of name:password
		return storage.Login{}, errInvalidCredentials
	}
	login, err := s.prove(ctx, call, name, password.Plain(secret))
	if storage.KindOf(err) == storage.Throttled {
		err = &edge.CallerError{Err: err}
	}
	if err == nil && call.Request.URL.Query().Get("_cookie") != "false" {
		s.remember(ctx, call, login.User)
	}
	return login, err
}

// prove finds the native user of that name and password. Errors:
// errInvalidCredentials.
func (s *server) prove(ctx context.Context, call *edge.Call, name string, secret password.Plain) (storage.Login, error) {
	login, err := s.users.Authenticate(ctx,
		storage.Actor{Source: call.Source, Request: call.ID},
		storage.Credentials{Realm: native, Name: name, Password: secret, Target: call.Param("id")})
	return login, outdated(err)
}

// withKey is identify by an API key; bad is what one that is no good is answered.
func (s *server) withKey(ctx context.Context, call *edge.Call, key password.Plain, bad error) (storage.Login, error) {
	login, err := s.token(ctx, call, storage.Secret{Kind: apiKeyToken, Value: key}, bad)
	if err != nil {
		return storage.Login{}, err
	}
	if works, err := s.apiKeysWork(ctx); !works {
		return storage.Login{}, cmp.Or(err, bad)
	}
	return login, nil
}

// token is identify by a token; bad is what one that is no good is answered.
func (s *server) token(ctx context.Context, call *edge.Call, token storage.Secret, bad error) (storage.Login, error) {
	login, _, err := s.users.AuthenticateToken(ctx, token.Kind, token.Value, call.Param("id"))
	if kind := storage.KindOf(err); kind == storage.NotFound || kind == storage.Expired {
		err = bad
	}
	return login, err
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
	c := &caller{user: login.User, target: login.Target, own: own, roles: make([][]permission, len(login.Roles)), held: login.Roles}
	if c.target != nil && isAPIKey(*c.target) {
		c.target = nil
	}
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
		by.ID, by.Name, by.Token = c.user.ID, c.user.Name, c.token
	}
	return by
}
