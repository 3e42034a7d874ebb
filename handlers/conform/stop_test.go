package conform_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"usher/handlers/conform"
	"usher/handlers/exchange"
)

// entrance is a contract with a login whose refusals are 403.
const entrance = `
openapi: 3.0.3
info: {title: Entrance, version: "1"}
paths:
  /login:
    post:
      operationId: login
      responses: {"200": {description: in}, "403": {description: refused}}
  /door:
    get:
      operationId: open
      responses: {"200": {description: open}, "401": {description: refused}, "403": {description: not for you}}
    post:
      operationId: make
      responses: {"200": {description: made}}
    delete:
      operationId: remove
      responses: {"200": {description: gone}, "401": {description: refused}}
`

const wrongPassword = "never-Was-Right"

// guarded runs scripts, given with their names, against a server that answers a status,
// and counts the requests with the administrator's password.
func guarded(t *testing.T, scripts map[string]string, answer func(*http.Request, string) int) (r *conform.Report, attempts int) {
	t.Helper()
	var mu sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, password, _ := r.BasicAuth()
		mu.Lock()
		defer mu.Unlock()
		if password == wrongPassword || strings.Contains(r.Header.Get("Authorization")+string(body), wrongPassword) {
			attempts++
		}
		switch status := answer(r, string(body)); status {
		case 0:
			panic(http.ErrAbortHandler)
		default:
			w.WriteHeader(status)
		}
	}))
	defer server.Close()
	files := fstest.MapFS{}
	for name, text := range scripts {
		files[name+".txtar"] = &fstest.MapFile{Data: []byte(text)}
	}
	suite, err := conform.Read("entrance", files)
	if err != nil {
		t.Fatal(err)
	}
	contract, err := exchange.Parse("entrance", []string{""}, []byte(entrance))
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true} // or a request that is not answered is sent again
	r = suite.Run(t.Context(), conform.Options{
		Contract: contract, Grants: []string{"admin"},
		Server: conform.Server{URL: server.URL, Transport: transport, Admin: "root", Password: wrongPassword},
	})
	return r, attempts
}

// outcomes are those of a run's scripts, one after another.
func outcomes(r *conform.Report) (all []conform.Outcome) {
	for _, c := range r.Cases {
		all = append(all, c.Outcome)
	}
	return all
}

const (
	passed, failed, skipped = conform.Passed, conform.Failed, conform.Skipped

	basic    = "needs admin\nsend GET /door -basic $ADMIN:$ADMIN_PASSWORD\nstdout ^200\nsend GET /door\nstdout ^200\n"
	unlooked = "needs admin\nsend GET /door -basic $ADMIN:$ADMIN_PASSWORD\nsend GET /door -basic $ADMIN:$ADMIN_PASSWORD\nsend GET /door -basic $ADMIN:$ADMIN_PASSWORD\nstdout ^200\n"
	bearer   = "needs admin\nsend GET /door -header 'Authorization: Bearer '$ADMIN:$ADMIN_PASSWORD\nstdout ^200\n"
	login    = "needs admin\nsend POST /login admin.json\ncapture TOKEN token\nsend GET /door -bearer $TOKEN\n-- admin.json --\n" + `{"user":"$ADMIN","password":"${ADMIN_PASSWORD}"}`
	public   = "send GET /door\nstdout ^200\n"
	wanted   = "needs admin\nsend POST /login admin.json\nstdout ^403\n-- admin.json --\n" + `{"user":"$ADMIN","password":"$ADMIN_PASSWORD","by":"letter"}`
)

// refusing refuses whoever gives a password, and nobody else.
func refusing(r *http.Request, body string) int {
	switch {
	case r.URL.Path == "/login":
		return http.StatusForbidden
	case strings.Contains(body, wrongPassword) || r.Header.Get("Authorization") != "":
		return http.StatusUnauthorized
	}
	return http.StatusOK
}

