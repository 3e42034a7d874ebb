package edge

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
)

// Answer is a whole answer: what API.Fail and API.Preflight give.
type Answer struct {
	Status      int
	Code        string      // the vendor's own error code, for the log line
	Refusal     bool        // of a request that was at fault, though the status blames the server
	Header      http.Header // beside Content-Type; may be nil
	Value       any         // sent as JSON in the API's style; nil: Body is sent
	ContentType string      // of Body
	Body        []byte      // nil: empty
}

// RetryAfter is a header that says when to come back: a whole number of seconds,
// at least 1.
func RetryAfter(wait time.Duration) http.Header {
	return http.Header{"Retry-After": {strconv.Itoa(max(1, int(math.Ceil(wait.Seconds()))))}}
}

// JSONStyle is how a vendor's server writes JSON.
type JSONStyle struct {
	ContentType string
	// EscapeHTML writes <, > and & as \u003c, \u003e and \u0026, as Go's
	// servers do and Node's and Java's do not.
	EscapeHTML bool
}

// recorder holds a handler's answer until it is known to be one. A stream's it
// holds until the first Flush.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer

	begin   func() (io.Writer, error) // of a stream: sends the head; nil: the answer is none
	conn    http.ResponseWriter       // the connection's
	through io.Writer                 // what begin gave
	broken  error                     // why the stream cannot go on
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) Write(b []byte) (int, error) {
	switch {
	case r.broken != nil:
		return 0, r.broken
	case r.through == nil:
		return r.body.Write(b)
	}
	n, err := r.through.Write(b)
	r.broken = err
	return n, err
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

// FlushError sends what a stream has so far; it is what http.ResponseController
// looks for. Any other answer goes out as a whole.
func (r *recorder) FlushError() error {
	if r.begin == nil || r.broken != nil {
		return r.broken
	}
	if r.through == nil {
		if r.through, r.broken = r.begin(); r.broken == nil {
			r.broken = write(r.through, r.body.Bytes())
		}
	}
	if r.broken == nil {
		r.broken = http.NewResponseController(r.conn).Flush()
	}
	return r.broken
}

// renew makes the recorder ready for a request.
func (r *recorder) renew() {
	r.begin, r.conn, r.through, r.broken = nil, nil, nil, nil
	r.reset()
}

func (r *recorder) reset() {
	if r.header == nil {
		r.header = http.Header{}
	}
	clear(r.header)
	r.status = 0
	r.body.Reset()
}

// fill replaces whatever a handler wrote by a.
func (r *recorder) fill(a Answer) error {
	r.reset()
	r.status = a.Status
	if r.status == 0 { // a hole in a table of failures is no success
		r.status = http.StatusInternalServerError
	}
	for name, values := range a.Header {
		r.header[name] = values
	}
	if a.Value == nil {
		if a.ContentType != "" {
			r.header.Set(echo.HeaderContentType, a.ContentType)
		}
		r.body.Write(a.Body)
		return nil
	}
	r.header.Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
	return json.NewEncoder(&r.body).Encode(a.Value)
}

// headTo makes the head of what goes out.
func (r *recorder) headTo(header http.Header) {
	for name, values := range r.header {
		header[name] = values
	}
	if r.status == 0 {
		r.status = http.StatusOK
	}
}

// settle makes the head of what goes out, and gives the body, in the API's style.
// Generated code and fill encode with encoding/json, which escapes HTML and ends
// in a newline; no vendor ends in one.
func (r *recorder) settle(header http.Header, method string, style JSONStyle) (body []byte) {
	r.headTo(header)
	body = r.body.Bytes()
	if r.header.Get(echo.HeaderContentType) == echo.MIMEApplicationJSON {
		header.Set(echo.HeaderContentType, style.ContentType)
		body = bytes.TrimSuffix(body, []byte("\n"))
		if !style.EscapeHTML {
			body = unescapeHTML(body)
		}
	}
	if r.status != http.StatusNoContent {
		header.Set(echo.HeaderContentLength, strconv.Itoa(len(body)))
	}
	if method == http.MethodHead {
		return nil
	}
	return body
}

// write writes a body, if there is one.
func write(w io.Writer, body []byte) error {
	if len(body) == 0 {
		return nil
	}
	_, err := w.Write(body)
	return err
}

var htmlEscapes = map[string]string{
	`\u003c`: "<", `\u003e`: ">", `\u0026`: "&", `\u2028`: "\u2028", `\u2029`: "\u2029",
}

// unescapeHTML writes out what encoding/json escapes for the sake of HTML. A
// backslash that is itself escaped begins no escape.
func unescapeHTML(body []byte) []byte {
	if !bytes.Contains(body, []byte(`\u`)) {
		return body
	}
	out := make([]byte, 0, len(body))
	for i := 0; i < len(body); i++ {
		if body[i] != '\\' {
			out = append(out, body[i])
			continue
		}
		if i+6 <= len(body) {
			if plain, ok := htmlEscapes[string(body[i:i+6])]; ok {
				out = append(out, plain...)
				i += 5
				continue
			}
		}
		out = append(out, body[i], body[i+1])
		i++
	}
	return out
}
