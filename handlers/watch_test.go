package handlers_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"usher/gen/applivery"
	"usher/gen/fusion"
	"usher/gen/milvus"
	"usher/gen/saymon"
	"usher/handlers"
	"usher/storage"
)

// contract is an API's effective contract, as a client sees it.
type contract struct {
	doc    *openapi3.T
	router routers.Router
	// code takes the vendor's error code out of an answer's body; empty: none.
	code func(body []byte) string
	// failure is the name of the schema that all its errors have.
	failure string
}

// contracts are loaded once: validating them takes a while.
var contracts = sync.OnceValue(func() map[string]*contract {
	word := func(body []byte) string {
		var e struct{ Code any }
		_ = json.Unmarshal(body, &e)
		return say(e.Code)
	}
	loaded := map[string]*contract{}
	for name, c := range map[string]struct {
		yaml []byte
		code func([]byte) string
	}{
		"fusion": {fusion.OpenAPI, word},
		"applivery": {applivery.OpenAPI, func(body []byte) string {
			var e struct{ Error struct{ Code any } }
			_ = json.Unmarshal(body, &e)
			return say(e.Error.Code)
		}},
		"saymon": {saymon.OpenAPI, word},
		"milvus": {milvus.OpenAPI, word},
	} {
		doc, err := openapi3.NewLoader().LoadFromData(c.yaml)
		if err != nil {
			panic(fmt.Sprintf("%s: %v", name, err))
		}
		router, err := gorillamux.NewRouter(doc)
		if err != nil {
			panic(fmt.Sprintf("%s: %v", name, err))
		}
		loaded[name] = &contract{doc: doc, router: router, code: c.code, failure: "Error"}
		if doc.Components.Schemas["Failure"] != nil {
			loaded[name].failure = "Failure"
		}
	}
	return loaded
})

func say(code any) string {
	if code == nil {
		return ""
	}
	return fmt.Sprint(code)
}

// seen are the answers met so far: "fusion updatePassword 403 forbidden".
var seen sync.Map

func answered(api, operation string, status int, code string) string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %d %s", api, operation, status, code))
}

// unseen lists the answers that the contracts declare, by operation, status and
// the codes of the named examples, and that no request has met.
func unseen(t *testing.T) []string {
	t.Helper()
	missing := map[string]bool{}
	for api, c := range contracts() {
		for _, item := range c.doc.Paths.Map() {
			for _, op := range item.Operations() {
				for status, response := range op.Responses.Map() {
					codes := map[string]bool{}
					for _, media := range response.Value.Content {
						for _, example := range media.Examples {
							body, err := json.Marshal(example.Value.Value)
							if err != nil {
								t.Fatal(err)
							}
							codes[c.code(body)] = true
						}
					}
					if len(codes) == 0 {
						codes[""] = true
					}
					for code := range codes {
						missing[strings.TrimSpace(fmt.Sprintf("%s %s %s %s", api, op.OperationID, status, code))] = true
					}
				}
			}
		}
	}
	seen.Range(func(key, _ any) bool {
		delete(missing, key.(string))
		return true
	})
	return slices.Sorted(maps.Keys(missing))
}

// watch is a client's transport that holds every answer against the contract
// and remembers every secret that went by.
type watch struct {
	api  string
	next http.RoundTripper

	mu         sync.Mutex
	secrets    []string
	problems   []string
	operations map[string]bool // that have answered
}

// met says whether an operation has answered.
func (w *watch) met(operation string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.operations[operation]
}

func (w *watch) RoundTrip(r *http.Request) (*http.Response, error) {
	sent, err := drain(&r.Body)
	if err != nil {
		return nil, err
	}
	response, err := w.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	got, err := drain(&response.Body)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rememberRequest(r, sent)
	for _, secret := range w.secrets {
		if bytes.Contains(got, []byte(secret)) {
			w.problems = append(w.problems, fmt.Sprintf("%s %s → the answer repeats the secret %q", r.Method, r.URL.Path, secret))
		}
	}
	w.rememberBody(got)
	var token string // an answer that is nothing but a string is a token's, or a session's id
	if json.Unmarshal(got, &token) == nil {
		w.secret(token)
	}
	for _, cookie := range response.Cookies() {
		w.secret(cookie.Value)
	}
	if err := w.check(r, response, got); err != nil {
		w.problems = append(w.problems, fmt.Sprintf("%s %s → %d %s: %v", r.Method, r.URL.Path, response.StatusCode, got, err))
	}
	return response, nil
}

