// Package proxy stands between a client and a vendor's server, passes on what
// either says, and holds each exchange against the API's contract.
//
// Nothing is added or changed but what HTTP leaves to each connection (hop-by-hop
// headers, framing, the order and spelling of headers' names), and the one header
// Header on answers. Bodies go through as they come; a copy of the small ones is
// judged after the answer has gone out. With a Checker it holds both back until
// they are judged, and refuses what breaks the contract.
//
// Start at New; copy.go is what is kept of an exchange, enforce.go what refuses.
package proxy

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"usher/handlers/edge"
	"usher/handlers/exchange"
	"usher/handlers/journal"
)

// Header is on every answer: the exchange's id, as in the log line.
const Header = "Usher-Exchange"

// MaxCopy is how much of a body is kept to be judged, in bytes. Of a larger one
// nothing is, and the message is judged by its status and headers alone.
const MaxCopy = 64 << 10

// What may wait to be judged. An exchange beyond that is passed on like all
// others, and counted as unjudged.
const (
	maxWaiting      = 4096     // exchanges
	maxWaitingBytes = 32 << 20 // of their bodies
)

// Options are the settings of a proxy.
type Options struct {
	Target    *url.URL // http or https, a host, and a path that all paths are put behind
	Contract  *exchange.Contract
	Transport http.RoundTripper // of the way to the target; it must not ask for compression by itself
	Logger    *slog.Logger      // one line per exchange; nil: none
	// Judged is told of each exchange that was judged, one at a time, in the order in
	// which they ended. It must not keep what the exchange points to unless it is
	// the only one to do so. nil: nobody is.
	Judged func(*exchange.Exchange)
	// Journal keeps the exchanges; nil: none does.
	Journal *journal.Journal
	// Checker refuses what breaks the contract, in the vendor's words; nil: all
	// passes.
	Checker *edge.Checker
}

// Proxy passes requests on to a target. It is an http.Handler.
type Proxy struct {
	options Options
	reverse httputil.ReverseProxy
	name    string // what ids begin with
	passed  atomic.Uint64

	closing  sync.RWMutex // held to put something among the waiting
	closed   bool
	waiting  chan *passing
	bytes    atomic.Int64 // waiting
	unjudged atomic.Int64
	done     chan struct{}
}

// New makes a proxy, which has to be closed.
func New(o Options) *Proxy {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Proxy{options: o, name: strings.ToLower(rand.Text()[:6]), waiting: make(chan *passing, maxWaiting), done: make(chan struct{})}
	p.reverse = httputil.ReverseProxy{
		Rewrite: p.rewrite, Transport: o.Transport, ModifyResponse: p.answered, ErrorHandler: p.failed,
		FlushInterval: -1, BufferPool: buffers{}, ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
	go p.judge()
	return p
}

// buffers are what bodies are copied with.
type buffers struct{}

var bufferPool = sync.Pool{New: func() any { return new([32 << 10]byte) }}

func (buffers) Get() []byte  { return bufferPool.Get().(*[32 << 10]byte)[:] }
func (buffers) Put(b []byte) { bufferPool.Put((*[32 << 10]byte)(b)) }

// passing is an exchange that is on its way.
type passing struct {
	http.ResponseWriter
	id       string
	request  *http.Request
	began    time.Time
	body     *tee // the request's; nil: it has none, or it is held
	sent     copied
	status   int // 0: the target has not answered
	header   http.Header
	got      copied
	told     int // the status that the client has got
	duration time.Duration
	refused  string // why the proxy answered itself; empty: it did not
	ender    string // who has ended the answer before it was whole; empty: nobody
	err      error  // what came between
	gone     bool   // the client did
}

type passingKey struct{}

// Unwrap is for http.ResponseController.
func (x *passing) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// WriteHeader adds the exchange's id, and keeps net/http from adding anything.
func (x *passing) WriteHeader(status int) {
	if status >= http.StatusOK {
		x.told = status
		header := x.Header()
		if x.body != nil && !x.sent.over() && x.request.ProtoMajor == 1 {
			header.Set("Connection", "close") // what comes after the answer is not the next request
		}
		header[Header] = append(header[Header], x.id)
		for _, name := range []string{"Date", "Content-Type"} {
			if _, there := header[name]; !there {
				header[name] = nil
			}
		}
	}
	x.ResponseWriter.WriteHeader(status)
}

// ServeHTTP passes a request on, and its answer back.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &passing{ResponseWriter: w, id: p.name + "-" + strconv.FormatUint(p.passed.Add(1), 36), began: time.Now()}
	r = r.WithContext(context.WithValue(r.Context(), passingKey{}, x))
	x.request = r
	defer p.ended(x) // a broken answer is a panic
	if p.options.Checker != nil {
		p.enforce(x, r)
		return
	}
	if r.Body != nil && r.Body != http.NoBody {
		// Or the server would take for itself what is unread of the body when the
		// answer begins, and the target may want it.
		_ = http.NewResponseController(w).EnableFullDuplex() // HTTP/2 is, without being asked
		x.sent.expect(r.ContentLength)
		body := &tee{ReadCloser: r.Body, to: &x.sent}
		defer x.release(w, body)
		x.body, r.Body = body, body
	}
	p.reverse.ServeHTTP(x, r)
}

