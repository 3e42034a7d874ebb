package applivery

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"
)

// How long tokens live, which a script shows for the access token alone: there
// is no operation yet that takes a refresh token, and times are masked.
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
