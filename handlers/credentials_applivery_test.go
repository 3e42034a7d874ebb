package handlers_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

func init() { credentialed["applivery"] = appliveryCredentials }

// appliveryRequests are a verb, a path and a body for each operation, about the
// user ID with the address USER; FRESH is an address that nobody has, ACCESS and
// REFRESH are tokens of the caller.
var appliveryRequests = map[string]struct{ method, path, body string }{
	"login":              {"POST", "/v1/auth/login", `{"provider":"traditional","payload":{"email":"USER","password":"First-Secret-1"}}`},
	"register":           {"POST", "/v1/auth/register", `{"email":"FRESH","password":"First-Secret-1","firstName":"A","lastName":"B","newsletter":false}`},
	"refresh":            {"POST", "/v1/auth/refresh", `{"lastAccessToken":"ACCESS","refreshToken":"REFRESH"}`},
	"updateOwnPassword":  {"POST", "/v1/auth/register/update-password", `{"password":"First-Secret-1","newPassword":"Second-Secret-2"}`},
	"listUsers":          {"GET", "/v1/users", ""},
	"createUser":         {"POST", "/v1/users", `{"email":"FRESH","password":"First-Secret-1","firstName":"A","lastName":"B"}`},
	"getProfile":         {"GET", "/v1/users/profile", ""},
	"getUser":            {"GET", "/v1/users/ID", ""},
	"updateUser":         {"PUT", "/v1/users/ID", `{"firstName":"C"}`},
	"deleteUser":         {"DELETE", "/v1/users/ID", ""},
	"changeUserPassword": {"POST", "/v1/users/ID/change-password", `{"oldPassword":"First-Secret-1","newPassword":"Second-Secret-2"}`},
}

// tokenPair is what a login answers.
type tokenPair struct {
	Data struct {
		AccessToken, RefreshToken struct{ Token string }
		User                      struct{ ID string }
	}
}

// appliveryUser makes a user and logs in.
func appliveryUser(t *testing.T, w *world, email string) (pair tokenPair) {
	t.Helper()
	w.must(t, http.MethodPost, "/v1/auth/register", "", `{"email":"`+email+`","password":"First-Secret-1","firstName":"A","lastName":"B","newsletter":false}`)
	return appliveryLogin(t, w, email, "First-Secret-1")
}

func appliveryLogin(t *testing.T, w *world, email, password string) (pair tokenPair) {
	t.Helper()
	answer := w.must(t, http.MethodPost, "/v1/auth/login", "", `{"provider":"traditional","payload":{"email":"`+email+`","password":"`+password+`"}}`)
	if err := json.Unmarshal(answer, &pair); err != nil {
		t.Fatal(err)
	}
	return pair
}

func appliveryCredentials(t *testing.T, w *world, operation string, kind credential) (r *http.Request, why string) {
	t.Helper()
	public := operation == "login" || operation == "register" || operation == "refresh"
	email, other := w.fresh("user")+"@example.com", w.fresh("other")+"@example.com"
	target, caller := appliveryUser(t, w, email), appliveryUser(t, w, other)
	switch kind {
	case none:
		caller = tokenPair{}
	case junk:
		caller.Data.AccessToken.Token, caller.Data.RefreshToken.Token = "no-such-token", "no-such-token"
	case expired:
		w.clock.advance(31 * 24 * time.Hour)
	case ended:
		elsewhere := appliveryLogin(t, w, other, "First-Secret-1") // a change ends all but the tokens it is made with
		w.must(t, http.MethodPost, "/v1/auth/register/update-password", "Bearer "+elsewhere.Data.AccessToken.Token, `{"password":"First-Secret-1","newPassword":"Second-Secret-2"}`)
	case another:
		if operation == "refresh" {
			caller.Data.AccessToken = target.Data.AccessToken
		}
	case without:
	case with:
		if operation == "updateOwnPassword" || operation == "refresh" {
			break
		}
		caller = appliveryLogin(t, w, "admin@example.com", adminPassword)
	}
	q := appliveryRequests[operation]
	access := caller.Data.AccessToken.Token
	body := strings.NewReplacer("USER", email, "FRESH", w.fresh("fresh")+"@example.com", "ACCESS", access, "REFRESH", caller.Data.RefreshToken.Token).Replace(q.body)
	switch {
	case kind == none && (operation == "refresh" || operation == "login"):
		body = "{}"
	case operation == "login" && kind == junk:
		body = strings.Replace(body, "First-Secret-1", "Wrong-Secret-1", 1)
	case operation == "login" && kind == ended:
		body = strings.Replace(body, email, other, 1)
	}
	authorization := "Bearer " + access
	if public || kind == none {
		authorization = ""
	}
	switch {
	case operation == "register" && kind != none && kind != with:
		return nil, "takes none"
	case operation == "login" && kind == expired:
		return nil, "passwords last"
	case operation == "refresh" && kind == without, operation == "login" && (kind == another || kind == without):
		return nil, "no right to lack"
	case (operation == "getProfile" || operation == "updateOwnPassword") && kind != with && (kind == another || kind == without):
		return nil, "one's own"
	}
	return w.authorized(t, q.method, strings.Replace(q.path, "ID", target.Data.User.ID, 1), authorization, body), ""
}