// unread is how long a client may take to send what the target has not waited for.
const unread = time.Second

// release lets go of a body: http.Transport may still be reading it, which net/http
// does not bear once the request is over.
func (x *passing) release(w http.ResponseWriter, body *tee) {
	if !x.sent.over() {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(unread))
	}
	body.stop()
}

// rewrite makes the request to the target what the client's was: ReverseProxy has
// taken away what it takes for unsafe.
func (p *Proxy) rewrite(r *httputil.ProxyRequest) {
	in, out, target := r.In, r.Out, p.options.Target
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if values, there := in.Header[name]; there {
			out.Header[name] = values
		}
	}
	path, _, _ := strings.Cut(sentURL(in), "?")
	out.URL.Scheme, out.URL.Host, out.Host = target.Scheme, target.Host, target.Host
	out.URL.RawQuery, out.URL.ForceQuery = in.URL.RawQuery, in.URL.ForceQuery
	if prefix := strings.TrimSuffix(target.EscapedPath(), "/"); prefix != "" {
		path = prefix + path
		out.URL.Path, out.URL.RawPath = strings.TrimSuffix(target.Path, "/")+in.URL.Path, path
	}
	if out.URL.EscapedPath() != path && !strings.HasPrefix(path, "//") {
		out.URL.Opaque = path // with characters that net/url would escape
	}
	// Its values come after the body, into the map that was announced.
	out.Trailer = in.Trailer
}

// sentURL is a request's path and query as they were sent.
func sentURL(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		return r.RequestURI
	}
	return r.URL.RequestURI()
}

func passingOf(r *http.Request) *passing { return r.Context().Value(passingKey{}).(*passing) }

// answered takes note of an answer before it goes through.
func (p *Proxy) answered(response *http.Response) error {
	x := passingOf(response.Request)
	x.status, x.header = response.StatusCode, response.Header
	switched := response.StatusCode == http.StatusSwitchingProtocols
	if switched { // ReverseProxy writes it by itself
		x.told, x.got.truncated = response.StatusCode, true // what follows is no answer any more, but a connection
		x.header = response.Header.Clone()
		response.Header[Header] = append(response.Header[Header], x.id)
	}
	if p.options.Checker != nil {
		return p.hold(x, response)
	}
	if switched {
		return nil
	}
	x.got.expect(response.ContentLength)
	response.Body = &tee{ReadCloser: response.Body, to: &x.got}
	return nil
}

// failed answers for a target that does not.
func (p *Proxy) failed(w http.ResponseWriter, r *http.Request, err error) {
	x := passingOf(r)
	if refusal, ok := err.(*refusal); ok { //nolint:errorlint // ReverseProxy hands over what answered gave it
		p.refuse(x, refusal)
		return
	}
	x.status, x.err, x.gone = 0, err, r.Context().Err() != nil
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusBadGateway)
	_, _ = io.WriteString(w, "usher proxy: the target gave no answer; see the log for exchange "+x.id+"\n")
}

