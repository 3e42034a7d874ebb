package proxy

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"strings"
	"sync"

	"usher/handlers/exchange"
)

// copied is what is kept of a body that goes through.
type copied struct {
	mu        sync.Mutex // a request's body may be read for a moment longer than its exchange lasts
	body      []byte
	truncated bool // it is larger than MaxCopy, or was not read to its end
	ended     bool
	failed    bool // reading it did
	taken     bool
}

// expect is told how long the body will be, if that is known (-1: it is not).
func (c *copied) expect(length int64) {
	switch {
	case length > MaxCopy:
		c.truncated = true
	case length > 0:
		c.body = make([]byte, 0, length)
	}
}

func (c *copied) add(b []byte, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.taken {
		return
	}
	c.ended = c.ended || err == io.EOF //nolint:errorlint // readers of net/http give it as it is
	c.failed = c.failed || err != nil && !c.ended
	switch {
	case c.truncated:
	case len(c.body)+len(b) > MaxCopy:
		c.body, c.truncated = nil, true
	default:
		c.body = append(c.body, b...)
	}
}

func (c *copied) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// take ends the copying, and says how much there is.
func (c *copied) take() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.taken = true
	return int64(len(c.body))
}

// tee copies a body while it is read.
type tee struct {
	io.ReadCloser
	to *copied

	reading sync.Mutex // held while it is read
	stopped bool
}

func (t *tee) Read(b []byte) (int, error) {
	t.reading.Lock()
	defer t.reading.Unlock()
	switch {
	case t.to.over(): // http.Transport asks once more, when the body may be closed
		return 0, io.EOF
	case t.stopped:
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := t.ReadCloser.Read(b)
	t.to.add(b[:n], err)
	return n, err
}

// stop waits until nobody reads any more, and sees to it that nobody will.
func (t *tee) stop() {
	t.reading.Lock()
	defer t.reading.Unlock()
	t.stopped = true
}

// exchange is what there is to judge. unread says why a body is not.
func (x *passing) exchange() (e exchange.Exchange, unread string) {
	e = exchange.Exchange{
		At: x.began, Duration: x.duration,
		Request: exchange.Message{Method: x.request.Method, URL: sentURL(x.request), Header: x.request.Header, Body: x.sent.body, Truncated: x.sent.truncated || !x.sent.whole(x.request.ContentLength)},
		Answer:  exchange.Message{Status: x.status, Header: x.header, Body: x.got.body, Truncated: x.got.truncated || x.status != 0 && !x.got.ended},
	}
	for _, m := range []struct {
		*exchange.Message
		side string
	}{{&e.Request, exchange.Request}, {&e.Answer, exchange.Answer}} {
		coding := strings.ToLower(strings.TrimSpace(strings.Join(m.Header["Content-Encoding"], ",")))
		if m.Truncated || len(m.Body) == 0 || coding == "" || coding == "identity" {
			continue
		}
		var ok bool
		if m.Body, ok = decoded(coding, m.Body); !ok {
			m.Body, m.Truncated = nil, true
			unread = "the " + m.side + "'s body, which is " + strings.Map(printable, coding)
		}
	}
	return e, unread
}

// printable leaves out what does not belong into a log line.
func printable(r rune) rune {
	if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || strings.ContainsRune("-_, ", r) {
		return r
	}
	return -1
}

// whole says whether a request's body was read to its end: one that has a length
// need not be read until it says so.
func (c *copied) whole(length int64) bool {
	return c.ended || length >= 0 && int64(len(c.body)) == length
}

// maxDecoded is how large a body may get when it is decoded.
const maxDecoded = 1 << 20

// decoded undoes a Content-Encoding. Brotli is not known.
func decoded(coding string, body []byte) ([]byte, bool) {
	var from io.Reader
	var err error
	switch coding {
	case "gzip", "x-gzip":
		from, err = gzip.NewReader(bytes.NewReader(body))
	case "deflate": // with the header of zlib, but for servers that leave it out
		if from, err = zlib.NewReader(bytes.NewReader(body)); err != nil {
			from, err = flate.NewReader(bytes.NewReader(body)), nil
		}
	default:
		return nil, false
	}
	if err != nil {
		return nil, false
	}
	plain, err := io.ReadAll(io.LimitReader(from, maxDecoded+1))
	return plain, err == nil && len(plain) <= maxDecoded
}
