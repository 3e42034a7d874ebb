package conform_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"usher/handlers/conform"
	"usher/handlers/exchange"
)

// contract is as small as one can be that has everything.
const contract = `
openapi: 3.0.3
info: {title: Small, version: "1"}
servers: [{url: /small}]
paths:
  /things:
    get:
      operationId: listThings
      parameters:
      - {name: limit, in: query, schema: {type: integer}}
      - {name: X-Test, in: header, schema: {type: string}}
      - {name: sid, in: cookie, schema: {type: string}}
      responses:
        "200": {description: all, content: {application/json: {schema: {type: array, items: {$ref: "#/components/schemas/Thing"}}}}}
    post:
      operationId: createThing
      requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/Thing"}}}}
      responses:
        "201": {description: made, content: {application/json: {schema: {$ref: "#/components/schemas/Thing"}}}}
        "409": {description: taken}
  /things/{id}:
    delete:
      operationId: deleteThing
      parameters: [{name: id, in: path, required: true, schema: {type: string}}]
      responses:
        "204": {description: gone}
components:
  schemas:
    Thing:
      type: object
      required: [id]
      properties:
        id: {type: string}
        secret: {type: string}
        parts: {type: array, items: {type: object, properties: {name: {type: string}}}}
`

func parsed(t *testing.T) *exchange.Contract {
	t.Helper()
	c, err := exchange.Parse("small", []string{"/small"}, []byte(contract))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// run runs one script against a handler.
func run(t *testing.T, text, cleanup string, handle http.HandlerFunc) (conform.Case, *conform.Tally) {
	t.Helper()
	server := httptest.NewServer(handle)
	defer server.Close()
	s, err := conform.Parse("script", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var after *conform.Script
	if cleanup != "" {
		if after, err = conform.Parse("cleanup", []byte(cleanup)); err != nil {
			t.Fatal(err)
		}
	}
	r := conform.Runner{Contract: parsed(t), Tally: conform.NewTally(parsed(t))}
	return r.Run(t.Context(), s, after, conform.Server{URL: server.URL, Admin: "root", Password: "Passw0rd-of-root"}), r.Tally
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

// What is wrong with an answer is told with the place, and without what is secret.
func TestFailures(t *testing.T) {
	const script = `# Things.
unique THING thing
send POST /small/things -basic $ADMIN:$ADMIN_PASSWORD thing.json
cmp stdout made.txt
capture ID id
send GET /small/things -basic $ADMIN:$ADMIN_PASSWORD
! stdout nobody
-- thing.json --
{"id":"$THING","secret":"cherished"}
-- made.txt --
201
Content-Type: application/json

{"id":"$THING","parts":[]}
`
	for name, test := range map[string]struct {
		status int
		body   func(id string) string
		want   []string // of each failure; none: it passes
	}{
		"right":             {201, func(id string) string { return `{"id":"` + id + `","parts":[]}` }, nil},
		"wrong order":       {201, func(id string) string { return `{"parts":[],"id":"` + id + `"}` }, []string{"another"}},
		"white space alone": {201, func(id string) string { return `{"id": "` + id + `","parts":[]}` }, []string{`+"201`}},
		"undeclared status": {418, func(id string) string { return `{"id":"` + id + `","parts":[]}` }, []string{"undeclared-status", "another"}},
		"a secret":          {201, func(id string) string { return `{"id":"` + id + `","parts":[{"name":"cherished"}]}` }, []string{"secret", "another"}},
		"no id":             {201, func(string) string { return `{"parts":[]}` }, []string{"required", "another", "no id in the last answer"}},
	} {
		c, tally := run(t, script, "", func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				answer(w, 200, "[]")
				return
			}
			var body bytes.Buffer
			_, _ = body.ReadFrom(r.Body)
			id, err := conform.Member(body.Bytes(), "id")
			if err != nil {
				t.Error(err)
			}
			answer(w, test.status, test.body(id))
		})
		if len(c.Failures) != len(test.want) {
			t.Errorf("%s: %d failures: %s", name, len(c.Failures), c.Text())
			continue
		}
		for i, want := range test.want {
			text := c.Failures[i].Text(c.Name)
			if !strings.Contains(text, want) || strings.Contains(text, "cherished") || strings.Contains(text, "Passw0rd") || c.Failures[i].Operation != "createThing" || c.Failures[i].Prose != "Things." {
				t.Errorf("%s: %+v", name, c.Failures[i])
			}
		}
		rows := tally.Rows()
		i := slices.IndexFunc(rows, func(r conform.Row) bool { return r.Operation == "createThing" })
		j := slices.IndexFunc(rows, func(r conform.Row) bool { return r.Operation == "listThings" })
		want := []int{1, 0, 1, 0} // of createThing and listThings: passed, failed, passed, skipped
		if len(test.want) > 0 {
			want = []int{0, 1, 1, 0}
		}
		if name == "no id" {
			want = []int{0, 1, 0, 1}
		}
		if got := []int{rows[i].Passed, rows[i].Failed, rows[j].Passed, rows[j].Skipped}; !slices.Equal(got, want) {
			t.Errorf("%s: %v, and not %v", name, got, want)
		}
		if undeclared := name == "undeclared status"; undeclared != slices.Equal(rows[i].Undeclared, []int{418}) {
			t.Errorf("%s: %v", name, rows[i].Undeclared)
		}
	}
}

// What a script makes is removed: by its own line, and by the cleanup's, the last
// first; what cannot be is told.
func TestCleanup(t *testing.T) {
	var deleted []string
	handle := func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodDelete:
			deleted = append(deleted, r.URL.EscapedPath())
			if strings.HasSuffix(r.URL.Path, "stays") {
				w.WriteHeader(http.StatusConflict)
				return
			}
			w.WriteHeader(http.StatusNoContent)
		default:
			var body bytes.Buffer
			_, _ = body.ReadFrom(r.Body)
			answer(w, 201, body.String())
		}
	}
	c, _ := run(t, `send POST /small/things one.json
defer DELETE /small/things/by-itself
send POST /small/things two.json
send POST /small/things three.json
-- one.json --
{"id":"one/1","parts":[{"name":"old"}]}
-- two.json --
{"id":"stays","parts":[{"name":"old"}]}
-- three.json --
{"id":"another","parts":[{"name":"new"}]}
`, "undo createThing -when parts[0].name=old DELETE /small/things/{answer.id}\n", handle)
	if want := []string{"/small/things/by-itself", "/small/things/stays", "/small/things/one%2F1"}; !slices.Equal(deleted, want) {
		t.Errorf("deleted %q, and not %q", deleted, want)
	}
	if len(c.Left) != 1 || !strings.Contains(c.Left[0], "DELETE /small/things/stays → 409") || c.Outcome != conform.Passed {
		t.Errorf("%s: left %q", c.Outcome, c.Left)
	}
}

