package main

import (
	"database/sql"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/storage/password"
)

// A hash that guessers would thank for is refused, by flag and by variable, in
// words that say what would do.
func TestWeakHashesAreRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		environ, args []string
		want          string
	}{
		"memory":      {nil, []string{"--hash-memory", "8"}, "--hash-memory, --hash-time, --hash-threads: password: memory 8 KiB: want at least 19456 with time 2"},
		"by variable": {[]string{"USHER_HASH_MEMORY=8"}, nil, "memory 8 KiB: want at least 19456 with time 2"},
		"one pass":    {nil, []string{"--hash-time", "1"}, "memory 19456 KiB: want at least 47104 with time 1"},
		"many passes": {nil, []string{"--hash-time", "17"}, "password: time 17: want 1 to 16"},
		"threads":     {nil, []string{"--hash-threads", "17"}, "password: threads 17: want 1 to 16"},
		"gigabytes":   {nil, []string{"--hash-memory", "1048576"}, "password: memory 1048576 KiB: want 8 per thread to 262144"},
		"no number":   {nil, []string{"--hash-memory", "64MiB"}, `invalid argument "64MiB" for "--hash-memory"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := command(t, t.TempDir(), tt.environ, append([]string{"serve", "--listen", "127.0.0.1:0"}, tt.args...)...).CombinedOutput()
			if err == nil || !strings.Contains(string(out), tt.want) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// What the flags of passwords say reaches the APIs: new parameters an old hash at
// the next login, the screen a new password, the sessions a change of one.
func TestPasswordSettings(t *testing.T) {
	dir := t.TempDir()
	hash := func() string { return hashes(t, dir, "alice")["alice"] }
	serve := func(args ...string) *process {
		t.Helper()
		return start(t, dir, []string{"USHER_FUSION_ADMIN_PASSWORD=password123"}, append([]string{"--db", "usher.db"}, args...)...)
	}
	create := func(p *process, name, secret string) answer {
		t.Helper()
		return send(t, "POST", p.url+"/api/users", `{"username":"`+name+`","password":"`+secret+`","roleNames":["search"]}`, basic("admin", "password123"))
	}

	p := serve()
	if made := create(p, "alice", "alice-password1"); made.status != http.StatusCreated {
		t.Fatal(made)
	}
	p.kill()
	usual, raised := hash(), "$argon2id$v=19$m=20480,t=3,p=2$"
	if !strings.HasPrefix(usual, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatal(usual)
	}

	p = serve("--hash-memory", "20480", "--hash-time", "3", "--hash-threads", "2", "--screen-passwords", "--keep-sessions")
	session := send(t, "POST", p.url+"/api/session", `{"username":"alice","password":"alice-password1"}`).header.Get("Set-Cookie")
	if is := hash(); !strings.HasPrefix(is, raised) {
		t.Errorf("%s after the login", is)
	}
	for _, weak := range []string{"password1", "x8-carol-q"} {
		if got := create(p, "carol", weak); got.status != http.StatusBadRequest {
			t.Errorf("%s: %s", weak, got)
		}
	}
	id := between(t, send(t, "GET", p.url+"/api/session", "", basic("alice", "alice-password1")).body, `{"user":{"id":"`, `"`)
	changed := send(t, "PATCH", p.url+"/api/users/"+id, `{"currentPassword":"alice-password1","password":"qzx-7714-vv","passwordConfirm":"qzx-7714-vv"}`, basic("alice", "alice-password1"))
	if changed.status != http.StatusOK {
		t.Fatal(changed)
	}
	if is := hash(); !strings.HasPrefix(is, raised) {
		t.Errorf("%s after the change", is)
	}
	if got := send(t, "GET", p.url+"/api/session", "", func(r *http.Request) { r.Header.Set("Cookie", session) }); got.status != http.StatusOK {
		t.Errorf("--keep-sessions: %s", got)
	}
}

// Servers that are killed while logins have hashes made anew leave, of each, the old
// one or the new one: of the same password, and its tokens are there.
func TestKilledWhileHashesAreMadeAnew(t *testing.T) {
	const users, rounds, secret = 12, 8, "alice-password1"
	dir, random := t.TempDir(), chance(t)
	serve := func(passes int) *process {
		t.Helper()
		return start(t, dir, []string{cheapHashes + "=1", "USHER_FUSION_ADMIN_PASSWORD=password123"},
			"--db", "usher.db", "--hash-memory", "1024", "--hash-threads", "1", "--hash-time", strconv.Itoa(passes))
	}
	p := serve(1)
	names, cookies := make([]string, users), make([]string, users)
	for i := range users {
		names[i] = "alice" + strconv.Itoa(i)
		made := send(t, "POST", p.url+"/api/users", `{"username":"`+names[i]+`","password":"`+secret+`","roleNames":["search"]}`, basic("admin", "password123"))
		if made.status != http.StatusCreated {
			t.Fatal(made)
		}
		cookies[i] = send(t, "POST", p.url+"/api/session", `{"username":"`+names[i]+`","password":"`+secret+`"}`).header.Get("Set-Cookie")
	}
	p.kill()
	renewed := 0
	for round := range rounds {
		passes := 2 + round%2
		p := serve(passes)
		var group sync.WaitGroup
		for _, name := range names {
			group.Go(func() {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+"/api/session?_cookie=false", http.NoBody)
				if err != nil {
					t.Error(err)
					return
				}
				r.SetBasicAuth(name, secret)
				if response, err := http.DefaultClient.Do(r); err == nil { // else the server was killed
					_ = response.Body.Close()
				}
			})
		}
		// Some are through, others on their way.
		anew := func() (n int) {
			for _, hash := range hashes(t, dir, "alice%") {
				if strings.HasPrefix(hash, "$argon2id$v=19$m=1024,t="+strconv.Itoa(passes)+",") {
					n++
				}
			}
			return n
		}
		most := 1 + random.IntN(users-1)
		for deadline := time.Now().Add(30 * time.Second); anew() < most; {
			if time.Now().After(deadline) {
				t.Fatalf("round %d: %d hashes were made anew, want %d", round, anew(), most)
			}
		}
		p.kill()
		group.Wait()
		for name, hash := range hashes(t, dir, "alice%") {
			if err := password.Verify(hash, secret); err != nil {
				t.Errorf("round %d, %s: %s: %v", round, name, hash, err)
			}
		}
		renewed += anew()
	}
	t.Logf("%d of %d hashes were made anew before a kill", renewed, users*rounds)
	p = serve(1)
	for i, name := range names {
		if got := send(t, "GET", p.url+"/api/session?_cookie=false", "", basic(name, secret)); got.status != http.StatusOK {
			t.Errorf("%s: %s", name, got)
		}
		if got := send(t, "GET", p.url+"/api/session", "", func(r *http.Request) { r.Header.Set("Cookie", cookies[i]) }); got.status != http.StatusOK {
			t.Errorf("%s, in the session of before: %s", name, got)
		}
	}
}

// hashes are those in the store's file of the users whose names are like that.
func hashes(t *testing.T, dir, names string) map[string]string {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "usher.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(t.Context(), `SELECT name, password_hash FROM "user" WHERE name LIKE $1`, names)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	found := map[string]string{}
	for rows.Next() {
		var name, hash string
		if err := rows.Scan(&name, &hash); err != nil {
			t.Fatal(err)
		}
		found[name] = hash
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

// between is what text has between start and end.
func between(t *testing.T, text, start, end string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, start)
	middle, _, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%q has no %s…%s", text, start, end)
	}
	return middle
}
