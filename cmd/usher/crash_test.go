package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// account is a user whose password one client keeps changing.
type account struct {
	id, login string
	password  string // the last one acknowledged
	asked     string // one that was asked for and not acknowledged; empty: none
}

// The server is killed in the middle of password changes, again and again.
// Every change that was acknowledged is there after the restart; one that was
// not happened whole or not at all.
func TestKilledInTheMiddleOfPasswordChanges(t *testing.T) {
	const rounds, clients = 5, 4
	dir := t.TempDir()
	serve := func() *process { return start(t, dir, nil, "--demo", "--db", "usher.db") }
	p := serve()
	accounts := make([]*account, clients)
	for i := range accounts {
		a := &account{login: fmt.Sprintf("user%d", i), password: fmt.Sprintf("first-%d", i)}
		made := send(t, "POST", p.url+"/node/api/users", `{"login":"`+a.login+`","password":"`+a.password+`"}`, basic("admin", "saymon-admin"))
		var user struct{ ID string }
		if err := json.Unmarshal([]byte(made.body), &user); err != nil || made.status != 200 {
			t.Fatalf("create: %s", made)
		}
		a.id = user.ID
		accounts[i] = a
	}
	var acknowledged atomic.Int64
	for round := range rounds {
		var running sync.WaitGroup
		for _, a := range accounts {
			running.Go(func() {
				for i := 0; ; i++ {
					a.asked = fmt.Sprintf("%s-round-%d-%d", a.login, round, i)
					if !a.change(p.url) {
						return
					}
					a.password, a.asked = a.asked, ""
					acknowledged.Add(1)
				}
			})
		}
		// Some changes have to go well; then the moment is chance.
		for wait := time.Now(); acknowledged.Load() < int64((round+1)*2*clients); time.Sleep(time.Millisecond) {
			if time.Since(wait) > time.Minute {
				t.Fatalf("%d changes acknowledged: %s", acknowledged.Load(), p.stderr)
			}
		}
		time.Sleep(rand.N(50 * time.Millisecond))
		p.kill()
		running.Wait()
		intact(t, filepath.Join(dir, "usher.db"))
		p = serve()
		for _, a := range accounts {
			old, new := a.works(t, p.url, a.password), a.asked != "" && a.works(t, p.url, a.asked)
			if old == new {
				t.Fatalf("round %d, %s: the acknowledged password works: %v, the one under way: %v", round, a.login, old, new)
			}
			if new {
				a.password = a.asked
			}
		}
	}
	t.Logf("%d changes acknowledged, %d kills", acknowledged.Load(), rounds)
}

// change asks for the new password, and says whether that was acknowledged.
func (a *account) change(url string) bool {
	r, err := http.NewRequest(http.MethodPut, url+"/node/api/users/"+a.id+"/password",
		strings.NewReader(`{"currentPassword":"`+a.password+`","newPassword":"`+a.asked+`"}`))
	if err != nil {
		return false
	}
	r.Header.Set("Content-Type", "application/json")
	r.SetBasicAuth(a.login, a.password)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

func (a *account) works(t *testing.T, url, password string) bool {
	t.Helper()
	switch got := send(t, "GET", url+"/node/api/users/current", "", basic(a.login, password)); got.status {
	case http.StatusOK:
		return true
	case http.StatusUnauthorized:
		return false
	default:
		t.Fatalf("%s: %s", a.login, got)
		return false
	}
}

// intact has SQLite look for damage.
func intact(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var said string
	if err := db.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&said); err != nil || said != "ok" {
		t.Fatalf("integrity check: %s, %v", said, err)
	}
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM pragma_foreign_key_check").Scan(&said); err != nil || said != "0" {
		t.Fatalf("foreign key check: %s, %v", said, err)
	}
}
