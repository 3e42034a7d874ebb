package proxy_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"usher/handlers/exchange"
	"usher/handlers/journal"
	"usher/handlers/proxy"
)

const document = `
openapi: 3.0.3
info: {title: Acme, version: "1"}
paths:
  /things:
    get:
      operationId: getThing
      responses: {"200": {description: it, content: {application/json: {schema: {$ref: "#/components/schemas/Thing"}}}}}
    post:
      operationId: makeThing
      requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/Thing"}}}}
      responses: {"200": {description: it, content: {application/json: {schema: {$ref: "#/components/schemas/Thing"}}}}}
components:
  schemas:
    Thing: {type: object, required: [name], properties: {name: {type: string}}}
`

// started is a proxy in front of a target.
type started struct {
	*proxy.Proxy
	server  *httptest.Server
	log     *lockedBuffer
	journal *journal.Journal
	mu      sync.Mutex
	judged  []exchange.Exchange
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start makes a proxy; change has the last word on its options.
func start(tb testing.TB, target string, change ...func(*proxy.Options)) *started {
	tb.Helper()
	contract, err := exchange.Parse("acme", []string{"/acme"}, []byte(document))
	if err != nil {
		tb.Fatal(err)
	}
	at, err := url.Parse(target)
	if err != nil {
		tb.Fatal(err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true
	s := &started{log: new(lockedBuffer), journal: journal.New(journal.Options{})}
	o := proxy.Options{
		Target: at, Contract: contract, Transport: transport, Logger: slog.New(slog.NewJSONHandler(s.log, nil)), Journal: s.journal,
		Judged: func(e *exchange.Exchange) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.judged = append(s.judged, *e)
		},
	}
	for _, f := range change {
		f(&o)
	}
	s.Proxy = proxy.New(o)
	s.server = httptest.NewUnstartedServer(s.Proxy)
	s.server.Config.DisableGeneralOptionsHandler = true // OPTIONS * is for the target to answer
	s.server.Start()
	tb.Cleanup(func() {
		s.server.Close()
		transport.CloseIdleConnections()
		s.Close(context.Background())
		s.journal.Close()
	})
	return s
}

// end stops the proxy, and gives what it has judged.
func (s *started) end() []exchange.Exchange {
	s.server.Close()
	s.Close(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.judged
}

// rawTarget answers each connection's one request with given bytes, and says what
// the request was.
func rawTarget(tb testing.TB, answer string) (at string, got <-chan string) {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = listener.Close() })
	requests := make(chan string, 1)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			var text strings.Builder
			in := bufio.NewReader(io.TeeReader(conn, &text))
			r, err := http.ReadRequest(in)
			if err == nil && r.Header.Get("Expect") != "" {
				_, _ = io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\n")
			}
			if err == nil {
				_, _ = io.Copy(io.Discard, r.Body)
			}
			_, _ = io.WriteString(conn, answer)
			_ = conn.Close()
			requests <- text.String()
		}
	}()
	return "http://" + listener.Addr().String(), requests
}

// say sends bytes and reads all that comes back.
func say(tb testing.TB, address, request string) string {
	tb.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, request); err != nil {
		tb.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		tb.Fatal(err)
	}
	return string(answer)
}

// lines are those of a message's head, sorted but for the first, in lower case but
// for the values, and without those that begin with any of the names left out.
func lines(message string, leftOut ...string) []string {
	head, _, _ := strings.Cut(message, "\r\n\r\n")
	first, rest, _ := strings.Cut(head, "\r\n")
	var fields []string
	for line := range strings.SplitSeq(rest, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		name = strings.ToLower(name)
		if name != "" && !slices.Contains(leftOut, name) {
			fields = append(fields, name+": "+strings.TrimSpace(value))
		}
	}
	slices.SortStableFunc(fields, func(a, b string) int { // repeated ones stay in order
		a, _, _ = strings.Cut(a, ":")
		b, _, _ = strings.Cut(b, ":")
		return strings.Compare(a, b)
	})
	return append([]string{first}, fields...)
}

