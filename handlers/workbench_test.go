package handlers_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gen "usher/gen/usher"
	"usher/handlers"
	"usher/handlers/exchange"
	"usher/handlers/usher"
	"usher/storage"
	"usher/storage/password"
)

// controlContract is that of usher's own API.
var controlContract = sync.OnceValue(func() *exchange.Contract {
	c, err := exchange.Parse(usher.Name, usher.Roots, gen.OpenAPI)
	if err != nil {
		panic(err)
	}
	return c
})

// workbench is a server with a workbench, over the demo world.
type workbench struct {
	t     testing.TB
	url   string
	bench *handlers.Workbench

	mu   sync.Mutex
	seen map[string]bool // "createSandbox 201"
}

func newWorkbench(tb testing.TB, w handlers.WorkbenchOptions) *workbench {
	tb.Helper()
	return newWorkbenchOf(tb, handlers.Options{}, w)
}

func newWorkbenchOf(tb testing.TB, o handlers.Options, w handlers.WorkbenchOptions) *workbench {
	tb.Helper()
	store := storage.Options{Path: filepath.Join(tb.TempDir(), "usher.db"), Volatile: true, Hash: password.Params{Memory: cheapMemory, Time: 1, Threads: 1}}
	b, err := handlers.NewWorkbench(o, w)
	if err != nil {
		tb.Fatal(err)
	}
	store.Now = b.Now
	s, err := storage.Open(tb.Context(), store)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	if err := handlers.Seed(tb.Context(), s, handlers.World{Demo: true, HashAnew: true}); err != nil {
		tb.Fatal(err)
	}
	h, err := handlers.New(s, b.Options())
	if err == nil {
		err = b.Attach(h)
	}
	if err != nil {
		tb.Fatal(err)
	}
	front, err := b.Handler("")
	if err != nil {
		tb.Fatal(err)
	}
	server := httptest.NewServer(front)
	tb.Cleanup(server.Close)
	tb.Cleanup(func() {
		if err := b.Close(); err != nil {
			tb.Error(err)
		}
	})
	return &workbench{t: tb, url: server.URL, bench: b, seen: map[string]bool{}}
}

// said is what came back.
type said struct {
	status int
	header http.Header
	body   []byte
}

// member finds a member of the answer's body, as say shows it.
func (a said) member(path ...string) string {
	var v any
	_ = json.Unmarshal(a.body, &v)
	for _, name := range path {
		if list, ok := v.([]any); ok {
			var i int
			_, _ = fmt.Sscan(name, &i)
			if i < len(list) {
				v = list[i]
				continue
			}
		}
		object, _ := v.(map[string]any)
		v = object[name]
	}
	return say(v)
}

