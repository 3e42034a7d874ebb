package handlers_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"usher/handlers"
	"usher/handlers/conform"
	"usher/handlers/milvus"
	"usher/storage"
	"usher/storage/password"
)

// update has the scripts of handlers/<api>/testdata, and the documents that tests
// make, written anew. What a script may say is told in package conform.
var update = flag.Bool("update", false, "rewrite the answers in the scripts")

const (
	adminPassword = "Adm1n-Password"
	// cheap is what hashes cost in tests: the least there is.
	cheapMemory = 8
)

// world is one script's server.
type world struct {
	api     string
	dir     string // where the store's file is
	url     string
	store   *storage.Store
	client  *http.Client
	log     *syncBuffer
	metrics *prometheus.Registry
	clock   *clock

	watch  *watch
	defers []func()
}

type clock struct {
	mu      sync.Mutex
	shift   time.Duration
	stopped time.Time // at; zero: it is going
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stopped.IsZero() {
		return c.stopped.Add(c.shift)
	}
	return time.Now().Add(c.shift)
}

// stop has the clock stand still but for what advance moves it.
func (c *clock) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = time.Now()
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shift += d
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// newWorld starts a server as a script needs it, with its files in dir:
//
//	admin      an administrator, $ADMIN with $ADMIN_PASSWORD
//	fresh      a first administrator who has no password yet (Fusion)
//	clock      a clock that the script may advance
//	open       authentication switched off (Milvus)
//	server     the server's rules for names and passwords (Milvus)
//	full       a directory that holds no more users than it has (Milvus)
//	limited    no more than three requests an hour (Applivery)
//	screened   common passwords are refused, and those that hold the user's name
//	keeping    sessions and tokens outlive a change of the password
//	pristine   a server that nobody else uses: as all are that are made here
//	settings   a setting that is for everybody may be another for a moment
//	roomy      no limit that a test could meet: of requests (Applivery), of users
//	           and roles (Milvus)
//
// and with faults put in below the API, which no vendor's server grants:
//
//	late       a deadline that passes before anything is done
//	broken     a store that fails once the script says "fault broken"
//	busy       a hashing pool that is full once the script says "fault busy"
//	throttled  three attempts at an account may fail, and another is granted after
//	           30 s by a clock that stands still; once the script says "fault
//	           throttled" those at the administrator's have
//
// change, if there is one, has the last word on the store's options.
func newWorld(dir, api string, needs []string, change ...func(*storage.Options)) (*world, error) {
	for _, need := range needs {
		if !slices.Contains([]string{"admin", "fresh", "clock", "open", "server", "full", "limited", "screened", "keeping", "pristine", "settings", "roomy", "late", "broken", "busy", "throttled"}, need) {
			return nil, fmt.Errorf("no server grants %q", need)
		}
	}
	has := func(need string) bool { return slices.Contains(needs, need) }
	w := &world{api: api, dir: dir, log: new(syncBuffer), metrics: prometheus.NewRegistry(), clock: new(clock)}
	options := storage.Options{
		Path: filepath.Join(dir, "usher.db"),
		Hash: password.Params{Memory: cheapMemory, Time: 1, Threads: 1},
		Now:  w.clock.now,
	}
	if has("busy") {
		// One hasher, and nobody may wait for it.
		options.Hashers, options.Waiting = 1, -1
	}
	if has("throttled") {
		options.Account = storage.Rate{Burst: 3, Every: 30 * time.Second}
		w.clock.stop()
	}
	if has("screened") {
		options.Screen = password.NewScreen()
	}
	options.KeepTokens = has("keeping")
	for _, f := range change {
		f(&options)
	}
	var err error
	if w.store, err = storage.Open(context.Background(), options); err != nil {
		return nil, err
	}
	w.defers = append(w.defers, func() { _ = w.store.Close() })
	first := handlers.World{Passwords: map[string]password.Plain{}}
	for _, name := range handlers.Names() {
		if !has("fresh") || name != api {
			first.Passwords[name] = adminPassword
		}
	}
	if err := handlers.Seed(context.Background(), w.store, first); err != nil {
		return nil, err
	}
	o := handlers.Options{
		Logger: slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Metrics: w.metrics,
		Milvus: milvus.Options{AuthenticationOff: has("open"), Rules: milvus.Documented},
	}
	if has("server") {
		o.Milvus.Rules = milvus.Server
	}
	if has("full") {
		o.Milvus.MaxUsers = 1
	}
	if has("limited") {
		o.Applivery.RateLimit = 3
	}
	if has("roomy") {
		o.Applivery.RateLimit = -1
		o.Milvus.MaxUsers, o.Milvus.MaxRoles = 1_000_000, 1_000_000
	}
	if has("late") {
		o.Timeout = time.Nanosecond
	}
	handler, err := handlers.New(w.store, o)
	if err != nil {
		return nil, err
	}
	server := httptest.NewServer(handler)
	w.defers = append(w.defers, server.Close)
	w.url = server.URL
	w.watch = &watch{api: api, next: http.DefaultTransport}
	w.client = &http.Client{Timeout: 30 * time.Second, Transport: w.watch}
	return w, nil
}

