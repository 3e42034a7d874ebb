package fusion

import (
	"cmp"
	"context"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	gen "usher/gen/fusion"
	"usher/handlers/edge"
	"usher/storage"
	"usher/storage/password"
)

const (
	sessionToken = "session"
	sessionTTL   = 30 * time.Minute // without being used, says the vendor's page of 5.9
	bearerToken  = "bearer"
	bearerTTL    = 1800 * time.Second // the vendor's own expires_in

	sessionCookie = "id"
	// maxSessions are the callers with Basic whose sessions are remembered, some
	// hundred bytes each.
	maxSessions = 4096
	// seenFor is how long a remembered session counts as good without asking the
	// store, which would double what Basic costs. It is the step in which the store
	// puts off its end.
	seenFor = time.Minute
)

// cookieOf is a session as the vendor spells its cookie.
func cookieOf(id password.Plain) string {
	return sessionCookie + "=" + string(id) + ";HttpOnly;Path=/api"
}

// newSession begins a session of a user.
func (s *server) newSession(ctx context.Context, u storage.User) (password.Plain, error) {
	call := edge.CallFrom(ctx)
	by := storage.Actor{ID: u.ID, Name: u.Name, Source: call.Source, Request: call.ID}
	tokens, err := s.users.CreateTokens(ctx, by, u, storage.TokenSpec{Kind: sessionToken, TTL: sessionTTL, Idle: true, Secret: storage.NewUUID})
	if err != nil {
		return "", err
	}
	return tokens[0].Secret, nil
}

// outdated words the store's refusal of a password, or of a session or token for
// one that was changed since it was proven: by then it is a wrong one, too.
func outdated(err error) error {
	if storage.KindOf(err) == storage.WrongPassword {
		return errInvalidCredentials
	}
	return err
}

// basicCaller is someone who comes with Basic again and again.
type basicCaller struct {
	user     string
	password time.Time // when it was set
	source   string
}

// basicSession is the session that such a caller was given.
type basicSession struct {
	id   password.Plain
	seen time.Time // when the store was asked for it last
}

// remember gives who came with Basic a session's cookie: the one given last
// time, if it is still good, since a session for each call would fill the store.
// An answer goes out without one if the store will not keep it.
func (s *server) remember(ctx context.Context, call *edge.Call, u storage.User) {
	who, now := basicCaller{u.ID, u.PasswordSetAt, call.Source}, s.now()
	session, good := s.sessions.Get(who)
	if good && now.Sub(session.seen) >= seenFor {
		session.seen = now
		s.sessions.Add(who, session) // before asking: if it ends meanwhile, forget comes later
		_, _, err := s.users.AuthenticateToken(ctx, sessionToken, session.id, "")
		good = err == nil
	}
	if !good {
		id, err := s.newSession(ctx, u)
		if err != nil {
			s.sessions.Remove(who)
			return
		}
		session = basicSession{id, now}
		s.sessions.Add(who, session)
	}
	call.Header().Add("Set-Cookie", cookieOf(session.id))
}

// renew sees to the cookie of a caller with Basic whose own record a verb has
// just changed: a new password has ended the session that was given, and a user
// who is gone (nil) has none.
func (s *server) renew(ctx context.Context, u *storage.User) {
	call, c := edge.CallFrom(ctx), callerFrom(ctx)
	given := call.Header()["Set-Cookie"] != nil
	switch {
	case !given || c.target == nil || c.target.ID != c.user.ID:
	case u == nil:
		call.Header().Del("Set-Cookie")
	case !u.PasswordSetAt.Equal(c.user.PasswordSetAt):
		call.Header().Del("Set-Cookie")
		s.remember(ctx, call, *u)
	}
}

// forget makes sure that an ended session is not given to anyone who comes with
// Basic; other servers over the same store find out within seenFor.
func (s *server) forget(id password.Plain) {
	for _, who := range s.sessions.Keys() {
		if session, there := s.sessions.Peek(who); there && session.id == id {
			s.sessions.Remove(who)
		}
	}
}

