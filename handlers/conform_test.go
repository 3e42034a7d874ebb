package handlers_test

import (
	"bytes"
	"context"
	"database/sql"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"usher/handlers"
	"usher/handlers/conform"
)

// furniture is what stands in each API's world already, under names that scripts might
// take for theirs.
var furniture = map[string]string{
	"fusion": `needs admin
send POST /api/roles -basic $ADMIN:$ADMIN_PASSWORD role.json
stdout ^201
send POST /api/realm-configs -basic $ADMIN:$ADMIN_PASSWORD realm.json
stdout ^201
send POST /api/users -basic $ADMIN:$ADMIN_PASSWORD user.json
stdout ^201
-- role.json --
{"name":"my-test-role-1","permissions":[{"methods":["GET"],"path":"/users"}]}
-- realm.json --
{"name":"corp","realmType":"ldap"}
-- user.json --
{"username":"alice","password":"first-Secret1"}
`,
	"applivery": `needs admin
send POST /v1/auth/register user.json
stdout ^200
-- user.json --
{"email":"alice@example.com","password":"First-Secret-1","firstName":"Alice","lastName":"Liddell","newsletter":false}
`,
	"saymon": `needs admin
send POST /node/api/user-groups -basic $ADMIN:$ADMIN_PASSWORD links.json
stdout ^200
send POST /node/api/user-groups -basic $ADMIN:$ADMIN_PASSWORD a.json
stdout ^200
send POST /node/api/password-policies -basic $ADMIN:$ADMIN_PASSWORD policy.json
stdout ^200
send POST /node/api/users -basic $ADMIN:$ADMIN_PASSWORD user.json
stdout ^200
-- links.json --
{"name":"links","permissions":["manage-links"]}
-- a.json --
{"name":"a"}
-- policy.json --
{"name":"Other","length":3}
-- user.json --
{"login":"bob","password":"qwerty-one","email":"bob@example.com"}
`,
	"milvus": `needs admin
send POST /v2/vectordb/roles/create -bearer $ADMIN:$ADMIN_PASSWORD first.json
stdout '"code":0,'
send POST /v2/vectordb/roles/create -bearer $ADMIN:$ADMIN_PASSWORD r1.json
stdout '"code":0,'
send POST /v2/vectordb/users/create -bearer $ADMIN:$ADMIN_PASSWORD capital.json
stdout '"code":0,'
send POST /v2/vectordb/users/create -bearer $ADMIN:$ADMIN_PASSWORD carol.json
stdout '"code":0,'
send POST /v2/vectordb/privilege_groups/create -bearer $ADMIN:$ADMIN_PASSWORD group.json
stdout '"code":0,'
-- first.json --
{"roleName": "_first"}
-- r1.json --
{"roleName": "r1"}
-- capital.json --
{"userName": "Root", "password": "First-Passw0rd"}
-- carol.json --
{"userName": "carol", "password": "First-Passw0rd"}
-- group.json --
{"privilegeGroupName": "first"}
`,
}

