package handlers_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"usher/handlers"
	"usher/handlers/conform"
)

// aspects are what docs/behaviour.md says of each operation, a column each.
var aspects = []struct{ name, title string }{
	{"effect", "What it does"},
	{"duplicate", "It is there already"},
	{"missing", "The target is not there"},
	{"cascade", "What goes along"},
	{"repeat", "Once more"},
}

// shown is what scripts have said with shows: by API, operation and aspect.
var shown = struct {
	sync.Mutex
	cells map[[3]string]cell
	twice []string
}{cells: map[[3]string]cell{}}

type cell struct{ text, script string }

// show notes what a script has said.
func show(t *testing.T, api, script string, s conform.Shown) {
	t.Helper()
	if strings.TrimSpace(s.Text) == "" || strings.ContainsAny(s.Text, "|\n") {
		t.Errorf("%s: %q is to go into a cell of a table", script, s.Text)
	}
	shown.Lock()
	defer shown.Unlock()
	for _, aspect := range s.Aspects {
		if !slices.ContainsFunc(aspects, func(a struct{ name, title string }) bool { return a.name == aspect }) {
			t.Errorf("%s: no aspect %q", script, aspect)
		}
		key := [3]string{api, s.Operation, aspect}
		if before, taken := shown.cells[key]; taken && before.script != script {
			shown.twice = append(shown.twice, fmt.Sprintf("%s of %s %s: %s and %s", aspect, api, s.Operation, before.script, script))
		}
		shown.cells[key] = cell{s.Text, script}
	}
}

// checkBehaviour holds docs/behaviour.md against what the scripts have shown,
// and has no cell of it empty.
func checkBehaviour(t *testing.T) {
	shown.Lock()
	defer shown.Unlock()
	for _, twice := range slices.Sorted(slices.Values(shown.twice)) {
		t.Error("shown twice: " + twice)
	}
	var b bytes.Buffer
	b.WriteString(`# What each operation does

Made by the tests from what the scripts in handlers/&lt;api&gt;/testdata show
(` + "`go test ./handlers -run TestScripts -update`" + `). Each cell leads to the script
that proves it: prose, requests and whole answers.
`)
	for _, api := range handlers.Names() {
		fmt.Fprintf(&b, "\n## %s\n\n| operation |", contracts()[api].doc.Info.Title)
		rule := "\n|---|"
		for _, a := range aspects {
			fmt.Fprintf(&b, " %s |", a.title)
			rule += "---|"
		}
		b.WriteString(rule + "\n")
		for _, op := range operationsOf(api) {
			fmt.Fprintf(&b, "| **%s**<br>%s %s |", op.id, op.method, strings.NewReplacer("{", "\\{", "}", "\\}").Replace(op.path))
			for _, a := range aspects {
				c, ok := shown.cells[[3]string{api, op.id, a.name}]
				if !ok {
					t.Errorf("no script shows the %s of %s %s", a.name, api, op.id)
				}
				fmt.Fprintf(&b, " [%s](../handlers/%s/testdata/%s.txtar) |", strings.NewReplacer("[", "\\[", "]", "\\]", "<", "&lt;", "_", "\\_", "*", "\\*").Replace(c.text), api, c.script)
			}
			b.WriteString("\n")
		}
	}
	checkDocument(t, "behaviour.md", b.Bytes())
}

// checkDocument compares a document that the tests make with the one in docs,
// or writes it if the tests are to.
func checkDocument(t *testing.T, name string, made []byte) {
	t.Helper()
	path := filepath.Join("..", "docs", name)
	if *update && !t.Failed() {
		if err := os.WriteFile(path, made, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	there, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(there, made) {
		t.Errorf("docs/%s is not what the tests show (%v): go test ./handlers -update writes it", name, err)
	}
}

// operationOf is an operation of a contract.
type operationOf struct {
	id, method, path string
	spec             *openapi3.Operation
}

// operationsOf lists an API's operations by path, and by verb in the order that
// people think of.
func operationsOf(api string) (ops []operationOf) {
	verbs := []string{"POST", "GET", "PUT", "PATCH", "DELETE"}
	paths := contracts()[api].doc.Paths.Map()
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		operations := paths[path].Operations()
		for _, verb := range verbs {
			if op := operations[verb]; op != nil {
				ops = append(ops, operationOf{op.OperationID, verb, path, op})
				delete(operations, verb)
			}
		}
		for verb := range operations {
			panic("no place for " + verb)
		}
	}
	return ops
}