// close ends the server and gives back what its watch found wrong.
func (w *world) close() []string {
	problems := slices.Concat(w.watch.problems, w.leaks())
	for _, f := range slices.Backward(w.defers) {
		f()
	}
	return problems
}

// fault puts in a fault that can only begin once the script is under way.
func (w *world) fault(kind string) error {
	switch kind {
	case "broken":
		return w.store.Close()
	case "busy":
		return w.hog()
	case "throttled":
		return w.guess()
	}
	return fmt.Errorf("no fault %q", kind)
}

// hog keeps the one hasher for good, by checking a password whose hash takes a
// second and more: nothing else comes in between, but once in that time.
func (w *world) hog() error {
	hog := w.store.Directory("hog")
	_, err := hog.CreateUser(context.Background(), storage.Actor{}, storage.NewUser{
		ID: "hog", Name: "hog", Hash: password.Dummy(password.Params{Memory: 128 << 10, Time: 16, Threads: 1}),
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var hogging sync.WaitGroup
	w.defers = append(w.defers, func() { cancel(); hogging.Wait() })
	hogging.Go(func() {
		for ctx.Err() == nil {
			_, _ = hog.Authenticate(ctx, storage.Actor{}, storage.Credentials{Name: "hog", Password: "x"})
		}
	})
	for storage.KindOf(err) != storage.Busy {
		_, err = hog.Authenticate(ctx, storage.Actor{}, storage.Credentials{Name: "nobody", Password: "x"})
	}
	return nil
}

// guess has somebody elsewhere guess at the administrator's password until he is
// refused.
func (w *world) guess() error {
	c := storage.Credentials{Name: handlers.FirstAdministrator(w.api), Password: "guessed"}
	if w.api == "fusion" {
		c.Realm = "native"
	}
	for {
		_, err := w.store.Directory(w.api).Authenticate(context.Background(), storage.Actor{Source: "192.0.2.1"}, c)
		switch storage.KindOf(err) {
		case storage.WrongPassword:
		case storage.Throttled:
			return nil
		default:
			return err
		}
	}
}

// TestScripts runs every script of every API, and then holds what was seen
// against the contracts.
func TestScripts(t *testing.T) {
	t.Run("run", func(t *testing.T) {
		for _, api := range handlers.Names() {
			t.Run(api, func(t *testing.T) {
				t.Parallel()
				suite, err := handlers.Suite(api)
				if err != nil {
					t.Fatal(err)
				}
				for _, script := range suite.Scripts {
					t.Run(script.Name, func(t *testing.T) {
						t.Parallel()
						runScript(t, api, script)
					})
				}
			})
		}
	})
	t.Run("coverage", func(t *testing.T) {
		for _, missing := range unseen(t) {
			t.Error("never answered: " + missing)
		}
	})
	t.Run("behaviour", checkBehaviour)
}

// runScript runs a script against a server that grants all it needs.
func runScript(t *testing.T, api string, script *conform.Script) {
	t.Helper()
	w, err := newWorld(t.TempDir(), api, script.Needs)
	if err != nil {
		t.Fatal(err)
	}
	run := conform.Runner{Contract: contracts()[api].Contract, Update: *update}
	c := run.Run(t.Context(), script, nil, w.server())
	if !slices.Contains(script.Needs, "broken") {
		exportsAgain(t, w.store)
	}
	for _, problem := range w.close() {
		t.Error(problem)
	}
	for _, f := range c.Failures {
		t.Error(f.Text(script.Name))
	}
	for _, s := range c.Shown {
		show(t, api, script.Name, s)
	}
	if c.Updated && !t.Failed() {
		if err := os.WriteFile(filepath.Join(api, "testdata", script.Name+".txtar"), script.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// server is the world as scripts are told of it.
func (w *world) server() conform.Server {
	return conform.Server{
		URL: w.url, Transport: w.watch, Admin: handlers.FirstAdministrator(w.api), Password: adminPassword,
		Advance: func(_ context.Context, d time.Duration) error {
			w.clock.advance(d)
			return nil
		},
		Fault: w.fault,
	}
}