// Scripts run against a server that has users, roles and settings of its own, one
// after another and once more, by two at the same time, and leave it as it was.
func TestConformLeavesNothingBehind(t *testing.T) {
	for _, api := range handlers.Names() {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			w, suite, o := targetOf(t, api, "admin", "roomy")
			furnish, err := conform.Parse("furniture", []byte(furniture[api]))
			if err != nil {
				t.Fatal(err)
			}
			// What scripts make that nothing removes stands for everybody else's.
			others := map[string][]string{
				"fusion": {"user-create", "roles-grant", "permissions-globs"}, "applivery": {"create-user"},
				"saymon": {"create-user", "user-groups"}, "milvus": {"users", "user-roles", "rights-by-grants"},
			}
			run := conform.Runner{Contract: o.Contract}
			for _, script := range append(slices.Clone(suite.Scripts), furnish) {
				if script == furnish || slices.Contains(others[api], script.Name) {
					if c := run.Run(t.Context(), script, nil, o.Server); c.Outcome != conform.Passed {
						t.Fatal(c.Text())
					}
				}
			}
			before := stored(t, w.dir)
			o.Server.Advance = nil
			for _, atOnce := range []int{1, 2} {
				if atOnce > 1 { // a setting that is for everybody is one run's
					o.Grants = []string{"admin"}
				}
				reports := make([]*conform.Report, atOnce)
				var running sync.WaitGroup
				for i := range reports {
					running.Go(func() { reports[i] = suite.Run(t.Context(), o) })
				}
				running.Wait()
				for i, r := range reports {
					for _, c := range r.Cases {
						if c.Outcome == conform.Failed {
							t.Errorf("run %d of %d: %s: %s", i, atOnce, c.Name, c.Text())
						}
					}
					for _, left := range r.Left() {
						t.Errorf("run %d of %d may have left %s", i, atOnce, left)
					}
					if passed, of := r.Count(conform.Passed), len(r.Cases); passed < of/2 {
						t.Errorf("run %d of %d: no more than %d of %d scripts were run", i, atOnce, passed, of)
					}
				}
				if after := stored(t, w.dir); !slices.Equal(before, after) {
					t.Fatalf("%d at once: before:\n%s\nafter:\n%s", atOnce, strings.Join(before, "\n"), strings.Join(after, "\n"))
				}
			}
		})
	}
}

// targetOf is a world until the test ends, with its API's scripts and what they need to
// be run against it.
func targetOf(t *testing.T, api string, needs ...string) (*world, *conform.Suite, conform.Options) {
	t.Helper()
	w, err := newWorld(t.TempDir(), api, needs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.close() })
	suite, err := handlers.Suite(api)
	if err != nil {
		t.Fatal(err)
	}
	contract, title, err := handlers.ContractOf(api)
	if err != nil {
		t.Fatal(err)
	}
	o := conform.Options{Contract: contract, Title: title, Server: w.server(), Grants: []string{"admin", "settings"}}
	o.Server.Transport = nil // what watches a world remembers every secret: too many, over a whole suite
	return w, suite, o
}

