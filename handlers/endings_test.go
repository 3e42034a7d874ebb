package handlers_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/handlers"
)

// What ends with what: a password that is replaced, a user who is blocked or
// deleted. Each test user comes with all that an API lets somebody in with, and
// after each ending everything is tried again. What is found is the table in
// docs/passwords.md.

const (
	firstSecret  = "First-Secret1"
	secondSecret = "Second-Secret2"
)

// wayIn is one of a user's credentials.
type wayIn struct {
	name string
	kind wayKind
	// works asks something with it. It may be asked again.
	works func() bool
}

type wayKind int

const (
	thePassword wayKind = iota // the first one, proven with each request
	aToken                     // stands for the password
)

// ending is something that happens to a user.
type ending struct {
	name string
	by   func(t *testing.T, u *inhabitant)
	// keepable: a server with --keep-sessions leaves the tokens alone.
	keepable bool
	// with is the token that it is done with, which goes on, and logins by it.
	with []string
}

// inhabitant is a user with credentials of every kind.
type inhabitant struct {
	w        *world
	name, id string
	ways     []wayIn
	secrets  map[string]string // of ways that are tokens
}

// do is world.do for what may not fail.
func (u *inhabitant) do(t *testing.T, r *http.Request) reply {
	t.Helper()
	got := u.w.do(t, r)
	if !succeeded(u.w.api, got) {
		t.Fatalf("%s %s: %s", r.Method, r.URL, got)
	}
	return got
}

func succeeded(api string, r reply) bool {
	return r.status > 0 && r.status < 300 && (api != "milvus" || strings.Contains(r.body, `"code":0`))
}

// with adds a way in.
func (u *inhabitant) with(t *testing.T, name string, kind wayKind, request func() *http.Request) {
	t.Helper()
	u.ways = append(u.ways, wayIn{name, kind, func() bool { return succeeded(u.w.api, u.w.do(t, request())) }})
}

func cookie(r *http.Request, name, value string) *http.Request {
	r.AddCookie(&http.Cookie{Name: name, Value: value}) //nolint:gosec // G124: sent by a client, which sends no attributes
	return r
}

