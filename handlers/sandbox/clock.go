package sandbox

import (
	"errors"
	"sync"
	"time"
)

// Clock is the clock of one world: whatever there asks for the time asks it. It
// tells the real time until it is told otherwise. Its methods are safe for
// concurrent use.
type Clock struct {
	mu    sync.RWMutex
	state ClockState
	real  func() time.Time
}

// ClockState is a clock as it can be kept.
type ClockState struct {
	// Frozen is the time that it stands still at; zero: it runs.
	Frozen time.Time `json:"frozen,omitzero"`
	// Ahead is how far it is ahead of the real time while it runs.
	Ahead time.Duration `json:"ahead,omitempty"`
}

// Change is what to do to a clock, in this order.
type Change struct {
	Time    time.Time     // sets it; zero: it is not set
	Advance time.Duration // moves it
	Frozen  *bool         // stops it, or has it go on from where it is; nil: neither
}

// What a clock can tell: how far it is ahead is a time.Duration, which ends at 292
// years.
var (
	earliest = time.Unix(0, 0).UTC()
	latest   = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
)

// ErrTime says that a clock was to be moved out of the years 1970 to 2199.
var ErrTime = errors.New("a clock tells a time in the years 1970 to 2199")

// newClock makes a clock in that state.
func newClock(real func() time.Time, state ClockState) *Clock {
	return &Clock{real: real, state: state}
}

// Now is the time that it tells, UTC. The real time is read under the lock, or a clock
// that is stopped or resumed meanwhile would seem to have been set back.
func (c *Clock) Now() time.Time {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.state.at(c.real())
}

// at is the time that it tells, as it goes now, at a real time.
func (c *Clock) at(real time.Time) time.Time {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.state.at(real)
}

func (s ClockState) at(real time.Time) time.Time {
	if !s.Frozen.IsZero() {
		return s.Frozen
	}
	return real.Add(s.Ahead).UTC()
}

// State is the clock as it can be kept.
func (c *Clock) State() ClockState {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.state
}

// Real says whether it tells the real time.
func (c *Clock) Real() bool { return c.State() == ClockState{} }

// Apply changes the clock, or leaves it as it is. Errors: ErrTime.
func (c *Clock) Apply(change Change) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	real := c.real().Round(0) // by the calendar: the monotonic clock sleeps when the machine does
	tells, frozen := c.state.at(real), !c.state.Frozen.IsZero()
	if change == (Change{}) || change == (Change{Frozen: change.Frozen}) && *change.Frozen == frozen {
		return nil
	}
	if !change.Time.IsZero() {
		tells = change.Time.UTC()
	}
	tells = tells.Add(change.Advance)
	if tells.Before(earliest) || !tells.Before(latest) {
		return ErrTime
	}
	if change.Frozen != nil {
		frozen = *change.Frozen
	}
	if frozen {
		c.state = ClockState{Frozen: tells}
	} else {
		c.state = ClockState{Ahead: tells.Sub(real)}
	}
	return nil
}

// Freeze stops it.
func (c *Clock) Freeze() { _ = c.Apply(Change{Frozen: new(true)}) } // where it stands it may stay

// Resume has it go on from the time that it tells.
func (c *Clock) Resume() { _ = c.Apply(Change{Frozen: new(bool)}) }

// Set sets it; it runs on from there, or stands still there, as before. Errors:
// ErrTime.
func (c *Clock) Set(t time.Time) error { return c.Apply(Change{Time: t}) }

// Advance moves it on, or back. Errors: ErrTime.
func (c *Clock) Advance(d time.Duration) error { return c.Apply(Change{Advance: d}) }

// Reset has it tell the real time.
func (c *Clock) Reset() { c.restore(ClockState{}) }

func (c *Clock) restore(s ClockState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state = s
}
