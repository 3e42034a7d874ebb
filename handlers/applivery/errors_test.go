package applivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"usher/handlers/edge"
	"usher/storage"
)

// Kinds of failure that no script can bring about, or not one by one.
func TestFail(t *testing.T) {
	const (
		internal  = `{"status":false,"error":{"code":1000,"message":"Internal error"}}`
		unfitting = `{"status":false,"error":{"code":6002,"message":"Body Validation Error"}}`
	)
	for name, c := range map[string]struct {
		err    error
		status int
		body   string
	}{
		"unknown":                {errors.New("disk full at /var"), 500, internal},
		"panic":                  {&edge.PanicError{}, 500, internal},
		"store":                  {&storage.Error{Kind: storage.Conflict}, 500, internal},
		"busy":                   {&storage.Error{Kind: storage.Busy}, 503, internal},
		"deadline":               {fmt.Errorf("read: %w", context.DeadlineExceeded), 503, internal},
		"caller gone":            {fmt.Errorf("read: %w", context.Canceled), 503, internal},
		"deadline in the body":   {&edge.BodyError{Fault: edge.BodyUnread, Err: context.DeadlineExceeded}, 503, internal},
		"broken connection":      {&edge.BodyError{Fault: edge.BodyUnread, Err: errors.New("reset")}, 400, unfitting},
		"not UTF-8":              {&edge.BodyError{Fault: edge.BodyEncoding}, 400, unfitting},
		"beyond the generated":   {&edge.InvalidError{Problems: []edge.Problem{{In: "body", Keyword: "type"}}}, 400, unfitting},
		"wrapped, of our own":    {fmt.Errorf("target: %w", errEntityNotFound), 404, `{"status":false,"error":{"code":3001,"message":"Entity not found"}}`},
		"gone in the meantime":   {&storage.Error{Kind: storage.NotFound}, 404, `{"status":false,"error":{"code":3001,"message":"Entity not found"}}`},
		"no such verb on a path": {&edge.RouteError{Allow: []string{"GET"}}, 404, `{"status":false,"error":{"code":1002,"message":"Route not found"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			answer := fail(nil, c.err)
			body, err := json.Marshal(answer.Value)
			if err != nil {
				t.Fatal(err)
			}
			if answer.Status != c.status || string(body) != c.body {
				t.Errorf("%d %s, want %d %s", answer.Status, body, c.status, c.body)
			}
			if busy := storage.KindOf(c.err) == storage.Busy; busy != (answer.Header.Get("Retry-After") == "1") {
				t.Errorf("Retry-After: %q", answer.Header.Get("Retry-After"))
			}
		})
	}
}
