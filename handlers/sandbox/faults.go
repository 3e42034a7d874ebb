package sandbox

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"usher/handlers/edge"
	"usher/handlers/exchange"
)

// FaultSpec says which requests go wrong, when, and how. Of the first three what is
// empty fits every request.
type FaultSpec struct {
	API, Operation, Method string

	// Status is answered as the contract's example for it stands, without handling
	// the request; 0: the API's own answer. Where no operation is named the fault is
	// of those that declare it. Example names the example; empty: the first.
	Status  int
	Example string
	Delay   time.Duration // before anything is done
	Cut     edge.Cut      // ends the connection without an answer
	Rate    int           // bytes a second of the answer's body; 0: at once

	// Of the calls that it fits the first so many, or every so manieth, or each with
	// that probability, which chance made of Seed decides. One of them at most; none:
	// every call.
	First, Every int
	Probability  *float64
	Seed         int64
}

// Fault is a rule by which requests go wrong.
type Fault struct {
	ID             string // "fault-1"
	Spec           FaultSpec
	Calls, Applied int64 // how many calls it fitted, and in how many it did something
}

// A fault that is no fault is refused with an error that is one of these.
var (
	// ErrFault says that a fault cannot be as it is described.
	ErrFault = errors.New("no such fault can be")
	// ErrUndeclared says that there is no operation that declares such an answer.
	ErrUndeclared = errors.New("the contract declares no such answer")
)

// maxFaults bounds what each request is held against.
const maxFaults = 100

// Faults are the rules by which requests of one world go wrong. Its methods are safe
// for concurrent use.
type Faults struct {
	contracts func() ([]*exchange.Contract, error)

	any   atomic.Bool // whether there are rules, for the requests of worlds without
	mu    sync.Mutex
	made  int
	rules []*rule
}

// rule is a fault at work.
type rule struct {
	Fault
	answers map[[2]string]edge.Answer // by API and operation; nil: it answers nothing
	chance  *rand.Rand
}

