package applivery

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
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
	tokens, err := s.users.CreateTokens(ctx, by, u, newPair()...)
	return u, tokens, err
}

// newPair is what a login makes: an access token, and a refresh token that knows
// which access token came with it, however long that has been gone. By their id
// they belong together: a change of the password made with the one spares both.
func newPair() []storage.TokenSpec {
	access := storage.NewSecret()
	id := digest(access)
	return []storage.TokenSpec{
		{Kind: accessToken, ID: id, TTL: accessTTL, Secret: func(storage.Token) (password.Plain, error) { return access, nil }},
		{Kind: refreshToken, ID: id, TTL: refreshTTL, Document: mate{id}.encode()},
	}
}

// mate is what a refresh token's document says.
type mate struct {
	Access string `json:"access"` // the digest of the access token
}

func (m mate) encode() json.RawMessage {
	b, err := json.Marshal(m)
	if err != nil {
		panic(err) // a string does encode
	}
	return b
}

// digest is an access token, told to nobody who does not have it.
func digest(access password.Plain) string {
	sum := sha256.Sum256([]byte(access))
	return hex.EncodeToString(sum[:])
}

// cameWith refuses a refresh token that another access token came with.
func cameWith(access password.Plain) func(refresh storage.Token) error {
	return func(refresh storage.Token) error {
		var m mate
		if err := json.Unmarshal(refresh.Document, &m); err != nil {
			return fmt.Errorf("document of a refresh token of user %s: %w", refresh.UserID, err)
		}
		if m.Access != digest(access) {
			return &storage.Error{Kind: storage.NotFound}
		}
		return nil
	}
}

// Refresh makes a new pair of tokens for an old one.
func (s *server) Refresh(ctx context.Context, r gen.RefreshRequestObject) (gen.RefreshResponseObject, error) {
	call := edge.CallFrom(ctx)
	access := password.Plain(r.Body.LastAccessToken)
	u, tokens, err := s.users.ExchangeTokens(ctx, storage.Actor{Source: call.Source, Request: call.ID}, storage.TokenExchange{
		Old:    storage.Secret{Kind: refreshToken, Value: password.Plain(r.Body.RefreshToken)},
		Others: []storage.Secret{{Kind: accessToken, Value: access}},
		Check:  cameWith(access),
	}, newPair()...)
	if err != nil {
		return nil, refusal(call.Operation, err)
	}
	call.Principal = u.Name
	return gen.Refresh200JSONResponse{Status: true, Data: gen.RefreshData{
		AccessToken: toToken(tokens[0]), RefreshToken: toToken(tokens[1]),
	}}, nil
}
