package storage

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"

	"usher/storage/password"
)

// maxProofs bounds the memory for proven passwords: 10 000 users at some 200
// bytes each. Whoever is not among the last that many pays for a hash again.
const maxProofs = 10_000

// proofs remembers which passwords have been proven right, so that a client
// that sends its password with every request pays for the hash once.
//
// It keeps, for a user, an HMAC of the password under a key that is made when
// the store is opened and never leaves it, together with the version of the
// password it was proven against. The version is read from the table on each
// call, and a version is never used twice (see newVersion): as soon as another
// password is set, by whichever process, or the user is deleted and made
// again, what is remembered here is worthless.
//
// Only a right answer is quick. A wrong password costs its hash whether or not
// the right one is remembered, or this would be a way to guess quickly, and to
// find out who has logged in lately.
type proofs struct {
	macs  sync.Pool // of *mac
	known *lru.Cache[proofKey, proof]
}

type proofKey struct{ directory, id string }

type proof struct {
	version int64
	sum     [sha256.Size]byte
}

// mac is an HMAC keyed once, which is most of its cost, and its input.
type mac struct {
	hash.Hash
	buf []byte
}

func newProofs() *proofs {
	key := make([]byte, sha256.Size)
	rand.Read(key) // never fails: it ends the process instead
	known, err := lru.New[proofKey, proof](maxProofs)
	if err != nil {
		panic(err) // only for a size below one
	}
	return &proofs{
		macs:  sync.Pool{New: func() any { return &mac{Hash: hmac.New(sha256.New, key)} }},
		known: known,
	}
}

// sum is the HMAC over directory, id, version and password, each string
// preceded by its length, so that no two lists of them are the same input.
func (p *proofs) sum(directory string, a *account, plain password.Plain) (sum [sha256.Size]byte) {
	m, _ := p.macs.Get().(*mac)
	b := m.buf[:0]
	for _, s := range [...]string{directory, a.ID, string(plain)} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(s)))
		b = append(b, s...)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(a.version)) //nolint:gosec // G115: the bits, not the number
	m.Reset()
	_, _ = m.Write(b) // no hash ever fails
	m.Sum(sum[:0])
	clear(b) // it has the password in it
	m.buf = b
	p.macs.Put(m)
	return sum
}

// holds reports whether plain is known to be a's password.
func (p *proofs) holds(directory string, a *account, plain password.Plain) bool {
	k, ok := p.known.Get(proofKey{directory, a.ID})
	if !ok || k.version != a.version {
		return false
	}
	sum := p.sum(directory, a, plain)
	return hmac.Equal(k.sum[:], sum[:])
}

// remember keeps that plain is a's password.
func (p *proofs) remember(directory string, a *account, plain password.Plain) {
	p.known.Add(proofKey{directory, a.ID}, proof{a.version, p.sum(directory, a, plain)})
}

// prove returns nil if plain is a's password, fresh if that took a hash to find
// out; a nil stands for a user that there is not. Errors: Throttled, before any
// look at the password; WrongPassword, after one hash in any case; Busy; those of
// ctx.
func (d *Directory) prove(ctx context.Context, at attempt, a *account, plain password.Plain) (fresh bool, err error) {
	if err := d.s.throttle.check(at); err != nil {
		return false, err // without a turn at the hasher, which others need
	}
	known := a != nil && a.hash != ""
	if known && d.s.proofs.holds(d.name, a, plain) {
		d.s.throttle.succeed(at)
		return false, nil
	}
	err = d.s.hasher.run(ctx, func() error {
		giveBack, err := d.s.throttle.take(at)
		if err != nil {
			return err
		}
		fresh, err = d.verify(known, a, plain)
		if KindOf(err) != WrongPassword {
			giveBack()
		}
		return err
	})
	if err == nil {
		d.s.throttle.succeed(at)
	}
	return fresh, err
}

// verify is prove once there is a turn at the hasher.
func (d *Directory) verify(known bool, a *account, plain password.Plain) (fresh bool, err error) {
	wrong := &Error{Kind: WrongPassword}
	if !known {
		_ = d.s.hasher.verify(d.s.hasher.dummy, plain)
		return false, wrong
	}
	// Clients that start at the same moment wait here for the same proof: one of
	// them may have made it meanwhile.
	if d.s.proofs.holds(d.name, a, plain) {
		return false, nil
	}
	err = d.s.hasher.verify(a.hash, plain)
	if !errors.Is(err, password.ErrMismatch) {
		return err == nil, err
	}
	if password.NeedsRehash(a.hash, d.s.hasher.params) {
		// An older hash may cost less, and a quick no would say that there is
		// such a user.
		_ = d.s.hasher.verify(d.s.hasher.dummy, plain)
	}
	return false, wrong
}
