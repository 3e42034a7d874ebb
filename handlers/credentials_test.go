package handlers_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"usher/handlers"
)

// credential is a kind of credentials that a request may come with.
type credential string

const (
	none    credential = "none"
	junk    credential = "junk"    // such as nobody was ever given
	expired credential = "expired" // good once, past their time
	ended   credential = "ended"   // good once, until they were ended: by a logout, a new password, a deletion
	another credential = "another" // of a user who names another's resource, without any right to it
	without credential = "without" // of a user without the right
	with    credential = "with"    // of a user with the right
)

var credentialKinds = []struct {
	kind  credential
	title string
}{
	{none, "none"},
	{junk, "junk"},
	{expired, "expired"},
	{ended, "ended"},
	{another, "another user's"},
	{without, "without the right"},
	{with, "with the right"},
}

// credentialed gives, by API, a request of an operation with a kind of
// credentials: fresh, with all that it needs made in w. A nil request comes
// with the reason why there is none such.
var credentialed = map[string]func(t *testing.T, w *world, operation string, kind credential) (r *http.Request, why string){}

// TestCredentials sends each operation's request with each kind of credentials
// and holds the answers against docs/credentials.md.
func TestCredentials(t *testing.T) {
	tables := make([]bytes.Buffer, len(handlers.Names()))
	t.Run("api", func(t *testing.T) {
		for i, api := range handlers.Names() {
			t.Run(api, func(t *testing.T) {
				t.Parallel()
				credentialTable(t, api, &tables[i])
			})
		}
	})
	if t.Failed() {
		return
	}
	made := bytes.NewBufferString(`# Who gets which answer

Made by a test that sends every operation's request with every kind of
credentials (` + "`go test ./handlers -run TestCredentials -update`" + `): the status, and
the vendor's error code where there is one.
`)
	for i := range tables {
		_, _ = tables[i].WriteTo(made)
	}
	checkDocument(t, "credentials.md", made.Bytes())
}

// credentialTable writes one API's table.
func credentialTable(t *testing.T, api string, table *bytes.Buffer) {
	t.Helper()
	if credentialed[api] == nil {
		t.Fatal("no requests")
	}
	w, err := newWorld(t.TempDir(), api, []string{"admin", "clock", "roomy"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, problem := range w.close() {
			t.Error(problem)
		}
	})
	c := contracts()[api]
	fmt.Fprintf(table, "\n## %s\n\n| operation |", c.doc.Info.Title)
	rule := "\n|---|"
	for _, k := range credentialKinds {
		fmt.Fprintf(table, " %s |", k.title)
		rule += "---|"
	}
	table.WriteString(rule + "\n")
	for _, op := range operationsOf(api) {
		public := op.spec.Security != nil && (len(*op.spec.Security) == 0 ||
			slices.ContainsFunc(*op.spec.Security, func(r openapi3.SecurityRequirement) bool { return len(r) == 0 }))
		fmt.Fprintf(table, "| %s |", op.id)
		for _, k := range credentialKinds {
			r, why := credentialed[api](t, w, op.id, k.kind)
			if r == nil {
				if why == "" {
					t.Errorf("%s with credentials %s: no request, and no reason", op.id, k.kind)
				}
				fmt.Fprintf(table, " *%s* |", why)
				continue
			}
			cell, ok := credentialAnswer(t, w, op.id, r)
			switch {
			case k.kind == with && !ok:
				t.Errorf("%s with the right: %s", op.id, cell)
			case ok && !public && (k.kind == none || k.kind == junk || k.kind == expired || k.kind == ended):
				t.Errorf("%s with credentials %s: %s", op.id, k.kind, cell)
			}
			fmt.Fprintf(table, " %s |", cell)
		}
		table.WriteString("\n")
	}
}

// authorized makes a request; an empty authorization or body is none.
func (w *world) authorized(t *testing.T, method, path, authorization, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return r
}

// must sends a request that has to succeed, and gives the answer's body.
func (w *world) must(t *testing.T, method, path, authorization, body string) []byte {
	t.Helper()
	response, err := w.client.Do(w.authorized(t, method, path, authorization, body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if code := contracts()[w.api].code(answer); response.StatusCode >= 300 || code != "" && code != "0" {
		t.Fatalf("%s %s: %d %s", method, path, response.StatusCode, answer)
	}
	return answer
}

// fresh is a name that nothing has.
func (w *world) fresh(prefix string) string { return prefix + strings.ToLower(rand.Text()[:10]) }

// credentialAnswer sends a request of the operation and gives its answer as
// status and code, and whether it is a success.
func credentialAnswer(t *testing.T, w *world, operation string, r *http.Request) (cell string, ok bool) {
	t.Helper()
	c := contracts()[w.api]
	if found, _ := c.Find(r.Method, r.URL.EscapedPath()); found != operation {
		t.Errorf("%s %s is no request of %s", r.Method, r.URL.Path, operation)
	}
	response, err := w.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	code := c.code(body)
	ok = response.StatusCode < 300 && (code == "" || code == "0")
	if ok {
		code = ""
	}
	return strings.TrimSpace(fmt.Sprint(response.StatusCode, " ", code)), ok
}
