package edge

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// Without the validated value, encoding/json would fold ROLE into role after
// the validator had looked at role alone.
func TestHandlerSeesWhatWasValidated(t *testing.T) {
	s := serve(t, nil)
	w := s.do("PATCH", "/acme/things/a", `{"role":"user","ROLE":"admin","secret":"12345678","SECRET":"x"}`)
	s.expect(w, 200, `{"role":"user","secret":"12345678","mail":"","tags":null,"count":0}`)
	if s.bound.Role != "user" || s.bound.Secret != "12345678" {
		t.Errorf("bound %+v", s.bound)
	}
}

func TestLastOfDuplicateMembersCounts(t *testing.T) {
	s := serve(t, nil)
	s.expect(s.do("PATCH", "/acme/things/a", `{"role":"admin","role":"nobody","secret":"12345678"}`), 400,
		`{"error":"the request does not fit the contract: body role: enum"}`)
	s.do("PATCH", "/acme/things/a", `{"role":"nobody","role":"user","secret":"12345678"}`)
	if s.bound.Role != "user" {
		t.Errorf("bound %+v", s.bound)
	}
}

func TestIntegersHoweverTheyAreWritten(t *testing.T) {
	s := serve(t, nil)
	for written, want := range map[string]int64{"100": 100, "100.0": 100, "1e2": 100, "-2.50e1": -25, "9007199254740993": 9007199254740993} {
		w := s.do("PATCH", "/acme/things/a", `{"role":"user","secret":"12345678","count":`+written+`}`)
		if w.Code != 200 || s.bound.Count != want {
			t.Errorf("%s: %d, bound %d", written, w.Code, s.bound.Count)
		}
	}
	w := s.do("PATCH", "/acme/things/a", `{"role":"user","secret":"12345678","count":1.5}`)
	s.expect(w, 400, `{"error":"the request does not fit the contract: body count: type"}`)
}

// A vendor may take the words true and false for booleans, but no others, and
// not where the contract wants a string.
func TestBooleansInWords(t *testing.T) {
	for said, want := range map[string]int{
		`true`: 200, `"true"`: 200, `"TRUE"`: 200, `false`: 200, `"False"`: 200,
		`"yes"`: 400, `""`: 400, `" true"`: 400, `1`: 400, `"fal\u017fe"`: 400, `["true"]`: 400,
	} {
		for _, words := range []bool{true, false} {
			if want == 200 && !words && said[0] == '"' {
				want = 400
			}
			s := serve(t, func(s *server) { s.api.Body.BooleanWords = words })
			w := s.do("PATCH", "/acme/things/a", `{"role":"user","secret":"12345678","tags":["TRU"],"loud":`+said+`}`)
			if w.Code != want || want == 200 && (s.bound.Loud != strings.Contains(strings.ToLower(said), "true") || s.bound.Tags[0] != "TRU") {
				t.Errorf("%s, words %v: %d %s, bound %+v", said, words, w.Code, w.Body, s.bound)
			}
		}
	}
	s := serve(t, func(s *server) { s.api.Body.BooleanWords = true })
	s.expect(s.do("PATCH", "/acme/things/a", `{"role":"user","secret":"12345678","mail":"true"}`), 400,
		`{"error":"the request does not fit the contract: body mail: format"}`)
}

// A value that fits the schema and not the Go type must not be decoded again.
func TestValueBeyondTheGeneratedTypeIsRefused(t *testing.T) {
	s := serve(t, nil)
	w := s.do("PATCH", "/acme/things/a", `{"role":"user","secret":"12345678","count":99999999999999999999}`)
	s.expect(w, 400, `{"error":"the request does not fit the contract: body : type"}`)
}

func TestProblemsComeInTheContractsOrder(t *testing.T) {
	s := serve(t, nil)
	for body, want := range map[string]string{
		`{}`:                                  "body role: required; body secret: required",
		`{"mail":1,"secret":2,"role":"user"}`: "body secret: type; body mail: type",
		`{"count":"x","secret":null}`:         "body role: required; body secret: nullable; body count: type",
		`{"tags":["a","long","longer"],"role":"user","secret":"short","mail":"x"}`: "body secret: minLength; body mail: format; body tags.1: maxLength; body tags.2: maxLength",
		`{"role":"user","secret":"12345678","part":{"c \"d":1,"b":1,"a":1}}`:       "body part.a: type; body part.b: additionalProperties; body part.c \\\"d: additionalProperties",
		`[]`: "body : type",
	} {
		s.expect(s.do("PATCH", "/acme/things/a", body), 400, `{"error":"the request does not fit the contract: `+want+`"}`)
	}
	s.expect(s.do("PATCH", "/acme/things/A", `{}`), 400,
		`{"error":"the request does not fit the contract: path id: pattern; body role: required; body secret: required"}`)
}

