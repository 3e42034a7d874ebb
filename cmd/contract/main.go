// Command contract writes an API's effective contract: the document of
// openapi/, with its overlay applied where it has one, as gen/<api>/openapi.yaml;
// the share of it that requests are held against, as requests.json; and the Go
// file that embeds them. It runs by go generate only.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/speakeasy-api/openapi/overlay"
	"github.com/speakeasy-api/openapi/overlay/loader"
	"gopkg.in/yaml.v3"
)

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "contract:", err)
		}
		os.Exit(1)
	}
}

func run(args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("contract", flag.ContinueOnError)
	flags.SetOutput(stderr)
	document := flags.String("document", "", "`file` of the OpenAPI document")
	overlayFile := flags.String("overlay", "", "`file` of the overlay to apply, if there is one")
	dir := flags.String("out", "", "`directory` of the Go package to write to; its name is the package's")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *document == "" || *dir == "" || flags.NArg() > 0 {
		return errors.New("usage: contract -document FILE [-overlay FILE] -out DIRECTORY")
	}

	contract, err := os.ReadFile(*document)
	if err != nil {
		return err
	}
	sources := *document
	if *overlayFile != "" {
		o, err := loader.LoadOverlay(*overlayFile)
		if err != nil {
			return err
		}
		if contract, err = apply(contract, o); err != nil {
			return fmt.Errorf("%s: %w", *overlayFile, err)
		}
		sources += " and " + *overlayFile
	}
	if err := os.MkdirAll(*dir, 0o755); err != nil {
		return err
	}
	// go generate runs in gen/; the header names the files from the root.
	header := fmt.Sprintf("Code generated from %s. DO NOT EDIT.", strings.ReplaceAll(filepath.ToSlash(sources), "../", ""))
	contract = append([]byte("# "+header+"\n"), contract...)
	if err := os.WriteFile(filepath.Join(*dir, "openapi.yaml"), contract, 0o644); err != nil {
		return err
	}
	if contract, err = requests(contract); err != nil {
		return fmt.Errorf("%s: %w", sources, err)
	}
	if err := os.WriteFile(filepath.Join(*dir, "requests.json"), contract, 0o644); err != nil {
		return err
	}
	source := fmt.Sprintf(embedding, header, filepath.Base(*dir))
	return os.WriteFile(filepath.Join(*dir, "openapi.gen.go"), []byte(source), 0o644)
}

const embedding = `// %s

package %s

import _ "embed"

// OpenAPI is the effective contract, in YAML: what is served, what answers are
// held against, and what this package was generated from.
//
//go:embed openapi.yaml
var OpenAPI []byte

// Requests is the share of it that requests are held against, in JSON.
//
//go:embed requests.json
var Requests []byte
`

// apply returns the document with every action of the overlay applied. An
// action that matches nothing is an error, and so is every warning: an overlay
// that has drifted from its document must not pass in silence.
func apply(document []byte, o *overlay.Overlay) ([]byte, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	var root yaml.Node
	if err := yaml.Unmarshal(document, &root); err != nil {
		return nil, err
	}
	warnings, err := o.ApplyToStrict(&root)
	if err != nil {
		return nil, err
	}
	if len(warnings) > 0 {
		return nil, errors.New(strings.Join(warnings, "; "))
	}
	tidy(&root)
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(&root); err != nil {
		return nil, err
	}
	return out.Bytes(), encoder.Close()
}

// tidy gives the nodes one style, whichever of the two documents they came
// from, and takes off the comments: they speak of the sources.
func tidy(n *yaml.Node) {
	n.HeadComment, n.LineComment, n.FootComment = "", "", ""
	switch {
	case n.Kind == yaml.ScalarNode && strings.Contains(n.Value, "\n"):
		n.Style = yaml.LiteralStyle
	case n.Kind == yaml.ScalarNode && n.Style&yaml.FoldedStyle != 0:
		n.Style = 0
	case len(n.Content) > 0:
		n.Style &^= yaml.FlowStyle
	}
	for _, child := range n.Content {
		tidy(child)
	}
}
