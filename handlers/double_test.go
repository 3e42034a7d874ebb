package handlers_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"usher/handlers"
	"usher/handlers/conform"
	"usher/handlers/exchange"
)

// double is a server that is wrong on purpose: usher, with a fault between it and
// who asks.
type double struct {
	contract *exchange.Contract
	target   *url.URL
	admin    func(*http.Request) // puts in an administrator's credentials
	wrong    *wrong              // nil: nothing is
}

// wrong is one thing that is wrong with a double.
type wrong struct {
	name      string
	operation string
	script    string // that is to find it
	// done, if there is one, is answered in place of doing anything.
	done *exchange.Message
	// change changes an answer; again sends the request once more, as an
	// administrator's.
	change func(a *exchange.Message, request exchange.Message, again func() exchange.Message)
	// seen is the operation that shows it, if that is another: what was done is not so.
	seen string
	// found is what is said of it, there.
	found string
}

func (d *double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	wrong := d.wrong
	operation, _ := d.contract.Find(r.Method, r.URL.EscapedPath())
	if wrong != nil && wrong.operation != operation {
		wrong = nil
	}
	var a exchange.Message
	if wrong != nil && wrong.done != nil {
		a = *wrong.done
	} else {
		a = d.pass(r, body, nil)
	}
	if wrong != nil && wrong.change != nil {
		wrong.change(&a, exchange.Message{Header: r.Header, Body: body}, func() exchange.Message { return d.pass(r, body, d.admin) })
	}
	for name, values := range a.Header {
		if name != "Content-Length" {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body)
}

// pass passes a request on.
func (d *double) pass(r *http.Request, body []byte, change func(*http.Request)) exchange.Message {
	q := r.Clone(r.Context())
	q.RequestURI, q.URL.Scheme, q.URL.Host, q.Host = "", d.target.Scheme, d.target.Host, ""
	q.Body, q.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	if change != nil {
		change(q)
	}
	answer, err := http.DefaultTransport.RoundTrip(q)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer func() { _ = answer.Body.Close() }()
	got, err := io.ReadAll(answer.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return exchange.Message{Status: answer.StatusCode, Header: answer.Header.Clone(), Body: got}
}

// good says whether an answer is a success.
func good(a *exchange.Message) bool {
	code, err := conform.Member(a.Body, "code")
	return a.Status/100 == 2 && (err != nil || code == "0")
}

type change = func(*exchange.Message, exchange.Message, func() exchange.Message)

// when changes good answers alone, or the others.
func when(isGood bool, f func(*exchange.Message)) change {
	return func(a *exchange.Message, _ exchange.Message, _ func() exchange.Message) {
		if good(a) == isGood {
			f(a)
		}
	}
}

func status(n int) func(*exchange.Message) {
	return func(a *exchange.Message) { a.Status = n }
}

func body(text string) func(*exchange.Message) {
	return func(a *exchange.Message) { a.Body = []byte(text) }
}

func media(name string) func(*exchange.Message) {
	return func(a *exchange.Message) { a.Header.Set("Content-Type", name) }
}

// members changes the members of the object at path in an answer, which keep their
// order.
func members(path string, f func([]pair) []pair) func(*exchange.Message) {
	return func(a *exchange.Message) { a.Body = inside(a.Body, path, f) }
}

type pair struct {
	name  string
	value json.RawMessage
}

func inside(object []byte, path string, f func([]pair) []pair) []byte {
	d := json.NewDecoder(bytes.NewReader(object))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return object
	}
	var pairs []pair
	for d.More() {
		name, err := d.Token()
		if err != nil {
			panic(err)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			panic(err)
		}
		pairs = append(pairs, pair{name.(string), value})
	}
	first, rest, _ := strings.Cut(path, ".")
	if path == "" {
		pairs = f(pairs)
	}
	for i := range pairs {
		if path != "" && pairs[i].name == first {
			pairs[i].value = inside(pairs[i].value, rest, f)
		}
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for i, p := range pairs {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:%s", p.name, p.value)
	}
	b.WriteByte('}')
	return b.Bytes()
}

func leaving(name string) func([]pair) []pair {
	return func(pairs []pair) []pair {
		return slices.DeleteFunc(pairs, func(p pair) bool { return p.name == name })
	}
}

func having(name, value string) func([]pair) []pair {
	return func(pairs []pair) []pair {
		for i := range pairs {
			if pairs[i].name == name {
				pairs[i].value = json.RawMessage(value)
				return pairs
			}
		}
		return append(pairs, pair{name, json.RawMessage(value)})
	}
}

func backwards(pairs []pair) []pair {
	slices.Reverse(pairs)
	return pairs
}

// letIn has who is refused as nobody do what he asks: an old password, an ended
// session, one who is gone.
func letIn(a *exchange.Message, _ exchange.Message, again func() exchange.Message) {
	if a.Status == http.StatusUnauthorized {
		*a = again()
	}
}

// tell puts the caller's secret into a member of good answers.
func tell(path, name string) change {
	return func(a *exchange.Message, request exchange.Message, _ func() exchange.Message) {
		if secrets := exchange.Secrets(exchange.Exchange{Request: request}); good(a) && len(secrets) > 0 {
			a.Body = inside(a.Body, path, having(name, strconv.Quote(secrets[len(secrets)-1])))
		}
	}
}

// list changes the list at path in an answer.
func list(path string, f func([]json.RawMessage) []json.RawMessage) func(*exchange.Message) {
	changed := func(list []byte) []byte {
		var items []json.RawMessage
		if json.Unmarshal(list, &items) != nil || len(items) == 0 {
			return list
		}
		other, err := json.Marshal(f(items))
		if err != nil {
			panic(err)
		}
		return other
	}
	return func(a *exchange.Message) {
		if path == "" {
			a.Body = changed(a.Body)
			return
		}
		parent, name := "", path
		if i := strings.LastIndexByte(path, '.'); i >= 0 {
			parent, name = path[:i], path[i+1:]
		}
		a.Body = inside(a.Body, parent, func(pairs []pair) []pair {
			for i := range pairs {
				if pairs[i].name == name {
					pairs[i].value = changed(pairs[i].value)
				}
			}
			return pairs
		})
	}
}

func allButTheLast(items []json.RawMessage) []json.RawMessage { return items[:len(items)-1] }

func turned(items []json.RawMessage) []json.RawMessage {
	slices.Reverse(items)
	return items
}

// shape says what answers of an API look like, for what goes wrong with each API.
type shape struct {
	media            string
	get, getScript   string // an operation that answers an object
	refused          string // a script in which it refuses
	object           string // where it stands
	member, text     string // one of its members, and one that is a string
	number           string // a value of the wrong type
	list, listScript string // an operation that answers a list
	items            string // where it stands
	drop, dropScript string // an operation that deletes a user
	dropped          string // its answer
	droppedStatus    int
	change, changed  string // an operation that changes a password, and its script
	login            string // the operation there that is refused the old one
	refusal          int    // a status that the contract declares for get, and that is wrong
	more             []wrong
}

var shapes = map[string]shape{
	"fusion": {
		media: "application/json", get: "getUser", getScript: "user-get", refused: "user-get", login: "getUser", member: "realmName", text: "realmName", number: `{}`,
		list: "getUsers", listScript: "user-list", drop: "deleteUser", dropScript: "user-delete", droppedStatus: 204,
		change: "updatePassword", changed: "password-own", refusal: 404,
		more: []wrong{
			{name: "a session survives its end", operation: "deleteSession", script: "sessions", done: &exchange.Message{Status: 204, Header: http.Header{"Set-Cookie": {"id=;HttpOnly;Path=/api;Max-Age=0"}}}, seen: "getSession", found: "+200"},
			{name: "nobody is asked who he is", operation: "getUser", script: "authentication", change: letIn, found: "+200"},
			{name: "who may not may", operation: "updatePassword", script: "password-forbidden", change: allow, found: "+200"},
			{name: "no cookie", operation: "createSession", script: "sessions", change: when(true, func(a *exchange.Message) { a.Header.Del("Set-Cookie") }), found: "-Set-Cookie"},
		},
	},
	"applivery": {
		media: "application/json; charset=utf-8", get: "getUser", getScript: "create-user", refused: "delete-user", login: "getProfile", object: "data", member: "email", text: "firstName", number: `[]`,
		list: "listUsers", listScript: "list-users", items: "data.items", drop: "deleteUser", dropScript: "delete-user", dropped: `{"status":true,"data":{"delete":"OK"}}`, droppedStatus: 200,
		change: "changeUserPassword", changed: "change-password", refusal: 403,
		more: []wrong{
			{name: "a new password is acknowledged, and not set", operation: "changeUserPassword", script: "change-password", done: &exchange.Message{Status: 200, Body: []byte(`{"status":true,"data":{"passwordChanged":"OK"}}`), Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}}, seen: "login", found: "+200"},
			{name: "tokens survive a new password", operation: "getProfile", script: "update-own-password", change: letIn, found: "+200"},
			{name: "a user who is gone is let in", operation: "getUser", script: "delete-user", change: letIn, found: "-401"},
			{name: "who may not may", operation: "deleteUser", script: "delete-user", change: allow, found: "+200"},
			{name: "a number too few", operation: "listUsers", script: "list-users", change: when(true, members("data", having("totalDocs", "1"))), found: `+    "totalDocs": 1`},
		},
	},
	"saymon": {
		media: "application/json", get: "getUser", getScript: "create-user", refused: "delete-user", login: "getCurrentUser", member: "permissions", text: "displayName", number: `{}`,
		list: "listUsers", listScript: "list-users", drop: "deleteUser", dropScript: "delete-user", droppedStatus: 200,
		change: "changeUserPassword", changed: "change-own-password", refusal: 404,
		more: []wrong{
			{name: "a new password is acknowledged, and not set", operation: "changeUserPassword", script: "change-own-password", done: &exchange.Message{Status: 200}, seen: "getCurrentUser", found: "+200"},
			{name: "a session survives its end", operation: "deleteSession", script: "sessions", done: &exchange.Message{Status: 200}, seen: "getCurrentUser", found: "+200"},
			{name: "nobody is asked who he is", operation: "getUser", script: "authentication", change: letIn, found: "+200"},
			{name: "who may not may", operation: "createUserGroup", script: "permissions", change: allow, found: "-403"},
			{name: "the display name in full", operation: "getUser", script: "two-views-of-a-user", change: when(true, members("", having("displayName", `"in full"`))), found: "in full"},
		},
	},
	"milvus": {
		media: "application/json; charset=utf-8", get: "describeUser", getScript: "users", refused: "users", login: "describeUser", member: "data", text: "description", number: `7`,
		list: "listUsers", listScript: "list-users", items: "data", drop: "dropUser", dropScript: "users", dropped: `{"code":0,"data":{}}`, droppedStatus: 200,
		change: "updatePassword", changed: "change-password", refusal: 403,
		more: []wrong{
			{name: "a new password is acknowledged, and not set", operation: "updatePassword", script: "change-password", done: &exchange.Message{Status: 200, Body: []byte(`{"code":0,"data":{}}`), Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}}, seen: "describeUser", found: "+200"},
			{name: "a role survives its end", operation: "revokeRole", script: "user-roles", done: &exchange.Message{Status: 200, Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}, Body: []byte(`{"code":0,"data":{}}`)}, seen: "listUsers", found: "+200"},
			{name: "nobody is asked who he is", operation: "describeUser", script: "authentication", change: letIn, found: "+200"},
			{name: "who may not may", operation: "listUsers", script: "rights", change: allow, found: "+200"},
			{name: "HTTP says what the code says", operation: "createUser", script: "users", change: when(false, status(http.StatusBadRequest)), found: exchange.UndeclaredStatus},
		},
	},
}

