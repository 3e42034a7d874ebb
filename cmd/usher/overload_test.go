package main

import (
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/handlers/edge"
	"usher/storage/password"
)

const (
	crowd = 500 // connections
	cores = 2
)

// mostMemory is how much a server may ever hold, in MiB, that computes hashes on
// so many cores for a crowd of connections.
//
// A hash takes its memory only while it is computed, one a core; whoever waits is a
// connection, with its buffers and stacks. What is in use may double before Go's
// collector has cleared away what is not any more (GOGC=100). The rest is there
// before anybody comes: the program itself, its contracts, SQLite's caches.
func mostMemory(hash password.Params) float64 {
	const (
		itself        = 96.0
		perConnection = 32.0 / 1024
	)
	return itself + 2*(cores*float64(hash.Memory)/1024+crowd*perConnection)
}

// generous is how long a cheap request may take where other tests run on the
// same cores.
const generous = 5 * time.Second

// patience is how long a member of the crowd asks for one thing at most.
const patience = 5 * time.Minute

// burden is what a server has had to carry.
type burden struct {
	changed, refused, late int             // password changes
	took                   time.Duration   // for them
	cheap                  []time.Duration // how long requests took that need no hash, the shortest first
	connections            float64         // the most at once
	peak                   float64         // of memory, in MiB
}

// within is how long percent of the cheap requests took at most.
func (b burden) within(percent int) time.Duration { return b.cheap[(len(b.cheap)-1)*percent/100] }

// member is a user of the crowd, whose password one connection keeps changing.
type member struct {
	who
	api      *dialect
	password string
	changes  int // acknowledged
}

// overloaded has a crowd of connections change passwords as fast as they are let
// to, for a while and until each has once, and holds what a server promises
// against what it does:
//   - a change is done, or refused in the API's own words, with a time to come
//     back, and who comes back is served in the end, and before patience is out;
//   - who needs no hash is answered all the while;
//   - memory stays below mostMemory;
//   - what was acknowledged holds, then and after the server was killed.
func overloaded(tb testing.TB, program string, lasting time.Duration, hash password.Params) (b burden) {
	tb.Helper()
	dir := tb.TempDir()
	members := populate(tb, dir, hash)
	serve := func() *process {
		return startOf(tb, program, dir, []string{cheapHashes + "=1", "GOMAXPROCS=" + strconv.Itoa(cores)},
			append(slices.Clone(unbounded), "--hash-memory", fmt.Sprint(hash.Memory), "--hash-time", fmt.Sprint(hash.Time))...)
	}
	p := serve()
	by := administrators(tb, p.url, dialects...)
	all := func(f func(*member)) {
		var working sync.WaitGroup
		for _, m := range members {
			working.Go(func() { f(m) })
		}
		working.Wait()
	}
	// insist asks until it is neither refused nor late, but not for ever.
	var mu sync.Mutex
	insist := func(d *dialect, a ask) (answer, verdict) {
		for begun := time.Now(); ; {
			asked := time.Now()
			got, said := d.put(p.url, a, by[d])
			if said != refused && (said != late || time.Since(asked) < edge.DefaultTimeout) || time.Since(begun) > patience {
				return got, said
			}
			mu.Lock()
			if said == late {
				b.late++
			} else {
				b.refused++
			}
			mu.Unlock()
			time.Sleep(time.Second) // as it says
		}
	}

	stop := b.watch(tb, &mu, p.url, by)
	begun := time.Now()
	all(func(m *member) {
		for m.changes == 0 || time.Since(begun) < lasting {
			asked := nextSecret()
			if got, said := insist(m.api, m.api.change(m.who, m.password, asked)); said != yes {
				tb.Errorf("%s, %s: %s", m.api.name, m.name, got)
				return
			}
			m.password = asked
			m.changes++
		}
	})
	b.took = time.Since(begun)
	stop()
	b.peak = memory(tb, p.Cmd, "VmHWM")
	refusals, delays := b.refused, b.late
	for _, when := range []string{"at once", "after it was killed"} {
		all(func(m *member) {
			if got, said := insist(m.api, m.api.login(m.who, m.password)); said != yes {
				tb.Errorf("%s, %s, %s: an acknowledged password is lost: %s", when, m.api.name, m.name, got)
			}
		})
		p.kill()
		p = serve()
	}
	p.kill()

	b.refused, b.late = refusals, delays
	for _, m := range members {
		b.changed += m.changes
	}
	if most := mostMemory(hash); b.peak > most && !raced() {
		tb.Errorf("%.0f MiB of memory, the bound is %.0f", b.peak, most)
	}
	if slow := b.within(99); slow > generous {
		tb.Errorf("one cheap request in a hundred took longer than %v", slow)
	}
	if b.connections < crowd || b.refused == 0 {
		tb.Errorf("no overload: %.0f connections, %d changes refused", b.connections, b.refused)
	}
	return b
}

