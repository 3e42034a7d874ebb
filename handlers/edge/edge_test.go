package edge

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/oapi-codegen/runtime"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// acme is an API of its own: what the edge does must not lean on a vendor's.
const acme = `
openapi: 3.0.3
info: {title: Acme, version: "1"}
servers: [{url: "https://{host}/elsewhere", variables: {host: {default: example.com}}}]
paths:
  /:
    post: {operationId: start, responses: {"204": {description: done}}}
  /token:
    post: {operationId: token, responses: {"204": {description: done}}}
  /things/{id}/parts:
    parameters:
      - {name: id, in: path, required: true, schema: {type: string}}
    get: {operationId: getParts, responses: {"204": {description: done}}}
  /things/latest:
    get: {operationId: getLatest, responses: {"200": {description: done}}}
  /things/{id}:
    parameters:
      - {name: id, in: path, required: true, schema: {type: string, pattern: "^[a-z/<]+$"}}
    get:
      operationId: getThing
      parameters:
        - {name: page, in: query, schema: {type: integer, minimum: 1}}
      responses: {"200": {description: done}}
    patch:
      operationId: changeThing
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: "#/components/schemas/Thing"}}}
      responses: {"200": {description: done}}
components:
  schemas:
    Thing:
      type: object
      required: [role, secret]
      properties:
        secret: {type: string, format: password, minLength: 8, x-order: 2}
        role: {type: string, enum: [user, admin], x-order: 1}
        mail: {type: string, format: email, x-order: 3}
        tags: {type: array, x-order: 4, items: {type: string, maxLength: 3}}
        count: {type: integer, x-order: 5}
        loud: {type: boolean, x-order: 7}
        limits: {type: object, x-order: 6, additionalProperties: {type: integer}}
        part: {type: object, x-order: 8, additionalProperties: false, properties: {a: {type: string}}}
`

// whoKey is where acme's handlers find who calls.
type whoKey struct{}

var errWho = errors.New("who?")

type thing struct {
	Role   string   `json:"role"`
	Secret string   `json:"secret"`
	Mail   string   `json:"mail"`
	Tags   []string `json:"tags"`
	Count  int64    `json:"count"`
	Loud   bool     `json:"loud,omitempty"`
}

// server is acme, served. Its handlers do what the generated ones do.
type server struct {
	*testing.T
	http.Handler
	api     API
	options Options
	log     *bytes.Buffer
	bound   thing
	handler func(c echo.Context) error // of changeThing, after binding
}

func serve(t *testing.T, change func(*server)) *server {
	t.Helper()
	s := &server{T: t, log: new(bytes.Buffer)}
	contract, err := ParseContract([]byte(acme))
	if err != nil {
		t.Fatal(err)
	}
	s.options = Options{Logger: slog.New(slog.NewJSONHandler(s.log, nil))}
	s.api = API{
		Name: "acme", Roots: []string{"/acme", "/token"}, Contract: contract,
		Authenticate: func(ctx context.Context, c *Call) (context.Context, error) {
			if c.Request.Header.Get("Authorization") == "junk" {
				c.Header().Set("X-Refused", "yes")
				return nil, errWho
			}
			c.Principal = "wile"
			return context.WithValue(ctx, whoKey{}, "wile"), nil
		},
		Anyone: func(ctx context.Context, _ *Call) (context.Context, error) {
			return context.WithValue(ctx, whoKey{}, "anyone"), nil
		},
		Denied:    func(err error) bool { return errors.Is(err, errWho) },
		Fail:      words,
		JSON:      JSONStyle{ContentType: "application/json"},
		RequestID: "X-Request-Id",
		Register: func(r Router) {
			done := func(c echo.Context) error { c.Response().WriteHeader(204); return nil }
			r.POST("/", done)
			r.POST("/token", done)
			r.GET("/things/latest", done)
			r.GET("/things/:id/parts", done)
			r.GET("/things/:id", func(c echo.Context) error { return c.JSON(200, c.Param("id")) })
			r.PATCH("/things/:id", s.change)
		},
	}
	if change != nil {
		change(s)
	}
	e := echo.New()
	if err := Mount(e, s.options, s.api); err != nil {
		t.Fatal(err)
	}
	s.Handler = e
	return s
}

