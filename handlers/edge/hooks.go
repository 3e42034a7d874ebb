package edge

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"
)

// Authentication is how much a caller has to prove.
type Authentication string

// The ways to ask who calls.
const (
	Enforce   Authentication = "enforce" // as the vendor does
	Observing Authentication = "observe" // as the vendor does, and who is refused is let pass as API.Anyone all the same
	Off       Authentication = "off"     // everybody is API.Anyone
)

// Fault is what is done to a request beside handling it, or instead: first Delay,
// then Answer or CutBefore or what the API does, then CutAfter or Rate.
type Fault struct {
	Rule   string        // whatever Observe is to be told of it
	Delay  time.Duration // before anything is done, out of the request's own time: if that is over first, the API says so
	Answer *Answer       // instead of the API's own; the request is not handled
	Cut    Cut           // where the connection ends, or an HTTP/2 stream
	Rate   int           // bytes a second of the answer's body; 0: at once
}

// Cut is where a request's connection ends.
type Cut int

// The places to cut.
const (
	NoCut     Cut = iota
	CutBefore     // nothing is done
	CutAfter      // it is done, and the answer is lost
)

// String is the place as logs have it.
func (c Cut) String() string { return [...]string{"no", "before", "after"}[c] }

// MaxObserved is how many bytes of a request's body Observe is told of.
const MaxObserved = 64 << 10

// Observed is what there is to tell of a request when its answer is about to go
// out. Header and Body are good during the call only.
type Observed struct {
	Start   time.Time
	Elapsed time.Duration
	// RequestBody is what was read of the body, at most MaxObserved bytes; nil: it
	// was not looked at. RequestTruncated: there was, or may have been, more.
	RequestBody      []byte
	RequestTruncated bool

	Status int         // 0: the request was cut before anything was done
	Header http.Header // as sent, but for what net/http adds
	Body   []byte      // as sent; nil of a stream (text/event-stream), which is told of when it begins

	Fault  *Fault  // that was put in; nil: none
	Passed *Answer // under Observing: the refusal that enforcing would have given
}

// identify finds out who calls, as far as that is asked.
func (a *api) identify(ctx context.Context, call *Call) (context.Context, error) {
	mode := Enforce
	if a.options.Authentication != nil {
		mode = a.options.Authentication()
	}
	switch mode {
	case Off:
		return a.Anyone(ctx, call)
	case Observing:
	default:
		return a.Authenticate(ctx, call)
	}
	sent, header := call.Request.Header.Clone(), call.header.Clone()
	who, err := a.Authenticate(ctx, call)
	if err == nil {
		if who != ctx { // of an operation that is open to all, no handler asks who calls
			call.sent = sent
		}
		return who, nil
	}
	if !a.Denied(err) && !errors.As(err, new(*CallerError)) {
		return nil, err
	}
	return a.letPass(ctx, call, err, sent, header)
}

// letPass takes back what a refusal has done to a call, whose headers were these
// before, and gives the context of a caller whom nothing is denied.
func (a *api) letPass(ctx context.Context, call *Call, refusal error, sent, header http.Header) (context.Context, error) {
	passed := a.word(call, refusal)
	passed.Header = passed.Header.Clone() // a vendor's table may share it
	if passed.Header == nil {
		passed.Header = http.Header{}
	}
	maps.Copy(passed.Header, call.header)
	call.passed, call.header, call.Request.Header = &passed, header, sent
	return a.Anyone(ctx, call)
}

// handleOrLetPass is handle for a caller who is known, under Observing: if the
// handler refuses him, it is asked again for one whom nothing is denied. One that
// refuses that, too, refuses the request.
func (a *api) handleOrLetPass(ctx context.Context, c echo.Context, call *Call, next echo.HandlerFunc) error {
	header := call.header.Clone()
	err := handle(c, next)
	if err == nil || !a.Denied(err) {
		return err
	}
	who, err := a.letPass(ctx, call, err, call.sent, header)
	if err != nil {
		return err
	}
	c.Response().Writer.(*recorder).reset()
	c.SetRequest(call.Request.WithContext(who)) // the validated body stays with it
	call.Request = c.Request()
	if err = handle(c, next); err != nil && a.Denied(err) {
		call.passed = nil
	}
	return err
}