func TestProblemsCarryNoValueOfABody(t *testing.T) {
	var seen *InvalidError
	s := serve(t, func(s *server) {
		s.api.Fail = func(c *Call, err error) Answer {
			errors.As(err, &seen)
			return words(c, err)
		}
	})
	w := s.do("PATCH", "/acme/things/a", `{"role":"hunter2","secret":"hunter3","mail":"hunter4","tags":["hunter5"]}`)
	if seen == nil || len(seen.Problems) != 4 {
		t.Fatalf("problems: %v", seen)
	}
	for _, p := range seen.Problems {
		if p.Value != "" || p.Got != "string" || p.Schema == nil {
			t.Errorf("%+v", p)
		}
	}
	if said := w.Body.String() + s.log.String(); strings.Contains(said, "hunter") {
		t.Errorf("a value was said: %s", said)
	}
}

func TestParameters(t *testing.T) {
	s := serve(t, nil)
	for path, want := range map[string]string{
		"/acme/things/a?page=0":        "query page: minimum",
		"/acme/things/a?page=x":        "query page: type",
		"/acme/things/a?page=":         "query page: minLength",
		"/acme/things/a?page=1&page=1": "query page: type",
		"/acme/things/A?page=1.5":      "path id: pattern; query page: type",
	} {
		s.expect(s.do("GET", path, ""), 400, `{"error":"the request does not fit the contract: `+want+`"}`)
	}
}

// The handler must receive what was validated: both unescaped, once.
func TestEscapedPathIsValidatedAsTheHandlerSeesIt(t *testing.T) {
	s := serve(t, nil)
	s.api.Contract = nil
	if w := s.do("GET", "/acme/things/a%2Fb", ""); w.Code != 200 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	s.expect(s.do("GET", "/acme/things/a%252Fb", ""), 400,
		`{"error":"the request does not fit the contract: path id: pattern"}`)
}

func TestBodies(t *testing.T) {
	const good = `{"role":"user","secret":"12345678"}`
	const answer = `{"role":"user","secret":"12345678","mail":"","tags":null,"count":0}`
	tests := []struct {
		name, media, body string
		rules             BodyRules
		status            int
	}{
		{"json", "application/json", good, BodyRules{}, 200},
		{"charset", "application/json; charset=utf-8", good, BodyRules{}, 200},
		{"empty", "application/json", "", BodyRules{}, 400 + int(BodyEmpty)},
		{"blank", "application/json", " \n", BodyRules{}, 400 + int(BodyEmpty)},
		{"blank is malformed", "application/json", " \n", BodyRules{EmptyIsObject: true}, 400 + int(BodyMalformed)},
		{"empty is an object", "application/json", "", BodyRules{EmptyIsObject: true}, 400},
		{"malformed", "application/json", "{", BodyRules{}, 400 + int(BodyMalformed)},
		{"trailing", "application/json", good + " x", BodyRules{}, 400 + int(BodyMalformed)},
		{"second value", "application/json", good + "{}", BodyRules{}, 400 + int(BodyMalformed)},
		{"trailing ignored", "application/json", good + " x", BodyRules{TrailingIgnored: true}, 200},
		{"text", "text/plain", good, BodyRules{}, 400 + int(BodyMediaType)},
		{"no media type", "", good, BodyRules{}, 400 + int(BodyMediaType)},
		{"any media type", "text/plain", good, BodyRules{AnyMediaType: true}, 200},
		{"no media type, any", "", good, BodyRules{AnyMediaType: true}, 200},
		{"other is empty", "text/plain", good, BodyRules{OtherIsEmpty: true}, 400 + int(BodyEmpty)},
		{"null", "application/json", "null", BodyRules{}, 400},
		{"null member", "application/json", `{"role":"user","secret":"12345678","mail":null}`, BodyRules{}, 400},
		{"null member is absent", "application/json", `{"role":"user","secret":"12345678","mail":null}`, BodyRules{NullIsAbsent: true}, 200},
		{"null is an object", "application/json", "null", BodyRules{NullIsObject: true}, 400},
		{"not utf-8", "application/json", "{\"role\":\"user\",\"secret\":\"12345678\xff\"}", BodyRules{}, 400 + int(BodyEncoding)},
		{"large", "application/json", `{"role":"` + strings.Repeat("x", 2000) + `"}`, BodyRules{}, 400 + int(BodyTooLarge)},
		{"deep", "application/json", strings.Repeat("[", 900), BodyRules{}, 400 + int(BodyMalformed)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, func(s *server) { s.api.Body, s.options.BodyLimit = test.rules, 1000 })
			w := s.do("PATCH", "/acme/things/a", test.body, "Content-Type", test.media)
			if w.Code != test.status {
				t.Errorf("got %d %s, want %d", w.Code, w.Body, test.status)
			}
			if test.status == 200 && w.Body.String() != answer {
				t.Errorf("got %s", w.Body)
			}
		})
	}
}

