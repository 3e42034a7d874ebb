package main

import (
	"container/list"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"usher/handlers"
)

// connections bounds how many connections there are at once, over all places
// together, and how many requests, which HTTP/2 has many of on one connection.
//
// At the limit a new connection takes the place of one that has not sent the
// headers of its first request in a second, or else of the one that has been idle
// longest, between two requests, or else of the one that has been busy longest, if
// that is more than longRequest: clients that are slow on purpose keep others out
// for no longer. If none of them is there it is refused: with a 503 in plain text, or, if
// it would speak TLS, by closing it, since a handshake is work.
type connections struct {
	max    int // 0: any number
	logger *slog.Logger

	mu        sync.Mutex
	open      map[*connection]struct{}
	idle      *list.List // of *connection between two requests, the longest first
	silent    *list.List // of *connection before its first request, the longest first
	busy      *list.List // of *connection with a request under way, the longest first
	refused   int
	displaced int       // made room for others
	reported  time.Time // when a refusal was logged last

	refusing        atomic.Int64 // refusals under way
	requests        atomic.Int64 // being answered
	requestsRefused atomic.Int64
}

func newConnections(limit int, logger *slog.Logger) *connections {
	return &connections{max: limit, logger: logger, open: map[*connection]struct{}{}, idle: list.New(), silent: list.New(), busy: list.New()}
}

// register shows the numbers among the metrics.
func (c *connections) register(registry *prometheus.Registry) {
	number := func(of func() int) func() float64 {
		return func() float64 {
			c.mu.Lock()
			defer c.mu.Unlock()
			return float64(of())
		}
	}
	registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "usher_connections", Help: "Connections that are open."}, number(func() int { return len(c.open) })),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "usher_connections_refused_total", Help: "Connections refused, there being too many."}, number(func() int { return c.refused })),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "usher_connections_displaced_total", Help: "Connections closed to make room for others."}, number(func() int { return c.displaced })),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "usher_requests_refused_total", Help: "Requests refused, there being too many."}, func() float64 { return float64(c.requestsRefused.Load()) }),
	)
}

// connection is one that is counted.
type connection struct {
	*net.TCPConn // and not net.Conn: its CloseWrite lets an answer arrive whose request is not read to its end
	all          *connections
	since        time.Time // accepted; of a busy one when its request began
	place        *list.Element
	in           *list.List // where place is
}

func (c *connection) Close() error {
	c.all.mu.Lock()
	c.all.forget(c)
	c.all.mu.Unlock()
	return c.TCPConn.Close()
}

// counted is a listener whose connections are.
type counted struct {
	net.Listener
	all *connections
	tls bool
}

func (l counted) Accept() (net.Conn, error) {
	for {
		accepted, err := l.Listener.Accept()
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
			// The process has fewer descriptors than connections it may have.
			if l.all.displace(time.Now()) {
				time.Sleep(time.Millisecond) // whoever reads from it lets go of it
				continue
			}
		}
		if err != nil {
			return nil, err
		}
		c := &connection{TCPConn: accepted.(*net.TCPConn), all: l.all, since: time.Now()}
		if l.all.admit(c) {
			return c, nil
		}
		l.all.refuse(c.TCPConn, l.tls)
	}
}

// admit counts a connection, if there is room or room can be made.
func (c *connections) admit(one *connection) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.max > 0 && len(c.open) >= c.max && !c.displaceLocked(one.since) {
		c.refused++
		if one.since.Sub(c.reported) > time.Minute {
			c.reported = one.since
			c.logger.Warn("connections refused", "max", c.max, "refused_so_far", c.refused)
		}
		return false
	}
	c.open[one] = struct{}{}
	one.wait(c.silent)
	return true
}

// displace makes room, if it can be made.
func (c *connections) displace(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.displaceLocked(now)
}

func (c *connections) displaceLocked(now time.Time) bool {
	victim := c.dispensable(now)
	if victim == nil {
		return false
	}
	c.displaced++
	c.forget(victim)
	_ = victim.TCPConn.Close() // its server finds out
	return true
}

// dispensable is the connection that a new one may take the place of; nil: none.
func (c *connections) dispensable(now time.Time) *connection {
	for _, of := range []struct {
		list *list.List
		than time.Duration
	}{{c.silent, silence}, {c.idle, -time.Hour}, {c.busy, longRequest}} {
		if longest := of.list.Front(); longest != nil {
			if one := longest.Value.(*connection); now.Sub(one.since) > of.than {
				return one
			}
		}
	}
	return nil
}

