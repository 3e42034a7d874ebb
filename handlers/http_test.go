package handlers_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/handlers"
	"usher/handlers/conform"
)

// What scripts cannot say: bytes that are no text, requests at the same time,
// bodies that come slowly, headers by name.

// dialect is how an API says the same things.
type dialect struct {
	requestID string
	// create and change ask for a user and for a new password, as that user.
	create func(t *testing.T, w *world, name, password string) *http.Request
	change func(t *testing.T, w *world, name, id, old, new string) *http.Request
	// id is where the answer to create has the user's id; empty: it is the name.
	id string
	// notUTF8 is the answer to a body that is not UTF-8.
	notUTF8 string
}

var dialects = map[string]dialect{
	"fusion": {
		requestID: "fusion-request-id", id: "id",
		create: func(t *testing.T, w *world, name, password string) *http.Request {
			t.Helper()
			return w.basic(t, "POST", "/api/users", `{"username":"`+name+`","password":"`+password+`","roleNames":["search"]}`, "admin", adminPassword)
		},
		change: func(t *testing.T, w *world, name, id, old, new string) *http.Request {
			t.Helper()
			return w.basic(t, "PATCH", "/api/users/"+id, `{"currentPassword":"`+old+`","password":"`+new+`","passwordConfirm":"`+new+`"}`, name, old)
		},
		notUTF8: `400 {"code":"validation-failed","message":"body: must be UTF-8"}`,
	},
	"applivery": {
		requestID: "X-Request-Id", id: "data.id",
		create: func(t *testing.T, w *world, name, password string) *http.Request {
			t.Helper()
			return w.bearer(t, "POST", "/v1/users", `{"email":"`+name+`@example.com","password":"`+password+`","firstName":"A","lastName":"B"}`,
				w.token(t, handlers.FirstAdministrator("applivery"), adminPassword))
		},
		change: func(t *testing.T, w *world, name, id, old, new string) *http.Request {
			t.Helper()
			return w.bearer(t, "POST", "/v1/users/"+id+"/change-password", `{"oldPassword":"`+old+`","newPassword":"`+new+`"}`,
				w.token(t, name+"@example.com", old))
		},
		notUTF8: `400 {"status":false,"error":{"code":6002,"message":"Body Validation Error"}}`,
	},
	"saymon": {
		requestID: "Request-Id", id: "id",
		create: func(t *testing.T, w *world, name, password string) *http.Request {
			t.Helper()
			return w.basic(t, "POST", "/node/api/users", `{"login":"`+name+`","password":"`+password+`"}`, "admin", adminPassword)
		},
		change: func(t *testing.T, w *world, name, id, old, new string) *http.Request {
			t.Helper()
			return w.basic(t, "PUT", "/node/api/users/"+id+"/password", `{"currentPassword":"`+old+`","newPassword":"`+new+`"}`, name, old)
		},
		notUTF8: `400 {"code":"InvalidContent","message":"Invalid JSON: Unexpected token ` + "\uFFFD" + ` in JSON at position 26"}`,
	},
	"milvus": {
		requestID: "X-Request-Id",
		create: func(t *testing.T, w *world, name, password string) *http.Request {
			t.Helper()
			return w.bearer(t, "POST", "/v2/vectordb/users/create", `{"userName":"`+name+`","password":"`+password+`"}`, "root:"+adminPassword)
		},
		change: func(t *testing.T, w *world, name, _, old, new string) *http.Request {
			t.Helper()
			return w.bearer(t, "POST", "/v2/vectordb/users/update_password", `{"userName":"`+name+`","password":"`+old+`","newPassword":"`+new+`"}`, name+":"+old)
		},
		notUTF8: `200 {"code":1801,"message":"can only accept json format request, error: the body is not UTF-8"}`,
	},
}

func (w *world) request(t *testing.T, method, path, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	return r
}

func (w *world) basic(t *testing.T, method, path, body, user, password string) *http.Request {
	t.Helper()
	r := w.request(t, method, path, body)
	r.SetBasicAuth(user, password)
	return r
}

func (w *world) bearer(t *testing.T, method, path, body, token string) *http.Request {
	t.Helper()
	r := w.request(t, method, path, body)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

// token logs in at Applivery.
func (w *world) token(t *testing.T, email, password string) string {
	t.Helper()
	in := w.do(t, w.request(t, "POST", "/v1/auth/login", `{"provider":"traditional","payload":{"email":"`+email+`","password":"`+password+`"}}`))
	return w.member(t, in.body, "data.accessToken.token")
}

func (w *world) member(t *testing.T, body, path string) string {
	t.Helper()
	found, err := conform.Member([]byte(body), path)
	if err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return found
}

// reply is an answer, read.
type reply struct {
	status int
	header http.Header
	body   string
}

func (r reply) String() string { return fmt.Sprint(r.status, " ", r.body) }

func (w *world) do(t *testing.T, r *http.Request) reply {
	t.Helper()
	response, err := w.client.Do(r)
	if err != nil {
		t.Error(err)
		return reply{}
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return reply{response.StatusCode, response.Header, string(body)}
}

// serveAPI is a server for one test, with an administrator unless needs says
// what it needs.
func serveAPI(t *testing.T, api string, needs ...string) *world {
	t.Helper()
	if needs == nil {
		needs = []string{"admin"}
	}
	w, err := newWorld(t.TempDir(), api, needs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, problem := range w.close() {
			t.Error(problem)
		}
	})
	return w
}

func eachAPI(t *testing.T, f func(t *testing.T, w *world, d dialect)) {
	t.Helper()
	for _, api := range handlers.Names() {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			f(t, serveAPI(t, api), dialects[api])
		})
	}
}

