package handlers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"usher/gen/applivery"
	"usher/gen/fusion"
	"usher/gen/milvus"
	"usher/gen/saymon"
	"usher/handlers"
	"usher/handlers/exchange"
	"usher/storage"
)

// contract is an API's effective contract, as a client sees it.
type contract struct {
	*exchange.Contract
	doc *openapi3.T
	// code takes the vendor's error code out of an answer's body; empty: none.
	code func(body []byte) string
}

// contracts are loaded once: parsing them takes a while.
var contracts = sync.OnceValue(func() map[string]*contract {
	word := func(body []byte) string {
		var e struct{ Code any }
		_ = json.Unmarshal(body, &e)
		return say(e.Code)
	}
	loaded := map[string]*contract{
		"fusion": {code: word},
		"applivery": {code: func(body []byte) string {
			var e struct{ Error struct{ Code any } }
			_ = json.Unmarshal(body, &e)
			return say(e.Error.Code)
		}},
		"saymon": {code: word},
		"milvus": {code: word},
	}
	documents := map[string][]byte{"fusion": fusion.OpenAPI, "applivery": applivery.OpenAPI, "saymon": saymon.OpenAPI, "milvus": milvus.OpenAPI}
	parsed, err := handlers.Contracts()
	if err != nil {
		panic(err)
	}
	for _, p := range parsed {
		c := loaded[p.Name()]
		c.Contract = p
		if c.doc, err = openapi3.NewLoader().LoadFromData(documents[p.Name()]); err != nil {
			panic(fmt.Sprintf("%s: %v", p.Name(), err))
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

	mu       sync.Mutex
	secrets  []string
	problems []string
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
	e := exchange.Exchange{Request: requestOf(r, sent)}
	w.remember(e)
	for _, secret := range w.secrets {
		if bytes.Contains(got, []byte(secret)) {
			w.problems = append(w.problems, fmt.Sprintf("%s %s → the answer repeats the secret %q", r.Method, r.URL.Path, secret))
		}
	}
	e.Answer = exchange.Message{Status: response.StatusCode, Header: response.Header, Body: got}
	w.remember(e)
	if err := w.check(&e); err != nil {
		w.problems = append(w.problems, fmt.Sprintf("%s %s → %d %s: %v", r.Method, r.URL.Path, response.StatusCode, got, err))
	}
	w.problems = append(w.problems, w.unmasked(e)...)
	return response, nil
}

// unmasked says what a masked exchange still tells of the secrets that went by.
func (w *watch) unmasked(e exchange.Exchange) (found []string) {
	masked := exchange.Masked(e)
	text := fmt.Sprintf("%s\n%s\n%s\n%s\n%s\n%s\n%+v", exchange.Curl(masked.Request, "http://usher.example"),
		masked.Request.URL, masked.Request.Header, masked.Request.Body, masked.Answer.Header, masked.Answer.Body, masked.Violations)
	for _, secret := range w.secrets {
		if strings.Contains(text, secret) {
			found = append(found, fmt.Sprintf("the secret %q is in the masked exchange: %s", secret, text))
		}
	}
	return found
}

func requestOf(r *http.Request, body []byte) exchange.Message {
	return exchange.Message{Method: r.Method, URL: r.URL.RequestURI(), Header: r.Header, Body: body}
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

// check holds an answer against the contract, and notes it.
func (w *watch) check(e *exchange.Exchange) error {
	c := contracts()[w.api]
	c.Check(e)
	if e.Operation != "" {
		seen.Store(answered(w.api, e.Operation, e.Answer.Status, c.code(e.Answer.Body)), true)
	}
	var broken []error
	for _, v := range e.Violations {
		if v.In == exchange.Answer {
			broken = append(broken, fmt.Errorf("%s: %s: %s", v.Path, v.Rule, v.Message))
		}
	}
	return errors.Join(broken...)
}

// remember notes the secrets of an exchange.
func (w *watch) remember(e exchange.Exchange) {
	for _, secret := range exchange.Secrets(e) {
		if !slices.Contains(w.secrets, secret) {
			w.secrets = append(w.secrets, secret)
		}
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
