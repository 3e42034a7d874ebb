// Package sandbox keeps independent worlds in one process: each has a store, a
// clock, faults, a journal, a way of authentication and settings of its own, and a
// handler for all of the APIs over them. They share nothing that a request could
// change.
//
// It knows no vendor and no operation: what serves a world, and what fills one, is
// given by Options. It puts no name into a URL; package handlers does.
//
// Start at Host, which makes sandboxes and ends those that are forgotten; world.go
// is one sandbox, clock.go, faults.go and snapshot.go what it has.
package sandbox

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"usher/handlers/edge"
	"usher/handlers/exchange"
	"usher/handlers/journal"
	"usher/storage"
	"usher/storage/password"
)

// Main is the name of the world that the server itself serves.
const Main = "main"

// Options say what a host's worlds are made of. Build, Fill and Contracts are
// required.
type Options struct {
	// Build makes the handler of a world, at its first request.
	Build func(World) (Server, error)
	// Fill puts into an empty store what a demo or an empty world has, and tells the
	// first administrators that it made up a password for.
	Fill func(ctx context.Context, store *storage.Store, demo bool) ([]Administrator, error)
	// Load is Fill with what a fixture says; nil: there are no fixtures.
	Load func(ctx context.Context, store *storage.Store, fixture []byte) ([]Administrator, error)
	// CheckSettings refuses settings that Build would fail with; nil: there are none.
	CheckSettings func(json.RawMessage) error
	// Contracts are those of the APIs. It is asked when the first one is needed.
	Contracts func() ([]*exchange.Contract, error)
	// Store is what stores are opened with, but for Path, Volatile and Now.
	Store storage.Options
	// Max is how many sandboxes there may be at once; 0: DefaultMax.
	Max int
	// Header goes onto what a sandbox answers without its Server: that it is closed.
	Header http.Header
}

// World is what a handler is built for.
type World struct {
	Name     string
	Store    *storage.Store
	Settings json.RawMessage // the vendors', as they came; nil: none
	Hooks
}

// Hooks are the world's ears and hands in the edge, for the options of that name.
type Hooks struct {
	Authentication func() edge.Authentication
	Intercept      func(*edge.Call) *edge.Fault
	Observe        func(*edge.Call, edge.Observed)
}

// Server is all that a world serves.
type Server interface {
	http.Handler
	// Only serves one API alone, see handlers.Handler.
	Only(api string) (http.Handler, error)
}

// Administrator is a first administrator whose password was made for a world.
type Administrator struct {
	API, Login string
	Password   password.Plain
}

// From is what a sandbox starts as.
type From string

// What a sandbox starts as.
const (
	Demo       From = "demo"     // the demo world
	Empty      From = "empty"    // what each vendor ships with, and first administrators
	Fixture    From = "fixture"  // Spec.Fixture
	OfSnapshot From = "snapshot" // Spec.Snapshot, or the one that Spec.Source names
	OfSandbox  From = "sandbox"  // the one that Spec.Source names, as it is now
)

// Spec says what a sandbox starts with. The zero value is a demo world.
type Spec struct {
	Name     string // as Name; empty: one is made
	From     From   // empty: Demo
	Source   string // the name, for OfSnapshot and OfSandbox
	Fixture  []byte // a document as package fixture has it
	Snapshot *Snapshot
	// TTL is how long it is kept without use; 0: DefaultTTL.
	TTL            time.Duration
	Authentication edge.Authentication // empty: edge.Enforce
	Clock          Change              // of what the snapshot's or the other sandbox' clock tells, or the real one
	// Settings are the vendors', in JSON; nil: the snapshot's or the other sandbox',
	// or none.
	Settings json.RawMessage
}

// The bounds of what a host keeps.
const (
	DefaultMax   = 2000
	DefaultTTL   = time.Hour
	MaxTTL       = 24 * time.Hour
	maxSnapshots = 100
	// journalBytes is what the journal of a sandbox may take, for there are many: room
	// for as many exchanges as it may have, if they are usual ones.
	journalBytes = 2 << 20
	// maxKept is what the snapshots may take together, those that are kept and those
	// that sandboxes go back to, in bytes. One of both kinds counts once.
	maxKept = 512 << 20
)

