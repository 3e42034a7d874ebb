package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"usher/storage"
)

// account is a user, and what the client whose it is knows of the password.
type account struct {
	who
	made     bool   // the creation was acknowledged, or found to have happened
	password string // the last one acknowledged
	asked    string // one that was asked for and not acknowledged; empty: none

	// Of who holds sessions: the one that was opened with password, and the last of
	// those that a change has ended. nil: none.
	open, ended func(*http.Request)
}

// client makes users and changes their passwords, one after the other.
type client struct {
	api      *dialect
	by       administrator
	name     string
	chance   *rand.Rand
	accounts []*account // the last one is in use
	mayFail  bool       // an answer of 5xx is one
	holds    bool       // has a session open whenever a password is changed
	held     int        // sessions that were looked for after a kill

	acknowledged, found tally
}

// tally is what has happened: what was acknowledged, or what was found to have
// happened although it was not.
type tally struct{ created, changed int }

func (t tally) plus(u tally) tally { return tally{t.created + u.created, t.changed + u.changed} }

// secrets counts the passwords that were made up: no two are the same.
var secrets atomic.Int64

func nextSecret() string { return secret(secrets.Add(1)) }

// newClients are clients of all APIs in turn, and none has asked for anything yet.
func newClients(t *testing.T, random *rand.Rand, url string, n int) []*client {
	t.Helper()
	by := administrators(t, url, dialects...)
	clients := make([]*client, n)
	for i := range clients {
		api := dialects[i%len(dialects)]
		clients[i] = &client{api: api, by: by[api], name: fmt.Sprintf("client%d", i), chance: rand.New(rand.NewPCG(random.Uint64(), 0))}
		clients[i].holds = i/len(dialects)%4 == 1 && api.session != nil
		clients[i].turn()
	}
	return clients
}

// turn turns to an account that there is not yet.
func (c *client) turn() {
	c.accounts = append(c.accounts, &account{who: who{name: fmt.Sprintf("%sn%d", c.name, len(c.accounts))}})
}

func (c *client) current() *account { return c.accounts[len(c.accounts)-1] }

// hold opens a session for the account in use, and says whether there is one.
func (c *client) hold(t *testing.T, url string) bool {
	t.Helper()
	a := c.current()
	got, said := c.api.put(url, c.api.session(a.who, a.password), c.by)
	switch {
	case said == failed && (got.status == 0 || c.mayFail), said == unasked:
	case said == yes && holderOf(got) != nil:
		a.open = holderOf(got)
		return true
	default:
		t.Errorf("%s, %s: no session: %s", c.api.name, a.name, got)
	}
	return false
}

// opens says whether a session is one.
func (c *client) opens(t *testing.T, url string, session func(*http.Request)) bool {
	t.Helper()
	c.held++
	got, _ := c.api.put(url, ask{http.MethodGet, c.api.own, "", session}, nil)
	if got.status != http.StatusOK && got.status != http.StatusUnauthorized {
		t.Errorf("%s: %s", c.api.name, got)
	}
	return got.status == http.StatusOK
}

// work asks for the next thing, that the account be made or have another
// password, and says whether that was acknowledged.
func (c *client) work(t *testing.T, url string) bool {
	t.Helper()
	a := c.current()
	if c.holds && a.made && a.open == nil && !c.hold(t, url) {
		return false
	}
	a.asked = nextSecret()
	request := c.api.change(a.who, a.password, a.asked)
	if !a.made {
		request = c.api.create(a.name, a.asked)
	}
	got, said := c.api.put(url, request, c.by)
	switch {
	case said == failed && (got.status == 0 || c.mayFail), said == unasked:
		return false
	case said != yes:
		t.Errorf("%s, %s: %s", c.api.name, a.name, got)
		return false
	case a.made:
		c.acknowledged.changed++
		a.open, a.ended = nil, a.open
	default:
		a.made, a.id = true, c.api.id(a.name, got)
		c.acknowledged.created++
	}
	a.password, a.asked = a.asked, ""
	return true
}

// workUntilKilled does so until nobody answers any more, on a new account one
// time in four.
func (c *client) workUntilKilled(t *testing.T, url string, acknowledged *progress) {
	t.Helper()
	for c.work(t, url) {
		acknowledged.Add(1)
		if c.chance.IntN(4) == 0 {
			c.turn()
		}
	}
}

