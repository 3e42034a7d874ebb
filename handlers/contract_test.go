package handlers_test

import (
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// The effective contracts are valid OpenAPI 3.0.3, and so is every example
// against its schema.
func TestContractsAreValid(t *testing.T) {
	for name, c := range contracts() {
		if c.doc.OpenAPI != "3.0.3" {
			t.Errorf("%s: OpenAPI %s", name, c.doc.OpenAPI)
		}
		if err := c.doc.Validate(t.Context(), openapi3.EnableExamplesValidation(), openapi3.EnableSchemaFormatValidation()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(c.doc.Servers) != 1 || !strings.HasPrefix(c.doc.Servers[0].URL, "/") {
			t.Errorf("%s: its server is not a relative base path", name)
		}
	}
}

// The place of a member in an answer, and of its problem in an error, is its
// x-order: without one it would stand wherever its name falls.
func TestEveryMemberHasItsPlace(t *testing.T) {
	for name, c := range contracts() {
		for schema, s := range c.doc.Components.Schemas {
			checkOrder(t, name+" "+schema, s.Value)
		}
	}
}

func checkOrder(t *testing.T, where string, s *openapi3.Schema) {
	t.Helper()
	for name, p := range s.Properties {
		if p.Value.Extensions["x-order"] == nil {
			t.Errorf("%s.%s has no x-order", where, name)
		}
		if p.Ref == "" {
			checkOrder(t, where+"."+name, p.Value)
		}
	}
	if s.Items != nil && s.Items.Ref == "" {
		checkOrder(t, where+"[]", s.Items.Value)
	}
}
