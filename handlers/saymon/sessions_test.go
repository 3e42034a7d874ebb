package saymon

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/labstack/echo/v4"

	"usher/handlers/edge"
	"usher/storage"
	"usher/storage/password"
)

// demo serves the demo world, and gives its directory too. A request has the
// credentials that the header says.
func demo(t *testing.T) (d *storage.Directory, send func(method, path, header, value, body string) (int, string)) {
	t.Helper()
	store, err := storage.Open(t.Context(), storage.Options{
		Path: filepath.Join(t.TempDir(), "usher.db"), Hash: password.Params{Memory: 8, Time: 1, Threads: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	d = store.Directory(Name)
	if _, err := d.Seed(t.Context(), storage.Actor{}, Demo()); err != nil {
		t.Fatal(err)
	}
	api, err := API(store)
	if err != nil {
		t.Fatal(err)
	}
	e := echo.New()
	if err := edge.Mount(e, edge.Options{}, api); err != nil {
		t.Fatal(err)
	}
	return d, func(method, path, header, value, body string) (int, string) {
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set(header, value)
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
}

const adminBasic = "Basic YWRtaW46c2F5bW9uLWFkbWlu" // admin:saymon-admin

// Changes of the password that come in between do not keep a token from being made,
// which ends with the next one. A session that is made of it ends, too, or is not
// made.
func TestTokensAmidPasswordChanges(t *testing.T) {
	d, send := demo(t)
	bob := Demo().Users[1].ID
	change := func() {
		if _, err := d.SetPassword(t.Context(), storage.Actor{}, bob, "another", password.Policy{}); err != nil {
			t.Error(err)
		}
	}
	const refused = `{"code":"Unauthorized","message":"{\"errorCode\":3,\"message\":\"Invalid API token.\"}"}`
	made := func(path, body string) (secret string, ok bool) {
		status, answer := send(http.MethodPost, path, "Authorization", adminBasic, body)
		if body != "" && status == http.StatusUnauthorized && answer == refused {
			return "", false
		}
		if err := json.Unmarshal([]byte(answer), &secret); err != nil || status != http.StatusOK {
			t.Errorf("%s: %d %s", path, status, answer)
		}
		return secret, true
	}
	var sessions []string
	tokenAndSession := func() (opened bool) {
		token, _ := made("/node/api/users/"+bob+"/auth-token", "")
		session, opened := made("/node/api/users/session", `{"auth-token":"`+token+`"}`)
		if opened {
			sessions = append(sessions, session)
		}
		return opened
	}
	var changing sync.WaitGroup
	var done atomic.Bool
	changing.Go(func() {
		for !done.Load() {
			change()
		}
	})
	for range 20 {
		tokenAndSession()
	}
	done.Store(true)
	changing.Wait()
	if !tokenAndSession() {
		t.Error("a token is no good though nothing has happened since")
	}
	change()
	for _, sid := range sessions {
		if status, answer := send(http.MethodGet, "/node/api/users/current", "Cookie", "sid="+sid, ""); status != http.StatusUnauthorized {
			t.Errorf("a session goes on: %d %s", status, answer)
		}
	}
}

// Of several who end a session at once one has ended it; the others hear that it
// has ended.
func TestEndingASessionAtOnce(t *testing.T) {
	_, send := demo(t)
	for range 20 {
		var sid string
		_, answer := send(http.MethodPost, "/node/api/users/session", "Accept", "*/*", `{"login":"admin","password":"saymon-admin"}`)
		if err := json.Unmarshal([]byte(answer), &sid); err != nil {
			t.Fatal(answer)
		}
		var ending sync.WaitGroup
		var ended atomic.Int32
		for range 4 {
			ending.Go(func() {
				status, answer := send(http.MethodDelete, "/node/api/users/session", "Cookie", "sid="+sid, "")
				switch {
				case status == http.StatusOK:
					ended.Add(1)
				case status != http.StatusUnauthorized || !strings.Contains(answer, "Session expired."):
					t.Errorf("%d %s", status, answer)
				}
			})
		}
		ending.Wait()
		if n := ended.Load(); n != 1 {
			t.Errorf("%d have ended the session", n)
		}
	}
}