// works says whether a password is a user's, who is whole if it is.
func (c *client) works(t *testing.T, url string, a *account, password string) bool {
	t.Helper()
	got, said := c.api.put(url, c.api.login(a.who, password), c.by)
	if said != no && (said != yes || !strings.Contains(got.body, c.api.whole)) {
		t.Errorf("%s, %s: %s", c.api.name, a.name, got)
	}
	return said == yes
}

// settle holds what the server knows of the account in use against what the
// client was told: what was acknowledged has happened, and what was not either
// has or has not. A session has ended if the password was replaced, and only then.
func (c *client) settle(t *testing.T, url string) {
	t.Helper()
	a := c.current()
	asked := a.asked
	old, new := a.made && c.works(t, url, a, a.password), asked != "" && c.works(t, url, a, asked)
	switch {
	case a.made && old == new:
		t.Errorf("%s, %s: the password that was acknowledged works: %v; the one that was asked for: %v", c.api.name, a.name, old, new)
	case new:
		a.password = asked
	}
	a.asked = ""
	if a.ended != nil && c.opens(t, url, a.ended) {
		t.Errorf("%s, %s: a session is open after the password was replaced, as was acknowledged", c.api.name, a.name)
	}
	if a.open != nil && c.opens(t, url, a.open) == new {
		t.Errorf("%s, %s: the password was replaced: %v; the session is open: %v", c.api.name, a.name, new, new)
	}
	if a.ended = nil; new {
		a.open = nil
	}
	switch {
	case a.made && new:
		c.found.changed++
	case a.made:
	case new: // nobody was told the id
		a.made = true
		c.found.created++
		c.turn()
	case asked != "" && !c.work(t, url): // nothing must be in the way of making it again
		t.Errorf("%s, %s: half made", c.api.name, a.name)
	}
}

// check holds the last passwords of accounts against what the server knows.
func (c *client) check(t *testing.T, url string, accounts ...*account) {
	t.Helper()
	for _, a := range accounts {
		if a.made && !c.works(t, url, a, a.password) {
			t.Errorf("%s, %s: an acknowledged password is lost", c.api.name, a.name)
		}
	}
}

// The server is killed while passwords are changed and users made through all
// four APIs, again and again, at moments that chance picks; starts and first starts
// are killed besides. All that was acknowledged is there after the restart; what was
// not has happened whole, its event and the end of sessions included, or not at all;
// the store is sound.
//
// A killed process leaves behind all that it has written, to the disk or not: that
// an acknowledged change would survive a power cut, too, is for SQLite's
// synchronous=FULL to see to.
func TestKilledInTheMiddleOfChanges(t *testing.T) {
	random := chance(t)
	moment := func(most time.Duration) { time.Sleep(time.Duration(random.Int64N(int64(most)))) }
	dir := t.TempDir()
	path := filepath.Join(dir, "usher.db")
	begun := time.Now()
	p := startUnbounded(t, dir)
	took := time.Since(begun)
	for n := range (*kills + 3) / 4 { // of a store that there is not yet, too
		firstStart(t, n%2 == 0, func() { moment(took) })
	}
	killed, restarts := 0, 0
	clients := newClients(t, random, p.url, 16)
	var acknowledged progress
	for ; killed < *kills && !t.Failed(); killed++ {
		var working sync.WaitGroup
		for _, c := range clients {
			working.Go(func() { c.workUntilKilled(t, p.url, &acknowledged) })
		}
		acknowledged.more(10+random.IntN(50), nil)
		moment(10 * time.Millisecond)
		p.kill()
		working.Wait()
		intact(t, path)
		for ; random.IntN(4) == 0; restarts++ {
			killedAtStart(t, dir, unbounded, func() { moment(took) })
			intact(t, path)
		}
		p = startUnbounded(t, dir)
		for _, c := range clients {
			working.Go(func() {
				c.settle(t, p.url)
				c.check(t, p.url, c.accounts[c.chance.IntN(len(c.accounts))])
			})
		}
		working.Wait()
	}
	for _, c := range clients {
		c.check(t, p.url, c.accounts...)
	}
	p.kill()
	held := 0
	for _, c := range clients {
		held += c.held
	}
	t.Logf("%d kills under work, %d of restarts, %d of first starts; %d sessions looked for", killed, restarts, (*kills+3)/4, held)
	if held < *kills {
		t.Error("too few sessions")
	}
	if all := sumUp(t, path, clients); all.created < *kills || all.changed < *kills {
		t.Error("too few to tell")
	}
}

