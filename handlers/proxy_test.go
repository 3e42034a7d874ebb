package handlers_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"usher/handlers"
	"usher/handlers/conform"
	"usher/handlers/exchange"
	"usher/handlers/proxy"
)

// proxied puts a proxy between a world's clients and its server, and gives what
// closes it and says which exchanges it has judged.
func (w *world) proxied(t *testing.T, target string, enforce bool) (judged func() []exchange.Exchange) {
	t.Helper()
	at, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true
	var all []exchange.Exchange
	o := proxy.Options{
		Target: at, Contract: contracts()[w.api].Contract, Transport: transport, Logger: slog.New(slog.NewJSONHandler(w.log, nil)),
		Judged: func(e *exchange.Exchange) { all = append(all, *e) },
	}
	if enforce {
		if o.Checker, err = handlers.Checker(w.api); err != nil {
			t.Fatal(err)
		}
	}
	p := proxy.New(o)
	server := httptest.NewServer(p)
	w.url = server.URL
	return sync.OnceValue(func() []exchange.Exchange {
		server.Close()
		transport.CloseIdleConnections()
		if unjudged := p.Close(context.Background()); unjudged > 0 {
			t.Errorf("%d exchanges were not judged", unjudged)
		}
		return all
	})
}

// Behind the proxy every script says what it says without, and in nothing that
// usher answers does the proxy find a breach of the contract; nor do secrets get
// into its log.
func TestScriptsThroughProxy(t *testing.T) {
	for _, api := range handlers.Names() {
		suite, err := handlers.Suite(api)
		if err != nil {
			t.Fatal(err)
		}
		for _, script := range suite.Scripts {
			if slices.Contains(script.Needs, "busy") { // costs seconds of hashing, and to a proxy it is an error like others
				continue
			}
			t.Run(api+"/"+script.Name, func(t *testing.T) {
				t.Parallel()
				w, err := newWorld(t.TempDir(), api, script.Needs)
				if err != nil {
					t.Fatal(err)
				}
				judged := w.proxied(t, w.url, false)
				run := conform.Runner{Contract: contracts()[api].Contract}
				c := run.Run(t.Context(), script, nil, w.server())
				for _, f := range c.Failures {
					t.Error(f.Text(script.Name))
				}
				all := judged()
				if len(all) < script.Requests() {
					t.Errorf("%d exchanges were judged, of %d requests", len(all), script.Requests())
				}
				for _, e := range all {
					for _, v := range e.Violations {
						if v.In == exchange.Answer {
							t.Errorf("%s %s → %d: %+v", e.Request.Method, e.Request.URL, e.Answer.Status, v)
						}
					}
				}
				for _, problem := range w.close() {
					t.Error(problem)
				}
			})
		}
	}
}

// With the proxy between a generated client and usher, usher gets what the client
// sends and the client gets what usher answers, byte for byte, but for what HTTP
// leaves to each connection.
func TestProxyChangesNothing(t *testing.T) {
	journeys := map[string]func(*testing.T, *world){"fusion": journeyFusion, "applivery": journeyApplivery, "saymon": journeySAYMON, "milvus": journeyMilvus}
	for _, api := range handlers.Names() {
		for _, enforce := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/enforce=%v", api, enforce), func(t *testing.T) {
				w := serveAPI(t, api)
				var behind, before wire
				usher := behind.record(t, w.url)
				judged := w.proxied(t, usher, enforce)
				w.url = before.record(t, w.url)
				journeys[api](t, w)
				for _, e := range judged() {
					if len(e.Violations) > 0 {
						t.Errorf("%s %s → %d: %+v", e.Request.Method, e.Request.URL, e.Answer.Status, e.Violations)
					}
				}
				compareWires(t, before.messages(t), behind.messages(t))
			})
		}
	}
}

// wire records what goes over connections.
type wire struct {
	mu      sync.Mutex
	bytes   int // on all streams together: when something began
	streams []*stream
}

// stream is one direction of a connection.
type stream struct {
	answers bool
	data    []byte
	marks   [][2]int // from this offset on, bytes came after so many on all streams
}

// record takes connections and passes them on to a server's, and gives its own URL.
func (w *wire) record(t *testing.T, target string) (at string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", strings.TrimPrefix(target, "http://"))
			if err != nil {
				_ = client.Close()
				continue
			}
			go w.pass(server, client, false)
			go w.pass(client, server, true)
		}
	}()
	return "http://" + listener.Addr().String()
}

