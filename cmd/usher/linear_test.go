package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// A history is what several clients asked about one user, each when, and what
// they were answered. It is linearizable if there is an order of all that was
// asked, none before its time, in which one server doing one thing after the
// other would have answered so. Users know nothing of each other, so that each
// has a history to itself.

// operation is what is asked about a user; the password is the old one of a
// change, and the one that is tried of a login.
type operation struct {
	verb, id, password, new string
}

// outcome is what was answered. What was not answered is failed.
type outcome struct {
	verdict
	id string // of who was created, or has logged in
}

// known is all that there is to know about a user.
type known struct {
	there        bool
	id, password string
}

// unknownID is that of a user whose creation was not answered, until somebody logs
// in. Nobody asks for it.
const unknownID = "?"

// step is the user of the API as it should be: whether an operation can have that
// outcome there, and what it leaves. What was not answered has happened at its
// place in the order or, the last place of all, in effect never.
func (d *dialect) step(s known, op operation, out outcome) (bool, known) {
	addressed := s.there && op.id == s.id
	able, after := false, s
	switch op.verb {
	case "login":
		able = s.there && op.password == s.password && (out.verdict != yes || s.id == unknownID || s.id == out.id)
		if s.id == unknownID && out.verdict == yes {
			after.id = out.id
		}
	case "create":
		able, after = !s.there, known{true, out.id, op.new}
	case "change":
		able, after = addressed && op.password == s.password, known{true, s.id, op.new}
	case "reset":
		able, after = addressed, known{true, s.id, op.new}
	case "drop":
		able, after = addressed || d.dropsNobody, known{}
	}
	switch {
	case able && out.verdict != no:
		return true, after
	case !able && out.verdict != yes:
		return true, s
	}
	return false, s
}

func (d *dialect) model() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return known{} },
		Step: func(state, input, output any) (bool, any) {
			return d.step(state.(known), input.(operation), output.(outcome))
		},
	}
}

// subject is a user whom some clients have in common.
type subject struct {
	api  *dialect
	name string

	mu      sync.Mutex
	id      string   // empty: nobody knows
	there   bool     // as far as anybody knows
	lately  []string // passwords that were given, or may have been, the last one last
	history []porcupine.Operation
}

// answered counts the operations on all subjects that were answered, interrupted
// those that no answer came to.
var answered, interrupted progress

// next picks what to ask next: mostly what should succeed, and often what should
// have succeeded a moment ago.
func (s *subject) next(random *rand.Rand) operation {
	s.mu.Lock()
	defer s.mu.Unlock()
	op := operation{id: s.id, password: secret(0), new: nextSecret()}
	if n := len(s.lately); n > 0 {
		op.password = s.lately[n-1-random.IntN(min(n, 1+random.IntN(3)))]
	}
	switch what := random.IntN(100); {
	case !s.there && what < 60 || what < 4:
		op.verb = "create"
	case what < 50 || s.id == "":
		op.verb = "login"
	case what < 80:
		op.verb = "change"
	case what < 94 && s.api.reset != nil:
		op.verb = "reset"
	case what < 94:
		op.verb = "change"
	default:
		op.verb = "drop"
	}
	return op
}

// note adds an operation to the history, and learns from it.
func (s *subject) note(op operation, out outcome, client int, call, back int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if out.verdict == failed {
		interrupted.Add(1)
		if op.verb == "login" {
			return // changes nothing, says nothing
		}
		back = 1 << 62 // it may happen at any time
	}
	if out.verdict != failed {
		answered.Add(1)
	}
	s.history = append(s.history, porcupine.Operation{ClientId: client, Input: op, Output: out, Call: call, Return: back})
	switch {
	case out.verdict == no:
		if op.verb == "create" {
			s.there = true
		}
	case op.verb == "create":
		s.there, s.id = out.verdict == yes, out.id
		if s.id == unknownID {
			s.id = ""
		}
		s.lately = append(s.lately, op.new)
	case op.verb == "login":
		s.there, s.id = true, out.id
	case op.verb == "drop":
		s.there = out.verdict == failed
	default:
		s.lately = append(s.lately, op.new)
	}
}

