package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"usher/handlers/edge"
	"usher/handlers/exchange"
	"usher/handlers/journal"
	"usher/storage"
)

// Sandbox is one world. It is a handler of all the APIs in it, at their own paths.
// Its methods are safe for concurrent use.
type Sandbox struct {
	host           *Host
	name, from     string
	created        time.Time // real
	origin         *Snapshot // what it was created as, and is reset to; nil: main
	spec           Spec      // likewise
	administrators []Administrator
	lasting        bool // its store outlives the server
	sealed         bool // its store is not given away

	clock   *Clock
	faults  *Faults
	journal *journal.Journal

	authentication atomic.Value // an edge.Authentication
	ttl            atomic.Int64 // a time.Duration; 0: it does not expire
	used           atomic.Int64 // when last, in nanoseconds of real time
	underWay       atomic.Int64 // requests
	expiry         *time.Timer

	// mu is held by requests while they last, and locked by what takes their world
	// from under them.
	mu   sync.RWMutex
	live *live // nil: it is not open yet, or was closed
}

// live is what a world is while it is open.
type live struct {
	store  *storage.Store
	path   string
	served atomic.Pointer[served]
	// bound has a context end with the world, too; end ends it.
	bound    func(context.Context) (context.Context, context.CancelFunc)
	end      context.CancelFunc
	requests sync.WaitGroup // under way; begun with mu held, while this is the world's
}

// served is what serves a world, under its settings.
type served struct {
	settings json.RawMessage
	server   func() (Server, error) // built once, when it is asked for first
	only     sync.Map               // API → http.Handler
}

func newSandbox(h *Host, spec Spec, origin *Snapshot, administrators []Administrator) *Sandbox {
	bytes := journalBytes
	if origin == nil {
		bytes = 0
	}
	s := &Sandbox{
		host: h, name: spec.Name, created: time.Now().UTC(), origin: origin, spec: spec, administrators: administrators,
		faults: &Faults{contracts: h.o.Contracts}, journal: h.newJournal(bytes),
	}
	s.from = string(spec.From)
	if spec.Source != "" {
		s.from += " " + spec.Source
	}
	var state ClockState
	if origin != nil {
		state = origin.Clock
	}
	s.clock = newClock(time.Now, state)
	s.authentication.Store(spec.Authentication)
	s.ttl.Store(int64(spec.TTL))
	s.use()
	return s
}

// startSettings are the settings that a sandbox starts with.
func (spec Spec) startSettings(origin *Snapshot) json.RawMessage {
	if spec.Settings == nil && origin != nil {
		return origin.Settings
	}
	return spec.Settings
}

// Main makes the world that the server itself serves: its Clock and Hooks are for
// the store and the handler that Attach is told of. It is made once. lasting says
// that the store outlives the server, and so keeps the real time and asks who calls;
// open, that whoever is on this machine may ask for snapshots, which such a store is
// kept from.
func (h *Host) Main(lasting, open bool) (*Sandbox, error) {
	s := newSandbox(h, Spec{Name: Main, From: "server", Authentication: edge.Enforce}, nil, nil)
	s.lasting, s.sealed = lasting, lasting && open
	return s, h.add(s)
}

// Attach tells main of its store and its handler, which stay their owner's.
func (s *Sandbox) Attach(store *storage.Store, server Server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live = &live{store: store, bound: func(ctx context.Context) (context.Context, context.CancelFunc) { return ctx, func() {} }}
	s.live.served.Store(&served{server: func() (Server, error) { return server, nil }})
}

// open opens the world as it was created.
func (s *Sandbox) open(ctx context.Context) (*live, error) { //nolint:contextcheck // see world
	store, path, err := s.host.open(ctx, s.origin.Image, s.clock.Now)
	if err != nil {
		return nil, err
	}
	l := &live{store: store, path: path}
	l.served.Store(s.build(l, s.spec.startSettings(s.origin)))
	world, end := context.WithCancel(context.Background()) // whoever makes it goes, with all that ctx holds, and it stays
	l.end = end
	l.bound = func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(ctx)
		stop := context.AfterFunc(world, cancel)
		return ctx, func() { stop(); cancel() }
	}
	return l, nil
}