func (w *wire) pass(to, from net.Conn, answers bool) {
	s := &stream{answers: answers}
	w.mu.Lock()
	w.streams = append(w.streams, s)
	w.mu.Unlock()
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		if n > 0 {
			w.mu.Lock()
			s.marks = append(s.marks, [2]int{len(s.data), w.bytes})
			s.data = append(s.data, b[:n]...)
			w.bytes += n
			w.mu.Unlock()
			_, _ = to.Write(b[:n])
		}
		if err != nil {
			_ = to.Close()
			return
		}
	}
}

// wireMessage is a request or an answer as it went over the wire.
type wireMessage struct {
	began   int
	answer  bool
	first   string              // its first line
	header  map[string][]string // by name in lower case
	body    []byte
	trailer map[string][]string
}

// messages gives what went over the wire, in its order.
func (w *wire) messages(t *testing.T) (all []wireMessage) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.streams {
		count := &counter{r: bytes.NewReader(s.data)}
		r := bufio.NewReader(count)
		for {
			at := count.n - r.Buffered()
			if at == len(s.data) {
				break
			}
			m, err := readMessage(r, s.answers)
			if err != nil {
				t.Fatalf("%v in %q", err, s.data)
			}
			for _, mark := range s.marks {
				if mark[0] <= at {
					m.began = mark[1] + at - mark[0]
				}
			}
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b wireMessage) int { return cmp.Compare(a.began, b.began) })
	return all
}

type counter struct {
	r io.Reader
	n int
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += n
	return n, err
}

// readMessage reads one message, as it stands. An answer to HEAD would be taken for
// one with a body.
func readMessage(r *bufio.Reader, answer bool) (m wireMessage, err error) {
	text := textproto.NewReader(r)
	m.answer = answer
	if m.first, err = text.ReadLine(); err != nil {
		return m, err
	}
	if m.header, err = readFields(text); err != nil {
		return m, err
	}
	switch {
	case slices.Contains(m.header["transfer-encoding"], "chunked"):
		if m.body, err = io.ReadAll(httputil.NewChunkedReader(r)); err == nil {
			m.trailer, err = readFields(text)
		}
	case len(m.header["content-length"]) == 1:
		var n int
		if n, err = strconv.Atoi(m.header["content-length"][0]); err == nil {
			m.body = make([]byte, n)
			_, err = io.ReadFull(r, m.body)
		}
	}
	return m, err
}

// readFields reads header lines up to an empty one.
func readFields(r *textproto.Reader) (map[string][]string, error) {
	fields := map[string][]string{}
	for {
		line, err := r.ReadLine()
		if err != nil || line == "" {
			return fields, err
		}
		name, value, _ := strings.Cut(line, ":")
		name = strings.ToLower(name)
		fields[name] = append(fields[name], strings.TrimSpace(value))
	}
}

