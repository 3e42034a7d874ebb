package handlers_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"hash/fnv"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"usher/handlers"
	"usher/handlers/applivery"
	"usher/handlers/exchange"
	"usher/handlers/milvus"
	"usher/storage"
	"usher/storage/password"
)

// The fuzz targets of this file send requests through the whole handler, one
// target an API. An input is
//
//	operation      an operationId; anything else stands for one, too
//	authorization  the header, as it is sent; admin: the first administrator's
//	segment        each parameter of the path, before it is escaped
//	query          what follows the question mark
//	header         one more header, NAME: VALUE
//	body           the body
//
// Whatever comes in, nothing panics, nothing fails but what the contract says
// may, and the answer is one that the contract declares.
//
// Every worker has a server of its own, whose state lasts from one input to the
// next, until the administrator is none any more.

func FuzzFusion(f *testing.F)    { fuzzAPI(f, "fusion") }
func FuzzApplivery(f *testing.F) { fuzzAPI(f, "applivery") }
func FuzzSaymon(f *testing.F)    { fuzzAPI(f, "saymon") }
func FuzzMilvus(f *testing.F)    { fuzzAPI(f, "milvus") }

// fuzzed is one API being fuzzed.
type fuzzed struct {
	api        string
	operations map[string]fuzzedOperation
	names      []string // of the operations, in order

	watch  watch
	dir    string
	store  *storage.Store
	log    bytes.Buffer
	server http.Handler // nil: there is none
	admin  string       // the administrator's Authorization
}

type fuzzedOperation struct {
	method, path string // path with its {parameters}, from the root
}

func fuzzAPI(f *testing.F, api string) {
	f.Helper()
	z := &fuzzed{api: api, watch: watch{api: api}, operations: map[string]fuzzedOperation{}}
	doc := contracts()[api].doc
	for path, item := range doc.Paths.Map() {
		base := doc.Servers[0].URL
		if len(item.Servers) > 0 {
			base = item.Servers[0].URL
		}
		for method, op := range item.Operations() {
			z.operations[op.OperationID] = fuzzedOperation{method, strings.TrimSuffix(base, "/") + path}
			f.Add(op.OperationID, "admin", "5e78c51788c61a1fbf34b673", "", "", []byte(nil))
			if op.RequestBody == nil {
				continue
			}
			for _, example := range op.RequestBody.Value.Content["application/json"].Examples {
				body, err := json.Marshal(example.Value.Value)
				if err != nil {
					f.Fatal(err)
				}
				f.Add(op.OperationID, "admin", "fe0885f2-8885-4c46-a3ea-8e5d0041c293", "", "", body)
			}
		}
	}
	z.names = slices.Sorted(maps.Keys(z.operations))
	for _, authorization := range []string{
		"", "Basic", "Basic ", "Basic =", "basic YWRtaW46eA==", "Basic YWRtaW4=", "Basic /////w==", "Bearer", "Bearer root:Milvus", "Bearer a.b.c",
		"bearer root:", "root:Milvus", ":", "Digest username=x", "Basic " + strings.Repeat("A", 4096),
	} {
		f.Add(z.names[0], authorization, "1", "", "", []byte("{}"))
	}
	for _, query := range []string{
		"sort=createdAt:desc&page=2&limit=1", "sort=:&page=0&limit=-1", "page=9223372036854775807&limit=100", "page=1e9", "sort=%ff:asc", "search=%00&role=user",
		"username=a&username=b", "_cookie=false", "realmName=", "api-token=x", "apiKey=x&x-api-key=y", "%zz", "a;b", "=&&=", "text=%5B", "[]=1",
	} {
		for _, operation := range z.names {
			if z.operations[operation].method == http.MethodGet {
				f.Add(operation, "admin", "x", query, "", []byte(nil))
			}
		}
	}
	for _, header := range []string{
		"Cookie: id=840a33d4-b650-49f2-87a4-85412e99b37c", "Cookie: sid=", "Cookie: id=\"", "Cookie: =;;=", "Content-Type: text/plain", "Content-Type: application/json; charset=\"",
		"Request-Timeout: 0", "Request-Timeout: -9223372036854775808", "Request-Timeout: 1e3", "DB-Name: \xff", "x-api-key: x", "apiKey: ", "X-Request-Id: \xe9",
		"fusion-request-id: a b", "Request-Id: ../..", "X-Forwarded-For: ::1", "X-Forwarded-For: 198.51.100.7, 192.0.2.9:x,, [::",
	} {
		f.Add(z.names[0], "", "%2e%2e/", "", header, []byte("{}"))
	}
	for _, body := range []string{
		`{"userName":"a","password":"b"`, `[]`, `null`, `"`, `{"password":1e999}`, `{"a":{"a":{"a":[[[[null]]]]}}}`, "{\"email\":\"\xff@\"}", `{"password":null,"password":"x"}`,
		`{"permissions":[{"methods":[null],"path":"/**/{"}]}`, `{"eventFilter":[{"a":-0}],"objectPermissions":{"include":[1e400]}}`, " ", "\ufeff{}", `{"x":1}x`,
	} {
		for _, operation := range z.names {
			f.Add(operation, "admin", ".", "", "", []byte(body))
		}
	}
	f.Cleanup(z.close)
	f.Fuzz(z.send)
}

