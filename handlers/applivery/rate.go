package applivery

import (
	"math"
	"strconv"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"usher/handlers/edge"
	"usher/storage"
)

const (
	// rateLimit is how many requests the vendor takes from one address within
	// rateWindow.
	rateLimit  = 10_000
	rateWindow = time.Hour
	// maxAddresses bounds the memory for counting: 100 000 addresses at some 150
	// bytes each. Whoever is not among the last that many is counted anew.
	maxAddresses = 100_000
)

// limiter counts requests by address, as express-rate-limit does: in windows
// that begin with an address' first request.
type limiter struct {
	limit int
	now   func() time.Time

	mu      sync.Mutex
	windows *lru.Cache[string, window]
}

// window is what an address has sent since its window began.
type window struct {
	requests int
	ends     time.Time
}

func newLimiter(limit int, now func() time.Time) (*limiter, error) {
	windows, err := lru.New[string, window](maxAddresses)
	return &limiter{limit: limit, now: now, windows: windows}, err
}

// admit counts a request, tells the caller where he stands, and refuses what is
// beyond the limit.
func (l *limiter) admit(call *edge.Call) error {
	w, now := l.count(storage.Network(call.Source))
	ends := w.ends.Truncate(time.Second)
	if ends.Before(w.ends) {
		ends = ends.Add(time.Second)
	}
	header := call.Header()
	header["X-RateLimit-Limit"] = []string{strconv.Itoa(l.limit)}
	header["X-RateLimit-Remaining"] = []string{strconv.Itoa(max(0, l.limit-w.requests))}
	header["X-RateLimit-Reset"] = []string{strconv.FormatInt(ends.Unix(), 10)}
	if w.requests > l.limit {
		header["Retry-After"] = []string{strconv.Itoa(int(math.Ceil(w.ends.Sub(now).Seconds())))}
		return errTooMany
	}
	return nil
}

// count is an address' window with one request more, and the time. A window that
// ends later than one that begins now was begun by a clock that has been set back.
func (l *limiter) count(address string) (w window, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now = l.now()
	w, ok := l.windows.Get(address)
	if left := w.ends.Sub(now); !ok || left <= 0 || left > rateWindow {
		w = window{ends: now.Add(rateWindow)}
	}
	w.requests++
	l.windows.Add(address, w)
	return w, now
}
