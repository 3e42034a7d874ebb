package storage

import (
	"container/heap"
	"errors"
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Rate is a token bucket: how many attempts to prove a password may fail, and
// how soon another is granted. Attempts that succeed cost nothing.
type Rate struct {
	Burst int           // failures in a row, 1 and more; less than zero: any number
	Every time.Duration // the time in which one more is granted, above zero
}

// What a test suite with hundreds of logins does not feel, and a guesser does:
// 2 880 guesses a day at an account, 86 400 from an address.
var (
	DefaultAccountRate = Rate{Burst: 100, Every: 30 * time.Second}
	DefaultSourceRate  = Rate{Burst: 1000, Every: time.Second}
)

// Check returns an error if l is outside the bounds given at its fields, or
// needs more than ten years to recover.
func (l Rate) Check() error {
	const longest = 10 * 365 * 24 * time.Hour
	switch {
	case l.Burst < 0:
		return nil
	case l.Burst == 0:
		return errors.New("a limit that lets no attempt fail lets nobody in")
	case l.Every <= 0:
		return errors.New("a limit needs a time in which an attempt is granted again")
	case l.Every > longest/time.Duration(l.Burst):
		return errors.New("a limit must recover within ten years")
	}
	return nil
}

// maxBuckets bounds the memory for counting failures: 50 000 accounts, as many
// sources, and as many pairs of the two, less than 32 MiB altogether.
//
// Room is made by forgetting the account, or source, that is the first to have all
// its attempts again: as long as one has, nothing is lost. For there to be none
// takes 50 000 names, guessed at again and again: with the default rates 300
// failures a second, which are as many hashes, from 300 addresses. Pairs, which only
// the right password makes, are forgotten in the order of their last use.
const maxBuckets = 50_000

// maxPairs is how many pairs an account has at most, so that nobody has those of
// others forgotten by logging in from a network's worth of addresses.
const maxPairs = 64

// throttle slows down who guesses passwords, in this process' memory.
//
// Failures are counted by account, which is a directory, a realm and a name,
// whether or not there is such a user; and by source, whichever directory it asks,
// which is an IPv4 address or the /64 of an IPv6 one, since that is the least that a
// network is given. While one of the two has no attempt left, every attempt is refused without
// a look at the password, the right one too: otherwise guessing would go on, with
// success alone to be seen.
//
// A user's e-mail address, or id, counts as the name: nobody has twice as many
// guesses at who can be called in two ways. So whoever uses up all attempts at a name
// can then tell whether an address is that user's: a guess at that costs a burst.
//
// A source that has proven a password of the account's has a bucket of its own there,
// and is held against no other, so that the owner is locked out there neither by
// strangers nor by a neighbour who guesses at other accounts. It outlives the
// password: an owner who is given another one while strangers guess could prove it
// nowhere. Its successes forgive it its failures there, unless the source as a whole
// has too many, or no limit, so that whoever guesses from where the owner is has the
// source's rate, or the account's. Nothing else forgives: if a login filled the
// account's own bucket, strangers could tell by that which names are in use, and would
// get the more guesses the busier the account is.
type throttle struct {
	account, source Rate
	now             func() time.Time
	seed            maphash.Seed // so that nobody can make two names share a bucket

	mu                sync.Mutex
	latest            time.Time // that it was
	accounts, sources *buckets
	pairs             *simplelru.LRU[uint64, *bucket]
}

// buckets are maxBuckets at most, by key.
type buckets struct {
	byKey map[uint64]*bucket
	heap  []*bucket // by full, the earliest first
}

// bucket counts failures, by the time at which all that they cost is granted
// again.
type bucket struct {
	Rate
	full  time.Time
	noted bool   // that attempts are refused, since the last that was not
	from  uint64 // of a pair: the source that it is of, hashed

	in    *buckets // nil: of a pair, or forgotten
	key   uint64
	index int // in.heap's
}

// attempt is one at proving a password, by the keys that it counts under; 0: it
// does not.
type attempt struct {
	account, source, pair uint64
	from                  uint64 // the source, whether or not it counts
}

func newThrottle(account, source Rate, now func() time.Time) *throttle {
	pairs, err := simplelru.NewLRU[uint64, *bucket](maxBuckets, nil)
	if err != nil {
		panic(err) // only for a size below one
	}
	return &throttle{
		account: account, source: source, now: now, seed: maphash.MakeSeed(),
		accounts: &buckets{byKey: map[uint64]*bucket{}}, sources: &buckets{byKey: map[uint64]*bucket{}}, pairs: pairs,
	}
}

// attempt says what one counts as: at the user a or, if that is nil, at a name that
// nobody has.
func (t *throttle) attempt(directory string, by Actor, a *account, realm, name string) (at attempt) {
	type key struct{ directory, realm, name string }
	type pairKey struct {
		directory, id string
		place         uint64
	}
	source := Network(by.Source)
	at.from = maphash.Comparable(t.seed, source)
	if a != nil {
		realm, name = a.Realm, a.Name
		if t.account.Burst > 0 || t.source.Burst > 0 {
			at.pair = maphash.Comparable(t.seed, pairKey{directory, a.ID, at.from % maxPairs})
		}
	}
	if t.account.Burst > 0 {
		at.account = maphash.Comparable(t.seed, key{directory, realm, name})
	}
	if t.source.Burst > 0 && source != "" {
		at.source = at.from
	}
	return at
}

// Network is what counts as one source of requests: an IPv4 address, or the /64 of
// an IPv6 one; what is no address is returned as it is.
func Network(source string) string {
	a, err := netip.ParseAddr(source)
	if err != nil {
		return source // whatever stands for an address where there is none
	}
	if a = a.Unmap().WithZone(""); a.Is4() {
		return a.String()
	}
	return netip.PrefixFrom(a, 64).Masked().String()
}

// time is what it is. If that is earlier than it was before, somebody has set the
// clock back: what was counted by it then would last until that time comes again.
func (t *throttle) time() time.Time {
	now := t.now()
	if now.Before(t.latest) {
		t.accounts, t.sources = &buckets{byKey: map[uint64]*bucket{}}, &buckets{byKey: map[uint64]*bucket{}}
		t.pairs.Purge()
	}
	t.latest = now
	return now
}

// check returns Throttled for an attempt that would be refused.
func (t *throttle) check(at attempt) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.refusal(at, t.time())
}

