package storage

import (
	"context"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"usher/storage/password"
)

// waitingPerHasher is how many hashes may wait for each hasher unless
// Options.Waiting says otherwise. One at password.DefaultParams takes 22 ms of
// a core, so the last in line waits 4 s (longer behind imported hashes that
// cost more): less than the patience of most
// clients, and what waits needs next to no memory.
const waitingPerHasher = 180

// idleAfter is how long no hash must have been computed before the memory they
// took is given back to the system. At 19 MiB each the runtime would keep it
// for minutes; giving it back after each would cost more than the hash.
const idleAfter = 5 * time.Second

// hasher computes hashes, a few at once and no more, since each takes a core
// and 19 MiB.
type hasher struct {
	params password.Params
	dummy  string // a hash to verify against when there is none

	slots      chan struct{} // holds a value for each hash being computed
	waiting    atomic.Int64
	maxWaiting int64

	mu      sync.Mutex // of the timer, so that nothing starts it after stop
	idle    *time.Timer
	stopped bool

	verify func(encoded string, p password.Plain) error // password.Verify, but for tests
	free   func()                                       // debug.FreeOSMemory, but for tests
}

func newHasher(params password.Params, hashers, waiting int) *hasher {
	if hashers <= 0 {
		hashers = runtime.GOMAXPROCS(0)
	}
	if waiting == 0 {
		// What costs more lets fewer wait, for as long.
		cost, usual := params.Memory*params.Time, password.DefaultParams.Memory*password.DefaultParams.Time
		waiting = max(waitingPerHasher*int(usual)/int(max(cost, usual)), 1) * hashers
	}
	return &hasher{
		params:     params,
		dummy:      password.Dummy(params),
		slots:      make(chan struct{}, hashers),
		maxWaiting: int64(waiting),
		verify:     password.Verify,
		free:       debug.FreeOSMemory,
	}
}

// run runs work when there is a slot for it. Errors: Busy, those of ctx.
func (h *hasher) run(ctx context.Context, work func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case h.slots <- struct{}{}:
	default:
		if err := h.wait(ctx); err != nil {
			return err
		}
	}
	defer h.release()
	return work()
}

// wait takes a slot once there is one.
func (h *hasher) wait(ctx context.Context) error {
	defer h.waiting.Add(-1)
	if h.waiting.Add(1) > h.maxWaiting {
		return &Error{Kind: Busy}
	}
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// release gives a slot back and starts the wait for idleness anew.
func (h *hasher) release() {
	<-h.slots
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.stopped:
	case h.idle == nil:
		h.idle = time.AfterFunc(idleAfter, h.freeIfIdle)
	default:
		h.idle.Reset(idleAfter)
	}
}

// freeIfIdle gives memory back, unless a hash is being computed: its release
// starts the wait again.
func (h *hasher) freeIfIdle() {
	if len(h.slots) == 0 {
		h.free()
	}
}

// stop ends the wait for idleness for good. Hashes being computed go on.
func (h *hasher) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopped = true
	if h.idle != nil {
		h.idle.Stop()
	}
}

// hash makes the hash to be stored for p. Errors: Busy, those of ctx.
func (h *hasher) hash(ctx context.Context, p password.Plain) (encoded string, err error) {
	err = h.run(ctx, func() error {
		encoded, err = password.Hash(p, h.params)
		return err
	})
	return encoded, err
}
