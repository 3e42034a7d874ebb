package handlers_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/handlers"
	"usher/handlers/applivery"
	"usher/handlers/edge"
	"usher/handlers/exchange"
	"usher/handlers/journal"
	"usher/handlers/milvus"
	"usher/handlers/sandbox"
	"usher/storage"
)

var worlds = flag.Int("worlds", 200, "how many sandboxes TestSandboxesShareNothing has at once")

// newHost makes a host whose files are in a folder that is looked at in the end.
func newHost(tb testing.TB) *sandbox.Host {
	tb.Helper()
	dir := tb.TempDir()
	tb.Setenv("TMPDIR", dir)
	h := handlers.NewHost(handlers.Options{}, storage.Options{})
	tb.Cleanup(func() {
		if err := h.Close(); err != nil {
			tb.Error(err)
		}
		if files := filesIn(tb, dir); len(files) > 0 {
			tb.Errorf("files are left: %q", files)
		}
	})
	return h
}

func filesIn(tb testing.TB, dir string) (files []string) {
	tb.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && path != dir {
			files = append(files, path)
		}
		return err
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		tb.Fatal(err)
	}
	return files
}

func newSandbox(tb testing.TB, h *sandbox.Host, spec sandbox.Spec) *sandbox.Sandbox {
	tb.Helper()
	s, err := h.Create(tb.Context(), spec)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// ask sends a request right to a sandbox.
func ask(s http.Handler, method, path, body string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// A thousand worlds at once, used in parallel: each finds what was done in it, at its
// time, with its faults, in its journal, and nothing of any other.
func TestSandboxesShareNothing(t *testing.T) {
	h := newHost(t)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	all := make([]*sandbox.Sandbox, *worlds)
	var making sync.WaitGroup
	for share := range runtime.GOMAXPROCS(0) {
		making.Go(func() {
			for i := share; i < len(all); i += runtime.GOMAXPROCS(0) {
				s, err := h.Create(t.Context(), sandbox.Spec{
					Name: fmt.Sprintf("world-%d", i), Clock: sandbox.Change{Time: start.Add(time.Duration(i) * time.Hour), Frozen: new(true)},
				})
				if err != nil {
					t.Errorf("world %d: %v", i, err)
					return
				}
				all[i] = s
			}
		})
	}
	making.Wait()
	if t.Failed() {
		return
	}
	t.Run("use", func(t *testing.T) {
		for i, s := range all {
			t.Run(s.Name(), func(t *testing.T) {
				t.Parallel()
				useWorld(t, s, i, start)
			})
		}
	})
	t.Run("look", func(t *testing.T) {
		for i, s := range all {
			t.Run(s.Name(), func(t *testing.T) {
				t.Parallel()
				lookAtWorld(t, s, i)
			})
		}
	})
	t.Run("close", func(t *testing.T) {
		for _, s := range all {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// useWorld has a world become unlike any other.
func useWorld(t *testing.T, s *sandbox.Sandbox, i int, start time.Time) {
	t.Helper()
	mark := header("X-World", fmt.Sprint(i))
	expect := func(w *httptest.ResponseRecorder, status int) {
		t.Helper()
		if w.Code != status {
			t.Errorf("%d %s, want %d", w.Code, w.Body, status)
		}
	}
	admin := basicAuth("admin", "saymon-admin")
	user := fmt.Sprintf(`{"login":"user-%d","password":"password-%d"}`, i, i)
	if i%2 == 1 {
		if _, err := s.Faults().Add(sandbox.FaultSpec{API: "saymon", Operation: "createUser", Status: 503, First: 1}); err != nil {
			t.Error(err)
		}
		expect(ask(s, "POST", "/node/api/users", user, admin, mark), 503)
	}
	expect(ask(s, "POST", "/node/api/users", user, admin, mark), 200)
	w := ask(s, "PUT", "/node/api/users/5e78c51788c61a1fbf34b673/password", fmt.Sprintf(`{"currentPassword":"qwerty","newPassword":"changed-%d"}`, i), basicAuth("Bob", "qwerty"), mark)
	expect(w, 200)
	if date, want := w.Header().Get("Date"), start.Add(time.Duration(i)*time.Hour).Format(http.TimeFormat); date != want {
		t.Errorf("it is %s, want %s", date, want)
	}
	if err := s.Clock().Advance(time.Duration(i) * time.Second); err != nil {
		t.Error(err)
	}
	expect(ask(s, "GET", "/node/api/users/current", "", basicAuth("Bob", fmt.Sprintf("changed-%d", i)), mark), 200)
	expect(ask(s, "GET", "/node/api/users/current", "", basicAuth("Bob", "qwerty"), mark), 401)
	if i%3 == 0 {
		if err := s.Change(sandbox.Changes{Authentication: edge.Off}); err != nil {
			t.Error(err)
		}
	}
	status := 401
	if i%3 == 0 {
		status = 200
	}
	expect(ask(s, "GET", "/node/api/users/current", "", mark), status)
}

// lookAtWorld finds all that useWorld did, and nothing else.
func lookAtWorld(t *testing.T, s *sandbox.Sandbox, i int) {
	t.Helper()
	entries, forgotten := s.Journal().List(journal.Query{})
	if want := 5 + i%2; len(entries) != want || forgotten != 0 {
		t.Errorf("world %d: %d entries in its journal, want %d", i, len(entries), want)
	}
	for _, e := range entries {
		if of := e.Request.Header.Get("X-World"); of != fmt.Sprint(i) {
			t.Errorf("world %d: an entry of world %s in its journal", i, of)
		}
		for _, v := range e.Violations {
			if v.In == exchange.Answer {
				t.Errorf("world %d: %+v", i, v)
			}
		}
	}
	faulty := slices.IndexFunc(entries, func(e journal.Entry) bool { return e.Fault != "" })
	if (faulty == 0) != (i%2 == 1) {
		t.Errorf("world %d: a fault in entry %d", i, faulty)
	}
	var users []struct{ Login string } // in the order that they were made in, and it is earlier here than in the demo world
	w := ask(s, "GET", "/node/api/users", "", basicAuth("admin", "saymon-admin"))
	if err := json.Unmarshal(w.Body.Bytes(), &users); err != nil {
		t.Errorf("world %d: %v: %s", i, err, w.Body)
	}
	if got, want := fmt.Sprint(users), fmt.Sprintf("[{user-%d} {admin} {Bob}]", i); got != want {
		t.Errorf("world %d: its users are %s, want %s", i, got, want)
	}
	if want := time.Date(2026, 1, 1, i, 0, i, 0, time.UTC); !s.Clock().Now().Equal(want) {
		t.Errorf("world %d: it is %s, want %s", i, s.Clock().Now(), want)
	}
}

// What a clock says decides, in each API, whether a token, a session and a password
// are still good: one second before its end it is, and one second after it is not.
// (Milvus has none of these: its users come with their passwords, which last.)
func TestClockGoverns(t *testing.T) {
	h := newHost(t)
	bearer := func(path ...string) func(*httptest.ResponseRecorder) func(*http.Request) {
		return func(w *httptest.ResponseRecorder) func(*http.Request) {
			return header("Authorization", "Bearer "+said{body: w.Body.Bytes()}.member(path...))
		}
	}
	cookie := func(w *httptest.ResponseRecorder) func(*http.Request) {
		return func(r *http.Request) {
			for _, c := range w.Result().Cookies() {
				r.AddCookie(c)
			}
		}
	}
	var none func(*http.Request)
	const login = `{"provider":"traditional","payload":{"email":"admin@example.com","password":"AdminSecureP@ss123"}}`
	for _, tt := range []struct {
		name  string
		given func(*sandbox.Sandbox) *httptest.ResponseRecorder // at a time that stands still
		with  func(*httptest.ResponseRecorder) func(*http.Request)
		use   string
		lasts time.Duration
		after int
	}{
		{
			"Fusion's access token", func(s *sandbox.Sandbox) *httptest.ResponseRecorder {
				return ask(s, "POST", "/oauth2/token", "", basicAuth("admin", "Fusion4dmin"))
			}, bearer("access_token"), "/api/users", 30 * time.Minute, 401,
		},
		{
			"Fusion's session", func(s *sandbox.Sandbox) *httptest.ResponseRecorder {
				return ask(s, "POST", "/api/session", `{"username":"admin","password":"Fusion4dmin"}`)
			}, cookie, "/api/users", 30 * time.Minute, 401,
		},
		{
			"Applivery's access token", func(s *sandbox.Sandbox) *httptest.ResponseRecorder {
				return ask(s, "POST", "/v1/auth/login", login)
			}, bearer("data", "accessToken", "token"), "/v1/users", time.Hour, 401,
		},
		{
			"Applivery's limit of requests", func(s *sandbox.Sandbox) *httptest.ResponseRecorder {
				if err := s.Change(sandbox.Changes{Settings: []byte(`{"applivery":{"rateLimit":1}}`)}); err != nil {
					t.Error(err)
				}
				return ask(s, "POST", "/v1/auth/login", login)
			}, func(*httptest.ResponseRecorder) func(*http.Request) { return none }, "/v1/users", time.Hour, 401,
		},
		{
			"SAYMON's session", func(s *sandbox.Sandbox) *httptest.ResponseRecorder {
				return ask(s, "POST", "/node/api/users/session", `{"login":"admin","password":"saymon-admin"}`)
			}, cookie, "/node/api/users/current", 24 * time.Hour, 401,
		},
		{
			"SAYMON's password", func(s *sandbox.Sandbox) *httptest.ResponseRecorder {
				ask(s, "PATCH", "/node/api/password-policies/1", `{"passwordLifetime":7}`, basicAuth("admin", "saymon-admin"))
				return ask(s, "PUT", "/node/api/users/5e78c51788c61a1fbf34b673/password", `{"currentPassword":"qwerty","newPassword":"qwertz"}`, basicAuth("Bob", "qwerty"))
			}, func(*httptest.ResponseRecorder) func(*http.Request) { return basicAuth("Bob", "qwertz") }, "/node/api/users", 7 * 24 * time.Hour, 403,
		},
	} {
		before := 200
		if tt.name == "Applivery's limit of requests" { // before its end it is refused, and after it asked for credentials
			before = 429
		}
		for _, at := range []struct {
			when   time.Duration
			status int
		}{{tt.lasts - time.Second, before}, {tt.lasts + time.Second, tt.after}} {
			s := newSandbox(t, h, sandbox.Spec{Clock: sandbox.Change{Frozen: new(true)}})
			given := tt.given(s)
			if given.Code/100 != 2 {
				t.Fatalf("%s: %d %s", tt.name, given.Code, given.Body)
			}
			if err := s.Clock().Advance(at.when); err != nil {
				t.Fatal(err)
			}
			var change []func(*http.Request)
			if with := tt.with(given); with != nil {
				change = append(change, with)
			}
			if w := ask(s, "GET", tt.use, "", change...); w.Code != at.status {
				t.Errorf("%s after %s: %d %s, want %d", tt.name, at.when, w.Code, w.Body, at.status)
			}
		}
	}
}

// Settings of Go are those of the contract, and the server's own where they say
// nothing.
func TestSettingsOfASandbox(t *testing.T) {
	h := handlers.NewHost(handlers.Options{Milvus: milvus.Options{MaxRoles: 2}}, storage.Options{})
	t.Cleanup(func() { _ = h.Close() })
	settings, err := json.Marshal(handlers.Settings{Applivery: applivery.Options{RateLimit: 1}, Milvus: milvus.Options{MaxUsers: 2, Rules: milvus.Server}})
	if err != nil || string(settings) != `{"applivery":{"rateLimit":1},"milvus":{"rules":"server","maxUsers":2}}` {
		t.Fatalf("%s, %v", settings, err)
	}
	s := newSandbox(t, h, sandbox.Spec{Settings: settings})
	root := header("Authorization", "Bearer root:Milvus")
	for _, tt := range []struct{ path, body, want string }{
		{"/v2/vectordb/users/create", `{"userName":"claire","password":"P@ssw0rd1"}`, "users"},
		{"/v2/vectordb/roles/create", `{"roleName":"lister"}`, "roles"},
	} {
		if w := ask(s, "POST", tt.path, tt.body, root); strings.Contains(w.Body.String(), `"code":0`) {
			t.Errorf("more %s than there may be: %s", tt.want, w.Body)
		}
	}
	for _, status := range []int{401, 429} {
		if w := ask(s, "GET", "/v1/users", ""); w.Code != status {
			t.Errorf("%d, want %d", w.Code, status)
		}
	}
	for _, bad := range []string{`{"milvus":{"rules":"none"}}`, `{"milvus":{"maxUsers":-1}}`, `{"milvus":{"maxRoles":-1}}`, `{"acme":{}}`, `{}{}`, `{} x`, `[]`, ``} {
		if _, err := h.Create(t.Context(), sandbox.Spec{Settings: []byte(bad)}); !errors.Is(err, sandbox.ErrSpec) {
			t.Errorf("settings %s: %v", bad, err)
		}
		if err := h.Keep("bad", &sandbox.Snapshot{Settings: []byte(bad)}, true); !errors.Is(err, sandbox.ErrSpec) {
			t.Errorf("a snapshot with settings %s: %v", bad, err)
		}
	}
	fork := newSandbox(t, h, sandbox.Spec{From: sandbox.OfSandbox, Source: s.Name()})
	if string(fork.Settings()) != string(settings) {
		t.Errorf("a fork has other settings: %s", fork.Settings())
	}
}

// Who has guessed too often waits by the clock of the world.
func TestClockGovernsThrottling(t *testing.T) {
	h := newHost(t)
	s := newSandbox(t, h, sandbox.Spec{Clock: sandbox.Change{Frozen: new(true)}})
	guess := func() int { return ask(s, "GET", "/node/api/users/current", "", basicAuth("Bob", "guessed")).Code }
	guesses := 0
	for status := guess(); status != 429; status = guess() {
		if guesses++; status != 401 || guesses > 1000 {
			t.Fatalf("guess %d: %d", guesses, status)
		}
	}
	if err := s.Clock().Advance(storage.DefaultAccountRate.Every - time.Second); err != nil {
		t.Fatal(err)
	}
	if got := guess(); got != 429 {
		t.Errorf("a second before another attempt is granted: %d", got)
	}
	if err := s.Clock().Advance(2 * time.Second); err != nil {
		t.Fatal(err)
	}
	if got := guess(); got != 401 {
		t.Errorf("once another attempt is granted: %d", got)
	}
}

// What a sandbox is made of, it has; and it goes back to that.
func TestSandboxFrom(t *testing.T) {
	h := newHost(t)
	current := func(s *sandbox.Sandbox, user, secret string) int {
		return ask(s, "GET", "/node/api/users/current", "", basicAuth(user, secret)).Code
	}

	empty := newSandbox(t, h, sandbox.Spec{From: sandbox.Empty})
	var apis []string
	for _, a := range empty.Administrators() {
		apis = append(apis, a.API)
		if a.API == "saymon" && current(empty, a.Login, string(a.Password)) != 200 {
			t.Errorf("%s of an empty world cannot log in", a.Login)
		}
	}
	if !slices.Equal(apis, []string{"applivery", "saymon", "milvus"}) {
		t.Errorf("administrators of %q", apis)
	}
	if got := current(empty, "Bob", "qwerty"); got != 401 {
		t.Errorf("the demo world is in an empty one: %d", got)
	}
	if w := ask(empty, "POST", "/api", `{"password":"Fusion4dmin"}`); w.Code != 201 {
		t.Errorf("Fusion's first start: %d %s", w.Code, w.Body)
	}

	document := `{"saymon":{"users":[{"id":"5e78c51788c61a1fbf34b6aa","name":"claire","password":"first-one"}]}}`
	loaded := newSandbox(t, h, sandbox.Spec{From: sandbox.Fixture, Fixture: []byte(document), Clock: sandbox.Change{Time: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}})
	if got := current(loaded, "claire", "first-one"); got != 200 {
		t.Errorf("a user of a fixture: %d", got)
	}
	for _, bad := range []string{`{"acme":{}}`, `{`, `{"saymon":{"users":[{"id2":"x"}]}}`} {
		if _, err := h.Create(t.Context(), sandbox.Spec{From: sandbox.Fixture, Fixture: []byte(bad)}); !errors.Is(err, sandbox.ErrFixture) {
			t.Errorf("%s: %v", bad, err)
		}
	}

	session := ask(loaded, "POST", "/node/api/users/session", `{"login":"claire","password":"first-one"}`)
	fork := newSandbox(t, h, sandbox.Spec{From: sandbox.OfSandbox, Source: loaded.Name()})
	snapshot, err := loaded.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if w := ask(loaded, "PUT", "/node/api/users/5e78c51788c61a1fbf34b6aa/password", `{"currentPassword":"first-one","newPassword":"second-one"}`, basicAuth("claire", "first-one")); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	file, err := snapshot.File()
	if err != nil {
		t.Fatal(err)
	}
	read, err := sandbox.ReadSnapshot(t.Context(), strings.NewReader(string(file)))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := read.File(); err != nil || string(again) != string(file) {
		t.Errorf("a snapshot that was read is another one: %v", err)
	}
	other := newHost(t) // as in another server
	restored := newSandbox(t, other, sandbox.Spec{From: sandbox.OfSnapshot, Snapshot: read})
	for name, s := range map[string]*sandbox.Sandbox{"fork": fork, "restored": restored} {
		if got := current(s, "claire", "first-one"); got != 200 {
			t.Errorf("%s: the password at that time: %d", name, got)
		}
		// The proof that the other has of it counts here for nothing.
		if got := current(s, "claire", "second-one"); got != 401 {
			t.Errorf("%s: the password since then: %d", name, got)
		}
		if w := ask(s, "GET", "/node/api/users/current", "", func(r *http.Request) { r.AddCookie(session.Result().Cookies()[0]) }); w.Code != 200 {
			t.Errorf("%s: a session of that time: %d", name, w.Code)
		}
		if year := s.Clock().Now().Year(); year != 2030 {
			t.Errorf("%s: it is %d", name, year)
		}
	}
	differences, err := loaded.Diff(t.Context(), nil)
	if err != nil || !slices.ContainsFunc(differences, func(d storage.Difference) bool { return d.Name == "claire" && d.Change == storage.Changed }) {
		t.Errorf("%+v, %v", differences, err)
	}

	if err := loaded.Change(sandbox.Changes{Authentication: edge.Off}); err != nil {
		t.Error(err)
	}
	if _, err := loaded.Faults().Add(sandbox.FaultSpec{Cut: edge.CutBefore}); err != nil {
		t.Error(err)
	}
	if err := loaded.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if entries, _ := loaded.Journal().List(journal.Query{}); len(entries) > 0 || len(loaded.Faults().List()) > 0 || loaded.Authentication() != edge.Enforce {
		t.Errorf("after a reset: %d entries, faults %v, %s", len(entries), loaded.Faults().List(), loaded.Authentication())
	}
	if first, second := current(loaded, "claire", "first-one"), current(loaded, "claire", "second-one"); first != 200 || second != 401 {
		t.Errorf("after a reset: %d with the first password, %d with the second", first, second)
	}
	if differences, err := loaded.Diff(t.Context(), nil); err != nil || len(differences) > 0 {
		t.Errorf("after a reset: %+v, %v", differences, err)
	}
}

// A sandbox that nobody uses goes; one that is used stays.
func TestSandboxExpires(t *testing.T) {
	h := newHost(t)
	used := newSandbox(t, h, sandbox.Spec{TTL: time.Hour})
	forgotten := newSandbox(t, h, sandbox.Spec{TTL: time.Millisecond})
	gone := make(chan struct{})
	go func() { // whoever follows its journal is told
		defer close(gone)
		_, _, err := forgotten.Journal().Follow(t.Context(), 1000, journal.Query{})
		if !errors.Is(err, journal.ErrClosed) {
			t.Errorf("the journal of one that has expired: %v", err)
		}
	}()
	<-gone
	if _, err := h.Get(forgotten.Name()); !errors.Is(err, sandbox.ErrNotFound) {
		t.Errorf("it is still there: %v", err)
	}
	if w := ask(forgotten, "GET", "/node/api/users/current", ""); w.Code != 404 || w.Header().Get("Content-Security-Policy") == "" {
		t.Errorf("it still answers: %d %v", w.Code, w.Header())
	}
	if _, err := h.Get(used.Name()); err != nil {
		t.Error(err)
	}
	if err := used.Change(sandbox.Changes{TTL: new(time.Millisecond)}); err != nil {
		t.Error(err)
	}
	if _, _, err := used.Journal().Follow(t.Context(), 1000, journal.Query{}); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("a shorter time to live: %v", err)
	}
	if err := used.Change(sandbox.Changes{TTL: new(time.Minute)}); !errors.Is(err, sandbox.ErrClosed) {
		t.Errorf("of one that is closed: %v", err)
	}
	if err := used.Reset(t.Context()); !errors.Is(err, sandbox.ErrClosed) {
		t.Errorf("of one that is closed: %v", err)
	}
}

// A request that is under way ends when its world does: nobody waits for it.
func TestClosingEndsRequests(t *testing.T) {
	h := newHost(t)
	s := newSandbox(t, h, sandbox.Spec{})
	if _, err := s.Faults().Add(sandbox.FaultSpec{Delay: 24 * time.Hour}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan int)
	for range 3 {
		go func() { ended <- ask(s, "GET", "/node/api/users/current", "", basicAuth("Bob", "qwerty")).Code }()
	}
	for s.Faults().List()[0].Applied < 3 {
		runtime.Gosched()
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for range 3 {
		if status := <-ended; status != 503 {
			t.Errorf("a request in a world that ends: %d", status)
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
}

// Chance is made of a seed: the same calls go wrong each time.
func TestFaultsByChance(t *testing.T) {
	h := newHost(t)
	run := func(seed int64) (failed string) {
		s := newSandbox(t, h, sandbox.Spec{})
		f, err := s.Faults().Add(sandbox.FaultSpec{Operation: "getCurrentUser", Status: 503, Probability: new(0.3), Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			w := ask(s, "GET", "/node/api/users/current", "", basicAuth("Bob", "qwerty"))
			failed += fmt.Sprint(w.Code / 500)
		}
		if n := int64(strings.Count(failed, "1")); n < 15 || n > 45 || s.Faults().List()[0].Applied != n || s.Faults().List()[0].ID != f.ID {
			t.Errorf("%d of 100 went wrong, counted %+v", n, s.Faults().List()[0])
		}
		return failed
	}
	if a, b := run(7), run(7); a != b {
		t.Errorf("the same seed: %s, and %s", a, b)
	}
	if a, b := run(7), run(8); a == b {
		t.Errorf("another seed: %s", a)
	}
}

// Every answer that a contract declares can be put in, comes in the API's own
// form, and keeps the contract.
func TestEveryDeclaredAnswerAsAFault(t *testing.T) {
	h := newHost(t)
	s := newSandbox(t, h, sandbox.Spec{})
	for api, c := range contracts() {
		for _, op := range c.Operations() {
			for _, status := range op.Statuses {
				s.Faults().Clear()
				s.Journal().Clear()
				f, err := s.Faults().Add(sandbox.FaultSpec{API: api, Operation: op.ID, Status: status})
				if err != nil {
					t.Errorf("%s %s %d: %v", api, op.ID, status, err)
					continue
				}
				path := strings.NewReplacer("{", "", "}", "").Replace(op.Path)
				if w := ask(s, op.Method, path, ""); w.Code != status {
					t.Errorf("%s %s: %d %s, want %d", api, op.ID, w.Code, w.Body, status)
				}
				entries, _ := s.Journal().List(journal.Query{API: api, Operation: op.ID})
				if len(entries) != 1 || entries[0].Fault != f.ID {
					t.Errorf("%s %s %d: in the journal: %+v", api, op.ID, status, entries)
					continue
				}
				for _, v := range entries[0].Violations {
					if v.In == exchange.Answer {
						t.Errorf("%s %s %d: %+v", api, op.ID, status, v)
					}
				}
			}
		}
	}
}

// What was counted by a clock that has been set back since is counted no more: the
// usual end of a test that moves the clock.
func TestCountsGoBackWithTheClock(t *testing.T) {
	s := newSandbox(t, newHost(t), sandbox.Spec{Settings: []byte(`{"applivery":{"rateLimit":1}}`)})
	status := func(status int) {
		t.Helper()
		if got := ask(s, "GET", "/v1/users", ""); got.Code != status {
			t.Errorf("got %d, want %d: %s", got.Code, status, got.Body)
		}
	}
	if err := s.Clock().Advance(1000 * time.Hour); err != nil {
		t.Fatal(err)
	}
	status(401)
	status(429)
	s.Clock().Reset()
	status(401)
	status(429)
}

// stalled is a body that does not come until it is let go.
type stalled struct{ reading, free chan struct{} }

func (s stalled) Read([]byte) (int, error) {
	select {
	case s.reading <- struct{}{}:
	default:
	}
	<-s.free
	return 0, io.ErrUnexpectedEOF
}

// A request whose body does not come keeps nobody but whoever ends it: the world is
// another one at once, and what becomes of the request is not told of in its journal.
func TestResetWhileABodyStalls(t *testing.T) {
	s := newSandbox(t, newHost(t), sandbox.Spec{})
	if got := ask(s, "POST", "/v2/vectordb/users/create", `{"userName":"alice","password":"P@ssw0rd1"}`, basicAuth("root", "Milvus")); got.Code != 200 {
		t.Fatal(got.Body)
	}
	body := stalled{make(chan struct{}, 1), make(chan struct{})}
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/v2/vectordb/users/list", body)
	basicAuth("root", "Milvus")(r)
	served, reset := make(chan struct{}), make(chan error, 1)
	go func() {
		s.ServeHTTP(httptest.NewRecorder(), r)
		close(served)
	}()
	<-body.reading
	go func() { reset <- s.Reset(t.Context()) }()
	for strings.Contains(ask(s, "POST", "/v2/vectordb/users/list", "{}", basicAuth("root", "Milvus")).Body.String(), "alice") {
		runtime.Gosched()
	}
	select {
	case err := <-reset:
		t.Errorf("the request under way was left behind: %v", err)
	default:
	}
	close(body.free)
	if err := <-reset; err != nil {
		t.Error(err)
	}
	<-served
	entries, _ := s.Journal().List(journal.Query{})
	for _, e := range entries {
		if e.Request.Truncated {
			t.Errorf("of the world before: %+v", e)
		}
	}
}

// A request to a path that no API has is in the journal, too: a client's wrong base
// path is what people look for there. usher's own pages are not.
func TestPathsOfNoAPIAreInTheJournal(t *testing.T) {
	s := newSandbox(t, newHost(t), sandbox.Spec{})
	for _, path := range []string{"/rest/users?token=tok-secret", "/_usher/nothing", "/"} {
		ask(s, "GET", path, "", basicAuth("admin", "pass-secret"))
	}
	entries, _ := s.Journal().List(journal.Query{})
	if len(entries) != 1 {
		t.Fatalf("%+v", entries)
	}
	e := entries[0]
	if e.API != "" || e.Answer.Status != 404 || len(e.Violations) != 1 || e.Violations[0].Rule != exchange.UndeclaredPath || string(e.Answer.Body) != "Not Found; what is served here: /_usher/\n" {
		t.Errorf("%+v", e)
	}
	if kept := fmt.Sprintf("%+v", e); strings.Contains(kept, "secret") {
		t.Errorf("a secret is kept: %s", kept)
	}
}

func TestResetStopsTheClockWhereItWas(t *testing.T) {
	s := newSandbox(t, newHost(t), sandbox.Spec{Clock: sandbox.Change{Frozen: new(true)}})
	was := s.Clock().Now()
	if err := s.Clock().Advance(time.Hour); err != nil {
		t.Fatal(err)
	}
	s.Clock().Resume()
	if err := s.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now := s.Clock().Now(); !now.Equal(was) {
		t.Errorf("it was created at %v, and tells %v", was, now)
	}
}
