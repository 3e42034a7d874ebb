package edge

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

const changeBody = `{"role":"user","secret":"s3cret-1"}`

// putIn has every request get a fault, and notes what for.
func putIn(s *server, f *Fault) *[]string {
	asked := new([]string)
	s.options.Intercept = func(c *Call) *Fault {
		*asked = append(*asked, c.Operation)
		return f
	}
	return asked
}

func TestInjectedAnswer(t *testing.T) {
	teapot := &Answer{Status: 418, Code: "teapot", Header: http.Header{"X-Pot": {"short"}}, Value: map[string]string{"tea": "<hot>"}}
	var asked *[]string
	s := serve(t, func(s *server) {
		asked = putIn(s, &Fault{Rule: "rule 7", Answer: teapot})
		s.api.Header = http.Header{"X-Acme": {"yes"}}
		s.handler = func(echo.Context) error { t.Error("the handler was asked"); return nil }
	})
	w := s.do("PATCH", "/acme/things/a", changeBody, "Authorization", "junk", "X-Request-Id", "r-1")
	s.expect(w, 418, `{"tea":"<hot>"}`)
	for name, want := range map[string]string{"X-Pot": "short", "X-Acme": "yes", "X-Request-Id": "r-1", "Content-Type": "application/json"} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	s.expect(s.do("GET", "/acme/nothing", ""), 418, `{"tea":"<hot>"}`)
	if !slices.Equal(*asked, []string{"changeThing", ""}) {
		t.Errorf("asked for %q", *asked)
	}
	for _, want := range []string{`"fault":"rule 7"`, `"code":"teapot"`, `"status":418`} {
		if !strings.Contains(s.log.String(), want) {
			t.Errorf("%s is not in %s", want, s.log)
		}
	}
}

func TestWhoIsNotAdmittedGetsNoFault(t *testing.T) {
	var asked *[]string
	s := serve(t, func(s *server) {
		asked = putIn(s, &Fault{Answer: &Answer{Status: 418}})
		s.api.Admit = func(*Call) error { return errWho }
	})
	s.expect(s.do("GET", "/acme/things/a", ""), 401, `{"error":"who?"}`)
	if len(*asked) > 0 {
		t.Errorf("asked for %q", *asked)
	}
}

// A delay is out of the request's own time, and ends with the request.
func TestDelay(t *testing.T) {
	fault := &Fault{Delay: time.Millisecond}
	s := serve(t, func(s *server) {
		putIn(s, fault)
		s.options.Timeout = 50 * time.Millisecond
	})
	s.expect(s.do("GET", "/acme/things/a", ""), 200, `"a"`)
	fault.Delay = 24 * time.Hour
	s.expect(s.do("GET", "/acme/things/a", ""), 503, `{"error":"context deadline exceeded"}`)

	s = serve(t, func(s *server) { putIn(s, fault) })
	ctx, gone := context.WithCancel(t.Context())
	gone()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/acme/things/a", nil))
	if w.Code != 500 || strings.Contains(s.log.String(), `"ERROR"`) {
		t.Errorf("%d, %s", w.Code, s.log)
	}
}

