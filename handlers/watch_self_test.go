package handlers_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"usher/handlers/exchange"
)

// canned answers everything alike.
type canned struct{ status, contentType, body string }

func (c canned) RoundTrip(*http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", c.contentType)
	w.WriteHeader(map[string]int{"200": http.StatusOK, "418": http.StatusTeapot}[c.status])
	_, _ = io.WriteString(w, c.body)
	return w.Result(), nil
}

// What watches the scripts must find what is wrong, or they prove nothing.
func TestWatchFindsWhatIsWrong(t *testing.T) {
	const user = `{"id":"1","username":"a","realmName":"native","createdAt":"2025-10-30T21:59:01Z","roleNames":[],"permissions":[]}`
	for name, test := range map[string]struct {
		canned
		path string
		want bool
	}{
		"as declared":       {canned{"200", "application/json", user}, "/api/users/1", false},
		"undeclared status": {canned{"418", "application/json", user}, "/api/users/1", true},
		"missing member":    {canned{"200", "application/json", `{"id":"1"}`}, "/api/users/1", true},
		"wrong type":        {canned{"200", "application/json", strings.Replace(user, "[]", `"x"`, 1)}, "/api/users/1", true},
		"wrong media type":  {canned{"200", "text/html", user}, "/api/users/1", true},
		"a secret repeated": {canned{"200", "application/json", strings.Replace(user, `"a"`, `"hunter22"`, 1)}, "/api/users/1", true},
		"no error schema":   {canned{"418", "application/json", `{"error":"x"}`}, "/api/nothing", true},
	} {
		w := &watch{api: "fusion", next: test.canned}
		r := httptest.NewRequest(http.MethodGet, "http://usher.example"+test.path, nil)
		r.RequestURI = ""
		r.SetBasicAuth("admin", "hunter22")
		response, err := w.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if (len(w.problems) > 0) != test.want {
			t.Errorf("%s: problems %q", name, w.problems)
		}
	}
}

func TestLeaksAreFound(t *testing.T) {
	w, err := newWorld(t.TempDir(), "fusion", []string{"admin"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	r := httptest.NewRequest(http.MethodPost, "http://usher.example/api/users", bytes.NewReader(nil))
	r.SetBasicAuth("claire", `the "old" one`)
	w.watch.remember(exchange.Exchange{
		Request: requestOf(r, []byte(`{"a":[{"newPassword":"the new one"}]}`)),
		Answer:  exchange.Message{Status: http.StatusOK, Body: []byte(`{"data":{"accessToken":{"token":"a token of some length"}}}`)},
	})
	for _, secret := range []string{`the \"old\" one`, "the new one", "a token of some length", "$argon2id$v=19$"} {
		w.log.b.Reset()
		_, _ = w.log.Write([]byte(`{"msg":"` + secret + `"}`))
		if found := w.leaks(); len(found) != 1 {
			t.Errorf("%s in the log: found %q", secret, found)
		}
	}
}
