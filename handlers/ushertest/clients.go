package ushertest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"usher/gen/applivery"
	"usher/gen/fusion"
	"usher/gen/milvus"
	"usher/gen/saymon"
	"usher/handlers"
	"usher/storage/password"
)

// login is who a client is.
type login struct {
	name   string
	secret password.Plain
}

// As is u with clients that are somebody else, in the same world.
func (u *Usher) As(name, secret string) *Usher {
	other := *u
	other.as = &login{name, password.Plain(secret)}
	return &other
}

// login is who the clients of an API are: whom As named, or its first
// administrator; nil: nobody.
func (u *Usher) login(api string) *login {
	if u.as != nil {
		return u.as
	}
	for _, a := range u.administrators {
		if a.API == api {
			return &login{a.Login, a.Password}
		}
	}
	if !u.demo {
		return nil
	}
	name, secret := handlers.DemoAdministrator(api)
	return &login{name, password.Plain(secret)}
}

// edit is what every generated client calls a RequestEditorFn.
type edit = func(context.Context, *http.Request) error

// authorized has each request say who the clients of an API are, in the vendor's
// way.
func (u *Usher) authorized(api string, say func(*http.Request, login) error) edit {
	who := u.login(api)
	return func(_ context.Context, r *http.Request) error {
		if who == nil {
			return nil
		}
		return say(r, *who)
	}
}

func basic(r *http.Request, who login) error {
	r.SetBasicAuth(who.name, string(who.secret))
	return nil
}

func userAndPassword(r *http.Request, who login) error {
	r.Header.Set("Authorization", "Bearer "+who.name+":"+string(who.secret))
	return nil
}

// client is what a New…ClientWithResponses gives; it fails for a URL that cannot
// be parsed only.
func client[C any](u *Usher, c *C, err error) *C {
	u.t.Helper()
	if err != nil {
		u.t.Fatal(err)
	}
	return c
}

// Fusion is a client of Fusion that sends HTTP Basic.
func (u *Usher) Fusion() *fusion.ClientWithResponses {
	u.t.Helper()
	atRoot := func(_ context.Context, r *http.Request) error { // the one path that is not below /api
		r.URL.Path = strings.Replace(r.URL.Path, "/api/oauth2/", "/oauth2/", 1)
		return nil
	}
	c, err := fusion.NewClientWithResponses(u.URL()+"/api", fusion.WithHTTPClient(u.server.Client()),
		fusion.WithRequestEditorFn(u.authorized("fusion", basic)), fusion.WithRequestEditorFn(atRoot))
	return client(u, c, err)
}

// SAYMON is a client of SAYMON that sends HTTP Basic.
func (u *Usher) SAYMON() *saymon.ClientWithResponses {
	u.t.Helper()
	c, err := saymon.NewClientWithResponses(u.URL()+"/node/api", saymon.WithHTTPClient(u.server.Client()),
		saymon.WithRequestEditorFn(u.authorized("saymon", basic)))
	return client(u, c, err)
}

// Milvus is a client of Milvus that sends Bearer user:password.
func (u *Usher) Milvus() *milvus.ClientWithResponses {
	u.t.Helper()
	c, err := milvus.NewClientWithResponses(u.URL()+"/v2/vectordb", milvus.WithHTTPClient(u.server.Client()),
		milvus.WithRequestEditorFn(u.authorized("milvus", userAndPassword)))
	return client(u, c, err)
}

// Applivery is a client of Applivery that logs in before its first request, and
// sends the access token from then on: it does not get another when that has
// expired.
func (u *Usher) Applivery() *applivery.ClientWithResponses {
	u.t.Helper()
	at, over := u.URL()+"/v1", applivery.WithHTTPClient(u.server.Client())
	anonymous, err := applivery.NewClientWithResponses(at, over)
	if err != nil {
		u.t.Fatal(err)
	}
	var mu sync.Mutex
	var token string // of the login; empty: there was none yet
	logIn := func(r *http.Request, who login) (err error) {
		mu.Lock()
		defer mu.Unlock()
		if token == "" {
			token, err = logInToApplivery(r.Context(), anonymous, who)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		return err
	}
	c, err := applivery.NewClientWithResponses(at, over, applivery.WithRequestEditorFn(u.authorized("applivery", logIn)))
	return client(u, c, err)
}

func logInToApplivery(ctx context.Context, c *applivery.ClientWithResponses, who login) (token string, err error) {
	answer, err := c.LoginWithResponse(ctx, applivery.LoginRequest{
		Provider: "traditional", Payload: applivery.LoginPayload{Email: who.name, Password: who.secret},
	})
	if err != nil {
		return "", err
	}
	if answer.JSON200 == nil {
		return "", fmt.Errorf("%s cannot log in: %s", who.name, answer.Status())
	}
	return answer.JSON200.Data.AccessToken.Token, nil
}
