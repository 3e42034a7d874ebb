package handlers_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"usher/handlers"
	"usher/handlers/fixture"
	"usher/storage"
	"usher/storage/password"
)

// nothing is what is in a store with nothing in it.
var nothing = sync.OnceValues(func() (i storage.Image, err error) {
	dir, err := os.MkdirTemp("", "usher-test-")
	if err != nil {
		return storage.Image{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, err := storage.Open(context.Background(), storage.Options{Path: filepath.Join(dir, "usher.db"), Volatile: true})
	if err != nil {
		return storage.Image{}, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return s.Image(context.Background())
})

// emptyStore is a store with nothing in it.
func emptyStore(t *testing.T) *storage.Store {
	t.Helper()
	image, err := nothing()
	if err != nil {
		t.Fatal(err)
	}
	s, err := storage.OpenImage(t.Context(), storage.Options{
		Path: filepath.Join(t.TempDir(), "usher.db"), Volatile: true,
		Hash: password.Params{Memory: cheapMemory, Time: 1, Threads: 1},
	}, image)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// export is what the APIs have in a store, as a fixture.
func export(t *testing.T, s *storage.Store) []byte {
	t.Helper()
	seeds, err := s.Dump(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(seeds, func(name string, _ storage.Seed) bool { return !slices.Contains(handlers.Names(), name) })
	text, err := fixture.From(seeds).YAML("")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// loaded is a store that a fixture has been loaded into.
func loaded(t *testing.T, text []byte) *storage.Store {
	t.Helper()
	f, err := fixture.Parse("fixture.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	s := emptyStore(t)
	if err := handlers.Seed(t.Context(), s, handlers.World{Fixture: f}); err != nil {
		t.Fatal(err)
	}
	return s
}

// exportsAgain exports a store, loads that, and exports it again: whatever requests have
// made of a store fits the schema, and is the same bytes.
func exportsAgain(t *testing.T, s *storage.Store) {
	t.Helper()
	text := export(t, s)
	again := loaded(t, text)
	if other := export(t, again); !bytes.Equal(other, text) {
		t.Errorf("exported:\n%s\nand, when that was loaded:\n%s", text, other)
	}
	if ds, err := storage.Diff(t.Context(), s, again); err != nil {
		t.Error(err)
	} else {
		for _, d := range ds {
			if d.Kind != "token" && slices.Contains(handlers.Names(), d.Directory) {
				t.Errorf("loaded, it differs: %+v", d)
			}
		}
	}
}

// The demo world is one wherever it is loaded.
func TestFixtureOfTheDemoWorld(t *testing.T) {
	s := emptyStore(t)
	if err := handlers.Seed(t.Context(), s, handlers.World{Demo: true}); err != nil {
		t.Fatal(err)
	}
	exportsAgain(t, s)
	again := loaded(t, export(t, s))
	if demo, err := handlers.FilledWithDemo(t.Context(), again); err != nil || !demo {
		t.Error(demo, err)
	}
	// Nothing of a vendor's is added to what a fixture says.
	before := export(t, again)
	if err := handlers.Seed(t.Context(), again, handlers.World{Demo: true}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(export(t, again), before) {
		t.Error("the next start has changed it")
	}
}

// example is one of the examples of handlers/fixture/testdata.
func example(t *testing.T, api string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("fixture", "testdata", api+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The examples can be loaded, and are called: each API takes what they say.
func TestFixtureExamples(t *testing.T) {
	calls := map[string][]struct {
		method, path, login, body string
		status                    int
		want                      string
	}{
		"fusion": {
			{"GET", "/api/users", "claire:password123", "", 200, `"id":"0c8f7a52-1d53-4f0a-8a51-0a7d9a5a9e01","username":"claire","realmName":"native","createdAt":"2026-01-01T12:00:00Z","updatedAt":"2026-01-03T00:00:00Z","roleNames":["readers"]`},
			{"GET", "/api/roles", "claire:password123", "", 403, ``},
			{"GET", "/api/roles", "admin:Fusion4dmin", "", 200, `"id":"5f0c1a3e-6f0e-4b55-9f3a-0d6f6f3b2a11","name":"readers","createdAt":"2026-01-01T00:00:00Z","updatedAt":"2026-01-02T00:00:00Z","desc":"May look at users."`},
			{"GET", "/api/realm-configs", "admin:Fusion4dmin", "", 200, `"name":"company"`},
		},
		"applivery": {
			{"GET", "/v1/users/507f1f77bcf86cd799439044", "claire@example.com:FirstSecureP@ss1", "", 200, `"email":"claire@example.com","firstName":"Claire","lastName":"Doe","fullName":"Claire Doe","picture":"https://example.com/claire.png","role":"adminViewer","newsletter":true`},
			{"GET", "/v1/users?limit=1&sort=email", "admin@example.com:AdminSecureP@ss123", "", 200, `"totalDocs":2`},
		},
		"saymon": {
			{"GET", "/node/api/users/current", "claire:qwerty1", "", 200, `"id":"5e78c51788c61a1fbf34b674"`},
			{"GET", "/node/api/user-groups", "admin:saymon-admin", "", 200, `"name":"Operators"`},
			{"GET", "/node/api/password-policies", "admin:saymon-admin", "", 200, `"length":6`},
			{"PUT", "/node/api/users/5e78c51788c61a1fbf34b674/password", "claire:qwerty1", `{"currentPassword":"qwerty1","newPassword":"short"}`, 500, `minimum number of characters - 6`},
		},
		"milvus": {
			{"POST", "/v2/vectordb/users/list", "claire:P@ssw0rd1", `{}`, 200, `"data":["claire","root"]`},
			{"POST", "/v2/vectordb/users/describe", "root:Milvus", `{"userName":"claire"}`, 200, `"data":["lister"],"description":"lists users"`},
			{"POST", "/v2/vectordb/privilege_groups/list", "root:Milvus", `{}`, 200, `"privilegeGroupName":"lookers","privileges":"SelectUser"`},
		},
	}
	for _, api := range handlers.Names() {
		t.Run(api, func(t *testing.T) {
			store := loaded(t, example(t, api))
			exportsAgain(t, store)
			handler, err := handlers.New(store, handlers.Options{})
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(handler)
			defer server.Close()
			seen := &watch{api: api, next: http.DefaultTransport}
			w := &world{api: api, url: server.URL, client: &http.Client{Transport: seen}}
			for _, c := range calls[api] {
				name, secret, _ := strings.Cut(c.login, ":")
				r := w.basic(t, c.method, c.path, c.body, name, secret)
				switch api {
				case "applivery":
					r.Header.Set("Authorization", "Bearer "+w.token(t, name, secret))
				case "milvus":
					r.Header.Set("Authorization", "Bearer "+c.login)
				}
				if a := w.do(t, r); a.status != c.status || !strings.Contains(a.body, c.want) {
					t.Errorf("%s %s as %s: %d %s, want %d with %s", c.method, c.path, name, a.status, a.body, c.status, c.want)
				}
			}
			for _, problem := range seen.problems {
				t.Error(problem)
			}
		})
	}
}

// What docs/fixtures.md shows works as it stands.
func TestFixtureOfTheDocumentation(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "docs", "fixtures.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(doc), "```yaml\n")
	text, _, found := strings.Cut(rest, "```\n")
	if !found {
		t.Fatal("there is no fixture in it")
	}
	s := loaded(t, []byte(text))
	l, err := s.Directory("milvus").Authenticate(t.Context(), storage.Actor{}, storage.Credentials{Name: "claire", Password: "P@ssw0rd1"})
	if err != nil || !slices.Equal(l.User.Roles, []string{"lister"}) {
		t.Error(l, err)
	}
}

// What a fixture does not say is as the vendor ships it, and an API that it does not
// name, too.
func TestFixtureLeavesOut(t *testing.T) {
	s := emptyStore(t)
	f, err := fixture.Parse("fixture.yaml", []byte(`{milvus: {users: [{name: root, password: Milvus}, {name: claire}]}, saymon: {policies: [{id: "1", default: true, document: {name: Strict, length: 20}}]}, fusion: {roles: []}}`))
	if err != nil {
		t.Fatal(err)
	}
	made := map[string]string{}
	w := handlers.World{Fixture: f, Demo: true, Made: func(a handlers.Administrator) error {
		made[a.API] = a.Login
		return nil
	}}
	if err := handlers.Seed(t.Context(), s, w); err != nil {
		t.Fatal(err)
	}
	if len(made) != 1 || made["saymon"] != "admin" {
		t.Errorf("passwords were made for %v", made)
	}
	seeds, err := s.Dump(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, api := range handlers.Names() {
		seed := seeds[api]
		for _, u := range seed.Users {
			got = append(got, api+" user "+u.Name)
		}
		for kind, rs := range seed.Records {
			got = append(got, fmt.Sprint(api, " ", kind, " ", len(rs)))
		}
		for _, p := range seed.Policies {
			got = append(got, api+" policy "+p.ID)
		}
	}
	slices.Sort(got)
	want := []string{
		"applivery demo 1", "applivery user admin@example.com", "applivery user john.doe@example.com",
		"fusion realm 2", "fusion user admin",
		"milvus role 2", "milvus user claire", "milvus user root",
		"saymon policy 1", "saymon user admin",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if u, err := s.Directory("milvus").User(t.Context(), "claire"); err != nil || u.HasPassword || u.Name != "claire" {
		t.Errorf("%+v, %v", u, err)
	}
}

// Milvus knows users, roles and groups by their names alone.
func TestFixtureIDsOfMilvus(t *testing.T) {
	s := loaded(t, []byte(`{milvus: {users: [{id: x, name: claire}], roles: [{id: x, name: lister}], records: {privilege-group: [{id: x, name: lookers}]}}}`))
	seeds, err := s.Dump(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d := seeds["milvus"]
	if u, r, g := d.Users[0], d.Records[storage.Role][0], d.Records["privilege-group"][0]; u.ID != "claire" || r.ID != "lister" || g.ID != "lookers" {
		t.Errorf("%q, %q, %q", u.ID, r.ID, g.ID)
	}
}

// What fails once the fixture is loaded says so: the next start does without it.
func TestFixtureIsLoadedFirst(t *testing.T) {
	s := emptyStore(t)
	f, err := fixture.Parse("fixture.yaml", []byte(`{milvus: {users: [{name: claire}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	err = handlers.Seed(t.Context(), s, handlers.World{Fixture: f, Passwords: map[string]password.Plain{"applivery": "weak"}})
	if storage.KindOf(err) != storage.WeakPassword || !strings.HasSuffix(err.Error(), "; the fixture has been loaded: the next start is to do without it") {
		t.Error(err)
	}
	if err := handlers.Seed(t.Context(), s, handlers.World{}); err != nil {
		t.Error(err)
	}
	if _, err := s.Directory("milvus").User(t.Context(), "claire"); err != nil {
		t.Error(err)
	}
}

// A fixture goes into a store as a whole, or not at all.
func TestFixtureRefused(t *testing.T) {
	filled := emptyStore(t)
	if _, err := filled.Directory("milvus").Seed(t.Context(), storage.Actor{}, storage.Seed{}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		text, want string
		store      *storage.Store
		passwords  map[string]password.Plain
	}{
		{`milvus: {users: []}`, "the store was filled before: a fixture goes into an empty one", filled, nil},
		{"fusion: {users: []}\nmilvus: {users: [{name: ann}, {name: ann}]}", `milvus: user "ann": storage: exists: id`, nil, nil},
		{`fusion: {users: [{name: ann}, {name: ann, realm: ldap, id: "x"}, {name: bob, realm: ldap, id: "x"}]}`, `fusion: user "bob": storage: exists: id`, nil, nil},
		{`applivery: {users: [{name: a@example.com}, {name: A@example.com}]}`, `applivery: user "a@example.com": storage: exists: id`, nil, nil},
		{`milvus: {users: [{name: ann, passwordHash: $2a$00$secret}]}`, `milvus: user "ann": storage: invalid: hash`, nil, nil},
		{`nobody: {users: []}`, `no API is called "nobody"`, nil, nil},
		{`milvus: {users: []}`, "milvus: the fixture has its own users", nil, map[string]password.Plain{"milvus": "x"}},
	} {
		f, err := fixture.Parse("fixture.yaml", []byte(tt.text))
		if err != nil {
			t.Fatal(err)
		}
		s := tt.store
		if s == nil {
			s = emptyStore(t)
		}
		before := export(t, s)
		err = handlers.Seed(t.Context(), s, handlers.World{Fixture: f, Passwords: tt.passwords})
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) && !strings.Contains(err.Error(), "the fixture: "+tt.want) || errors.Is(err, handlers.ErrFilled) != (s == filled) {
			t.Errorf("%s: %v", tt.text, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("it says what the hash is: %v", err)
		}
		if !bytes.Equal(export(t, s), before) {
			t.Errorf("%s: it has left something", tt.text)
		}
	}
}