// take takes an attempt out of the buckets, so that of those made at the same
// time no more fail than are left; giveBack undoes it, for one that has not
// failed. Errors: Throttled.
func (t *throttle) take(at attempt) (giveBack func(), err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.time()
	if err := t.refusal(at, now); err != nil {
		return nil, err
	}
	first := t.pair(at)
	if first == nil {
		first = t.accounts.obtain(at.account, t.account)
	}
	taken := [...]*bucket{first, t.sources.obtain(at.source, t.source)}
	for _, b := range taken {
		b.take(now)
	}
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		for _, b := range taken {
			b.giveBack()
		}
	}, nil
}

// succeed notes that the password was proven. A source takes the place of one whose
// hash is alike, which counts as any other again.
func (t *throttle) succeed(at attempt) {
	if at.pair == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if b := t.pair(at); b == nil {
		rate := t.account
		if rate.Burst < 0 {
			rate = t.source
		}
		t.pairs.Add(at.pair, &bucket{Rate: rate, from: at.from})
	} else if at.source != 0 && t.sources.byKey[at.source].wait(t.time()) <= 0 {
		b.full = time.Time{}
	}
}

// note reports whether a refusal is the first since an attempt was granted.
func (t *throttle) note(at attempt) (first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, b := range t.against(at) {
		if b.wait(t.time()) > 0 && !b.noted {
			b.noted, first = true, true
		}
	}
	return first
}

// refusal is Throttled if a bucket is empty that the attempt is held against.
func (t *throttle) refusal(at attempt, now time.Time) error {
	var longest time.Duration
	for _, b := range t.against(at) {
		longest = max(longest, b.wait(now))
	}
	if longest > 0 {
		return &Error{Kind: Throttled, RetryAfter: longest}
	}
	return nil
}

// against are the buckets that decide; nil: one that nothing was taken from.
func (t *throttle) against(at attempt) [2]*bucket {
	if b := t.pair(at); b != nil {
		return [2]*bucket{b}
	}
	return [2]*bucket{t.accounts.byKey[at.account], t.sources.byKey[at.source]}
}

// pair is the bucket of a source that has proven a password of the account's, nil if
// it has not.
func (t *throttle) pair(at attempt) *bucket {
	if b, ok := t.pairs.Get(at.pair); ok && b.from == at.from {
		return b
	}
	return nil
}

// obtain gives the bucket under a key, made if it is missing; nil for none.
func (bs *buckets) obtain(key uint64, r Rate) *bucket {
	b := bs.byKey[key]
	if b != nil || key == 0 {
		return b
	}
	if len(bs.heap) == maxBuckets {
		heap.Pop(bs)
	}
	b = &bucket{Rate: r, in: bs, key: key}
	heap.Push(bs, b)
	return b
}

// The methods of heap.Interface.

func (bs *buckets) Len() int           { return len(bs.heap) }
func (bs *buckets) Less(i, j int) bool { return bs.heap[i].full.Before(bs.heap[j].full) }

func (bs *buckets) Swap(i, j int) {
	h := bs.heap
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (bs *buckets) Push(x any) {
	b, _ := x.(*bucket)
	b.index = len(bs.heap)
	bs.heap, bs.byKey[b.key] = append(bs.heap, b), b
}

func (bs *buckets) Pop() any {
	last := len(bs.heap) - 1
	b := bs.heap[last]
	bs.heap[last] = nil
	bs.heap, b.in = bs.heap[:last], nil
	delete(bs.byKey, b.key)
	return b
}

// wait is how long it takes until an attempt is granted, zero or less if one is
// now.
func (b *bucket) wait(now time.Time) time.Duration {
	if b == nil || !b.full.After(now) {
		return 0
	}
	return b.full.Sub(now) - time.Duration(b.Burst-1)*b.Every
}

// take takes an attempt out. A source's bucket may owe some, of failures that are
// held against a pair: were they not made good for, each success that comes
// thereafter would forgive more of them than the source's rate lets pass.
func (b *bucket) take(now time.Time) {
	if b == nil {
		return
	}
	b.noted = false
	if b.full.Before(now) {
		b.full = now
	}
	b.add(b.Every)
}

// giveBack puts back what was taken out.
func (b *bucket) giveBack() {
	if b != nil {
		b.add(-b.Every)
	}
}

func (b *bucket) add(d time.Duration) {
	b.full = b.full.Add(d)
	if b.in != nil {
		heap.Fix(b.in, b.index)
	}
}
