package handlers_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

func init() { credentialed["saymon"] = saymonCredentials }

// saymonRequests are a verb, a path below /node/api and a body for each
// operation, about things that the administrator makes before each request
// anew: the user ID with an authentication token, the group GROUP, the policy
// POLICY; FRESH is a login that nobody has, LOGIN and PASSWORD are the caller's.
var saymonRequests = map[string]struct{ method, path, body string }{
	"listPasswordPolicies": {"GET", "/password-policies", ""},
	"createPasswordPolicy": {"POST", "/password-policies", `{"name":"FRESH"}`},
	"updatePasswordPolicy": {"PATCH", "/password-policies/POLICY", `{"length":2}`},
	"listUsers":            {"GET", "/users", ""},
	"createUser":           {"POST", "/users", `{"login":"FRESH","password":"qwerty-one"}`},
	"getCurrentUser":       {"GET", "/users/current", ""},
	"createSession":        {"POST", "/users/session", `{"login":"LOGIN","password":"PASSWORD"}`},
	"deleteSession":        {"DELETE", "/users/session", ""},
	"getUser":              {"GET", "/users/ID", ""},
	"updateUser":           {"PATCH", "/users/ID", `{"language":"en"}`},
	"deleteUser":           {"DELETE", "/users/ID", ""},
	"createAuthToken":      {"POST", "/users/ID/auth-token", ""},
	"deleteAuthToken":      {"DELETE", "/users/ID/auth-token", ""},
	"changeUserPassword":   {"PUT", "/users/ID/password", `{"newPassword":"qwerty-two"}`},
	"listUserGroups":       {"GET", "/user-groups", ""},
	"createUserGroup":      {"POST", "/user-groups", `{"name":"FRESH"}`},
	"updateUserGroup":      {"PATCH", "/user-groups/GROUP", `{"permissions":["manage-links"]}`},
	"deleteUserGroup":      {"DELETE", "/user-groups/GROUP", ""},
}

const saymonBase = "/node/api"

func saymonBasic(login, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(login+":"+password))
}

// saymonMade makes something as the administrator and returns its id.
func saymonMade(t *testing.T, w *world, path, body string) string {
	t.Helper()
	var made struct{ ID string }
	answer := w.must(t, http.MethodPost, saymonBase+path, saymonBasic("admin", adminPassword), body)
	if err := json.Unmarshal(answer, &made); err != nil {
		t.Fatal(err)
	}
	return made.ID
}

// saymonSession logs in and returns the session's id.
func saymonSession(t *testing.T, w *world, login, password string) (sid string) {
	t.Helper()
	answer := w.must(t, http.MethodPost, saymonBase+"/users/session", "", `{"login":"`+login+`","password":"`+password+`"}`)
	if err := json.Unmarshal(answer, &sid); err != nil {
		t.Fatal(err)
	}
	return sid
}

// saymonCredentials sends HTTP Basic, but a session where that is what is past
// its time or has ended, or what the operation asks for.
func saymonCredentials(t *testing.T, w *world, operation string, kind credential) (r *http.Request, why string) {
	t.Helper()
	admin := saymonBasic("admin", adminPassword)
	login, secret := w.fresh("caller"), "qwerty-one"
	callerID := saymonMade(t, w, "/users", `{"login":"`+login+`","password":"qwerty-one","permissions":["manage-objects"]}`)
	id := saymonMade(t, w, "/users", `{"login":"`+w.fresh("user")+`","password":"qwerty-one"}`)
	w.must(t, http.MethodPost, saymonBase+"/users/"+id+"/auth-token", admin, "")
	group := saymonMade(t, w, "/user-groups", `{"name":"`+w.fresh("group")+`"}`)
	policy := saymonMade(t, w, "/password-policies", `{"name":"`+w.fresh("policy")+`"}`)
	sid, bySession := "", operation == "deleteSession" || kind == expired || kind == ended && operation != "createSession"
	switch {
	case operation == "listPasswordPolicies" && kind != none:
		return nil, "takes none"
	case operation == "createSession" && kind == expired:
		return nil, "403 Forbidden if the policy limits the password's lifetime"
	case operation == "createSession" && (kind == another || kind == without):
		return nil, "no right to lack"
	case (operation == "getCurrentUser" || operation == "deleteSession") && (kind == another || kind == without):
		return nil, "one's own"
	case kind == none:
		login, secret, bySession = "", "", false
	case kind == junk && bySession:
		sid = "no-such-session"
	case kind == junk:
		secret = "not-qwerty"
	case kind == with && !bySession:
		login, secret = "admin", adminPassword
	}
	if bySession && sid == "" {
		sid = saymonSession(t, w, login, secret)
	}
	if kind == expired {
		w.clock.advance(24 * time.Hour)
	}
	if kind == ended {
		w.must(t, http.MethodPut, saymonBase+"/users/"+callerID+"/password", admin, `{"newPassword":"qwerty-two"}`)
	}
	fill := strings.NewReplacer("GROUP", group, "POLICY", policy, "ID", id, "FRESH", w.fresh("fresh"), "LOGIN", login, "PASSWORD", secret)
	q, authorization := saymonRequests[operation], ""
	if operation != "createSession" && login != "" && !bySession {
		authorization = saymonBasic(login, secret)
	}
	r = w.authorized(t, q.method, saymonBase+fill.Replace(q.path), authorization, fill.Replace(q.body))
	if sid != "" {
		r.Header.Set("Cookie", "sid="+sid)
	}
	return r, ""
}
