package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// works says whether a password is a demo user's, to the server at that URL.
func works(tb testing.TB, url, api, password string) bool {
	tb.Helper()
	d := dialectOf(api)
	got, said := d.put(url, d.login(who{name: demoUser[api].name}, password), d.administrator(tb, url))
	if said != yes && said != no {
		tb.Errorf("%s: %s", api, got)
	}
	return said == yes
}

func dialectOf(api string) *dialect {
	for _, d := range dialects {
		if d.name == api {
			return d
		}
	}
	return nil
}

// appliveryToken logs the demo user in.
func appliveryToken(tb testing.TB, url, password string) func() answer {
	tb.Helper()
	a := send(tb, "POST", url+"/v1/auth/login", `{"provider":"traditional","payload":{"email":"john.doe@example.com","password":"`+password+`"}}`)
	var in struct {
		Data struct{ AccessToken struct{ Token string } }
	}
	if err := json.Unmarshal([]byte(a.body), &in); err != nil || in.Data.AccessToken.Token == "" {
		tb.Fatalf("login: %s", a)
	}
	return func() answer {
		tb.Helper()
		return send(tb, "GET", url+"/v1/users/507f1f77bcf86cd799439023", "", bearer(in.Data.AccessToken.Token))
	}
}

// The password of a user of each API is set while a server runs that has just
// proven the old one: from then on it takes the new one alone, tokens have ended,
// and nobody else is touched.
func TestSetPassword(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, nil, "--demo", "--db", "usher.db")
	const secret = "N3w-unmistakable!"
	file := filepath.Join(dir, "new.txt")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	token := appliveryToken(t, p.url, demoUser["applivery"].password)
	if a := token(); a.status != 200 {
		t.Fatalf("a token: %s", a)
	}
	for _, d := range dialects {
		demo := demoUser[d.name]
		for range 2 { // so that it is remembered
			if !works(t, p.url, d.name, demo.password) {
				t.Fatalf("%s: the demo password", d.name)
			}
		}
		user := demo.name
		if d.name == "applivery" {
			user += "@example.com"
		}
		said := outputOf(t, dir, 0, "user", "set-password", "--api", d.name, "--user", user, "--password-file", file)
		if !strings.HasPrefix(said, d.name+": "+user) || strings.Contains(said, secret) {
			t.Error(said)
		}
		if works(t, p.url, d.name, demo.password) {
			t.Errorf("%s: the old password works", d.name)
		}
		if !works(t, p.url, d.name, secret) {
			t.Errorf("%s: the new password does not work", d.name)
		}
		if said := outputOf(t, dir, 0, "events", "--api", d.name, "--kind", "password-set", "--user", user); strings.Count(said, user) != 1 || !strings.Contains(said, "  usher  ") || !strings.Contains(said, "  local") {
			t.Error(said)
		}
	}
	token().expect(t, 401, `{"status":false,"error":{"code":4004,"message":"Invalid Token"}}`)
	if said := p.stderr.String(); strings.Contains(said, secret) {
		t.Error(said)
	}

	// By id, from standard input, with nobody else at the store, and with the
	// sessions going on.
	still := appliveryToken(t, p.url, secret)
	p.kill()
	cmd := command(t, dir, []string{"USHER_LOG_FORMAT=text", "USHER_FUSION_ADMIN_PASSWORD=x"}, "user", "set-password", "--api", "applivery", "--user", "507f1f77bcf86cd799439023", "--keep-sessions")
	cmd.Stdin = strings.NewReader("Other-unmistakable1")
	if said, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(said), "sessions and tokens go on") {
		t.Fatalf("%v: %s", err, said)
	}
	p = start(t, dir, nil, "--listen", strings.TrimPrefix(p.url, "http://"))
	if a := still(); a.status != 200 {
		t.Errorf("a token that was to go on: %s", a)
	}
	if works(t, p.url, "applivery", secret) || !works(t, p.url, "applivery", "Other-unmistakable1") {
		t.Error("the password that was set by id")
	}
}

