package saymon

import (
	"context"
	"slices"
	"strings"

	gen "usher/gen/saymon"
	"usher/handlers/edge"
	"usher/storage"
	"usher/storage/password"
)

// The permissions that operations ask for.
const (
	manageUsers         = "manage-users"
	manageConfiguration = "manage-configuration"
)

// allPermissions are those that the vendor names.
var allPermissions = []string{
	"manage-objects", "create-objects", "manage-links", "manage-flows", "manage-documents", "manage-properties",
	"manage-classes", "execute-operations", "run-bulks", "run-discovery", manageConfiguration,
	"manage-service-properties", "upload-agent-updates", manageUsers, "manage-event-log", "manage-history",
}

// caller is who asks, as read while the credentials were checked.
type caller struct {
	storage.Actor
	user        storage.User
	permissions []string
	target      *storage.User // whom the path names; nil: nobody
	free        bool          // nothing is denied to him
}

type callerKey struct{}

// callerOf gives whom authenticate let in.
func callerOf(ctx context.Context) caller { return ctx.Value(callerKey{}).(caller) }

func (c caller) may(permission string) bool {
	return c.free || slices.Contains(c.permissions, permission)
}

// require refuses a caller who does not have the permission.
func (c caller) require(permission string) error {
	if c.may(permission) {
		return nil
	}
	return &refusal{"Forbidden", "Permission denied. Required permissions: " + permission}
}

// The operations that authentication treats in their own way.
var (
	public      = []string{"listPasswordPolicies", "createSession"}
	sessionOnly = []string{"deleteSession"}
	// beforeChange are open to who must change the password first: it takes one's
	// id to do so.
	beforeChange = []string{"getCurrentUser", "changeUserPassword"}
)

// authenticate finds out who calls, and lets only users who are active. The user
// whom the path names is read along (a policy's or a group's id is no user's).
func (s *server) authenticate(ctx context.Context, call *edge.Call) (context.Context, error) {
	if slices.Contains(public, call.Operation) {
		return ctx, nil
	}
	login, token, err := s.identify(ctx, call)
	if err != nil {
		return nil, err
	}
	who, err := callerFor(call, login)
	if err != nil {
		return nil, err
	}
	who.Token = token
	call.Principal = who.Name
	return context.WithValue(ctx, callerKey{}, who), nil
}

// anyone is edge.API's Anyone: the first administrator, whichever permissions he
// has by now. Where there is no user of that login any more, it is one without a
// record.
func (s *server) anyone(ctx context.Context, call *edge.Call) (context.Context, error) {
	if slices.Contains(public, call.Operation) {
		return ctx, nil
	}
	admin, err := s.directory.Unproven(ctx, "", Administrator, call.Param("id"))
	if err != nil {
		return nil, err
	}
	if admin.User.ID == "" {
		admin.User = storage.User{ID: noID, Name: Administrator, Document: newDocument().encode()}
	}
	who, err := callerFor(call, admin)
	if err != nil {
		return nil, err
	}
	who.free = true
	return context.WithValue(ctx, callerKey{}, who), nil
}

// noID is the id of no user.
const noID = "000000000000000000000000"

// identify goes by the first credentials that there are: HTTP Basic, a session's
// cookie, an authentication token in the query. It gives the latter two, too.
func (s *server) identify(ctx context.Context, call *edge.Call) (login storage.Login, token storage.Secret, err error) {
	r := call.Request
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	cookie, noCookie := r.Cookie("sid")
	switch query := r.URL.Query(); {
	case strings.EqualFold(scheme, "Basic") && !slices.Contains(sessionOnly, call.Operation):
		login, err = s.basic(ctx, call)
	case noCookie == nil:
		token = storage.Secret{Kind: sessionToken, Value: password.Plain(cookie.Value)}
		login, err = s.token(ctx, call, token, errSessionExpired)
	case query.Has("api-token") && !slices.Contains(sessionOnly, call.Operation):
		token = storage.Secret{Kind: apiToken, Value: password.Plain(query.Get("api-token"))}
		login, err = s.token(ctx, call, token, errInvalidToken)
	default:
		err = errNotLoggedIn
	}
	return login, token, err
}

// basic is identify by name and password, which may have to be changed first.
func (s *server) basic(ctx context.Context, call *edge.Call) (storage.Login, error) {
	name, secret, ok := call.Request.BasicAuth()
	if !ok {
		return storage.Login{}, errWrongCredentials
	}
	login, err := s.prove(ctx, call, name, password.Plain(secret))
	switch kind := storage.KindOf(err); {
	case err == nil:
	case kind == storage.WrongPassword:
		return storage.Login{}, errWrongCredentials
	case kind == storage.Throttled:
		return storage.Login{}, &edge.CallerError{Err: err}
	default:
		return storage.Login{}, err
	}
	own := call.Operation != "changeUserPassword" || call.Param("id") == login.User.ID
	if own && slices.Contains(beforeChange, call.Operation) {
		return login, nil
	}
	return login, s.mustChange(ctx, login.User)
}

// prove finds the active user of that login, or email, and password. A login
// holds no "@", so there is no mistaking one for the other. Errors:
// WrongPassword.
func (s *server) prove(ctx context.Context, call *edge.Call, name string, secret password.Plain) (storage.Login, error) {
	credentials := storage.Credentials{Name: name, Password: secret, Target: call.Param("id"), MayLogIn: s.active}
	if strings.Contains(name, "@") {
		credentials.Name, credentials.Email = "", name
	}
	return s.directory.Authenticate(ctx, storage.Actor{Source: call.Source, Request: call.ID}, credentials)
}

// token is identify by a token; bad is what one that is no good is answered,
// which is so of a user's who is not active.
func (s *server) token(ctx context.Context, call *edge.Call, token storage.Secret, bad error) (storage.Login, error) {
	login, _, err := s.directory.AuthenticateToken(ctx, token.Kind, token.Value, call.Param("id"))
	switch failure := storage.KindOf(err); {
	case failure == storage.NotFound, failure == storage.Expired, err == nil && !s.active(login.User):
		return storage.Login{}, bad
	}
	return login, err
}

// callerFor is who logged in, with the permissions of the groups besides the own.
func callerFor(call *edge.Call, login storage.Login) (caller, error) {
	d, err := documentOf(login.User)
	if err != nil {
		return caller{}, err
	}
	c := caller{user: login.User, permissions: d.Permissions, target: login.Target}
	c.Actor = storage.Actor{ID: login.User.ID, Name: login.User.Name, Source: call.Source, Request: call.ID}
	for _, r := range login.Roles {
		g, err := groupOf(r)
		if err != nil {
			return caller{}, err
		}
		c.permissions = append(slices.Clip(c.permissions), g.Permissions...)
	}
	return c, nil
}

// active says whether a user is neither blocked nor past activeTo nor still to
// be activated.
func (s *server) active(u storage.User) bool {
	d, err := documentOf(u)
	return err == nil && d.statusAt(s.now()) == gen.Active
}
