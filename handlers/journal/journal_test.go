package journal_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/handlers/exchange"
	"usher/handlers/journal"
)

func entry(method, url, body string, status int) journal.Entry {
	return journal.Entry{Exchange: exchange.Exchange{
		Request: exchange.Message{Method: method, URL: url, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(body)},
		Answer:  exchange.Message{Status: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(`{}`)},
	}}
}

func ids(entries []journal.Entry) string {
	var all []string
	for _, e := range entries {
		all = append(all, fmt.Sprint(e.ID))
	}
	return strings.Join(all, " ")
}

// What judges sees an exchange as it was; what is kept is masked.
func TestJudgedThenMasked(t *testing.T) {
	var judged string
	j := journal.New(journal.Options{Judge: func(e *exchange.Exchange) {
		judged = string(e.Request.Body)
		e.Operation = "login"
		e.Violations = []exchange.Violation{{In: exchange.Request, Rule: "required"}}
	}})
	j.Add(entry("POST", "/login?token=tok-secret", `{"password":"pass-secret"}`, 200))
	entries, _ := j.List(journal.Query{})
	if len(entries) != 1 || judged != `{"password":"pass-secret"}` {
		t.Fatalf("judged %q, kept %+v", judged, entries)
	}
	e := entries[0]
	if e.ID != 1 || e.Operation != "login" || len(e.Violations) != 1 {
		t.Errorf("%+v", e)
	}
	if kept, _ := json.Marshal(e); strings.Contains(string(kept), "secret") || strings.Contains(string(e.Request.Body), "secret") {
		t.Errorf("a secret is kept: %s %s", kept, e.Request.Body)
	}
}

// A judge that panics keeps no entry from the journal, and no secret in it.
func TestJudgeThatPanics(t *testing.T) {
	j := journal.New(journal.Options{Judge: func(e *exchange.Exchange) {
		if e.Request.Method == http.MethodPost {
			panic("pass-secret")
		}
	}})
	j.Add(entry("POST", "/login?token=tok-secret", `{"password":"pass-secret"}`, 200))
	j.Add(entry("GET", "/users", "", 200))
	entries, _ := j.List(journal.Query{})
	if len(entries) != 2 || len(entries[0].Violations) != 1 || entries[0].Violations[0].Rule != exchange.Unjudged || entries[0].Answer.Status != 200 || entries[1].Request.URL != "/users" {
		t.Fatalf("%+v", entries)
	}
	if kept, _ := json.Marshal(entries[0]); strings.Contains(string(kept), "secret") {
		t.Errorf("a secret is kept: %s", kept)
	}
}

