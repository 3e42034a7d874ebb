package handlers_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"usher/handlers"
	"usher/handlers/conform"
)

// docs/evidence says of each operation what it is known from: what a vendor's own
// server has been seen to do, or its documents alone, and what neither says.
func TestEvidence(t *testing.T) {
	reports := map[string][]*conform.Report{}
	names, err := filepath.Glob(filepath.Join("..", "docs", "evidence", "reports", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := conform.ReadReport(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if r.Product == "" || !slices.Contains(handlers.Names(), r.API) {
			t.Errorf("%s says of no vendor's server what it is", name)
		}
		reports[r.API] = append(reports[r.API], r)
	}
	for _, api := range handlers.Names() {
		checkDocument(t, filepath.Join("evidence", api+".md"), evidence(t, api, reports[api]))
	}
}

// A report of a vendor's server settles what it has seen, either way.
func TestEvidenceOfAVendor(t *testing.T) {
	at := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	row := func(passed, failed, skipped int) []conform.Row {
		return []conform.Row{{Operation: "listUsers", Passed: passed, Failed: failed, Skipped: skipped}}
	}
	for want, reports := range map[string][]*conform.Report{
		"proven against Milvus 2.6.1 (2026-11-21): 3 requests": {{Product: "Milvus 2.6.1", Began: at, Operations: row(3, 0, 0)}},
		"contradicted by Milvus 2.6.2 (2026-11-21): 1 of 3 requests; proven against Milvus 2.6.1 (2026-11-21): 3 requests": {
			{Product: "Milvus 2.6.1", Began: at, Operations: row(3, 0, 0)}, {Product: "Milvus 2.6.2", Began: at.Add(time.Hour), Operations: row(2, 1, 0)},
		},
		"proven in part against Milvus 2.6.1 (2026-11-21): 3 requests, 2 skipped": {{Product: "Milvus 2.6.1", Began: at, Operations: row(3, 0, 2)}},
		"proven against the documents only":                                       {{Product: "Milvus 2.6.1", Began: at, Operations: row(0, 0, 7)}},
	} {
		line := ""
		for l := range strings.Lines(string(evidence(t, "milvus", reports))) {
			if strings.HasPrefix(l, "| **listUsers**") {
				line = l
			}
		}
		if !strings.Contains(line, "| "+want+" |") {
			t.Errorf("%q is not in %q", want, line)
		}
	}
}

// evidence is an API's page.
func evidence(t *testing.T, api string, reports []*conform.Report) []byte {
	t.Helper()
	var document map[string]any
	served, err := handlers.OpenAPI(api)
	if err == nil {
		err = yaml.Unmarshal(served, &document)
	}
	if err != nil {
		t.Fatal(err)
	}
	contract, title, err := handlers.ContractOf(api)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(reports, func(a, b *conform.Report) int { return b.Began.Compare(a.Began) })

	var b bytes.Buffer
	fmt.Fprintf(&b, `# What is known of %s

Made by the tests from the contract and from the [reports](reports) of vendors' servers
(`+"`go test ./handlers -run TestEvidence -update`"+`). Of each operation it says

- *proven against* a product of the vendor's: as many requests of usher's scripts as it says
  were answered by that server as usher answers them, and as the contract says;
- *proven in part*: so were those that were sent, and others were skipped;
- *contradicted by* one: some were not;
- *proven against the documents only*: usher's answers are what the vendor's documents, or
  its published source, say, and no vendor's server has been asked. So far that is the case
  wherever nothing else stands here;
- *unknown*: how many points no source settles. usher had to decide them, and a vendor's
  server may well do otherwise; each is listed below.

| operation | | unknown |
|---|---|---|
`, title)
	for _, op := range contract.Operations() {
		path := strings.NewReplacer("{", "\\{", "}", "\\}").Replace(op.Path)
		unknown := ""
		if found := undecided(document, operationIn(document, op.ID)); len(found) > 0 {
			unknown = fmt.Sprint(len(found))
		}
		fmt.Fprintf(&b, "| **%s**<br>%s %s | %s | %s |\n", op.ID, op.Method, path, standing(op.ID, reports), unknown)
	}
	b.WriteString("\n## Unknown\n\n")
	whole := undecided(document, document["info"])
	var order []string
	concerned := map[string][]string{}
	for _, op := range contract.Operations() {
		for _, text := range undecided(document, operationIn(document, op.ID)) {
			if concerned[text] == nil {
				order = append(order, text)
			}
			concerned[text] = append(concerned[text], op.ID)
		}
	}
	for _, text := range whole {
		fmt.Fprintf(&b, "- The API as a whole: %s\n", inMarkdown(text))
	}
	for _, text := range order {
		of := strings.Join(concerned[text], ", ")
		if len(concerned[text]) == len(contract.Operations()) {
			of = "every operation"
		}
		fmt.Fprintf(&b, "- **%s**: %s\n", of, inMarkdown(text))
	}
	return b.Bytes()
}

// standing is what the reports, the newest first, say of an operation.
func standing(operation string, reports []*conform.Report) string {
	var said []string
	for _, r := range reports {
		for _, row := range r.Operations {
			by := fmt.Sprintf("%s (%s)", r.Product, r.Began.Format(time.DateOnly))
			switch {
			case row.Operation != operation || row.Passed+row.Failed == 0:
			case row.Failed > 0:
				said = append(said, fmt.Sprintf("contradicted by %s: %d of %d requests", by, row.Failed, row.Passed+row.Failed))
			case row.Skipped > 0 || r.Interrupted != "":
				said = append(said, fmt.Sprintf("proven in part against %s: %d requests, %d skipped", by, row.Passed, row.Skipped))
			default:
				said = append(said, fmt.Sprintf("proven against %s: %d requests", by, row.Passed))
			}
		}
	}
	if len(said) == 0 {
		return "proven against the documents only"
	}
	return strings.Join(said, "; ")
}

func inMarkdown(text string) string {
	return strings.NewReplacer("<", "&lt;", "*", "\\*", "_", "\\_").Replace(strings.Join(strings.Fields(text), " "))
}

// undecided gives what usher has decided (x-usher-decision) in a part of a
// document, and in what that refers to.
func undecided(document map[string]any, part any) (found []string) {
	seen := map[string]bool{}
	var walk func(any)
	walk = func(part any) {
		switch v := part.(type) {
		case map[string]any:
			if text, ok := v["x-usher-decision"].(string); ok && !slices.Contains(found, text) {
				found = append(found, text)
			}
			if ref, ok := v["$ref"].(string); ok && !seen[ref] {
				seen[ref] = true
				walk(referred(document, ref))
			}
			for _, name := range slices.Sorted(maps.Keys(v)) {
				if name != "example" && name != "examples" && name != "links" {
					walk(v[name])
				}
			}
		case []any:
			for _, item := range v {
				walk(item)
			}
		}
	}
	walk(part)
	return found
}

// referred is what a $ref of a document refers to.
func referred(document map[string]any, ref string) any {
	var part any = document
	for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		inside, _ := part.(map[string]any)
		part = inside[strings.NewReplacer("~1", "/", "~0", "~").Replace(name)]
	}
	return part
}

// operationIn finds an operation in a document.
func operationIn(document map[string]any, id string) any {
	paths, _ := document["paths"].(map[string]any)
	for _, item := range paths {
		methods, _ := item.(map[string]any)
		for _, operation := range methods {
			if members, ok := operation.(map[string]any); ok && members["operationId"] == id {
				return members
			}
		}
	}
	return nil
}