// ask does what is asked for and says what came of it.
func (s *subject) ask(url string, op operation, by administrator) (answer, outcome) {
	u := who{op.id, s.name}
	var request ask
	switch op.verb {
	case "login":
		request = s.api.login(u, op.password)
	case "create":
		request = s.api.create(s.name, op.new)
	case "change":
		request = s.api.change(u, op.password, op.new)
	case "reset":
		request = s.api.reset(u, op.new)
	case "drop":
		request = s.api.drop(u)
	}
	got, said := s.api.put(url, request, by)
	out := outcome{verdict: said}
	if (op.verb == "create" || op.verb == "login") && said == yes {
		out.id = s.api.id(s.name, got)
	}
	if op.verb == "create" && said == failed {
		if out.id = unknownID; s.api.idIsName {
			out.id = s.name
		}
	}
	return got, out
}

// longest is how many operations a history has: much longer ones take long to
// check.
const longest = 45

// record has clients ask a server as much as is wanted, three of them as much as
// is said about each user, and returns the users with their histories. url is
// where the server is at the moment.
func record(t *testing.T, random *rand.Rand, apis map[*dialect]administrator, url func() string, operations, perUser int) []*subject {
	t.Helper()
	const (
		clients  = 3
		atATime  = 2 // users of an API
		patience = time.Minute
	)
	var (
		mu       sync.Mutex
		subjects []*subject
		working  sync.WaitGroup
	)
	users := max(1, operations/(perUser*atATime*len(apis)))
	start := time.Now()
	for _, api := range dialects { // in this order, so that a seed means the same each time
		administrator, wanted := apis[api]
		if !wanted {
			continue
		}
		for lane := range atATime {
			chances := make([]*rand.Rand, clients)
			for i := range chances {
				chances[i] = rand.New(rand.NewPCG(random.Uint64(), 0))
			}
			working.Go(func() {
				for n := range users {
					s := &subject{api: api, name: fmt.Sprintf("subject%dof%dwith%d", n, lane, perUser)}
					if api.idIsName {
						s.id = s.name
					}
					mu.Lock()
					subjects = append(subjects, s)
					mu.Unlock()
					var asking sync.WaitGroup
					for client, chance := range chances {
						asking.Go(func() {
							for range perUser / clients {
								op := s.next(chance)
								for begun := time.Now(); ; time.Sleep(time.Millisecond) {
									call := time.Since(start).Nanoseconds()
									got, out := s.ask(url(), op, administrator)
									back := time.Since(start).Nanoseconds()
									if (out.verdict == unasked || out.verdict == refused) && time.Since(begun) < patience {
										continue
									}
									if out.verdict == yes || out.verdict == no || out.verdict == failed {
										s.note(op, out, client, call, back)
									} else {
										t.Errorf("%s: %+v: %s", api.name, op, got)
									}
									break
								}
							}
						})
					}
					asking.Wait()
				}
			})
		}
	}
	working.Wait()
	return subjects
}

// tell is the history, a line for each operation, times in microseconds.
func (s *subject) tell() string {
	var b strings.Builder
	for _, op := range s.history {
		fmt.Fprintf(&b, "%9d to %9d, client %d: %+v: %+v\n", op.Call/1000, op.Return/1000, op.ClientId, op.Input, op.Output)
	}
	return b.String()
}

// judge says whether all histories are linearizable: Illegal if one is not, and
// Unknown if it could not be found out about one.
func judge(t *testing.T, subjects []*subject) porcupine.CheckResult {
	t.Helper()
	result, asked, answers := porcupine.Ok, 0, map[string]int{}
	for _, s := range subjects {
		asked += len(s.history)
		for _, op := range s.history {
			answers[op.Input.(operation).verb+" "+string(op.Output.(outcome).verdict)]++
		}
		switch found := porcupine.CheckOperationsTimeout(s.api.model(), s.history, 10*time.Second); found {
		case porcupine.Illegal:
			if result != found { // one is enough to look at
				t.Logf("%s, %s is not linearizable:\n%s", s.api.name, s.name, s.tell())
			}
			result = found
		case porcupine.Unknown:
			if result == porcupine.Ok {
				result = found
			}
		case porcupine.Ok:
		}
	}
	t.Logf("%d users, %d operations %v: %s", len(subjects), asked, answers, result)
	return result
}

