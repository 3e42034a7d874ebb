package storage

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"usher/storage/password"
)

var cheapParams = password.Params{Memory: 64, Time: 1, Threads: 1}

func TestHasherDefaults(t *testing.T) {
	h := newHasher(cheapParams, 3, 0)
	if cap(h.slots) != 3 || h.maxWaiting != 3*180 {
		t.Errorf("%d hashers, %d waiting", cap(h.slots), h.maxWaiting)
	}
	dear := password.DefaultParams
	dear.Memory, dear.Time = 3*dear.Memory, 2*dear.Time
	if h := newHasher(dear, 2, 0); h.maxWaiting != 2*30 {
		t.Errorf("%d waiting for what costs six times as much", h.maxWaiting)
	}
	if h := newHasher(password.Params{Memory: 256 << 10, Time: 16, Threads: 1}, 1, 0); h.maxWaiting != 1 {
		t.Errorf("%d waiting for what costs most", h.maxWaiting)
	}
	if h := newHasher(cheapParams, 0, -1); cap(h.slots) < 1 || h.maxWaiting > 0 {
		t.Errorf("%d hashers, %d waiting", cap(h.slots), h.maxWaiting)
	}
}

// work runs n times a second of work in h, and returns how often it was done,
// refused for being busy, and ended by ctx.
func work(ctx context.Context, h *hasher, n int) (done, busy, ended int) {
	errs := make(chan error, n)
	for range n {
		go func() { errs <- h.run(ctx, func() error { time.Sleep(time.Second); return nil }) }()
	}
	for range n {
		switch err := <-errs; {
		case err == nil:
			done++
		case KindOf(err) == Busy:
			busy++
		case errors.Is(err, ctx.Err()):
			ended++
		}
	}
	return done, busy, ended
}

func TestHasherBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHasher(cheapParams, 2, 3)
		defer h.stop()
		start := time.Now()
		if done, busy, _ := work(t.Context(), h, 9); done != 5 || busy != 4 {
			t.Errorf("%d done, %d busy, want 2 at once and 3 after them", done, busy)
		}
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("took %v, want two at once: 3s", d)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		if done, _, ended := work(ctx, h, 5); done != 4 || ended != 1 {
			t.Errorf("%d done, %d ended, want the last one ended while waiting", done, ended)
		}
		if h.waiting.Load() != 0 || len(h.slots) != 0 {
			t.Errorf("%d still waiting, %d still working", h.waiting.Load(), len(h.slots))
		}
		if done, busy, _ := work(t.Context(), newHasher(cheapParams, 1, -1), 2); done != 1 || busy != 1 {
			t.Errorf("%d done, %d busy, want nobody to wait", done, busy)
		}
	})
}

func TestHasherGivesMemoryBackOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHasher(cheapParams, 2, 0)
		var freed atomic.Int64
		h.free = func() { freed.Add(1) }
		after := func(d time.Duration, want int64) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			if freed.Load() != want {
				t.Fatalf("freed %d times, want %d", freed.Load(), want)
			}
		}
		after(time.Minute, 0)
		work(t.Context(), h, 4)
		after(3*time.Second, 0)
		work(t.Context(), h, 1) // another one: wait anew
		after(4*time.Second, 0)
		after(2*time.Second, 1)
		after(time.Minute, 1)

		go func() { _ = h.run(t.Context(), func() error { time.Sleep(time.Minute); return nil }) }()
		work(t.Context(), h, 1)
		after(30*time.Second, 1) // the long one is still at it
		after(time.Minute, 2)

		work(t.Context(), h, 1)
		h.stop()
		after(time.Minute, 2)
		work(t.Context(), h, 1)
		after(time.Minute, 2)
	})
}

func TestSlotIsGivenBackAfterAPanic(t *testing.T) {
	h := newHasher(cheapParams, 1, -1)
	defer h.stop()
	func() {
		defer func() { _ = recover() }()
		_ = h.run(t.Context(), func() error { panic("out of memory") })
	}()
	if err := h.run(t.Context(), func() error { return nil }); err != nil {
		t.Errorf("the slot is lost: %v", err)
	}
}
