package password

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Policy is what a new password must look like, as data. A zero field asks
// for nothing, so the zero Policy accepts every password, the empty one too.
type Policy struct {
	MinLength, MaxLength int  // in code points, or in bytes if Bytes
	Bytes                bool // lengths count bytes of UTF-8

	MinLower, MinUpper int // lower and upper case letters
	MinLetters         int // letters of any case, those of scripts without case included
	MinDigits          int // decimal digits of any script
	MinSpecial         int // code points that are neither letter nor digit
	MinClasses         int // how many of lower case, upper case, digit and special must occur

	NoNewlines bool // none of LF, CR, NEL, LS and PS, where common regular expressions see a line end

	// Unique is how many of a user's passwords, the present one included, the
	// new one must differ from. Check does not know them and leaves it to whoever
	// keeps them.
	Unique int
}

// Rule names the part of a [Policy] that a [Violation] is about.
type Rule uint8

// The rules, in the order in which [Policy.Check] looks at them, then those that
// it does not know.
const (
	MinLength Rule = iota
	MaxLength
	MinLower
	MinUpper
	MinLetters
	MinDigits
	MinSpecial
	MinClasses
	NoNewlines
	Reused  // Policy.Unique
	Common  // see Screen.Check
	OwnName // see Screen.Check
)

// String returns the rule's name in lower case, "min-length" for MinLength.
func (r Rule) String() string {
	names := [...]string{
		"min-length", "max-length", "min-lower", "min-upper",
		"min-letters", "min-digits", "min-special", "min-classes", "no-newlines", "reused", "common", "own-name",
	}
	if int(r) < len(names) {
		return names[r]
	}
	return "unknown"
}

// Violation is one rule that a password does not meet: how much the policy
// wants, and how much there was. For NoNewlines Want is 0, for Reused Got, for
// Common and OwnName both.
type Violation struct {
	Rule      Rule
	Want, Got int
}

// String returns the rule and what it wants, "min-length: want 8". How much there
// was would tell of the password.
func (v Violation) String() string {
	if v.Want == 0 {
		return v.Rule.String()
	}
	return fmt.Sprintf("%v: want %d", v.Rule, v.Want)
}

// Check returns the rules that p does not meet, nil if it meets them all, in
// this order: MinLength, MaxLength, MinLower, MinUpper, MinLetters, MinDigits,
// MinSpecial, MinClasses, NoNewlines.
func (y Policy) Check(p Plain) []Violation {
	length := utf8.RuneCountInString(string(p))
	if y.Bytes {
		length = len(p)
	}
	var lower, upper, letters, digits, special, newlines int
	for _, r := range string(p) {
		switch {
		case unicode.IsLetter(r):
			letters++
			if unicode.IsLower(r) {
				lower++
			} else if unicode.IsUpper(r) {
				upper++
			}
		case unicode.IsDigit(r):
			digits++
		default:
			special++
			if strings.ContainsRune("\n\r\u0085\u2028\u2029", r) {
				newlines++
			}
		}
	}
	classes := min(lower, 1) + min(upper, 1) + min(digits, 1) + min(special, 1)

	var vs []Violation
	atLeast := func(rule Rule, want, got int) {
		if got < want {
			vs = append(vs, Violation{rule, want, got})
		}
	}
	atLeast(MinLength, y.MinLength, length)
	if y.MaxLength > 0 && length > y.MaxLength {
		vs = append(vs, Violation{MaxLength, y.MaxLength, length})
	}
	atLeast(MinLower, y.MinLower, lower)
	atLeast(MinUpper, y.MinUpper, upper)
	atLeast(MinLetters, y.MinLetters, letters)
	atLeast(MinDigits, y.MinDigits, digits)
	atLeast(MinSpecial, y.MinSpecial, special)
	atLeast(MinClasses, y.MinClasses, classes)
	if y.NoNewlines && newlines > 0 {
		vs = append(vs, Violation{NoNewlines, 0, newlines})
	}
	return vs
}
