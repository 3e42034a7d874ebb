package ushertest

import (
	"fmt"
	"strings"
	"time"

	"usher/handlers/journal"
	"usher/handlers/sandbox"
	"usher/storage"
)

// Clock is the world's: it governs times, and whether tokens, sessions and
// passwords are still good. It tells the real time until it is changed.
func (u *Usher) Clock() *sandbox.Clock { return u.world.Clock() }

// Freeze stops the world's clock.
func (u *Usher) Freeze() { u.world.Clock().Freeze() }

// Advance moves the world's clock on, or back.
func (u *Usher) Advance(d time.Duration) {
	u.t.Helper()
	if err := u.world.Clock().Advance(d); err != nil {
		u.t.Fatal(err)
	}
}

// Fault has requests go wrong from now on. It fails the test if the rule makes no
// sense, as with a status that the operation does not declare.
func (u *Usher) Fault(rule sandbox.FaultSpec) {
	u.t.Helper()
	if _, err := u.world.Faults().Add(rule); err != nil {
		u.t.Fatal(err)
	}
}

// Faults are the world's rules by which requests go wrong.
func (u *Usher) Faults() *sandbox.Faults { return u.world.Faults() }

// Journal is what was asked and answered in the world, without secrets. The
// requests of the clients of Usher are in it, too.
func (u *Usher) Journal() *journal.Journal { return u.world.Journal() }

// AssertSent fails the test unless each of these was sent, as often as it says; it
// tells which request comes nearest, and what is different in it.
func (u *Usher) AssertSent(expected ...journal.Expectation) {
	u.t.Helper()
	u.assert(journal.Assertion{Requests: expected})
}

// AssertSentInOrder is AssertSent, where each has to come after the one before it.
func (u *Usher) AssertSentInOrder(expected ...journal.Expectation) {
	u.t.Helper()
	u.assert(journal.Assertion{Requests: expected, Ordered: true})
}

func (u *Usher) assert(a journal.Assertion) {
	u.t.Helper()
	verdict, err := u.world.Journal().Assert(a)
	if err != nil {
		u.t.Fatal(err)
	}
	if !verdict.Met {
		u.t.Error(explain(verdict))
	}
}

// explain says what is not met, for people.
func explain(v journal.Verdict) string {
	var b strings.Builder
	b.WriteString("not sent as expected:")
	for i, o := range v.Requests {
		if o.Met {
			continue
		}
		fmt.Fprintf(&b, "\n  request %d: %s", i+1, o.Reason)
		if o.Nearest == nil {
			continue
		}
		fmt.Fprintf(&b, "; nearest is entry %d of the journal:", o.Nearest.ID)
		for _, d := range o.Nearest.Differences {
			b.WriteString("\n    " + d.String())
		}
	}
	return b.String()
}

// AssertContract fails the test for each request that has broken its contract so
// far: of a client under test, one that the vendor may refuse.
func (u *Usher) AssertContract() {
	u.t.Helper()
	broken := true
	entries, _ := u.world.Journal().List(journal.Query{Violations: &broken})
	for _, e := range entries {
		for _, v := range e.Violations {
			u.t.Errorf("%s %s: %s, %s: %s (%s)", e.Request.Method, e.Request.URL, v.In, v.Path, v.Message, v.Contract)
		}
	}
}

// Snapshot takes the world as it is now, tokens, sessions and clock included, for
// WithSnapshot, or to be written to a file.
func (u *Usher) Snapshot() *sandbox.Snapshot {
	u.t.Helper()
	taken, err := u.world.Snapshot(u.t.Context())
	if err != nil {
		u.t.Fatal(err)
	}
	return taken
}

// Reset has the world be what it was made as, without faults, its journal empty.
func (u *Usher) Reset() {
	u.t.Helper()
	if err := u.world.Reset(u.t.Context()); err != nil {
		u.t.Fatal(err)
	}
}

// Diff says what has changed since the world was made: users, roles and settings,
// member by member.
func (u *Usher) Diff() []storage.Difference {
	u.t.Helper()
	changed, err := u.world.Diff(u.t.Context(), nil)
	if err != nil {
		u.t.Fatal(err)
	}
	return changed
}

// Sandbox is the world itself, for what is not said here.
func (u *Usher) Sandbox() *sandbox.Sandbox { return u.world }
