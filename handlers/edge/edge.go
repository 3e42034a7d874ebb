// Package edge is what every request passes through before and after its
// handler: route, who calls, does it fit the contract, handler, envelope; with
// the request's id, its log line and its metrics. It knows no vendor: what
// differs between them is data and functions of an API.
//
// It imports nothing of ours. It never logs a body, a query or a header, and
// never puts a value of a body into an error.
//
// Start at API (what a vendor's package fills in) and Mount (what it becomes);
// validate.go holds a request against its contract, problems.go says what of a body
// does not fit, answer.go writes.
package edge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
)

// API is one vendor's API.
type API struct {
	// Name is the API's name in paths of ours, log lines and metrics.
	Name string
	// Roots are the paths that belong to this API, with all below them. The
	// contract's paths are served below the first, but for those that begin
	// with another of the roots: they are served as they stand.
	Roots []string
	// Contract is what the effective contract says of requests.
	Contract *Contract
	// OpenAPI is the effective contract itself, in YAML, for those who ask.
	OpenAPI []byte
	// Register is the generated registration of the API's handlers.
	Register func(Router)

	// Admit is asked before anything else, on unknown paths too, whether the
	// request is to be served at all: for limits on how many a caller may send.
	// It may set Call.Header. nil: all are.
	Admit func(*Call) error
	// Authenticate finds out who calls, and gives the context that the handler
	// will see. It may refuse. It runs after the route is known and before the
	// body is read; AuthenticateFirst has it run on unknown paths too.
	Authenticate      func(context.Context, *Call) (context.Context, error)
	AuthenticateFirst bool
	// Anyone gives the context of a caller whom nothing is denied, for requests that
	// Authenticate is not asked about, or has refused: see Authentication.
	Anyone func(context.Context, *Call) (context.Context, error)
	// Denied says whether an error of Authenticate, or of a handler, refuses the
	// caller (who he is, or his rights) and not the request, besides a CallerError. A
	// handler that returns such a one has changed nothing.
	Denied func(error) bool
	// Fail words an error of Authenticate, of the edge (RouteError, BodyError,
	// InvalidError, PanicError, a deadline) or of a handler.
	Fail func(*Call, error) Answer
	// Preflight answers OPTIONS on every path; nil: it is a verb like others.
	Preflight func(*Call) Answer

	// TrailingSlash serves every path with a slash at its end, too, and
	// HeadIsGet answers HEAD as GET without the body: what some vendors'
	// frameworks do of themselves.
	TrailingSlash bool
	HeadIsGet     bool

	Body BodyRules
	JSON JSONStyle
	// Header goes onto every answer.
	Header http.Header
	// RequestID is the header that carries the request's id, both ways.
	RequestID string
}

// Options are what all APIs share.
type Options struct {
	Logger    *slog.Logger          // nil: none
	Metrics   prometheus.Registerer // nil: none
	BodyLimit int64                 // bytes; 0: DefaultBodyLimit
	FileLimit int64                 // bytes of a body of application/octet-stream; 0: DefaultFileLimit
	Timeout   time.Duration         // for a whole request; 0: DefaultTimeout. The server's ReadTimeout should be the same
	// Busy is what a request fails with that has waited for all of its time until
	// its body's turn; nil: context.DeadlineExceeded.
	Busy error
	// EveryPath has an API answer outside of its roots, too, as its vendor's own
	// server would: every path and verb that no other route takes is unknown to
	// it. Of several APIs it is the last.
	EveryPath bool
	// Header goes onto every answer of every API, unless that has its own of the
	// name.
	Header http.Header
	// TrustedProxies are the networks whose word counts for who sent a request:
	// X-Forwarded-For is read from its end, and the first address that is in none
	// of them is the caller's. If one of them says https last in X-Forwarded-Proto,
	// cookies are for TLS only, as they are over TLS. nil: nobody's does, and neither is
	// read.
	TrustedProxies []*net.IPNet

	// Authentication is asked at each request; nil: Enforce.
	Authentication func() Authentication
	// Intercept is asked for each request that was admitted, once its operation is
	// known and before its caller is; nil, or a nil Fault: nothing is put in.
	Intercept func(*Call) *Fault
	// Observe is told of each request right before its answer goes out; nil: nobody.
	Observe func(*Call, Observed)
}

