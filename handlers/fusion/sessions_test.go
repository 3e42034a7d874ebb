package fusion

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	gen "usher/gen/fusion"
	"usher/storage"
	"usher/storage/password"
)

const adminLogin = "admin / first-Secret1"

// started is the API on a new store with the given seed.
func started(t *testing.T, seed storage.Seed, now func() time.Time, between func(context.Context)) (*storage.Directory, http.Handler) {
	t.Helper()
	store := open(t, storage.Options{Hash: password.Params{Memory: 8, Time: 1, Threads: 1}, Now: now}, seed)
	return store.Directory(Name), mount(t, store, between)
}

// What an access token says to those who read it, though nothing here does: the
// vendor's page has it carry the user and the roles.
func TestAccessTokenNamesUserAndRoles(t *testing.T) {
	_, h := started(t, FirstStart("first-Secret1"), nil, nil)
	status, answer := send(t, h, adminLogin, http.MethodPost, "/oauth2/token", "")
	var token gen.AccessToken
	if err := json.Unmarshal([]byte(answer), &token); err != nil || status != http.StatusOK {
		t.Fatal(status, err)
	}
	var says claims
	if _, _, err := jwt.NewParser().ParseUnverified(token.AccessToken, &says); err != nil {
		t.Fatal(err)
	}
	if says.Subject != "admin" || says.Realm != native || len(says.Roles) != 1 || says.Roles[0] != "admin" {
		t.Errorf("%q of %q with the roles %q", says.Subject, says.Realm, says.Roles)
	}
	if lives := says.ExpiresAt.Sub(says.IssuedAt.Time); lives != 1800*time.Second {
		t.Errorf("it lives for %v", lives)
	}
}

// A password that is changed while an access token is made for the old one: it
// was a wrong one, and nobody spoke of a currentPassword.
func TestTokenForAReplacedPassword(t *testing.T) {
	var users *storage.Directory
	users, h := started(t, FirstStart("first-Secret1"), nil, func(ctx context.Context) {
		if _, err := users.SetPassword(ctx, storage.Actor{}, callerFrom(ctx).user.ID, "second-Secret2", rule); err != nil {
			t.Error(err)
		}
	})
	const want = `{"code":"unauthorized","message":"Invalid username or password"}`
	if status, answer := send(t, h, adminLogin, http.MethodPost, "/oauth2/token", ""); status != http.StatusUnauthorized || answer != want {
		t.Errorf("%d %s, want 401 %s", status, answer, want)
	}
}

// Logging out while the same caller comes with Basic: the cookie that Basic is
// given after that is a good one, however the two met.
func TestBasicWhileLoggingOut(t *testing.T) {
	var mu sync.Mutex
	now := time.Now()
	_, h := started(t, FirstStart("first-Secret1"), func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}, nil)
	call := func(method, cookie string) (status int, given string) {
		r := httptest.NewRequestWithContext(t.Context(), method, "/api/session", nil)
		if cookie != "" {
			r.Header.Set("Cookie", cookie)
		} else {
			r.SetBasicAuth("admin", "first-Secret1")
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		given, _, _ = strings.Cut(w.Header().Get("Set-Cookie"), ";")
		return w.Code, given
	}
	for range 100 {
		_, cookie := call(http.MethodGet, "")
		mu.Lock()
		now = now.Add(seenFor) // so that the store is asked again
		mu.Unlock()
		var both sync.WaitGroup
		both.Go(func() { call(http.MethodGet, "") })
		both.Go(func() { call(http.MethodDelete, cookie) })
		both.Wait()
		_, cookie = call(http.MethodGet, "")
		if status, _ := call(http.MethodGet, cookie); status != http.StatusOK {
			t.Fatalf("the cookie that Basic was given: %d", status)
		}
	}
}

// A store of before there were realms: the native one works, API keys wait for
// theirs.
func TestStoreWithoutRealms(t *testing.T) {
	seed := FirstStart("first-Secret1")
	delete(seed.Records, realmKind)
	_, h := started(t, seed, nil, nil)
	for _, step := range []struct {
		method, path, body string
		status             int
		answer             string // in it
	}{
		{http.MethodGet, "/api", "", 200, `"enabledRealms":["native"],"initMeta":{"version":"5.9","initializedAt":"2`},
		{http.MethodPost, "/api/session", `{"username":"admin","password":"first-Secret1"}`, 201, ""},
		{http.MethodGet, "/api/realm-configs", "", 200, "[]"},
		{http.MethodPost, "/api/api-key", `{"id":"k","name":"k"}`, 201, `"key":"`},
		{http.MethodPost, "/api/realm-configs", `{"name":"native","realmType":"native"}`, 201, `"realmType":"native"`},
		{http.MethodPost, "/api/realm-configs", `{"name":"keys","realmType":"apikey"}`, 201, `"enabled":true`},
		{http.MethodGet, "/api", "", 200, `"enabledRealms":["native","keys"]`},
	} {
		status, answer := send(t, h, adminLogin, step.method, step.path, step.body)
		if status != step.status || !strings.Contains(answer, step.answer) {
			t.Errorf("%s %s: %d %s, want %d …%s…", step.method, step.path, status, answer, step.status, step.answer)
		}
	}
}