// send sends a request. change may change it.
func (w *workbench) send(method, path, body string, change ...func(*http.Request)) said {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, f := range change {
		f(r)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return said{response.StatusCode, response.Header, got}
}

// control sends a request to the control API, and holds the answer against its
// contract.
func (w *workbench) control(method, path, body string, change ...func(*http.Request)) said {
	w.t.Helper()
	a := w.send(method, "/_usher"+path, body, change...)
	e := exchange.Exchange{
		Request: exchange.Message{Method: method, URL: "/_usher" + path, Header: http.Header{}, Truncated: true},
		Answer:  exchange.Message{Status: a.status, Header: a.header, Body: a.body},
	}
	controlContract().Check(&e)
	for _, v := range e.Violations {
		if v.In == exchange.Answer {
			w.t.Errorf("%s %s → %d %s: %+v", method, path, a.status, a.body, v)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[fmt.Sprintf("%s %d", e.Operation, a.status)] = true
	return a
}

// want is control for an answer of that status.
func (w *workbench) want(status int, method, path, body string, change ...func(*http.Request)) said {
	w.t.Helper()
	a := w.control(method, path, body, change...)
	if a.status != status {
		w.t.Errorf("%s %s %s → %d %s, want %d", method, path, body, a.status, a.body, status)
	}
	return a
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func basicAuth(user, secret string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(user, secret) }
}

// bodies are requests' bodies that fit the contract.
var bodies = map[string]string{
	"createSandbox": `{"from":"snapshot","source":"none"}`, "changeSandbox": `{"ttl":"1m"}`, "changeClock": `{"frozen":true}`,
	"addFault": `{"delay":"1ms"}`, "assertJournal": `{"requests":[{}]}`, "takeSnapshot": `{}`, "uploadSnapshot": "x",
}

// pathOf fills in a path of the contract, below the API's root.
func pathOf(op exchange.Operation, name string) string {
	return strings.NewReplacer("/_usher", "", "{name}", name, "{id}", "fault-1").Replace(op.Path)
}

// ofOperation are the headers that an operation's body needs.
func ofOperation(op exchange.Operation) func(*http.Request) {
	if op.ID == "uploadSnapshot" {
		return header("Content-Type", "application/octet-stream")
	}
	return func(*http.Request) {}
}

// Every operation of the control API, with every status that it declares.
func TestControlAPI(t *testing.T) {
	guarded := newWorkbench(t, handlers.WorkbenchOptions{Token: "a-token-for-the-test"})
	w := newWorkbench(t, handlers.WorkbenchOptions{})
	w.seen = guarded.seen

	for _, op := range controlContract().Operations() {
		path, body := pathOf(op, "main"), bodies[op.ID]
		guarded.want(401, op.Method, path, body, ofOperation(op))
		guarded.want(401, op.Method, path, body, ofOperation(op), header("Authorization", "Bearer another"))
		w.want(403, op.Method, path, body, ofOperation(op), header("Origin", "http://elsewhere.example"))
		if slices.Contains(op.Statuses, 404) {
			w.want(404, op.Method, pathOf(op, "nobody"), body, ofOperation(op))
		}
		if body == "" {
			continue
		}
		w.want(415, op.Method, path, body, header("Content-Type", "text/plain"))
		size := 1<<20 + 1
		if op.ID == "uploadSnapshot" {
			size = 64<<20 + 1
		}
		w.want(413, op.Method, path, strings.Repeat(" ", size), ofOperation(op))
		if op.ID != "uploadSnapshot" {
			w.want(400, op.Method, path, "{", ofOperation(op))
		}
	}
	if a := guarded.control("GET", "/sandboxes", "", header("Authorization", "bearer a-token-for-the-test")); a.status != 200 {
		t.Errorf("with the token: %d %s", a.status, a.body)
	}

	a := w.want(201, "POST", "/sandboxes", `{"name":"one","ttl":"10m","clock":{"time":"2026-01-01T00:00:00Z","frozen":true},"settings":{"milvus":{"maxUsers":2}}}`)
	for member, want := range map[string]string{"name": "one", "from": "demo", "ttl": "10m0s", "authentication": "enforce"} {
		if got := a.member(member); got != want {
			t.Errorf("%s is %q", member, got)
		}
	}
	if a.member("clock", "time") != "2026-01-01T00:00:00Z" || a.member("settings", "milvus", "maxUsers") != "2" {
		t.Errorf("%s", a.body)
	}
	port := w.url[strings.LastIndexByte(w.url, ':'):]
	if a.member("urls", "host") != "http://one.localhost"+port || a.member("urls", "path") != w.url+"/_usher/in/one" {
		t.Errorf("its URLs: %s", a.body)
	}
	w.want(409, "POST", "/sandboxes", `{"name":"one"}`)
	w.want(409, "POST", "/sandboxes", `{"name":"main"}`)
	for _, bad := range []string{
		`{"name":"One"}`, `{"name":"a.b"}`, `{"id2":"x"}`, `{"from":"nothing"}`, `{"from":"snapshot"}`, `{"source":"one"}`, `{"ttl":"25h"}`, `{"ttl":"0s"}`,
		`{"ttl":"99999999999999h"}`, `{"clock":{"time":"1969-12-31T23:59:59Z"}}`, `{"clock":{"time":"2026-01-01T00:00:00Z","advance":"1600000h"}}`,
		`{"settings":{"milvus":{"rules":"none"}}}`, `{"settings":{"acme":{}}}`, `{"authentication":"no"}`,
	} {
		w.want(400, "POST", "/sandboxes", bad)
	}
	if a := w.want(201, "POST", "/sandboxes", ""); a.member("name") == "" || a.member("administrators") != "" {
		t.Errorf("a sandbox of nothing: %s", a.body)
	}
	for _, empty := range []string{`{"fixture":{}}`, `{"from":"empty","fixture":{}}`, `{"from":"fixture","fixture":{}}`} {
		w.want(201, "POST", "/sandboxes", empty)
	}
	w.want(400, "POST", "/sandboxes", `{"fixture":{"milvus":{}}}`)
	w.want(400, "POST", "/sandboxes", `{"from":"fixture"}`)
	if a := w.want(200, "GET", "/sandboxes", ""); a.member("sandboxes", "0", "name") != "main" {
		t.Errorf("main is not the first: %s", a.body)
	}
	w.want(200, "GET", "/sandboxes/one", "")
	w.want(200, "PATCH", "/sandboxes/one", `{"authentication":"off","settings":{"applivery":{"rateLimit":3}},"ttl":"5m"}`)
	w.want(400, "PATCH", "/sandboxes/one", `{}`)
	w.want(400, "PATCH", "/sandboxes/one", `{"authentication":"enforce","ttl":"100h"}`)
	if a := w.want(200, "GET", "/sandboxes/one", ""); a.member("ttl") != "5m0s" || a.member("authentication") != "off" {
		t.Errorf("after a change that was refused: %s", a.body)
	}
	w.want(409, "PATCH", "/sandboxes/main", `{"ttl":"5m"}`)
	w.want(409, "PATCH", "/sandboxes/main", `{"settings":{}}`)

	w.want(200, "GET", "/sandboxes/one/clock", "")
	if a := w.want(200, "PATCH", "/sandboxes/one/clock", `{"advance":"1h30m"}`); a.member("time") != "2026-01-01T01:30:00Z" || a.member("frozen") != "true" {
		t.Errorf("the clock: %s", a.body)
	}
	w.want(400, "PATCH", "/sandboxes/one/clock", `{"advance":"soon"}`)
	if a := w.want(200, "DELETE", "/sandboxes/one/clock", ""); a.member("real") != "true" {
		t.Errorf("the clock: %s", a.body)
	}

	w.want(201, "POST", "/sandboxes/one/faults", `{"api":"saymon","operation":"getCurrentUser","status":503,"first":1}`)
	for _, bad := range []string{
		`{}`, `{"status":418}`, `{"operation":"nothing","delay":"1s"}`, `{"api":"acme","delay":"1s"}`, `{"api":"saymon","operation":"getCurrentUser","status":201}`,
		`{"delay":"1s","first":1,"every":2}`, `{"delay":"1s","probability":2}`, `{"example":"x"}`, `{"status":503,"cut":"before"}`,
		`{"api":"saymon","operation":"getCurrentUser","method":"POST","delay":"1s"}`, `{"operation":"getCurrentUser","status":503,"example":"nothing"}`,
	} {
		w.want(400, "POST", "/sandboxes/one/faults", bad)
	}
	w.want(200, "GET", "/sandboxes/one/faults", "")
	w.send("GET", "/_usher/in/one/node/api/users/current", "")
	w.send("GET", "/_usher/in/one/node/api/users/current", "")
	list := w.want(200, "GET", "/sandboxes/one/journal", "")
	if list.member("entries", "0", "fault") != "fault-1" || list.member("entries", "0", "answer", "status") != "503" || list.member("entries", "1", "answer", "status") != "200" {
		t.Errorf("the journal: %s", list.body)
	}
	if a := w.want(200, "GET", "/sandboxes/one/journal?api=saymon&operation=getCurrentUser&status=5xx&violations=true&since=2026-01-01T00:00:00Z&text=CURRENT&limit=5", ""); a.member("entries", "0", "id") != "1" || a.member("entries", "1") != "" {
		t.Errorf("filtered: %s", a.body)
	}
	w.want(400, "GET", "/sandboxes/one/journal?status=60", "")
	w.want(400, "GET", "/sandboxes/one/journal/stream?violations=perhaps", "")
	w.want(200, "POST", "/sandboxes/one/journal/assert", `{"requests":[{"operation":"getCurrentUser","exactly":2},{"status":503}]}`)
	w.want(200, "POST", "/sandboxes/one/journal/assert", `{"requests":[{"operation":"getCurrentUser","body":null}]}`) // any, as generated clients in Java say it
	w.want(400, "POST", "/sandboxes/one/journal/assert", `{"requests":[{"exactly":2,"atMost":3}]}`)
	w.want(204, "DELETE", "/sandboxes/one/journal", "")
	w.want(204, "DELETE", "/sandboxes/one/faults/fault-1", "")
	w.want(404, "DELETE", "/sandboxes/one/faults/fault-1", "")
	w.want(204, "DELETE", "/sandboxes/one/faults", "")

	w.want(201, "POST", "/sandboxes/one/snapshot", `{"name":"kept"}`)
	w.want(409, "POST", "/sandboxes/one/snapshot", `{"name":"kept"}`)
	w.want(400, "POST", "/sandboxes/one/snapshot", `{"name":"../kept"}`)
	w.want(200, "GET", "/snapshots", "")
	file := w.want(200, "GET", "/snapshots/kept", "").body
	octets := header("Content-Type", "application/octet-stream")
	w.want(201, "PUT", "/snapshots/again", string(file), octets)
	w.want(400, "PUT", "/snapshots/again", string(file[:len(file)/2]), octets)
	w.want(400, "PUT", "/snapshots/..again", string(file), octets)
	w.want(201, "POST", "/sandboxes", `{"name":"two","from":"snapshot","source":"again"}`)
	for i := 2; i < 100; i++ {
		w.want(201, "PUT", fmt.Sprintf("/snapshots/one-of-many-%d", i), string(file), octets)
	}
	w.want(409, "PUT", "/snapshots/one-too-many", string(file), octets)
	w.want(201, "PUT", "/snapshots/again", string(file), octets)
	w.want(204, "DELETE", "/snapshots/kept", "")
	w.want(404, "GET", "/snapshots/kept", "")

	w.want(200, "GET", "/sandboxes/two/diff", "")
	w.want(200, "GET", "/sandboxes/two/diff?sandbox=main", "")
	w.want(200, "GET", "/sandboxes/two/diff?snapshot=again", "")
	w.want(400, "GET", "/sandboxes/two/diff?snapshot=again&sandbox=main", "")
	w.want(409, "GET", "/sandboxes/main/diff", "")
	w.want(200, "GET", "/sandboxes/two/fixture", "")
	w.want(200, "POST", "/sandboxes/one/reset", "")
	w.want(409, "POST", "/sandboxes/main/reset", "")
	w.want(204, "DELETE", "/sandboxes/one", "")
	w.want(409, "DELETE", "/sandboxes/main", "")
	w.want(405, "PUT", "/sandboxes", "")
	w.want(404, "GET", "/sandboxes/", "")

	lasting := newWorkbench(t, handlers.WorkbenchOptions{Lasting: true})
	lasting.seen = w.seen
	lasting.want(409, "PATCH", "/sandboxes/main/clock", `{"advance":"1h"}`)
	lasting.want(409, "PATCH", "/sandboxes/main", `{"authentication":"off"}`)
	lasting.want(409, "GET", "/sandboxes/main/fixture", "")
	lasting.want(409, "POST", "/sandboxes/main/snapshot", `{}`)
	lasting.want(409, "POST", "/sandboxes", `{"from":"sandbox","source":"main"}`)

	w.follow()
	for _, op := range controlContract().Operations() {
		for _, status := range op.Statuses {
			if key := fmt.Sprintf("%s %d", op.ID, status); !w.seen[key] {
				t.Error("never answered: " + key)
			}
		}
	}
}

// follow reads the stream of a journal: what happens after it begins, and what
// happened since an id.
func (w *workbench) follow() {
	t := w.t
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	open := func(last string) *bufio.Scanner {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+"/_usher/sandboxes/two/journal/stream?api=milvus", nil)
		if err != nil {
			t.Fatal(err)
		}
		if last != "" {
			r.Header.Set("Last-Event-ID", last)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = response.Body.Close() })
		if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatalf("the stream: %d %v", response.StatusCode, response.Header)
		}
		w.seen["streamJournal 200"] = true
		return bufio.NewScanner(response.Body)
	}
	expect := func(s *bufio.Scanner, id string) {
		t.Helper()
		var lines []string
		for s.Scan() && s.Text() != "" {
			lines = append(lines, s.Text())
		}
		if len(lines) != 3 || lines[0] != "id: "+id || lines[1] != "event: exchange" || !strings.HasPrefix(lines[2], `data: {"id":`+id+`,`) || !json.Valid([]byte(lines[2][len("data: "):])) {
			t.Errorf("want entry %s, got %q", id, lines)
		}
	}
	first := open("")
	w.send("GET", "/_usher/in/two/node/api/users/current", "")
	w.send("POST", "/_usher/in/two/v2/vectordb/users/list", "{}", header("Authorization", "Bearer root:Milvus"))
	expect(first, "2")
	expect(open("1"), "2")
	expect(open("1000"), "2") // an id of a journal that is no more
	// Who asks for the stream's head has it, and the connection for what comes next.
	within := func(r *http.Request) { *r = *r.WithContext(ctx) }
	for _, asked := range [][2]string{{"HEAD", "/_usher/sandboxes/two/journal/stream"}, {"GET", "/_usher/sandboxes/two"}} {
		if a := w.send(asked[0], asked[1], "", within); a.status != 200 {
			t.Errorf("%s: %d", asked, a.status)
		}
	}
	// A stream ends with its sandbox.
	w.want(204, "DELETE", "/sandboxes/two", "")
	if first.Scan() {
		t.Errorf("more in the stream: %q", first.Text())
	}
	if err := first.Err(); err != nil {
		t.Errorf("the stream broke: %v", err)
	}
}

