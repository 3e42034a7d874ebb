package exchange

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"regexp/syntax"
	"slices"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
)

// Example gives an answer that the operation of that id declares for a status: the example of
// that name or, with an empty name, the first by name; where there is none, the
// schema's own, or one made of the schema. header has the headers that the answer
// must have. What it gives keeps to the contract. Errors: there is no such
// operation, status or name, or no answer can be made.
func (c *Contract) Example(id string, status int, name string) (body []byte, header http.Header, err error) {
	i := slices.IndexFunc(c.operations, func(op *operation) bool { return op.ID == id })
	if i < 0 {
		return nil, nil, fmt.Errorf("the contract of %s has no operation %q", c.name, id)
	}
	op := c.operations[i]
	declared := op.response(status)
	if declared == nil {
		return nil, nil, fmt.Errorf("%s declares no answer of status %d", id, status)
	}
	if body, header, err = declared.example(name); err != nil {
		return nil, nil, fmt.Errorf("%s, status %d: %w", id, status, err)
	}
	e := Exchange{Answer: Message{Status: status, Header: header, Body: body}}
	v := checking{exchange: &e, op: op}
	v.answer()
	if len(e.Violations) > 0 {
		return nil, nil, fmt.Errorf("%s, status %d: no valid answer can be made: %s: %s", id, status, e.Violations[0].Path, e.Violations[0].Message)
	}
	return body, header, nil
}

// ExampleNames lists the names that Example takes for an operation's status,
// sorted.
func (c *Contract) ExampleNames(id string, status int) []string {
	for _, op := range c.operations {
		if declared := op.response(status); op.ID == id && declared != nil {
			if _, media := declared.media(); media != nil {
				return slices.Sorted(maps.Keys(media.Examples))
			}
		}
	}
	return nil
}

// media is what the answer's body may be: JSON, or whatever there is.
func (r *response) media() (string, *openapi3.MediaType) {
	for _, name := range slices.Sorted(maps.Keys(r.Content)) {
		if isJSON(name) {
			return name, r.Content[name]
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Content)) {
		return name, r.Content[name]
	}
	return "", nil
}

func (r *response) example(name string) ([]byte, http.Header, error) {
	header := http.Header{}
	for _, h := range r.headers {
		if h.Required {
			value := h.Example
			if value == nil {
				var err error
				if value, err = instance(h.Schema.Value, 0); err != nil {
					return nil, nil, err
				}
			}
			header.Set(h.Name, fmt.Sprint(value))
		}
	}
	contentType, media := r.media()
	if media == nil {
		if name != "" {
			return nil, nil, fmt.Errorf("there is no example %q", name)
		}
		return nil, header, nil
	}
	if !strings.Contains(contentType, "*") {
		header.Set("Content-Type", contentType)
	}
	value, err := media.Example, error(nil)
	names := slices.Sorted(maps.Keys(media.Examples))
	switch {
	case name != "":
		if media.Examples[name] == nil {
			return nil, nil, fmt.Errorf("there is no example %q", name)
		}
		value = media.Examples[name].Value.Value
	case len(names) > 0:
		value = media.Examples[names[0]].Value.Value
	case value == nil && media.Schema != nil:
		value, err = instance(media.Schema.Value, 0)
	}
	if err != nil {
		return nil, nil, err
	}
	if text, ok := value.(string); ok && !isJSON(contentType) {
		return []byte(text), header, nil
	}
	var schema *openapi3.Schema
	if media.Schema != nil {
		schema = media.Schema.Value
	}
	var body bytes.Buffer
	if err := encode(&body, value, schema); err != nil {
		return nil, nil, err
	}
	return body.Bytes(), header, nil
}

// encode writes a value with the members in the schema's order, their x-order.
func encode(to *bytes.Buffer, value any, schema *openapi3.Schema) error {
	switch v := value.(type) {
	case map[string]any:
		place := func(name string) float64 {
			if p := property(schema, name); p != nil {
				if order, ok := p.Extensions["x-order"].(float64); ok {
					return order
				}
			}
			return math.Inf(1)
		}
		names := slices.SortedFunc(maps.Keys(v), func(a, b string) int {
			return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a, b))
		})
		to.WriteByte('{')
		for i, name := range names {
			if i > 0 {
				to.WriteByte(',')
			}
			if err := encode(to, name, nil); err != nil {
				return err
			}
			to.WriteByte(':')
			if err := encode(to, v[name], property(schema, name)); err != nil {
				return err
			}
		}
		to.WriteByte('}')
		return nil
	case []any:
		var items *openapi3.Schema
		if schema != nil && schema.Items != nil {
			items = schema.Items.Value
		}
		to.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				to.WriteByte(',')
			}
			if err := encode(to, item, items); err != nil {
				return err
			}
		}
		to.WriteByte(']')
		return nil
	}
	encoder := json.NewEncoder(to)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	to.Truncate(len(bytes.TrimSuffix(to.Bytes(), []byte("\n"))))
	return err
}