// What a host refuses; compare with errors.Is. The texts say of what.
var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("the name is taken")
	ErrName     = errors.New("not a name: 1 to 63 of a-z, 0-9 and, in between, -")
	ErrSpec     = errors.New("no such sandbox can be")
	ErrFixture  = errors.New("the fixture cannot be loaded")
	ErrLimit    = errors.New("there are as many as there may be")
	ErrMain     = errors.New("main is the server's own world: it has the server's settings, expires with it, and can be neither reset nor deleted")
	ErrLasting  = errors.New("the store of main outlives the server: its clock and its authentication stay")
	ErrSealed   = errors.New("the store of main outlives the server: without a token it is not given to other users of the machine")
	ErrNoOrigin = errors.New("main was not created from anything that it could be compared with")
	ErrClosed   = errors.New("the sandbox is closed")
)

// refusal is one of these in the words of the case.
type refusal struct {
	is   error
	text string
}

func (r *refusal) Error() string { return r.text }
func (r *refusal) Unwrap() error { return r.is }

// NotFound is ErrNotFound in those words.
func NotFound(format string, args ...any) error {
	return &refusal{ErrNotFound, fmt.Sprintf(format, args...)}
}

var names = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// Host keeps sandboxes. Its methods are safe for concurrent use.
type Host struct {
	o     Options
	judge func(*exchange.Exchange)
	kinds map[From]*kind
	close func() error

	mu        sync.Mutex
	dir       string // of the stores' files; made with the first
	removeDir func() error
	files     int
	sandboxes map[string]*Sandbox
	snapshots map[string]*Snapshot
	held      map[*Snapshot]int // by how many: the names that it has, and the sandboxes that go back to it
	kept      int               // bytes of what is held
	closed    bool
}

// kind is a world that sandboxes are often made of.
type kind struct {
	mu             sync.Mutex
	snapshot       *Snapshot // nil: it was not made yet
	administrators []Administrator
}

// NewHost makes a host without sandboxes.
func NewHost(o Options) *Host {
	if o.Max == 0 {
		o.Max = DefaultMax
	}
	h := &Host{o: o, kinds: map[From]*kind{Demo: {}, Empty: {}}, sandboxes: map[string]*Sandbox{}, snapshots: map[string]*Snapshot{}, held: map[*Snapshot]int{}}
	h.close = sync.OnceValue(h.end)
	byName := sync.OnceValue(func() map[string]*exchange.Contract {
		contracts, _ := o.Contracts() // without them nothing is judged; that they parse is a matter of tests
		m := map[string]*exchange.Contract{}
		for _, c := range contracts {
			m[c.Name()] = c
		}
		return m
	})
	h.judge = func(e *exchange.Exchange) {
		if e.API == "" {
			e.Violations = []exchange.Violation{{In: exchange.Request, Path: "path", Rule: exchange.UndeclaredPath, Message: "no API has such a path"}}
			return
		}
		if c := byName()[e.API]; c != nil {
			c.Check(e)
		}
	}
	return h
}

// Create makes a sandbox. Errors: ErrName, ErrExists, ErrLimit, ErrNotFound (of the
// source), ErrSpec, ErrSnapshot, ErrTime; what Options.Load and Options.Fill return;
// those of storage.
func (h *Host) Create(ctx context.Context, spec Spec) (*Sandbox, error) {
	if spec.Name == "" {
		spec.Name = strings.ToLower(rand.Text()[:10])
	}
	if !names.MatchString(spec.Name) {
		return nil, fmt.Errorf("%q: %w", spec.Name, ErrName)
	}
	if spec.TTL < 0 || spec.TTL > MaxTTL {
		return nil, fmt.Errorf("%w: it is kept for %s at most", ErrSpec, MaxTTL)
	}
	if spec.TTL == 0 {
		spec.TTL = DefaultTTL
	}
	if spec.Authentication == "" {
		spec.Authentication = edge.Enforce
	}
	if err := h.checkSettings(spec.Settings); err != nil {
		return nil, err
	}
	origin, administrators, err := h.origin(ctx, &spec)
	if err != nil {
		return nil, err
	}
	s := newSandbox(h, spec, origin, administrators)
	if err := s.clock.Apply(spec.Clock); err != nil {
		return nil, err
	}
	if at := s.clock.State().Frozen; !at.IsZero() { // a reset stops it there again
		s.spec.Clock = Change{Time: at, Frozen: new(true)}
	}
	s.mu.Lock() // whoever finds it before it is open waits
	defer s.mu.Unlock()
	if err := h.add(s); err != nil {
		return nil, err
	}
	if s.live, err = s.open(ctx); err != nil {
		h.remove(s)
		return nil, err
	}
	s.keep()
	return s, nil
}