// change binds as the generated code does.
func (s *server) change(c echo.Context) error {
	s.bound = thing{}
	vb, ok := c.Request().Body.(interface{ ValidatedValue() any })
	if !ok || runtime.BindJSONValue(vb.ValidatedValue(), &s.bound) != nil {
		if err := new(echo.DefaultBinder).BindBody(c, &s.bound); err != nil {
			return err
		}
	}
	if s.handler != nil {
		return s.handler(c)
	}
	return c.JSON(200, s.bound)
}

// words is acme's envelope: the error's own words.
func words(_ *Call, err error) Answer {
	a := Answer{Status: 500, Code: "internal", Value: map[string]string{"error": "internal"}}
	say := func(status int, code string) Answer {
		return Answer{Status: status, Code: code, Value: map[string]string{"error": err.Error()}}
	}
	var route *RouteError
	var body *BodyError
	var invalid *InvalidError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return say(503, "late")
	case errors.As(err, &route):
		if len(route.Allow) > 0 {
			a = say(405, "verb")
			a.Header = http.Header{"Allow": {strings.Join(route.Allow, ", ")}}
			return a
		}
		return say(404, "path")
	case errors.As(err, &body):
		return say(400+int(body.Fault), "body")
	case errors.As(err, &invalid):
		return say(400, "invalid")
	case errors.Is(err, errWho):
		return say(401, "who")
	}
	return a
}

