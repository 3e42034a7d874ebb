package handlers

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"testing"

	"usher/storage"
	"usher/storage/password"
)

// The passwords that a first start makes are of one form, never the same, and
// every API takes them.
func TestRandomPasswords(t *testing.T) {
	form := regexp.MustCompile(`^[a-km-zA-HJ-NP-Z2-9]{4}(-[a-km-zA-HJ-NP-Z2-9]{4}){3}$`)
	seen := map[password.Plain]bool{}
	for range 1000 {
		p := randomPassword()
		if !form.MatchString(string(p)) || seen[p] {
			t.Fatalf("%q", string(p))
		}
		seen[p] = true
		for _, policy := range []password.Policy{
			{MinLength: 8, MaxLength: 20, MinLetters: 1, MinDigits: 1, NoNewlines: true}, // Fusion
			{MinClasses: 4}, // Applivery, and more than the others ask for
		} {
			if broken := policy.Check(p); broken != nil {
				t.Fatalf("%q: %v", string(p), broken)
			}
		}
	}
}

func TestReadyAsksTheStore(t *testing.T) {
	store, err := storage.Open(t.Context(), storage.Options{Path: filepath.Join(t.TempDir(), "usher.db")})
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(store, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{http.StatusOK, http.StatusServiceUnavailable} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/_usher/readyz", nil))
		if w.Code != want {
			t.Errorf("readyz: %d, want %d", w.Code, want)
		}
		w = httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/_usher/healthz", nil))
		if w.Code != http.StatusOK {
			t.Errorf("healthz: %d", w.Code)
		}
		_ = store.Close()
	}
}