const fine = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\nConnection: close\r\n\r\n{\"name\":\"a\"}"

// A request gets to the target as it was sent, whatever a Go server would make of
// it.
func TestRequestsAreUnchanged(t *testing.T) {
	for name, test := range map[string]struct {
		line    string
		headers string
		body    string
	}{
		"plain":                       {"GET /acme/things", "", ""},
		"an escaped slash":            {"GET /acme/a%2Fb%2f%41", "", ""},
		"characters that need escape": {`GET /acme/{a}|"b"^[c]`, "", ""},
		"two slashes":                 {"GET //acme//things", "", ""},
		"dots":                        {"GET /acme/../x/./y", "", ""},
		"a query":                     {"GET /acme/things?a=b&a=c&d", "", ""},
		"an empty query":              {"GET /acme/things?", "", ""},
		"semicolons":                  {"GET /acme/things?a=b;c=d", "", ""},
		"bad escapes in the query":    {"GET /acme/things?a=%zz&b=%", "", ""},
		"odd characters in a query":   {`GET /acme/things?a="{b}|<c>`, "", ""},
		"a star":                      {"OPTIONS *", "", ""},
		"forwarding":                  {"GET /acme/things", "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Host: h\r\nX-Forwarded-Proto: https\r\nForwarded: for=192.0.2.1\r\n", ""},
		"empty values":                {"GET /acme/things", "X-Empty:\r\nAuthorization:\r\n", ""},
		"repeated":                    {"GET /acme/things", "X-A: 1\r\nX-A: 2\r\nCookie: a=b\r\nCookie: c=d\r\n", ""},
		"an agent":                    {"GET /acme/things", "User-Agent: me/1\r\nAccept-Encoding: br, gzip\r\nVia: 1.1 x\r\n", ""},
		"a body":                      {"POST /acme/things", "Content-Type: application/json\r\nContent-Length: 12\r\n", `{"name":"b"}`},
		"no body, though expected":    {"POST /acme/things", "Content-Length: 0\r\n", ""},
		"a body of GET":               {"GET /acme/things", "Content-Length: 3\r\n", "abc"},
		"what is expected":            {"PUT /acme/things", "Expect: 100-continue\r\nContent-Length: 3\r\n", "abc"},
		"another verb":                {"PROPFIND /acme/things", "", ""},
		"bytes in a header":           {"GET /acme/things", "X-Name: caf\xe9\r\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			target, got := rawTarget(t, fine)
			p := start(t, target)
			answer := say(t, p.server.URL, test.line+" HTTP/1.1\r\nHost: client.example\r\nConnection: close\r\n"+test.headers+"\r\n"+test.body)
			if !strings.Contains(answer, "HTTP/1.1 200 OK\r\n") {
				t.Fatal(answer)
			}
			sent := test.line + " HTTP/1.1\r\nHost: " + strings.TrimPrefix(target, "http://") + "\r\n" + test.headers + "\r\n" + test.body
			there := <-got
			if got, want := lines(there, "connection"), lines(sent); !slices.Equal(got, want) {
				t.Errorf("sent  %q\nthere %q", want, got)
			}
			if _, body, _ := strings.Cut(there, "\r\n\r\n"); body != test.body {
				t.Errorf("body: %q", body)
			}
			all := p.end()
			if _, path, _ := strings.Cut(test.line, " "); len(all) != 1 || all[0].Request.URL != path {
				t.Errorf("judged: %+v", all)
			}
		})
	}
}

func TestTargetsPath(t *testing.T) {
	for path, want := range map[string]string{"/acme/things": "/be%20low/acme/things", "/a%2Fb?x": "/be%20low/a%2Fb?x", "/{a}": "/be%20low/{a}"} {
		target, got := rawTarget(t, fine)
		p := start(t, target+"/be%20low/")
		say(t, p.server.URL, "GET "+path+" HTTP/1.0\r\n\r\n")
		if there := lines(<-got)[0]; there != "GET "+want+" HTTP/1.1" {
			t.Errorf("%s: %s", path, there)
		}
	}
}