func (s *Sandbox) build(l *live, settings json.RawMessage) *served {
	hooks := s.Hooks()
	hooks.Observe = func(call *edge.Call, o edge.Observed) { s.observeIn(l, call, o) }
	return &served{settings: settings, server: sync.OnceValues(func() (Server, error) {
		return s.host.o.Build(World{Name: s.name, Store: l.store, Settings: settings, Hooks: hooks})
	})}
}

// close ends the requests under way, waits for them, and removes the files. It is
// called without mu: one whose body does not come lasts until the server has had
// enough of it.
func (l *live) close() error {
	l.end()
	l.requests.Wait()
	return errors.Join(l.store.Close(), removeStore(l.path))
}

// handler serves all APIs, or the one of that name.
func (l *served) handler(api string) (http.Handler, error) {
	server, err := l.server()
	if err != nil || api == "" {
		return server, err
	}
	if h, ok := l.only.Load(api); ok {
		return h.(http.Handler), nil
	}
	h, err := server.Only(api)
	if err != nil {
		return nil, err
	}
	kept, _ := l.only.LoadOrStore(api, h)
	return kept.(http.Handler), nil
}

// ServeHTTP serves every API of the world.
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.serve(w, r, "") }

// Only serves one API of the world alone: every other path is answered as that
// API's vendor does.
func (s *Sandbox) Only(api string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, api) })
}