// hopByHop are the headers that belong to a connection.
var hopByHop = []string{"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}

// compareWires compares what went over the wire before a proxy with what did
// behind it.
func compareWires(t *testing.T, before, behind []wireMessage) {
	t.Helper()
	if len(before) != len(behind) || len(before) == 0 {
		t.Fatalf("%d messages before the proxy, %d behind it", len(before), len(behind))
	}
	for i, a := range before {
		b := behind[i]
		for _, name := range hopByHop {
			delete(a.header, name)
			delete(b.header, name)
		}
		if a.answer {
			if ids := a.header[strings.ToLower(proxy.Header)]; len(ids) != 1 || len(ids[0]) > 20 {
				t.Errorf("%s: the exchange's id is %q", a.first, ids)
			}
			delete(a.header, strings.ToLower(proxy.Header))
		} else {
			if a.header["host"][0] == b.header["host"][0] {
				t.Errorf("%s: the host is not the target's: %s", a.first, b.header["host"])
			}
			delete(a.header, "host")
			delete(b.header, "host")
		}
		a.began, b.began = 0, 0
		if got, want := fmt.Sprintf("%+v", b), fmt.Sprintf("%+v", a); got != want {
			t.Errorf("before the proxy\n%s\nbehind it\n%s", want, got)
		}
	}
}

// With --enforce a request that breaks the contract is refused as usher would
// refuse it, and does not get there.
func TestProxyRefusesAsTheVendorDoes(t *testing.T) {
	for api, test := range map[string]struct{ method, path, body, user string }{
		"fusion":    {"POST", "/api/users", `{"username":1}`, ""},
		"applivery": {"POST", "/v1/auth/login", `{"provider":5}`, ""},
		"saymon":    {"POST", "/node/api/users", `{"login":"a"}`, ""},
		"milvus":    {"POST", "/v2/vectordb/users/create", `{"userName":"ada"}`, ""},
	} {
		for name, change := range map[string]func(*http.Request){
			"a wrong body": func(*http.Request) {},
			"a broken body": func(r *http.Request) {
				r.Body = io.NopCloser(strings.NewReader(`{"a"`))
				r.ContentLength = 4
			},
			"an unknown path": func(r *http.Request) { r.URL.Path = strings.TrimSuffix(r.URL.Path, "/") + "/no/such" },
			"an unknown verb": func(r *http.Request) { r.Method = "PUT" },
			"too large a body": func(r *http.Request) {
				large := `{"a":"` + strings.Repeat("x", proxy.MaxHeld) + `"}`
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader(large)), int64(len(large))
			},
		} {
			t.Run(api+"/"+name, func(t *testing.T) {
				w := serveAPI(t, api)
				var reached int
				direct := w.url
				counting := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ }))
				defer counting.Close()
				judged := w.proxied(t, counting.URL, true)
				through := w.url
				answers := make([]string, 2)
				for i, at := range []string{direct, through} {
					r := w.authorized(t, test.method, test.path, "", test.body)
					u, err := url.Parse(at)
					if err != nil {
						t.Fatal(err)
					}
					r.URL.Host, r.Host = u.Host, u.Host
					r.SetBasicAuth(handlers.FirstAdministrator(api), adminPassword)
					if api == "milvus" {
						r.Header.Set("Authorization", "Bearer "+handlers.FirstAdministrator(api)+":"+adminPassword)
					}
					change(r)
					response, err := http.DefaultTransport.RoundTrip(r)
					if err != nil {
						t.Fatal(err)
					}
					body, err := io.ReadAll(response.Body)
					_ = response.Body.Close()
					if err != nil {
						t.Fatal(err)
					}
					answers[i] = fmt.Sprint(response.StatusCode, response.Header.Get("Content-Type"), response.Header.Get("Allow"), " ", string(body))
					if i == 1 && response.Header.Get(proxy.Header) == "" {
						t.Error("the refusal has no id")
					}
				}
				if answers[0] != answers[1] {
					t.Errorf("usher says\n%s\nthe proxy says\n%s", answers[0], answers[1])
				}
				if reached > 0 {
					t.Error("the request reached the target")
				}
				all := judged() // how large a body may be, no contract says
				if len(all) != 1 || len(all[0].Violations) == 0 && name != "too large a body" || all[0].Answer.Status != 0 {
					t.Errorf("judged: %+v", all)
				}
				if !strings.Contains(w.log.String(), `"refused":"request"`) {
					t.Errorf("the log: %s", w.log)
				}
			})
		}
	}
}

// An answer that breaks the contract is found; with --enforce it becomes the
// vendor's internal error.
func TestProxyFindsDoctoredAnswers(t *testing.T) {
	paths := map[string][2]string{
		"fusion": {"GET", "/api/users/fe0885f2-8885-4c46-a3ea-8e5d0041c293"}, "applivery": {"GET", "/v1/users/profile"},
		"saymon": {"GET", "/node/api/users/current"}, "milvus": {"POST", "/v2/vectordb/users/list"},
	}
	for api, request := range paths {
		operation, _ := contracts()[api].Find(request[0], request[1])
		good, header, err := contracts()[api].Example(operation, http.StatusOK, "")
		if err != nil {
			t.Fatal(err)
		}
		for name, doctored := range map[string]struct {
			status int
			media  string
			body   string
			rule   string
		}{
			"none":                 {200, header.Get("Content-Type"), string(good), ""},
			"an undeclared status": {418, header.Get("Content-Type"), string(good), exchange.UndeclaredStatus},
			"a wrong type":         {200, header.Get("Content-Type"), `[[]]`, "type"},
			"another media type":   {200, "text/html", string(good), exchange.MediaType},
			"no JSON":              {200, header.Get("Content-Type"), string(good[1:]), exchange.NotJSON},
			"a stream":             {200, "text/event-stream", "data: x\n\n", exchange.MediaType},
		} {
			for _, enforce := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/enforce=%v", api, name, enforce), func(t *testing.T) {
					w := &world{api: api, log: new(syncBuffer)}
					target := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
						rw.Header().Set("Content-Type", doctored.media)
						rw.WriteHeader(doctored.status)
						_, _ = io.WriteString(rw, doctored.body)
					}))
					defer target.Close()
					judged := w.proxied(t, target.URL, enforce)
					r := w.authorized(t, request[0], request[1], "Bearer root:Milvus", "")
					if request[0] == "POST" {
						r = w.authorized(t, request[0], request[1], "Bearer root:Milvus", "{}")
					}
					response, err := http.DefaultTransport.RoundTrip(r)
					if err != nil {
						t.Fatal(err)
					}
					body, err := io.ReadAll(response.Body)
					_ = response.Body.Close()
					if err != nil {
						t.Fatal(err)
					}
					all := judged()
					var rules []string
					for _, v := range all[0].Violations {
						if v.In == exchange.Answer {
							rules = append(rules, v.Rule)
						}
					}
					if (doctored.rule != "") != slices.Contains(rules, doctored.rule) || doctored.rule == "" && len(rules) > 0 {
						t.Errorf("found %q", rules)
					}
					if refused := strings.Contains(w.log.String(), `"refused":"answer"`); refused != (enforce && doctored.rule != "") {
						t.Errorf("the log: %s", w.log)
					}
					if doctored.rule == "" || !enforce {
						if response.StatusCode != doctored.status || string(body) != doctored.body {
							t.Errorf("changed: %d %s", response.StatusCode, body)
						}
						return
					}
					e := exchange.Exchange{
						Request: requestOf(r, nil),
						Answer:  exchange.Message{Status: response.StatusCode, Header: response.Header, Body: body},
					}
					w.watch = &watch{api: api}
					if err := w.watch.check(&e); err != nil {
						t.Errorf("in its place stands %d %s: %v", response.StatusCode, body, err)
					}
					if strings.Contains(string(body), doctored.body) || response.StatusCode < 500 && contracts()[api].code(body) == "0" {
						t.Errorf("in its place stands %d %s", response.StatusCode, body)
					}
				})
			}
		}
	}
}

