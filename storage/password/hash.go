package password

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// What [Verify] and [CheckEncoded] say about a hash; compare with [errors.Is].
var (
	// ErrMismatch says that the password is not the one that was hashed.
	ErrMismatch = errors.New("password: mismatch")
	// ErrMalformed says that the encoded hash is none that this package
	// understands, or lies outside the bounds listed at [CheckEncoded].
	ErrMalformed = errors.New("password: malformed hash")
)

// Bounds of what a hash may cost and look like. They exist because hashes are
// imported: without them a line of text could ask for gigabytes, or for days.
const (
	maxMemory  = 256 << 10 // KiB: libsodium's MODERATE, the most that common tools write
	maxTime    = 16        // passes; with maxMemory some 3 s on one core
	maxThreads = 16
	minSalt    = 8  // bytes, RFC 9106 section 3.1
	minKey     = 16 // bytes: 128 bits
	maxField   = 64 // bytes of salt, and of key

	minBcryptCost = bcrypt.MinCost
	maxBcryptCost = 15 // some 2 s on one core; each step doubles it
	bcryptLength  = 60 // characters of every encoding
	bcryptReads   = 72 // bytes of the password; it does not see the rest

	saltLength = 16 // bytes, of new hashes: RFC 9106 section 3.1
	keyLength  = 32 // bytes, of new hashes

	prefix = "$argon2id$v=19$"
)

// Params is the work an argon2id hash costs.
type Params struct {
	Memory  uint32 // KiB, 8 for each thread to 262144 (256 MiB)
	Time    uint32 // passes over the memory, 1 to 16
	Threads uint8  // lanes, 1 to 16
}

// DefaultParams is 19 MiB, two passes, one lane: the least that OWASP's
// Password Storage Cheat Sheet recommends for argon2id with little memory per
// hash, so that a server can run one on each core without reserving gigabytes.
var DefaultParams = Params{Memory: 19456, Time: 2, Threads: 1}

// Check returns an error if p is outside the bounds given at its fields.
func (p Params) Check() error {
	switch {
	case p.Threads < 1 || p.Threads > maxThreads:
		return fmt.Errorf("password: threads %d: want 1 to %d", p.Threads, maxThreads)
	case p.Time < 1 || p.Time > maxTime:
		return fmt.Errorf("password: time %d: want 1 to %d", p.Time, maxTime)
	case p.Memory < 8*uint32(p.Threads) || p.Memory > maxMemory:
		return fmt.Errorf("password: memory %d KiB: want 8 per thread to %d", p.Memory, maxMemory)
	}
	return nil
}

// minMemory is the least memory, in KiB, for so many passes: index 0 for one,
// the last for its number and more. The figures are those of OWASP's Password
// Storage Cheat Sheet for argon2id, which it takes for equally strong.
var minMemory = [...]uint32{47104, 19456, 12288, 9216, 7168}

// CheckStrength returns an error if p is out of bounds, or costs a guesser less
// than OWASP's least: for 1 pass 47104 KiB, for 2 19456, 3 12288, 4 9216, 5 and
// more 7168, however many threads there are.
func (p Params) CheckStrength() error {
	if err := p.Check(); err != nil {
		return err
	}
	if least := minMemory[min(int(p.Time), len(minMemory))-1]; p.Memory < least {
		return fmt.Errorf("password: memory %d KiB: want at least %d with time %d", p.Memory, least, p.Time)
	}
	return nil
}

// Hash returns the PHC string of p's argon2id hash under a new random salt,
// $argon2id$v=19$m=19456,t=2,p=1$salt$key. It fails only if params are out of
// bounds. It takes as long, and as much memory, as params say.
func Hash(p Plain, params Params) (string, error) {
	if err := params.Check(); err != nil {
		return "", err
	}
	salt := make([]byte, saltLength)
	rand.Read(salt) // never fails: it ends the process instead
	return argon{params: params, salt: salt, key: params.key(p, salt, keyLength)}.String(), nil
}

// DefaultBcryptCost and what [Bcrypt] takes at least are what OWASP's Password
// Storage Cheat Sheet asks for.
const DefaultBcryptCost = 10

// Bcrypt returns p's bcrypt hash, $2a$, for whoever takes no other. Errors: cost
// is not 10 to 15; p has more than 72 bytes or a NUL among them, of which bcrypt
// would see only a part ([Verify] accepts neither).
func Bcrypt(p Plain, cost int) (string, error) {
	switch {
	case cost < DefaultBcryptCost || cost > maxBcryptCost:
		return "", fmt.Errorf("password: bcrypt cost %d: want %d to %d", cost, DefaultBcryptCost, maxBcryptCost)
	case len(p) > bcryptReads:
		return "", fmt.Errorf("password: bcrypt takes at most %d bytes", bcryptReads)
	case strings.Contains(string(p), "\x00"):
		return "", errors.New("password: bcrypt takes no NUL")
	}
	encoded, err := bcrypt.GenerateFromPassword([]byte(p), cost)
	return string(encoded), err
}

// Dummy returns a hash that no password is known to match and that costs as
// much to verify as one made by [Hash] with the same params: what to verify
// against when there is no user, so that the answer takes as long.
func Dummy(params Params) string {
	return argon{params: params, salt: make([]byte, saltLength), key: make([]byte, keyLength)}.String()
}