// Without a token only programs on this machine reach the control API, by a name
// that is the machine's own; and never a page in a browser.
func TestControlAPIIsGuarded(t *testing.T) {
	w := newWorkbench(t, handlers.WorkbenchOptions{})
	front, err := w.bench.Handler("")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(w.url, "http://"))
	for _, tt := range []struct {
		name, remote, host string
		header             http.Header
		status             int
	}{
		{"an address of loopback", "127.0.0.1:5", "127.0.0.1:" + port, nil, 200},
		{"another", "127.0.0.2:5", "127.9.9.9", nil, 200},
		{"IPv6", "[::1]:5", "[::1]:" + port, nil, 200},
		{"IPv6 without a port", "[::1]:5", "[::1]", nil, 200},
		{"localhost", "127.0.0.1:5", "LocalHost:" + port, nil, 200},
		{"with a dot", "127.0.0.1:5", "localhost.:" + port, nil, 200},
		{"another machine", "192.0.2.1:5", "127.0.0.1:" + port, nil, 403},
		{"another name", "127.0.0.1:5", "rebound.example:" + port, nil, 403},
		{"a name that ends so", "127.0.0.1:5", "evil-localhost", nil, 403},
		{"no name", "127.0.0.1:5", "", nil, 403},
		{"passed on from another machine", "127.0.0.1:5", "127.0.0.1", http.Header{"X-Forwarded-For": {"192.0.2.1"}}, 403},
		{"passed on twice", "127.0.0.1:5", "127.0.0.1", http.Header{"X-Forwarded-For": {"127.0.0.1, 192.0.2.1"}}, 403},
		{"in two lines", "127.0.0.1:5", "127.0.0.1", http.Header{"X-Forwarded-For": {"127.0.0.1", "192.0.2.1"}}, 403},
		{"in nginx' words", "127.0.0.1:5", "127.0.0.1", http.Header{"X-Real-Ip": {"192.0.2.1"}}, 403},
		{"in those of RFC 7239", "127.0.0.1:5", "127.0.0.1", http.Header{"Forwarded": {"for=192.0.2.1"}}, 403},
		{"passed on from this machine", "127.0.0.1:5", "127.0.0.1", http.Header{"X-Forwarded-For": {"[::1]:5, 127.0.0.1"}}, 200},
		{"an address elsewhere", "127.0.0.1:5", "192.0.2.1", nil, 403},
		{"the server's own page", "127.0.0.1:5", "localhost:1", http.Header{"Origin": {"http://localhost:1"}, "Sec-Fetch-Site": {"same-origin"}}, 200},
		{"typed into a browser", "127.0.0.1:5", "localhost:1", http.Header{"Sec-Fetch-Site": {"none"}}, 200},
		{"a page on another port", "127.0.0.1:5", "localhost:1", http.Header{"Origin": {"http://localhost:2"}}, 403},
		{"a page of no origin", "127.0.0.1:5", "localhost:1", http.Header{"Origin": {"null"}}, 403},
		{"two origins", "127.0.0.1:5", "localhost:1", http.Header{"Origin": {"http://localhost:1", "http://evil.example"}}, 403},
		{"a link on a page", "127.0.0.1:5", "localhost:1", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		{"a page of the same site", "127.0.0.1:5", "localhost:1", http.Header{"Sec-Fetch-Site": {"same-site"}}, 403},
	} {
		r := httptest.NewRequest(http.MethodGet, "/_usher/sandboxes", nil)
		r.RemoteAddr, r.Host = tt.remote, tt.host
		for name, values := range tt.header {
			r.Header[name] = values
		}
		a := httptest.NewRecorder()
		front.ServeHTTP(a, r)
		if a.Code != tt.status {
			t.Errorf("%s: %d %s", tt.name, a.Code, a.Body)
		}
	}
}