// An administrator who is refused is asked for twice, however the scripts do so, and
// what they have found by then is not held against the server.
func TestStopsForWrongPassword(t *testing.T) {
	for name, test := range map[string]struct {
		scripts map[string]string
		want    []conform.Outcome
	}{
		"Basic":           {map[string]string{"a": basic, "b": basic, "c": basic, "d": public}, []conform.Outcome{skipped, skipped, skipped, skipped}},
		"Bearer":          {map[string]string{"a": public, "b": bearer, "c": public, "d": bearer, "e": bearer}, []conform.Outcome{passed, skipped, passed, skipped, skipped}},
		"a login":         {map[string]string{"a": wanted, "b": wanted, "c": login, "d": login, "e": login}, nil},
		"nobody looks":    {map[string]string{"a": unlooked, "b": basic}, []conform.Outcome{skipped, skipped}},
		"what is sure":    {map[string]string{"a": "needs admin\nsend GET /door\nstdout ^404\nsend GET /door -basic $ADMIN:$ADMIN_PASSWORD\nstdout ^200\n", "b": basic, "c": basic}, []conform.Outcome{failed, skipped, skipped}},
		"only to clean":   {map[string]string{"a": "send POST /door\n", "b": "send POST /door\n", "c": "send POST /door\n", "cleanup": "undo make DELETE /door -basic $ADMIN:$ADMIN_PASSWORD\n"}, []conform.Outcome{passed, passed, skipped}},
		"to clean, first": {map[string]string{"a": "send POST /door\n", "b": "send POST /door\n", "c": basic, "cleanup": "send POST /login in.json\ncapture TOKEN token\nundo make DELETE /door -bearer $TOKEN\n-- in.json --\n$ADMIN $ADMIN_PASSWORD\n"}, []conform.Outcome{passed, passed, skipped}},
		"in the middle":   {map[string]string{"a": strings.Replace(unlooked, "\n", "\nsend POST /door\n", 1), "b": public, "cleanup": "send POST /login in.json\ncapture TOKEN token\nundo make DELETE /door -bearer $TOKEN\n-- in.json --\n$ADMIN $ADMIN_PASSWORD\n"}, []conform.Outcome{skipped, skipped}},
		"deferred":        {map[string]string{"a": "send POST /door\ndefer DELETE /door -basic $ADMIN:$ADMIN_PASSWORD\ndefer DELETE /door -basic $ADMIN:$ADMIN_PASSWORD\ndefer DELETE /door -basic $ADMIN:$ADMIN_PASSWORD\n", "b": public}, []conform.Outcome{passed, skipped}},
	} {
		r, attempts := guarded(t, test.scripts, refusing)
		want, most := test.want, 2
		if want == nil { // what a script wants is its own affair
			want, most = []conform.Outcome{passed, passed, skipped, skipped, skipped}, 4
		}
		if got := outcomes(r); !slices.Equal(got, want) || attempts != most {
			t.Errorf("%s: %v after %d attempts", name, got, attempts)
		}
		if !strings.Contains(r.Interrupted, "refuses the administrator") || strings.Contains(fmt.Sprintf("%+v", r), wrongPassword) {
			t.Errorf("%s: %+v", name, r)
		}
		last := r.Cases[len(r.Cases)-1]
		if last.Outcome != skipped || last.Reason != r.Interrupted {
			t.Errorf("%s: %+v", name, last)
		}
		requests, sure := 0, 0
		for script, text := range test.scripts {
			if script != "cleanup" {
				requests += strings.Count(text, "send ")
			}
		}
		for _, c := range r.Cases {
			sure += len(c.Failures)
		}
		if sum := r.Sum(); sum.Failed != sure || sure != r.Count(failed) || sum.Passed+sum.Failed+sum.Skipped != requests {
			t.Errorf("%s: %d failures, %d requests, %+v", name, sure, requests, sum)
		}
		left := strings.Join(r.Left(), "\n")
		if made := strings.Contains(strings.Join(slices.Collect(maps.Values(test.scripts)), "\n"), "send POST /door"); made != (left != "") {
			t.Errorf("%s: left %s", name, left)
		}
		if strings.Contains(left, errStopped) {
			t.Errorf("%s: nobody says why it is left: %s", name, left)
		}
	}
}

// errStopped is what nobody is to be told.
const errStopped = "the run has ended"

// What others are refused, or the administrator with another password, ends no run, and
// nor do scripts that cannot be.
func TestGoesOn(t *testing.T) {
	for name, script := range map[string]string{
		"another password": "needs admin\nsend GET /door -basic $ADMIN:guessed\nstdout ^200\n",
		"words":            "needs admin\nsend GET /door -header 'Authorization: Bearer $ADMIN:$ADMIN_PASSWORD'\nstdout ^200\n",
		"another's":        "needs admin\nsend GET /door -basic bob:$ADMIN_PASSWORD\nstdout ^200\n",
		"cleaning up":      "needs admin\nsend GET /door\nstdout ^404\ndefer DELETE /door -basic $ADMIN:guessed\ndefer DELETE /door -basic $ADMIN:guessed\n",
		"a wrong script":   "needs admin\nsend GET /door -bearer $NOTHING\n",
	} {
		r, _ := guarded(t, map[string]string{"a": script, "b": script, "c": script, "d": script}, refusing)
		if got := outcomes(r); !slices.Equal(got, []conform.Outcome{failed, failed, failed, failed}) || r.Interrupted != "" {
			t.Errorf("%s: %v, %q", name, got, r.Interrupted)
		}
	}
}