// send sends one request and holds the answer against the contract.
func (z *fuzzed) send(t *testing.T, operation, authorization, segment, query, header string, body []byte) {
	z.open(t)
	if authorization == "admin" {
		authorization = z.admin
	}
	r := z.request(t, operation, segment, query, body)
	name, value, _ := strings.Cut(header, ":")
	value = strings.Trim(value, " \t")
	if r == nil || !fit(authorization) || !fit(value) || strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
		return // no client can send this
	}
	r.Header.Set("Content-Type", "application/json")
	if name != "" {
		r.Header.Set(name, value)
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	z.log.Reset()
	answer := httptest.NewRecorder()
	z.server.ServeHTTP(answer, r)
	got := answer.Body.Bytes()
	e := exchange.Exchange{Request: requestOf(r, body), Answer: exchange.Message{Status: answer.Code, Header: answer.Result().Header, Body: got}}
	if err := z.watch.check(&e); err != nil {
		t.Errorf("%s %s → %d %s: %v", r.Method, r.URL, answer.Code, got, err)
	}
	z.watch.secrets = exchange.Secrets(e)
	for _, found := range z.watch.unmasked(e) {
		t.Error(found)
	}
	if said := z.log.String(); strings.Contains(said, `"level":"ERROR"`) {
		t.Errorf("%s %s → %d %s: %s", r.Method, r.URL, answer.Code, got, said)
	}
	if !z.sound() {
		z.close()
	}
}

// fit says whether a client can send this as a header's value.
func fit(value string) bool {
	return !strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) && strings.Trim(value, " \t") == value
}

// request makes the request; nil: it has no form that could be sent.
func (z *fuzzed) request(t *testing.T, operation, segment, query string, body []byte) *http.Request {
	t.Helper()
	op, found := z.operations[operation]
	if !found {
		sum := fnv.New32()
		_, _ = io.WriteString(sum, operation)
		op = z.operations[z.names[int(sum.Sum32()%uint32(len(z.names)))]]
	}
	path := op.path
	if before, rest, found := strings.Cut(path, "{"); found {
		_, after, _ := strings.Cut(rest, "}")
		path = before + url.PathEscape(segment) + after
	}
	if query != "" {
		path += "?" + query
	}
	if strings.ContainsFunc(path, func(c rune) bool { return c <= ' ' || c == 0x7f || c == '#' }) {
		return nil
	}
	r, err := http.NewRequestWithContext(t.Context(), op.method, "http://usher"+path, bytes.NewReader(body))
	if err != nil {
		return nil
	}
	r.RequestURI, r.RemoteAddr = r.URL.RequestURI(), "192.0.2.1:1234"
	return r
}

// open starts a server if there is none.
func (z *fuzzed) open(t *testing.T) {
	t.Helper()
	if z.server != nil {
		return
	}
	var err error
	if z.dir, err = os.MkdirTemp("", "usher-fuzz-"); err != nil {
		t.Fatal(err)
	}
	z.store, err = storage.Open(t.Context(), storage.Options{
		Path: filepath.Join(z.dir, "usher.db"),
		Hash: password.Params{Memory: cheapMemory, Time: 1, Threads: 1},
		// An input must not be refused for what earlier ones did.
		Account: storage.Rate{Burst: -1}, Source: storage.Rate{Burst: -1},
	})
	if err != nil {
		t.Fatal(err)
	}
	first := handlers.World{Passwords: map[string]password.Plain{}}
	for _, name := range handlers.Names() {
		first.Passwords[name] = adminPassword
	}
	if err := handlers.Seed(t.Context(), z.store, first); err != nil {
		t.Fatal(err)
	}
	z.server, err = handlers.New(z.store, handlers.Options{
		Logger: slog.New(slog.NewJSONHandler(&z.log, nil)),
		// Who sends is one, so that X-Forwarded-For is read.
		TrustedProxies: []*net.IPNet{{IP: net.IPv4(192, 0, 2, 0), Mask: net.CIDRMask(24, 32)}},

		Applivery: applivery.Options{RateLimit: -1},
		Milvus:    milvus.Options{Rules: milvus.Documented, MaxUsers: 1_000_000, MaxRoles: 1_000_000},
	})
	if err != nil {
		t.Fatal(err)
	}
	administrator := handlers.FirstAdministrator(z.api)
	switch z.api {
	case "applivery":
		var in struct {
			Data struct{ AccessToken struct{ Token string } }
		}
		answer := z.ask(http.MethodPost, "/v1/auth/login", `{"provider":"traditional","payload":{"email":"`+administrator+`","password":"`+adminPassword+`"}}`)
		if err := json.Unmarshal(answer.Body.Bytes(), &in); err != nil {
			t.Fatal(err)
		}
		z.admin = "Bearer " + in.Data.AccessToken.Token
	case "milvus":
		z.admin = "Bearer " + administrator + ":" + adminPassword
	default:
		z.admin = "Basic " + base64.StdEncoding.EncodeToString([]byte(administrator+":"+adminPassword))
	}
	if !z.sound() {
		t.Fatal("the administrator is none")
	}
}

// sound says whether the administrator still is one.
func (z *fuzzed) sound() bool {
	method, path := http.MethodGet, map[string]string{
		"fusion": "/api/users?username=x", "applivery": "/v1/users?limit=1", "saymon": "/node/api/user-groups",
	}[z.api]
	if z.api == "milvus" {
		method, path = http.MethodPost, "/v2/vectordb/users/list"
	}
	return z.ask(method, path, "{}").Code == http.StatusOK
}

// ask sends a request of the administrator's.
func (z *fuzzed) ask(method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", z.admin)
	answer := httptest.NewRecorder()
	z.server.ServeHTTP(answer, r)
	return answer
}

func (z *fuzzed) close() {
	if z.server == nil {
		return
	}
	z.server = nil
	_ = z.store.Close()
	_ = os.RemoveAll(z.dir)
}