// What is refused changes nothing, and says why without the password.
func TestSetPasswordRefuses(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, nil, "--demo", "--db", "usher.db")
	as := basic("admin", "Fusion4dmin")
	if a := send(t, "POST", p.url+"/api/realm-configs", `{"name":"ldap","realmType":"ldap"}`, as); a.status != 201 {
		t.Fatal(a)
	}
	if a := send(t, "PATCH", p.url+"/node/api/password-policies/1", `{"minDigits":1}`, basic("admin", "saymon-admin")); a.status != 200 {
		t.Fatal(a)
	}
	if a := send(t, "POST", p.url+"/api/users", `{"username":"1new-user-test","realmName":"ldap"}`, as); a.status != 201 {
		t.Fatal(a)
	}
	const weak = "unmistakable"
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--api", "fusion", "--user", "admin"}, "weak password"},
		{[]string{"--api", "applivery", "--user", "john.doe@example.com"}, "weak password"},
		{[]string{"--api", "milvus", "--user", "root"}, "weak password"},
		{[]string{"--api", "saymon", "--user", "Bob"}, "weak password: min-digits: want 1"},
		{[]string{"--api", "milvus", "--user", "root", "--milvus-password-rules", "none"}, "they are documented or server"},
		{[]string{"--api", "saymon", "--user", "Bob", "--screen-passwords", "--hash-memory", "1"}, "--hash-memory"},
		{[]string{"--api", "fusion", "--user", "1new-user-test"}, `which "1new-user-test"? There are the ids "`},
		{[]string{"--api", "fusion", "--user", "1new-user-test", "--realm", "ldap"}, "realm"},
		{[]string{"--api", "fusion", "--user", "1new-user-test", "--realm", "saml"}, "no user has the name or the id"},
		{[]string{"--api", "saymon", "--user", "bob"}, `no user has the name or the id "bob"`},
		{[]string{"--api", "acme", "--user", "bob"}, "no API is called"},
		{[]string{"--user", "bob"}, "--api: whose user?"},
		{[]string{"--api", "saymon"}, "--user: which one?"},
		{[]string{"--api", "saymon", "--user", "Bob", weak}, "it is no argument"},
		{[]string{"--api", "saymon", "--user", "Bob", "-p" + weak}, "an unknown flag; the password is no argument"},
		{[]string{"--api", "saymon", "--user", "Bob", "--password=" + weak}, "an unknown flag; the password is no argument"},
		{[]string{"--api", "saymon", "--user", "Bob", "--db", "none.db"}, "there is no store none.db; --db names another"},
		{[]string{"--api", "saymon", "--user", "Bob", "--password-file", "none"}, "no such file"},
		{[]string{"--api", "saymon", "--user", "Bob", "--password-file", os.DevNull}, "there is none"},
	} {
		cmd := command(t, dir, nil, append([]string{"user", "set-password"}, test.args...)...)
		cmd.Stdin = strings.NewReader(weak)
		said, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(said), test.want) || strings.Contains(string(said), weak) || strings.Count(string(said), "\n") != 1 {
			t.Errorf("%q: %v: %s, want %s", test.args, err, said, test.want)
		}
	}
	for api, demo := range demoUser {
		if !works(t, p.url, api, demo.password) {
			t.Errorf("%s: the password has changed", api)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "none.db")); !os.IsNotExist(err) {
		t.Error("a store was made")
	}
	if said := outputOf(t, dir, 0, "events", "--kind", "password-set"); strings.Count(said, "\n") != 1 {
		t.Error(said)
	}
}

