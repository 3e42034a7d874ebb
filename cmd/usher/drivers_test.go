package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"usher/storage/password"
)

// What the drivers of faults have in common: crash_test.go, linear_test.go,
// full_linux_test.go and overload_test.go. Each runs for seconds in "make test",
// and with these flags as long as one likes.
var (
	seed       = flag.Uint64("seed", 0, "what chance begins with; 0: the time")
	kills      = flag.Int("kills", 5, "how often the crash driver kills the server")
	operations = flag.Int("operations", 1500, "how many operations make the histories that are checked for linearizability")
	overload   = flag.Duration("overload", 0, "how long the server has more to do than it can, with hashes of the usual cost; 0: a second, with cheaper ones")
)

// chance is a source of random numbers for a test, whose seed a failure shows.
func chance(t *testing.T) *rand.Rand {
	t.Helper()
	s := *seed
	if s == 0 {
		s = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed %d", s)
	return rand.New(rand.NewPCG(s, 0))
}

// cheapHashes lets the test binary, when it is the program, have hashes that cost
// next to nothing.
const cheapHashes = "TEST_CHEAP_HASHES"

func init() {
	if os.Getenv(cheapHashes) != "" {
		checkStrength = password.Params.Check
	}
}

// unbounded are the arguments of a server that keeps its store, computes cheap
// hashes and refuses nobody for asking often: what is looked for is elsewhere.
var unbounded = []string{
	"--demo", "--db", "usher.db", "--hash-memory", "8", "--hash-time", "1", "--throttle-account", "0", "--throttle-source", "0",
	"--applivery-rate-limit", "0", "--milvus-max-users", "1000000",
}

// startUnbounded starts such a server.
func startUnbounded(tb testing.TB, dir string) *process {
	tb.Helper()
	return start(tb, dir, []string{cheapHashes + "=1"}, unbounded...)
}

// verdict is what an answer means to a driver.
type verdict string

const (
	yes     verdict = "yes"
	no      verdict = "no"      // because of the password, or who asks is somebody else, or there is such a user or is none
	refused verdict = "refused" // nothing was done: there was no room for it
	late    verdict = "late"    // nothing was done: there was room, but no time
	failed  verdict = "failed"  // it was done or it was not: an internal error, or no answer at all
	unasked verdict = "unasked" // there was no server to ask
	odd     verdict = "odd"     // what no driver expects, and a fault
)

// who is a user as an API knows it.
type who struct{ id, name string }

// ask is a request that an API is asked with.
type ask struct {
	method, path, body string
	as                 func(*http.Request)
}

// administrator puts the credentials of an API's administrator on a request.
type administrator func(*http.Request)

// administrators log in to APIs.
func administrators(tb testing.TB, url string, apis ...*dialect) map[*dialect]administrator {
	tb.Helper()
	all := map[*dialect]administrator{}
	for _, d := range apis {
		all[d] = d.administrator(tb, url)
	}
	return all
}

// dialect is how one API says what the drivers want of it.
type dialect struct {
	name         string
	demoPassword string // of the demo world's administrator
	// first logs in as the first administrator, if that takes more than a name and a
	// password.
	first       func(tb testing.TB, url, password string) administrator
	create      func(name, password string) ask // by the administrator
	login       func(u who, password string) ask
	change      func(u who, old, new string) ask // by somebody who knows the old one
	reset       func(u who, new string) ask      // by the administrator; nil: there is no such thing
	drop        func(u who) ask                  // by the administrator
	idIsName    bool
	dropsNobody bool // dropping a user that there is not succeeds
	// session logs in so that no further request needs a password; nil: there is no
	// such thing. own is what only its holder reads.
	session func(u who, password string) ask
	own     string

	// What answers begin with, the status first.
	yes, no []string
	// What they are: to what there is no room for at the moment; to what took too
	// long; and to what something of the server's own is in the way of. That the
	// contract declares them for each operation, the handlers' tests show.
	busy, late, internal string
	// whole is in the answer to a login of a user who was created.
	whole string
}

// done are statuses of what was done.
var done = []string{"200 ", "201 ", "204 "}

var dialects = []*dialect{
	{
		name: "fusion", demoPassword: "Fusion4dmin",
		first: func(_ testing.TB, _, password string) administrator { return basic("admin", password) },
		create: func(name, password string) ask {
			return ask{"POST", "/api/users?_cookie=false", `{"username":"` + name + `","password":"` + password + `","roleNames":["developer","search"]}`, nil}
		},
		login: func(u who, password string) ask {
			return ask{"GET", "/api/session?_cookie=false", "", basic(u.name, password)}
		},
		change: func(u who, old, new string) ask {
			return ask{"PATCH", "/api/users/" + u.id + "?_cookie=false", `{"currentPassword":"` + old + `","password":"` + new + `","passwordConfirm":"` + new + `"}`, basic(u.name, old)}
		},
		reset: func(u who, new string) ask {
			return ask{"PATCH", "/api/users/" + u.id + "?_cookie=false", `{"password":"` + new + `","passwordConfirm":"` + new + `"}`, nil}
		},
		drop:     func(u who) ask { return ask{"DELETE", "/api/users/" + u.id + "?_cookie=false", "", nil} },
		yes:      done,
		no:       []string{"401 ", "403 ", "404 ", "409 "},
		busy:     `503 {"code":"busy","message":"Too many password operations, try again"}`,
		late:     `503 {"code":"timeout","message":"The request took too long"}`,
		internal: `500 {"code":"internal","message":"Internal error"}`,
		whole:    `"roleNames":["developer","search"]`,
		session: func(u who, password string) ask {
			return ask{"POST", "/api/session", `{"username":"` + u.name + `","password":"` + password + `"}`, nobody}
		},
		own: "/api/session",
	},
	{
		name: "applivery", demoPassword: "AdminSecureP@ss123",
		first: func(tb testing.TB, url, password string) administrator {
			tb.Helper()
			a := send(tb, "POST", url+"/v1/auth/login", `{"provider":"traditional","payload":{"email":"admin@example.com","password":"`+password+`"}}`)
			holder := holderOf(a)
			if holder == nil {
				tb.Fatalf("login: %s", a)
			}
			return holder
		},
		create: func(name, password string) ask {
			return ask{"POST", "/v1/users", `{"email":"` + name + `@example.com","password":"` + password + `","firstName":"A","lastName":"B","role":"admin"}`, nil}
		},
		login: func(u who, password string) ask {
			return ask{"POST", "/v1/auth/login", `{"provider":"traditional","payload":{"email":"` + u.name + `@example.com","password":"` + password + `"}}`, nobody}
		},
		change: func(u who, old, new string) ask {
			return ask{"POST", "/v1/users/" + u.id + "/change-password", `{"oldPassword":"` + old + `","newPassword":"` + new + `"}`, nil}
		},
		drop:     func(u who) ask { return ask{"DELETE", "/v1/users/" + u.id, "", nil} },
		yes:      done,
		no:       []string{`400 {"status":false,"error":{"code":5023,`, `403 {"status":false,"error":{"code":4006,`, "404 ", "409 "},
		busy:     `503 {"status":false,"error":{"code":1000,"message":"Internal error"}}`,
		late:     `503 {"status":false,"error":{"code":1000,"message":"Internal error"}}`,
		internal: `500 {"status":false,"error":{"code":1000,"message":"Internal error"}}`,
		whole:    `"firstName":"A","lastName":"B","fullName":"A B","role":"admin"`,
		session: func(u who, password string) ask {
			return ask{"POST", "/v1/auth/login", `{"provider":"traditional","payload":{"email":"` + u.name + `@example.com","password":"` + password + `"}}`, nobody}
		},
		own: "/v1/users/profile",
	},
	{
		name: "saymon", demoPassword: "saymon-admin",
		first: func(_ testing.TB, _, password string) administrator { return basic("admin", password) },
		create: func(name, password string) ask {
			return ask{"POST", "/node/api/users", `{"login":"` + name + `","password":"` + password + `","permissions":["manage-links"]}`, nil}
		},
		login: func(u who, password string) ask {
			return ask{"GET", "/node/api/users/current", "", basic(u.name, password)}
		},
		change: func(u who, old, new string) ask {
			return ask{"PUT", "/node/api/users/" + u.id + "/password", `{"currentPassword":"` + old + `","newPassword":"` + new + `"}`, basic(u.name, old)}
		},
		reset: func(u who, new string) ask {
			return ask{"PUT", "/node/api/users/" + u.id + "/password", `{"newPassword":"` + new + `"}`, nil}
		},
		drop:     func(u who) ask { return ask{"DELETE", "/node/api/users/" + u.id, "", nil} },
		yes:      done,
		no:       []string{"401 ", "403 ", "404 ", "409 "},
		busy:     `503 {"code":"ServiceUnavailable","message":"Too many password operations, try again"}`,
		late:     `503 {"code":"ServiceUnavailable","message":"Too many password operations, try again"}`,
		internal: `500 {"code":"Internal","message":"caused by Error: internal"}`,
		whole:    `"permissions":["manage-links"]`,
		session: func(u who, password string) ask {
			return ask{"POST", "/node/api/users/session", `{"login":"` + u.name + `","password":"` + password + `"}`, nobody}
		},
		own: "/node/api/users/current",
	},
	{
		name: "milvus", demoPassword: "Milvus", idIsName: true, dropsNobody: true,
		first: func(_ testing.TB, _, password string) administrator { return bearer("root:" + password) },
		create: func(name, password string) ask {
			return ask{"POST", "/v2/vectordb/users/create", `{"userName":"` + name + `","password":"` + password + `"}`, nil}
		},
		login: func(u who, password string) ask {
			return ask{"POST", "/v2/vectordb/users/describe", `{"userName":"` + u.name + `"}`, bearer(u.name + ":" + password)}
		},
		change: func(u who, old, new string) ask {
			return ask{"POST", "/v2/vectordb/users/update_password", `{"userName":"` + u.name + `","password":"` + old + `","newPassword":"` + new + `"}`, bearer(u.name + ":" + old)}
		},
		drop:     func(u who) ask { return ask{"POST", "/v2/vectordb/users/drop", `{"userName":"` + u.name + `"}`, nil} },
		yes:      []string{`200 {"code":0,`},
		no:       []string{"401 ", `200 {"code":1100,"message":"user already exists`, `200 {"code":1400,`},
		busy:     `200 {"code":4,"message":"too many concurrent requests, queue is full"}`,
		late:     `408 {"code":10001,"message":"request timeout"}`,
		internal: `500 `, // its server says nothing
		whole:    `"data":[]`,
	},
}

// administrator logs in as the demo world's.
func (d *dialect) administrator(tb testing.TB, url string) administrator {
	tb.Helper()
	return d.first(tb, url, d.demoPassword)
}

// nobody puts no credentials on a request.
func nobody(*http.Request) {}

// holderOf puts on a request what an answer has given to its receiver, a session's
// cookie or an access token; nil: neither.
func holderOf(a answer) func(*http.Request) {
	var in struct {
		Data struct{ AccessToken struct{ Token string } }
	}
	_ = json.Unmarshal([]byte(a.body), &in)
	cookie, _, _ := strings.Cut(a.header.Get("Set-Cookie"), ";")
	switch {
	case in.Data.AccessToken.Token != "":
		return bearer(in.Data.AccessToken.Token)
	case cookie != "":
		return func(r *http.Request) { r.Header.Set("Cookie", cookie) }
	}
	return nil
}

// judge is the verdict on an answer. What is refused for lack of room says when
// to come again, unless it is a success to HTTP.
func (d *dialect) judge(a answer) verdict {
	said := a.String()
	begins := func(prefix string) bool { return strings.HasPrefix(said, prefix) }
	switch {
	case said == d.busy && (a.status == http.StatusOK || a.header.Get("Retry-After") == "1"):
		return refused
	case said == d.late:
		return late
	case said == d.internal:
		return failed
	case slices.ContainsFunc(d.yes, begins):
		return yes
	case slices.ContainsFunc(d.no, begins):
		return no
	}
	return odd
}

// id is that of the user who has just been made, or has logged in.
func (d *dialect) id(name string, a answer) string {
	if d.idIsName {
		return name
	}
	type user struct{ ID string }
	var is struct {
		ID   string
		User user
		Data struct {
			ID   string
			User user
		}
	}
	_ = json.Unmarshal([]byte(a.body), &is)
	return is.ID + is.User.ID + is.Data.ID + is.Data.User.ID
}

// web is the connections of the drivers' clients, as many as they like. A server
// answers within half a minute, busy or not.
var web = &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 1000, DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext}}