// allow has who may not do it do what he asks.
func allow(a *exchange.Message, _ exchange.Message, again func() exchange.Message) {
	if a.Status == http.StatusForbidden {
		*a = again()
	}
}

// wrongs are what goes wrong with an API.
func (s shape) wrongs() []wrong {
	dropped := exchange.Message{Status: s.droppedStatus, Body: []byte(s.dropped), Header: http.Header{}}
	if s.dropped != "" {
		dropped.Header.Set("Content-Type", s.media)
	}
	return append([]wrong{
		{name: "a status that nobody declares", operation: s.get, script: s.getScript, change: when(true, status(http.StatusTeapot)), found: exchange.UndeclaredStatus},
		{name: "another status that is declared", operation: s.get, script: s.getScript, change: when(true, status(s.refusal)), found: fmt.Sprint(s.refusal, " ", http.StatusText(s.refusal))},
		{name: "a member is missing", operation: s.get, script: s.getScript, change: when(true, members(s.object, leaving(s.member))), found: s.member},
		{name: "a member of the wrong type", operation: s.get, script: s.getScript, change: when(true, members(s.object, having(s.member, s.number))), found: "type"},
		{name: "a member that is another", operation: s.get, script: s.getScript, change: when(true, members(s.object, having(s.text, `"somebody else"`))), found: `"` + s.text + `": "somebody else"`},
		{name: "a member too many", operation: s.get, script: s.getScript, change: when(true, members(s.object, having("extra", "1"))), found: `"extra": 1`},
		{name: "members in another order", operation: s.get, script: s.getScript, change: when(true, members(s.object, backwards)), found: "another"},
		{name: "another media type", operation: s.get, script: s.getScript, change: when(true, media("text/html")), found: exchange.MediaType},
		{name: "no JSON", operation: s.get, script: s.getScript, change: when(true, body("{")), found: exchange.NotJSON},
		{name: "no body", operation: s.get, script: s.getScript, change: when(true, body("")), found: exchange.NotJSON},
		{name: "another envelope for refusals", operation: s.get, script: s.refused, change: when(false, body(`{"error":"no"}`)), found: "required"},
		{name: "another text of a refusal", operation: s.get, script: s.refused, change: when(false, func(a *exchange.Message) {
			a.Body = bytes.Replace(a.Body, []byte(`"message":"`), []byte(`"message":"Oops: `), 1)
		}), found: "Oops"},
		{name: "a secret in an answer", operation: s.get, script: s.getScript, change: tell(s.object, s.text), found: "secret"},
		{name: "a list without the last user", operation: s.list, script: s.listScript, change: when(true, list(s.items, allButTheLast)), found: "another"},
		{name: "a list in another order", operation: s.list, script: s.listScript, change: when(true, list(s.items, turned)), found: "another"},
		{name: "who is deleted is still there", operation: s.drop, script: s.dropScript, done: &dropped, seen: s.get, found: "another"},
		{name: "the old password is still good", operation: s.login, script: s.changed, change: letIn, found: "+200"},
		{name: "a change that is refused", operation: s.change, script: s.changed, change: when(true, status(http.StatusInternalServerError)), found: "500"},
	}, s.more...)
}

