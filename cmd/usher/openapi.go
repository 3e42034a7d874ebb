package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	yamljson "github.com/speakeasy-api/openapi/json"
	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"usher/handlers"
)

func newOpenAPI(environ []string) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "openapi [API]",
		Short: "Print an API's contract, an OpenAPI document; without an API, list them",
		Long: `Print an API's effective contract: what the server holds requests against, and
what clients are generated from. A running server has the same document at
/_usher/openapi/<api>.yaml. The one called usher is of usher's own control API.
Without an API, the names of those that there are.

What has changed between two of them, and whether it breaks clients, oasdiff says:
oasdiff breaking before.yaml after.yaml.`,
		Example: "  usher openapi milvus > milvus.yaml\n  usher openapi fusion --format json | jq .info",
		Args:    cobra.MaximumNArgs(1),
		RunE: onStore(environ, func(cmd *cobra.Command, args []string) error {
			if !slices.Contains([]string{"yaml", "json"}, format) {
				return fmt.Errorf("--format %q: it is yaml or json", format)
			}
			if len(args) == 0 {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), strings.Join(handlers.Documents(), "\n"))
				return err
			}
			document, err := handlers.OpenAPI(args[0])
			if err == nil && format == "json" {
				document, err = toJSON(document)
			}
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(document)
			return err
		}),
	}
	cmd.Flags().StringVar(&format, "format", "yaml", "`format` of the document: yaml or json")
	return cmd
}

// toJSON is the same document in JSON, its members in the same order.
func toJSON(document []byte) ([]byte, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(document, &root); err != nil {
		return nil, err
	}
	var compact, out bytes.Buffer
	if err := yamljson.YAMLToJSON(&root, 0, &compact); err != nil {
		return nil, err
	}
	err := json.Indent(&out, compact.Bytes(), "", "  ") // fails on what is no JSON
	return out.Bytes(), err
}
