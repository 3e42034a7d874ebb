package storage

import (
	"path/filepath"
	"strings"
	"testing"
)

// The reads that nearly every request makes look rows up; none of them reads a
// directory from end to end, or sorts.
func TestHotReadsUseIndexes(t *testing.T) {
	s, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "test.db"), Hash: cheapParams})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for _, query := range []string{selectUserByID, selectUserByName, selectLoginByName, selectLoginByEmail, selectLoginByToken} {
		for _, step := range plan(t, s, query) {
			if strings.Contains(step, "SCAN") || strings.Contains(step, "TEMP") || strings.Contains(step, "(directory=?)") {
				t.Errorf("%s\nin %s", step, query)
			}
		}
	}
}

// Who has many tokens does not wait for all of them at each login, nor does
// who lists those of one kind or user.
func TestTokensAreLookedUp(t *testing.T) {
	s, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "test.db"), Hash: cheapParams})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for query, want := range map[string]string{
		deleteExpired:  "USING INDEX token_user (directory=? AND user_id=? AND expires_at<?)",
		deleteTokens:   "USING INDEX token_kind (directory=? AND kind=? AND user_id=?)",
		selectTokensOf: "USING INDEX token_kind (directory=? AND kind=? AND user_id=?)",
		selectTokens:   "USING INDEX token_kind (directory=? AND kind=?)",
		selectToken:    "USING INDEX token_id (directory=? AND kind=? AND id=?)",
		tokenIDTaken:   "INDEX token_id (directory=? AND kind=? AND id=?)",
	} {
		if steps := strings.Join(plan(t, s, query), "\n"); !strings.Contains(steps, want) {
			t.Errorf("%s\nin %s\nwant %s", steps, query, want)
		}
	}
}

// plan returns the steps by which SQLite will answer query.
func plan(t *testing.T, s *Store, query string) (steps []string) {
	t.Helper()
	rows, err := s.reader.QueryContext(t.Context(), `EXPLAIN QUERY PLAN `+query, "1", "2", "3", "4")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var step string
		if err := rows.Scan(new(any), new(any), new(any), &step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	if err := rows.Err(); err != nil || steps == nil {
		t.Fatal(steps, err)
	}
	return steps
}
