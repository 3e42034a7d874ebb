// Package ushertest is usher inside a Go test: every API, at a URL of the test's
// own, over a world that nobody else sees and that goes with the test. It starts
// no process and waits for nothing; any number of tests may run in parallel.
//
// Start at New, whose Usher has the URL for the client under test, clients of its
// own to prepare a world and to look at it with (clients.go), and the world's
// clock, faults and journal (world.go). docs/testing.md tells how the same is done
// in other languages.
package ushertest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"sync"
	"time"

	"usher/handlers"
	"usher/handlers/edge"
	"usher/handlers/sandbox"
	"usher/storage"
)

// T is what is used of a test: of a *testing.T, a *testing.B or a *testing.F, or of
// what other frameworks have in their place.
type T interface {
	Helper()
	Context() context.Context
	Cleanup(func())
	Error(...any)
	Errorf(string, ...any)
	Fatal(...any)
}

// Usher is a server with a world of its own. Its methods are safe for concurrent
// use; those that fail the test are for the test's own goroutine.
type Usher struct {
	t      T
	world  *sandbox.Sandbox
	server *httptest.Server
	as     *login // who the clients are; nil: the first administrators

	demo           bool                    // the first administrators are the demo world's
	administrators []sandbox.Administrator // or these, whose passwords were made up
}

// Option changes the world that New makes.
type Option func(*sandbox.Spec)

// Empty has the world hold what each vendor ships, and a first administrator for
// each API with a password that was made for it; the clients know these. Fusion's
// has none until the first caller sets it.
func Empty() Option {
	return func(s *sandbox.Spec) { s.From = sandbox.Empty }
}

// WithFixture has the world hold what a fixture says, which is YAML or JSON as
// docs/fixtures.md has it. An API that it does not name is as with Empty. Of one that
// it does the clients are nobody, unless As says who they are.
func WithFixture(document []byte) Option {
	return func(s *sandbox.Spec) { s.From, s.Fixture = sandbox.Fixture, document }
}

// WithSnapshot has the world be as another one was when Usher.Snapshot took it, or
// as a file has it, which sandbox.ReadSnapshot reads. The clients are the demo
// world's administrators, unless As says who they are.
func WithSnapshot(taken *sandbox.Snapshot) Option {
	return func(s *sandbox.Spec) { s.From, s.Snapshot = sandbox.OfSnapshot, taken }
}

// At stops the world's clock at that time.
func At(now time.Time) Option {
	return func(s *sandbox.Spec) {
		stopped := true
		s.Clock = sandbox.Change{Time: now, Frozen: &stopped}
	}
}

// WithAuthentication has it be enforced, which is the default, only observed, or
// off.
func WithAuthentication(mode edge.Authentication) Option {
	return func(s *sandbox.Spec) { s.Authentication = mode }
}

// WithSettings changes settings that the vendors' own servers have, in JSON, as
// {"milvus":{"maxUsers":2}}: the schema Settings of usher's own contract lists
// them.
func WithSettings(settings json.RawMessage) Option {
	return func(s *sandbox.Spec) { s.Settings = settings }
}

func newHost() *sandbox.Host { return handlers.NewHost(handlers.Options{}, storage.Options{}) }

// origin is a world that others are made of.
type origin struct {
	snapshot       *sandbox.Snapshot
	administrators []sandbox.Administrator
}

// origins are the worlds that most tests begin with. A process makes each once.
var origins = map[sandbox.From]func() (origin, error){
	sandbox.Demo:  sync.OnceValues(func() (origin, error) { return newOrigin(sandbox.Demo) }),
	sandbox.Empty: sync.OnceValues(func() (origin, error) { return newOrigin(sandbox.Empty) }),
}

func newOrigin(from sandbox.From) (o origin, err error) {
	ctx := context.Background() // a test that ends takes it from no other
	host := newHost()
	defer func() { err = errors.Join(err, host.Close()) }()
	world, err := host.Create(ctx, sandbox.Spec{From: from})
	if err != nil {
		return origin{}, err
	}
	o.administrators = world.Administrators()
	o.snapshot, err = world.Snapshot(ctx)
	return o, err
}

// New makes a world, the demo world unless an option says otherwise, and serves it
// until the test ends.
func New(t T, options ...Option) *Usher {
	t.Helper()
	spec := sandbox.Spec{From: sandbox.Demo}
	for _, o := range options {
		o(&spec)
	}
	u := &Usher{t: t, demo: spec.From == sandbox.Demo || spec.From == sandbox.OfSnapshot}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal("ushertest: " + err.Error())
		}
	}
	if make := origins[spec.From]; make != nil {
		o, err := make()
		must(err)
		spec.From, spec.Snapshot, u.administrators = sandbox.OfSnapshot, o.snapshot, o.administrators
	}
	host := newHost()
	t.Cleanup(func() {
		if err := host.Close(); err != nil {
			t.Error("ushertest: " + err.Error())
		}
	})
	world, err := host.Create(t.Context(), spec)
	must(err)
	u.world, u.server = world, httptest.NewServer(world)
	u.administrators = append(u.administrators, world.Administrators()...)
	t.Cleanup(func() {
		// The world first, which ends requests that the server would wait for, such as
		// those that a fault holds back.
		if err := world.Close(); err != nil {
			t.Error("ushertest: " + err.Error())
		}
		u.server.Close()
	})
	return u
}

// URL is where the APIs are reached: a client under test takes it in place of the
// vendor's scheme, host and port.
func (u *Usher) URL() string { return u.server.URL }
