package applivery

import (
	"testing"
	"time"

	gen "usher/gen/applivery"
	"usher/storage"
)

func TestToTime(t *testing.T) {
	zone := time.FixedZone("", 2*60*60)
	if got := toTime(time.Date(2025, 10, 30, 23, 59, 1, 999_999_999, zone)); got != "2025-10-30T21:59:01.999Z" {
		t.Error(got)
	}
	if got := toTime(time.Date(2025, 10, 30, 21, 59, 1, 0, time.UTC)); got != "2025-10-30T21:59:01.000Z" {
		t.Error(got)
	}
}

// mongoose-paginate-v2 counts one page where there is nothing at all.
func TestPageOfNothing(t *testing.T) {
	data, err := toPage(nil, 0, 1, 100)
	if err != nil {
		t.Fatal(err)
	}
	if data.Items == nil || data.TotalPages != 1 || data.HasNextPage || data.NextPage != nil || data.PrevPage != nil || data.PagingCounter != 1 {
		t.Errorf("%+v", data)
	}
}

func TestBrokenDocumentIsAnError(t *testing.T) {
	if _, err := toUser(storage.User{ID: "507f1f77bcf86cd799439023", Document: []byte(`{"firstName":1}`)}); err == nil {
		t.Error("answered")
	}
	if err := applyUpdate(&storage.User{Document: []byte(`[]`)}, gen.UpdateUserRequest{}); err == nil {
		t.Error("changed")
	}
}

func TestNewID(t *testing.T) {
	if a, b := newID(), newID(); len(a) != 24 || a == b {
		t.Error(a, b)
	}
}
