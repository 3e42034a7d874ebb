package applivery

import (
	"context"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	gen "usher/gen/applivery"
	"usher/handlers/edge"
	"usher/storage"
	"usher/storage/password"
)

// The vendor prints when a token expires and not how long one lives.
const (
	accessTTL  = time.Hour
	refreshTTL = 30 * 24 * time.Hour
)

// errOnlyTraditional says, in the words of a request that does not fit, that no
// other provider is served here.
var errOnlyTraditional = &edge.InvalidError{Problems: []edge.Problem{{
	In: "body", Path: []string{"provider"}, Keyword: "enum", Got: "string",
	Schema: openapi3.NewStringSchema().WithEnum(string(gen.Traditional)),
}}}

// Login makes tokens for an e-mail address and its password. That the store no
// longer knows the password when it is to make the tokens, because it was changed
// in between, is a wrong password like any other.
func (s *server) Login(ctx context.Context, r gen.LoginRequestObject) (gen.LoginResponseObject, error) {
	if r.Body.Provider != gen.Traditional {
		return nil, errOnlyTraditional
	}
	u, tokens, err := s.logIn(ctx, r.Body.Payload)
	if storage.KindOf(err) == storage.WrongPassword {
		return nil, errInvalidCredentials
	}
	if err != nil {
		return nil, err
	}
	now := s.now()
	u, err = s.users.UpdateUser(ctx, storage.Actor{}, storage.UserEdit{ID: u.ID, Quiet: true, Edit: func(u *storage.User) error {
		return edit(u, func(d *document) { d.LastLogin = &now })
	}})
	if err != nil {
		return nil, err
	}
	user, err := toUser(u)
	if err != nil {
		return nil, err
	}
	return gen.Login200JSONResponse{Status: true, Data: gen.LoginData{
		AccessToken: toToken(tokens[0]), RefreshToken: toToken(tokens[1]), User: user,
	}}, nil
}

// logIn makes an access and a refresh token for who proves to be a user.
func (s *server) logIn(ctx context.Context, p gen.LoginPayload) (storage.User, []storage.Token, error) {
	call := edge.CallFrom(ctx)
	by := storage.Actor{Source: call.Source, Request: call.ID}
	found, err := s.users.Authenticate(ctx, by, storage.Credentials{
		Name: loginName(p.Email), Password: p.Password,
		MayLogIn: func(u storage.User) bool { return roleOf(u) != gen.RoleServiceAccount },
	})
	if err != nil {
		return storage.User{}, nil, err
	}
	u := found.User
	call.Principal = u.Name
	by.ID, by.Name = u.ID, u.Name
	tokens, err := s.users.CreateTokens(ctx, by, u, pair...)
	return u, tokens, err
}

// pair is what a login makes: the access token, and the refresh token.
var pair = []storage.TokenSpec{{Kind: accessToken, TTL: accessTTL}, {Kind: refreshToken, TTL: refreshTTL}}

// Refresh makes a new pair of tokens for an old one.
func (s *server) Refresh(ctx context.Context, r gen.RefreshRequestObject) (gen.RefreshResponseObject, error) {
	call := edge.CallFrom(ctx)
	u, tokens, err := s.users.ExchangeTokens(ctx, storage.Actor{Source: call.Source, Request: call.ID}, []storage.Secret{
		{Kind: refreshToken, Value: password.Plain(r.Body.RefreshToken)},
		{Kind: accessToken, Value: password.Plain(r.Body.LastAccessToken)},
	}, pair...)
	if err != nil {
		return nil, refusal(call.Operation, err)
	}
	call.Principal = u.Name
	return gen.Refresh200JSONResponse{Status: true, Data: gen.RefreshData{
		AccessToken: toToken(tokens[0]), RefreshToken: toToken(tokens[1]),
	}}, nil
}