func TestEmail(t *testing.T) {
	for address, want := range map[string]bool{
		"a@b.example": true, "a.b+c@d-e.example": true, "a@localhost": true,
		"": false, "a": false, "a@": false, "@b": false, "a b@c.example": false, "A <a@b.example>": false, " a@b.example": false,
		"a@b!c.example": false, "a@b/c.example": false, "a@b+.example": false, "a@bü.example": true, "a@[192.0.2.1]": true,
		"a@-b.example": false, "a@b-.example": false, "a@b_c.example": false,
		strings.Repeat("a", 64) + "@b.example": true, strings.Repeat("a", 65) + "@b.example": false,
		"a@" + strings.Repeat("b", 64) + ".example": false, "a@" + strings.Repeat("b.", 130) + "example": false,
	} {
		if isEmail(address) != want {
			t.Errorf("%q: %v", address, !want)
		}
	}
}

// A body that comes too slowly is the caller's fault, and not the server's.
func TestBodyThatComesTooSlowly(t *testing.T) {
	s := serve(t, nil)
	r := httptest.NewRequestWithContext(t.Context(), "PATCH", "/acme/things/a", iotest.ErrReader(fmt.Errorf("read: %w", os.ErrDeadlineExceeded)))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	s.expect(w, 400+int(BodyUnread), `{"error":"the body could not be read"}`)
}

func TestQueryIsReadWhole(t *testing.T) {
	s := serve(t, nil)
	s.expect(s.do("GET", "/acme/things/a?page=1;2", ""), 400, `{"error":"the request does not fit the contract: query page: type"}`)
	s.expect(s.do("GET", "/acme/things/a?page=%zz", ""), 400, `{"error":"the request does not fit the contract: query : format"}`)
}

func TestNumbersInQueries(t *testing.T) {
	s := serve(t, nil)
	for page, want := range map[string]int{"1": 200, "1.0": 200, "1e1": 200, "+2": 200, "%201": 200, "0": 400, "-0": 400, "1.5": 400, "0x1": 400, "NaN": 400, "Inf": 400, "1_0": 400} {
		if w := s.do("GET", "/acme/things/a?page="+page, ""); w.Code != want {
			t.Errorf("%s: %d %s", page, w.Code, w.Body)
		}
	}
}

func TestNullsInMaps(t *testing.T) {
	s := serve(t, func(s *server) { s.api.Body.NullIsAbsent = true })
	s.expect(s.do("PATCH", "/acme/things/a", `{"role":"user","secret":"12345678","limits":{"a":null},"other":{"b":null}}`), 400,
		`{"error":"the request does not fit the contract: body limits.a: nullable"}`)
}

// A body full of wrong items is told of the first.
func TestManyProblemsAreNotListed(t *testing.T) {
	var seen *InvalidError
	s := serve(t, func(s *server) {
		s.api.Fail = func(c *Call, err error) Answer {
			errors.As(err, &seen)
			return words(c, err)
		}
	})
	for items, want := range map[int]int{1000: 1000, 50_000: 1} {
		w := s.do("PATCH", "/acme/things/a", `{"role":"user","secret":"12345678","tags":[0`+strings.Repeat(",0", items-1)+`]}`)
		if w.Code != 400 || len(seen.Problems) != want || seen.Problems[0].Path[1] != "0" {
			t.Errorf("%d items: %d, %d problems", items, w.Code, len(seen.Problems))
		}
	}
}