// wait puts a connection at the end of a list, and takes it off the one that it is on.
func (c *connection) wait(in *list.List) {
	if c.in != nil {
		c.in.Remove(c.place)
	}
	if c.in = in; in != nil {
		c.place = in.PushBack(c)
	}
}

func (c *connections) forget(one *connection) {
	one.wait(nil)
	delete(c.open, one)
}

// state is what a server tells of its connections.
func (c *connections) state(given net.Conn, state http.ConnState) {
	if encrypted, ok := given.(*tls.Conn); ok {
		given = encrypted.NetConn()
	}
	one, ok := given.(*connection)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, open := c.open[one]; !open {
		return
	}
	switch state {
	case http.StateActive:
		one.since = time.Now()
		one.wait(c.busy)
	case http.StateIdle:
		one.wait(c.idle)
	case http.StateNew, http.StateHijacked, http.StateClosed: // it waits already, or is forgotten when it is closed
	}
}

const (
	refusal = "There are as many connections as this server takes; try again.\n"
	// silence is how long a new connection may keep quiet where others want its
	// place; else the time for headers counts.
	silence = time.Second
	// longRequest is how long a request may take where others want its connection's
	// place: longer than a full queue of hashes lasts, some four seconds.
	longRequest = 10 * time.Second
	// A refused client gets this long to send the rest of what it was about to
	// send, and to read why it is refused; so many connections do at once.
	refusalTime = time.Second
	maxRefusing = 64
)

// refusalAnswer is what a refused client hears.
var refusalAnswer = sync.OnceValue(func() string {
	header := http.Header{"Content-Type": {"text/plain; charset=utf-8"}, "Content-Length": {strconv.Itoa(len(refusal))}, "Retry-After": {"1"}, "Connection": {"close"}}
	handlers.Safe(header)
	var b strings.Builder
	_ = header.Write(&b)
	return "HTTP/1.1 503 Service Unavailable\r\n" + b.String() + "\r\n" + refusal
})

// refuse says why, and closes. What the client has sent is read, or its system
// would throw the answer away.
func (c *connections) refuse(conn *net.TCPConn, encrypted bool) {
	if encrypted || c.refusing.Add(1) > maxRefusing {
		if !encrypted {
			c.refusing.Add(-1)
		}
		_ = conn.Close()
		return
	}
	go func() {
		defer c.refusing.Add(-1)
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(refusalTime))
		_, err := io.WriteString(conn, refusalAnswer())
		if err == nil && conn.CloseWrite() == nil {
			_, _ = io.Copy(io.Discard, io.LimitReader(conn, maxHeaderBytes))
		}
	}()
}

// bound puts next behind the limit of requests, and ends a connection whose
// request came in chunks: it may have had a Content-Length besides, which
// net/http drops without a word, and then what follows may be no request of that
// client's (RFC 9112, 6.3). lasting: browsers are to come back over TLS only.
func (c *connections) bound(next http.Handler, lasting bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		running := c.requests.Add(1)
		defer c.requests.Add(-1)
		if lasting {
			w.Header().Set("Strict-Transport-Security", "max-age=31536000")
		}
		if len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		if c.max > 0 && running > int64(c.max) {
			c.requestsRefused.Add(1)
			handlers.Safe(w.Header())
			w.Header().Set("Retry-After", "1")
			http.Error(w, "There are as many requests as this server takes; try again.", http.StatusServiceUnavailable)
			return
		}
		if r.Body == http.NoBody || r.ProtoMajor > 1 {
			next.ServeHTTP(w, r)
			return
		}
		body := &sentBody{ReadCloser: r.Body}
		r = r.WithContext(r.Context()) // net/http looks at the body that it gave
		r.Body = body
		next.ServeHTTP(w, r)
		// What was not asked for, net/http reads before it takes the next request,
		// and of a body in chunks even before it answers: until the time for
		// reading is up, if nothing comes.
		if !body.ended {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(refusalTime))
		}
	})
}

// sentBody is a request's body, and knows whether it has been read to its end.
type sentBody struct {
	io.ReadCloser
	ended bool
}

func (b *sentBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.ended = b.ended || err != nil
	return n, err
}