// A sandbox is reached by a host name and by a path, and what it says of paths fits
// either.
func TestSandboxIsReached(t *testing.T) {
	w := newWorkbench(t, handlers.WorkbenchOptions{})
	w.want(201, "POST", "/sandboxes", `{"name":"one"}`)
	host := func(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }
	login := func(path string, change ...func(*http.Request)) said {
		return w.send("POST", path+"/node/api/users/session", `{"login":"Bob","password":"qwerty"}`, change...)
	}
	for _, tt := range []struct {
		path, host, cookie string
	}{
		{"", "one.localhost:1", "Path=/"},
		{"", "ONE.localhost.", "Path=/"},
		{"/_usher/in/one", "", "Path=/_usher/in/one/"},
	} {
		change := func(*http.Request) {}
		if tt.host != "" {
			change = host(tt.host)
		}
		a := login(tt.path, change)
		if a.status != 200 || !strings.HasSuffix(a.header.Get("Set-Cookie"), "; "+tt.cookie) {
			t.Errorf("%+v: %d %v", tt, a.status, a.header)
		}
	}
	if a := w.want(200, "GET", "/sandboxes/one/journal", ""); a.member("entries", "2", "request", "url") != "/node/api/users/session" || a.member("entries", "3") != "" {
		t.Errorf("the journal: %s", a.body)
	}
	if a := w.want(200, "GET", "/sandboxes/main/journal", ""); a.member("entries", "0") != "" {
		t.Errorf("in the journal of main: %s", a.body)
	}
	for _, a := range []said{w.send("GET", "/", "", host("nobody.localhost")), w.send("GET", "/", "", host("one.two.localhost")), w.send("GET", "/_usher/in/nobody/api", "")} {
		if a.status != 404 || !bytes.HasPrefix(a.body, []byte("no sandbox is called")) || a.header.Get("Content-Security-Policy") == "" {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	// What is no path of the control API's is one of the server's, in its words.
	if a := w.send("GET", "/_usher%2Fsandboxes", ""); a.status != 404 || !bytes.Contains(a.body, []byte("what is served here")) || a.header.Get("Content-Security-Policy") == "" {
		t.Errorf("%d %s %v", a.status, a.body, a.header)
	}
	// A path of the API reaches it as it was sent.
	if a := w.send("GET", "/_usher/in/one/node/api/a%2Fb%20c?x=%3B;y", ""); a.member("message") != "/node/api/a%2Fb%20c does not exist" {
		t.Errorf("%s", a.body)
	}
	if a := w.want(200, "GET", "/sandboxes/one/journal?text=b%2520c", ""); a.member("entries", "0", "request", "url") != "/node/api/a%2Fb%20c?x=%3B;y" {
		t.Errorf("the journal: %s", a.body)
	}
	alone, err := w.bench.Handler("milvus")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"", "/_usher/in/one"} {
		r := httptest.NewRequest(http.MethodPost, path+"/elsewhere", nil)
		r.Header.Set("Authorization", "Bearer root:Milvus")
		a := httptest.NewRecorder()
		alone.ServeHTTP(a, r)
		if a.Code != 404 || a.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("on a port of Milvus alone, %q: %d %s", path, a.Code, a.Body)
		}
	}
	if _, err := w.bench.Handler("acme"); err == nil {
		t.Error("there is an API called acme")
	}
}