// killedAtStart kills a starting server after a while, and returns what it said.
func killedAtStart(t *testing.T, dir string, args []string, wait func()) string {
	t.Helper()
	starting := command(t, dir, []string{cheapHashes + "=1"}, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	var said lockedBuffer
	starting.Stderr = &said
	if err := starting.Start(); err != nil {
		t.Fatal(err)
	}
	wait()
	_ = starting.Process.Kill()
	_ = starting.Wait()
	return said.String()
}

// firstStart kills the first start of a server after a while, that of the demo world
// or one with administrators of its own. What it leaves is sound, and the next start
// brings it to its end: whoever is administrator has a password that is known.
func firstStart(t *testing.T, demo bool, wait func()) {
	t.Helper()
	dir, err := os.MkdirTemp("", "usher-first-")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // there will be many
	args := slices.Clone(unbounded)
	if !demo {
		args = slices.DeleteFunc(args, func(arg string) bool { return arg == "--demo" })
	}
	said := killedAtStart(t, dir, args, wait)
	inCopy(t, filepath.Join(dir, "usher.db"), func(path string) {
		r, err := storage.Check(t.Context(), path)
		none := errors.Is(err, fs.ErrNotExist) || err != nil && strings.HasSuffix(err.Error(), "there is nothing in the file")
		if !none && err != nil || len(r.Problems) > 0 {
			t.Errorf("a first start that was killed has left damage: %v, %v", r.Problems, err)
		}
	})
	p := start(t, dir, []string{cheapHashes + "=1"}, args...)
	defer p.kill()
	passwords := map[string]string{}
	if demo {
		for _, d := range dialects {
			passwords[d.name] = d.demoPassword
		}
	} else {
		send(t, "POST", p.url+"/api", `{"password":"password123"}`).expect(t, http.StatusCreated, "")
		passwords["fusion"] = "password123"
		for _, line := range strings.Split(said+p.stderr.String(), "\n") { // what was said last counts
			if fields := strings.Fields(line); len(fields) == 3 && strings.HasPrefix(line, "  ") {
				passwords[fields[0]] = fields[2]
			}
		}
	}
	for _, d := range dialects {
		if got, verdict := d.put(p.url, d.create("somebody", nextSecret()), d.first(t, p.url, passwords[d.name])); verdict != yes {
			t.Errorf("%s: a first start that was killed has left no administrator: %s; it said: %s\nthe next one: %s", d.name, got, said, p.stderr)
		}
	}
}

// inCopy calls f with a copy of a store: to open the file itself would be to do
// the server's recovery for it.
func inCopy(t *testing.T, path string, f func(path string)) {
	t.Helper()
	dir, err := os.MkdirTemp("", "usher-copy-")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // there will be hundreds
	to := filepath.Join(dir, "copy.db")
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(path + suffix)
		if err == nil {
			err = os.WriteFile(to+suffix, content, 0o600)
		}
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	f(to)
}

// intact looks for damage in a store as it was left.
func intact(t *testing.T, path string) {
	t.Helper()
	inCopy(t, path, func(path string) {
		if r, err := storage.Check(t.Context(), path); err != nil || len(r.Problems) > 0 {
			t.Fatalf("the store is damaged: %v, %v", r.Problems, err)
		}
	})
}

// trail is how many users the events of a store say were created, and how many
// passwords changed.
func trail(t *testing.T, path string) (total tally) {
	t.Helper()
	inCopy(t, path, func(path string) {
		s, err := storage.Open(t.Context(), storage.Options{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		for _, d := range dialects {
			for kind, n := range map[storage.EventKind]*int{storage.UserCreated: &total.created, storage.PasswordChanged: &total.changed} {
				es, err := s.Directory(d.name).Events(t.Context(), storage.EventQuery{Kind: kind})
				if err != nil {
					t.Fatal(err)
				}
				*n += len(es)
			}
		}
	})
	return total
}

// sumUp is what clients know to have happened, of which the trail of events has
// to tell as well.
func sumUp(t *testing.T, path string, clients []*client) (acknowledged tally) {
	t.Helper()
	var found tally
	for _, c := range clients {
		acknowledged, found = acknowledged.plus(c.acknowledged), found.plus(c.found)
	}
	t.Logf("acknowledged: %d users made, %d passwords changed; not acknowledged, and yet: %d, %d",
		acknowledged.created, acknowledged.changed, found.created, found.changed)
	if got, want := trail(t, path), acknowledged.plus(found); got != want {
		t.Errorf("the trail of events has %+v, the clients know of %+v", got, want)
	}
	return acknowledged
}
