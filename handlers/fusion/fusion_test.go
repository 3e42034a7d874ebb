package fusion

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"usher/handlers/edge"
	"usher/storage"
	"usher/storage/password"
)

// open opens a new store with the given seed.
func open(t *testing.T, o storage.Options, seed storage.Seed) *storage.Store {
	t.Helper()
	o.Path = filepath.Join(t.TempDir(), "usher.db")
	store, err := storage.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	if _, err := store.Directory(Name).Seed(t.Context(), storage.Actor{}, seed); err != nil {
		t.Fatal(err)
	}
	return store
}

// mount serves the API; between, unless it is nil, is called for each request
// that is about to reach its handler.
func mount(t *testing.T, store *storage.Store, between func(context.Context)) http.Handler {
	t.Helper()
	api, err := API(store)
	if err != nil {
		t.Fatal(err)
	}
	if authenticate := api.Authenticate; between != nil {
		api.Authenticate = func(ctx context.Context, call *edge.Call) (context.Context, error) {
			ctx, err := authenticate(ctx, call)
			if err == nil {
				between(ctx)
			}
			return ctx, err
		}
	}
	e := echo.New()
	if err := edge.Mount(e, edge.Options{}, api); err != nil {
		t.Fatal(err)
	}
	return e
}

func send(t *testing.T, h http.Handler, account, method, path, body string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	name, secret, _ := strings.Cut(account, " / ")
	r.SetBasicAuth(name, secret)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	answer, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(answer)
}

// An id that the caller does not give is a UUID of version 4: scripts mask ids.
func TestMadeIDs(t *testing.T) {
	_, h := started(t, FirstStart("first-Secret1"), nil, nil)
	made := regexp.MustCompile(`"id":"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"`)
	for path, body := range map[string]string{
		"/api/users":         `{"username":"claire"}`,
		"/api/roles":         `{"name":"a-role"}`,
		"/api/realm-configs": `{"name":"corp","realmType":"ldap"}`,
	} {
		if status, answer := send(t, h, adminLogin, http.MethodPost, path, body); status != http.StatusCreated || !made.MatchString(answer) {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
}

// The request and the answer that the vendor's page of PUT /users/{id} prints,
// with updatedAt, which an edited user has, and the methods as they were sent:
// they are a set. Then what makes the page of PATCH work for the same user.
func TestDemoAnswersAsThePagesPrint(t *testing.T) {
	// At the parameters of the demo's hashes no login makes them anew.
	h := mount(t, open(t, storage.Options{Hash: password.DefaultParams}, Demo()), nil)
	const user = "/api/users/fe0885f2-8885-4c46-a3ea-8e5d0041c293"
	admin, other := DemoAccounts()[0], DemoAccounts()[1]
	updated := regexp.MustCompile(`"updatedAt":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"`)
	for _, step := range []struct {
		account, method, body string
		status                int
		answer                string
	}{
		{
			other, http.MethodGet, "", 200,
			`{"id":"fe0885f2-8885-4c46-a3ea-8e5d0041c293","username":"1new-user-test","realmName":"native",` +
				`"createdAt":"2025-10-30T21:59:01Z","roleNames":["search","developer"],"permissions":[]}`,
		},
		{
			admin, http.MethodPut,
			`{"username":"1new-user-test","realmName":"native","timezone":"Pacific Time (US & Canada)","permissions":[{"methods":["GET","PUT"]}]}`,
			200,
			`{"id":"fe0885f2-8885-4c46-a3ea-8e5d0041c293","username":"1new-user-test","realmName":"native",` +
				`"createdAt":"2025-10-30T21:59:01Z","updatedAt":…,"roleNames":[],"timezone":"Pacific Time (US & Canada)",` +
				`"permissions":[{"methods":["GET","PUT"]}]}`,
		},
		{other, http.MethodPatch, `{}`, 403, `{"code":"forbidden","message":"User is not allowed to make a change"}`},
		{
			admin, http.MethodPut, `{"roleNames":["search","developer"]}`, 200,
			`{"id":"fe0885f2-8885-4c46-a3ea-8e5d0041c293","username":"1new-user-test","realmName":"native",` +
				`"createdAt":"2025-10-30T21:59:01Z","updatedAt":…,"roleNames":["search","developer"],"permissions":[]}`,
		},
		{
			other, http.MethodPatch, `{"currentPassword":"password123","password":"password456","passwordConfirm":"password456"}`, 200,
			`{"id":"fe0885f2-8885-4c46-a3ea-8e5d0041c293","username":"1new-user-test","realmName":"native",` +
				`"createdAt":"2025-10-30T21:59:01Z","updatedAt":…,"roleNames":["search","developer"],"permissions":[]}`,
		},
	} {
		status, answer := send(t, h, step.account, step.method, user, step.body)
		if answer = updated.ReplaceAllString(answer, `"updatedAt":…`); status != step.status || answer != step.answer {
			t.Errorf("%s %s\ngot  %d %s\nwant %d %s", step.method, step.body, status, answer, step.status, step.answer)
		}
	}
}