// Behind a proxy that encrypts, and is trusted, a sandbox is reached by https.
func TestSandboxIsReachedByHTTPS(t *testing.T) {
	_, loopback, err := net.ParseCIDR("127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	for scheme, proxies := range map[string][]*net.IPNet{"https": {loopback}, "http": nil} {
		w := newWorkbenchOf(t, handlers.Options{TrustedProxies: proxies}, handlers.WorkbenchOptions{})
		a := w.want(200, "GET", "/sandboxes/main", "", header("X-Forwarded-Proto", "https"), func(r *http.Request) { r.Host = "localhost" })
		if a.member("urls", "host") != scheme+"://main.localhost" || a.member("urls", "path") != scheme+"://localhost/_usher/in/main" {
			t.Errorf("proxies %v: %s", proxies, a.body)
		}
	}
}

// Who would have been refused passes, and the journal says what he would have been
// told; or nobody is asked at all.
func TestAuthenticationOfASandbox(t *testing.T) {
	w := newWorkbench(t, handlers.WorkbenchOptions{})
	w.want(201, "POST", "/sandboxes", `{"name":"one","authentication":"observe"}`)
	current := func(change ...func(*http.Request)) int {
		return w.send("GET", "/_usher/in/one/node/api/users/current", "", change...).status
	}
	if got := current(); got != 200 {
		t.Errorf("nobody: %d", got)
	}
	if got := current(basicAuth("Bob", "qwerty")); got != 200 {
		t.Errorf("Bob: %d", got)
	}
	w.want(200, "PATCH", "/sandboxes/one", `{"authentication":"off"}`)
	if got := current(basicAuth("Bob", "wrong")); got != 200 {
		t.Errorf("off: %d", got)
	}
	w.want(200, "PATCH", "/sandboxes/one", `{"authentication":"enforce"}`)
	if got := current(basicAuth("Bob", "wrong")); got != 401 {
		t.Errorf("enforced again: %d", got)
	}
	a := w.want(200, "GET", "/sandboxes/one/journal", "")
	for i, passed := range []string{"401", "", "", ""} {
		if got := a.member("entries", fmt.Sprint(i), "passed", "status"); got != passed {
			t.Errorf("entry %d: passed %q, want %q", i, got, passed)
		}
	}
	if a.member("entries", "0", "passed", "code") != "Unauthorized" || a.member("entries", "1", "principal") != "Bob" {
		t.Errorf("%s", a.body)
	}
}