func TestBodyErrorsSayNothingOfTheBody(t *testing.T) {
	for fault := BodyEmpty; fault <= BodyUnread; fault++ {
		e := &BodyError{Fault: fault, Raw: []byte("hunter2"), Err: io.ErrUnexpectedEOF}
		if strings.Contains(e.Error(), "hunter2") || e.Error() == "" {
			t.Error(e)
		}
		if !errors.Is(e, io.ErrUnexpectedEOF) {
			t.Error("the cause is lost")
		}
	}
}

func TestContractNeedsOperationIDs(t *testing.T) {
	for _, broken := range []string{
		"openapi: 3.0.3\npaths: [",
		strings.Replace(acme, "operationId: getThing", "summary: none", 1),
		strings.Replace(acme, "application/json: {schema", "text/plain: {schema", 1),
	} {
		if _, err := ParseContract([]byte(broken)); err == nil {
			t.Errorf("parsed: %.60s", broken)
		}
	}
}

// Of large bodies few are in hand at once; others wait for one of them, and small
// ones for nobody.
func TestFewLargeBodiesAtOnce(t *testing.T) {
	s := serve(t, func(s *server) { s.options.Timeout = 500 * time.Millisecond })
	small := `{"role":"user","secret":"12345678"}`
	large := small + strings.Repeat(" ", LargeBody)
	for range MaxLargeBodies {
		largeBodies <- struct{}{}
	}
	if w := s.do("PATCH", "/acme/things/a", large); w.Code != 503 {
		t.Errorf("one too many: %d %s", w.Code, w.Body)
	}
	if w := s.do("PATCH", "/acme/things/a", small); w.Code != 200 {
		t.Errorf("a small one: %d %s", w.Code, w.Body)
	}
	for range MaxLargeBodies {
		<-largeBodies
	}
	for range 2 * MaxLargeBodies {
		if w := s.do("PATCH", "/acme/things/a", large); w.Code != 200 {
			t.Errorf("with room: %d %s", w.Code, w.Body)
		}
		if w := s.do("PATCH", "/acme/things/a", large[1:]); w.Code != 400+int(BodyMalformed) {
			t.Errorf("large and malformed: %d %s", w.Code, w.Body)
		}
	}
	if len(largeBodies) != 0 {
		t.Errorf("%d are held by nobody", len(largeBodies))
	}
}

// Who sends a large body slowly keeps no other's waiting, and a huge one those of
// its size alone.
func TestSlowLargeBodies(t *testing.T) {
	s := serve(t, func(s *server) { s.options.Logger = slog.New(slog.DiscardHandler) })
	ended := make(chan struct{}, MaxHugeBodies+MaxLargeBodies)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.ServeHTTP(w, r)
		ended <- struct{}{}
	}))
	t.Cleanup(server.Close) // once the slow ones are gone
	const small = `{"role":"user","secret":"12345678"}`
	slow := func(sent int) {
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_, _ = fmt.Fprintf(c, "PATCH /acme/things/a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ann\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n%s", strings.Repeat(" ", sent))
	}
	for range MaxLargeBodies {
		slow(LargeBody)
	}
	for range MaxHugeBodies {
		slow(HugeBody)
	}
	for deadline := time.Now().Add(10 * time.Second); len(hugeBodies) < MaxHugeBodies; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("huge bodies are not being read")
		}
	}
	began := time.Now()
	if w := s.do("PATCH", "/acme/things/a", small+strings.Repeat(" ", HugeBody/2)); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if waited := time.Since(began); waited > HugeTime/2 {
		t.Errorf("it took %v", waited)
	}
	for range MaxHugeBodies { // which are too slow
		<-ended
	}
	if w := s.do("PATCH", "/acme/things/a", small+strings.Repeat(" ", HugeBody)); w.Code != 200 || len(hugeBodies) != 0 {
		t.Errorf("%d %s, %d are held by nobody", w.Code, w.Body, len(hugeBodies))
	}
}
