// Package journal keeps the last exchanges of one world: to be read, followed as
// they happen, and held against what a test expects.
//
// No secret is kept: an exchange waits for a moment to be judged by the
// contract, which needs it as it was, and goes into the journal masked. Who reads
// waits for those that are under way, so that an exchange whose answer somebody
// has is found, with its violations. A journal's memory is bounded, in entries and
// in bytes.
//
// It speaks no HTTP and knows no vendor. Start at Journal; query.go says which
// entries fit, assert.go what was expected.
package journal

import (
	"context"
	"errors"
	"sync"

	"usher/handlers/exchange"
)

// Entry is an exchange with what only the server knows of it.
type Entry struct {
	ID uint64 // counted from 1
	exchange.Exchange
	Principal string // who called; empty: nobody who is known
	Code      string // the vendor's code of an error
	RequestID string
	Fault     string   // the rule by which it went wrong; empty: none
	Cut       string   // CutBefore or CutAfter, where the connection ended instead of the answer
	Passed    *Refusal // what enforcing authentication would have answered; nil: the same
}

// Whether a request that got no answer was handled, for Entry.Cut.
const (
	CutBefore = "before"
	CutAfter  = "after"
)

// Refusal is an answer that was not given.
type Refusal struct {
	Status int
	Code   string // the vendor's own
}

// Options bound a journal and say what judges it.
type Options struct {
	// Entries is how many are kept; 0: DefaultEntries.
	Entries int
	// Bytes is what the entries' bodies and headers may take together; 0:
	// DefaultBytes. The last entry stays, however large.
	Bytes int
	// Judge sets an exchange's operation and violations, before it is masked. It
	// runs one at a time. nil: they stay as they are.
	Judge func(*exchange.Exchange)
}

// What a journal keeps unless it is told otherwise. The exchanges of these APIs
// take a kibibyte or two.
const (
	DefaultEntries = 1000
	DefaultBytes   = 8 << 20
)

// maxPending is how many entries may wait to be judged. Who adds one more waits.
const maxPending = 64

// ErrClosed says that the journal is closed and nothing more will come.
var ErrClosed = errors.New("the journal is closed")

// Journal is the journal of one world. Its methods are safe for concurrent use.
type Journal struct {
	options Options

	mu        sync.Mutex
	judged    *sync.Cond // that something was, or that the journal was closed
	last      uint64     // the id given last
	settled   uint64     // the id judged last
	pending   []Entry    // to be judged, in the order of their ids
	working   bool       // somebody judges them
	kept      []Entry
	bytes     int
	forgotten uint64 // how many had to make room
	closed    bool
	news      chan struct{} // closed when something comes; nil: nobody waits for it
}

// New makes an empty journal.
func New(o Options) *Journal {
	if o.Entries == 0 {
		o.Entries = DefaultEntries
	}
	if o.Bytes == 0 {
		o.Bytes = DefaultBytes
	}
	j := &Journal{options: o}
	j.judged = sync.NewCond(&j.mu)
	return j
}

// Add puts an exchange into the journal, which owns all of it from then on, and
// gives it its id. An entry added after Close is dropped.
func (j *Journal) Add(e Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.pending) >= maxPending && !j.closed {
		j.judged.Wait()
	}
	if j.closed {
		return
	}
	j.last++
	e.ID = j.last
	j.pending = append(j.pending, e)
	if !j.working {
		j.working = true
		go j.work()
	}
}

// work judges what is pending, and ends when nothing is.
func (j *Journal) work() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.pending) > 0 && !j.closed {
		batch := j.pending
		j.pending = nil
		j.mu.Unlock()
		for i := range batch {
			j.judge(&batch[i].Exchange)
		}
		j.mu.Lock()
		j.keep(batch)
	}
	j.working = false
	j.judged.Broadcast()
}

// judge judges an exchange and masks it. One that makes that panic is kept without
// what came over the wire, and is the end of nothing else.
func (j *Journal) judge(e *exchange.Exchange) {
	defer func() {
		if v := recover(); v != nil {
			e.Request = exchange.Message{Method: e.Request.Method, Truncated: true}
			e.Answer = exchange.Message{Status: e.Answer.Status, Truncated: true}
			e.Violations = []exchange.Violation{exchange.NotJudged(v)}
		}
	}()
	if j.options.Judge != nil {
		j.options.Judge(e)
	}
	*e = exchange.Masked(*e)
}

// keep puts entries that were judged where readers find them.
func (j *Journal) keep(batch []Entry) {
	for _, e := range batch {
		j.settled = e.ID
		j.kept = append(j.kept, e)
		j.bytes += size(e)
		for len(j.kept) > j.options.Entries || j.bytes > j.options.Bytes && len(j.kept) > 1 {
			j.bytes -= size(j.kept[0])
			j.kept[0] = Entry{} // the array behind the slice stays for a while
			j.kept = j.kept[1:]
			j.forgotten++
		}
	}
	j.judged.Broadcast()
	j.tell()
}

// tell wakes those who follow.
func (j *Journal) tell() {
	if j.news != nil {
		close(j.news)
		j.news = nil
	}
}

// size is what an entry takes, roughly.
func size(e Entry) int {
	n := 512 + len(e.Request.URL) + len(e.Request.Body) + len(e.Answer.Body)
	for _, m := range []exchange.Message{e.Request, e.Answer} {
		for name, values := range m.Header {
			n += len(name) + 32
			for _, v := range values {
				n += len(v) + 16
			}
		}
	}
	for _, v := range e.Violations {
		n += 64 + len(v.Path) + len(v.Rule) + len(v.Message) + len(v.Contract)
	}
	return n
}

// settle waits until all that was added before is judged.
func (j *Journal) settle() {
	for last := j.last; j.settled < last && !j.closed; {
		j.judged.Wait()
	}
}

// List gives the entries that fit, oldest first, and how many the journal has
// forgotten for want of room. What they point to is shared and is not to be
// changed.
func (j *Journal) List(q Query) (entries []Entry, forgotten uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.settle()
	for _, e := range j.kept {
		if q.fits(e) {
			entries = append(entries, e)
		}
	}
	if q.Last > 0 && len(entries) > q.Last {
		entries = entries[len(entries)-q.Last:]
	}
	return entries, j.forgotten
}

// LastID is the id of the entry that was added last; 0: none was.
func (j *Journal) LastID() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
}

// Follow waits for entries after the one with that id, and gives those that fit,
// oldest first, with the id to go on from. They may be none, when there were only
// others. Errors: ctx's, ErrClosed.
func (j *Journal) Follow(ctx context.Context, after uint64, q Query) (entries []Entry, last uint64, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.settled <= after {
		if j.closed {
			return nil, after, ErrClosed
		}
		if j.news == nil {
			j.news = make(chan struct{})
		}
		news := j.news
		j.mu.Unlock()
		select {
		case <-news:
		case <-ctx.Done():
			err = ctx.Err()
		}
		j.mu.Lock()
		if err != nil {
			return nil, after, err
		}
	}
	for _, e := range j.kept {
		if e.ID > after && q.fits(e) {
			entries = append(entries, e)
		}
	}
	return entries, j.settled, nil
}

// Clear forgets every entry, those that are under way included. Ids go on.
func (j *Journal) Clear() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.settle()
	j.kept, j.bytes, j.forgotten = nil, 0, 0
}

// Close ends whoever follows. The journal can still be read.
func (j *Journal) Close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	j.judged.Broadcast()
	j.tell()
}
