package sandbox

import (
	"errors"
	"testing"
	"time"
)

func TestClock(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	real := start
	c := newClock(func() time.Time { return real }, ClockState{})
	at := func(what string, want time.Time) {
		t.Helper()
		if got := c.Now(); !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("%s: it is %s, want %s", what, got, want)
		}
	}
	at("at first", start)
	if !c.Real() {
		t.Error("it does not tell the real time")
	}
	c.Resume() // which it never did not
	if !c.Real() {
		t.Error("resumed: it does not tell the real time")
	}
	if err := c.Advance(time.Hour); err != nil || c.Real() {
		t.Error(err, c.Real())
	}
	at("advanced", start.Add(time.Hour))
	real = real.Add(time.Minute)
	at("it runs", start.Add(time.Hour+time.Minute))
	c.Freeze()
	real = real.Add(time.Minute)
	at("frozen", start.Add(time.Hour+time.Minute))
	if err := c.Advance(-time.Minute); err != nil {
		t.Error(err)
	}
	at("frozen, and moved back", start.Add(time.Hour))
	if err := c.Set(start.In(time.FixedZone("elsewhere", 3600))); err != nil {
		t.Error(err)
	}
	at("frozen, and set", start)
	c.Resume()
	at("resumed", start)
	real = real.Add(time.Second)
	at("it runs again", start.Add(time.Second))
	if got := c.at(real.Add(-time.Second)); !got.Equal(start) {
		t.Errorf("a second ago it was %s", got)
	}
	if err := c.Apply(Change{Time: start, Advance: time.Minute, Frozen: new(true)}); err != nil {
		t.Error(err)
	}
	at("all at once", start.Add(time.Minute))
	state := c.State()
	for _, bad := range []Change{{Time: start.AddDate(-57, 0, 0)}, {Time: latest}, {Advance: 1<<63 - 1}, {Advance: -1 << 63}} {
		if err := c.Apply(bad); !errors.Is(err, ErrTime) || c.State() != state {
			t.Errorf("%+v: %v, %+v", bad, err, c.State())
		}
	}
	if err := c.Set(latest.Add(-1)); err != nil {
		t.Error(err)
	}
	c.Resume()
	at("as late as can be", latest.Add(-1))
	c.Reset()
	at("reset", real)
}

// A clock that stands still tells no time of this process alone, see [time.Time].
func TestFrozenClockIsOfTheCalendar(t *testing.T) {
	c := newClock(time.Now, ClockState{})
	c.Freeze()
	if at := c.Now(); at != at.Round(0) {
		t.Error(at)
	}
}

// Nobody can stop or resume a clock between its reading the real time and its telling
// what it makes of that.
func TestClockReadsTheTimeLocked(t *testing.T) {
	var c *Clock
	c = newClock(func() time.Time {
		if c.mu.TryLock() {
			c.mu.Unlock()
			t.Error("the real time is read without the lock")
		}
		return earliest
	}, ClockState{})
	c.Now()
	c.Freeze()
}