// Add has requests go wrong from now on. Of several rules that a request fits, the
// first whose turn it is does something. Errors: ErrFault; ErrUndeclared.
func (f *Faults) Add(s FaultSpec) (Fault, error) {
	answers, err := f.check(s)
	if err != nil {
		return Fault{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.rules) == maxFaults {
		return Fault{}, fmt.Errorf("%w: there are %d already", ErrFault, maxFaults)
	}
	f.made++
	r := &rule{Fault: Fault{ID: fmt.Sprintf("fault-%d", f.made), Spec: s}, answers: answers}
	if s.Probability != nil {
		r.chance = rand.New(rand.NewPCG(uint64(s.Seed), 0)) //nolint:gosec // chance that can be repeated is what is asked for
	}
	f.rules = append(f.rules, r)
	f.any.Store(true)
	return r.Fault, nil
}

// check refuses what can be no fault, and gives its answers.
func (f *Faults) check(s FaultSpec) (map[[2]string]edge.Answer, error) {
	whens := 0
	for _, when := range []bool{s.First != 0, s.Every != 0, s.Probability != nil} {
		if when {
			whens++
		}
	}
	switch {
	case s.Status == 0 && s.Delay == 0 && s.Cut == edge.NoCut && s.Rate == 0:
		return nil, fmt.Errorf("%w: it does nothing", ErrFault)
	case s.Delay < 0 || s.Rate < 0 || s.First < 0 || s.Every < 0:
		return nil, fmt.Errorf("%w: a number is less than none", ErrFault)
	case whens > 1:
		return nil, fmt.Errorf("%w: it is of the first calls, of every so manieth, or of chance", ErrFault)
	case s.Probability != nil && !(*s.Probability >= 0 && *s.Probability <= 1):
		return nil, fmt.Errorf("%w: a probability is from 0 to 1", ErrFault)
	case s.Example != "" && s.Status == 0:
		return nil, fmt.Errorf("%w: an example is of a status", ErrFault)
	case s.Status != 0 && s.Cut != edge.NoCut:
		return nil, fmt.Errorf("%w: a connection that is cut answers nothing", ErrFault)
	}
	if s.API == "" && s.Operation == "" && s.Status == 0 {
		return nil, nil
	}
	return f.answers(s)
}

// answers gives what the fault answers, by operation, nil if that is nothing.
// Errors: ErrFault, if it is of no operation; ErrUndeclared.
func (f *Faults) answers(s FaultSpec) (map[[2]string]edge.Answer, error) {
	contracts, err := f.contracts()
	if err != nil {
		return nil, err
	}
	known, of := false, false
	var undeclared error
	answers := map[[2]string]edge.Answer{}
	for _, c := range contracts {
		if s.API != "" && s.API != c.Name() {
			continue
		}
		known = true
		for _, op := range c.Operations() {
			if s.Operation != "" && s.Operation != op.ID || s.Method != "" && s.Method != op.Method {
				continue
			}
			of = true
			if s.Status == 0 || !slices.Contains(op.Statuses, s.Status) {
				continue
			}
			body, header, err := c.Example(op.ID, s.Status, s.Example)
			if err != nil {
				undeclared = err
				continue
			}
			answers[[2]string{c.Name(), op.ID}] = answerOf(s.Status, body, header)
		}
	}
	switch {
	case !known:
		return nil, fmt.Errorf("%w: no API is called %q", ErrFault, s.API)
	case s.Operation != "" && !of:
		return nil, fmt.Errorf("%w: no operation is called %q, or it has another verb", ErrFault, s.Operation)
	case s.Status == 0:
		return nil, nil
	case len(answers) > 0:
		return answers, nil
	case undeclared != nil:
		return nil, fmt.Errorf("%w: %w", ErrUndeclared, undeclared)
	}
	return nil, fmt.Errorf("%w: none of the operations declares %d", ErrUndeclared, s.Status)
}

// answerOf is an example as the edge sends it.
func answerOf(status int, body []byte, header http.Header) edge.Answer {
	header = header.Clone()
	a := edge.Answer{Status: status, Refusal: true, ContentType: header.Get("Content-Type"), Body: body, Header: header}
	header.Del("Content-Type")
	return a
}

// List gives the rules in the order in which they are asked.
func (f *Faults) List() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	faults := make([]Fault, len(f.rules))
	for i, r := range f.rules {
		faults[i] = r.Fault
	}
	return faults
}

// Delete takes a rule away, and says whether there was one of that id.
func (f *Faults) Delete(id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(f.rules)
	f.rules = slices.DeleteFunc(f.rules, func(r *rule) bool { return r.ID == id })
	f.any.Store(len(f.rules) > 0)
	return len(f.rules) < n
}

// Clear takes every rule away.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = nil
	f.any.Store(false)
}

// of is what goes wrong with a call; nil: nothing.
func (f *Faults) of(call *edge.Call) *edge.Fault {
	if !f.any.Load() {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.rules {
		if r.fits(call) && r.turn() {
			return r.fault(call)
		}
	}
	return nil
}

func (r *rule) fits(call *edge.Call) bool {
	s := r.Spec
	if s.API != "" && s.API != call.API || s.Operation != "" && s.Operation != call.Operation || s.Method != "" && s.Method != call.Request.Method {
		return false
	}
	if r.answers == nil {
		return true
	}
	_, answers := r.answers[[2]string{call.API, call.Operation}]
	return answers
}

// turn counts a call that the rule fits, and says whether something is to happen.
func (r *rule) turn() bool {
	r.Calls++
	s := r.Spec
	switch {
	case s.First > 0 && r.Calls > int64(s.First),
		s.Every > 0 && r.Calls%int64(s.Every) != 0,
		r.chance != nil && r.chance.Float64() >= *s.Probability:
		return false
	}
	r.Applied++
	return true
}

func (r *rule) fault(call *edge.Call) *edge.Fault {
	fault := &edge.Fault{Rule: r.ID, Delay: r.Spec.Delay, Cut: r.Spec.Cut, Rate: r.Spec.Rate}
	if a, ok := r.answers[[2]string{call.API, call.Operation}]; ok {
		a.Header = maps.Clone(a.Header) // the edge may write to it
		fault.Answer = &a
	}
	return fault
}