// An answer gets to the client as it was sent.
func TestAnswersAreUnchanged(t *testing.T) {
	for name, test := range map[string]struct{ method, answer string }{
		"plain":           {"GET", fine},
		"no date":         {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"},
		"a date":          {"GET", "HTTP/1.1 200 OK\r\nDate: yesterday\r\nServer: s\r\nContent-Length: 2\r\n\r\n{}"},
		"cookies":         {"GET", "HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nSet-Cookie: c=d\r\nContent-Length: 0\r\n\r\n"},
		"empty values":    {"GET", "HTTP/1.1 200 OK\r\nX-Empty: \r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n"},
		"HEAD":            {"HEAD", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n"},
		"204":             {"DELETE", "HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n"},
		"304":             {"GET", "HTTP/1.1 304 Not Modified\r\nEtag: \"a\"\r\n\r\n"},
		"a redirection":   {"GET", "HTTP/1.1 302 Found\r\nLocation: http://elsewhere.example/\r\nContent-Length: 0\r\n\r\n"},
		"another status":  {"GET", "HTTP/1.1 599 \r\nContent-Length: 0\r\n\r\n"},
		"bytes":           {"GET", "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 4\r\n\r\n\xff\x00\x01\n"},
		"another's id":    {"GET", "HTTP/1.1 200 OK\r\nUsher-Exchange: theirs\r\nContent-Length: 0\r\n\r\n"},
		"bytes in header": {"GET", "HTTP/1.1 200 OK\r\nX-Name: caf\xe9\r\nContent-Length: 0\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			target, _ := rawTarget(t, test.answer)
			p := start(t, target)
			answer := say(t, p.server.URL, test.method+" /acme/things HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
			got, want := lines(answer, "connection"), lines(test.answer, "connection")
			at := slices.IndexFunc(got, func(line string) bool {
				return strings.HasPrefix(line, strings.ToLower(proxy.Header)+": ") && !strings.HasSuffix(line, "theirs")
			})
			if at < 0 {
				t.Fatalf("no id: %q", got)
			}
			id := strings.TrimPrefix(got[at], strings.ToLower(proxy.Header)+": ")
			if got = slices.Delete(got, at, at+1); !slices.Equal(got[1:], want[1:]) || got[0][:12] != want[0][:12] {
				t.Errorf("sent %q\ngot  %q", want, got)
			}
			_, body, _ := strings.Cut(answer, "\r\n\r\n")
			if _, sent, _ := strings.Cut(test.answer, "\r\n\r\n"); body != sent {
				t.Errorf("body: %q", body)
			}
			p.end()
			if said := p.log.String(); !strings.Contains(said, `"exchange":"`+id+`"`) || strings.Contains(said, "incomplete") {
				t.Errorf("the id %s is not in the log, or it is told of as incomplete: %s", id, said)
			}
		})
	}
}

func TestTrailersAndEarlyAnswers(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Link", "</early>")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		w.Header().Set("Trailer", "X-Sum")
		if got := r.Trailer.Get("X-Sent"); got != "sent" {
			t.Errorf("the trailer is %q", got)
		}
		_, _ = w.Write(body)
		w.Header().Set("X-Sum", "sum")
	}))
	defer target.Close()
	p := start(t, target.URL)
	answer := say(t, p.server.URL, "POST /acme/things HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTe: trailers\r\nTrailer: X-Sent\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sent: sent\r\n\r\n")
	early, answer, _ := strings.Cut(answer, "\r\n\r\n")
	if !strings.HasPrefix(early, "HTTP/1.1 103 ") || !strings.Contains(early, "Link: </early>") || strings.Contains(early, proxy.Header) {
		t.Errorf("early: %q", early)
	}
	if !strings.Contains(answer, "abc") || !strings.HasSuffix(answer, "\r\nX-Sum: sum\r\n\r\n") || strings.Contains(answer, "Link") {
		t.Errorf("answer: %q", answer)
	}
	if all := p.end(); len(all) != 1 || string(all[0].Request.Body) != "abc" || string(all[0].Answer.Body) != "abc" {
		t.Errorf("judged: %+v", all)
	}
}