// inhabitants make a user called name, with credentials of every kind.
var inhabitants = map[string]func(t *testing.T, w *world, name string) *inhabitant{
	"fusion": func(t *testing.T, w *world, name string) *inhabitant {
		t.Helper()
		u := &inhabitant{w: w, name: name}
		u.id = w.member(t, u.do(t, dialects["fusion"].create(t, w, name, firstSecret)).body, "id")
		sid := regexp.MustCompile(`^id=([^;]+)`)
		session := u.do(t, w.request(t, "POST", "/api/session", `{"username":"`+name+`","password":"`+firstSecret+`"}`)).header.Get("Set-Cookie")
		byBasic := u.do(t, w.basic(t, "GET", "/api/session", "", name, firstSecret)).header.Get("Set-Cookie")
		token := w.member(t, u.do(t, w.basic(t, "POST", "/oauth2/token", "", name, firstSecret)).body, "access_token")
		u.secrets = map[string]string{"session": sid.FindStringSubmatch(session)[1], "session given to Basic": sid.FindStringSubmatch(byBasic)[1], "access token": token}
		for _, way := range []string{"session", "session given to Basic"} {
			u.with(t, way, aToken, func() *http.Request {
				return cookie(w.request(t, "GET", "/api/session", ""), "id", u.secrets[way])
			})
		}
		u.with(t, "access token", aToken, func() *http.Request { return w.bearer(t, "GET", "/api/session", "", token) })
		u.with(t, "Basic", thePassword, func() *http.Request {
			return w.basic(t, "GET", "/api/users/"+u.id+"?_cookie=false", "", name, firstSecret)
		})
		u.with(t, "login", thePassword, func() *http.Request {
			return w.request(t, "POST", "/api/session", `{"username":"`+name+`","password":"`+firstSecret+`"}`)
		})
		return u
	},
	"applivery": func(t *testing.T, w *world, name string) *inhabitant {
		t.Helper()
		u := &inhabitant{w: w, name: name}
		u.id = w.member(t, u.do(t, dialects["applivery"].create(t, w, name, firstSecret)).body, "data.id")
		login := func() *http.Request {
			return w.request(t, "POST", "/v1/auth/login", `{"provider":"traditional","payload":{"email":"`+name+`@example.com","password":"`+firstSecret+`"}}`)
		}
		in := u.do(t, login()).body
		access := w.member(t, in, "data.accessToken.token")
		u.secrets = map[string]string{"access token": access}
		u.with(t, "access token", aToken, func() *http.Request { return w.bearer(t, "GET", "/v1/users/profile", "", access) })
		in = u.do(t, login()).body
		pair := [2]string{w.member(t, in, "data.accessToken.token"), w.member(t, in, "data.refreshToken.token")}
		u.secrets["pair"] = pair[0]
		u.ways = append(u.ways, wayIn{"pair of access and refresh token", aToken, func() bool {
			got := w.do(t, w.request(t, "POST", "/v1/auth/refresh", `{"lastAccessToken":"`+pair[0]+`","refreshToken":"`+pair[1]+`"}`))
			if !succeeded(w.api, got) {
				return false
			}
			pair = [2]string{w.member(t, got.body, "data.accessToken.token"), w.member(t, got.body, "data.refreshToken.token")}
			u.secrets["pair"] = pair[0]
			return true
		}})
		u.with(t, "login", thePassword, login)
		return u
	},
	"saymon": func(t *testing.T, w *world, name string) *inhabitant {
		t.Helper()
		u := &inhabitant{w: w, name: name}
		const admin = "admin"
		u.id = w.member(t, u.do(t, w.basic(t, "POST", "/node/api/users",
			`{"login":"`+name+`","email":"`+name+`@example.com","password":"`+firstSecret+`"}`, admin, adminPassword)).body, "id")
		unquoted := func(r reply) string { return strings.Trim(r.body, `"`) }
		token := unquoted(u.do(t, w.basic(t, "POST", "/node/api/users/"+u.id+"/auth-token", "", admin, adminPassword)))
		login := func() *http.Request {
			return w.request(t, "POST", "/node/api/users/session", `{"login":"`+name+`","password":"`+firstSecret+`"}`)
		}
		byToken := func() *http.Request {
			return w.request(t, "POST", "/node/api/users/session", `{"auth-token":"`+token+`"}`)
		}
		u.secrets = map[string]string{
			"session": unquoted(u.do(t, login())), "session opened by a token": unquoted(u.do(t, byToken())), "authentication token": token,
		}
		for _, way := range []string{"session", "session opened by a token"} {
			u.with(t, way, aToken, func() *http.Request {
				return cookie(w.request(t, "GET", "/node/api/users/current", ""), "sid", u.secrets[way])
			})
		}
		u.with(t, "authentication token", aToken, func() *http.Request { return w.request(t, "GET", "/node/api/users/current?api-token="+token, "") })
		u.with(t, "login by it", aToken, byToken)
		u.with(t, "login", thePassword, login)
		for _, who := range []string{name, name + "@example.com"} {
			u.with(t, "Basic", thePassword, func() *http.Request { return w.basic(t, "GET", "/node/api/users/current", "", who, firstSecret) })
		}
		return u
	},
	"milvus": func(t *testing.T, w *world, name string) *inhabitant {
		t.Helper()
		u := &inhabitant{w: w, name: name}
		u.do(t, dialects["milvus"].create(t, w, name, firstSecret))
		body := `{"userName":"` + name + `"}`
		u.with(t, "Bearer", thePassword, func() *http.Request {
			return w.bearer(t, "POST", "/v2/vectordb/users/describe", body, name+":"+firstSecret)
		})
		u.with(t, "Basic", thePassword, func() *http.Request {
			return w.basic(t, "POST", "/v2/vectordb/users/describe", body, name, firstSecret)
		})
		u.with(t, "neither", thePassword, func() *http.Request {
			return w.authorized(t, "POST", "/v2/vectordb/users/describe", name+":"+firstSecret, body)
		})
		return u
	},
}

// owns is the ending that every API has: a change by the user, who proves to be it
// by the password.
func owns(t *testing.T, u *inhabitant) {
	t.Helper()
	u.do(t, dialects[u.w.api].change(t, u.w, u.name, u.id, firstSecret, secondSecret))
}

const (
	fusionChange = `{"currentPassword":"` + firstSecret + `","password":"` + secondSecret + `","passwordConfirm":"` + secondSecret + `"}`
	saymonChange = `{"currentPassword":"` + firstSecret + `","newPassword":"` + secondSecret + `"}`
)

