package handlers

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
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

// The password of a first administrator is told before the store has him: there is
// no moment at which the process may end and leave one whose password nobody knows.
func TestPasswordsAreToldFirst(t *testing.T) {
	store, err := storage.Open(t.Context(), storage.Options{Path: filepath.Join(t.TempDir(), "usher.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	there := func(a Administrator) bool {
		t.Helper()
		us, _, err := store.Directory(a.API).Users(t.Context(), storage.UserQuery{})
		if err != nil {
			t.Fatal(err)
		}
		return len(us) > 0
	}
	last := map[string]Administrator{}
	w := World{Made: func(a Administrator) error {
		if there(a) {
			t.Errorf("%s: there before the password was told", a.API)
		}
		_, again := last[a.API]
		last[a.API] = a
		if !again {
			return io.ErrClosedPipe
		}
		return nil
	}}
	for range 3 { // one for each API whose administrator has a password at once
		err := Seed(t.Context(), store, w)
		if !errors.Is(err, io.ErrClosedPipe) || !strings.Contains(err.Error(), "the password that was shown is nobody's") {
			t.Fatal(err)
		}
	}
	if err := Seed(t.Context(), store, w); err != nil {
		t.Fatal(err)
	}
	for api, a := range last {
		if !there(a) {
			t.Errorf("%s: nobody there", api)
		}
	}
	if len(last) != 3 {
		t.Errorf("%d passwords told", len(last))
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