// administrators are who asks again.
func administrator(w *world, token string) func(*http.Request) {
	name := handlers.FirstAdministrator(w.api)
	return func(r *http.Request) {
		switch w.api {
		case "milvus":
			r.Header.Set("Authorization", "Bearer "+name+":"+adminPassword)
		case "applivery":
			r.Header.Set("Authorization", "Bearer "+token)
		default:
			r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(name+":"+adminPassword)))
			r.Header.Del("Cookie")
		}
	}
}

// conform finds every fault of a server that is wrong on purpose, where it is and for
// what it is, and none in one that is right.
func TestConformFindsWhatIsWrong(t *testing.T) {
	for _, api := range handlers.Names() {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			wrongs := shapes[api].wrongs()
			if len(wrongs) < 12 {
				t.Errorf("only %d faults", len(wrongs))
			}
			scripts := map[string]bool{}
			for _, wrong := range wrongs {
				scripts[wrong.script] = true
			}
			for _, script := range slices.Sorted(maps.Keys(scripts)) {
				if r := held(t, api, nil, script); r.Count(conform.Passed) == 0 || r.Count(conform.Passed) != len(r.Cases) {
					t.Errorf("nothing is wrong, and %s says: %s", script, texts(r))
				}
			}
			for _, wrong := range wrongs {
				if r := held(t, api, &wrong, wrong.script); !wrong.told(r) {
					t.Errorf("%s, and what is found is: %s", wrong.name, texts(r))
				}
			}
		})
	}
}

