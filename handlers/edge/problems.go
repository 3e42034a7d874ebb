package edge

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
)

// bodyProblems lists what is wrong with a body, in the order of its schema.
func bodyProblems(schema *openapi3.Schema, value any, options []openapi3.SchemaValidationOption) []Problem {
	var problems []Problem
	add := func(keyword string, path []string) {
		at, order := follow(schema, path)
		got, empty := look(value, path)
		problems = append(problems, Problem{In: "body", Path: path, Keyword: keyword, Schema: at, Got: got, Empty: empty, order: order})
	}
	for _, e := range SchemaErrors(schema.VisitJSON(value, options...)) {
		if name, ok := undeclaredMember(e); ok {
			add(undeclared, append(e.JSONPointer(), name))
			continue
		}
		add(e.SchemaField, e.JSONPointer())
	}
	slices.SortStableFunc(problems, func(a, b Problem) int { return slices.Compare(a.order, b.order) })
	return problems
}

// undeclared is what forbids members that a schema does not name.
const undeclared = "additionalProperties"

// undeclaredMember gives the name of a member that an object may not have, if that is
// the error: kin-openapi says it in its text alone.
func undeclaredMember(e *openapi3.SchemaError) (name string, ok bool) {
	if e.SchemaField != undeclared {
		return "", false
	}
	quoted, err := strconv.QuotedPrefix(strings.TrimPrefix(e.Reason, "property "))
	if err != nil {
		return "", false
	}
	name, err = strconv.Unquote(quoted)
	return name, err == nil
}

// follow walks from a schema along a path, and gives the schema there and the
// place of each step: a member's x-order, an item's index.
func follow(schema *openapi3.Schema, path []string) (*openapi3.Schema, []int) {
	order := make([]int, 0, len(path))
	for _, name := range path {
		var named bool
		if schema, named = step(schema, name); named {
			order = append(order, xOrder(schema))
			continue
		}
		index, _ := strconv.Atoi(name)
		order = append(order, index)
	}
	return schema, order
}

// step gives the schema of a member or an item of what schema describes; nil:
// it says nothing of it. named: it is a member that the schema names.
func step(schema *openapi3.Schema, name string) (_ *openapi3.Schema, named bool) {
	switch {
	case schema == nil:
	case schema.Properties[name] != nil:
		return schema.Properties[name].Value, true
	case schema.Items != nil:
		return schema.Items.Value, false
	case schema.AdditionalProperties.Schema != nil:
		return schema.AdditionalProperties.Schema.Value, false
	}
	return nil, false
}

func xOrder(schema *openapi3.Schema) int {
	switch order := schema.Extensions["x-order"].(type) {
	case float64:
		return int(order)
	case int:
		return order
	}
	return 0
}

// SchemaErrors takes the schema errors out of whatever they are wrapped in, and has
// JSON Schema's word for each.
func SchemaErrors(err error) []*openapi3.SchemaError {
	var request *openapi3filter.RequestError
	var many openapi3.MultiError
	var one *openapi3.SchemaError
	switch {
	case errors.As(err, &many):
		var all []*openapi3.SchemaError
		for _, e := range many {
			all = append(all, SchemaErrors(e)...)
		}
		return all
	case errors.As(err, &one):
		if one.SchemaField == "properties" { // kin-openapi's word for a member that may not be there
			one.SchemaField = undeclared
		}
		return []*openapi3.SchemaError{one}
	case errors.As(err, &request):
		return SchemaErrors(request.Err)
	}
	return nil
}

// look names the JSON type of what path leads to (empty: there is nothing) and
// says whether it is empty.
func look(value any, path []string) (jsonType string, empty bool) {
	for _, step := range path {
		switch v := value.(type) {
		case map[string]any:
			member, ok := v[step]
			if !ok {
				return "", false
			}
			value = member
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(v) {
				return "", false
			}
			value = v[i]
		default:
			return "", false
		}
	}
	switch v := value.(type) {
	case nil:
		return "null", false
	case bool:
		return "boolean", false
	case json.Number:
		return "number", false
	case string:
		return "string", v == ""
	case []any:
		return "array", len(v) == 0
	case map[string]any:
		return "object", len(v) == 0
	}
	return "", false
}