func (s *server) do(method, path, body string, header ...string) *httptest.ResponseRecorder {
	s.Helper()
	r := httptest.NewRequestWithContext(s.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i+1] == "" {
			r.Header.Del(header[i])
		}
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func (s *server) expect(w *httptest.ResponseRecorder, status int, body string) {
	s.Helper()
	if w.Code != status || w.Body.String() != body {
		s.Errorf("got %d %s\nwant %d %s", w.Code, w.Body, status, body)
	}
}

func TestRoutes(t *testing.T) {
	s := serve(t, nil)
	tests := []struct {
		method, path string
		status       int
		allow        string
	}{
		{"POST", "/acme", 204, ""},
		{"POST", "/acme/", 204, ""},
		{"GET", "/acme", 405, "POST"},
		{"POST", "/token", 204, ""},
		{"GET", "/token", 405, "POST"},
		{"GET", "/token/more", 404, ""},
		{"DELETE", "/acme/things/a", 405, "GET, PATCH"},
		{"OPTIONS", "/acme/things/a", 405, "GET, PATCH"},
		{"DELETE", "/acme/things/a%2Fb", 405, "GET, PATCH"},
		{"GET", "/acme/things/latest", 204, ""},
		{"DELETE", "/acme/things/latest", 405, "GET, PATCH"},
		{"GET", "/acme/things/", 404, ""},
		{"GET", "/acme/things//parts", 404, ""},
		{"GET", "/acme/things/a/parts", 204, ""},
		{"GET", "/acme/things/a/b", 404, ""},
		{"GET", "/acme/nothing", 404, ""},
		{"GET", "/acme//things/a", 404, ""},
		{"GET", "/acme/things%2Fa", 404, ""},
		{"GET", "/acme/Things/a", 404, ""},
	}
	for _, test := range tests {
		w := s.do(test.method, test.path, "")
		if w.Code != test.status || w.Header().Get("Allow") != test.allow {
			t.Errorf("%s %s: %d %q", test.method, test.path, w.Code, w.Header().Get("Allow"))
		}
		if w.Code != 404 && w.Code != 405 {
			continue
		}
		if got := w.Header().Get("Content-Type"); got != "application/json" {
			t.Errorf("%s %s: Content-Type %q", test.method, test.path, got)
		}
	}
	if w := s.do("GET", "/acmes", ""); w.Header().Get("X-Request-Id") != "" {
		t.Error("the edge answered outside of its roots")
	}
}

// With EveryPath an API answers everywhere, and knows its own paths only below
// its roots.
func TestEveryPath(t *testing.T) {
	s := serve(t, func(s *server) { s.options.EveryPath = true })
	for path, want := range map[string]int{
		"/acme/things/a": 405, "/acme": 405, "/acme/": 405, "/token": 405,
		"/": 404, "/things/a": 404, "/things/latest": 404, "/acmes": 404, "/acmes/things/a": 404, "/acme/token": 404,
		"/tokens": 404, "/token/things/a": 404, "/acm": 404,
	} {
		w := s.do("DELETE", path, "")
		if w.Code != want || (w.Header().Get("Allow") != "") != (want == 405) || w.Header().Get("X-Request-Id") == "" {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
	}
}

func TestLaxRoutes(t *testing.T) {
	for lax, want := range map[bool]int{false: 404, true: 204} {
		s := serve(t, func(s *server) { s.api.TrailingSlash = lax })
		if w := s.do("GET", "/acme/things/latest/", ""); w.Code != want {
			t.Errorf("trailing slash %v: %d", lax, w.Code)
		}
		if w := s.do("GET", "/acme/things/", ""); w.Code != 404 {
			t.Errorf("an empty parameter: %d", w.Code)
		}
	}
	for lax, want := range map[bool]int{false: 405, true: 200} {
		s := serve(t, func(s *server) { s.api.HeadIsGet = lax })
		w := s.do("HEAD", "/acme/things/a", "")
		if w.Code != want || lax && (w.Body.Len() > 0 || w.Header().Get("Content-Length") != "3") {
			t.Errorf("HEAD %v: %d %q %v", lax, w.Code, w.Body, w.Header())
		}
	}
}

func TestUnknownPathsBehindAuthentication(t *testing.T) {
	for first, want := range map[bool]int{false: 404, true: 401} {
		s := serve(t, func(s *server) { s.api.AuthenticateFirst = first })
		if w := s.do("GET", "/acme/nothing", "", "Authorization", "junk"); w.Code != want {
			t.Errorf("authenticate first %v: %d", first, w.Code)
		}
	}
}

// Who is not admitted is told so before anything else is looked at, and what
// Admit says in headers stands on every answer.
func TestAdmit(t *testing.T) {
	left := 2
	s := serve(t, func(s *server) {
		s.api.Preflight = func(*Call) Answer { return Answer{Status: 204} }
		s.api.Admit = func(c *Call) error {
			left--
			c.Header().Set("X-Left", strconv.Itoa(left))
			if left < 0 {
				return errWho
			}
			return nil
		}
	})
	for i, want := range []int{200, 404, 401, 401, 401} {
		method, path := "GET", "/acme/things/a"
		switch i {
		case 1, 3:
			path = "/acme/nothing"
		case 4:
			method = "OPTIONS"
		}
		w := s.do(method, path, "")
		if w.Code != want || w.Header().Get("X-Left") != strconv.Itoa(1-i) {
			t.Errorf("request %d: %d %v", i, w.Code, w.Header())
		}
	}
}

func TestPreflightAnswersEveryPath(t *testing.T) {
	s := serve(t, func(s *server) {
		s.api.Header = http.Header{"Access-Control-Allow-Origin": {"*"}}
		s.api.Preflight = func(*Call) Answer { return Answer{Status: 204} }
	})
	for _, path := range []string{"/acme/things/a", "/acme/nothing", "/token"} {
		w := s.do("OPTIONS", path, "", "Authorization", "junk")
		if w.Code != 204 || w.Header().Get("Access-Control-Allow-Origin") != "*" || w.Body.Len() > 0 {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
	}
}

// A route that the contract does not know, or an operation that nothing
// registers, would go unvalidated or unserved in silence.
func TestMountRefusesWhatTheContractDoesNotName(t *testing.T) {
	contract, err := ParseContract([]byte(acme))
	if err != nil {
		t.Fatal(err)
	}
	handler := func(echo.Context) error { return nil }
	for want, register := range map[string]func(Router){
		"registered, but not in the contract: PUT /things/:id": func(r Router) { r.PUT("/things/:id", handler) },
		"in the contract, but not registered: ":                func(Router) {},
	} {
		nobody := func(ctx context.Context, _ *Call) (context.Context, error) { return ctx, nil }
		err := Mount(echo.New(), Options{}, API{
			Name: "acme", Roots: []string{"/acme"}, Contract: contract, Register: register,
			Authenticate: nobody, Anyone: nobody, Denied: func(error) bool { return false },
		})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestPanicIsAnsweredInTheEnvelope(t *testing.T) {
	for _, value := range []any{"hunter2", errors.New("hunter2"), struct{ Secret string }{"hunter2"}} {
		s := serve(t, func(s *server) {
			s.handler = func(c echo.Context) error {
				c.Response().WriteHeader(200)
				_, _ = c.Response().Write([]byte("half an ans"))
				panic(value)
			}
		})
		w := s.do("PATCH", "/acme/things/a", `{"role":"user","secret":"12345678"}`)
		s.expect(w, 500, `{"error":"internal"}`)
		if log := s.log.String(); strings.Contains(log, "hunter2") || !strings.Contains(log, `"stack"`) {
			t.Errorf("log: %s", log)
		}
	}
}

func TestHalfAnAnswerIsTakenBack(t *testing.T) {
	s := serve(t, func(s *server) {
		s.handler = func(c echo.Context) error {
			c.Response().Header().Set("X-Half", "1")
			_ = c.JSON(200, "half")
			return errors.New("broke")
		}
	})
	w := s.do("PATCH", "/acme/things/a", `{"role":"user","secret":"12345678"}`)
	s.expect(w, 500, `{"error":"internal"}`)
	if w.Header().Get("X-Half") != "" {
		t.Error("a header of the answer taken back was sent")
	}
}

func TestDeadline(t *testing.T) {
	s := serve(t, func(s *server) {
		s.options.Timeout = time.Millisecond
		s.handler = func(c echo.Context) error {
			<-c.Request().Context().Done()
			return c.Request().Context().Err()
		}
	})
	w := s.do("PATCH", "/acme/things/a", `{"role":"user","secret":"12345678"}`)
	s.expect(w, 503, `{"error":"context deadline exceeded"}`)
}

func TestJSONStyle(t *testing.T) {
	const sent = "US & Canada <\u2028> \\u0026 \\\\u003c é \x01"
	for escape, want := range map[bool]string{
		false: "\"US & Canada <\u2028> \\\\u0026 \\\\\\\\u003c é \\u0001\"",
		true:  `"US \u0026 Canada \u003c\u2028\u003e \\u0026 \\\\u003c é \u0001"`,
	} {
		s := serve(t, func(s *server) {
			s.api.JSON = JSONStyle{ContentType: "application/json; charset=utf-8", EscapeHTML: escape}
			s.handler = func(c echo.Context) error { return c.JSON(200, sent) }
		})
		// echo's own JSON carries no charset, as the generated code's does not.
		w := s.do("PATCH", "/acme/things/a", `{"role":"user","secret":"12345678"}`)
		s.expect(w, 200, want)
		if got := w.Header().Get("Content-Length"); got != strconv.Itoa(len(want)) {
			t.Errorf("Content-Length %s, want %d", got, len(want))
		}
		if got := w.Header().Get("Content-Type"); got != "application/json; charset=utf-8" {
			t.Errorf("Content-Type %s", got)
		}
	}
}

func TestRequestID(t *testing.T) {
	s := serve(t, nil)
	for given, kept := range map[string]bool{
		"": false, "abc-123_x.y:z": true, "line\nbreak": false, "blank space": false, strings.Repeat("a", 129): false, `quo"te`: false,
	} {
		w := s.do("POST", "/acme", "", "X-Request-Id", given)
		if got := w.Header().Get("X-Request-Id"); (got == given) != kept || got == "" {
			t.Errorf("given %q, got %q", given, got)
		}
	}
	first, second := s.do("POST", "/acme", ""), s.do("POST", "/acme", "")
	if first.Header().Get("X-Request-Id") == second.Header().Get("X-Request-Id") {
		t.Error("the same id twice")
	}
}

func TestOneLogLineAndOneCountPerRequest(t *testing.T) {
	registry := prometheus.NewRegistry()
	s := serve(t, func(s *server) { s.options.Metrics = registry })
	s.do("GET", "/acme/things/a?secret=hunter2", "", "X-Request-Id", "one")
	s.do("GET", "/acme/nothing", "")
	s.do("GET", "/acme/things/a", "", "Authorization", "junk")
	lines := strings.Split(strings.TrimSpace(s.log.String()), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines: %s", len(lines), s.log)
	}
	for _, want := range []string{`"msg":"request"`, `"api":"acme"`, `"operation":"getThing"`, `"path":"/acme/things/a"`, `"status":200`, `"request_id":"one"`, `"principal":"wile"`, `"source":"192.0.2.1"`} {
		if !strings.Contains(lines[0], want) {
			t.Errorf("%s is not in %s", want, lines[0])
		}
	}
	if strings.Contains(s.log.String(), "hunter2") {
		t.Error("a query was logged")
	}
	if !strings.Contains(lines[2], `"code":"who"`) {
		t.Errorf("no code in %s", lines[2])
	}
	want := `
# HELP usher_requests_total Requests answered.
# TYPE usher_requests_total counter
usher_requests_total{api="acme",operation="getThing",status="200"} 1
usher_requests_total{api="acme",operation="getThing",status="401"} 1
usher_requests_total{api="acme",operation="unknown",status="404"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "usher_requests_total"); err != nil {
		t.Error(err)
	}
}

func TestFailuresAreLoggedWithTheirCause(t *testing.T) {
	for refusal, want := range map[bool]int{false: 2, true: 1} {
		s := serve(t, func(s *server) {
			s.handler = func(echo.Context) error { return errors.New("the disk is full") }
			s.api.Fail = func(*Call, error) Answer { return Answer{Status: 500, Refusal: refusal} }
		})
		s.do("PATCH", "/acme/things/a", `{"role":"user","secret":"12345678"}`)
		if got := strings.Count(s.log.String(), "\n"); got != want || strings.Contains(s.log.String(), "the disk is full") == refusal {
			t.Errorf("refusal %v: %s", refusal, s.log)
		}
	}
}

// Whatever goes wrong in wording a failure, it is a failure.
func TestFailureWithoutWords(t *testing.T) {
	for _, fail := range []func(*Call, error) Answer{
		func(*Call, error) Answer { panic("hunter2") },
		func(*Call, error) Answer { return Answer{} },
	} {
		s := serve(t, func(s *server) {
			s.handler = func(echo.Context) error { return errors.New("broke") }
			s.api.Fail = fail
		})
		w := s.do("PATCH", "/acme/things/a", `{"role":"user","secret":"12345678"}`)
		if w.Code != 500 || w.Body.Len() > 0 || strings.Contains(s.log.String(), "hunter2") {
			t.Errorf("%d %s, log: %s", w.Code, w.Body, s.log)
		}
	}
}

func TestHandlerFindsItsCall(t *testing.T) {
	var got *Call
	s := serve(t, func(s *server) {
		s.handler = func(c echo.Context) error {
			got = CallFrom(c.Request().Context())
			got.Header().Set("Set-Cookie", "id=1")
			return errors.New("broke")
		}
	})
	w := s.do("PATCH", "/acme/things/a", `{"role":"user","secret":"12345678"}`)
	if got == nil || got.Operation != "changeThing" || got.Param("id") != "a" || got.Principal != "wile" {
		t.Errorf("%+v", got)
	}
	if w.Header().Get("Set-Cookie") != "id=1" {
		t.Error("the call's header was not sent with the failure")
	}
}
