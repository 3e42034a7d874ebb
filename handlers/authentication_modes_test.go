package handlers_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"usher/handlers"
	"usher/handlers/applivery"
	"usher/handlers/edge"
	"usher/handlers/milvus"
	"usher/storage"
)

// mode is a server over a world's store that asks in its own way who calls.
type mode struct {
	w    *world
	host string
	told chan edge.Observed
}

// inMode makes a world of an API, and a server over its store in a mode.
func inMode(t *testing.T, api string, authentication edge.Authentication) mode {
	t.Helper()
	w, err := newWorld(t.TempDir(), api, []string{"admin", "clock", "roomy"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, problem := range w.close() {
			t.Error(problem)
		}
	})
	m := mode{w: w, told: make(chan edge.Observed, 1)}
	h, err := handlers.New(w.store, handlers.Options{
		Authentication: func() edge.Authentication { return authentication },
		Observe:        func(_ *edge.Call, o edge.Observed) { m.told <- o },
		Applivery:      applivery.Options{RateLimit: -1},
		Milvus:         milvus.Options{MaxUsers: 1_000_000, MaxRoles: 1_000_000},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	m.host = strings.TrimPrefix(server.URL, "http://")
	return m
}

// send sends a request of the operation to a server, and says whether the answer is
// a success. The request can be sent again.
func (m mode) send(t *testing.T, r *http.Request, host string) (status int, header http.Header, body []byte, ok bool) {
	t.Helper()
	again := r.Clone(t.Context())
	again.URL.Host, again.Host = host, host
	if r.GetBody != nil {
		body, err := r.GetBody()
		if err != nil {
			t.Fatal(err)
		}
		again.Body = body
	}
	response, err := m.w.client.Do(again)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if body, err = io.ReadAll(response.Body); err != nil {
		t.Fatal(err)
	}
	code := contracts()[m.w.api].code(body)
	return response.StatusCode, response.Header, body, response.StatusCode < 300 && (code == "" || code == "0")
}

// request is a request of the operation with a kind of credentials, made so that it
// fits one whom nothing is denied, too: he is the administrator, whose own password
// is another. nil: there is none such.
func (m mode) request(t *testing.T, operation string, kind credential) *http.Request {
	t.Helper()
	r, _ := credentialed[m.w.api](t, m.w, operation, kind)
	if r == nil || operation != "updateOwnPassword" {
		return r
	}
	own := m.w.authorized(t, r.Method, r.URL.Path, "", `{"password":"`+adminPassword+`","newPassword":"`+adminPassword+`"}`)
	own.Header = r.Header
	return own
}

// With authentication off, whatever an administrator may do succeeds without
// credentials.
func TestAuthenticationOff(t *testing.T) {
	for _, api := range handlers.Names() {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			m := inMode(t, api, edge.Off)
			for _, op := range operationsOf(api) {
				r := m.request(t, op.id, with)
				if r == nil { // it takes no credentials, and may have nothing left to do
					continue
				}
				for _, name := range []string{"Authorization", "Cookie"} {
					r.Header.Del(name)
				}
				status, _, body, ok := m.send(t, r, m.host)
				if told := <-m.told; !ok || told.Status != status || told.Passed != nil {
					t.Errorf("%s: %d %s", op.id, status, body)
				}
			}
		})
	}
}

// Observing lets pass whom enforcing refuses, and says what he would have been
// answered. What is wrong with a request itself stays refused.
func TestObserving(t *testing.T) {
	for _, api := range handlers.Names() {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			m := inMode(t, api, edge.Observing)
			passed := 0
			for _, op := range operationsOf(api) {
				for _, kind := range []credential{none, junk, ended, another, without} {
					r := m.request(t, op.id, kind)
					if r == nil {
						continue
					}
					enforced, header, want, fits := m.send(t, r, m.w.url[len("http://"):])
					if fits {
						continue
					}
					status, _, body, ok := m.send(t, r, m.host)
					told := <-m.told
					if open := isOpen(op); open {
						if ok || status != enforced || !bytes.Equal(body, want) || told.Passed != nil {
							t.Errorf("%s with credentials %s: %d %s", op.id, kind, status, body)
						}
						continue
					}
					if !ok || told.Passed == nil {
						t.Errorf("%s with credentials %s: %d %s, passed %v", op.id, kind, status, body, told.Passed)
						continue
					}
					passed++
					if told.Passed.Status != enforced || !isAnswer(t, *told.Passed, want) {
						t.Errorf("%s with credentials %s: passed %+v, want %d %s", op.id, kind, told.Passed, enforced, want)
					}
					for name := range told.Passed.Header {
						if header.Get(name) == "" {
							t.Errorf("%s with credentials %s: passed %s, which enforcing does not answer", op.id, kind, name)
						}
					}
				}
			}
			if passed < 2*len(operationsOf(api)) {
				t.Errorf("only %d refusals were passed", passed)
			}
		})
	}
}

// isOpen says whether an operation is one that takes no credentials in its header.
func isOpen(op operationOf) bool {
	if op.spec.Security == nil {
		return false
	}
	for _, requirement := range *op.spec.Security {
		if len(requirement) > 0 {
			return false
		}
	}
	return true
}

// isAnswer says whether an answer is one with this body.
func isAnswer(t *testing.T, a edge.Answer, body []byte) bool {
	t.Helper()
	if a.Value == nil {
		return bytes.Equal(a.Body, body)
	}
	encoded, err := json.Marshal(a.Value)
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	return json.Unmarshal(encoded, &got) == nil && json.Unmarshal(body, &want) == nil && reflect.DeepEqual(got, want)
}

