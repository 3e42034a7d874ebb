package milvus

import (
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

// TestDemo logs in with the demo accounts. Members of admin may do everything,
// which no script can show while there is no operation that grants a role.
func TestDemo(t *testing.T) {
	store, err := storage.Open(t.Context(), storage.Options{
		Path: filepath.Join(t.TempDir(), "usher.db"), Hash: password.Params{Memory: 8, Time: 1, Threads: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	if _, err := store.Directory(Name).Seed(t.Context(), storage.Actor{}, Demo()); err != nil {
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
	for _, account := range DemoAccounts() {
		credentials := strings.Replace(account, " / ", ":", 1)
		for _, step := range []struct{ path, body, want string }{
			{"list", `{}`, `{"code":0,"data":["milvusAdmin","root"]}`},
			{"describe", `{"userName":"milvusAdmin"}`, `{"code":0,"data":["admin"],"description":""}`},
			{"describe", `{"userName":"root"}`, `{"code":0,"data":[],"description":""}`},
			{"create", `{"userName":"foo","password":"First-Passw0rd"}`, `{"code":0,"data":{}}`},
			{"update_password", `{"userName":"foo","password":"First-Passw0rd","newPassword":"Second-Passw0rd"}`, `{"code":0,"data":{}}`},
			{"drop", `{"userName":"foo"}`, `{"code":0,"data":{}}`},
		} {
			r := httptest.NewRequest(http.MethodPost, "/v2/vectordb/users/"+step.path, strings.NewReader(step.body))
			r.Header.Set("Authorization", "Bearer "+credentials)
			w := httptest.NewRecorder()
			e.ServeHTTP(w, r)
			if got := w.Body.String(); got != step.want {
				t.Errorf("%s: %s %s: got %s, want %s", account, step.path, step.body, got, step.want)
			}
		}
	}
}

func TestUnknownRulesAreAnError(t *testing.T) {
	if _, err := (Options{Rules: "lax"}).API(new(storage.Store)); err == nil {
		t.Error("the rule book lax was taken")
	}
}
