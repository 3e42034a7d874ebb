package storage_test

import (
	"errors"
	"fmt"
	"testing"

	"usher/storage"
	"usher/storage/password"
)

func TestErrors(t *testing.T) {
	for err, text := range map[error]string{
		&storage.Error{}:                                    "storage: internal",
		&storage.Error{Kind: storage.Busy}:                  "storage: busy",
		&storage.Error{Kind: storage.Exists, Field: "name"}: "storage: exists: name",
		&storage.Error{Kind: 200}:                           "storage: unknown",
		&storage.Error{Kind: storage.WeakPassword, Violations: []password.Violation{{Rule: password.MaxLength, Want: 1, Got: 2}}}:       "storage: weak password: max-length: want 1",
		&storage.Error{Kind: storage.WeakPassword, Violations: []password.Violation{{Rule: password.Common}, {Rule: password.OwnName}}}: "storage: weak password: common: own-name",
	} {
		want(t, err.Error(), text)
	}
	want(t, storage.KindOf(nil), storage.Internal)
	want(t, storage.KindOf(errors.New("x")), storage.Internal)
	want(t, storage.KindOf(fmt.Errorf("x: %w", &storage.Error{Kind: storage.Expired})), storage.Expired)
	want(t, errors.Unwrap(&storage.Error{Kind: storage.Busy}), nil)
}

// The words of the kinds are what the trail has as results.
func TestKinds(t *testing.T) {
	words := []string{"internal", "not found", "exists", "invalid", "wrong password", "denied", "weak password", "conflict", "limit", "expired", "busy", "throttled", "unknown"}
	for k, word := range words {
		want(t, storage.Kind(k).String(), word)
	}
}
