package handlers_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

func init() { credentialed["fusion"] = fusionCredentials }

// fusionRequests are a verb, a path and a body for each operation, about things
// that the administrator makes before each request anew: the user ID, the role
// ROLE, the realm REALM, the API key KEY; FRESH is a name that nothing has, LOGIN
// and PASSWORD are the caller's.
var fusionRequests = map[string]struct{ method, path, body string }{
	"getSystemStatus":         {"GET", "/api", ""},
	"setInitialAdminPassword": {"POST", "/api", `{"password":"third-Secret3"}`},
	"getUsers":                {"GET", "/api/users", ""},
	"createUser":              {"POST", "/api/users", `{"username":"FRESH"}`},
	"getUser":                 {"GET", "/api/users/ID", ""},
	"updateUser":              {"PUT", "/api/users/ID", `{}`},
	"updatePassword":          {"PATCH", "/api/users/ID", `{"password":"third-Secret3","passwordConfirm":"third-Secret3"}`},
	"deleteUser":              {"DELETE", "/api/users/ID", ""},
	"getRoles":                {"GET", "/api/roles", ""},
	"createRole":              {"POST", "/api/roles", `{"name":"FRESH"}`},
	"getRole":                 {"GET", "/api/roles/ROLE", ""},
	"updateRole":              {"PUT", "/api/roles/ROLE", `{"name":"FRESH"}`},
	"deleteRole":              {"DELETE", "/api/roles/ROLE", ""},
	"getRealms":               {"GET", "/api/realm-configs", ""},
	"createRealm":             {"POST", "/api/realm-configs", `{"name":"FRESH","realmType":"ldap"}`},
	"getRealm":                {"GET", "/api/realm-configs/REALM", ""},
	"updateRealm":             {"PUT", "/api/realm-configs/REALM", `{"name":"FRESH","realmType":"saml"}`},
	"deleteRealm":             {"DELETE", "/api/realm-configs/REALM", ""},
	"getApiKeys":              {"GET", "/api/api-key", ""},
	"createApiKey":            {"POST", "/api/api-key", `{"id":"FRESH","name":"A key"}`},
	"getApiKey":               {"GET", "/api/api-key/KEY", ""},
	"deleteApiKey":            {"DELETE", "/api/api-key/KEY", ""},
	"createSession":           {"POST", "/api/session", `{"username":"LOGIN","password":"PASSWORD"}`},
	"getSession":              {"GET", "/api/session", ""},
	"deleteSession":           {"DELETE", "/api/session", ""},
	"createToken":             {"POST", "/oauth2/token", ""},
}

func fusionBasic(login, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(login+":"+password))
}

// fusionMade makes something as the administrator and returns its id.
func fusionMade(t *testing.T, w *world, path, body string) string {
	t.Helper()
	var made struct{ ID string }
	answer := w.must(t, http.MethodPost, "/api"+path, fusionBasic("admin", adminPassword), body)
	if err := json.Unmarshal(answer, &made); err != nil {
		t.Fatal(err)
	}
	return made.ID
}

// fusionSession logs in and returns the session's cookie.
func fusionSession(t *testing.T, w *world, login, password string) string {
	t.Helper()
	r := w.authorized(t, http.MethodPost, "/api/session", "", `{"username":"`+login+`","password":"`+password+`"}`)
	return "id=" + fusionCookie(t, w, r)
}

// fusionLogout ends a session.
func fusionLogout(t *testing.T, w *world, cookie string) {
	t.Helper()
	r := w.authorized(t, http.MethodDelete, "/api/session", "", "")
	r.Header.Set("Cookie", cookie)
	fusionCookie(t, w, r)
}

// fusionCookie sends a request whose answer has to set the session's cookie.
func fusionCookie(t *testing.T, w *world, r *http.Request) (id string) {
	t.Helper()
	response, err := w.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if cookies := response.Cookies(); response.StatusCode < 300 && len(cookies) == 1 {
		return cookies[0].Value
	}
	t.Fatalf("%s %s: %d", r.Method, r.URL.Path, response.StatusCode)
	return ""
}

// fusionCredentials sends HTTP Basic, but a session where that is what is past
// its time or has ended, or what the operation asks for.
func fusionCredentials(t *testing.T, w *world, operation string, kind credential) (r *http.Request, why string) {
	t.Helper()
	q := fusionRequests[operation]
	byPassword := operation == "createSession" || operation == "createToken"
	switch {
	case q.path == "/api" && kind != none:
		return nil, "takes none"
	case byPassword && kind == expired:
		return nil, "passwords last"
	case (byPassword || strings.HasSuffix(q.path, "/session")) && (kind == another || kind == without):
		return nil, "no right to lack"
	case !strings.Contains(q.path, "ID") && kind == another:
		return nil, "nobody's own"
	}
	login, secret, role := w.fresh("caller"), "first-Secret1", "search"
	if kind == without {
		role = "rules" // it may not even do what search may do with its own
	}
	caller := fusionMade(t, w, "/users", `{"username":"`+login+`","password":"first-Secret1","roleNames":["`+role+`"]}`)
	id := fusionMade(t, w, "/users", `{"username":"`+w.fresh("user")+`","password":"first-Secret1"}`)
	cookie := ""
	if operation == "deleteSession" || !byPassword && (kind == expired || kind == ended) {
		cookie = fusionSession(t, w, login, secret)
	}
	switch kind {
	case none:
		login, secret, cookie = "", "", ""
	case junk:
		secret = "not-the-Secret0"
		if cookie != "" {
			cookie = "id=no-such-session"
		}
	case expired:
		w.clock.advance(31 * time.Minute)
	case ended:
		if cookie != "" {
			fusionLogout(t, w, cookie)
			break
		}
		w.must(t, http.MethodPatch, "/api/users/"+caller, fusionBasic("admin", adminPassword), `{"password":"second-Secret2","passwordConfirm":"second-Secret2"}`)
	case another, without:
	case with:
		login, secret = "admin", adminPassword
	}
	fill := strings.NewReplacer("ID", id, "FRESH", w.fresh("fresh"), "LOGIN", login, "PASSWORD", secret,
		"ROLE", fusionMade(t, w, "/roles", `{"name":"`+w.fresh("role")+`"}`),
		"REALM", fusionMade(t, w, "/realm-configs", `{"name":"`+w.fresh("realm")+`","realmType":"ldap"}`),
		"KEY", fusionMade(t, w, "/api-key", `{"id":"`+w.fresh("key")+`","name":"A key"}`))
	authorization := ""
	if login != "" && cookie == "" && operation != "createSession" {
		authorization = fusionBasic(login, secret)
	}
	r = w.authorized(t, q.method, fill.Replace(q.path), authorization, fill.Replace(q.body))
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	return r, ""
}