// drain reads a body and puts it back.
func drain(body *io.ReadCloser) ([]byte, error) {
	if *body == nil {
		return nil, nil
	}
	b, err := io.ReadAll(*body)
	_ = (*body).Close()
	*body = io.NopCloser(bytes.NewReader(b))
	return b, err
}

// check validates an answer: of an operation against what that declares, of an
// unknown path against the API's error schema.
func (w *watch) check(r *http.Request, response *http.Response, body []byte) error {
	c := contracts()[w.api]
	find := r.Clone(r.Context())
	find.URL.Host, find.URL.Scheme, find.Host = "", "", ""
	route, params, err := c.find(find)
	if err != nil {
		return c.checkUnknown(response, body)
	}
	if w.operations == nil {
		w.operations = map[string]bool{}
	}
	w.operations[route.Operation.OperationID] = true
	seen.Store(answered(w.api, route.Operation.OperationID, response.StatusCode, c.code(body)), true)
	return openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route},
		Status:                 response.StatusCode,
		Header:                 response.Header,
		Body:                   io.NopCloser(bytes.NewReader(body)),
		Options: &openapi3filter.Options{
			IncludeResponseStatus: true,
			MultiError:            true,
		},
	})
}

// find finds the operation of a request that has no host.
func (c *contract) find(r *http.Request) (*routers.Route, map[string]string, error) {
	route, params, err := c.router.FindRoute(r)
	if err != nil { // the contract's path / is served without its slash, too
		r.URL.Path += "/"
		route, params, err = c.router.FindRoute(r)
	}
	return route, params, err
}

func (c *contract) checkUnknown(response *http.Response, body []byte) error {
	if !strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") {
		return nil // Milvus' plain text, and its empty preflight
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return err
	}
	return c.doc.Components.Schemas[c.failure].Value.VisitJSON(value, openapi3.VisitAsResponse())
}

// rememberRequest notes what of a request is a secret.
func (w *watch) rememberRequest(r *http.Request, body []byte) {
	authorization := r.Header.Get("Authorization")
	scheme, credentials, found := strings.Cut(authorization, " ")
	if !found {
		credentials = scheme
	}
	if strings.EqualFold(scheme, "Basic") {
		if plain, err := base64.StdEncoding.DecodeString(credentials); err == nil {
			w.secret(credentials)
			credentials = string(plain)
		}
	}
	if _, password, ok := strings.Cut(credentials, ":"); ok {
		w.secret(password)
	} else {
		w.secret(credentials)
	}
	for _, cookie := range r.Cookies() {
		w.secret(cookie.Value)
	}
	for name, values := range r.URL.Query() {
		for _, value := range values {
			w.secretMembers(name, value)
		}
	}
	w.rememberBody(body)
}

// rememberBody notes what of a body is a secret.
func (w *watch) rememberBody(body []byte) {
	var value any
	if json.Unmarshal(body, &value) == nil {
		w.secretMembers("", value)
	}
}

func (w *watch) secretMembers(name string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			w.secretMembers(name, member)
		}
	case []any:
		for _, item := range v {
			w.secretMembers(name, item)
		}
	case string:
		lower := strings.ToLower(name)
		masked := strings.HasPrefix(v, "****")
		if !masked && (strings.Contains(lower, "password") && lower != "passwordchanged" || strings.Contains(lower, "token") && lower != "token_type" || lower == "apikey") {
			w.secret(v)
		}
	}
}

// secret notes a secret. Short ones stand in a log by chance.
func (w *watch) secret(s string) {
	if len(s) >= 6 && !slices.Contains(w.secrets, s) {
		w.secrets = append(w.secrets, s)
	}
}

// leaks looks for the secrets that went by, and for hashes, in everything that
// the server says beside its answers.
func (w *world) leaks() []string {
	page := httptest.NewRecorder()
	promhttp.HandlerFor(w.metrics, promhttp.HandlerOpts{}).ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/", nil))
	said := map[string]string{"log": w.log.String(), "metrics": page.Body.String()}
	for _, name := range handlers.Names() {
		events, err := w.store.Directory(name).Events(context.Background(), storage.EventQuery{})
		if err != nil {
			continue // a store broken on purpose
		}
		text, err := json.Marshal(events)
		if err != nil {
			return []string{err.Error()}
		}
		said["events"] += string(text)
	}
	var found []string
	for where, text := range said {
		for _, secret := range append(w.watch.secrets, "$argon2id$", "$2a$", "$2b$", "$2y$") {
			quoted, _ := json.Marshal(secret)
			if strings.Contains(text, secret) || strings.Contains(text, strings.Trim(string(quoted), `"`)) {
				found = append(found, fmt.Sprintf("the secret %q is in the %s", secret, where))
			}
		}
	}
	return found
}