// What a vendor answers without the contract's having it is for the target, with
// --enforce too: the preflights of one that knows them, and HEAD where that is as
// good as GET.
func TestProxyLeavesToTheVendorWhatIsItsOwn(t *testing.T) {
	for api, request := range map[string][2]string{"milvus": {"OPTIONS", "/v2/vectordb/users/list"}, "applivery": {"HEAD", "/v1/users/profile"}} {
		w := serveAPI(t, api)
		direct := w.url
		w.proxied(t, direct, true)
		var answers [2]string
		for i, at := range []string{direct, w.url} {
			r, err := http.NewRequestWithContext(t.Context(), request[0], at+request[1], http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			response, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			answers[i] = fmt.Sprint(response.StatusCode, response.Header["Allow"], response.Header["Content-Type"])
		}
		if answers[0] != answers[1] {
			t.Errorf("%s: usher says %s, the proxy %s", api, answers[0], answers[1])
		}
	}
}

// With --enforce an answer that breaks the contract is refused before it ends, which a
// stream or another protocol's connection never does.
func TestProxyRefusesWhatDoesNotEnd(t *testing.T) {
	for name, answer := range map[string]string{
		"a stream":           "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: x\n\n",
		"another protocol":   "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
		"an endless message": "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10000000\r\n\r\n" + strings.Repeat(" ", proxy.MaxHeld+1),
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{api: "fusion", log: new(syncBuffer)}
			end := make(chan struct{})
			target := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
				conn, _, err := http.NewResponseController(rw).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.WriteString(conn, answer)
				<-end
				_ = conn.Close()
			}))
			defer target.Close()
			defer close(end)
			judged := w.proxied(t, target.URL, true)
			r := w.authorized(t, http.MethodGet, "/api/users", "Basic YWRtaW46c2VjcmV0", "")
			r.Header.Set("Connection", "Upgrade")
			r.Header.Set("Upgrade", "h2c")
			response, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if response.StatusCode != http.StatusInternalServerError || response.Header.Get(proxy.Header) == "" {
				t.Errorf("%s, %v", response.Status, response.Header)
			}
			if judged(); !strings.Contains(w.log.String(), `"refused":"answer"`) || strings.Contains(w.log.String(), "incomplete") {
				t.Errorf("the log: %s", w.log)
			}
		})
	}
}

// With --enforce a body is passed on whole or not at all, where the contract has none,
// too.
func TestProxyPassesNoHalfBody(t *testing.T) {
	for name, body := range map[string]string{
		"too large": fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", proxy.MaxHeld+1, strings.Repeat("x", proxy.MaxHeld+1)),
		"broken":    "3\r\nabc\r\nZZ\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{api: "fusion", log: new(syncBuffer)}
			target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it reached the target") }))
			defer target.Close()
			judged := w.proxied(t, target.URL, true)
			conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			_, _ = io.WriteString(conn, "GET /api/users HTTP/1.1\r\nHost: h\r\nAuthorization: Basic YWRtaW46c2VjcmV0\r\nTransfer-Encoding: chunked\r\n\r\n"+body)
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if response.StatusCode < 400 || response.StatusCode >= 500 {
				t.Error(response.Status)
			}
			all := judged()
			if len(all) != 1 || len(all[0].Violations) > 0 || !all[0].Request.Truncated || !strings.Contains(w.log.String(), `"refused":"request"`) {
				t.Errorf("judged: %+v; the log: %s", all, w.log)
			}
		})
	}
}
