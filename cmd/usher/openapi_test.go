package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// printed is what a command prints that is to succeed.
func printed(t *testing.T, args ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := run(t.Context(), args, nil, &out, io.Discard); err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return out.Bytes()
}

func TestOpenAPI(t *testing.T) {
	apis := strings.Fields(string(printed(t, "openapi")))
	if len(apis) < 5 {
		t.Fatalf("listed: %v", apis)
	}
	for _, api := range apis {
		want, err := os.ReadFile(filepath.Join("..", "..", "gen", api, "openapi.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if got := printed(t, "openapi", api); !bytes.Equal(got, want) {
			t.Errorf("%s: not the file, byte for byte: %d bytes, not %d", api, len(got), len(want))
		}

		// The same document in JSON: nothing is lost, and the order is kept.
		text := printed(t, "openapi", api, "--format", "json")
		var inYAML, inJSON any
		if err := yaml.Unmarshal(want, &inYAML); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &inJSON); err != nil {
			t.Fatalf("%s: %v", api, err)
		}
		again, err := json.Marshal(inYAML)
		if err != nil {
			t.Fatal(err)
		}
		var wanted any
		if err := json.Unmarshal(again, &wanted); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(inJSON, wanted) {
			t.Errorf("%s: the JSON is another document", api)
		}
		var order yaml.Node
		if err := yaml.Unmarshal(want, &order); err != nil {
			t.Fatal(err)
		}
		if got, want := members(t, text), keys(&order); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: the members come in another order: %d of %d", api, len(got), len(want))
		}
	}
}

// members lists the names of every object in a text of JSON as they come.
func members(t *testing.T, text []byte) (names []string) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	var objects []bool // what is open: objects and lists
	name := false      // whether a name comes next, if it is an object
	for {
		token, err := d.Token()
		if err == io.EOF {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			objects, name = append(objects, token == json.Delim('{')), true
			continue
		case json.Delim('}'), json.Delim(']'):
			objects = objects[:len(objects)-1]
		default:
			if text, is := token.(string); is && name && objects[len(objects)-1] {
				names, name = append(names, text), false
				continue
			}
		}
		name = true
	}
}

// keys lists the names of every mapping of a document in YAML as they come.
func keys(n *yaml.Node) (names []string) {
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			names = append(names, child.Value)
			continue
		}
		names = append(names, keys(child)...)
	}
	return names
}

func TestOpenAPIRefuses(t *testing.T) {
	for _, args := range [][]string{{"openapi", "acme"}, {"openapi", "fusion", "--format", "xml"}, {"openapi", "fusion", "milvus"}} {
		if err := run(t.Context(), args, nil, io.Discard, io.Discard); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}
