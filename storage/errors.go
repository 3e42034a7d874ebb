package storage

import (
	"errors"
	"time"

	"usher/storage/password"
)

// Kind says what went wrong, for a table of answers to be keyed by.
type Kind uint8

// The kinds of failure. Each verb's comment lists those it returns; besides
// them any verb may return Internal, and the error of a context that ended
// first, which [errors.Is] finds.
const (
	Internal      Kind = iota // none of this package's: the disk, a bug, a context that ended
	NotFound                  // no such user, record, policy or token
	Exists                    // taken; Field says what: id, name or email
	Invalid                   // the call cannot be carried out as it stands; Field says why
	WrongPassword             // the credentials, or the old password, are not the right ones
	Denied                    // the user may not log in; only ever a result in the trail
	WeakPassword              // the new password breaks the policy; Violations says where
	Conflict                  // the state it builds on is not there: the password is set already
	Limit                     // the directory holds as many users as it may
	Expired                   // the token was good once
	Busy                      // too many password hashes are waiting, or the file is locked; try again
	Throttled                 // too many attempts to prove a password have failed; RetryAfter says when another is granted
)

// String returns the kind in words, "wrong password" for WrongPassword.
func (k Kind) String() string {
	names := [...]string{
		"internal", "not found", "exists", "invalid", "wrong password", "denied",
		"weak password", "conflict", "limit", "expired", "busy", "throttled",
	}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// Error is a failure that the caller may want to tell apart. Its text is for
// logs; it never holds a password, a token or a hash.
type Error struct {
	Kind       Kind
	Field      string               // of Exists and Invalid: which member, "name"
	Violations []password.Violation // of WeakPassword, in the order of password.Policy.Check
	RetryAfter time.Duration        // of Throttled: above zero, and good if nobody else tries meanwhile
	err        error                // what caused it, if there is more to say
}

// Error returns the kind, the field and the cause.
func (e *Error) Error() string {
	s := "storage: " + e.Kind.String()
	if e.Field != "" {
		s += ": " + e.Field
	}
	for _, v := range e.Violations {
		s += ": " + v.String()
	}
	if e.err != nil {
		s += ": " + e.err.Error()
	}
	return s
}

// Unwrap returns the cause, nil if the kind says it all.
func (e *Error) Unwrap() error { return e.err }

// KindOf returns the Kind of the first [Error] in err's tree, Internal if
// there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}