// put asks and judges the answer.
func (d *dialect) put(url string, a ask, by administrator) (answer, verdict) {
	r, err := http.NewRequest(a.method, url+a.path, strings.NewReader(a.body))
	if err != nil {
		return answer{body: err.Error()}, odd
	}
	if a.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if a.as == nil {
		a.as = by
	}
	a.as(r)
	response, err := web.Do(r)
	if err != nil {
		if dial := (*net.OpError)(nil); errors.As(err, &dial) && dial.Op == "dial" {
			return answer{body: err.Error()}, unasked
		}
		return answer{body: err.Error()}, failed
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	got := answer{response.StatusCode, string(text), response.Header}
	if err != nil {
		return got, failed
	}
	return got, d.judge(got)
}

// progress counts answers, so that what is to happen in the middle of the work
// does, however fast that is.
type progress struct{ atomic.Int64 }

// more waits until there have been n more, or there will be no more: all is done,
// or nothing has come for as long as nobody should have to wait.
func (p *progress) more(n int, done <-chan struct{}) {
	never := time.After(20 * time.Second)
	for end := p.Load() + int64(n); p.Load() < end; {
		select {
		case <-done:
			return
		case <-never:
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// secret is a password that every API's rule accepts, another one for each n.
func secret(n int64) string { return fmt.Sprintf("Pass-%08d", n) }