// A cut, a delay and a slow answer, over the wire, and what the journal has of them.
func TestFaultsOverTheWire(t *testing.T) {
	w := newWorkbench(t, handlers.WorkbenchOptions{})
	w.want(201, "POST", "/sandboxes", `{"name":"one"}`)
	w.want(201, "POST", "/sandboxes/one/faults", `{"operation":"changeUserPassword","cut":"before","first":1}`)
	w.want(201, "POST", "/sandboxes/one/faults", `{"operation":"changeUserPassword","cut":"after","first":1}`)
	const path = "/_usher/in/one/node/api/users/5e78c51788c61a1fbf34b673/password"
	change := func() error {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, w.url+path, strings.NewReader(`{"currentPassword":"qwerty","newPassword":"qwertz"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.SetBasicAuth("Bob", "qwerty")
		r.GetBody = nil // the client is not to try again by itself
		response, err := http.DefaultTransport.RoundTrip(r)
		if err == nil {
			_ = response.Body.Close()
		}
		return err
	}
	current := func(secret string) int {
		return w.send("GET", "/_usher/in/one/node/api/users/current", "", basicAuth("Bob", secret)).status
	}
	if err := change(); err == nil || current("qwerty") != 200 {
		t.Errorf("cut before: %v", err)
	}
	if err := change(); err == nil || current("qwertz") != 200 {
		t.Errorf("cut after: %v", err)
	}
	w.want(204, "DELETE", "/sandboxes/one/faults", "")
	w.want(201, "POST", "/sandboxes/one/faults", `{"api":"saymon","delay":"20ms","rate":100000}`)
	if got := current("qwertz"); got != 200 {
		t.Errorf("delayed, and slowly: %d", got)
	}
	if a := w.want(200, "GET", "/sandboxes/one/faults", ""); a.member("faults", "0", "applied") != "1" {
		t.Errorf("%s", a.body)
	}
	a := w.want(200, "GET", "/sandboxes/one/journal", "")
	for i, want := range []struct{ fault, cut, status string }{
		{"fault-1", "before", "0"}, {"", "", "200"}, {"fault-2", "after", "200"}, {"", "", "200"}, {"fault-3", "", "200"},
	} {
		entry := func(path ...string) string { return a.member(append([]string{"entries", fmt.Sprint(i)}, path...)...) }
		if entry("fault") != want.fault || entry("cut") != want.cut || entry("answer", "status") != want.status {
			t.Errorf("entry %d: %q %q %q, want %+v", i, entry("fault"), entry("cut"), entry("answer", "status"), want)
		}
	}
	if strings.Contains(string(a.body), "qwert") {
		t.Errorf("a password is in the journal: %s", a.body)
	}
}

// The redirect of a page leads to where it is below a prefix.
func TestLocationBelowAPrefix(t *testing.T) {
	w := newWorkbench(t, handlers.WorkbenchOptions{})
	response, err := http.DefaultTransport.RoundTrip(httptest.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/_usher/in/main/", nil))
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if at := response.Header.Get("Location"); response.StatusCode != http.StatusFound || at != "/_usher/in/main/_usher/" {
		t.Errorf("%d to %q", response.StatusCode, at)
	}
}

// The reference has a page for each API, which needs no script and nothing from
// elsewhere, and every operation is on it.
func TestReference(t *testing.T) {
	w := newWorkbench(t, handlers.WorkbenchOptions{})
	pages := map[string]*exchange.Contract{usher.Name: controlContract()}
	for name, c := range contracts() {
		pages[name] = c.Contract
	}
	for name, c := range pages {
		a := w.send("GET", "/_usher/reference/"+name, "")
		page := string(a.body)
		if a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Security-Policy"), "default-src 'none'; style-src 'sha256-") {
			t.Errorf("%s: %d %v", name, a.status, a.header)
		}
		for _, op := range c.Operations() {
			for _, part := range []string{`id="` + op.ID + `"`, "<b>" + op.Method + "</b>" + strings.TrimSuffix(op.Path, "/")} {
				if !strings.Contains(page, part) {
					t.Errorf("%s: no %s", name, part)
				}
			}
		}
		for _, never := range []string{"<script", "<no value>", "http-equiv", "src=", "%!"} {
			if strings.Contains(page, never) {
				t.Errorf("%s: there is %s", name, never)
			}
		}
		if a := w.send("GET", "/_usher/openapi/"+name+".yaml", ""); a.status != 200 || !bytes.Contains(a.body, []byte("openapi: 3.0.3")) {
			t.Errorf("%s: its contract: %d", name, a.status)
		}
	}
	for _, path := range []string{"/_usher/reference", "/_usher/reference/"} {
		if a := w.send("GET", path, ""); a.status != 200 || !bytes.Contains(a.body, []byte("usher control API")) {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}
