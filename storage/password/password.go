// Package password turns secrets into hashes and back into yes or no.
//
// It holds what one needs to treat a password well and nothing else: [Plain],
// a secret that no formatting verb and no logger prints; [Hash] and [Verify]
// over self-describing encodings (argon2id in PHC form, bcrypt for hashes
// that come from elsewhere, or go there: [Bcrypt]); [Policy], the rules a new
// password must meet, as data; and [Screen], which finds those that a guesser
// tries first.
//
// It never stores anything, never starts a goroutine that outlives a call, and
// never limits how many hashes run at once: package storage does, in its
// hashing pool. Nothing in its errors repeats a password or a hash.
package password

import (
	"fmt"
	"io"
	"log/slog"
)

// Plain is a secret in plain text: a password or a token.
//
// To fmt and slog it shows as a fixed mask that does not betray its length. It
// does marshal as its text, in JSON and in whatever else looks at the kind and
// not at the methods, because generated clients have to send it. So there are
// ways to show it all the same:
//
//   - a value that holds a Plain must not be logged as JSON;
//   - in an unexported field of a struct it is out of fmt's reach, and printing
//     the struct shows it;
//   - fmt refuses %p for it, and %w other than in Errorf, by printing its text
//     without asking; go vet finds both.
type Plain string

const mask = "[redacted]"

// String returns the mask.
func (Plain) String() string { return mask }

// GoString returns the mask.
func (Plain) GoString() string { return mask }

// Format writes the mask, whatever the verb.
func (Plain) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, mask) }

// LogValue returns the mask.
func (Plain) LogValue() slog.Value { return slog.StringValue(mask) }