// A server that refuses a good administrator is wrong, and is told so.
func TestRefusalsOfWrongServers(t *testing.T) {
	for name, test := range map[string]struct {
		refuse func(n int) bool // the nth request
		want   []conform.Outcome
	}{
		"once, at first":     {func(n int) bool { return n == 1 }, []conform.Outcome{failed, passed, passed, passed}},
		"ever after":         {func(n int) bool { return n > 1 }, []conform.Outcome{failed, failed, failed, failed}},
		"at first and later": {func(n int) bool { return n != 3 }, []conform.Outcome{failed, failed, failed, failed}},
	} {
		n := 0
		r, _ := guarded(t, map[string]string{"a": basic, "b": basic, "c": basic, "d": basic}, func(*http.Request, string) int {
			n++
			if test.refuse(n) {
				return http.StatusUnauthorized
			}
			return http.StatusOK
		})
		if got := outcomes(r); !slices.Equal(got, test.want) || r.Interrupted != "" {
			t.Errorf("%s: %v, %q", name, got, r.Interrupted)
		}
		failures := 0
		for _, c := range r.Cases {
			failures += len(c.Failures)
		}
		if sum := r.Sum(); sum.Passed+sum.Failed != n || failures == 0 || sum.Failed == 0 {
			t.Errorf("%s: %d requests, %+v", name, n, sum)
		}
	}
}

// A server that is gone is not waited for by each script; one that comes back, or that
// others fail at, is judged.
func TestStopsForSilence(t *testing.T) {
	const three = "send GET /door\nstdout ^200\nsend GET /door\nstdout ^200\n"
	scripts := map[string]string{}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		scripts[name] = three
	}
	for name, test := range map[string]struct {
		silent func(n int) bool // at the nth request
		want   []conform.Outcome
		counts []int // passed, failed, skipped
	}{
		"from the beginning": {func(int) bool { return true }, []conform.Outcome{skipped, skipped, skipped, skipped, skipped}, []int{0, 0, 10}},
		"after a script":     {func(n int) bool { return n > 2 }, []conform.Outcome{passed, skipped, skipped, skipped, skipped}, []int{2, 0, 8}},
		"within one":         {func(n int) bool { return n > 1 }, []conform.Outcome{failed, skipped, skipped, skipped, skipped}, []int{1, 1, 8}},
		"twice in a row":     {func(n int) bool { return n < 3 || n == 5 }, []conform.Outcome{failed, failed, passed, failed, passed}, []int{4, 3, 3}},
	} {
		n := 0
		r, _ := guarded(t, scripts, func(*http.Request, string) int {
			n++
			if test.silent(n) {
				return 0
			}
			return http.StatusOK
		})
		sum := r.Sum()
		if got := outcomes(r); !slices.Equal(got, test.want) || !slices.Equal([]int{sum.Passed, sum.Failed, sum.Skipped}, test.counts) {
			t.Errorf("%s: %v, %+v", name, got, sum)
		}
		stopped := slices.Contains(test.want, skipped)
		if strings.Contains(r.Interrupted, "not answered the first request of 3 scripts in a row") != stopped || !stopped && r.Interrupted != "" {
			t.Errorf("%s: %q", name, r.Interrupted)
		}
	}
}

// A server that answers others is there, whatever it is that scripts begin with.
func TestGoesOnAtASilentOperation(t *testing.T) {
	const first = "send POST /login\nstdout ^200\n"
	r, _ := guarded(t, map[string]string{"a": first, "b": first, "c": first, "d": first, "e": public}, func(r *http.Request, _ string) int {
		if r.URL.Path == "/login" {
			return 0
		}
		return http.StatusOK
	})
	if got := outcomes(r); !slices.Equal(got, []conform.Outcome{failed, failed, failed, failed, passed}) || r.Interrupted != "" || r.Sum().Failed != 4 {
		t.Errorf("%v, %q, %+v", got, r.Interrupted, r.Sum())
	}
}