// While strangers guess at an account, its owner is let in with a new password from
// where he was let in before, and from nowhere else.
func TestSetPasswordWhileThrottled(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, nil, "--demo", "--db", "usher.db", "--throttle-account", "8/1h", "--trusted-proxy", "127.0.0.0/8")
	from := func(source, secret string, status int) {
		t.Helper()
		a := send(t, "GET", p.url+"/node/api/users/current", "", basic("Bob", secret), func(r *http.Request) {
			r.Header.Set("X-Forwarded-For", source)
		})
		if a.status != status {
			t.Errorf("from %s: %s, want %d", source, a, status)
		}
	}
	const home, elsewhere = "192.0.2.1", "198.51.100.1"
	from(home, demoUser["saymon"].password, 200)
	for range 8 {
		from(elsewhere, "a guess", 401)
	}
	from(elsewhere, "a guess", 429)
	cmd := command(t, dir, nil, "user", "set-password", "--api", "saymon", "--user", "Bob")
	cmd.Stdin = strings.NewReader("Other-unmistakable1")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	from(elsewhere, "Other-unmistakable1", 429)
	from(home, demoUser["saymon"].password, 401)
	from(home, "Other-unmistakable1", 200)
}

// Fusion's administrator, who has no password after a first start, may be given
// one, and then no caller sets it.
func TestSetFirstPassword(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, nil)
	cmd := command(t, dir, nil, "user", "set-password", "--api", "fusion", "--user", "admin")
	cmd.Stdin = strings.NewReader("password123\n")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	send(t, "POST", p.url+"/api", `{"password":"password456"}`).expect(t, 409, `{"code":"exists","message":"The initial admin password is already set"}`)
	if a := send(t, "GET", p.url+"/api/users", "", basic("admin", "password123")); a.status != 200 {
		t.Error(a)
	}
}

// Two servers share a store: what one does the other knows at its next request,
// whatever it had proven before.
func TestTwoServersOnOneStore(t *testing.T) {
	dir := t.TempDir()
	a := start(t, dir, nil, "--demo", "--db", "usher.db")
	b := start(t, dir, nil, "--db", "usher.db")
	token := appliveryToken(t, a.url, demoUser["applivery"].password)
	ids := map[string]string{
		"fusion": "fe0885f2-8885-4c46-a3ea-8e5d0041c293", "applivery": "507f1f77bcf86cd799439023", "saymon": "5e78c51788c61a1fbf34b673", "milvus": "milvusAdmin",
	}
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			u := who{name: demoUser[d.name].name, id: ids[d.name]}
			by := d.administrator(t, b.url)
			password := demoUser[d.name].password
			for i := range 5 {
				for range 2 { // so that it is remembered
					if !works(t, a.url, d.name, password) {
						t.Fatal("the present password")
					}
				}
				next := secret(int64(i))
				if got, said := d.put(b.url, d.change(u, password, next), by); said != yes {
					t.Fatal(got)
				}
				if works(t, a.url, d.name, password) {
					t.Error("the old password works at the other server")
				}
				password = next
			}
			// Of changes at both at the same time one succeeds.
			var mu sync.Mutex
			var changing sync.WaitGroup
			var done []string
			for i, url := range []string{a.url, b.url, a.url, b.url} {
				changing.Go(func() {
					next := secret(int64(100 + i))
					switch got, said := d.put(url, d.change(u, password, next), by); said {
					case yes:
						mu.Lock()
						done = append(done, next)
						mu.Unlock()
					case no:
					default:
						t.Error(got)
					}
				})
			}
			changing.Wait()
			if len(done) != 1 || !works(t, a.url, d.name, done[0]) || !works(t, b.url, d.name, done[0]) {
				t.Errorf("%d of four succeeded", len(done))
			}
			if got, said := d.put(b.url, d.drop(u), by); said != yes {
				t.Fatal(got)
			}
			if len(done) == 1 && works(t, a.url, d.name, done[0]) {
				t.Error("a user who was deleted logs in at the other server")
			}
		})
	}
	token().expect(t, 401, `{"status":false,"error":{"code":4004,"message":"Invalid Token"}}`)
	for _, p := range []*process{a, b} {
		if said := p.stderr.String(); strings.Contains(said, `"level":"ERROR"`) {
			t.Error(said)
		}
	}
}
