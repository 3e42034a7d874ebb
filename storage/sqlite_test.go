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
