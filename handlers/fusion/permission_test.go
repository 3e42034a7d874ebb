package fusion

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	gen "usher/gen/fusion"
	"usher/storage"
)

// parse reads a permission as Lucidworks writes it in text:
// METHOD,METHOD:PATH:name=value,value
func parse(text string) permission { return compile(parsePermission(text)) }

func parseAll(texts []string) []permission {
	ps := make([]permission, len(texts))
	for i, text := range texts {
		ps[i] = parse(text)
	}
	return ps
}

func TestPermissionAllows(t *testing.T) {
	const self = "s1"
	for _, test := range []struct {
		permission, method, path string
		want                     bool
	}{
		{"PATCH:/users/{id}:id=#ID", "PATCH", "/users/s1", true},
		{"PATCH:/users/{id}:id=#ID", "PATCH", "/users/s2", false},
		{"PATCH:/users/{id}:id=#ID", "GET", "/users/s1", false},
		{"PATCH:/users/{id}:id=#ID", "PATCH", "/users", false},
		{"PATCH:/users/{id}:id=#ID", "PATCH", "/users/s1/roles", false},
		{"PATCH:/users/{id}:id=#ID", "PATCH", "/users/#ID", false},
		{"GET:/users/{id}:id=#ID,s2", "GET", "/users/s2", true},
		{"GET:/users/{id}:id=#ID,s2", "GET", "/users/s3", false},
		{"GET:/users/{id}:id=", "GET", "/users/s1", false}, // a list, of nothing
		{"GET:/users/{id}:user=s2", "GET", "/users/s1", true},
		{"GET:/users/{id}", "GET", "/users/s2", true},
		{"GET:/users/{id}", "GET", "/users/", false},
		{"GET:/{a}/{b}:b=#ID", "GET", "/users/s1", true},

		{"GET,PUT:/users", "PUT", "/users", true},
		{"GET,PUT:/users", "POST", "/users", false},
		{"GET:users", "GET", "/users", true},
		{"GET:/users/", "GET", "/users", false},
		{"GET:/Users", "GET", "/users", false},
		{"get:/users", "GET", "/users", false},

		{"GET:/users/*", "GET", "/users/s2", true},
		{"GET:/users/*", "GET", "/users", false},
		{"GET:/users/*", "GET", "/users/", false},
		{"GET:/users/*", "GET", "/users/s2/roles", false},
		{"GET:/*/s1", "GET", "/users/s1", true},
		{"GET:/user*", "GET", "/users", false},
		{"GET:/user*", "GET", "/user*", true},
		{"GET:/users/{id}x", "GET", "/users/1x", false},

		{"GET:/**", "GET", "/", true},
		{"GET:/**", "GET", "/users", true},
		{"GET:/**", "GET", "/users/s2/roles", true},
		{"GET:**", "GET", "/users", true},
		{"GET:/users/**", "GET", "/users", true},
		{"GET:/users/**", "GET", "/users/s2", true},
		{"GET:/users/**", "GET", "/roles/s2", false},
		{"GET:/**/roles", "GET", "/users/s2/roles", true},
		{"GET:/**/roles", "GET", "/roles", true},
		{"GET:/**/roles", "GET", "/users/s2", false},
		{"GET:/**/s2/**", "GET", "/users/s2", true},
		{"GET:/**/a/**/b", "GET", "/a/x/a/y/b", true},
		{"GET:/**/a/*/b", "GET", "/a/x/a/y/b", true},
		{"GET:/**/a/*/b", "GET", "/a/x/a/y/c", false},
		{"GET:/***", "GET", "/users", false},

		{"GET", "GET", "/", true}, // no path is /
		{"GET", "GET", "/users", false},
		{"", "GET", "/", false}, // no methods allow nothing
		{":/**", "GET", "/users", false},
	} {
		if got := parse(test.permission).allows(test.method, split(test.path), self); got != test.want {
			t.Errorf("%q allows %s %s: %v, want %v", test.permission, test.method, test.path, got, test.want)
		}
	}
}

