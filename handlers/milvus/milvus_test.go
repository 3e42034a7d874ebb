package milvus

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"usher/handlers/edge"
	"usher/storage"
	"usher/storage/password"
)

// serve serves a directory that starts with seed. What it returns sends a body
// to one of the operations, and gives back the answer's.
func serve(t *testing.T, seed storage.Seed) func(credentials, operation, body string) string {
	t.Helper()
	store, err := storage.Open(t.Context(), storage.Options{
		Path: filepath.Join(t.TempDir(), "usher.db"), Hash: password.Params{Memory: 8, Time: 1, Threads: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	if _, err := store.Directory(Name).Seed(t.Context(), storage.Actor{}, seed); err != nil {
		t.Fatal(err)
	}
	api, err := Options{}.API(store)
	if err != nil {
		t.Fatal(err)
	}
	e := echo.New()
	if err := edge.Mount(e, edge.Options{}, api); err != nil {
		t.Fatal(err)
	}
	return func(credentials, operation, body string) string {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v2/vectordb/users/"+operation, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+credentials)
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		return w.Body.String()
	}
}

// TestDemo logs in with the demo accounts, who may do everything.
func TestDemo(t *testing.T) {
	send := serve(t, Demo())
	for _, account := range DemoAccounts() {
		credentials := strings.Replace(account, " / ", ":", 1)
		for _, step := range []struct{ operation, body, want string }{
			{"list", `{}`, `{"code":0,"data":["milvusAdmin","root"]}`},
			{"describe", `{"userName":"milvusAdmin"}`, `{"code":0,"data":["admin"],"description":""}`},
			{"describe", `{"userName":"root"}`, `{"code":0,"data":[],"description":""}`},
			{"create", `{"userName":"foo","password":"First-Passw0rd"}`, `{"code":0,"data":{}}`},
			{"update_password", `{"userName":"foo","password":"First-Passw0rd","newPassword":"Second-Passw0rd"}`, `{"code":0,"data":{}}`},
			{"drop", `{"userName":"foo"}`, `{"code":0,"data":{}}`},
		} {
			if got := send(credentials, step.operation, step.body); got != step.want {
				t.Errorf("%s: %s %s: got %s, want %s", account, step.operation, step.body, got, step.want)
			}
		}
	}
}

// TestFirstPasswordCanBeChanged: root's well-known one breaks the rule, which
// holds for new passwords only. In scripts root has another one.
func TestFirstPasswordCanBeChanged(t *testing.T) {
	send := serve(t, FirstStart("Milvus"))
	for _, step := range []struct{ credentials, body, want string }{
		{"root:Milvus", `{"userName":"root","password":"Milvus","newPassword":"First-Passw0rd"}`, `{"code":0,"data":{}}`},
		{
			"root:First-Passw0rd", `{"userName":"root","password":"First-Passw0rd","newPassword":"Milvus"}`,
			`{"code":1100,"message":"invalid password length: invalid parameter[6 out of range 8 \u003c= value \u003c= 64]"}`,
		},
	} {
		if got := send(step.credentials, "update_password", step.body); got != step.want {
			t.Errorf("%s: got %s, want %s", step.body, got, step.want)
		}
	}
}

// TestRolesAreSorted: in whatever order they were granted.
func TestRolesAreSorted(t *testing.T) {
	seed := Demo()
	seed.Users[1].Roles = []string{"readers", publicRole, adminRole}
	const want = `{"code":0,"data":["admin","public","readers"],"description":""}`
	if got := serve(t, seed)("root:Milvus", "describe", `{"userName":"milvusAdmin"}`); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestLimitIsAHundred, root among them. A script would have to hash a password
// for each.
func TestLimitIsAHundred(t *testing.T) {
	seed := Demo()
	for i := len(seed.Users); i < 99; i++ {
		name := fmt.Sprintf("u%d", i)
		seed.Users = append(seed.Users, storage.NewUser{ID: name, Name: name, Hash: seed.Users[0].Hash})
	}
	send := serve(t, seed)
	const (
		done = `{"code":0,"data":{}}`
		full = `{"code":9,"message":"failed to check if add credential: quota exceeded[reason=unable to add user because the number of users has reached the limit]"}`
	)
	for _, step := range []struct{ operation, body, want string }{
		{"create", `{"userName":"hundredth","password":"First-Passw0rd"}`, done},
		{"create", `{"userName":"next","password":"First-Passw0rd"}`, full},
		{"drop", `{"userName":"hundredth"}`, done},
		{"create", `{"userName":"next","password":"First-Passw0rd"}`, done},
	} {
		if got := send("root:Milvus", step.operation, step.body); got != step.want {
			t.Errorf("%s %s: got %s, want %s", step.operation, step.body, got, step.want)
		}
	}
}

func TestUnknownRulesAreAnError(t *testing.T) {
	if _, err := (Options{Rules: "lax"}).API(new(storage.Store)); err == nil {
		t.Error("the rule book lax was taken")
	}
}
