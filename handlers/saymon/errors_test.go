package saymon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	gen "usher/gen/saymon"
	"usher/handlers/edge"
	"usher/storage"
)

// What the scripts cannot bring about; they have the rest.
func TestFail(t *testing.T) {
	const busy = "Too many password operations, try again"
	const internal = "caused by Error: internal"
	for _, tt := range []struct {
		err     error
		status  int
		code    string
		message string
	}{
		{errors.New("anything"), 500, "Internal", internal},
		{&edge.PanicError{}, 500, "Internal", internal},
		{&storage.Error{Kind: storage.Internal}, 500, "Internal", internal},
		{&storage.Error{Kind: storage.Invalid, Field: "name"}, 500, "Internal", internal},
		{&storage.Error{Kind: storage.Exists, Field: "id"}, 500, "Internal", internal},
		{fmt.Errorf("read: %w", context.DeadlineExceeded), 503, "ServiceUnavailable", busy},
		{context.Canceled, 503, "ServiceUnavailable", busy},
		{&edge.BodyError{Fault: edge.BodyUnread, Err: context.DeadlineExceeded}, 503, "ServiceUnavailable", busy},
		{&edge.BodyError{Fault: edge.BodyUnread, Err: errors.New("unexpected EOF")}, 400, "BadRequest", "Request body could not be read."},
		{&edge.BodyError{Fault: edge.BodyTooLarge, Limit: 10}, 413, "RequestEntityTooLarge", "Request body size exceeds 10"},
	} {
		call := &edge.Call{Request: httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/node/api/users", nil)}
		got := fail(call, tt.err)
		if got.Status != tt.status || got.Code != tt.code || got.Value != (gen.Error{Code: tt.code, Message: tt.message}) {
			t.Errorf("%v: %+v", tt.err, got)
		}
		if (got.Header.Get("Retry-After") != "") != (tt.status == http.StatusServiceUnavailable) {
			t.Errorf("%v: Retry-After %q", tt.err, got.Header.Get("Retry-After"))
		}
	}
}