// intercept puts in the fault that a request is to have, as far as it comes before
// the handler. answered: there will be none.
func (a *api) intercept(ctx context.Context, c echo.Context, call *Call, op *operation) (answered bool, err error) {
	if a.options.Intercept == nil {
		return false, nil
	}
	if call.fault = a.options.Intercept(call); call.fault == nil {
		return false, nil
	}
	f := call.fault
	if err := wait(ctx, f.Delay); f.Cut == CutBefore || err != nil {
		return true, err
	}
	if f.Answer == nil {
		return false, nil
	}
	if call.came != nil && op != nil && op.schema != nil {
		_, _ = a.rawBody(ctx, call.Request) // for Observe; whether it can be read is nobody's concern
	}
	call.Code = f.Answer.Code
	return true, a.answer(c, *f.Answer)
}

// wait returns nil after d, and ctx's error if that ends before.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *Call) cut() Cut {
	if c.fault == nil {
		return NoCut
	}
	return c.fault.Cut
}

// out is what an answer's body is written to.
func (a *api) out(r *http.Request, call *Call) io.Writer {
	if call.fault == nil || call.fault.Rate <= 0 {
		return call.writer
	}
	return drip{call.writer, call.fault.Rate, r.Context().Done()}
}

// drip writes so many bytes a second.
type drip struct {
	http.ResponseWriter
	rate int
	gone <-chan struct{} // closed when nobody reads any more
}

const (
	// dripsPerSecond is how many pieces a second's share comes in, at most.
	dripsPerSecond = 20
	// dripTime is what the connection has for one piece, in place of the server's
	// WriteTimeout for all.
	dripTime = 30 * time.Second
)

func (d drip) Write(b []byte) (n int, err error) {
	control := http.NewResponseController(d.ResponseWriter)
	_ = control.Flush() // the head comes at once
	piece := max(1, d.rate/dripsPerSecond)
	pieces := time.NewTicker(time.Duration(float64(piece) / float64(d.rate) * float64(time.Second)))
	defer pieces.Stop()
	for n < len(b) && err == nil {
		select {
		case <-pieces.C:
		case <-d.gone:
			return n, context.Canceled
		}
		_ = control.SetWriteDeadline(time.Now().Add(dripTime)) // a recorder of a test has none
		var wrote int
		wrote, err = d.ResponseWriter.Write(b[n:min(n+piece, len(b))])
		n += wrote
		if err == nil {
			err = control.Flush()
		}
	}
	_ = control.SetWriteDeadline(time.Time{})
	return n, err
}

// liftDeadline lets a stream be written for as long as both ends are there. That of
// reading net/http lifts itself, once the body has been read.
func (c *Call) liftDeadline() {
	_ = http.NewResponseController(c.writer).SetWriteDeadline(time.Time{}) // a recorder of a test has none
}

// keep notes what Observe is to be told of the request: vendors' code and the
// edge's own alter it.
func (c *Call) keep(r *http.Request) {
	c.unread = r.Body != nil && r.Body != http.NoBody
	c.came = r.Clone(r.Context())
	c.came.Body = http.NoBody
}

// read notes what was read of the body; whole: that is all.
func (c *Call) read(raw []byte, whole bool) {
	if c.came == nil {
		return
	}
	c.body, c.unread = raw, !whole
	if len(raw) > MaxObserved {
		c.body, c.unread = slices.Clone(raw[:MaxObserved]), true
	}
}

// observe tells of an answer that is about to go out.
func (a *api) observe(call *Call, status int, header http.Header, body []byte) {
	if a.options.Observe == nil {
		return
	}
	call.Request = call.came
	a.options.Observe(call, Observed{
		Start: call.start, Elapsed: time.Since(call.start),
		RequestBody: call.body, RequestTruncated: call.unread,
		Status: status, Header: header, Body: body,
		Fault: call.fault, Passed: call.passed,
	})
}