// A body of these APIs is some hundred bytes; the vendors' own limits are
// unknown but for restify's, which is this one. A request's time is Milvus'
// own default.
const (
	DefaultBodyLimit = 1 << 20
	DefaultFileLimit = 64 << 20
	DefaultTimeout   = 30 * time.Second
)

// Router registers an API's operations; the generated code takes it for echo's
// router. Every handler it registers has the edge around it: there is no other
// way in.
type Router struct {
	api     *api
	e       *echo.Echo
	unknown echo.HandlerFunc // of all that the API does not know
	instead echo.HandlerFunc // of every operation's own handler; nil: it is its own
}

// Mount serves the APIs on e.
func Mount(e *echo.Echo, o Options, apis ...API) error {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.BodyLimit == 0 {
		o.BodyLimit = DefaultBodyLimit
	}
	if o.FileLimit == 0 {
		o.FileLimit = DefaultFileLimit
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	e.IPExtractor = sourceOf(o.TrustedProxies)
	m, err := newMetrics(o.Metrics)
	if err != nil {
		return err
	}
	for _, a := range apis {
		mounted := &api{API: a, options: o, metrics: m}
		unknown := mounted.around(nil, nil)
		a.Register(Router{api: mounted, e: e, unknown: unknown})
		if err := mounted.complete(); err != nil {
			return fmt.Errorf("%s: %w", a.Name, err)
		}
		for _, root := range a.Roots {
			e.RouteNotFound(root, unknown)
			e.RouteNotFound(root+"/*", unknown)
		}
		if o.EveryPath {
			e.RouteNotFound("/*", unknown)
		}
	}
	return nil
}

// api is an API that is being served.
type api struct {
	API
	options    Options
	metrics    *metrics
	registered map[*operation]bool
	strangers  []string // registered, but not in the contract
}

// complete refuses an API whose generated code and contract do not name the
// same operations: a route without its contract would be a route without
// validation. And one that lacks what authentication that is not enforced needs.
func (a *api) complete() error {
	if a.Authenticate == nil || a.Anyone == nil || a.Denied == nil {
		return errors.New("it lacks Authenticate, Anyone or Denied")
	}
	if len(a.strangers) > 0 {
		return fmt.Errorf("registered, but not in the contract: %s", strings.Join(a.strangers, ", "))
	}
	for _, op := range a.Contract.operations {
		if !a.registered[op] {
			return fmt.Errorf("in the contract, but not registered: %s", op.id)
		}
	}
	return nil
}

// add registers a handler of the generated code, where path is in echo's form,
// below the API's base.
func (r Router) add(method, path string, h echo.HandlerFunc, m []echo.MiddlewareFunc) *echo.Route {
	op := r.api.Contract.at(method, path)
	if op == nil {
		r.api.strangers = append(r.api.strangers, method+" "+path)
		return nil
	}
	if r.api.registered == nil {
		r.api.registered = map[*operation]bool{}
	}
	r.api.registered[op] = true
	if r.instead != nil {
		h = r.instead
	}
	known := r.api.around(op, h)
	serve := func(c echo.Context) error {
		// echo gives a parameter at a path's end all that is left of the path,
		// and one in its middle nothing, if that is what stands there.
		if slices.ContainsFunc(c.ParamValues(), func(v string) bool { return v == "" || strings.Contains(v, "/") }) {
			return r.unknown(c)
		}
		return known(c)
	}
	verbs := []string{method}
	if method == http.MethodGet && r.api.HeadIsGet {
		verbs = append(verbs, http.MethodHead)
	}
	at := r.api.at(path)
	paths := []string{at}
	if bare := strings.TrimSuffix(at, "/"); bare != at { // the base itself is served with and without its slash
		paths = append(paths, bare)
	} else if r.api.TrailingSlash {
		paths = append(paths, at+"/")
	}
	for _, p := range paths[1:] {
		r.e.Match(verbs, p, serve, m...)
	}
	return r.e.Match(verbs, at, serve, m...)[0]
}

// at is where a path of the contract is served.
func (a *api) at(path string) string {
	for _, root := range a.Roots[1:] {
		if path == root || strings.HasPrefix(path, root+"/") {
			return path
		}
	}
	return a.Roots[0] + path
}

// below is the contract's path for one that was asked for, the reverse of at;
// empty for one that is below none of the roots, see Options.EveryPath.
func (a *api) below(path string) string {
	for i, root := range a.Roots {
		rest, found := strings.CutPrefix(path, root)
		switch {
		case !found || rest != "" && rest[0] != '/':
		case i > 0:
			return path
		case a.at(rest) == path: // and not where a further root is served
			return cmp.Or(rest, "/")
		}
	}
	return ""
}

// recorders are reused: an answer is a few hundred bytes. Those of larger ones are
// let go.
var recorders = sync.Pool{New: func() any { return new(recorder) }}

const maxReused = 64 << 10

func keep(rec *recorder) {
	if rec.body.Cap() <= maxReused {
		recorders.Put(rec)
	}
}

// around puts the edge around a handler of the generated code. Without an
// operation it is the handler of all that the API does not know.
func (a *api) around(op *operation, next echo.HandlerFunc) echo.HandlerFunc {
	id := ""
	if op != nil {
		id = op.id
	}
	count := a.metrics.of(a.Name, id)
	return func(c echo.Context) error {
		start := time.Now()
		r := c.Request()
		call := &Call{
			API: a.Name, Operation: id, Request: r,
			ID: requestID(r.Header.Get(a.RequestID)), Source: c.RealIP(), Encrypted: overTLS(r, a.options.TrustedProxies), echo: c, writer: c.Response().Writer, start: start, deadline: start.Add(a.options.Timeout),
		}
		if a.options.Observe != nil {
			call.keep(r)
		}
		ctx, cancel := op.within(context.WithValue(r.Context(), callKey{}, call), call.deadline)
		defer cancel()

		rec := recorders.Get().(*recorder)
		rec.renew()
		defer keep(rec)
		if op.isStream() {
			rec.begin, rec.conn = func() (io.Writer, error) { return a.begin(r, call, rec) }, call.writer
		}
		c.Response().Writer = rec
		err := a.pass(ctx, c, call, op, next)
		c.Response().Writer = call.writer
		a.finish(ctx, r, call, rec, count, err)
		return nil
	}
}

// finish answers, unless a stream has: what else is there to do about a request.
func (a *api) finish(ctx context.Context, r *http.Request, call *Call, rec *recorder, count func(int, time.Duration), err error) {
	var sent error
	abort := call.cut() != NoCut
	switch {
	case rec.through != nil: // a stream; what has gone wrong since it began is no answer any more
		if sent = err; err != nil && rec.broken == nil && ctx.Err() == nil {
			a.report(ctx, call, err)
			abort = true // or its end would pass for the whole of it
		}
	case call.cut() == CutBefore:
		rec.reset()
		a.observe(call, 0, nil, nil)
	default:
		if err != nil && rec.broken == nil {
			a.fail(ctx, call, rec, err)
		}
		a.head(call, rec)
		body := rec.settle(call.writer.Header(), r.Method, a.JSON)
		a.observe(call, rec.status, call.writer.Header(), body)
		if !abort {
			call.writer.WriteHeader(rec.status)
			sent = write(a.out(r, call), body)
		}
	}
	elapsed := time.Since(call.start)
	if abort {
		count(cutStatus, elapsed)
	} else {
		count(rec.status, elapsed)
	}
	a.log(call, rec, elapsed, sent)
	if abort {
		panic(http.ErrAbortHandler) // which net/http asks for, to end a connection or a stream
	}
}

// begin sends the head of a stream, and gives what its events are written to.
func (a *api) begin(r *http.Request, call *Call, rec *recorder) (io.Writer, error) {
	if call.cut() == CutAfter {
		return nil, http.ErrAbortHandler
	}
	a.head(call, rec)
	header := call.writer.Header()
	rec.headTo(header)
	a.observe(call, rec.status, header, nil)
	call.writer.WriteHeader(rec.status)
	return a.out(r, call), nil
}

// head puts the headers of every answer onto this one.
func (a *api) head(call *Call, rec *recorder) {
	header := call.writer.Header()
	for name, values := range a.options.Header {
		header[name] = values
	}
	for name, values := range a.Header {
		header[name] = values
	}
	header[a.RequestID] = []string{call.ID} // spelt as the vendor spells it
	for name, values := range call.header {
		header[name] = values
	}
	if call.Encrypted {
		secureCookies(header)
		secureCookies(rec.header)
	}
}

// pass takes a request through the edge. A panic becomes an error.
func (a *api) pass(ctx context.Context, c echo.Context, call *Call, op *operation, next echo.HandlerFunc) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = newPanicError(v)
		}
		c.Request().Body = http.NoBody // echo keeps the request for a while, and a large value with it
		if call.large {
			<-largeBodies
		}
	}()
	if a.Admit != nil {
		if err := a.Admit(call); err != nil {
			return err
		}
	}
	if answered, err := a.intercept(ctx, c, call, op); answered || err != nil {
		return err
	}
	if a.Preflight != nil && call.Request.Method == http.MethodOptions {
		return a.answer(c, a.Preflight(call))
	}
	if op == nil && !a.AuthenticateFirst {
		return a.unknown(call)
	}
	who, err := a.identify(ctx, call)
	if err != nil {
		return err
	}
	if op == nil {
		return a.unknown(call)
	}
	// Once, before validating: the value that is validated stays with the
	// request it was read from.
	c.SetRequest(call.Request.WithContext(who))
	call.Request = c.Request()
	if err := a.validate(who, c, op); err != nil {
		return err
	}
	if op.stream {
		call.liftDeadline()
	}
	if call.sent == nil {
		return handle(c, next)
	}
	return a.handleOrLetPass(ctx, c, call, next)
}