func TestCallerMay(t *testing.T) {
	type permissions = []string
	for _, test := range []struct {
		name         string
		own          permissions
		roles        []permissions
		method, path string
		want         bool
	}{
		{"nothing", nil, nil, "GET", "/", false},
		{"a role", nil, []permissions{{"GET:/a"}}, "GET", "/a", true},
		{"the second role", nil, []permissions{{"GET:/a"}, {"GET:/b", "GET:/c"}}, "GET", "/c", true},
		{"one role's verb, another's path", nil, []permissions{{"GET:/a"}, {"PUT:/b"}}, "PUT", "/a", false},
		{"the user", permissions{"GET:/a"}, nil, "GET", "/a", true},
		{"user and role add up", permissions{"GET:/a"}, []permissions{{"PUT:/b"}}, "PUT", "/b", true},
		{"the vendor's example: GET", permissions{"GET:/a"}, []permissions{{"GET,POST:/a"}}, "GET", "/a", true},
		{"the vendor's example: POST", permissions{"GET:/a"}, []permissions{{"GET,POST:/a"}}, "POST", "/a", false},
		{"whatever the role", permissions{"GET:/a"}, []permissions{{"POST:/a"}, {"PUT:/a"}}, "PUT", "/a", false},
		{"two of the user's", permissions{"GET:/a", "PUT:/a"}, []permissions{{"POST:/a"}}, "PUT", "/a", true},
		{"whatever the params", permissions{"GET:/a/{id}"}, []permissions{{"PUT:/a/{id}:id=#ID"}}, "PUT", "/a/s1", false},
		{"a template that is wider", permissions{"GET:/a"}, []permissions{{"GET,POST:/**"}}, "POST", "/a", true},
		{"a template that means the same", permissions{"GET:/a/{id}"}, []permissions{{"PUT:/a/*"}}, "PUT", "/a/s1", true},
		{"no path is /", permissions{"GET"}, []permissions{{"PUT:/"}}, "PUT", "/", false},
	} {
		c := caller{user: storage.User{ID: "s1"}, own: parseAll(test.own)}
		for _, role := range test.roles {
			c.roles = append(c.roles, parseAll(role))
		}
		if got := c.may(test.method, test.path); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

func TestAdmin(t *testing.T) {
	for text, want := range map[string]bool{
		"PATCH:/users/{id}:id=#ID":                               false,
		"PATCH:/users/{id}:id=d8e2f424-73b4-4ef9-a789-497bc56e7": false,
		"GET,PUT:/**":          false,
		"PATCH:/users/{id}":    true,
		"PATCH:/users/*":       true,
		"PATCH:/users/**":      true,
		"GET,PATCH:/**":        true,
		"PATCH:/users":         false,
		"PATCH:/*":             false,
		"PATCH:/{a}/{b}:a=foo": false,
	} {
		c := caller{user: storage.User{ID: "s1"}, own: []permission{parse(text)}}
		if got := c.isAdmin(); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

// What the default roles grant over users, as the contract's descriptions say.
func TestDefaultRoles(t *testing.T) {
	var compiled compiled
	for _, role := range roles() {
		ps, err := compiled.permissions(role.Document)
		if err != nil {
			t.Fatal(err)
		}
		c := caller{user: storage.User{ID: "s1"}, roles: [][]permission{ps}}
		may := fmt.Sprint(c.may("GET", "/users"), c.may("POST", "/users"), c.may("GET", "/users/s1"), c.may("PATCH", "/users/s1"), c.may("GET", "/users/s2"), c.isAdmin())
		want := map[string]string{
			"admin":     "true true true true true true",
			"developer": "false false true true false false",
			"search":    "false false true true false false",
			"rules":     "false false true false false false",
		}[role.Name]
		if may != want {
			t.Errorf("%s: %s, want %s", role.Name, may, want)
		}
	}
}

func TestCompiledIsBounded(t *testing.T) {
	var c compiled
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range maxDocuments {
				doc := fmt.Sprintf(`{"permissions":[{"methods":["GET"],"path":"/%d/%d"}]}`, worker%2, i)
				ps, err := c.permissions(json.RawMessage(doc))
				if err != nil || len(ps) != 1 || ps[0].path != fmt.Sprintf("/%d/%d", worker%2, i) {
					t.Errorf("%s: %+v, %v", doc, ps, err)
				}
			}
		})
	}
	wg.Wait()
	if len(c.of) > maxDocuments {
		t.Errorf("%d documents are kept", len(c.of))
	}
	kept := len(c.of)
	long := fmt.Sprintf(`{"timezone":%q,"permissions":[{"path":"/long"}]}`, strings.Repeat("x", maxDocument))
	if ps, err := c.permissions(json.RawMessage(long)); err != nil || len(ps) != 1 || len(c.of) != kept {
		t.Errorf("a long document: %+v, %v, %d kept", ps, err, len(c.of))
	}
	if _, err := c.permissions(json.RawMessage(`{"permissions":`)); err == nil {
		t.Error("a broken document is no error")
	}
}

// FuzzPermission holds the matcher, which never goes back further than the last
// **, against one that tries everything.
func FuzzPermission(f *testing.F) {
	f.Add("/users/{id}", "#ID", "/users/s1", "s1")
	f.Add("/users/{id}", "s2", "/users/s1", "s1")
	f.Add("/**/a/**/b", "", "/a/x/a/y/b", "")
	f.Add("**/*/**", "", "/", "")
	f.Add("/{id}/{x}/**/{id}", "v", "/v/2/3/v", "s1")
	f.Add("", "", "", "")
	f.Add("/{}/{/}/*/", "", "//}/{//", "")
	f.Fuzz(func(t *testing.T, template, value, path, self string) {
		if len(template) > 40 || len(path) > 40 {
			return // the one that tries everything takes too long
		}
		methods := []gen.HTTPMethod{gen.GET}
		p := compile(gen.GlobPermissionPublicView{Methods: &methods, Path: &template, Params: &map[string][]string{"id": {value}}})
		if want, got := tryAll(split(template), split(path), value, self), p.allows("GET", split(path), self); got != want {
			t.Errorf("%q on %q: %v, want %v", template, path, got, want)
		}
		if p.allows("PUT", split(path), self) {
			t.Error("allows a verb that it does not have")
		}
	})
}

func tryAll(template, path []string, value, self string) bool {
	if len(template) == 0 {
		return len(path) == 0
	}
	if template[0] == "**" {
		for skip := range len(path) + 1 {
			if tryAll(template[1:], path[skip:], value, self) {
				return true
			}
		}
		return false
	}
	if len(path) == 0 {
		return false
	}
	var here bool
	switch s := template[0]; {
	case s == "{id}":
		here = value != "#ID" && path[0] == value || value == "#ID" && path[0] == self
	case s == "*", strings.HasPrefix(s, "{") && strings.HasSuffix(s, "}"):
		here = path[0] != ""
	default:
		here = path[0] == s
	}
	return here && tryAll(template[1:], path[1:], value, self)
}
