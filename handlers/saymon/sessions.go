package saymon

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	gen "usher/gen/saymon"
	"usher/handlers/edge"
	"usher/storage"
	"usher/storage/password"
)

// The kinds of tokens: sessions, and those for programs.
const (
	sessionToken = "session"
	apiToken     = "api"
)

// sessionTTL is how long a session lives without being used [ours].
const sessionTTL = 24 * time.Hour

// CreateSession answers POST /users/session. A login into which a change of the
// password comes counts for nothing: what is given must be good after it.
func (s *server) CreateSession(ctx context.Context, r gen.CreateSessionRequestObject) (gen.CreateSessionResponseObject, error) {
	call := edge.CallFrom(ctx)
	for {
		u, err := s.logIn(ctx, call, *r.Body)
		if err != nil {
			return nil, err
		}
		call.Principal = u.Name
		by := storage.Actor{ID: u.ID, Name: u.Name, Source: call.Source, Request: call.ID}
		tokens, err := s.directory.CreateTokens(ctx, by, u, storage.TokenSpec{Kind: sessionToken, TTL: sessionTTL, Idle: true, Secret: storage.NewUUID})
		if storage.KindOf(err) == storage.WrongPassword {
			continue
		}
		if err != nil {
			return nil, err
		}
		sid := string(tokens[0].Secret)
		return gen.CreateSession200JSONResponse{
			Body:    sid,
			Headers: gen.CreateSession200ResponseHeaders{SetCookie: new("sid=" + sid + "; Path=/")},
		}, nil
	}
}

// logIn finds the user for a session: by a token, or by login and password, which
// may have to be changed first. null and "" are as good as absent.
func (s *server) logIn(ctx context.Context, call *edge.Call, r gen.CreateSessionRequest) (storage.User, error) {
	token, _ := r.AuthToken.Get()
	service, _ := r.AuthService.Get()
	login, _ := r.Login.Get()
	secret, _ := r.Password.Get()
	switch {
	case token != "":
		found, err := s.token(ctx, call, storage.Secret{Kind: apiToken, Value: password.Plain(token)}, errInvalidToken)
		return found.User, err
	case service != "":
		return storage.User{}, badRequest("Authentication service is not supported.")
	case login == "":
		return storage.User{}, missing("login")
	case secret == "":
		return storage.User{}, missing("password")
	}
	found, err := s.prove(ctx, call, login, secret)
	if err != nil {
		return storage.User{}, err
	}
	return found.User, s.mustChange(ctx, found.User)
}

// DeleteSession answers DELETE /users/session. That there is a session is what
// authentication has found, unless it was not asked.
func (s *server) DeleteSession(ctx context.Context, _ gen.DeleteSessionRequestObject) (gen.DeleteSessionResponseObject, error) {
	who := callerOf(ctx)
	cookie, err := edge.CallFrom(ctx).Request.Cookie("sid")
	if err == nil {
		err = s.directory.EndSecret(ctx, who.Actor, storage.Secret{Kind: sessionToken, Value: password.Plain(cookie.Value)})
	}
	none := errors.Is(err, http.ErrNoCookie) || storage.KindOf(err) == storage.NotFound
	switch {
	case none && !who.free: // another request was faster
		return nil, errSessionExpired
	case err != nil && !none:
		return nil, err
	}
	return gen.DeleteSession200Response{}, nil
}

// tokenDocument is what is kept of an authentication token to show it by.
type tokenDocument struct {
	Last string `json:"last"` // its last four characters
}

// masked is the token, all but its last four characters.
func (d tokenDocument) masked() string { return "********-****-****-****-********" + d.Last }

// CreateAuthToken answers POST /users/{id}/auth-token. That the user has been
// given one is noted first: of a token that is there it must be known. If the
// password changes in between, the token comes after the change, which ends it not.
func (s *server) CreateAuthToken(ctx context.Context, r gen.CreateAuthTokenRequestObject) (gen.CreateAuthTokenResponseObject, error) {
	who := callerOf(ctx)
	if err := who.require(manageUsers); err != nil {
		return nil, err
	}
	secret, err := storage.NewUUID(storage.Token{})
	if err != nil {
		return nil, err
	}
	document, err := json.Marshal(tokenDocument{Last: string(secret[len(secret)-4:])})
	if err != nil {
		return nil, err
	}
	for {
		u, err := s.directory.UpdateUser(ctx, who.Actor, storage.UserEdit{ID: r.ID, Quiet: true, Edit: func(u *storage.User) error {
			d, err := documentOf(*u)
			d.TokenGiven = true
			u.Document = d.encode()
			return err
		}})
		if err != nil {
			return nil, err
		}
		_, err = s.directory.CreateTokens(ctx, who.Actor, u, storage.TokenSpec{
			Kind: apiToken, Sole: true, Document: document,
			Secret: func(storage.Token) (password.Plain, error) { return secret, nil },
		})
		if storage.KindOf(err) == storage.WrongPassword {
			continue
		}
		return gen.CreateAuthToken200JSONResponse(secret), err
	}
}

// DeleteAuthToken answers DELETE /users/{id}/auth-token.
func (s *server) DeleteAuthToken(ctx context.Context, r gen.DeleteAuthTokenRequestObject) (gen.DeleteAuthTokenResponseObject, error) {
	who := callerOf(ctx)
	if err := who.require(manageUsers); err != nil {
		return nil, err
	}
	if who.target == nil {
		return nil, errNotFound
	}
	if _, err := s.directory.EndTokens(ctx, who.Actor, apiToken, r.ID); err != nil {
		return nil, err
	}
	return gen.DeleteAuthToken200Response{}, nil
}
