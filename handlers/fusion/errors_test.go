package fusion

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"usher/handlers/edge"
	"usher/storage"
)

// What no script can bring about, or only by chance. The rest of the table is
// what the scripts in testdata are made of.
func TestFail(t *testing.T) {
	call := &edge.Call{Request: &http.Request{Header: http.Header{}}}
	for _, test := range []struct {
		err    error
		status int
		body   string
	}{
		{errors.New("disk full"), 500, `{"code":"internal","message":"Internal error"}`},
		{new(edge.PanicError), 500, `{"code":"internal","message":"Internal error"}`},
		{&storage.Error{Kind: storage.Invalid, Field: "hash"}, 500, `{"code":"internal","message":"Internal error"}`},
		{fmt.Errorf("read: %w", context.Canceled), 503, `{"code":"timeout","message":"The request took too long"}`},
		{&edge.BodyError{Fault: edge.BodyUnread, Err: errors.New("reset")}, 400, `{"code":"validation-failed","message":"body: must be sent whole"}`},
		{&edge.BodyError{Fault: edge.BodyEncoding}, 400, `{"code":"validation-failed","message":"body: must be UTF-8"}`},
		// A value that fits the contract, but not the generated type.
		{&edge.InvalidError{Problems: []edge.Problem{{In: "body", Keyword: "type"}}}, 400, `{"code":"validation-failed","message":"body: must be of another type"}`},
		{&edge.InvalidError{Problems: []edge.Problem{{In: "body", Path: []string{"a"}, Keyword: "oneOf"}}}, 400, `{"code":"validation-failed","message":"a: is not acceptable"}`},
	} {
		answer := fail(call, test.err)
		body, err := json.Marshal(answer.Value)
		if err != nil {
			t.Fatal(err)
		}
		if answer.Status != test.status || string(body) != test.body {
			t.Errorf("%v: %d %s, want %d %s", test.err, answer.Status, body, test.status, test.body)
		}
	}
}
