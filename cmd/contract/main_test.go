package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const document = `# the vendor's
openapi: 3.0.1
info: {title: Acme, version: "1"}
paths:
  /things/{id}:
    parameters:
      - {name: id, in: path, required: true, description: Which one., schema: {type: string, pattern: "^[a-z]+$"}}
    put:
      operationId: put
      description: Words.
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: "#/components/schemas/Thing"}}}
      responses:
        "200": {description: done, content: {application/json: {schema: {$ref: "#/components/schemas/Answer"}}}}
  /news:
    get:
      operationId: follow
      responses:
        "200": {description: Words., content: {text/event-stream: {schema: {type: string}}}}
        "404": {description: none, content: {application/json: {schema: {$ref: "#/components/schemas/Answer"}}}}
components:
  schemas:
    Thing:
      type: object
      description: Words.
      x-usher-decision: Words.
      properties:
        description: {type: string, description: Words., maxLength: 9, x-order: 1, example: Words}
        part: {$ref: "#/components/schemas/Thing"}
        anything: {description: Words., x-nullable: true}
        parts: {type: array, items: {$ref: "#/components/schemas/Part"}}
    Part: {type: string, enum: [a, b]}
    Answer: {type: object}
`

// generate runs the command on documents given as text.
func generate(t *testing.T, document, overlay string) (dir string, err error) {
	t.Helper()
	in := t.TempDir()
	dir = filepath.Join(in, "acme")
	args := []string{"-document", filepath.Join(in, "acme.yaml"), "-out", dir}
	if err := os.WriteFile(filepath.Join(in, "acme.yaml"), []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	if overlay != "" {
		args = append(args, "-overlay", filepath.Join(in, "overlay.yaml"))
		if err := os.WriteFile(filepath.Join(in, "overlay.yaml"), []byte(overlay), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, run(args, io.Discard)
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func overlayWith(action string) string {
	return `overlay: 1.0.0
x-speakeasy-jsonpath: rfc9535
info: {title: Corrections, version: "1"}
actions:
  - ` + action + "\n"
}

func TestOverlayIsApplied(t *testing.T) {
	dir, err := generate(t, document, overlayWith("{target: $, description: why, update: {openapi: 3.0.3, info: {description: \"two\\nlines\"}}}"))
	if err != nil {
		t.Fatal(err)
	}
	got := read(t, dir, "openapi.yaml")
	for _, want := range []string{"openapi: 3.0.3\n", "  description: |-\n    two\n    lines\n", "DO NOT EDIT"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %s", want, got)
		}
	}
	if strings.Contains(got, "# the vendor's") || strings.Contains(got, "info: {") {
		t.Errorf("comments and flow style were kept: %s", got)
	}
	if source := read(t, dir, "openapi.gen.go"); !strings.Contains(source, "package acme") || !strings.HasPrefix(source, "// Code generated") {
		t.Error(source)
	}
}

// An overlay that has drifted from its document must not pass in silence.
func TestActionWithoutEffectIsAnError(t *testing.T) {
	for name, overlay := range map[string]string{
		"no target":         overlayWith("{target: \"$.paths['/nothing']\", remove: true}"),
		"filter finds none": overlayWith("{target: \"$.paths[?@.summary == 'none']\", update: {summary: x}}"),
		"nothing to change": overlayWith("{target: $.info, update: {title: Acme}}"),
		"other dialect":     strings.Replace(overlayWith("{target: \"$.paths[?@.summary == 'none']\", update: {summary: x}}"), "x-speakeasy-jsonpath: rfc9535\n", "", 1),
		"no overlay":        "title: x\n",
	} {
		if _, err := generate(t, document, overlay); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestRequestsKeepWhatRequestsAreHeldAgainst(t *testing.T) {
	dir, err := generate(t, document, "")
	if err != nil {
		t.Fatal(err)
	}
	got := read(t, dir, "requests.json")
	for _, want := range []string{`"operationId": "put"`, `"pattern": "^[a-z]+$"`, `"maxLength": 9`, `"x-order": 1`, `"$ref": "#/components/schemas/Thing"`, `"Part"`, `"required": true`, `"text/event-stream": {}`, `"nullable": true`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
	for _, gone := range []string{"Words", "Answer", "x-usher-decision", "x-nullable", "example", "Which one", `"404"`} {
		if strings.Contains(got, gone) {
			t.Errorf("%s was kept in %s", gone, got)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"-document", "x"}, {"-nothing"}, {"-document", "none.yaml", "-out", "none"}} {
		if err := run(args, io.Discard); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}
