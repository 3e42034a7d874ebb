package edge

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"
)

// Checker holds requests against an API's contract without serving the API, and
// words what it refuses as the API would.
type Checker struct{ e *echo.Echo }

// checked is what became of a request that a Checker looks at.
type checked struct {
	fits bool
	err  error // that the request is to fail with all the same
}

type checkedKey struct{}

// NewChecker makes a Checker of an API. Who calls is not asked, and of an API that
// knows preflights they all pass.
func NewChecker(a API) (*Checker, error) {
	fits := func(ctx context.Context) { ctx.Value(checkedKey{}).(*checked).fits = true }
	a.AuthenticateFirst = false
	a.Admit = func(call *Call) error { return call.Request.Context().Value(checkedKey{}).(*checked).err }
	a.Authenticate = func(ctx context.Context, _ *Call) (context.Context, error) { return ctx, nil }
	if a.Preflight != nil {
		a.Preflight = func(call *Call) Answer {
			fits(call.Request.Context())
			return Answer{}
		}
	}
	register := a.Register
	a.Register = func(r Router) {
		r.instead = func(c echo.Context) error {
			fits(c.Request().Context())
			return nil
		}
		register(r)
	}
	c := &Checker{echo.New()}
	return c, Mount(c.e, Options{EveryPath: true}, a)
}

// Refuse writes the API's refusal of a request that does not fit the contract, and
// says whether it did; otherwise nothing is written. It reads the body, and may
// write to the request's URL.
func (c *Checker) Refuse(w http.ResponseWriter, r *http.Request) bool {
	answer, fits := c.ask(r, nil)
	if !fits {
		answer.copyTo(w)
	}
	return !fits
}

// Fail writes what the API says to a request when err comes in its way, whatever
// the request is.
func (c *Checker) Fail(w http.ResponseWriter, r *http.Request, err error) {
	answer, _ := c.ask(r, err)
	answer.copyTo(w)
}

// ask runs a request through the edge, and gives what it says.
func (c *Checker) ask(r *http.Request, err error) (answer *recorder, fits bool) {
	settled := &checked{err: err}
	answer = new(recorder)
	answer.reset()
	c.e.ServeHTTP(answer, r.WithContext(context.WithValue(r.Context(), checkedKey{}, settled)))
	return answer, settled.fits
}

func (r *recorder) copyTo(w http.ResponseWriter) {
	header := w.Header()
	for name, values := range r.header {
		header[name] = values
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body.Bytes())
}
