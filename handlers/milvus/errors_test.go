package milvus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	gen "usher/gen/milvus"
	"usher/handlers/edge"
)

// TestFailuresThatNoScriptCanCause covers what takes a broken connection, bytes
// that a script cannot hold, or a fault of ours.
func TestFailuresThatNoScriptCanCause(t *testing.T) {
	s := &server{rules: ruleBooks[Documented]}
	for name, test := range map[string]struct {
		err     error
		status  int
		message string // empty: no body
	}{
		"connection broken": {
			&edge.BodyError{Fault: edge.BodyUnread, Err: io.ErrUnexpectedEOF}, 200,
			"can only accept json format request, error: unexpected EOF",
		},
		"not UTF-8": {
			&edge.BodyError{Fault: edge.BodyEncoding}, 200,
			"can only accept json format request, error: the body is not UTF-8",
		},
		"slow body": {
			&edge.BodyError{Fault: edge.BodyUnread, Err: fmt.Errorf("read: %w", os.ErrDeadlineExceeded)}, 408, "request timeout",
		},
		"deadline":    {fmt.Errorf("storage: %w", context.DeadlineExceeded), 408, "request timeout"},
		"caller gone": {fmt.Errorf("storage: %w", context.Canceled), 408, "request timeout"},
		"panic":       {&edge.PanicError{}, 500, ""},
		"unknown":     {errors.New("disk on fire"), 500, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.fail(&edge.Call{Operation: "createUser"}, test.err)
			if got.Status != test.status {
				t.Errorf("status %d, want %d", got.Status, test.status)
			}
			sent, _ := got.Value.(gen.Error)
			if sent.Message != test.message || len(got.Body) > 0 {
				t.Errorf("message %q and body %q, want %q", sent.Message, got.Body, test.message)
			}
		})
	}
}

// TestFailureHidesItsParticulars: an error's text is for logs, and a name may be
// a password in the wrong field.
func TestFailureHidesItsParticulars(t *testing.T) {
	const want = "milvus: code 1400"
	if got := wrongOldPassword.because("Secret-Passw0rd").Error(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