// What the target has sent of a body, the client has, before there is more.
func TestStreams(t *testing.T) {
	for _, header := range []http.Header{{"Content-Type": {"text/event-stream"}}, {"Content-Length": {"4"}}, {"X": {"y"}}} {
		more := make(chan struct{})
		target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for name := range header {
				w.Header().Set(name, header.Get(name))
			}
			_, _ = io.WriteString(w, "ab")
			w.(http.Flusher).Flush()
			<-more
			_, _ = io.WriteString(w, "cd")
		}))
		p := start(t, target.URL)
		response, err := http.Get(p.server.URL + "/acme/things")
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 2)
		if _, err := io.ReadFull(response.Body, b); err != nil || string(b) != "ab" {
			t.Errorf("%v: %s %v", header, b, err)
		}
		close(more)
		if rest, err := io.ReadAll(response.Body); err != nil || string(rest) != "cd" {
			t.Errorf("%v: %s %v", header, rest, err)
		}
		_ = response.Body.Close()
		target.Close()
	}
}

// A request's body, too, goes through as it comes: the target has its beginning
// while the client keeps back the rest.
func TestStreamsUpwards(t *testing.T) {
	begun := make(chan struct{})
	target := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadFull(r.Body, make([]byte, 2))
		close(begun)
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	defer target.Close()
	p := start(t, target.URL)
	body, rest := io.Pipe()
	go func() {
		_, _ = io.WriteString(rest, "ab")
		<-begun
		_ = rest.Close()
	}()
	response, err := http.Post(p.server.URL+"/acme/things", "text/plain", body)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Error(response.Status)
	}
}

// The target may answer before it has the whole request, and gets the rest all the
// same.
func TestAnswersBeforeTheRequestEnds(t *testing.T) {
	sent := strings.Repeat("x", 128<<10)
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		_, _ = io.WriteString(w, "early ")
		w.(http.Flusher).Flush()
		body, err := io.ReadAll(r.Body)
		_, _ = fmt.Fprint(w, len(body), err)
	}))
	defer target.Close()
	p := start(t, target.URL)
	body, rest := io.Pipe()
	r, err := http.NewRequest(http.MethodPost, p.server.URL+"/acme/things", body)
	if err != nil {
		t.Fatal(err)
	}
	begin := make(chan struct{})
	go func() {
		_, _ = io.WriteString(rest, "x")
		<-begin
		_, _ = io.WriteString(rest, sent[1:])
		_ = rest.Close()
	}()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.ReadFull(response.Body, make([]byte, len("early "))); err != nil {
		t.Fatal(err)
	}
	close(begin)
	if answer, err := io.ReadAll(response.Body); err != nil || string(answer) != fmt.Sprint(len(sent), " <nil>") {
		t.Errorf("%q %v", answer, err)
	}
}

