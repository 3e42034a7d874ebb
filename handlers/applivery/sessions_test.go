package applivery

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"usher/storage"
)

// How long tokens live, to the millisecond: scripts mask times.
func TestTokensLive(t *testing.T) {
	send := demo(t, time.Date(2025, time.October, 30, 21, 59, 1, 0, time.UTC))
	status, body := send("POST", "/v1/auth/login", "", `{"provider":"traditional","payload":{"email":"john.doe@example.com","password":"CurrentSecureP@ss123"}}`)
	var answer struct {
		Data struct{ AccessToken, RefreshToken struct{ ExpireAt string } }
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
		t.Fatal(status, err)
	}
	if got, want := answer.Data.AccessToken.ExpireAt, "2025-10-30T22:59:01.000Z"; got != want {
		t.Errorf("the access token lives until %s, want %s", got, want)
	}
	if got, want := answer.Data.RefreshToken.ExpireAt, "2025-11-29T21:59:01.000Z"; got != want {
		t.Errorf("the refresh token lives until %s, want %s", got, want)
	}
}

// A refresh token knows its access token, and does not give it away.
func TestPairHoldsTogether(t *testing.T) {
	pair, other := newPair(), newPair()
	access, err := pair[0].Secret(storage.Token{})
	if err != nil || len(access) != 43 {
		t.Fatal(len(access), err)
	}
	if strings.Contains(string(pair[1].Document), string(access)) {
		t.Error("the access token stands in the refresh token's document")
	}
	for name, c := range map[string]struct {
		document json.RawMessage
		kind     storage.Kind
	}{
		"its own":     {pair[1].Document, storage.Internal},
		"another's":   {other[1].Document, storage.NotFound},
		"of the past": {json.RawMessage("{}"), storage.NotFound}, // made when there were no documents
	} {
		err := cameWith(access)(storage.Token{Document: c.document})
		if storage.KindOf(err) != c.kind || (err == nil) != (name == "its own") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := cameWith(access)(storage.Token{Document: json.RawMessage("[]")}); err == nil || storage.KindOf(err) != storage.Internal {
		t.Errorf("a broken document: %v", err)
	}
}