var endings = map[string][]ending{
	"fusion": {
		{name: "own change with Basic", keepable: true, by: owns},
		{name: "own change in a session", keepable: true, with: []string{"session"}, by: func(t *testing.T, u *inhabitant) {
			t.Helper()
			u.do(t, cookie(u.w.request(t, "PATCH", "/api/users/"+u.id, fusionChange), "id", u.secrets["session"]))
		}},
		{name: "own change in the session given to Basic", keepable: true, with: []string{"session given to Basic"}, by: func(t *testing.T, u *inhabitant) {
			t.Helper()
			u.do(t, cookie(u.w.request(t, "PATCH", "/api/users/"+u.id, fusionChange), "id", u.secrets["session given to Basic"]))
		}},
		{name: "own change by access token", keepable: true, with: []string{"access token"}, by: func(t *testing.T, u *inhabitant) {
			t.Helper()
			u.do(t, u.w.bearer(t, "PATCH", "/api/users/"+u.id, fusionChange, u.secrets["access token"]))
		}},
		{name: "reset by an administrator", keepable: true, by: func(t *testing.T, u *inhabitant) {
			t.Helper()
			u.do(t, u.w.basic(t, "PATCH", "/api/users/"+u.id, `{"password":"`+secondSecret+`","passwordConfirm":"`+secondSecret+`"}`, "admin", adminPassword))
		}},
		{name: "reset by an API key", keepable: true, by: func(t *testing.T, u *inhabitant) {
			t.Helper()
			key := u.w.member(t, u.do(t, u.w.basic(t, "POST", "/api/api-key", `{"name":"resets","id":"`+u.name+`-key","roles":["admin"]}`, "admin", adminPassword)).body, "key")
			r := u.w.request(t, "PATCH", "/api/users/"+u.id, `{"password":"`+secondSecret+`","passwordConfirm":"`+secondSecret+`"}`)
			r.Header.Set("X-Api-Key", key)
			u.do(t, r)
		}},
		{name: "PUT with a password", keepable: true, by: func(t *testing.T, u *inhabitant) {
			t.Helper()
			u.do(t, u.w.basic(t, "PUT", "/api/users/"+u.id, `{"password":"`+secondSecret+`","roleNames":["search"]}`, "admin", adminPassword))
		}},
		{name: "PUT with a hash", keepable: true, by: func(t *testing.T, u *inhabitant) {
			t.Helper()
			u.do(t, u.w.basic(t, "PUT", "/api/users/"+u.id,
				`{"passwordHash":"$2a$04$phyRHkUX3IHepq.MlQ72Ie1OJD1jOMGh.uLD0Q06Y3AOyulmtR93i","roleNames":["search"]}`, "admin", adminPassword))
		}},
		{name: "deletion", by: func(t *testing.T, u *inhabitant) {
			t.Helper()
			u.do(t, u.w.basic(t, "DELETE", "/api/users/"+u.id, "", "admin", adminPassword))
		}},
	},
	"applivery": {
		{name: "own change by another login", keepable: true, by: owns},
		{name: "own change by a token of the pair", keepable: true, with: []string{"pair of access and refresh token"}, by: func(t *testing.T, u *inhabitant) {
			t.Helper()
			u.do(t, u.w.bearer(t, "POST", "/v1/users/"+u.id+"/change-password", `{"oldPassword":"`+firstSecret+`","newPassword":"`+secondSecret+`"}`, u.secrets["pair"]))
		}},
		{name: "own update by access token", keepable: true, with: []string{"access token"}, by: func(t *testing.T, u *inhabitant) {
			t.Helper()
			u.do(t, u.w.bearer(t, "POST", "/v1/auth/register/update-password", `{"password":"`+firstSecret+`","newPassword":"`+secondSecret+`"}`, u.secrets["access token"]))
		}},
		{name: "own update by another login", keepable: true, by: func(t *testing.T, u *inhabitant) {
			t.Helper()
			u.do(t, u.w.bearer(t, "POST", "/v1/auth/register/update-password", `{"password":"`+firstSecret+`","newPassword":"`+secondSecret+`"}`,
				u.w.token(t, u.name+"@example.com", firstSecret)))
		}},
		{name: "change by an administrator", keepable: true, by: func(t *testing.T, u *inhabitant) {
			t.Helper()
			u.do(t, u.w.bearer(t, "POST", "/v1/users/"+u.id+"/change-password", `{"oldPassword":"`+firstSecret+`","newPassword":"`+secondSecret+`"}`,
				u.w.token(t, handlers.FirstAdministrator("applivery"), adminPassword)))
		}},
		{name: "made a service account", with: []string{"access token", "pair of access and refresh token"}, by: func(t *testing.T, u *inhabitant) {
			t.Helper()
			u.do(t, u.w.bearer(t, "PUT", "/v1/users/"+u.id, `{"role":"serviceAccount"}`, u.w.token(t, handlers.FirstAdministrator("applivery"), adminPassword)))
		}},
		{name: "deletion", by: func(t *testing.T, u *inhabitant) {
			t.Helper()
			u.do(t, u.w.bearer(t, "DELETE", "/v1/users/"+u.id, "", u.w.token(t, handlers.FirstAdministrator("applivery"), adminPassword)))
		}},
	},
	"saymon": {
		{name: "own change with Basic", keepable: true, by: owns},
		{name: "own change in a session", keepable: true, with: []string{"session"}, by: func(t *testing.T, u *inhabitant) {
			t.Helper()
			u.do(t, cookie(u.w.request(t, "PUT", "/node/api/users/"+u.id+"/password", saymonChange), "sid", u.secrets["session"]))
		}},
		{name: "own change by authentication token", keepable: true, with: []string{"authentication token", "login by it"}, by: func(t *testing.T, u *inhabitant) {
			t.Helper()
			u.do(t, u.w.request(t, "PUT", "/node/api/users/"+u.id+"/password?api-token="+u.secrets["authentication token"], saymonChange))
		}},
		{name: "reset by an administrator", keepable: true, by: func(t *testing.T, u *inhabitant) {
			t.Helper()
			u.do(t, u.w.basic(t, "PUT", "/node/api/users/"+u.id+"/password", `{"newPassword":"`+secondSecret+`"}`, "admin", adminPassword))
		}},
		{name: "blocked", by: saymonPatch(`{"status":3}`)},
		{name: "not yet activated", by: saymonPatch(`{"status":0}`)},
		{name: "past activeTo", by: saymonPatch(`{"activeTo":1}`)},
		{name: "deletion", by: func(t *testing.T, u *inhabitant) {
			t.Helper()
			u.do(t, u.w.basic(t, "DELETE", "/node/api/users/"+u.id, "", "admin", adminPassword))
		}},
	},
	"milvus": {
		{name: "own change", keepable: true, by: owns},
		{name: "change by root", keepable: true, by: func(t *testing.T, u *inhabitant) {
			t.Helper()
			u.do(t, u.w.bearer(t, "POST", "/v2/vectordb/users/update_password",
				`{"userName":"`+u.name+`","password":"`+firstSecret+`","newPassword":"`+secondSecret+`"}`, "root:"+adminPassword))
		}},
		{name: "deletion", by: func(t *testing.T, u *inhabitant) {
			t.Helper()
			u.do(t, u.w.bearer(t, "POST", "/v2/vectordb/users/drop", `{"userName":"`+u.name+`"}`, "root:"+adminPassword))
		}},
	},
}

