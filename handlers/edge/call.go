package edge

import (
	"context"
	"crypto/rand"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// Call is one request on its way through the edge.
type Call struct {
	API       string
	Operation string // the contract's operationId; empty for an unknown path
	Request   *http.Request
	ID        string // the request's id: the caller's own, or made here
	Source    string // the remote address, without port
	Encrypted bool   // the caller's own connection is, as far as can be known
	Principal string // who calls, for the log line; set by API.Authenticate
	Code      string // the vendor's error code, for the log line; set by the answer

	echo     echo.Context
	writer   http.ResponseWriter // the connection's
	start    time.Time
	deadline time.Time // the edge's own
	header   http.Header
	large    bool // its body is one of largeBodies

	fault  *Fault
	passed *Answer     // the refusal that was not given, see Observing
	sent   http.Header // of the request; nil: what a handler refuses stays refused

	// For Observe alone.
	came   *http.Request // as it came; what the API has made of it since is Request
	body   []byte        // what was read of its body
	unread bool          // there may be more
}

// Param gives a path parameter, unescaped; empty if the path has none of that name.
func (c *Call) Param(name string) string { return pathParam(c.echo, name) }

// Header is what the answer will carry beside its own headers, whether it
// succeeds or fails.
func (c *Call) Header() http.Header {
	if c.header == nil {
		c.header = http.Header{}
	}
	return c.header
}

type callKey struct{}

// CallFrom gives the call that a handler's context belongs to. It panics on a
// context that did not come through the edge.
func CallFrom(ctx context.Context) *Call {
	return ctx.Value(callKey{}).(*Call)
}

// requestID takes the caller's id if it is one that can stand in a log line and
// a header, and makes one otherwise.
func requestID(given string) string {
	if given == "" || len(given) > 128 {
		return rand.Text()
	}
	for i := range len(given) {
		switch b := given[i]; {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '-', b == '_', b == '.', b == ':':
		default:
			return rand.Text()
		}
	}
	return given
}