// handle has the generated code handle a request that fits its contract.
func handle(c echo.Context, next echo.HandlerFunc) error {
	err := next(c)
	if httpError := (*echo.HTTPError)(nil); errors.As(err, &httpError) {
		// Only the generated binder makes these: what was validated does not
		// fit the generated type (a number beyond 64 bits, say).
		return &InvalidError{Problems: []Problem{{In: "body", Keyword: "type"}}}
	}
	return err
}

func (a *api) unknown(call *Call) error {
	r := call.Request // the router goes by the path as it is escaped: a%2Fb is one segment
	unknown := &RouteError{Method: r.Method, Path: r.URL.Path}
	if path := a.below(echo.GetPath(r)); path != "" {
		unknown.Allow = a.Contract.allow(path)
	}
	return unknown
}

// fail answers err, and logs it if it is the server's own fault.
func (a *api) fail(ctx context.Context, call *Call, rec *recorder, err error) {
	answer := a.word(call, err)
	call.Code = answer.Code
	// A caller who has gone will not read the answer, and is no failure either.
	if answer.Status >= http.StatusInternalServerError && !answer.Refusal && !errors.Is(err, context.Canceled) {
		a.report(ctx, call, err)
	}
	if err := rec.fill(answer); err != nil {
		a.options.Logger.LogAttrs(ctx, slog.LevelError, "envelope not encoded", slog.String("api", a.Name), slog.String("error", err.Error()))
	}
}

