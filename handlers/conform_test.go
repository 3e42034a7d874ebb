package handlers_test

import (
	"context"
	"database/sql"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"usher/handlers"
	"usher/handlers/conform"
)

// Scripts run against a server that has users, roles and settings of its own, one
// after another and once more, and leave it as it was.
func TestConformLeavesNothingBehind(t *testing.T) {
	for _, api := range handlers.Names() {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			w, err := newWorld(t.TempDir(), api, []string{"admin"})
			if err != nil {
				t.Fatal(err)
			}
			defer w.close()
			suite, o := suiteOf(t, w)
			// What scripts make that nothing removes stands for everybody else's.
			others := map[string][]string{
				"fusion": {"user-create", "roles-grant", "permissions-globs"}, "applivery": {"create-user"},
				"saymon": {"create-user", "user-groups"}, "milvus": {"users", "user-roles", "rights-by-grants"},
			}
			run := conform.Runner{Contract: o.Contract}
			for _, script := range suite.Scripts {
				if slices.Contains(others[api], script.Name) {
					if c := run.Run(t.Context(), script, nil, o.Server); c.Outcome != conform.Passed {
						t.Fatal(c.Text())
					}
				}
			}
			before := stored(t, w.dir)
			o.Server.Advance = nil
			for run := range 2 {
				r := suite.Run(t.Context(), o)
				for _, c := range r.Cases {
					if c.Outcome == conform.Failed {
						t.Errorf("run %d: %s: %s", run, c.Name, c.Text())
					}
				}
				for _, left := range r.Left() {
					t.Errorf("run %d may have left %s", run, left)
				}
				if after := stored(t, w.dir); !slices.Equal(before, after) {
					t.Fatalf("run %d: before:\n%s\nafter:\n%s", run, strings.Join(before, "\n"), strings.Join(after, "\n"))
				}
				if passed, of := r.Count(conform.Passed), len(r.Cases); passed < of/2 {
					t.Errorf("run %d: no more than %d of %d scripts were run", run, passed, of)
				}
			}
		})
	}
}

// suiteOf is an API's scripts, and what they need to be run against w.
func suiteOf(t *testing.T, w *world) (*conform.Suite, conform.Options) {
	t.Helper()
	suite, err := handlers.Suite(w.api)
	if err != nil {
		t.Fatal(err)
	}
	contract, title, err := handlers.ContractOf(w.api)
	if err != nil {
		t.Fatal(err)
	}
	o := conform.Options{Contract: contract, Title: title, Server: w.server(), Grants: []string{"admin", "settings"}}
	o.Server.Transport = nil // what watches a world remembers every secret: too many, over a whole suite
	return suite, o
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
	w, err := newWorld(t.TempDir(), "milvus", []string{"admin"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	suite, o := suiteOf(t, w)
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

// Where no time can pass, a script ends there, and what comes after is said to be
// skipped.
func TestConformDoesNotWait(t *testing.T) {
	w, err := newWorld(t.TempDir(), "milvus", []string{"admin"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	suite, o := suiteOf(t, w)
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