// Who has added an entry finds it, judged, however many others add at the same time.
func TestReadersWaitForTheJudge(t *testing.T) {
	j := journal.New(journal.Options{Entries: 100_000, Judge: func(e *exchange.Exchange) { e.Operation = "judged" }})
	var adding sync.WaitGroup
	for g := range 8 {
		adding.Go(func() {
			for i := range 200 {
				text := fmt.Sprintf("/%d/%d/", g, i)
				j.Add(entry("GET", text, "", 200))
				if entries, _ := j.List(journal.Query{Text: text, Operation: "judged"}); len(entries) != 1 {
					t.Errorf("%s: %d entries", text, len(entries))
					return
				}
			}
		})
	}
	adding.Wait()
	entries, forgotten := j.List(journal.Query{})
	if len(entries) != 1600 || forgotten != 0 || j.LastID() != 1600 {
		t.Errorf("%d entries, %d forgotten, the last is %d", len(entries), forgotten, j.LastID())
	}
	for i, e := range entries {
		if e.ID != uint64(i+1) {
			t.Fatalf("entry %d has the id %d", i, e.ID)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	j := journal.New(journal.Options{Entries: 3})
	for range 5 {
		j.Add(entry("GET", "/", "", 200))
	}
	if entries, forgotten := j.List(journal.Query{}); ids(entries) != "3 4 5" || forgotten != 2 {
		t.Errorf("%s, %d forgotten", ids(entries), forgotten)
	}
	large := strings.Repeat("x", 10_000)
	j = journal.New(journal.Options{Bytes: 25_000})
	for range 5 {
		j.Add(entry("GET", "/", `"`+large+`"`, 200))
	}
	j.Add(entry("GET", "/"+large+large+large, "", 200))
	if entries, forgotten := j.List(journal.Query{}); ids(entries) != "6" || forgotten != 5 {
		t.Errorf("%s, %d forgotten", ids(entries), forgotten)
	}
	j.Clear()
	j.Add(entry("GET", "/", "", 200))
	if entries, forgotten := j.List(journal.Query{}); ids(entries) != "7" || forgotten != 0 {
		t.Errorf("%s, %d forgotten", ids(entries), forgotten)
	}
}

func TestQuery(t *testing.T) {
	j := journal.New(journal.Options{})
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i, status := range []int{200, 404, 500} {
		e := entry("GET", fmt.Sprintf("/Path%d", i), `{"name":"Claire"}`, status)
		e.At, e.API, e.Operation, e.Principal = start.Add(time.Duration(i)*time.Hour), fmt.Sprintf("api%d", i), fmt.Sprintf("op%d", i), fmt.Sprintf("who%d", i)
		if i == 1 {
			e.Violations = []exchange.Violation{{In: exchange.Answer}}
		}
		j.Add(e)
	}
	for _, tt := range []struct {
		query journal.Query
		want  string
	}{
		{journal.Query{}, "1 2 3"},
		{journal.Query{API: "api1"}, "2"},
		{journal.Query{Operation: "op2"}, "3"},
		{journal.Query{Principal: "who0"}, "1"},
		{journal.Query{Status: "404"}, "2"},
		{journal.Query{Status: "5xx"}, "3"},
		{journal.Query{Status: "20x"}, "1"},
		{journal.Query{Status: "nonsense"}, ""},
		{journal.Query{Violations: new(true)}, "2"},
		{journal.Query{Violations: new(false)}, "1 3"},
		{journal.Query{Since: start.Add(time.Hour)}, "2 3"},
		{journal.Query{Text: "path1"}, "2"},
		{journal.Query{Text: "CLAIRE"}, "1 2 3"},
		{journal.Query{Text: "CLAIRE", Last: 2}, "2 3"},
		{journal.Query{Text: "CLAIRE", API: "api4"}, ""},
	} {
		if entries, _ := j.List(tt.query); ids(entries) != tt.want {
			t.Errorf("%+v: %s, want %s", tt.query, ids(entries), tt.want)
		}
	}
}

func TestFollow(t *testing.T) {
	j := journal.New(journal.Options{})
	j.Add(entry("GET", "/a", "", 200))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	type news struct {
		entries []journal.Entry
		last    uint64
		err     error
	}
	came := make(chan news)
	follow := func(after uint64, q journal.Query) {
		go func() {
			entries, last, err := j.Follow(ctx, after, q)
			came <- news{entries, last, err}
		}()
	}
	follow(1, journal.Query{Text: "/c"})
	j.Add(entry("GET", "/b", "", 200))
	if n := <-came; len(n.entries) != 0 || n.last != 2 || n.err != nil {
		t.Errorf("another entry: %+v", n)
	}
	follow(2, journal.Query{Text: "/c"})
	j.Add(entry("GET", "/c", "", 200))
	if n := <-came; ids(n.entries) != "3" || n.last != 3 || n.err != nil {
		t.Errorf("one that fits: %+v", n)
	}
	follow(0, journal.Query{})
	if n := <-came; ids(n.entries) != "1 2 3" || n.last != 3 {
		t.Errorf("from the start: %+v", n)
	}
	follow(3, journal.Query{})
	cancel()
	if n := <-came; !errors.Is(n.err, context.Canceled) || n.last != 3 {
		t.Errorf("a reader who has gone: %+v", n)
	}
	ctx = t.Context()
	follow(3, journal.Query{})
	j.Close()
	if n := <-came; !errors.Is(n.err, journal.ErrClosed) {
		t.Errorf("closed: %+v", n)
	}
	j.Add(entry("GET", "/d", "", 200))
	if entries, _ := j.List(journal.Query{}); ids(entries) != "1 2 3" {
		t.Errorf("after its end: %s", ids(entries))
	}
}

func TestAssert(t *testing.T) {
	j := journal.New(journal.Options{Judge: func(e *exchange.Exchange) { e.Operation = strings.Trim(strings.SplitN(e.Request.URL, "?", 2)[0], "/") }})
	j.Add(entry("POST", "/create?x=1&x=2", `{"name":"claire","roles":["a","b"],"age":7.0,"nested":{"a/b":null,"c":1}}`, 201)) // 1
	j.Add(entry("POST", "/grant", `{"name":"claire"}`, 200))                                                                  // 2
	j.Add(entry("POST", "/create", `{"name":"bob"}`, 409))                                                                    // 3
	j.Add(entry("POST", "/echo", "plain text", 200))                                                                          // 4
	one, two, none := new(1), new(2), new(0)
	for _, tt := range []struct {
		name    string
		expect  []journal.Expectation
		ordered bool
		after   uint64
		met     bool
		matched []string
		reason  string // of the last
		nearest string // likewise, as it prints
	}{
		{name: "anything", expect: []journal.Expectation{{}}, met: true, matched: []string{"[1 2 3 4]"}},
		{name: "how often", expect: []journal.Expectation{{Operation: "create", Exactly: two}}, met: true, matched: []string{"[1 3]"}},
		{name: "too often", expect: []journal.Expectation{{Operation: "create", Exactly: one}}, matched: []string{"[1 3]"}, reason: "expected exactly 1, found 2"},
		{name: "at most", expect: []journal.Expectation{{Operation: "create", AtMost: one}}, matched: []string{"[1 3]"}, reason: "expected at most 1, found 2"},
		{name: "between", expect: []journal.Expectation{{Operation: "create", AtLeast: one, AtMost: two}}, met: true, matched: []string{"[1 3]"}},
		{name: "never", expect: []journal.Expectation{{Operation: "drop", Exactly: none}}, met: true, matched: []string{"[]"}},
		{name: "a part of the body", expect: []journal.Expectation{{Body: map[string]any{"roles": []any{"a", "b"}, "age": 7, "nested": map[string]any{"a/b": nil}}}}, met: true, matched: []string{"[1]"}},
		{name: "query and header", expect: []journal.Expectation{{Query: map[string]string{"x": "2"}, Header: map[string]string{"content-type": "application/json"}}}, met: true, matched: []string{"[1]"}},
		{name: "after", expect: []journal.Expectation{{Operation: "create"}}, after: 1, met: true, matched: []string{"[3]"}},
		{name: "in order", ordered: true, met: true, expect: []journal.Expectation{{Operation: "create"}, {Operation: "grant"}, {Operation: "create"}}, matched: []string{"[1 3]", "[2]", "[3]"}},
		{
			name: "not in order", ordered: true, expect: []journal.Expectation{{Operation: "grant"}, {Body: map[string]any{"roles": []any{"a", "b"}}}}, matched: []string{"[2]", "[]"},
			reason: "expected at least 1, found 0 after entry 2", nearest: "3: body /roles: expected [\"a\",\"b\"], found nothing",
		},
		{
			name: "nearly", expect: []journal.Expectation{{Operation: "create", Method: "POST", Path: "/create", Status: 201, Query: map[string]string{"x": "3"}, Body: map[string]any{"name": "clara", "roles": []any{"a"}, "age": 8, "nested": map[string]any{"a/b": 1, "c": true}}}},
			matched: []string{"[]"}, reason: "expected at least 1, found 0",
			nearest: `1: query x: expected 3, found 1, 2; body /age: expected 8, found 7.0; body /name: expected clara, found claire; body /nested/a~1b: expected 1, found null; body /nested/c: expected true, found 1; body /roles: expected ["a"], found ["a","b"]`,
		},
		{
			name: "another request is further away than another member", expect: []journal.Expectation{{Operation: "grant", Principal: "root", Status: 201, Header: map[string]string{"X-None": "x"}, Body: map[string]any{"a": 1, "b": 2}}},
			matched: []string{"[]"}, reason: "expected at least 1, found 0",
			nearest: "2: principal: expected root, found nothing; status: expected 201, found 200; header X-None: expected x, found nothing; body /a: expected 1, found nothing; body /b: expected 2, found nothing",
		},
		{
			name: "too few", expect: []journal.Expectation{{Operation: "grant", AtLeast: two}}, matched: []string{"[2]"}, reason: "expected at least 2, found 1",
			nearest: "4: operation: expected grant, found echo",
		},
	} {
		v, err := j.Assert(journal.Assertion{Requests: tt.expect, Ordered: tt.ordered, After: tt.after})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if v.Met != tt.met {
			t.Errorf("%s: met is %v", tt.name, v.Met)
		}
		for i, o := range v.Requests {
			if got := fmt.Sprint(o.Matched); got != tt.matched[i] {
				t.Errorf("%s: %d matches %s, want %s", tt.name, i, got, tt.matched[i])
			}
		}
		last := v.Requests[len(v.Requests)-1]
		nearest := ""
		if last.Nearest != nil {
			var all []string
			for _, d := range last.Nearest.Differences {
				all = append(all, d.String())
			}
			nearest = fmt.Sprintf("%d: %s", last.Nearest.ID, strings.Join(all, "; "))
		}
		if last.Reason != tt.reason || nearest != tt.nearest {
			t.Errorf("%s: reason %q, nearest %q", tt.name, last.Reason, nearest)
		}
	}
	for _, bad := range []journal.Expectation{{Exactly: new(-1)}, {Exactly: one, AtMost: one}, {Exactly: one, AtLeast: one}, {AtLeast: two, AtMost: one}} {
		if _, err := j.Assert(journal.Assertion{Requests: []journal.Expectation{bad}}); err == nil {
			t.Errorf("%+v is no error", bad)
		}
	}
}

// Numbers are compared by value, and a monstrous one costs nothing.
func TestNumbers(t *testing.T) {
	j := journal.New(journal.Options{})
	j.Add(entry("POST", "/", `{"n":100,"monster":1e999999999,"long":0.1000000000000000000000000000000000000000000000000001}`, 200))
	for number, met := range map[string]bool{
		`{"n":1e2}`: true, `{"n":100.0}`: true, `{"n":1.0e2}`: true, `{"n":100.1}`: false, `{"n":"100"}`: false,
		`{"monster":1e999999999}`: true, `{"monster":1}`: false, `{"long":0.1}`: true,
	} {
		d := json.NewDecoder(strings.NewReader(number))
		d.UseNumber()
		var body any
		if err := d.Decode(&body); err != nil {
			t.Fatal(err)
		}
		v, err := j.Assert(journal.Assertion{Requests: []journal.Expectation{{Body: body}}})
		if err != nil || v.Met != met {
			t.Errorf("%s: %+v, %v", number, v, err)
		}
	}
}
