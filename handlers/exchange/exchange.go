// Package exchange holds a request and its answer against an API's contract:
// which operation it is of, and what of either breaks the contract. It shows
// them without their secrets, as a line for curl too, and it gives the answers
// that a contract has examples of.
//
// It judges by the contract alone: what a vendor's server lets pass beyond that
// (another media type, null for nothing) breaks it here. Of ours it imports no more
// than what the edge makes of schemas; it keeps nothing between calls, and puts no
// value of a request or an answer into its words.
//
// Start at Contract (contract.go); check.go judges, example.go makes answers,
// mask.go takes secrets away.
package exchange

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Exchange is one request with its answer.
type Exchange struct {
	At         time.Time     // when the request came
	Duration   time.Duration // until the answer was there
	API        string        // the contract's name
	Operation  string        // the contract's operationId; empty: an unknown path or verb
	Request    Message
	Answer     Message
	Violations []Violation // of the contract; the request's come first
}

// Message is a request or an answer.
type Message struct {
	Method    string      // of a request
	URL       string      // of a request: path and query as they were sent
	Status    int         // of an answer; 0: there was none
	Header    http.Header // a request's without its Host
	Body      []byte
	Truncated bool // the body went on, or was not kept at all
}

// Violation is one thing that breaks the contract.
type Violation struct {
	In string `json:"in"` // Request or Answer
	// Path is the place: "body /items/0/id", "header Content-Type", "query limit",
	// "status".
	Path string `json:"path"`
	// Rule is what is not kept: JSON Schema's word (type, required, pattern …), or
	// one of the rules below.
	Rule    string `json:"rule"`
	Message string `json:"message"` // for people; never a value that was sent
	// Contract is the place in the contract, a JSON pointer:
	// #/paths/~1users/post/responses/201.
	Contract string `json:"contract"`
}

// Sides of an exchange, for Violation.In.
const (
	Request = "request"
	Answer  = "answer"
)

// Rules that JSON Schema has no word for, for Violation.Rule.
const (
	UndeclaredPath   = "undeclared-path"
	UndeclaredMethod = "undeclared-method"
	UndeclaredStatus = "undeclared-status"
	UndeclaredBody   = "undeclared-body" // something where the contract has nothing
	Unjudged         = "unjudged"        // no fault of the exchange's: see NotJudged
	MediaType        = "media-type"
	NotJSON          = "not-json"
	NotUTF8          = "not-utf-8"
	MalformedQuery   = "malformed-query"
	Security         = "security" // no credentials of a kind that the operation names
)

// NotJudged is what an exchange has in place of violations if judging it panicked with
// v, of which no more than the type is told: it may hold anything.
func NotJudged(v any) Violation {
	return Violation{In: Request, Rule: Unjudged, Message: fmt.Sprintf("the exchange could not be judged: a panic with a value of type %T", v)}
}

// Caller is the name that a request's credentials bear, in HTTP Basic or as
// NAME:PASSWORD, with or without "Bearer"; empty if Masked leaves no name of them.
// Whether they are good, the answer says.
func Caller(request Message) string {
	shown := new(masking).authorization(request.Header.Get("Authorization"))
	name, named := strings.CutSuffix(shown, ":"+hidden)
	if !named {
		return ""
	}
	return name[strings.IndexByte(name, ' ')+1:] // without the scheme
}
