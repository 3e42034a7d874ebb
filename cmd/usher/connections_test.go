package main

import (
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// Write keeps what a logger of this process writes.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

// eventually waits until something holds that happens on its own.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for wait := time.Now(); !holds(); time.Sleep(time.Millisecond) {
		if time.Since(wait) > 20*time.Second {
			t.Fatal("it never happens that " + what)
		}
	}
}

// bounded serves handler, with so many connections at most.
func bounded(t *testing.T, limit int, logged io.Writer, cert *certificate, handler http.HandlerFunc) (open *connections, address string) {
	t.Helper()
	logger := newLogger("json", logged)
	open = newConnections(limit, logger)
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := newServer(handler, logger, usual, open, cert, false)
	go func() { _ = serveOn(server, counted{l, open, cert != nil}) }()
	t.Cleanup(func() { _ = server.Close() })
	return open, l.Addr().String()
}

// dial connects and sends; the connection lasts as long as the test.
func dial(t *testing.T, address, sent string) net.Conn {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, sent); err != nil {
		t.Fatal(err)
	}
	return c
}

// closed reads what is left, and wants the other side to end it.
func closed(t *testing.T, c net.Conn) (left string) {
	t.Helper()
	b, err := io.ReadAll(c)
	if netErr, ok := err.(net.Error); ok && netErr.Timeout() { //nolint:errorlint // a connection's own
		t.Fatalf("still open after %q", b)
	}
	return string(b)
}

// At the limit a connection that idles gives way, the longest first, then one
// that has said nothing for a while; if all are busy, a new one is told so.
func TestConnectionsAreBounded(t *testing.T) {
	const most = 3
	inside, leave := make(chan struct{}), make(chan struct{})
	var log lines
	open, address := bounded(t, most, &log, nil, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stay" {
			inside <- struct{}{}
			<-leave
		}
		w.WriteHeader(http.StatusNoContent)
	})
	count := func(of func() int) int {
		open.mu.Lock()
		defer open.mu.Unlock()
		return of()
	}
	const brief, stay = "GET / HTTP/1.1\r\nHost: usher\r\n\r\n", "GET /stay HTTP/1.1\r\nHost: usher\r\n\r\n"

	var idle []net.Conn
	for i := range most {
		idle = append(idle, dial(t, address, brief))
		eventually(t, "a connection idles", func() bool { return count(open.idle.Len) == i+1 })
	}
	for i := range most {
		dial(t, address, stay)
		<-inside
		if got := closed(t, idle[i]); !strings.HasPrefix(got, "HTTP/1.1 204 ") {
			t.Errorf("the connection that idled longest said %q", got)
		}
	}
	for range 2 {
		refused := closed(t, dial(t, address, brief))
		if !strings.HasPrefix(refused, "HTTP/1.1 503 ") || !strings.Contains(refused, "\r\nRetry-After: 1\r\n") || !strings.HasSuffix(refused, "\r\n\r\n"+refusal) {
			t.Errorf("one too many: %q", refused)
		}
	}
	if said := log.String(); strings.Count(said, `"connections refused"`) != 1 {
		t.Errorf("two refusals within a minute are one line: %s", said)
	}

	leave <- struct{}{}
	eventually(t, "one has its answer", func() bool { return count(open.idle.Len) == 1 })
	silent := dial(t, address, "GET / HTTP/1.1\r\nX-Slow: ") // in the place of that one
	eventually(t, "it is there", func() bool { return count(open.silent.Len) == 1 })
	came := func(at time.Time) { // whatever time the test takes
		open.mu.Lock()
		defer open.mu.Unlock()
		open.silent.Front().Value.(*connection).since = at
	}
	came(time.Now().Add(time.Hour))
	if refused := closed(t, dial(t, address, brief)); !strings.HasPrefix(refused, "HTTP/1.1 503 ") {
		t.Errorf("all are busy, or have not had the time to say what they want: %q", refused)
	}
	came(time.Now().Add(-2 * silence))
	dial(t, address, stay)
	<-inside
	if got := closed(t, silent); got != "" {
		t.Errorf("the one that was slow heard %q", got)
	}
	close(leave)
	eventually(t, "all have their answers", func() bool { return count(open.idle.Len) == most })
}

// Who keeps a place without a use for it gives way first, and who has one last.
func TestWhoGivesWay(t *testing.T) {
	c, now := newConnections(1, newLogger("json", io.Discard)), time.Now()
	put := func(in *list.List, age time.Duration) *connection {
		one := &connection{all: c, since: now.Add(-age)}
		one.wait(in)
		return one
	}
	put(c.busy, longRequest)
	quiet := put(c.silent, silence)
	if got := c.dispensable(now); got != nil {
		t.Errorf("one gives way that is busy, or has just come: %v", got.since)
	}
	wants := func(next *connection) {
		t.Helper()
		if got := c.dispensable(now); got != next {
			t.Errorf("another gives way: %+v", got)
		}
	}
	c.forget(c.busy.Front().Value.(*connection))
	wants(put(c.busy, longRequest+1))
	wants(put(c.idle, 0))
	quiet.since = now.Add(-silence - 1)
	wants(quiet)
}