// Verify returns nil if p is the password that encoded was made of, by
// argon2id or bcrypt; [ErrMismatch] if it is not; and an error wrapping
// [ErrMalformed], before any work, if [CheckEncoded] does.
//
// A password of more than 72 bytes never matches a bcrypt hash: bcrypt would
// ignore what follows, and so accept what was never set.
func Verify(encoded string, p Plain) error {
	if isBcrypt(encoded) {
		if err := checkBcrypt(encoded); err != nil {
			return err
		}
		// bcrypt sees no more than the first 72 bytes, and takes a password
		// and a NUL for the end of one turn of its key: "p" and "p\x00p" are
		// the same to it. Both are looked at last, so that they do not show in
		// the time taken.
		err := bcrypt.CompareHashAndPassword([]byte(encoded), []byte(p))
		switch {
		case errors.Is(err, bcrypt.ErrMismatchedHashAndPassword), len(p) > bcryptReads, strings.Contains(string(p), "\x00"):
			return ErrMismatch
		case err != nil:
			return fmt.Errorf("%w: bcrypt", ErrMalformed)
		}
		return nil
	}
	a, err := parseArgon(encoded)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(a.key, a.params.key(p, a.salt, len(a.key))) != 1 {
		return ErrMismatch
	}
	return nil
}

// NeedsRehash reports whether encoded should be made anew, now that its
// password is known: if it is no argon2id hash, or one that costs something
// else than params. It is true for a hash that costs more, too: whoever lowers
// the parameters wants them low.
func NeedsRehash(encoded string, params Params) bool {
	a, err := parseArgon(encoded)
	return err != nil || a.params != params
}

// CheckEncoded returns nil if [Verify] would accept encoded as a hash, and an
// error wrapping [ErrMalformed] that says what is wrong with it otherwise:
//
//   - argon2id: $argon2id$v=19$m=…,t=…,p=…$salt$key, the numbers within the
//     bounds of [Params], salt (8 to 64 bytes) and key (16 to 64) in standard
//     base64 without padding;
//   - bcrypt: $2a$, $2b$ or $2y$, cost 04 to 15, 53 characters.
func CheckEncoded(encoded string) error {
	if isBcrypt(encoded) {
		return checkBcrypt(encoded)
	}
	_, err := parseArgon(encoded)
	return err
}

// key derives n bytes from plain.
func (p Params) key(plain Plain, salt []byte, n int) []byte {
	return argon2.IDKey([]byte(plain), salt, p.Time, p.Memory, p.Threads, uint32(n)) //nolint:gosec // G115: n is maxField at most
}

// argon is an argon2id hash taken apart.
type argon struct {
	params    Params
	salt, key []byte
}

// String returns the PHC string.
func (a argon) String() string {
	return fmt.Sprintf("%sm=%d,t=%d,p=%d$%s$%s", prefix, a.params.Memory, a.params.Time, a.params.Threads,
		base64.RawStdEncoding.EncodeToString(a.salt), base64.RawStdEncoding.EncodeToString(a.key))
}

func parseArgon(encoded string) (a argon, err error) {
	rest, ok := strings.CutPrefix(encoded, prefix)
	if !ok {
		return argon{}, fmt.Errorf("%w: want %s, $2a$, $2b$ or $2y$", ErrMalformed, prefix)
	}
	parts := strings.Split(rest, "$")
	if len(parts) != 3 {
		return argon{}, fmt.Errorf("%w: want parameters, salt and key", ErrMalformed)
	}
	p := &a.params
	if _, err := fmt.Sscanf(parts[0], "m=%d,t=%d,p=%d", &p.Memory, &p.Time, &p.Threads); err != nil {
		return argon{}, fmt.Errorf("%w: want m=…,t=…,p=…", ErrMalformed)
	}
	if err := p.Check(); err != nil {
		return argon{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if a.salt, err = base64.RawStdEncoding.DecodeString(parts[1]); err != nil || len(a.salt) < minSalt || len(a.salt) > maxField {
		return argon{}, fmt.Errorf("%w: want a salt of %d to %d bytes", ErrMalformed, minSalt, maxField)
	}
	if a.key, err = base64.RawStdEncoding.DecodeString(parts[2]); err != nil || len(a.key) < minKey || len(a.key) > maxField {
		return argon{}, fmt.Errorf("%w: want a key of %d to %d bytes", ErrMalformed, minKey, maxField)
	}
	// The above lets signs, zeros in front, line ends and stray bits pass.
	if a.String() != encoded {
		return argon{}, fmt.Errorf("%w: not in its canonical form", ErrMalformed)
	}
	return a, nil
}

// isBcrypt tells bcrypt's prefixes apart: $2a$ and $2b$ are the same to
// anything newer than 2014, $2y$ is PHP's name for them. $2$ and $2x$ mark
// implementations with known faults and are not understood.
func isBcrypt(encoded string) bool {
	return len(encoded) >= 4 && (encoded[:4] == "$2a$" || encoded[:4] == "$2b$" || encoded[:4] == "$2y$")
}

// checkBcrypt checks what follows the prefix: two digits of cost, 22
// characters of salt, 31 of key.
func checkBcrypt(encoded string) error {
	if len(encoded) != bcryptLength || encoded[6] != '$' {
		return fmt.Errorf("%w: a bcrypt hash has %d characters", ErrMalformed, bcryptLength)
	}
	tens, ones := encoded[4]-'0', encoded[5]-'0' // of anything but a digit, more than 9
	cost := int(tens)*10 + int(ones)
	if tens > 9 || ones > 9 || cost < minBcryptCost || cost > maxBcryptCost {
		return fmt.Errorf("%w: want a bcrypt cost of %d to %d", ErrMalformed, minBcryptCost, maxBcryptCost)
	}
	for _, c := range []byte(encoded[7:]) {
		switch {
		case c == '.', c == '/', '0' <= c && c <= '9', 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z':
		default:
			return fmt.Errorf("%w: not bcrypt's base64", ErrMalformed)
		}
	}
	return nil
}