// property is the schema of a member; nil: the schema does not name it.
func property(schema *openapi3.Schema, name string) *openapi3.Schema {
	if schema == nil {
		return nil
	}
	if p := schema.Properties[name]; p != nil {
		return p.Value
	}
	for _, part := range slices.Concat(schema.AllOf, schema.OneOf, schema.AnyOf) {
		if p := property(part.Value, name); p != nil {
			return p
		}
	}
	return nil
}

// instance makes a value of a schema, small and always the same. What it cannot
// make, it says; whether all limits are kept, Check says.
func instance(s *openapi3.Schema, depth int) (any, error) {
	switch {
	case s.Example != nil:
		return s.Example, nil
	case s.Default != nil:
		return s.Default, nil
	case len(s.Enum) > 0:
		return s.Enum[0], nil
	case len(s.OneOf) > 0:
		return instance(s.OneOf[0].Value, depth+1)
	case len(s.AnyOf) > 0:
		return instance(s.AnyOf[0].Value, depth+1)
	case depth > maxDepth && s.Nullable:
		return nil, nil //nolint:nilnil // null is the value
	case depth > 4*maxDepth:
		return nil, fmt.Errorf("the schema has no end")
	}
	switch {
	case s.Type.Is("boolean"):
		return true, nil
	case s.Type.Is("integer"), s.Type.Is("number"):
		switch {
		case s.Min != nil:
			return math.Ceil(*s.Min), nil
		case s.Max != nil && *s.Max < 0:
			return math.Floor(*s.Max), nil
		}
		return 0, nil
	case s.Type.Is("string"):
		return text(s)
	case s.Type.Is("array"):
		items := []any{}
		for uint64(len(items)) < s.MinItems {
			item, err := instance(s.Items.Value, depth+1)
			if err != nil {
				return nil, err
			}
			items = append(items, item)
		}
		return items, nil
	}
	members := map[string]any{}
	for _, part := range s.AllOf {
		value, err := instance(part.Value, depth+1)
		if err != nil {
			return nil, err
		}
		if m, ok := value.(map[string]any); ok {
			maps.Copy(members, m)
		}
	}
	for name, p := range s.Properties {
		required := slices.Contains(s.Required, name)
		if p.Value.WriteOnly || !required && depth > maxDepth {
			continue
		}
		value, err := instance(p.Value, depth+1)
		if err != nil && required {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if err == nil {
			members[name] = value
		}
	}
	return members, nil
}

// text makes a string of a schema.
func text(s *openapi3.Schema) (string, error) {
	switch s.Format {
	case "date-time":
		return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Format(time.RFC3339), nil
	case "date":
		return "2026-01-02", nil
	case "email":
		return "ada@example.com", nil
	case "uuid":
		return "00000000-0000-4000-8000-000000000000", nil
	case "byte":
		return "", nil
	}
	made := ""
	if s.Pattern != "" {
		parsed, err := syntax.Parse(s.Pattern, syntax.Perl)
		if err != nil {
			return "", err
		}
		var b strings.Builder
		fitting(&b, parsed)
		made = b.String()
	}
	if s.Pattern == "" {
		made = strings.Repeat("a", int(max(s.MinLength, min(1, maxLength(s))))) //nolint:gosec // a contract's limit
	}
	return made, nil
}

func maxLength(s *openapi3.Schema) uint64 {
	if s.MaxLength == nil {
		return math.MaxUint64
	}
	return *s.MaxLength
}

// fitting writes the shortest text that a regular expression fits, taking the first
// of alternatives.
func fitting(to *strings.Builder, r *syntax.Regexp) {
	switch r.Op {
	case syntax.OpLiteral:
		to.WriteString(string(r.Rune))
	case syntax.OpCharClass:
		to.WriteRune(r.Rune[0])
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		to.WriteByte('a')
	case syntax.OpCapture, syntax.OpPlus:
		fitting(to, r.Sub[0])
	case syntax.OpRepeat:
		for range r.Min {
			fitting(to, r.Sub[0])
		}
	case syntax.OpConcat:
		for _, sub := range r.Sub {
			fitting(to, sub)
		}
	case syntax.OpAlternate:
		fitting(to, r.Sub[0])
	default: // the rest fits nothing at all
	}
}