// Where an answer's status says nothing, its body says whether something is gone; and
// of what was sent and not answered it is told that nobody knows.
func TestCleanupThatFails(t *testing.T) {
	answers := map[string]string{"done": `{"code":0}`, "gone": `{"code":9,"message":"not found"}`, "stays": `{"code":9,"message":"it is in use"}`}
	c, _ := run(t, `send POST /small/things done.json
send POST /small/things gone.json
send POST /small/things -pad 1048577 stays.json
send POST /small/things silent.json
-- done.json --
{"id":"done"}
-- gone.json --
{"id":"gone"}
-- stays.json --
{"id":"stays"}
-- silent.json --
{"id":"silent"}
`, `undo createThing -done '"code":0[,}]|not found' DELETE /small/things/{answer.id}`+"\n", func(w http.ResponseWriter, r *http.Request) {
		if id, deleted := strings.CutPrefix(r.URL.Path, "/small/things/"); deleted {
			answer(w, 200, answers[id])
			return
		}
		var body bytes.Buffer
		_, _ = body.ReadFrom(r.Body)
		if strings.Contains(body.String(), "silent") {
			panic(http.ErrAbortHandler)
		}
		answer(w, 201, body.String())
	})
	if len(c.Left) != 2 || !strings.Contains(c.Left[0], "createThing in script has made: it was sent, and not answered") || !strings.Contains(c.Left[1], "DELETE /small/things/stays → 200") || !strings.Contains(c.Left[1], "it is in use") {
		t.Errorf("left %q", c.Left)
	}
}