// The program has the limit that it is given, and shows what becomes of it.
func TestMaxConnections(t *testing.T) {
	p := start(t, t.TempDir(), nil, "--demo", "--max-connections", "1")
	address := strings.TrimPrefix(p.url, "http://")
	busy := dial(t, address, "POST /v2/vectordb/users/list HTTP/1.1\r\nHost: usher\r\nContent-Length: 2\r\nAuthorization: Bearer root:Milvus\r\nExpect: 100-continue\r\n\r\n")
	if _, err := io.ReadFull(busy, make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))); err != nil { // it is being served
		t.Fatal(err)
	}
	metrics := func() string {
		return closed(t, dial(t, address, "GET /_usher/metrics HTTP/1.1\r\nHost: usher\r\nConnection: close\r\n\r\n"))
	}
	if refused := metrics(); !strings.HasPrefix(refused, "HTTP/1.1 503 ") {
		t.Errorf("one too many: %q", refused)
	}
	_ = busy.Close()
	eventually(t, "there is room", func() bool {
		shown := metrics()
		return strings.HasPrefix(shown, "HTTP/1.1 200 ") && strings.Contains(shown, "\nusher_connections 1\n") && !strings.Contains(shown, "\nusher_connections_refused_total 0\n")
	})
}

// Requests are bounded as connections are: HTTP/2 has many on one.
func TestRequestsAreBounded(t *testing.T) {
	inside, leave := make(chan struct{}), make(chan struct{})
	defer close(leave)
	a := newAuthority(t)
	cert, err := loadCertificate(a.files(t, t.TempDir(), 1, time.Now().Add(time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	open, address := bounded(t, 2, io.Discard, cert, func(http.ResponseWriter, *http.Request) { inside <- struct{}{}; <-leave })
	client := a.client(&tls.Config{})
	client.Transport.(*http.Transport).DisableKeepAlives = false
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ask := func() (*http.Response, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address, http.NoBody)
		if err != nil {
			return nil, err
		}
		return client.Do(r)
	}
	for range 2 {
		go func() {
			if response, err := ask(); err == nil {
				_ = response.Body.Close()
			}
		}()
		<-inside
	}
	response, err := ask()
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.ProtoMajor != 2 || response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") != "1" || open.requestsRefused.Load() != 1 {
		t.Errorf("one too many: %s %d %v", response.Proto, response.StatusCode, response.Header)
	}
}

// full is a listener whose process has no descriptor left, once.
type full struct {
	net.Listener
	told atomic.Bool
}

func (f *full) Accept() (net.Conn, error) {
	if !f.told.Swap(true) {
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return f.Listener.Accept()
}

// Where descriptors are fewer than connections may be, one makes room, too.
func TestFewDescriptors(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	open := newConnections(9, newLogger("json", io.Discard))
	first := dial(t, l.Addr().String(), "")
	accepted, err := counted{l, open, false}.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (counted{&full{Listener: l}, open, false}).Accept(); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("with nobody to make room: %v", err)
	}
	open.state(accepted, http.StateIdle)
	dial(t, l.Addr().String(), "")
	second, err := counted{&full{Listener: l}, open, false}.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = second.Close() }()
	if closed(t, first) != "" || open.displaced != 1 || len(open.open) != 1 {
		t.Errorf("%d made room, %d are there", open.displaced, len(open.open))
	}
}

// A body that nobody reads keeps its answer back no longer than a refusal takes.
func TestUnreadBody(t *testing.T) {
	_, address := bounded(t, 9, io.Discard, nil, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	began := time.Now()
	answer := closed(t, dial(t, address, "POST / HTTP/1.1\r\nHost: usher\r\nContent-Length: 100000\r\n\r\n "))
	if took := time.Since(began); !strings.HasPrefix(answer, "HTTP/1.1 418 ") || took > usual.read/3 {
		t.Errorf("after %v: %q", took, answer)
	}
}

// Over TLS, too, a connection is known for busy while it is, and for idle then.
func TestConnectionsOverTLS(t *testing.T) {
	a := newAuthority(t)
	cert, err := loadCertificate(a.files(t, t.TempDir(), 1, time.Now().Add(time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	inside, leave := make(chan struct{}), make(chan struct{})
	open, address := bounded(t, 9, io.Discard, cert, func(http.ResponseWriter, *http.Request) {
		inside <- struct{}{}
		<-leave
	})
	c, err := (&tls.Dialer{Config: &tls.Config{RootCAs: a.pool}}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: usher\r\n\r\n")
	<-inside
	lengths := func() [3]int {
		open.mu.Lock()
		defer open.mu.Unlock()
		return [3]int{open.silent.Len(), open.busy.Len(), open.idle.Len()}
	}
	if got := lengths(); got != [3]int{0, 1, 0} {
		t.Errorf("silent, busy, idle: %v", got)
	}
	close(leave)
	eventually(t, "it idles", func() bool { return lengths() == [3]int{0, 0, 1} })
}

// Over HTTP/2 little arrives that nobody has asked for.
func TestReceiveWindows(t *testing.T) {
	a := newAuthority(t)
	cert, err := loadCertificate(a.files(t, t.TempDir(), 1, time.Now().Add(time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	_, address := bounded(t, 9, io.Discard, cert, func(http.ResponseWriter, *http.Request) {})
	c, err := (&tls.Dialer{Config: &tls.Config{RootCAs: a.pool, NextProtos: []string{"h2"}}}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	f := http2.NewFramer(c, c)
	_, _ = io.WriteString(c, http2.ClientPreface)
	_, _ = f.WriteSettings(), f.WritePing(false, [8]byte{1})
	const first = 1<<16 - 1 // RFC 9113, 6.9.2
	stream, connection := uint32(first), uint32(first)
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if size, ok := frame.Value(http2.SettingInitialWindowSize); ok {
				stream = size
			}
		case *http2.WindowUpdateFrame:
			connection += frame.Increment
		case *http2.PingFrame:
			if stream > maxUnread || connection > maxUnread {
				t.Errorf("%d bytes a request, %d a connection", stream, connection)
			}
			return
		}
	}
}