func saymonPatch(body string) func(*testing.T, *inhabitant) {
	return func(t *testing.T, u *inhabitant) {
		t.Helper()
		u.do(t, u.w.basic(t, "PATCH", "/node/api/users/"+u.id, body, "admin", adminPassword))
	}
}

func TestWhatEndsSessions(t *testing.T) {
	var mu sync.Mutex
	goesOn := map[string]map[string][]string{} // by "api/ending" and setting
	t.Run("run", func(t *testing.T) {
		for _, api := range handlers.Names() {
			for _, setting := range []string{"ending", "keeping"} {
				t.Run(api+"/"+setting, func(t *testing.T) {
					t.Parallel()
					needs := []string{"admin", "roomy"}
					if setting == "keeping" {
						needs = append(needs, "keeping")
					}
					w := serveAPI(t, api, needs...)
					other := inhabitants[api](t, w, "bystander")
					for i, e := range endings[api] {
						t.Run(e.name, func(t *testing.T) {
							u := inhabitants[api](t, w, fmt.Sprint("alice", i))
							u.tryAll(t, "before", func(wayIn) bool { return true })
							e.by(t, u)
							good := u.tryAll(t, "after", func(k wayIn) bool {
								return k.kind == aToken && (slices.Contains(e.with, k.name) || e.keepable && setting == "keeping")
							})
							other.tryAll(t, "of somebody else", func(wayIn) bool { return true })
							mu.Lock()
							defer mu.Unlock()
							if goesOn[api+"/"+e.name] == nil {
								goesOn[api+"/"+e.name] = map[string][]string{}
							}
							goesOn[api+"/"+e.name][setting] = good
						})
					}
				})
			}
		}
	})
	if !t.Failed() {
		checkEndings(t, goesOn)
	}
}

// tryAll holds what each of the ways in does against what it should, and returns
// the names of those that let in.
func (u *inhabitant) tryAll(t *testing.T, when string, should func(wayIn) bool) (good []string) {
	t.Helper()
	for _, k := range u.ways {
		got := k.works()
		if want := should(k); got != want {
			t.Errorf("%s, %s: lets in %t, want %t", k.name, when, got, want)
		}
		if got {
			good = append(good, k.name)
		}
	}
	return good
}