// CreateSession answers POST /session.
func (s *server) CreateSession(ctx context.Context, r gen.CreateSessionRequestObject) (gen.CreateSessionResponseObject, error) {
	if err := s.openForLogins(ctx, cmp.Or(deref(r.Params.RealmName), native)); err != nil {
		return nil, err
	}
	call := edge.CallFrom(ctx)
	login, err := s.prove(ctx, call, r.Body.Username, r.Body.Password)
	if err != nil {
		return nil, err
	}
	call.Principal = login.User.Name
	id, err := s.newSession(ctx, login.User)
	if err != nil {
		return nil, outdated(err)
	}
	cookie := cookieOf(id)
	return gen.CreateSession201Response{Headers: gen.CreateSession201ResponseHeaders{SetCookie: &cookie}}, nil
}

// openForLogins says whether users can log in through a realm: through the
// native one they always can.
func (s *server) openForLogins(ctx context.Context, name string) error {
	if name == native {
		return nil
	}
	realms, err := s.allRealms(ctx)
	if err != nil {
		return err
	}
	for _, r := range realms {
		if r.Name == name && r.Enabled {
			return errRealmNotServed(name, r.Type)
		}
	}
	return errRealmNotEnabled(name)
}

// GetSession answers GET /session.
func (s *server) GetSession(ctx context.Context, _ gen.GetSessionRequestObject) (gen.GetSessionResponseObject, error) {
	c := callerFrom(ctx)
	v, err := view(c.user)
	if err != nil {
		return nil, err
	}
	answer := gen.Session{User: v, Roles: make([]gen.RolePublicView, len(c.held))}
	for i, r := range c.held {
		if answer.Roles[i], err = roleView(r); err != nil {
			return nil, err
		}
	}
	return gen.GetSession200JSONResponse{Body: answer}, nil
}

// DeleteSession answers DELETE /session. That there is one is what
// authentication has found, unless it was not asked.
func (s *server) DeleteSession(ctx context.Context, _ gen.DeleteSessionRequestObject) (gen.DeleteSessionResponseObject, error) {
	id := cookieIn(edge.CallFrom(ctx).Request)
	err := s.users.EndSecret(ctx, actor(ctx), storage.Secret{Kind: sessionToken, Value: id})
	switch none := storage.KindOf(err) == storage.NotFound; {
	case none && !callerFrom(ctx).free: // another request was faster
		return nil, errSessionExpired
	case err != nil && !none:
		return nil, err
	}
	s.forget(id)
	expired := cookieOf("") + ";Max-Age=0"
	return gen.DeleteSession204Response{Headers: gen.DeleteSession204ResponseHeaders{SetCookie: &expired}}, nil
}

// claims are what an access token says to those who read it. Whether it is good
// is looked up, not read from it: it ends with the password and the user.
type claims struct {
	jwt.RegisteredClaims
	UserID string   `json:"user_id"`
	Realm  string   `json:"realm"`
	Roles  []string `json:"roles"`
}

// CreateToken answers POST /oauth2/token.
func (s *server) CreateToken(ctx context.Context, _ gen.CreateTokenRequestObject) (gen.CreateTokenResponseObject, error) {
	u := callerFrom(ctx).user
	tokens, err := s.users.CreateTokens(ctx, actor(ctx), u, storage.TokenSpec{
		Kind: bearerToken, TTL: bearerTTL,
		Secret: func(t storage.Token) (password.Plain, error) {
			signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
				RegisteredClaims: jwt.RegisteredClaims{
					Subject: u.Name, ID: uuid.NewString(),
					IssuedAt: jwt.NewNumericDate(t.CreatedAt), ExpiresAt: jwt.NewNumericDate(t.ExpiresAt),
				},
				UserID: u.ID, Realm: u.Realm, Roles: orEmpty(u.Roles),
			}).SignedString(s.signing)
			return password.Plain(signed), err
		},
	})
	if err != nil {
		return nil, outdated(err)
	}
	return gen.CreateToken200JSONResponse{Body: gen.AccessToken{
		AccessToken: string(tokens[0].Secret), ExpiresIn: int(bearerTTL / time.Second), TokenType: "Bearer",
	}}, nil
}
