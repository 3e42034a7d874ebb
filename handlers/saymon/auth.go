package saymon

import (
	"context"
	"net/http"
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
}

type callerKey struct{}

// callerOf gives whom authenticate let in.
func callerOf(ctx context.Context) caller { return ctx.Value(callerKey{}).(caller) }

func (c caller) may(permission string) bool { return slices.Contains(c.permissions, permission) }

// require refuses a caller who does not have the permission.
func (c caller) require(permission string) error {
	if c.may(permission) {
		return nil
	}
	return &refusal{"Forbidden", "Permission denied. Required permissions: " + permission}
}

// authenticate finds out who calls: HTTP Basic, by login or email, and of
// users only those who are active. A login holds no "@", so there is no
// mistaking one for the other. The user whom the path names is read along (a
// policy's id is no user's).
func (s *server) authenticate(ctx context.Context, call *edge.Call) (context.Context, error) {
	if call.Operation == "listPasswordPolicies" { // public
		return ctx, nil
	}
	name, secret, ok := call.Request.BasicAuth()
	if !ok {
		scheme, _, _ := strings.Cut(call.Request.Header.Get("Authorization"), " ")
		if strings.EqualFold(scheme, "Basic") {
			return nil, errWrongCredentials
		}
		return nil, notLoggedIn(call.Request)
	}
	credentials := storage.Credentials{Name: name, Password: password.Plain(secret), Target: call.Param("id")}
	if strings.Contains(name, "@") {
		credentials.Name, credentials.Email = "", name
	}
	credentials.MayLogIn = s.active
	by := storage.Actor{Source: call.Source, Request: call.ID}
	login, err := s.directory.Authenticate(ctx, by, credentials)
	if err != nil {
		return nil, err
	}
	d, err := documentOf(login.User)
	if err != nil {
		return nil, err
	}
	call.Principal = login.User.Name
	by.ID, by.Name = login.User.ID, login.User.Name
	return context.WithValue(ctx, callerKey{}, caller{by, login.User, d.Permissions, login.Target}), nil
}

// notLoggedIn refuses a request without Basic. No operation hands out sessions
// or API tokens yet, so whichever is sent is none of ours.
func notLoggedIn(r *http.Request) error {
	if _, err := r.Cookie("sid"); err == nil {
		return errSessionExpired
	}
	if r.URL.Query().Has("api-token") {
		return errInvalidToken
	}
	return errNotLoggedIn
}

// active says whether a user is neither blocked nor past activeTo nor still to
// be activated.
func (s *server) active(u storage.User) bool {
	d, err := documentOf(u)
	return err == nil && d.statusAt(s.now()) == gen.Active
}