// linearizable records histories and has them be linearizable. Where it takes too
// long to find out about one, it is tried again with shorter ones: not to know is
// not to pass.
func linearizable(t *testing.T, random *rand.Rand, apis map[*dialect]administrator, url func() string) {
	t.Helper()
	result := porcupine.Unknown
	for perUser := longest; perUser > 6 && result == porcupine.Unknown; perUser /= 2 {
		result = judge(t, record(t, random, apis, url, *operations, perUser))
	}
	if result != porcupine.Ok {
		t.Errorf("the histories: %s", result)
	}
}

// Logins, changes, resets and deletions of the same users by several clients at
// once look as if they had happened one after the other, through each API.
func TestLinearizable(t *testing.T) {
	random := chance(t)
	p := startUnbounded(t, t.TempDir())
	linearizable(t, random, administrators(t, p.url, dialects...), func() string { return p.url })
}

// And so they do if the server is killed and started again all the while, some of
// what is asked being interrupted by that.
func TestLinearizableAcrossRestarts(t *testing.T) {
	random := chance(t)
	dir := t.TempDir()
	p := startUnbounded(t, dir)
	var at atomic.Value // of the server: its URL
	at.Store(p.url)
	administrators := administrators(t, p.url, dialects...)
	moments := rand.New(rand.NewPCG(random.Uint64(), 0))
	done := make(chan struct{})
	before := interrupted.Load()
	go func() {
		defer close(done)
		linearizable(t, random, administrators, func() string { return at.Load().(string) })
	}()
	for restarts := 0; ; restarts++ {
		answered.more(20+moments.IntN(150), done)
		select {
		case <-done:
			cut := interrupted.Load() - before
			t.Logf("%d restarts, %d operations interrupted", restarts, cut)
			if restarts < 3 || cut == 0 {
				t.Error("too few to tell")
			}
			return
		default:
			p.kill()
			p = startUnbounded(t, dir)
			at.Store(p.url)
		}
	}
}

