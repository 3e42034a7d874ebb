package handlers_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rogpeppe/go-internal/testscript"

	"usher/handlers"
	"usher/handlers/milvus"
	"usher/storage"
	"usher/storage/password"
)

// The scripts of handlers/<api>/testdata say what an API does, one behaviour a
// file: prose, requests, whole answers. They speak HTTP alone and lean on no
// account that they did not make themselves, but for an administrator's.
//
//	needs WORD…          what the script asks of its server, in its first line; see newWorld
//	unique NAME PREFIX   sets $NAME to PREFIX and some letters that no other run has
//	send METHOD PATH     sends a request and prints status, Content-Type and body
//	     [-basic USER:PASSWORD] [-bearer TOKEN] [-header 'NAME: VALUE'] [-type MEDIA]
//	     [-show HEADER]  prints this header of the answer too
//	     [-pad BYTES]  the body, followed by spaces up to that length
//	     [FILE]          the body, $NAME and ${NAME} in it replaced where NAME is set by the script
//	capture NAME PATH    sets $NAME to a member of the last answer: data.id, [0].id;
//	                     a dot alone is the whole of an answer that is a string
//	capture NAME -header HEADER PATTERN
//	                     sets $NAME to what a regular expression finds in a header
//	                     of the last answer, or to its first group
//	shows OPERATION ASPECT[,ASPECT…] TEXT
//	                     says what the answers so far have shown of an operation; it
//	                     becomes a cell of docs/behaviour.md, see behaviour_test.go
//	cmp stdout FILE      the answer is this; go test -update writes FILE
//	advance DURATION     moves the server's clock (needs clock)
//
// In what send prints, each value that unique or capture has set stands as
// $NAME, and other ids, times and tokens as <id>, <time> and <token>.
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

	names      []string    // set by the script, in order
	last       []byte      // the last answer's body
	lastHeader http.Header // and its headers
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
		if !slices.Contains([]string{"admin", "fresh", "clock", "open", "server", "full", "limited", "screened", "keeping", "roomy", "late", "broken", "busy", "throttled"}, need) {
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
				testscript.Run(t, testscript.Params{
					Dir:                 filepath.Join(api, "testdata"),
					UpdateScripts:       *update,
					RequireExplicitExec: true,
					RequireUniqueNames:  true,
					Setup: func(env *testscript.Env) error {
						w := new(world)
						env.Values["api"], env.Values["world"] = api, w
						env.Defer(func() {
							if w.store == nil {
								return
							}
							for _, problem := range w.close() {
								t.Error(problem)
							}
						})
						return nil
					},
					Cmds: map[string]func(*testscript.TestScript, bool, []string){
						"needs": cmdNeeds, "unique": cmdUnique, "send": cmdSend,
						"capture": cmdCapture, "advance": cmdAdvance, "fault": cmdFault, "shows": cmdShows,
					},
				})
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

func worldOf(ts *testscript.TestScript) *world {
	w := ts.Value("world").(*world)
	if w.store == nil {
		ts.Fatalf("the script does not begin with what it needs")
	}
	return w
}

func cmdNeeds(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("unsupported: ! needs")
	}
	made, err := newWorld(ts.MkAbs("."), ts.Value("api").(string), args)
	ts.Check(err)
	*ts.Value("world").(*world) = *made
	ts.Setenv("ADMIN", handlers.FirstAdministrator(made.api))
	ts.Setenv("ADMIN_PASSWORD", adminPassword)
}

func cmdUnique(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: unique NAME PREFIX")
	}
	w := worldOf(ts)
	w.names = append(w.names, args[0])
	ts.Setenv(args[0], args[1]+strings.ToLower(rand.Text()[:8]))
}

func cmdCapture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 && (len(args) != 4 || args[1] != "-header") {
		ts.Fatalf("usage: capture NAME PATH, or capture NAME -header HEADER PATTERN")
	}
	w := worldOf(ts)
	var found string
	if len(args) == 4 {
		match := regexp.MustCompile(args[3]).FindStringSubmatch(strings.Join(w.lastHeader.Values(args[2]), "\n"))
		if match == nil {
			ts.Fatalf("no %s in header %s of the last answer", args[3], args[2])
		}
		found = match[len(match)-1]
	} else {
		var value any
		ts.Check(json.Unmarshal(w.last, &value))
		var err error
		found, err = member(value, args[1])
		ts.Check(err)
	}
	w.names = append(w.names, args[0])
	ts.Setenv(args[0], found)
}