// stored is what a store holds that users have made, a line each.
func stored(t *testing.T, dir string) (lines []string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "usher.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(t.Context(), `
		SELECT 'user', directory, id, realm, name, email || password_version FROM "user"
		UNION ALL SELECT 'user_role', directory, user_id, role, position, '' FROM user_role
		UNION ALL SELECT 'record', directory, kind, id, name, document FROM record
		UNION ALL SELECT 'policy', directory, id, position, is_default, document FROM policy
		ORDER BY 1, 2, 3, 4, 5, 6`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var c [6]string
		if err := rows.Scan(&c[0], &c[1], &c[2], &c[3], &c[4], &c[5]); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.Join(c[:], " "))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

// What a run that is interrupted has made goes, too, and the rest is said to be
// skipped.
func TestConformInterrupted(t *testing.T) {
	w, suite, o := targetOf(t, "milvus", "admin")
	o.Only = regexp.MustCompile("^users|^roles")
	before := stored(t, w.dir)
	ctx, cancel := context.WithCancel(t.Context())
	var sent atomic.Int32
	o.Server.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		response, err := http.DefaultTransport.RoundTrip(r)
		if sent.Add(1) == 5 {
			cancel()
		}
		return response, err
	})
	r := suite.Run(ctx, o)
	if r.Interrupted == "" || r.Count(conform.Failed) > 0 || r.Count(conform.Skipped) != len(r.Cases) {
		t.Errorf("interrupted: %q; %d failed, %d skipped of %d: %s", r.Interrupted, r.Count(conform.Failed), r.Count(conform.Skipped), len(r.Cases), texts(r))
	}
	if after := stored(t, w.dir); !slices.Equal(before, after) {
		t.Errorf("before:\n%s\nafter:\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
	if sum := r.Sum(); sum.Passed != 5 || sum.Passed+sum.Failed+sum.Skipped != requestsOf(suite, o) {
		t.Errorf("requests: %+v of %d", sum, requestsOf(suite, o))
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func requestsOf(s *conform.Suite, o conform.Options) (n int) {
	scripts, _ := s.Pick(o)
	for _, script := range scripts {
		n += script.Requests()
	}
	return n
}

// A wrong password is tried twice, however an API is logged in to, and no more: there
// are servers that lock whoever is refused. Nothing is found that is the password's
// fault.
func TestConformWrongPassword(t *testing.T) {
	const wrong = "n0t-the-Passw0rd"
	for _, api := range handlers.Names() {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			_, suite, o := targetOf(t, api, "admin", "roomy")
			o.Server.Password = wrong
			attempts := 0
			o.Server.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				var body []byte
				if r.Body != nil {
					var err error
					if body, err = io.ReadAll(r.Body); err != nil {
						return nil, err
					}
					r.Body = io.NopCloser(bytes.NewReader(body))
				}
				_, password, _ := r.BasicAuth()
				if password == wrong || strings.Contains(r.Header.Get("Authorization")+string(body), wrong) {
					attempts++
				}
				return http.DefaultTransport.RoundTrip(r)
			})
			r := suite.Run(t.Context(), o)
			if attempts != 2 || r.Interrupted == "" || r.Count(conform.Failed) > 0 || r.Sum().Failed > 0 || r.Count(conform.Skipped) < len(r.Cases)/2 {
				t.Errorf("%d attempts, %q, %d failed, %d skipped of %d: %s", attempts, r.Interrupted, r.Count(conform.Failed), r.Count(conform.Skipped), len(r.Cases), texts(r))
			}
		})
	}
}

// Whoever is given for an administrator and is none is not taken for somebody whom a
// script has made.
func TestConformLeavesItsCaller(t *testing.T) {
	w, suite, o := targetOf(t, "applivery", "admin")
	registered, err := w.client.Post(w.url+"/v1/auth/register", "application/json", strings.NewReader(
		`{"email":"eve@example.com","password":"`+adminPassword+`","firstName":"Eve","lastName":"Moneypenny","newsletter":false}`))
	if err != nil || registered.Body.Close() != nil || registered.StatusCode != http.StatusOK {
		t.Fatal(registered, err)
	}
	before := stored(t, w.dir)
	o.Server.Admin, o.Only = "eve@example.com", regexp.MustCompile("^(create-user|login|register)$")
	r := suite.Run(t.Context(), o)
	after := stored(t, w.dir)
	for _, line := range before {
		if !slices.Contains(after, line) {
			t.Errorf("it is gone: %s", line)
		}
	}
	// What nobody else may delete is left, and told of.
	if r.Count(conform.Failed) == 0 || len(after) == len(before) || len(r.Left()) == 0 {
		t.Errorf("%d left, %q: %s", len(after)-len(before), r.Left(), texts(r))
	}
}

// Where no time can pass, a script ends there, and what comes after is said to be
// skipped.
func TestConformDoesNotWait(t *testing.T) {
	_, suite, o := targetOf(t, "milvus", "admin")
	o.Server.Advance = nil
	script, err := conform.Parse("waits", []byte(`needs admin clock
send POST /v2/vectordb/users/list -bearer $ADMIN:$ADMIN_PASSWORD empty.json
advance 20ms
send POST /v2/vectordb/users/list -bearer $ADMIN:$ADMIN_PASSWORD empty.json
-- empty.json --
{}
`))
	if err != nil {
		t.Fatal(err)
	}
	suite.Scripts = []*conform.Script{script}
	for patience, want := range map[time.Duration]struct {
		requests int
		reason   string
	}{0: {1, "from line 3 on: needs 20ms to pass"}, 20 * time.Millisecond: {2, ""}} {
		o.Server.Patience = patience
		r := suite.Run(t.Context(), o)
		if c, sum := r.Cases[0], r.Sum(); c.Outcome != conform.Passed || c.Reason != want.reason || sum.Passed != want.requests || sum.Skipped != 2-want.requests {
			t.Errorf("%s: %+v, %+v", patience, c, sum)
		}
	}
}