// Each run has names, and ids, of its own.
func TestUnique(t *testing.T) {
	seen := map[string]bool{}
	like := regexp.MustCompile(`^{"id":"[0-9A-F]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}","secret":"bob[a-z2-7]{8}"}$`)
	for range 2 {
		c, _ := run(t, "unique ID -uuid\nunique BOB bob\nsend POST /small/things it.json\ncmp stdout it.txt\n-- it.json --\n{\"id\":\"$ID\",\"secret\":\"$BOB\"}\n"+
			"-- it.txt --\n201\nContent-Type: application/json\n\n{\"id\":\"$ID\"}\n", "", func(w http.ResponseWriter, r *http.Request) {
			var body bytes.Buffer
			_, _ = body.ReadFrom(r.Body)
			if !like.Match(body.Bytes()) || seen[body.String()] {
				t.Error(body.String())
			}
			seen[body.String()] = true
			id, err := conform.Member(body.Bytes(), "id")
			if err != nil {
				t.Error(err)
			}
			answer(w, 201, `{"id":"`+id+`"}`)
		})
		if c.Outcome != conform.Passed {
			t.Error(c.Text())
		}
	}
}

// With -made, what is a script's own is removed and nobody else's, whatever a server
// says; and nothing is sent to a path that an answer has made another.
func TestCleanupOfOwnThings(t *testing.T) {
	var deleted []string
	handle := func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			deleted = append(deleted, r.URL.EscapedPath())
			w.WriteHeader(http.StatusNoContent)
			return
		}
		var body bytes.Buffer
		_, _ = body.ReadFrom(r.Body)
		if strings.Contains(body.String(), "hijacked") {
			answer(w, 201, `{"id":"root"}`)
			return
		}
		answer(w, 201, body.String())
	}
	const script = `unique OWN own
send POST /small/things own.json
send POST /small/things others.json
send POST /small/things hijacked.json
-- own.json --
{"id":"$OWN"}
-- others.json --
{"id":"root"}
-- hijacked.json --
{"id":"$OWN-hijacked"}
`
	c, _ := run(t, script, "undo createThing -made request.id -made answer.id DELETE /small/things/{answer.id}\n", handle)
	if len(deleted) != 1 || !strings.HasPrefix(deleted[0], "/small/things/own") || len(c.Left) != 1 || !strings.Contains(c.Left[0], "about somebody else") {
		t.Errorf("deleted %q, left %q", deleted, c.Left)
	}
	for id, want := range map[string]string{"": "is empty", "..": "no segment", ".": "no segment"} {
		deleted = nil
		c, _ := run(t, "send POST /small/things it.json\n-- it.json --\n{\"id\":\""+id+"\"}\n", "undo createThing DELETE /small/things/{answer.id}\n", handle)
		if len(deleted) > 0 || len(c.Left) != 1 || !strings.Contains(c.Left[0], want) {
			t.Errorf("%q: deleted %q, left %q", id, deleted, c.Left)
		}
	}
}

// Headers that the caller has given, and what an own script has written into a line,
// are in no report; and a value of the server's is no expression that cannot be.
func TestWhatIsHidden(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 404, `{"id":"(open-Sesame"}`)
	}))
	defer server.Close()
	s, err := conform.Parse("script", []byte(`send GET /small/things -basic Bob:my-own-Secret
capture ID id
stdout $ID
`))
	if err != nil {
		t.Fatal(err)
	}
	r := conform.Runner{Contract: parsed(t)}
	c := r.Run(t.Context(), s, nil, conform.Server{URL: server.URL, Header: http.Header{"X-Gate": {"open-Sesame"}}})
	text := c.Text()
	if len(c.Failures) != 2 || !strings.Contains(text, "X-Gate: ***") || !strings.Contains(text, "missing closing") || strings.Contains(text, "my-own-Secret") || strings.Contains(text, "Sesame") {
		t.Errorf("%+v", c)
	}
}

// A password that is the product's name is not repeated by a server that says what it
// is.
func TestPasswordThatIsTheName(t *testing.T) {
	contract, err := exchange.Parse("entrance", []string{""}, []byte(entrance))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte("Entrance has no such Door-way"))
	}))
	defer server.Close()
	for password, want := range map[string]conform.Outcome{"Entrance": conform.Passed, "Door-way": conform.Failed} {
		s, err := conform.Parse("script", []byte("send GET /nowhere -basic bob:"+password+"\nstdout ^404\n"))
		if err != nil {
			t.Fatal(err)
		}
		r := conform.Runner{Contract: contract}
		if c := r.Run(t.Context(), s, nil, conform.Server{URL: server.URL}); c.Outcome != want {
			t.Errorf("%s: %s %s", password, c.Outcome, c.Text())
		}
	}
}