// told says whether a report tells of what is wrong: first of all, or, where another
// operation shows it, there.
func (w wrong) told(r *conform.Report) bool {
	for _, c := range r.Cases {
		for _, f := range c.Failures {
			if w.seen == "" {
				return f.Operation == w.operation && strings.Contains(f.Text(c.Name), w.found)
			}
			if f.Operation == w.seen && strings.Contains(f.Text(c.Name), w.found) {
				return true
			}
		}
	}
	return false
}

// held holds a double of its own against a script: what one fault leaves behind is not
// to be found by the next.
func held(t *testing.T, api string, wrong *wrong, script string) *conform.Report {
	t.Helper()
	w, suite, o := targetOf(t, api, "admin", "roomy")
	target, err := url.Parse(w.url)
	if err != nil {
		t.Fatal(err)
	}
	token := ""
	if api == "applivery" {
		token = w.token(t, handlers.FirstAdministrator(api), adminPassword)
	}
	server := httptest.NewServer(&double{contract: o.Contract, target: target, admin: administrator(w, token), wrong: wrong})
	defer server.Close()
	o.Server.URL = server.URL
	o.Grants = append(o.Grants, "pristine")
	o.Only = regexp.MustCompile("^" + script + "$")
	return suite.Run(t.Context(), o)
}

func texts(r *conform.Report) string {
	var b strings.Builder
	for _, c := range r.Cases {
		b.WriteString(c.Text())
	}
	return b.String()
}