// An answer that does not wait for the request's body gets through, and ends the
// connection: what else is sent on it is no request.
func TestAnswersWithoutTheBody(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		_, _ = io.WriteString(w, "too large")
	}))
	defer target.Close()
	for _, length := range []int{1 << 10, 8 << 20} {
		p := start(t, target.URL)
		conn, err := net.Dial("tcp", strings.TrimPrefix(p.server.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		head := fmt.Sprintf("POST /acme/things HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", length)
		if _, err := io.WriteString(conn, head+"the beginning"); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(conn)
		response, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(response.Body); err != nil || response.StatusCode != http.StatusRequestEntityTooLarge || string(body) != "too large" || !response.Close {
			t.Errorf("%d %s %v, close %v", response.StatusCode, body, err, response.Close)
		}
		_ = response.Body.Close()
		_, _ = io.WriteString(conn, "GET /acme/smuggled HTTP/1.1\r\nHost: h\r\n\r\n")
		if rest, err := io.ReadAll(in); len(rest) > 0 {
			t.Errorf("after it came %q %v", rest, err)
		}
		_ = conn.Close()
		if all := p.end(); len(all) != 1 || !all[0].Request.Truncated {
			t.Errorf("judged: %+v", all)
		}
	}
}

// Of a large body nothing is kept, and its exchange is judged by the rest.
func TestLargeBodies(t *testing.T) {
	large := `{"name":"` + strings.Repeat("x", proxy.MaxCopy) + `"}`
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); r.Method == http.MethodPost && string(body) != large {
			t.Error("the body is not what was sent")
		}
		w.Header().Set("Content-Type", "text/plain")
		if r.URL.RawQuery == "" { // without a length, too
			w.(http.Flusher).Flush()
		}
		_, _ = io.WriteString(w, large)
	}))
	defer target.Close()
	p := start(t, target.URL)
	for _, query := range []string{"", "?x"} {
		response, err := http.Post(p.server.URL+"/acme/things"+query, "application/json", strings.NewReader(large))
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(response.Body); err != nil || string(body) != large {
			t.Errorf("%d bytes came back: %v", len(body), err)
		}
		_ = response.Body.Close()
	}
	for _, e := range p.end() {
		if len(e.Request.Body)+len(e.Answer.Body) > 0 || !e.Request.Truncated || !e.Answer.Truncated {
			t.Errorf("kept %d and %d bytes", len(e.Request.Body), len(e.Answer.Body))
		}
		if len(e.Violations) != 1 || e.Violations[0].Rule != exchange.MediaType || e.Violations[0].In != exchange.Answer {
			t.Errorf("found %+v", e.Violations)
		}
	}
}

// Compressed bodies go through as they are, and are judged as what they say.
func TestCompressed(t *testing.T) {
	const wrong = `{"name":5}`
	codings := map[string]func(io.Writer) io.WriteCloser{
		"gzip":    func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"deflate": func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
		"br":      func(w io.Writer) io.WriteCloser { return nopCloser{w} },
	}
	for coding, encode := range codings {
		t.Run(coding, func(t *testing.T) {
			var b bytes.Buffer
			w := encode(&b)
			_, _ = io.WriteString(w, wrong)
			_ = w.Close()
			target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("Content-Encoding", coding)
				_, _ = w.Write(b.Bytes())
			}))
			defer target.Close()
			p := start(t, target.URL)
			answer := say(t, p.server.URL, "GET /acme/things HTTP/1.0\r\n\r\n")
			if !strings.HasSuffix(answer, b.String()) {
				t.Errorf("changed: %q", answer)
			}
			all := p.end()
			unread := strings.Contains(p.log.String(), `"unread":"the answer's body, which is br"`)
			if found := len(all[0].Violations) == 1 && all[0].Violations[0].Path == "body /name"; found == (coding == "br") || unread != (coding == "br") {
				t.Errorf("found %+v; the log: %s", all[0].Violations, p.log)
			}
		})
	}
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// What cannot be undone, or gets too large, is not judged.
func TestNotDecoded(t *testing.T) {
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	_, _ = w.Write(make([]byte, 2<<20))
	_ = w.Close()
	for name, body := range map[string]string{"no gzip": `{"name":5}`, "a bomb": bomb.String()} {
		target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, body)
		}))
		p := start(t, target.URL)
		say(t, p.server.URL, "GET /acme/things HTTP/1.0\r\n\r\n")
		if all := p.end(); len(all[0].Violations) > 0 || len(all[0].Answer.Body) > 0 || !strings.Contains(p.log.String(), `"unread"`) {
			t.Errorf("%s: %+v, %s", name, all[0].Violations, p.log)
		}
		target.Close()
	}
}

