package edge

import (
	"fmt"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// The errors below are what the edge itself refuses a request with. They reach
// an API through API.Fail, which words them as its vendor does.

// RouteError says that no operation answers the path, or none of this verb.
type RouteError struct {
	Method string
	Path   string   // unescaped, without the query
	Allow  []string // the verbs that the path has, sorted; empty: there is no such path
}

func (e *RouteError) Error() string {
	if len(e.Allow) > 0 {
		return "no such method on this path"
	}
	return "no such path"
}

// BodyFault is what is wrong with a body that cannot be read as one JSON value.
type BodyFault int

// The faults of a body.
const (
	BodyEmpty     BodyFault = iota + 1 // nothing was sent
	BodyMalformed                      // not JSON
	BodyTooLarge                       // beyond Options.BodyLimit
	BodyMediaType                      // a Content-Type that the operation does not take
	BodyEncoding                       // not UTF-8: a password would be altered in silence
	BodyUnread                         // the connection broke; or it came too slowly: Err is os.ErrDeadlineExceeded
)

// BodyError says that the body could not be read as one JSON value.
type BodyError struct {
	Fault BodyFault
	Limit int64  // BodyTooLarge: the limit, in bytes
	Raw   []byte // BodyMalformed, BodyEncoding: what was sent, for vendors that say where it broke; a secret
	Err   error  // BodyMalformed, BodyUnread: the parser's or the connection's words
}

// Error never shows what was sent.
func (e *BodyError) Error() string {
	switch e.Fault {
	case BodyEmpty:
		return "the body is empty"
	case BodyTooLarge:
		return fmt.Sprintf("the body is larger than %d bytes", e.Limit)
	case BodyMediaType:
		return "the body is of another media type"
	case BodyEncoding:
		return "the body is not UTF-8"
	case BodyUnread:
		return "the body could not be read"
	default:
		return "the body is not JSON"
	}
}

// Unwrap gives the cause.
func (e *BodyError) Unwrap() error { return e.Err }

// InvalidError says that a request does not fit its contract. Problems come in
// the contract's order: parameters as declared, then the body's members by
// their x-order.
type InvalidError struct {
	Problems []Problem
}

func (e *InvalidError) Error() string {
	words := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		words[i] = p.In + " " + strings.Join(p.Path, ".") + ": " + p.Keyword
	}
	return "the request does not fit the contract: " + strings.Join(words, "; ")
}

// Problem is one thing that does not fit.
type Problem struct {
	In      string           // "body", "path", "query" or "header"
	Path    []string         // the parameter, or the members and indices from the body's root down
	Keyword string           // what was not met, in JSON Schema's words: required, type, minLength, pattern …; "nullable" for a null
	Schema  *openapi3.Schema // of the value: its limits, pattern, values; may be nil
	Got     string           // the value's JSON type (null, boolean, number, string, array, object); empty: there is none
	Empty   bool             // the value is an empty string, array or object
	Value   string           // a parameter as sent; never a member of a body, which may be a password

	order []int
}

// Member is the name that the problem is about: the last of its path.
func (p Problem) Member() string {
	if len(p.Path) == 0 {
		return ""
	}
	return p.Path[len(p.Path)-1]
}

// CallerError is an error of API.Authenticate that refuses the caller, although the
// same from a handler would not, as API.Denied has it: too many wrong passwords, for
// one. It is worded as Err is.
type CallerError struct{ Err error }

func (e *CallerError) Error() string { return e.Err.Error() }

// Unwrap gives the error itself.
func (e *CallerError) Unwrap() error { return e.Err }

// PanicError says that a handler panicked.
type PanicError struct {
	Stack []byte
	cause string
}

// Error gives the words of the runtime's own panics only: any other value may
// hold whatever the code had at hand.
func (e *PanicError) Error() string { return "panic: " + e.cause }