// over serves s to a client of its own, by HTTP/1.1 or 2.
// shut returns once every request is done with.
func over(t *testing.T, s *server, version int, change func(*http.Server)) (client *http.Client, url string, shut func()) {
	t.Helper()
	server := httptest.NewUnstartedServer(s)
	if change != nil {
		change(server.Config)
	}
	if version == 2 {
		server.EnableHTTP2 = true
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return server.Client(), server.URL, server.Close
}

func request(t *testing.T, method, url, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	return r
}

func TestCut(t *testing.T) {
	for _, version := range []int{1, 2} {
		for _, cut := range []Cut{CutBefore, CutAfter} {
			t.Run(fmt.Sprintf("HTTP/%d %s", version, cut), func(t *testing.T) {
				fault, handled := &Fault{Rule: "r", Cut: cut}, make(chan int, 100)
				registry := prometheus.NewRegistry()
				told := make(chan Observed, 100)
				s := serve(t, func(s *server) {
					s.options.Intercept = func(*Call) *Fault { return fault }
					s.options.Metrics = registry
					s.options.Observe = func(_ *Call, o Observed) { told <- o }
					s.handler = func(c echo.Context) error { handled <- 1; return c.NoContent(204) }
				})
				client, url, shut := over(t, s, version, nil)
				body := changeBody + strings.Repeat(" ", LargeBody)
				for range MaxLargeBodies + 1 { // whose places have to be given back
					answer, err := client.Do(request(t, "PATCH", url+"/acme/things/a", body))
					if err == nil {
						_ = answer.Body.Close()
						t.Fatalf("answered %s", answer.Status)
					}
				}
				want, status := 0, 0
				if cut == CutAfter {
					want, status = MaxLargeBodies+1, 204
				}
				if len(handled) != want {
					t.Errorf("handled %d times", len(handled))
				}
				for range MaxLargeBodies + 1 {
					if o := <-told; o.Status != status || o.Fault != fault {
						t.Errorf("told %+v", o)
					}
				}
				fault = nil
				answer, err := client.Do(request(t, "PATCH", url+"/acme/things/a", body))
				if err != nil || answer.StatusCode != http.StatusNoContent {
					t.Fatal(answer, err)
				}
				_ = answer.Body.Close()
				shut()
				if line := fmt.Sprintf(`"cut":"%s"`, cut); strings.Count(s.log.String(), line) != MaxLargeBodies+1 || !strings.Contains(s.log.String(), fmt.Sprintf(`"status":%d`, status)) {
					t.Errorf("no %s in %s", line, s.log)
				}
				count := fmt.Sprintf("# HELP usher_requests_total Requests answered.\n# TYPE usher_requests_total counter\n"+
					"usher_requests_total{api=%[1]q,operation=%[2]q,status=\"204\"} 1\nusher_requests_total{api=%[1]q,operation=%[2]q,status=\"cut\"} %[3]d\n", "acme", "changeThing", MaxLargeBodies+1)
				if err := testutil.GatherAndCompare(registry, strings.NewReader(count), "usher_requests_total"); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// pieces is a connection that notes what comes at once.
type pieces struct {
	*httptest.ResponseRecorder
	written []string
}

func (p *pieces) Write(b []byte) (int, error) {
	p.written = append(p.written, string(b))
	return p.ResponseRecorder.Write(b)
}

func TestRate(t *testing.T) {
	s := serve(t, func(s *server) { putIn(s, &Fault{Rate: 2000}) })
	p := &pieces{ResponseRecorder: httptest.NewRecorder()}
	s.ServeHTTP(p, httptest.NewRequestWithContext(t.Context(), "GET", "/acme/things/"+strings.Repeat("a", 250), nil))
	if len(p.written) != 3 || len(p.written[0]) != 100 || p.Body.Len() != 252 {
		t.Errorf("written %q", p.written)
	}
}

// A slow answer may take longer than the server grants an answer.
func TestRateOutlastsTheServersTimeout(t *testing.T) {
	for _, version := range []int{1, 2} {
		s := serve(t, func(s *server) { putIn(s, &Fault{Rate: 200}) })
		client, url, _ := over(t, s, version, func(server *http.Server) { server.WriteTimeout = 100 * time.Millisecond })
		for range 2 { // the second one on the same connection
			answer, err := client.Do(request(t, "GET", url+"/acme/things/"+strings.Repeat("a", 78), ""))
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(answer.Body)
			if _ = answer.Body.Close(); err != nil || len(body) != 80 {
				t.Errorf("HTTP/%d: %d bytes, %v", version, len(body), err)
			}
		}
	}
}

// leaving is a connection that the caller leaves after the first piece.
type leaving struct {
	*httptest.ResponseRecorder
	leave func()
}

func (l leaving) Write(b []byte) (int, error) {
	l.leave()
	return l.ResponseRecorder.Write(b)
}

// Who goes away does not keep a slow answer going, which would take hours.
func TestRateEndsWithTheCaller(t *testing.T) {
	s := serve(t, func(s *server) { putIn(s, &Fault{Rate: 1}) })
	ctx, leave := context.WithCancel(t.Context())
	w := leaving{httptest.NewRecorder(), leave}
	s.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/acme/things/"+strings.Repeat("a", 6000), nil))
	if !strings.Contains(s.log.String(), `"send_error":"context canceled"`) {
		t.Errorf("the log has nothing of it: %s", s.log)
	}
}

func TestObserve(t *testing.T) {
	long := `{"role":"user","secret":"s3cret-1","mail":"` + strings.Repeat("m", MaxObserved) + `"}`
	tests := []struct {
		name, method, path, body string
		header                   []string
		status                   int
		read                     string
		truncated                bool
	}{
		{"answered", "PATCH", "/acme/things/a", changeBody, nil, 200, changeBody, false},
		{"without a body", "GET", "/acme/things/a", "", nil, 200, "", false},
		{"HEAD", "HEAD", "/acme/things/a", "", nil, 200, "", false},
		{"unknown", "POST", "/acme/nothing", changeBody, nil, 404, "", true},
		{"another verb", "DELETE", "/acme/things/a", "", nil, 405, "", false},
		{"who?", "PATCH", "/acme/things/a", changeBody, []string{"Authorization", "junk"}, 401, "", true},
		{"not admitted", "PATCH", "/acme/things/a", changeBody, []string{"X-Away", "1"}, 401, "", true},
		{"does not fit", "PATCH", "/acme/things/a", `{"role":7}`, nil, 400, `{"role":7}`, false},
		{"no JSON", "PATCH", "/acme/things/a", `{"role":`, nil, 402, `{"role":`, false},
		{"long", "PATCH", "/acme/things/a", long, nil, 400, long[:MaxObserved], true},
		{"too long", "PATCH", "/acme/things/a", strings.Repeat(" ", DefaultBodyLimit+1), nil, 403, strings.Repeat(" ", MaxObserved), true},
		{"panic", "PATCH", "/acme/things/panic", changeBody, nil, 500, changeBody, false},
		{"semicolon", "GET", "/acme/things/a?page=1;2", "", nil, 400, "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w, told := httptest.NewRecorder(), 0
			s := serve(t, func(s *server) {
				s.api.HeadIsGet = true
				s.api.Header = http.Header{"X-Acme": {"yes"}}
				s.api.Admit = func(c *Call) error {
					if c.Request.Header.Get("X-Away") != "" {
						return errWho
					}
					c.Request.Header.Del("X-Taken") // as vendors' code does
					return nil
				}
				s.handler = func(c echo.Context) error {
					if c.Param("id") == "panic" {
						panic("!")
					}
					return c.JSON(200, "done")
				}
				s.options.Observe = func(c *Call, o Observed) {
					told++
					if w.Body.Len() > 0 {
						t.Error("the answer went out before")
					}
					if o.Status != test.status || string(o.RequestBody) != test.read || o.RequestTruncated != test.truncated || o.Fault != nil || o.Passed != nil {
						t.Errorf("told %+v", o)
					}
					if o.Start.IsZero() || o.Elapsed <= 0 || o.Header.Get("X-Acme") != "yes" || o.Header.Get("X-Request-Id") != c.ID {
						t.Errorf("told %+v", o)
					}
					if c.Request.URL.RequestURI() != test.path || c.Request.Header.Get("X-Taken") != "there" {
						t.Errorf("of %s with %v", c.Request.URL, c.Request.Header)
					}
					defer func(body string) {
						t.Cleanup(func() {
							if w.Code != test.status || w.Body.String() != body {
								t.Errorf("told %q, answered %d %q", body, w.Code, w.Body)
							}
						})
					}(string(o.Body))
				}
			})
			r := httptest.NewRequestWithContext(t.Context(), test.method, test.path, strings.NewReader(test.body))
			if test.body == "" {
				r.Body = http.NoBody
			}
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("X-Taken", "there")
			for i := 0; i < len(test.header); i += 2 {
				r.Header.Set(test.header[i], test.header[i+1])
			}
			s.ServeHTTP(w, r)
			if told != 1 {
				t.Errorf("told %d times", told)
			}
		})
	}
}

// Of a request that is answered by a fault, the body is told of all the same.
func TestObserveTellsOfFaults(t *testing.T) {
	fault := &Fault{Rule: "r", Answer: &Answer{Status: 418}}
	var told Observed
	s := serve(t, func(s *server) {
		putIn(s, fault)
		s.options.Observe = func(_ *Call, o Observed) { told = o }
	})
	s.do("PATCH", "/acme/things/a", changeBody)
	if told.Fault != fault || told.Status != 418 || string(told.RequestBody) != changeBody || told.RequestTruncated {
		t.Errorf("told %+v", told)
	}
}

func in(mode Authentication) func(*server) {
	return func(s *server) { s.options.Authentication = func() Authentication { return mode } }
}

// who answers with who calls, as far as acme's handlers know.
func who(c echo.Context) error {
	return c.JSON(200, cmp.Or(c.Request().Context().Value(whoKey{}), any("nobody")))
}

func TestAuthenticationOff(t *testing.T) {
	s := serve(t, in(Off))
	s.handler = who
	for _, authorization := range []string{"junk", "good"} {
		w := s.do("PATCH", "/acme/things/a", changeBody, "Authorization", authorization)
		s.expect(w, 200, `"anyone"`)
	}
	s = serve(t, in(Enforce))
	s.handler = who
	s.expect(s.do("PATCH", "/acme/things/a", changeBody, "Authorization", "junk"), 401, `{"error":"who?"}`)
	s.expect(s.do("PATCH", "/acme/things/a", changeBody), 200, `"wile"`)
}

func TestObserving(t *testing.T) {
	other := errors.New("not about the caller")
	tests := []struct {
		name          string
		authorization string
		refuse        func(caller string) error // of the handler
		status        int
		body          string
		passed        bool
		asked         []string
	}{
		{"no refusal", "", nil, 200, `"wile"`, false, []string{"wile"}},
		{"by Authenticate", "junk", nil, 200, `"anyone"`, true, []string{"anyone"}},
		{"by the handler", "", func(caller string) error {
			if caller == "wile" {
				return errWho
			}
			return nil
		}, 200, `"anyone"`, true, []string{"wile", "anyone"}},
		{"of the request", "", func(string) error { return other }, 500, `{"error":"internal"}`, false, []string{"wile"}},
		{"whoever calls", "", func(string) error { return errWho }, 401, `{"error":"who?"}`, false, []string{"wile", "anyone"}},
		{"whoever calls, by Authenticate", "junk", func(string) error { return other }, 500, `{"error":"internal"}`, true, []string{"anyone"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var asked []string
			var told Observed
			s := serve(t, in(Observing))
			s = serve(t, func(s2 *server) {
				s2.options.Authentication = s.options.Authentication
				s2.options.Observe = func(_ *Call, o Observed) { told = o }
				s2.handler = func(c echo.Context) error {
					caller := c.Request().Context().Value(whoKey{}).(string)
					asked = append(asked, caller)
					if s2.bound.Secret != "s3cret-1" {
						t.Errorf("bound %+v", s2.bound)
					}
					CallFrom(c.Request().Context()).Header().Add("X-By", caller)
					if test.refuse != nil {
						if err := test.refuse(caller); err != nil {
							return err
						}
					}
					return who(c)
				}
			})
			w := s.do("PATCH", "/acme/things/a", changeBody, "Authorization", cmp.Or(test.authorization, "good"))
			s.expect(w, test.status, test.body)
			if !slices.Equal(asked, test.asked) {
				t.Errorf("asked as %q", asked)
			}
			if w.Header().Get("X-Refused") != "" || !slices.Equal(w.Header()["X-By"], asked[len(asked)-1:]) {
				t.Errorf("headers of the refusal stay: %v", w.Header())
			}
			if test.passed != (told.Passed != nil) {
				t.Fatalf("passed %+v", told.Passed)
			}
			if told.Passed != nil && (told.Passed.Status != 401 || test.authorization != "" && told.Passed.Header.Get("X-Refused") != "yes") {
				t.Errorf("passed %+v", told.Passed)
			}
			if told.Passed != nil && !strings.Contains(s.log.String(), `"refusal":401`) {
				t.Errorf("the log has nothing of it: %s", s.log)
			}
		})
	}
}

// An operation that is open to all is not asked twice: what looks like a refusal of
// the caller is one of what his request says.
func TestObservingLeavesOpenOperations(t *testing.T) {
	asked := 0
	s := serve(t, func(s *server) {
		in(Observing)(s)
		s.api.Authenticate = func(ctx context.Context, _ *Call) (context.Context, error) { return ctx, nil }
		s.handler = func(echo.Context) error { asked++; return errWho }
	})
	s.expect(s.do("PATCH", "/acme/things/a", changeBody), 401, `{"error":"who?"}`)
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

func TestMountRefusesAnAPIWithoutAnyone(t *testing.T) {
	s := serve(t, nil)
	s.api.Denied = nil
	if err := Mount(echo.New(), Options{}, s.api); err == nil || !strings.Contains(err.Error(), "Denied") {
		t.Errorf("got %v", err)
	}
}

// news is an API with a stream and a file.
const news = `
openapi: 3.0.3
info: {title: News, version: "1"}
paths:
  /events:
    get:
      operationId: follow
      responses: {"200": {description: events, content: {text/event-stream: {}}}}
  /file:
    put:
      operationId: upload
      requestBody: {required: true, content: {application/octet-stream: {schema: {type: string, format: binary}}}}
      responses: {"200": {description: done}}
`

// publish serves news, whose handlers are these.
func publish(t *testing.T, o Options, follow, upload echo.HandlerFunc) *server {
	t.Helper()
	return serve(t, func(s *server) {
		contract, err := ParseContract([]byte(news))
		if err != nil {
			t.Fatal(err)
		}
		o.Logger = s.options.Logger
		s.options, s.api.Contract = o, contract
		s.api.Register = func(r Router) {
			r.GET("/events", follow)
			r.PUT("/file", upload)
		}
	})
}

// tell sends an event as the generated code does.
func tell(c echo.Context, event string) error {
	c.Response().Header().Set("Content-Type", "text/event-stream")
	c.Response().WriteHeader(200)
	if _, err := c.Response().Write([]byte(event)); err != nil {
		return err
	}
	c.Response().Flush()
	return nil
}

func unused(echo.Context) error { return nil }

func TestStream(t *testing.T) {
	for _, version := range []int{1, 2} {
		t.Run(fmt.Sprint("HTTP/", version), func(t *testing.T) {
			const timeout = 50 * time.Millisecond
			told, ended, next := make(chan Observed, 1), make(chan error, 1), make(chan bool)
			s := publish(t, Options{Timeout: timeout, Observe: func(_ *Call, o Observed) { told <- o }}, func(c echo.Context) error {
				if err := tell(c, "data: 1\n\n"); err != nil {
					return err
				}
				<-next
				if err := tell(c, "data: 2\n\n"); err != nil {
					return err
				}
				ctx := c.Request().Context()
				<-ctx.Done()
				ended <- ctx.Err()
				return ctx.Err()
			}, unused)
			client, url, _ := over(t, s, version, func(server *http.Server) { server.ReadTimeout, server.WriteTimeout = timeout, timeout })
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			answer, err := client.Do(request(t, "GET", url+"/acme/events", "").WithContext(ctx))
			if err != nil {
				t.Fatal(err)
			}
			events := bufio.NewReader(answer.Body)
			read := func(want string) {
				t.Helper()
				if line, err := events.ReadString('\n'); line != want+"\n" || err != nil {
					t.Fatalf("got %q, %v", line, err)
				}
				_, _ = events.ReadString('\n')
			}
			read("data: 1")
			if o := <-told; o.Status != 200 || o.Body != nil || o.Header.Get("Content-Type") != "text/event-stream" {
				t.Errorf("told %+v", o)
			}
			if media := answer.Header.Get("Content-Type"); media != "text/event-stream" || answer.Header.Get("X-Request-Id") == "" {
				t.Errorf("headers %v", answer.Header)
			}
			<-time.After(3 * timeout) // every deadline that is not lifted is over by then
			close(next)
			read("data: 2")
			leave()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("ended with %v", err)
			}
			_ = answer.Body.Close()
		})
	}
}

// What fails before a stream has begun is answered as anything else, and what
// fails later breaks it off.
func TestStreamFails(t *testing.T) {
	began := false
	s := publish(t, Options{}, func(c echo.Context) error {
		if began {
			if err := tell(c, "data: 1\n\n"); err != nil {
				return err
			}
		}
		return errWho
	}, unused)
	s.expect(s.do("GET", "/acme/events", ""), 401, `{"error":"who?"}`)
	began = true
	client, url, _ := over(t, s, 1, nil)
	answer, err := client.Do(request(t, "GET", url+"/acme/events", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if body, err := io.ReadAll(answer.Body); string(body) != "data: 1\n\n" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %q, %v", body, err)
	}
	client.CloseIdleConnections()
}

func TestFaultsInStreams(t *testing.T) {
	s := publish(t, Options{Intercept: func(c *Call) *Fault {
		if c.Request.URL.RawQuery == "cut" {
			return &Fault{Cut: CutAfter}
		}
		return &Fault{Rate: 60}
	}}, func(c echo.Context) error {
		for i := range 3 {
			if err := tell(c, fmt.Sprintf("data: %d\n\n", i)); err != nil {
				return err
			}
		}
		return nil
	}, unused)
	client, url, _ := over(t, s, 1, nil)
	if answer, err := client.Do(request(t, "GET", url+"/acme/events?cut", "")); err == nil {
		_ = answer.Body.Close()
		t.Errorf("answered %s", answer.Status)
	}
	p := &pieces{ResponseRecorder: httptest.NewRecorder()}
	s.ServeHTTP(p, httptest.NewRequestWithContext(t.Context(), "GET", "/acme/events", nil))
	if p.Body.String() != "data: 0\n\ndata: 1\n\ndata: 2\n\n" || len(p.written) != 9 {
		t.Errorf("written %q", p.written)
	}
}

func TestFile(t *testing.T) {
	var got []byte
	s := publish(t, Options{FileLimit: 8}, unused, func(c echo.Context) (err error) {
		if got, err = io.ReadAll(c.Request().Body); err != nil {
			return err
		}
		return c.NoContent(204)
	})
	file := []byte{0xff, 0, '{', 1}
	send := func(body io.Reader, media string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), "PUT", "/acme/file", body)
		if media != "" {
			r.Header.Set("Content-Type", media)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w
	}
	for _, media := range []string{"application/octet-stream", ""} {
		got = nil
		if w := send(bytes.NewReader(file), media); w.Code != 204 || !bytes.Equal(got, file) {
			t.Errorf("as %q: %d, got %v", media, w.Code, got)
		}
	}
	for name, test := range map[string]struct {
		body  io.Reader
		media string
		want  BodyFault
	}{
		"too large, said":   {bytes.NewReader(make([]byte, 9)), octets, BodyTooLarge},
		"too large, unsaid": {io.MultiReader(bytes.NewReader(make([]byte, 9))), octets, BodyTooLarge},
		"another type":      {bytes.NewReader(file), "application/json", BodyMediaType},
		"no type":           {bytes.NewReader(file), ";", BodyMediaType},
		"none":              {http.NoBody, octets, BodyEmpty},
		"broken":            {io.MultiReader(bytes.NewReader(file), broken{}), octets, BodyUnread},
	} {
		if w := send(test.body, test.media); w.Code != 400+int(test.want) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }
