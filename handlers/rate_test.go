package handlers_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"usher/handlers"
	"usher/handlers/applivery"
	"usher/storage"
)

// Applivery's limit is of what counts as one source for guessing, too: whoever has
// an IPv6 network has no limit for each of its addresses.
func TestRateLimitCountsNetworks(t *testing.T) {
	store, err := storage.Open(t.Context(), storage.Options{Path: filepath.Join(t.TempDir(), "usher.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	h, err := handlers.New(store, handlers.Options{
		Applivery:      applivery.Options{RateLimit: 1},
		TrustedProxies: []*net.IPNet{{IP: net.IPv4(192, 0, 2, 0), Mask: net.CIDRMask(24, 32)}}, // where httptest's requests come from
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		source string
		status int
	}{
		{"2001:db8::1", http.StatusUnauthorized},
		{"2001:db8::2", http.StatusTooManyRequests},
		{"2001:db8:0:1::1", http.StatusUnauthorized},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/users", nil)
		r.Header.Set("X-Forwarded-For", c.source)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("%s: %d, want %d", c.source, w.Code, c.status)
		}
	}
}