// What the model takes for right and what for wrong, in histories made up for it.
func TestWhatIsLinearizable(t *testing.T) {
	const (
		ok      = porcupine.Ok
		illegal = porcupine.Illegal
		never   = int64(1 << 62) // the return of what was not answered
	)
	op := func(call, back int64, verb, id, old, new string, v verdict) porcupine.Operation {
		out := outcome{verdict: v}
		if v == yes && (verb == "login" || verb == "create") {
			out.id = id
		}
		return porcupine.Operation{Input: operation{verb, id, old, new}, Output: out, Call: call, Return: back}
	}
	made := op(1, 2, "create", "1", "", "a", yes)
	changed := op(3, 4, "change", "1", "a", "b", yes)
	lost := op(3, never, "change", "1", "a", "b", failed)
	dropped := op(3, 4, "drop", "1", "", "", yes)
	for name, c := range map[string]struct {
		want    porcupine.CheckResult
		history []porcupine.Operation
	}{
		"the new password after a change":       {ok, []porcupine.Operation{made, changed, op(5, 6, "login", "1", "b", "", yes)}},
		"the old password after a change":       {illegal, []porcupine.Operation{made, changed, op(5, 6, "login", "1", "a", "", yes)}},
		"the old password during a change":      {ok, []porcupine.Operation{made, changed, op(3, 6, "login", "1", "a", "", yes)}},
		"the new password refused":              {illegal, []porcupine.Operation{made, changed, op(5, 6, "login", "1", "b", "", no)}},
		"two changes of the same old password":  {illegal, []porcupine.Operation{made, changed, op(3, 4, "change", "1", "a", "c", yes)}},
		"one of two changes":                    {ok, []porcupine.Operation{made, changed, op(3, 4, "change", "1", "a", "c", no)}},
		"a change lost":                         {illegal, []porcupine.Operation{made, changed, op(5, 6, "change", "1", "b", "c", no)}},
		"a login before a reset is over":        {ok, []porcupine.Operation{made, op(3, 9, "reset", "1", "", "b", yes), op(4, 5, "login", "1", "b", "", yes)}},
		"and the old password after that":       {illegal, []porcupine.Operation{made, op(3, 9, "reset", "1", "", "b", yes), op(4, 5, "login", "1", "b", "", yes), op(6, 7, "login", "1", "a", "", yes)}},
		"no answer, and it has happened":        {ok, []porcupine.Operation{made, lost, op(5, 6, "login", "1", "b", "", yes)}},
		"no answer, and it has not":             {ok, []porcupine.Operation{made, lost, op(5, 6, "login", "1", "a", "", yes)}},
		"no answer, and it happens later":       {ok, []porcupine.Operation{made, lost, op(5, 6, "login", "1", "a", "", yes), op(7, 8, "login", "1", "b", "", yes)}},
		"no answer, and it goes back":           {illegal, []porcupine.Operation{made, lost, op(5, 6, "login", "1", "b", "", yes), op(7, 8, "login", "1", "a", "", yes)}},
		"no answer, and neither password works": {illegal, []porcupine.Operation{made, lost, op(5, 6, "login", "1", "b", "", no), op(5, 6, "login", "1", "b", "", yes), op(7, 8, "login", "1", "b", "", no)}},
		"a login after a deletion":              {illegal, []porcupine.Operation{made, dropped, op(5, 6, "login", "1", "a", "", yes)}},
		"somebody else of that name":            {ok, []porcupine.Operation{made, dropped, op(5, 6, "create", "2", "", "b", yes), op(7, 8, "login", "2", "b", "", yes)}},
		"somebody else's password":              {illegal, []porcupine.Operation{made, dropped, op(5, 6, "create", "2", "", "b", yes), op(7, 8, "login", "1", "b", "", yes)}},
		"a reset of who is not there any more":  {illegal, []porcupine.Operation{made, dropped, op(5, 6, "create", "2", "", "b", yes), op(7, 8, "reset", "1", "", "c", yes)}},
		"an id that a login tells":              {ok, []porcupine.Operation{op(1, never, "create", unknownID, "", "a", failed), op(2, 3, "login", "1", "a", "", yes), op(4, 5, "reset", "1", "", "b", yes)}},
		"two of a name":                         {illegal, []porcupine.Operation{made, op(3, 4, "create", "2", "", "b", yes)}},
		"two of a name, made at once":           {illegal, []porcupine.Operation{made, op(1, 2, "create", "2", "", "b", yes)}},
	} {
		if c.history[0].Output.(outcome).verdict == failed {
			c.history[0].Output = outcome{failed, unknownID}
		}
		if got := porcupine.CheckOperationsTimeout(dialects[0].model(), c.history, time.Minute); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// The checker finds a server that goes on taking a password for a while after it
// was changed: one that remembers what was right a moment ago.
func TestStaleLoginsAreNotLinearizable(t *testing.T) {
	const stale = 300 * time.Millisecond
	random := chance(t)
	p := startUnbounded(t, t.TempDir())
	target, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	var mu sync.Mutex
	right := map[string]*remembered{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		login := ""
		if r.Method == http.MethodGet {
			login = r.URL.Path + r.Header.Get("Authorization")
		}
		mu.Lock()
		was, known := right[login]
		mu.Unlock()
		if known && time.Since(was.at) < stale {
			_, _ = w.Write(was.body.Bytes())
			return
		}
		now := &remembered{ResponseWriter: w, at: time.Now()}
		proxy.ServeHTTP(now, r)
		if login != "" && now.code == http.StatusOK {
			mu.Lock()
			right[login] = now
			mu.Unlock()
		}
	}))
	defer server.Close()
	apis := administrators(t, p.url, dialects...)
	for d := range apis {
		if d.login(who{}, "").method != http.MethodGet {
			delete(apis, d)
		}
	}
	subjects := record(t, random, apis, func() string { return server.URL }, 400, longest)
	if result := judge(t, subjects); result != porcupine.Illegal {
		t.Errorf("the histories: %s", result)
	}
}

// remembered is an answer that was given a while ago.
type remembered struct {
	http.ResponseWriter
	at   time.Time
	code int
	body bytes.Buffer
}

func (r *remembered) WriteHeader(code int) {
	r.code = code
	r.ResponseWriter.WriteHeader(code)
}

func (r *remembered) Write(b []byte) (int, error) {
	r.body.Write(b)
	return r.ResponseWriter.Write(b)
}
