package handlers_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"usher/handlers"
)

// The README says of each API how many operations it has, how many scripts prove
// them, and which clients of others run against it.
func TestReadmeCounts(t *testing.T) {
	read := func(path ...string) string {
		text, err := os.ReadFile(filepath.Join(append([]string{".."}, path...)...))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	readme, clients := read("README.md"), read("docs", "clients.md")
	for _, api := range handlers.Names() {
		row := regexp.MustCompile(`(?m)^\| [^|]+ \| (\d+): [^|]+ \| (\d+) \| ([^|]+) \| \[gen/` + api + `/openapi.yaml\]`).FindStringSubmatch(readme)
		if row == nil {
			t.Errorf("%s has no row of operations, scripts, clients and contract", api)
			continue
		}
		suite, err := handlers.Suite(api)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := row[1]+" operations, "+row[2]+" scripts", strconv.Itoa(len(operationsOf(api)))+" operations, "+strconv.Itoa(len(suite.Scripts))+" scripts"; got != want {
			t.Errorf("%s: the README says %s, there are %s", api, got, want)
		}
		for client := range strings.SplitSeq(row[3], ", ") {
			if name, _, _ := strings.Cut(client, ","); !strings.Contains(clients, strings.Fields(name)[0]) {
				t.Errorf("%s: docs/clients.md does not know %s", api, name)
			}
		}
	}
}