func (s *Sandbox) serve(w http.ResponseWriter, r *http.Request, api string) {
	s.underWay.Add(1)
	defer func() { s.use(); s.underWay.Add(-1) }()
	s.mu.RLock()
	l := s.live
	if l != nil {
		l.requests.Add(1)
	}
	s.mu.RUnlock()
	if l == nil {
		s.host.say(w, ErrClosed.Error(), http.StatusNotFound)
		return
	}
	defer l.requests.Done()
	h, err := l.served.Load().handler(api)
	if err != nil {
		s.host.say(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if !s.clock.Real() {
		w.Header().Set("Date", s.clock.Now().Format(http.TimeFormat))
	}
	ctx, done := l.bound(r.Context())
	defer done()
	h.ServeHTTP(w, r.WithContext(ctx))
}

// Hooks are what the edge of the world's handler asks and tells.
func (s *Sandbox) Hooks() Hooks {
	return Hooks{Authentication: s.Authentication, Intercept: s.faults.of, Observe: s.observe}
}

// maxBody is how much of a body the journal keeps, in bytes.
const maxBody = 64 << 10

// observeIn is observe for what the world was when a request came: what it is now may
// have begun anew since, with a journal that knows nothing of before.
func (s *Sandbox) observeIn(l *live, call *edge.Call, o edge.Observed) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.live == l {
		s.observe(call, o)
	}
}

// observe puts an exchange into the journal.
func (s *Sandbox) observe(call *edge.Call, o edge.Observed) {
	r := call.Request
	e := journal.Entry{
		Exchange: exchange.Exchange{
			At: s.clock.at(o.Start), Duration: o.Elapsed, API: call.API, Operation: call.Operation,
			Request: exchange.Message{Method: r.Method, URL: r.URL.RequestURI(), Header: r.Header.Clone(), Truncated: o.RequestTruncated},
			Answer:  exchange.Message{Status: o.Status, Header: o.Header.Clone()},
		},
		Principal: call.Principal, Code: call.Code, RequestID: call.ID,
	}
	e.Request.Body, e.Request.Truncated = part(o.RequestBody, o.RequestTruncated)
	e.Answer.Body, e.Answer.Truncated = part(o.Body, false)
	if o.Fault != nil {
		e.Fault = o.Fault.Rule
		switch o.Fault.Cut {
		case edge.CutBefore:
			e.Cut = journal.CutBefore
		case edge.CutAfter:
			e.Cut = journal.CutAfter
		case edge.NoCut:
		}
	}
	if o.Passed != nil {
		e.Passed = &journal.Refusal{Status: o.Passed.Status, Code: o.Passed.Code}
	}
	s.journal.Add(e)
}

// part copies what of a body is kept.
func part(body []byte, truncated bool) ([]byte, bool) {
	if len(body) > maxBody {
		body, truncated = body[:maxBody], true
	}
	return bytes.Clone(body), truncated
}

// Name is its name.
func (s *Sandbox) Name() string { return s.name }

// From is what it was created from: "demo", "sandbox other".
func (s *Sandbox) From() string { return s.from }

// Created is when it was made, in real time.
func (s *Sandbox) Created() time.Time { return s.created }

// Clock is the world's clock.
func (s *Sandbox) Clock() *Clock { return s.clock }

// Faults are the world's faults.
func (s *Sandbox) Faults() *Faults { return s.faults }

// Journal is the world's journal.
func (s *Sandbox) Journal() *journal.Journal { return s.journal }

// Administrators are the first administrators whose passwords were made for this
// world, or for the one that it was forked of; nil: there are none.
func (s *Sandbox) Administrators() []Administrator { return s.administrators }

// Authentication is whether callers are asked who they are.
func (s *Sandbox) Authentication() edge.Authentication {
	return s.authentication.Load().(edge.Authentication)
}

// SetClock changes the clock. Errors: ErrLasting, ErrTime.
func (s *Sandbox) SetClock(c Change) error {
	if s.lasting {
		return ErrLasting
	}
	return s.clock.Apply(c)
}

// Settings are the vendors' settings, in JSON; nil: none, or it is closed.
func (s *Sandbox) Settings() json.RawMessage {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.live == nil {
		return nil
	}
	return s.live.served.Load().settings
}

// Changes are what is to be different about a sandbox. What is zero stays as it is.
type Changes struct {
	TTL            *time.Duration // how long it is kept without use, up to MaxTTL
	Authentication edge.Authentication
	Settings       json.RawMessage // the vendors', in the place of all that it has
}

// Change changes the sandbox, from the next request on: those under way go on under
// the settings that they came under. If one of the changes cannot be, none is made.
// Errors: ErrMain, ErrLasting, ErrSpec, ErrClosed.
func (s *Sandbox) Change(c Changes) error {
	switch {
	case s.origin == nil && (c.TTL != nil || c.Settings != nil):
		return ErrMain
	case s.lasting && c.Authentication != "" && c.Authentication != edge.Enforce:
		return ErrLasting
	case c.TTL != nil && (*c.TTL <= 0 || *c.TTL > MaxTTL):
		return fmt.Errorf("%w: it is kept for some time, and %s at most", ErrSpec, MaxTTL)
	}
	if err := s.host.checkSettings(c.Settings); err != nil {
		return err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.live == nil {
		return ErrClosed
	}
	if c.Settings != nil {
		s.live.served.Store(s.build(s.live, c.Settings))
	}
	if c.Authentication != "" {
		s.authentication.Store(c.Authentication)
	}
	if c.TTL != nil {
		s.use()
		s.ttl.Store(int64(*c.TTL))
		s.expiry.Reset(*c.TTL)
	}
	return nil
}

// View lets f use the world's store, which stays open meanwhile. Errors: ErrClosed;
// f's.
func (s *Sandbox) View(f func(*storage.Store) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.live == nil {
		return ErrClosed
	}
	return f(s.live.store)
}

// Dump is what a fixture of the world as it is now has. Errors: ErrSealed, ErrClosed;
// those of storage.
func (s *Sandbox) Dump(ctx context.Context) (seeds map[string]storage.Seed, err error) {
	if s.sealed {
		return nil, ErrSealed
	}
	err = s.View(func(store *storage.Store) (err error) {
		seeds, err = store.Dump(ctx)
		return err
	})
	return seeds, err
}

// Snapshot is the world as it is now. Errors: ErrSealed, ErrClosed; those of storage.
func (s *Sandbox) Snapshot(ctx context.Context) (*Snapshot, error) {
	if s.sealed {
		return nil, ErrSealed
	}
	snapshot := &Snapshot{Clock: s.clock.State(), Taken: s.clock.Now().Truncate(time.Microsecond), Settings: s.Settings()}
	err := s.View(func(store *storage.Store) (err error) {
		snapshot.Image, err = store.Image(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return snapshot, nil
}

// Diff says what is different in this world from a snapshot; nil: from what it was
// created as. Errors: ErrSealed, since it tells who there is; ErrNoOrigin, ErrClosed;
// those of storage.
func (s *Sandbox) Diff(ctx context.Context, from *Snapshot) (differences []storage.Difference, err error) {
	if s.sealed {
		return nil, ErrSealed
	}
	if from == nil {
		from = s.origin
	}
	if from == nil {
		return nil, ErrNoOrigin
	}
	// Tokens that are good by one of the clocks are not by another.
	other, path, err := s.host.open(ctx, from.Image, func() time.Time { return from.Taken })
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, other.Close(), removeStore(path)) }()
	err = s.View(func(store *storage.Store) (err error) {
		differences, err = storage.Diff(ctx, other, store)
		return err
	})
	return differences, err
}

// Reset has the world be what it was created as: its store, clock, settings and way
// of authentication, without faults, its journal empty. Requests under way are
// ended. Errors: ErrMain, ErrClosed; those of storage.
func (s *Sandbox) Reset(ctx context.Context) error {
	if s.origin == nil {
		return ErrMain
	}
	fresh, err := s.open(ctx)
	if err != nil {
		return err
	}
	old, err := s.begin(fresh)
	return errors.Join(err, old.close())
}

// begin has the world go on in another live, as it was created, and gives what is to
// be closed: the one before or, with ErrClosed, the other one.
func (s *Sandbox) begin(fresh *live) (old *live, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live == nil {
		return fresh, ErrClosed
	}
	old, s.live = s.live, fresh
	s.clock.restore(s.origin.Clock)
	s.faults.Clear()
	s.journal.Clear()
	s.authentication.Store(s.spec.Authentication)
	return old, s.clock.Apply(s.spec.Clock)
}

// Close ends the world, and the requests under way in it, and removes its files.
// Closing twice is closing once. Errors: ErrMain; those of storage.
func (s *Sandbox) Close() error {
	if s.origin == nil {
		return ErrMain
	}
	return s.end()
}

func (s *Sandbox) end() error {
	s.host.remove(s)
	l := s.leave()
	if l == nil {
		return nil
	}
	s.journal.Close()
	return l.close()
}

// leave has the world be closed to requests, and gives what is to be closed; nil: it
// was before.
func (s *Sandbox) leave() (l *live) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, s.live = s.live, nil
	if l != nil && s.expiry != nil {
		s.expiry.Stop()
	}
	return l
}

// use notes that somebody uses the world, so that it is not forgotten.
func (s *Sandbox) use() { s.used.Store(time.Now().UnixNano()) }

// TTL is how long the world is kept without use; 0: as long as the server lives.
func (s *Sandbox) TTL() time.Duration { return time.Duration(s.ttl.Load()) }

// Expires is when it goes if nobody uses it until then, in real time; zero: never.
func (s *Sandbox) Expires() time.Time {
	if s.TTL() == 0 {
		return time.Time{}
	}
	return time.Unix(0, s.used.Load()).Add(s.TTL()).UTC()
}

// keep has the world end once nobody has used it for its time. It is called with mu
// locked.
func (s *Sandbox) keep() {
	s.expiry = time.AfterFunc(s.TTL(), func() {
		left := time.Until(s.Expires())
		if s.underWay.Load() > 0 {
			left = s.TTL()
		}
		if left <= 0 {
			_ = s.end() // nobody is left to be told
			return
		}
		s.mu.RLock()
		defer s.mu.RUnlock()
		if s.live != nil {
			s.expiry.Reset(left)
		}
	})
}