// raced says whether the race detector looks on, which takes many times the memory
// of the program.
func raced() bool {
	info, _ := debug.ReadBuildInfo()
	return slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// populate makes a store with a crowd of users, of all APIs in turn. They have one
// hash in common: to make so many would take long.
func populate(tb testing.TB, dir string, hash password.Params) []*member {
	tb.Helper()
	first := nextSecret()
	encoded, err := password.Hash(password.Plain(first), hash)
	if err != nil {
		tb.Fatal(err)
	}
	p := startUnbounded(tb, dir)
	by := administrators(tb, p.url, dialects...)
	members := make([]*member, crowd)
	for i := range members {
		m := &member{who: who{name: fmt.Sprintf("member%d", i)}, api: dialects[i%len(dialects)], password: first}
		got, said := m.api.put(p.url, m.api.create(m.name, first), by[m.api])
		if said != yes {
			tb.Fatalf("%s: %s", m.api.name, got)
		}
		m.id = m.api.id(m.name, got)
		members[i] = m
	}
	p.kill()
	db, err := sql.Open("sqlite", filepath.Join(dir, "usher.db"))
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(tb.Context(), `UPDATE "user" SET password_hash = $1 WHERE name LIKE 'member%'`, encoded); err != nil {
		tb.Fatal(err)
	}
	return members
}

// watch keeps asking, until stop is called, for what needs no hash: who asks has
// proven the password before, or needs none.
func (b *burden) watch(tb testing.TB, mu *sync.Mutex, url string, by map[*dialect]administrator) (stop func()) {
	tb.Helper()
	var watching sync.WaitGroup
	done := make(chan struct{})
	for i, a := range []ask{
		{"GET", "/api/session?_cookie=false", "", by[dialects[0]]},
		{"GET", "/v1/users?limit=1", "", by[dialects[1]]},
		{"GET", "/node/api/users/current", "", by[dialects[2]]},
		{"POST", "/v2/vectordb/users/describe", `{"userName":"root"}`, by[dialects[3]]},
		{"GET", "/_usher/healthz", "", nobody},
		{"GET", "/_usher/metrics", "", nobody},
	} {
		request := func() answer {
			got, _ := dialects[i%len(dialects)].put(url, a, nil)
			return got
		}
		request() // a password is proven once
		watching.Go(func() {
			for {
				select {
				case <-done:
					return
				case <-time.After(10 * time.Millisecond):
				}
				begun := time.Now()
				got := request()
				took := time.Since(begun)
				if got.status != http.StatusOK {
					tb.Errorf("%s: %s", a.path, got)
				}
				_, rest, _ := strings.Cut(got.body, "\nusher_connections ")
				open, _ := strconv.ParseFloat(strings.SplitN(rest, "\n", 2)[0], 64)
				mu.Lock()
				b.cheap, b.connections = append(b.cheap, took), max(b.connections, open)
				mu.Unlock()
			}
		})
	}
	return func() {
		close(done)
		watching.Wait()
		slices.Sort(b.cheap)
	}
}

// A server that has more to do than it can stays what it is.
func TestOverload(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	lasting, hash := *overload, password.DefaultParams
	if lasting == 0 {
		lasting, hash.Memory, hash.Time = time.Second, 2<<10, 1
		if raced() {
			hash.Memory /= 8 // it takes as long
		}
	}
	b := overloaded(t, program, lasting, hash)
	t.Logf("%.0f connections; in %v %d changes, %d refused, %d late; %d cheap requests, half of them within %v, 99 of 100 within %v; %.0f MiB of %.0f",
		b.connections, b.took, b.changed, b.refused, b.late, len(b.cheap), b.within(50), b.within(99), b.peak, mostMemory(hash))
}

// BenchmarkOverload is that with hashes of the usual cost: how many are changed,
// how long who needs no hash has to wait, and the most memory that was held.
func BenchmarkOverload(b *testing.B) {
	program := filepath.Join(b.TempDir(), "usher")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	got := overloaded(b, program, 5*time.Second, password.DefaultParams)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(got.within(50).Microseconds())/1000, "ms-p50-cheap")
	b.ReportMetric(float64(got.within(99).Microseconds())/1000, "ms-p99-cheap")
	b.ReportMetric(float64(got.changed)/got.took.Seconds(), "changes/s")
	b.ReportMetric(float64(got.refused)/got.took.Seconds(), "refused/s")
	b.ReportMetric(got.peak, "MiB-peak")
	b.ReportMetric(mostMemory(password.DefaultParams), "MiB-bound")
}