// A server may be below a path, which is in its cookies and its links then.
func TestBelowAPath(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/be low/small/things" {
			t.Error(r.URL.Path)
		}
		w.Header().Set("Set-Cookie", "sid=1; Path=/be%20low/small;HttpOnly")
		w.Header().Set("Location", "/be%20low/small/things/1")
		answer(w, 200, `[]`)
	}))
	defer server.Close()
	s, err := conform.Parse("script", []byte("send GET /small/things -show Set-Cookie -show Location\ncmp stdout all.txt\n"+
		"-- all.txt --\n200\nContent-Type: application/json\nSet-Cookie: sid=1; Path=/small;HttpOnly\nLocation: /small/things/1\n\n[]\n"))
	if err != nil {
		t.Fatal(err)
	}
	r := conform.Runner{Contract: parsed(t)}
	if c := r.Run(t.Context(), s, nil, conform.Server{URL: server.URL + "/be%20low/"}); c.Outcome != conform.Passed {
		t.Error(c.Text())
	}
}

// An answer that is nested as deeply as JSON may be takes no more room than it has.
func TestDeepAnswer(t *testing.T) {
	const deep = 9000
	c, _ := run(t, "send GET /small/things\ncmp stdout all.txt\n-- all.txt --\n200\nContent-Type: application/json\n\n[]\n", "", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, `[{"id":`+strings.Repeat("[", deep)+strings.Repeat("]", deep)+`}]`)
	})
	if len(c.Failures) != 2 || len(c.Text()) > 100<<10 || strings.Contains(c.Text(), "\n    [") {
		t.Errorf("%d failures: %.2000s", len(c.Failures), c.Text())
	}
}

// An answer with more tokens than any server gives out keeps nobody busy for hours.
func TestAnswerFullOfSecrets(t *testing.T) {
	var tokens []string
	for i := range 100_000 {
		tokens = append(tokens, fmt.Sprintf("token-%06d", i))
	}
	full, err := json.Marshal(map[string]any{"tokens": tokens})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := run(t, "send GET /small/things\nsend GET /small/things\n", "", func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, string(full)) })
	if c.Outcome != conform.Failed || strings.Contains(c.Text(), tokens[0]) {
		t.Errorf("%s %.2000s", c.Outcome, c.Text())
	}
}

// A script that has come to its end is judged, and one that has sent nothing says so.
func TestOutcomes(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, "[]") }))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for text, want := range map[string]conform.Case{
		"send GET /small/things\nfault end": {Outcome: conform.Passed},
		"unique A a":                        {Outcome: conform.Skipped, Reason: "it sends no request"},
	} {
		s, err := conform.Parse("script", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		r := conform.Runner{Contract: parsed(t)}
		within := t.Context()
		if want.Outcome == conform.Passed {
			within = ctx
		}
		c := r.Run(within, s, nil, conform.Server{URL: server.URL, Fault: func(string) error { cancel(); return nil }})
		if c.Outcome != want.Outcome || c.Reason != want.Reason {
			t.Errorf("%q: %+v", text, c)
		}
	}
}

// A request that an interrupt ends has neither passed nor failed; one that is never
// answered has failed.
func TestNoAnswer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet:
			answer(w, 200, "[]")
		case http.MethodPost:
			panic(http.ErrAbortHandler)
		default:
			cancel()
			<-r.Context().Done()
		}
	}))
	defer server.Close()
	for text, want := range map[string]struct {
		outcome conform.Outcome
		counts  []int // passed, failed, skipped
	}{
		"send GET /small/things\nsend POST /small/things\nsend GET /small/things":       {conform.Failed, []int{1, 1, 1}},
		"send GET /small/things\nsend DELETE /small/things/1\nsend GET /small/things\n": {conform.Skipped, []int{1, 0, 2}},
	} {
		s, err := conform.Parse("script", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		r := conform.Runner{Contract: parsed(t), Tally: conform.NewTally(parsed(t))}
		within := t.Context()
		if want.outcome == conform.Skipped {
			within = ctx
		}
		c := r.Run(within, s, nil, conform.Server{URL: server.URL})
		sum := (&conform.Report{Operations: r.Tally.Rows()}).Sum()
		if got := []int{sum.Passed, sum.Failed, sum.Skipped}; c.Outcome != want.outcome || !slices.Equal(got, want.counts) {
			t.Errorf("%q: %s, %v: %+v", text, c.Outcome, got, c)
		}
		if want.outcome == conform.Failed && (len(c.Failures) != 1 || c.Failures[0].Operation != "createThing" || !strings.Contains(c.Failures[0].Message, "no answer")) {
			t.Errorf("%+v", c.Failures)
		}
	}
}