func (h *Host) checkSettings(settings json.RawMessage) error {
	switch {
	case settings == nil:
		return nil
	case h.o.CheckSettings == nil:
		return fmt.Errorf("%w: there are no settings", ErrSpec)
	}
	if err := h.o.CheckSettings(settings); err != nil {
		return fmt.Errorf("%w: %w", ErrSpec, err)
	}
	return nil
}

// origin is what a sandbox is made of, and goes back to. It completes the spec's
// From.
func (h *Host) origin(ctx context.Context, spec *Spec) (*Snapshot, []Administrator, error) {
	if spec.From == "" {
		spec.From = Demo
	}
	if needs := spec.From == OfSandbox || spec.From == OfSnapshot && spec.Snapshot == nil; needs != (spec.Source != "") {
		return nil, nil, fmt.Errorf("%w: a source is what a snapshot or a sandbox is called, and needed for these", ErrSpec)
	}
	if (spec.From == Fixture) != (spec.Fixture != nil) {
		return nil, nil, fmt.Errorf("%w: a fixture is needed for one made from it, and for no other", ErrSpec)
	}
	switch spec.From {
	case Demo, Empty:
		return h.kind(ctx, spec.From)
	case Fixture:
		if h.o.Load == nil {
			return nil, nil, fmt.Errorf("%w: there are no fixtures", ErrSpec)
		}
		var administrators []Administrator
		s, err := h.make(ctx, func(store *storage.Store) (err error) {
			if administrators, err = h.o.Load(ctx, store, spec.Fixture); err != nil {
				err = fmt.Errorf("%w: %w", ErrFixture, err)
			}
			return err
		})
		spec.Fixture = nil // the snapshot has it
		return s, administrators, err
	case OfSnapshot:
		if spec.Snapshot != nil {
			return spec.Snapshot, nil, h.checkSettings(spec.Snapshot.Settings)
		}
		s, err := h.Snapshot(spec.Source)
		return s, nil, err
	case OfSandbox:
		other, err := h.Get(spec.Source)
		if err != nil {
			return nil, nil, err
		}
		s, err := other.Snapshot(ctx)
		return s, other.administrators, err
	}
	return nil, nil, fmt.Errorf("%w: from %q", ErrSpec, spec.From)
}

// kind gives a world that is made once.
func (h *Host) kind(ctx context.Context, from From) (*Snapshot, []Administrator, error) {
	k := h.kinds[from]
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.snapshot != nil {
		return k.snapshot, k.administrators, nil
	}
	s, err := h.make(ctx, func(store *storage.Store) (err error) {
		k.administrators, err = h.o.Fill(ctx, store, from == Demo)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	k.snapshot = s
	return s, k.administrators, nil
}

// make takes a snapshot of a store that fill has filled.
func (h *Host) make(ctx context.Context, fill func(*storage.Store) error) (*Snapshot, error) {
	path, err := h.file()
	if err != nil {
		return nil, err
	}
	o := h.o.Store
	o.Path, o.Volatile, o.Now = path, true, time.Now
	store, err := storage.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	s := &Snapshot{Taken: store.Now()}
	if err = fill(store); err == nil {
		s.Image, err = store.Image(ctx)
	}
	if err := errors.Join(err, store.Close(), removeStore(path)); err != nil {
		return nil, err
	}
	return s, nil
}

// open opens a store of an image.
func (h *Host) open(ctx context.Context, image storage.Image, now func() time.Time) (*storage.Store, string, error) {
	path, err := h.file()
	if err != nil {
		return nil, "", err
	}
	o := h.o.Store
	o.Path, o.Volatile, o.Now = path, true, now
	store, err := storage.OpenImage(ctx, o, image)
	if err != nil {
		return nil, "", errors.Join(err, removeStore(path))
	}
	return store, path, nil
}

// file names a file that no other store has.
func (h *Host) file() (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return "", ErrClosed
	}
	if h.dir == "" {
		dir, remove, err := storage.TempFolder("sandboxes")
		if err != nil {
			return "", err
		}
		h.dir, h.removeDir = dir, remove
	}
	h.files++
	return filepath.Join(h.dir, strconv.Itoa(h.files)+".db"), nil
}

// removeStore removes a store's files, those that there are.
func removeStore(path string) error {
	var errs []error
	for _, end := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + end); !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// add makes a sandbox known. Errors: ErrExists, ErrLimit, ErrClosed.
func (h *Host) add(s *Sandbox) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return ErrClosed
	case s.name == Main && s.origin != nil, h.sandboxes[s.name] != nil:
		return &refusal{ErrExists, fmt.Sprintf("there is a sandbox called %q", s.name)}
	case len(h.sandboxes) >= h.o.Max && s.name != Main:
		return &refusal{ErrLimit, fmt.Sprintf("there are %d sandboxes, and no more may be", h.o.Max)}
	}
	if s.origin != nil {
		if err := h.hold(s.origin); err != nil {
			return err
		}
	}
	h.sandboxes[s.name] = s
	return nil
}