// A password in a body that is wrong is no refusal of the caller, and is counted
// once.
func TestObservingRefusesWrongPasswords(t *testing.T) {
	for api, request := range map[string]func(*testing.T, mode) *http.Request{
		"fusion": func(t *testing.T, m mode) *http.Request {
			t.Helper()
			id := fusionMade(t, m.w, "/users", `{"username":"somebody","password":"first-Secret1"}`)
			return m.w.authorized(t, http.MethodPatch, "/api/users/"+id, "", `{"currentPassword":"no-Secret1","password":"third-Secret3","passwordConfirm":"third-Secret3"}`)
		},
		"applivery": func(t *testing.T, m mode) *http.Request {
			t.Helper()
			pair := appliveryUser(t, m.w, "somebody@example.com")
			return m.w.authorized(t, http.MethodPost, "/v1/users/"+pair.Data.User.ID+"/change-password", "", `{"oldPassword":"No-Secret-1","newPassword":"Second-Secret-2"}`)
		},
		"saymon": func(t *testing.T, m mode) *http.Request {
			t.Helper()
			id := saymonMade(t, m.w, "/users", `{"login":"somebody","password":"qwerty-one"}`)
			return m.w.authorized(t, http.MethodPut, saymonBase+"/users/"+id+"/password", saymonBasic("somebody", "qwerty-one"), `{"currentPassword":"no-qwerty","newPassword":"qwerty-two"}`)
		},
		"milvus": func(t *testing.T, m mode) *http.Request {
			t.Helper()
			m.w.must(t, http.MethodPost, "/v2/vectordb/users/create", "Bearer root:"+adminPassword, `{"userName":"somebody","password":"First-Passw0rd"}`)
			return m.w.authorized(t, http.MethodPost, "/v2/vectordb/users/update_password", "Bearer somebody:First-Passw0rd", `{"userName":"somebody","password":"No-Passw0rd","newPassword":"Second-Passw0rd"}`)
		},
	} {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			m := inMode(t, api, edge.Observing)
			status, _, body, ok := m.send(t, request(t, m), m.host)
			<-m.told
			if ok {
				t.Errorf("%d %s", status, body)
			}
			failures := 0
			events, err := m.w.store.Directory(api).Events(t.Context(), storage.EventQuery{})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range events {
				if e.Result == storage.WrongPassword.String() {
					failures++
				}
			}
			if failures != 1 {
				t.Errorf("counted %d times: %+v", failures, events)
			}
		})
	}
}

// Who has been wrong too often is refused for who he is, and so is let pass.
func TestObservingLetsPassWhoIsThrottled(t *testing.T) {
	for api, request := range map[string][3]string{
		"fusion": {http.MethodGet, "/api/users", ""},
		"saymon": {http.MethodGet, saymonBase + "/users", ""},
		"milvus": {http.MethodPost, "/v2/vectordb/users/list", "{}"},
	} {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			m := inMode(t, api, edge.Observing)
			if err := m.w.guess(); err != nil {
				t.Fatal(err)
			}
			r := m.w.authorized(t, request[0], request[1], "", request[2])
			r.SetBasicAuth(handlers.FirstAdministrator(api), "no-Secret-9")
			enforced, _, want, fits := m.send(t, r, m.w.url[len("http://"):])
			if fits {
				t.Fatalf("enforcing answers %d %s", enforced, want)
			}
			status, _, got, ok := m.send(t, r, m.host)
			if told := <-m.told; !ok || told.Passed == nil || told.Passed.Status != enforced || !isAnswer(t, *told.Passed, want) {
				t.Errorf("%d %s, passed %+v, want %d %s", status, got, told.Passed, enforced, want)
			}
		})
	}
}

// Whom nothing is denied needs no record: the first administrator may be gone.
func TestAuthenticationOffWithoutAdministrator(t *testing.T) {
	for api, change := range map[string]struct{ method, path, body string }{
		"fusion":    {http.MethodPost, "/api/roles", `{"name":"made"}`},
		"applivery": {http.MethodPost, "/v1/users", `{"email":"a@example.com","password":"First-Secret-1","firstName":"A","lastName":"B"}`},
		"saymon":    {http.MethodPost, saymonBase + "/user-groups", `{"name":"made"}`},
		"milvus":    {http.MethodPost, "/v2/vectordb/roles/create", `{"roleName":"made"}`},
	} {
		own := map[string]string{"fusion": "/api/session", "applivery": "/v1/users/profile", "saymon": saymonBase + "/users/current"}[api]
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			m := inMode(t, api, edge.Off)
			d := m.w.store.Directory(api)
			users, _, err := d.Users(t.Context(), storage.UserQuery{})
			if err != nil {
				t.Fatal(err)
			}
			for _, u := range users {
				if _, err := d.DeleteUser(t.Context(), storage.Actor{}, u.ID); err != nil {
					t.Fatal(err)
				}
			}
			if status, _, body, ok := m.send(t, m.w.authorized(t, change.method, change.path, "", change.body), m.host); !ok {
				t.Errorf("%d %s", status, body)
			}
			<-m.told
			if own == "" {
				return
			}
			if status, _, body, ok := m.send(t, m.w.authorized(t, http.MethodGet, own, "", ""), m.host); !ok {
				t.Errorf("%d %s", status, body)
			}
			<-m.told
		})
	}
}