const passwordsPage = "../docs/passwords.md"

// checkEndings holds the page's table against what goes on after each ending, or
// writes it.
func checkEndings(t *testing.T, goesOn map[string]map[string][]string) {
	t.Helper()
	var table strings.Builder
	table.WriteString("| API | what happens | what goes on | with `--keep-sessions` | shown by `TestWhatEndsSessions/run/` |\n|---|---|---|---|---|\n")
	for _, api := range handlers.Names() {
		for _, e := range endings[api] {
			found := goesOn[api+"/"+e.name]
			if len(found) < 2 {
				return // a part of the tests was asked for
			}
			cell := func(setting string) string {
				if found[setting] == nil {
					return "nothing"
				}
				return strings.Join(found[setting], ", ")
			}
			kept := cell("keeping")
			if kept == cell("ending") {
				kept = "the same"
			}
			name := map[string]string{"fusion": "Fusion", "applivery": "Applivery", "saymon": "SAYMON", "milvus": "Milvus"}[api]
			fmt.Fprintf(&table, "| %s | %s | %s | %s | `%s/ending/%s` |\n", name, e.name, cell("ending"), kept, api, strings.ReplaceAll(e.name, " ", "_"))
		}
	}
	page, err := os.ReadFile(passwordsPage)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- endings -->\n", "<!-- /endings -->"
	before, rest, found := strings.Cut(string(page), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no place for the table", passwordsPage)
	}
	if is := before + begin + table.String() + end + after; is != string(page) {
		if *update {
			err = os.WriteFile(passwordsPage, []byte(is), 0o600)
		}
		t.Errorf("%s is not what the tests show (%v): go test ./handlers -update writes it", passwordsPage, err)
	}
}

// Every test and script that the page names is there.
func TestPasswordsPageNamesWhatIsThere(t *testing.T) {
	page, err := os.ReadFile(passwordsPage)
	if err != nil {
		t.Fatal(err)
	}
	var sources strings.Builder
	for _, pattern := range []string{"*_test.go", "../cmd/usher/*_test.go", "../storage/*_test.go", "../storage/password/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			sources.Write(source)
		}
	}
	named := regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(string(page), -1)
	for _, name := range named {
		if !strings.Contains(sources.String(), "\nfunc "+name+"(t *testing.T)") {
			t.Errorf("there is no %s", name)
		}
	}
	links := regexp.MustCompile(`\]\(([^)#]+)`).FindAllStringSubmatch(string(page), -1)
	for _, link := range links {
		if strings.Contains(link[1], "://") {
			continue
		}
		if _, err := os.Stat(filepath.Join("../docs", link[1])); err != nil {
			t.Error(err)
		}
	}
	if len(named) < 10 || len(links) < 5 {
		t.Errorf("it names %d tests and links to %d files", len(named), len(links))
	}
}

// Sessions and tokens of SAYMON's do not come back with the user who was blocked,
// whatever blocked him.
func TestBlockedUsersComeBackWithoutSessions(t *testing.T) {
	w := serveAPI(t, "saymon", "admin", "clock")
	now := func(later time.Duration) string { return fmt.Sprint(w.clock.now().Add(later).UnixMilli()) }
	for name, block := range map[string]func(*inhabitant){
		"status":     func(u *inhabitant) { saymonPatch(`{"status":3}`)(t, u) },
		"activation": func(u *inhabitant) { saymonPatch(`{"status":0}`)(t, u) },
		"activeTo": func(u *inhabitant) {
			saymonPatch(`{"activeTo":`+now(time.Hour)+`}`)(t, u)
			u.tryAll(t, "before activeTo", func(wayIn) bool { return true })
			w.clock.advance(time.Hour)
		},
	} {
		u := inhabitants["saymon"](t, w, strings.ToLower(name))
		block(u)
		u.tryAll(t, name+": blocked", func(wayIn) bool { return false })
		saymonPatch(`{"status":2,"activeTo":`+now(48*time.Hour)+`}`)(t, u)
		u.tryAll(t, name+": active again", func(k wayIn) bool { return k.kind != aToken })
	}
}

// Whoever is made under a name that is free again has nothing of the one before.
func TestMadeAnewIsSomebodyElse(t *testing.T) {
	eachAPI(t, func(t *testing.T, w *world, d dialect) {
		t.Helper()
		all := endings[w.api]
		u := inhabitants[w.api](t, w, "alice")
		all[len(all)-1].by(t, u)
		u.do(t, d.create(t, w, "alice", secondSecret))
		u.tryAll(t, "of a user made anew", func(wayIn) bool { return false })
	})
}