func TestNoTarget(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	p := start(t, gone.URL)
	answer := say(t, p.server.URL, "GET /acme/things?password=hidden HTTP/1.0\r\n\r\n")
	if !strings.HasPrefix(answer, "HTTP/1.0 502 ") || !strings.Contains(answer, "text/plain") || !strings.Contains(answer, "no answer") {
		t.Error(answer)
	}
	all := p.end()
	if len(all) != 1 || all[0].Answer.Status != 0 || len(all[0].Violations) > 0 {
		t.Errorf("judged: %+v", all)
	}
	if strings.Contains(p.log.String(), "incomplete") {
		t.Errorf("no answer is no part of one: %s", p.log)
	}
	for _, said := range []string{`"level":"ERROR"`, `"status":502`, "connection refused"} {
		if !strings.Contains(p.log.String(), said) {
			t.Errorf("not in the log: %s: %s", said, p.log)
		}
	}
	if strings.Contains(p.log.String(), "hidden") {
		t.Error("the log has a secret")
	}
}

// What a target says that is no HTTP may be a secret.
func TestErrorsQuoteNothing(t *testing.T) {
	for answer, want := range map[string]string{
		"{\"token\":\"s3cret\"}\r\n\r\n":                           "malformed HTTP response",
		"HTTP/1.1 s3cret OK\r\n\r\n":                               "malformed HTTP status code",
		"HTTP/1.1 200 OK\r\nSet-Cookie s3cret\r\n\r\n":             "malformed MIME header",
		"HTTP/1.1 200 OK\r\nContent-Length: s3cret\r\n\r\n":        "bad Content-Length",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: \"s3cret\"\r\n\r\n": "unsupported transfer encoding",
	} {
		target, _ := rawTarget(t, answer)
		p := start(t, target)
		if said := say(t, p.server.URL, "GET /acme/things HTTP/1.0\r\n\r\n"); !strings.HasPrefix(said, "HTTP/1.0 502 ") {
			t.Error(said)
		}
		p.end()
		if said := p.log.String(); !strings.Contains(said, want) || strings.Contains(said, "s3cret") {
			t.Error(said)
		}
	}
}

// Another protocol goes through both ways, and is an exchange like others.
func TestUpgrade(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, in, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		line, _ := in.ReadString('\n')
		_, _ = io.WriteString(conn, line)
		_ = conn.Close()
	}))
	defer target.Close()
	judged := make(chan struct{}) // net/http does not wait for what it has handed over
	p := start(t, target.URL, func(o *proxy.Options) {
		keep := o.Judged
		o.Judged = func(e *exchange.Exchange) {
			keep(e)
			close(judged)
		}
	})
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, "GET /acme/things HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	in := bufio.NewReader(conn)
	response, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	_, _ = io.WriteString(conn, "hello\n")
	said, err := io.ReadAll(in)
	if response.StatusCode != http.StatusSwitchingProtocols || response.Header.Get("Upgrade") != "echo" || response.Header.Get(proxy.Header) == "" || string(said) != "hello\n" || err != nil {
		t.Errorf("%s %v: %q %v", response.Status, response.Header, said, err)
	}
	_ = conn.Close()
	<-judged
	if all := p.end(); len(all) != 1 || all[0].Answer.Status != http.StatusSwitchingProtocols || all[0].Answer.Header.Get(proxy.Header) != "" || !strings.Contains(p.log.String(), `"status":101`) || strings.Contains(p.log.String(), "incomplete") {
		t.Errorf("judged: %+v; the log: %s", all, p.log)
	}
}