// What requests have is seen wherever it is.
func TestCoverage(t *testing.T) {
	_, tally := run(t, `send GET '/small/things?limit=1' -header 'x-test: yes' -header 'Cookie: sid=1'
send POST /small/things thing.json
-- thing.json --
{"id":"a","parts":[{"name":"b"}]}
`, "", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			answer(w, 200, "[]")
			return
		}
		answer(w, 201, `{"id":"a"}`)
	})
	c := tally.Coverage()
	if want := (conform.Share{Seen: 2, Of: 3, Missing: []string{"deleteThing"}}); !reflect.DeepEqual(c.Operations, want) {
		t.Errorf("operations: %+v", c.Operations)
	}
	if want := (conform.Share{Seen: 2, Of: 4, Missing: []string{"createThing 409", "deleteThing 204"}}); !reflect.DeepEqual(c.Statuses, want) {
		t.Errorf("statuses: %+v", c.Statuses)
	}
	if want := []string{"createThing body /secret"}; c.Members.Seen != c.Members.Of-1 || !slices.Equal(c.Members.Missing, want) {
		t.Errorf("members: %+v", c.Members)
	}
	if c.Percent() <= 50 || c.Percent() >= 100 || (conform.Share{}).Percent() != 100 {
		t.Errorf("%.1f %%", c.Percent())
	}
}

// Whatever a server answers, a report of it is a report.
func TestReports(t *testing.T) {
	const nasty = "</pre><script>alert(1)</script>\x00\x1b[31m]]>\xff"
	c, tally := run(t, "# "+strings.ReplaceAll(nasty, "\x00", "")+"\nsend POST /small/things -type text/plain x\ncmp stdout x\n-- x --\n", "", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Nasty", "</pre><script>alert(1)</script>")
		answer(w, 201, nasty)
	})
	r := &conform.Report{
		Command: "conform", API: "small", Title: "Small", Target: "http://127.0.0.1",
		Cases:      []conform.Case{c, {Name: "skipped", Outcome: conform.Skipped, Reason: "needs " + nasty, Left: []string{"a thing"}}, {Name: "of which no failure was kept", Outcome: conform.Failed}},
		Operations: tally.Rows(), Coverage: tally.Coverage(),
	}
	written := map[string]string{}
	for _, form := range conform.Formats() {
		var b bytes.Buffer
		if err := r.Write(form, &b); err != nil {
			t.Fatal(err)
		}
		written[form] = b.String()
	}
	if page := written["html"]; strings.Contains(page, "<script") || strings.Count(page, "</pre>") != strings.Count(page, "<pre") || !strings.Contains(page, "2 failed") {
		t.Error(page)
	}
	var suite struct {
		Failures int  `xml:"failures,attr"`
		Errors   *int `xml:"errors,attr"`
		Skipped  int  `xml:"skipped,attr"`
		Cases    []struct {
			Failure string `xml:"failure"`
			Left    string `xml:"system-out"`
		} `xml:"testcase"`
	}
	if err := xml.Unmarshal([]byte(written["junit"]), &suite); err != nil || suite.Failures != 2 || suite.Errors == nil || suite.Skipped != 1 || !strings.Contains(suite.Cases[1].Left, "may be left on the server: a thing") || !strings.Contains(suite.Cases[0].Failure, "script.txtar:2") {
		t.Errorf("%v: %s", err, written["junit"])
	}
	again, err := conform.ReadReport([]byte(written["json"]))
	if err != nil {
		t.Fatal(err)
	}
	if again.Count(conform.Failed) != 2 || !reflect.DeepEqual(again.Operations, r.Operations) || len(again.Cases[0].Failures) != len(c.Failures) {
		t.Errorf("%+v", again)
	}
	if err := r.Write("pdf", &bytes.Buffer{}); err == nil {
		t.Error("a report as pdf")
	}
	if _, err := conform.ReadReport([]byte("[")); err == nil {
		t.Error("no report is one")
	}
}