// report logs a fault of the server's own.
func (a *api) report(ctx context.Context, call *Call, err error) {
	attrs := []slog.Attr{slog.String("api", a.Name), slog.String("operation", call.Operation), slog.String("request_id", call.ID), slog.String("error", err.Error())}
	if p := (*PanicError)(nil); errors.As(err, &p) {
		attrs = append(attrs, slog.String("stack", string(p.Stack)))
	}
	a.options.Logger.LogAttrs(ctx, slog.LevelError, "request failed", attrs...)
}

// word has the API word an error. If that panics there is nothing left to say.
func (a *api) word(call *Call, err error) (answer Answer) {
	defer func() {
		if v := recover(); v != nil {
			a.options.Logger.Error("failure without words", "api", a.Name, "error", newPanicError(v).Error())
			answer = Answer{Status: http.StatusInternalServerError}
		}
	}()
	return a.Fail(call, err)
}

// answer makes a given answer the handler's.
func (a *api) answer(c echo.Context, answer Answer) error {
	return c.Response().Writer.(*recorder).fill(answer)
}

func newPanicError(v any) *PanicError {
	p := &PanicError{Stack: debug.Stack(), cause: fmt.Sprintf("a value of type %T", v)}
	if e, ok := v.(runtime.Error); ok {
		p.cause = e.Error()
	}
	return p
}