// An answer that breaks off breaks off for the client, too, and is not judged as
// if it were whole.
func TestBrokenAnswer(t *testing.T) {
	target, _ := rawTarget(t, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{\"na")
	p := start(t, target)
	response, err := http.Get(p.server.URL + "/acme/things")
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(response.Body); err == nil {
		t.Errorf("came whole: %s", body)
	}
	_ = response.Body.Close()
	if all := p.end(); len(all) != 1 || !all[0].Answer.Truncated || len(all[0].Violations) > 0 {
		t.Errorf("judged: %+v", all)
	}
	if said := p.log.String(); !strings.Contains(said, `"incomplete":"target"`) || !strings.Contains(said, `"level":"WARN"`) {
		t.Error(said)
	}
}

// A client that does not wait for the whole answer is no fault of the target's.
func TestClientLeaves(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"na`)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer target.Close()
	p := start(t, target.URL)
	response, err := http.Get(p.server.URL + "/acme/things")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if all := p.end(); len(all) != 1 || !all[0].Answer.Truncated {
		t.Errorf("judged: %+v", all)
	}
	if said := p.log.String(); !strings.Contains(said, `"incomplete":"client"`) || !strings.Contains(said, `"level":"INFO"`) {
		t.Error(said)
	}
}

// gone is a client that nothing can be written to any more.
type gone struct{ http.ResponseWriter }

func (gone) Write([]byte) (int, error) { return 0, net.ErrClosed }

// Nor is it if the first sign of that is that nothing can be written to it.
func TestClientIsGone(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) }))
	defer target.Close()
	p := start(t, target.URL)
	p.ServeHTTP(gone{httptest.NewRecorder()}, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/acme/things", nil))
	p.end()
	if said := p.log.String(); !strings.Contains(said, `"incomplete":"client"`) {
		t.Error(said)
	}
}

// What the journal keeps is masked, and what is judged afterwards is found in it.
func TestJournal(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"token":"s3cret-token"}`)
	}))
	defer target.Close()
	p := start(t, target.URL)
	say(t, p.server.URL, "GET /acme/things?token=s3cret-query HTTP/1.0\r\nAuthorization: Bearer s3cret-bearer\r\n\r\n")
	p.end()
	entries, _ := p.journal.List(journal.Query{})
	if len(entries) != 1 || entries[0].Operation != "getThing" || len(entries[0].Violations) != 1 || entries[0].RequestID == "" {
		t.Fatalf("%+v", entries)
	}
	text := fmt.Sprintf("%+v %s %s", entries[0], entries[0].Answer.Body, p.log)
	if strings.Contains(text, "s3cret") {
		t.Error(text)
	}
}

// When there is too much to judge, all goes through, and what is left out is
// counted.
func TestTooFarBehind(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	}))
	defer target.Close()
	judging := make(chan struct{})
	judge := sync.OnceFunc(func() { close(judging) })
	p := start(t, target.URL, func(o *proxy.Options) {
		o.Journal = nil
		o.Judged = func(*exchange.Exchange) { <-judging }
	})
	defer judge()
	body := bytes.Repeat([]byte(" "), proxy.MaxCopy)
	const sent = 300 // of 128 KiB, where 32 MiB may wait
	for range sent {
		response, err := http.Post(p.server.URL+"/acme/things", "application/json", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(response.Body); err != nil || len(got) != len(body) {
			t.Fatal(len(got), err)
		}
		_ = response.Body.Close()
	}
	judge()
	p.server.Close()
	if unjudged := p.Close(t.Context()); unjudged != sent-256 {
		t.Errorf("%d were not judged", unjudged)
	}
}

// Close does not wait for longer than it may.
func TestCloseInTime(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer target.Close()
	judging := make(chan struct{})
	p := start(t, target.URL, func(o *proxy.Options) { o.Judged = func(*exchange.Exchange) { <-judging } })
	defer close(judging)
	for range 3 {
		say(t, p.server.URL, "GET /acme/things HTTP/1.0\r\n\r\n")
	}
	p.server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if unjudged := p.Close(ctx); unjudged < 2 {
		t.Errorf("%d were not judged", unjudged)
	}
}

// The journal says who called, as far as credentials bear a name that was not refused.
func TestJournalNamesTheCaller(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, secret, _ := r.BasicAuth(); secret != "right" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer target.Close()
	s := start(t, target.URL)
	for _, secret := range []string{"wrong", "right"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.server.URL+"/acme/things", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("ada", secret)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
	}
	s.end()
	entries, _ := s.journal.List(journal.Query{})
	if len(entries) != 2 || entries[0].Principal != "" || entries[1].Principal != "ada" {
		t.Errorf("%+v", entries)
	}
}