// hold has one more name or sandbox hold a snapshot. It is called with mu locked.
// Errors: ErrLimit.
func (h *Host) hold(s *Snapshot) error {
	if h.held[s] == 0 {
		size := len(s.Image.Bytes())
		if h.kept+size > maxKept {
			return &refusal{ErrLimit, fmt.Sprintf("the snapshots, and what sandboxes go back to, may take %d bytes together", maxKept)}
		}
		h.kept += size
	}
	h.held[s]++
	return nil
}

// letGo is the reverse of hold.
func (h *Host) letGo(s *Snapshot) {
	if h.held[s]--; h.held[s] == 0 {
		h.kept -= len(s.Image.Bytes())
		delete(h.held, s)
	}
}

// remove forgets a sandbox, unless another has its name by now.
func (h *Host) remove(s *Sandbox) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sandboxes[s.name] == s {
		delete(h.sandboxes, s.name)
		h.letGo(s.origin)
	}
}

// Get gives a sandbox. Errors: ErrNotFound.
func (h *Host) Get(name string) (*Sandbox, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.sandboxes[name]; s != nil {
		return s, nil
	}
	return nil, NotFound("no sandbox is called %q", name)
}

// List gives all sandboxes by name, the server's own first.
func (h *Host) List() []*Sandbox {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.SortedFunc(maps.Values(h.sandboxes), func(a, b *Sandbox) int {
		switch {
		case a.name == b.name:
			return 0
		case a.name == Main:
			return -1
		case b.name == Main:
			return 1
		}
		return strings.Compare(a.name, b.name)
	})
}

// Keep keeps a snapshot under a name, in place of the one that has it if replace
// says so. Errors: ErrExists, ErrLimit, ErrSpec (of its settings).
func (h *Host) Keep(name string, s *Snapshot, replace bool) error {
	if err := h.checkSettings(s.Settings); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(s.Image.Bytes()) > maxSnapshot-maxHeader { // nobody could read it again
		return &refusal{ErrLimit, fmt.Sprintf("a snapshot may take %d bytes", maxSnapshot-maxHeader)}
	}
	had := h.snapshots[name]
	if had != nil && !replace {
		return &refusal{ErrExists, fmt.Sprintf("there is a snapshot called %q", name)}
	}
	if had != nil {
		h.letGo(had)
	} else if len(h.snapshots) == maxSnapshots {
		return &refusal{ErrLimit, fmt.Sprintf("there are %d snapshots, and no more may be", maxSnapshots)}
	}
	err := h.hold(s)
	if err == nil {
		h.snapshots[name] = s
	} else if had != nil {
		_ = h.hold(had) // for which there was room before
	}
	return err
}

// Snapshot gives a snapshot that is kept. Errors: ErrNotFound.
func (h *Host) Snapshot(name string) (*Snapshot, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.snapshots[name]; s != nil {
		return s, nil
	}
	return nil, NotFound("no snapshot is called %q", name)
}

// Snapshots gives all that are kept, by name.
func (h *Host) Snapshots() map[string]*Snapshot {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.snapshots)
}

// Forget lets go of a snapshot. Errors: ErrNotFound.
func (h *Host) Forget(name string) error {
	s, err := h.Snapshot(name)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.snapshots[name] == s {
		h.letGo(s)
		delete(h.snapshots, name)
	}
	return nil
}

// Close ends every sandbox but main, which is its server's, and removes all files.
// Whoever follows a journal is let go. Closing twice is closing once.
func (h *Host) Close() error { return h.close() }

func (h *Host) end() error {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	var errs []error
	for _, s := range h.List() {
		if s.origin == nil {
			s.journal.Close()
			continue
		}
		errs = append(errs, s.end())
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.dir != "" {
		errs = append(errs, h.removeDir())
		h.dir = ""
	}
	return errors.Join(errs...)
}

// say answers a request that no Server answers.
func (h *Host) say(w http.ResponseWriter, text string, status int) {
	maps.Copy(w.Header(), h.o.Header)
	http.Error(w, text, status)
}

// newJournal makes the journal of a world that may take as many bytes; 0: as many as
// one does.
func (h *Host) newJournal(bytes int) *journal.Journal {
	return journal.New(journal.Options{Judge: h.judge, Bytes: bytes})
}