func cmdAdvance(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: advance DURATION")
	}
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	worldOf(ts).clock.advance(d)
}

func cmdFault(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: fault KIND")
	}
	ts.Check(worldOf(ts).fault(args[0]))
}

func cmdSend(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: send METHOD PATH [flags] [FILE]")
	}
	w := worldOf(ts)
	method, path := args[0], args[1]
	var media, file string
	var headers, shown []string
	var pad int
	for args = args[2:]; len(args) > 0; args = args[1:] {
		value := func() string {
			if len(args) < 2 {
				ts.Fatalf("%s wants a value", args[0])
			}
			args = args[1:]
			return args[0]
		}
		switch args[0] {
		case "-basic":
			headers = append(headers, "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte(value())))
		case "-bearer":
			headers = append(headers, "Authorization: Bearer "+value())
		case "-header":
			headers = append(headers, value())
		case "-type":
			media = value()
		case "-show":
			shown = append(shown, value())
		case "-pad":
			var err error
			pad, err = strconv.Atoi(value())
			ts.Check(err)
		default:
			file = args[0]
		}
	}
	var body io.Reader
	if file != "" {
		text := strings.TrimSuffix(ts.ReadFile(file), "\n")
		text = w.expand(ts, text)
		body = strings.NewReader(text + strings.Repeat(" ", max(0, pad-len(text))))
		if media == "" {
			media = "application/json"
		}
	}
	r, err := http.NewRequest(method, w.url+path, body)
	ts.Check(err)
	if media != "" && media != "none" {
		r.Header.Set("Content-Type", media)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ":")
		r.Header.Add(name, strings.TrimSpace(value))
	}
	response, err := w.client.Do(r)
	ts.Check(err)
	defer func() { _ = response.Body.Close() }()
	w.last, err = io.ReadAll(response.Body)
	ts.Check(err)
	w.lastHeader = response.Header

	var out strings.Builder
	fmt.Fprintln(&out, response.StatusCode)
	for _, name := range append([]string{"Content-Type"}, shown...) {
		for _, value := range response.Header.Values(name) {
			fmt.Fprintf(&out, "%s: %s\n", name, value)
		}
	}
	if len(w.last) > 0 {
		fmt.Fprintf(&out, "\n%s\n", w.last)
	}
	_, err = io.WriteString(ts.Stdout(), w.mask(ts, out.String()))
	ts.Check(err)
}

var variable = regexp.MustCompile(`\$(\{\w+\}|\w+)`)

// expand replaces what the script has set, and leaves every other dollar alone.
func (w *world) expand(ts *testscript.TestScript, text string) string {
	return variable.ReplaceAllStringFunc(text, func(v string) string {
		name := strings.Trim(v, "${}")
		if slices.Contains(w.names, name) || name == "ADMIN" || name == "ADMIN_PASSWORD" {
			return ts.Getenv(name)
		}
		return v
	})
}

var masks = []struct {
	of *regexp.Regexp
	by string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`), "<time>"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`), "<time.000>"},
	{regexp.MustCompile(`"token":"[^"]+"`), `"token":"<token>"`},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "<id>"},
	{regexp.MustCompile(`\b[0-9a-f]{24}\b`), "<id>"},
}

// mask puts names for what differs from run to run, the longest values first:
// one may hold another.
func (w *world) mask(ts *testscript.TestScript, text string) string {
	names := slices.Clone(w.names)
	slices.SortStableFunc(names, func(a, b string) int { return len(ts.Getenv(b)) - len(ts.Getenv(a)) })
	for _, name := range names {
		if value := ts.Getenv(name); value != "" {
			text = strings.ReplaceAll(text, value, "$"+name)
		}
	}
	for _, m := range masks {
		text = m.of.ReplaceAllString(text, m.by)
	}
	return text
}

// member finds a.b[0].c in a JSON value, as text.
func member(value any, path string) (string, error) {
	for _, step := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		switch v := value.(type) {
		case map[string]any:
			value = v[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(v) {
				return "", fmt.Errorf("no %s in the last answer", path)
			}
			value = v[i]
		default:
			return "", fmt.Errorf("no %s in the last answer", path)
		}
	}
	switch v := value.(type) {
	case string:
		return v, nil
	case nil:
		return "", fmt.Errorf("no %s in the last answer", path)
	default:
		text, err := json.Marshal(v)
		return string(text), err
	}
}