func TestBodiesThatAreNotUTF8(t *testing.T) {
	eachAPI(t, func(t *testing.T, w *world, d dialect) {
		t.Helper()
		r := d.create(t, w, "alice", "Passw0rd-\xff")
		got := w.do(t, r).String()
		if w.api == "saymon" { // the position is that of the byte in the body
			body, _ := r.GetBody()
			sent, _ := io.ReadAll(body)
			d.notUTF8 = strings.Replace(d.notUTF8, "26", fmt.Sprint(bytes.IndexByte(sent, 0xff)), 1)
		}
		if got != d.notUTF8 {
			t.Errorf("got  %s\nwant %s", got, d.notUTF8)
		}
	})
}

func TestRequestIDs(t *testing.T) {
	eachAPI(t, func(t *testing.T, w *world, d dialect) {
		t.Helper()
		r := d.create(t, w, "alice", "Passw0rd-1")
		r.Header.Set(d.requestID, "my-own.id")
		if got := w.do(t, r); got.header.Get(d.requestID) != "my-own.id" {
			t.Errorf("%v %s", got.header, got)
		}
		if !strings.Contains(w.log.String(), `"request_id":"my-own.id"`) {
			t.Errorf("not in the log: %s", w.log)
		}
	})
}

// Of several who make the same user at once one succeeds, and of several who
// change the same password from the same old one.
func TestAtTheSameTime(t *testing.T) {
	const clients = 6
	eachAPI(t, func(t *testing.T, w *world, d dialect) {
		t.Helper()
		// at sends a request for each client, and gives the bodies of the
		// answers that were a success.
		at := func(request func(i int) *http.Request) (won []string) {
			requests := each(clients, request)
			var mu sync.Mutex
			var all sync.WaitGroup
			for _, r := range requests {
				all.Go(func() {
					got := w.do(t, r)
					failed := got.status >= 300 || w.api == "milvus" && !strings.Contains(got.body, `"code":0`)
					mu.Lock()
					defer mu.Unlock()
					if !failed {
						won = append(won, got.body)
					}
				})
			}
			all.Wait()
			return won
		}
		made := at(func(int) *http.Request { return d.create(t, w, "alice", "Passw0rd-1") })
		if len(made) != 1 {
			t.Fatalf("%d of %d creations succeeded: %q", len(made), clients, made)
		}
		id := ""
		if d.id != "" {
			id = w.member(t, made[0], d.id)
		}
		changed := at(func(i int) *http.Request {
			return d.change(t, w, "alice", id, "Passw0rd-1", fmt.Sprintf("Passw0rd-2-%d", i))
		})
		if len(changed) != 1 {
			t.Fatalf("%d of %d changes succeeded: %q", len(changed), clients, changed)
		}
	})
}

// each makes the requests one after the other: making one may send others.
func each(n int, f func(i int) *http.Request) []*http.Request {
	all := make([]*http.Request, n)
	for i := range all {
		all[i] = f(i)
	}
	return all
}

// Milvus reads the body within the Request-Timeout; so does every API within
// its own time.
func TestRequestTimeoutBoundsTheBody(t *testing.T) {
	w := serveAPI(t, "milvus")
	connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	start := time.Now()
	if _, err := io.WriteString(connection, "POST /v2/vectordb/users/describe HTTP/1.1\r\nHost: usher\r\n"+
		"Authorization: Bearer root:"+adminPassword+"\r\nRequest-Timeout: 1\r\nContent-Length: 20\r\n\r\n{\"userName\""); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if response.StatusCode != http.StatusRequestTimeout || string(body) != `{"code":10001,"message":"request timeout"}` {
		t.Errorf("got %d %s", response.StatusCode, body)
	}
	if took := time.Since(start); took < time.Second || took > 10*time.Second {
		t.Errorf("after %v", took)
	}
}

// A connection outlives the deadline of a request that was in time.
func TestConnectionOutlivesARequestsDeadline(t *testing.T) {
	w := serveAPI(t, "milvus")
	for range 2 {
		r := w.bearer(t, "POST", "/v2/vectordb/users/list", "{}", "root:"+adminPassword)
		r.Header.Set("Request-Timeout", "1")
		if got := w.do(t, r); got.String() != `200 {"code":0,"data":["root"]}` {
			t.Error(got)
		}
		time.Sleep(1100 * time.Millisecond)
	}
}

// Express, which Applivery builds on, takes a slash at the end of a path and
// answers HEAD as GET.
func TestAppliveryRoutesAsExpress(t *testing.T) {
	w := serveAPI(t, "applivery")
	token := w.token(t, handlers.FirstAdministrator("applivery"), adminPassword)
	w.client.Transport = http.DefaultTransport // the contract knows neither
	plain := w.do(t, w.bearer(t, "GET", "/v1/users/profile", "", token))
	if slash := w.do(t, w.bearer(t, "GET", "/v1/users/profile/", "", token)); slash.status != http.StatusOK || slash.body != plain.body {
		t.Errorf("with a slash: %s", slash)
	}
	head := w.do(t, w.bearer(t, "HEAD", "/v1/users/profile", "", token))
	if head.status != http.StatusOK || head.body != "" || head.header.Get("Content-Length") != plain.header.Get("Content-Length") {
		t.Errorf("HEAD: %s %v", head, head.header)
	}
}