// ended puts an exchange among those that wait to be judged.
func (p *Proxy) ended(x *passing) {
	x.duration = time.Since(x.began)
	x.ResponseWriter = nil
	x.ender = x.endedBy()
	size := x.sent.take() + x.got.take()
	p.closing.RLock()
	defer p.closing.RUnlock()
	if !p.closed && p.bytes.Add(size) <= maxWaitingBytes {
		select {
		case p.waiting <- x:
			return
		default:
		}
	}
	p.bytes.Add(-size)
	p.unjudged.Add(1)
}

// endedBy says who has ended the target's answer before it was whole; empty: nobody,
// or there was none.
func (x *passing) endedBy() string {
	switch {
	case x.status == 0 || x.status == http.StatusSwitchingProtocols || x.refused != "" || x.got.over():
		return ""
	case x.got.failed && x.request.Context().Err() == nil:
		return "target"
	}
	return "client"
}

// judge judges what waits, until the proxy is closed.
func (p *Proxy) judge() {
	defer close(p.done)
	for x := range p.waiting {
		e, unread := x.exchange()
		p.check(&e)
		caller := ""
		if x.status != http.StatusUnauthorized {
			caller = exchange.Caller(e.Request)
		}
		p.log(x, &e, unread)
		if p.options.Judged != nil {
			p.options.Judged(&e)
		}
		if p.options.Journal != nil {
			p.options.Journal.Add(journal.Entry{Exchange: e, Principal: caller, RequestID: x.id})
		}
		p.bytes.Add(-int64(len(x.sent.body) + len(x.got.body)))
	}
}

// check judges an exchange; one that makes that panic is none the less passed on.
func (p *Proxy) check(e *exchange.Exchange) {
	defer func() {
		if v := recover(); v != nil {
			e.Violations = []exchange.Violation{exchange.NotJudged(v)}
		}
	}()
	p.options.Contract.Check(e)
}

// log writes the exchange's one line.
func (p *Proxy) log(x *passing, e *exchange.Exchange, unread string) {
	path, _, _ := strings.Cut(e.Request.URL, "?")
	attrs := make([]slog.Attr, 0, 12)
	attrs = append(attrs,
		slog.String("api", e.API), slog.String("operation", e.Operation), slog.String("method", e.Request.Method), slog.String("path", path),
		slog.Int("status", x.told), slog.Float64("duration_ms", float64(e.Duration.Microseconds())/1000), slog.String("exchange", x.id))
	level := slog.LevelInfo
	if len(e.Violations) > 0 {
		level = slog.LevelWarn
		broken := make([]string, len(e.Violations))
		for i, v := range e.Violations {
			broken[i] = v.In + " " + v.Path + ": " + v.Rule
		}
		attrs = append(attrs, slog.Any("violations", broken))
	}
	if x.ender != "" {
		if x.ender == "target" {
			level = slog.LevelWarn
		}
		attrs = append(attrs, slog.String("incomplete", x.ender))
	}
	if unread != "" {
		attrs = append(attrs, slog.String("unread", unread))
	}
	if x.refused != "" {
		attrs = append(attrs, slog.String("refused", x.refused))
	}
	if x.err != nil {
		level = slog.LevelError
		if x.gone {
			level = slog.LevelInfo
		}
		attrs = append(attrs, slog.String("error", wordless(x.err)))
	}
	p.options.Logger.LogAttrs(context.Background(), level, "exchange", attrs...)
}

// wordless is an error's text without what it quotes of an answer that is no HTTP,
// which may be a secret.
func wordless(err error) string {
	text := err.Error()
	if strings.Contains(text, "malformed") || strings.Contains(text, "transport connection broken") {
		text, _, _ = strings.Cut(text, ` "`)
	}
	return text
}

// Close waits until all that has gone through is judged, or ctx is done, and says
// how many exchanges are unjudged. No request may come any more.
func (p *Proxy) Close(ctx context.Context) (unjudged int) {
	p.closing.Lock()
	if !p.closed {
		p.closed = true
		close(p.waiting)
	}
	p.closing.Unlock()
	select {
	case <-p.done:
	case <-ctx.Done():
	}
	return int(p.unjudged.Load()) + len(p.waiting)
}
