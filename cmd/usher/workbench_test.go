package main

import (
	"bufio"
	"net/http"
	"os"
	"strings"
	"testing"
)

// hostOf sends a request to a name that leads to this machine.
func hostOf(name string) func(*http.Request) {
	return func(r *http.Request) { r.Host = name }
}

// Of the workbench nothing is there unless it is asked for.
func TestNoWorkbench(t *testing.T) {
	p := start(t, t.TempDir(), nil)
	for _, path := range []string{"/_usher/sandboxes", "/_usher/sandboxes/main/journal", "/_usher/snapshots", "/_usher/reference/", "/_usher/reference/usher", "/_usher/openapi/usher.yaml", "/_usher/in/main/api"} {
		for _, method := range []string{"GET", "POST"} {
			if a := send(t, method, p.url+path, ""); a.status != http.StatusNotFound || !strings.Contains(a.body, "what is served here: /_usher/") {
				t.Errorf("%s %s: %s", method, path, a)
			}
		}
	}
	if a := send(t, "GET", p.url+"/_usher/", ""); a.status != http.StatusOK || strings.Contains(a.body, "Workbench") {
		t.Errorf("the index: %s", a)
	}
	if a := send(t, "GET", p.url+"/node/api/users/current", "", hostOf("nobody.localhost")); a.status != http.StatusUnauthorized {
		t.Errorf("a host name means nothing: %s", a)
	}
}

// The demo world has a workbench, with everything in it; its main world has a clock.
func TestWorkbenchOfTheDemoWorld(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, nil, "--demo", "--listen", "milvus=127.0.0.1:0")
	alone := p.next(t)
	if a := send(t, "POST", p.url+"/_usher/sandboxes", `{"name":"one"}`); a.status != http.StatusCreated {
		t.Fatal(a)
	}
	for _, a := range []answer{
		send(t, "GET", p.url+"/node/api/users/current", "", basic("Bob", "qwerty"), hostOf("one.localhost")),
		send(t, "GET", p.url+"/_usher/in/one/node/api/users/current", "", basic("Bob", "qwerty")),
		send(t, "POST", alone+"/_usher/in/one/v2/vectordb/users/list", "{}", bearer("root:Milvus")),
		send(t, "GET", p.url+"/_usher/reference/usher", ""),
		send(t, "PATCH", p.url+"/_usher/sandboxes/main/clock", `{"advance":"24h"}`),
		send(t, "GET", p.url+"/node/api/users/current", "", basic("Bob", "qwerty")),
	} {
		if a.status != http.StatusOK {
			t.Error(a)
		}
	}
	if a := send(t, "POST", alone+"/elsewhere", "{}", bearer("root:Milvus"), hostOf("one.localhost")); a.status != http.StatusNotFound || a.header.Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("a sandbox on a port of one API's: %s", a)
	}
	if !strings.Contains(p.stderr.String(), `"sandbox":"one"`) {
		t.Errorf("the log does not name the sandbox: %s", p.stderr)
	}

	// Who follows a journal does not keep the server from ending, and the sandboxes'
	// files go with it.
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+"/_usher/sandboxes/main/journal/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	send(t, "GET", p.url+"/node/api/users/current", "", basic("Bob", "qwerty"))
	events := bufio.NewScanner(response.Body)
	if !events.Scan() || !strings.HasPrefix(events.Text(), "id: ") {
		t.Errorf("the stream: %q, %v", events.Text(), events.Err())
	}
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for events.Scan() { // to its end
	}
	if err := events.Err(); err != nil {
		t.Errorf("the stream broke: %v", err)
	}
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
	if strings.Contains(p.stderr.String(), "requests cut off") {
		t.Error("the server waited for who follows")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A lasting store keeps the real time; a token is asked for, and is nowhere to be
// read.
func TestWorkbenchWithAToken(t *testing.T) {
	const token = "a-token-of-the-test"
	p := start(t, t.TempDir(), []string{"USHER_WORKBENCH_TOKEN=" + token}, "--workbench")
	if a := send(t, "GET", p.url+"/_usher/sandboxes", ""); a.status != http.StatusUnauthorized || a.header.Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("without the token: %s", a)
	}
	if a := send(t, "GET", p.url+"/_usher/sandboxes", "", bearer(token), hostOf("usher.example")); a.status != http.StatusOK {
		t.Errorf("with it: %s", a)
	}
	if a := send(t, "PATCH", p.url+"/_usher/sandboxes/main/clock", `{"frozen":true}`, bearer(token)); a.status != http.StatusConflict {
		t.Errorf("the clock of a lasting store: %s", a)
	}
	if strings.Contains(p.stderr.String(), token) {
		t.Error("the token is in the log")
	}
}
