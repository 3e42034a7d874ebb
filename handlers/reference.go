package handlers

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"

	"usher/handlers/edge"
)

//go:embed reference.html
var referenceHTML string

var referencePage = template.Must(template.New("reference").Parse(referenceHTML))

// mountReference serves each API's contract as a page for people. It needs nothing
// from elsewhere, and runs no script.
func mountReference(e *echo.Echo, served []edge.API) {
	names := make([]string, len(served))
	for i, a := range served {
		names[i] = a.Name
	}
	headers := pageHeaders(referenceHTML)
	for _, a := range served {
		page := sync.OnceValues(func() ([]byte, error) { return renderReference(a, names) })
		mountPage(e, "/_usher/reference/"+a.Name, func(c echo.Context) error {
			html, err := page()
			if err != nil {
				return err
			}
			safe(c, headers)
			return c.HTMLBlob(http.StatusOK, html)
		})
	}
	first := func(c echo.Context) error { return c.Redirect(http.StatusFound, "/_usher/reference/"+names[0]) }
	mountPage(e, "/_usher/reference", first)
	mountPage(e, "/_usher/reference/", first)
}

func renderReference(a edge.API, names []string) ([]byte, error) {
	doc, err := openapi3.NewLoader().LoadFromData(a.OpenAPI)
	if err != nil {
		return nil, fmt.Errorf("reference of %s: %w", a.Name, err)
	}
	var b bytes.Buffer
	err = referencePage.Execute(&b, referenceOf(doc, a, names))
	return b.Bytes(), err
}

// What the page shows, in its order.
type (
	reference struct {
		Name, Title, Version, Base string
		Names                      []string
		Description                []paragraph
		Tags                       []referenceTag
		Schemas                    []referenceSchema
	}
	referenceTag struct {
		Name        string
		Description []paragraph
		Operations  []referenceOperation
	}
	referenceOperation struct {
		ID, Method, Path, Summary string
		Description               []paragraph
		Parameters                []member
		Body                      *content
		Answers                   []referenceAnswer
	}
	referenceAnswer struct {
		Status      string
		Description []paragraph
		Headers     []member
		Content     *content
	}
	referenceSchema struct {
		Name        string
		Type        string
		Description []paragraph
		Members     []member
	}
	content struct {
		Media    string
		Type     string
		Schema   string // the name of the schema that says more; empty: Members do
		Members  []member
		Examples []example
	}
	member struct {
		Name, In    string
		Type        string
		Schema      string // as above
		Required    bool
		Description []paragraph
		Limits      string
	}
	example struct{ Name, Text string }

	// paragraph is text with what stands between ` and ** marked.
	paragraph []span
	span      struct {
		Text         string
		Code, Strong bool
	}
)

func referenceOf(doc *openapi3.T, a edge.API, names []string) reference {
	r := reference{Name: a.Name, Title: doc.Info.Title, Version: doc.Info.Version, Base: a.Roots[0], Names: names, Description: prose(doc.Info.Description)}
	for _, t := range doc.Tags {
		r.Tags = append(r.Tags, referenceTag{Name: t.Name, Description: prose(t.Description)})
	}
	for _, path := range slices.Sorted(maps.Keys(doc.Paths.Map())) {
		item := doc.Paths.Value(path)
		operations := item.Operations()
		for _, method := range slices.SortedFunc(maps.Keys(operations), byVerb) {
			op := operations[method]
			name := "Operations"
			if len(op.Tags) > 0 {
				name = op.Tags[0]
			}
			i := slices.IndexFunc(r.Tags, func(t referenceTag) bool { return t.Name == name })
			if i < 0 {
				i = len(r.Tags)
				r.Tags = append(r.Tags, referenceTag{Name: name})
			}
			r.Tags[i].Operations = append(r.Tags[i].Operations, operationPage(method, servedAt(a, path), item, op))
		}
	}
	r.Tags = slices.DeleteFunc(r.Tags, func(t referenceTag) bool { return len(t.Operations) == 0 })
	if doc.Components != nil {
		for _, name := range slices.Sorted(maps.Keys(doc.Components.Schemas)) {
			s := doc.Components.Schemas[name].Value
			r.Schemas = append(r.Schemas, referenceSchema{Name: name, Type: typeOf(s), Description: prose(s.Description), Members: members(nil, "", s)})
		}
	}
	return r
}

// byVerb sorts verbs as people think of them: what makes a thing comes first.
func byVerb(a, b string) int {
	verbs := []string{http.MethodPost, http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodDelete}
	return slices.Index(verbs, a) - slices.Index(verbs, b)
}

// servedAt is where a path of the contract is served.
func servedAt(a edge.API, path string) string {
	for _, root := range a.Roots[1:] {
		if path == root || strings.HasPrefix(path, root+"/") {
			return path
		}
	}
	return a.Roots[0] + path
}

func operationPage(method, path string, item *openapi3.PathItem, op *openapi3.Operation) referenceOperation {
	o := referenceOperation{ID: op.OperationID, Method: method, Path: path, Summary: op.Summary, Description: prose(op.Description)}
	for _, p := range slices.Concat(item.Parameters, op.Parameters) {
		m := memberOf(p.Value.Name, p.Value.Schema, p.Value.Required)
		m.In = p.Value.In
		if p.Value.Description != "" {
			m.Description = prose(p.Value.Description)
		}
		o.Parameters = append(o.Parameters, m)
	}
	if op.RequestBody != nil {
		o.Body = contentOf(op.RequestBody.Value.Content)
	}
	for _, status := range slices.Sorted(maps.Keys(op.Responses.Map())) {
		response := op.Responses.Value(status).Value
		answer := referenceAnswer{Status: status, Content: contentOf(response.Content)}
		if response.Description != nil {
			answer.Description = prose(*response.Description)
		}
		for _, name := range slices.Sorted(maps.Keys(response.Headers)) {
			h := response.Headers[name].Value
			m := memberOf(name, h.Schema, h.Required)
			m.Description = prose(h.Description)
			answer.Headers = append(answer.Headers, m)
		}
		o.Answers = append(o.Answers, answer)
	}
	return o
}

func contentOf(all openapi3.Content) *content {
	for _, media := range slices.Sorted(maps.Keys(all)) { // every contract has one at most
		c := &content{Media: media}
		if s := all[media].Schema; s != nil {
			c.Type, c.Schema = typeOf(s.Value), schemaName(s)
			if c.Schema == "" {
				c.Members = members(nil, "", s.Value)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(all[media].Examples)) {
			e := all[media].Examples[name].Value
			text, err := json.MarshalIndent(e.Value, "", "  ")
			if err != nil { // what was read of a document can be written
				continue
			}
			c.Examples = append(c.Examples, example{cmp.Or(e.Summary, name), string(text)})
		}
		return c
	}
	return nil
}

// members lists what is in an object, what is in those inside it by their paths.
func members(to []member, prefix string, s *openapi3.Schema) []member {
	names := slices.SortedFunc(maps.Keys(s.Properties), func(a, b string) int {
		return cmp.Or(cmp.Compare(order(s.Properties[a]), order(s.Properties[b])), strings.Compare(a, b))
	})
	for _, name := range names {
		p := s.Properties[name]
		to = append(to, memberOf(prefix+name, p, slices.Contains(s.Required, name)))
		inner, at := p, prefix+name
		for inner.Ref == "" && inner.Value.Items != nil {
			inner, at = inner.Value.Items, at+"[]"
		}
		if inner.Ref == "" {
			to = members(to, at+".", inner.Value)
		}
	}
	for _, ref := range s.AllOf {
		to = members(to, prefix, ref.Value)
	}
	return to
}

func order(s *openapi3.SchemaRef) float64 {
	n, _ := s.Value.Extensions["x-order"].(float64)
	return n
}

func memberOf(name string, s *openapi3.SchemaRef, required bool) member {
	if s == nil {
		return member{Name: name, Required: required}
	}
	return member{
		Name: name, Required: required, Type: typeOf(s.Value), Schema: schemaName(s), Description: prose(s.Value.Description), Limits: limitsOf(s.Value),
	}
}

// schemaName is the schema that says what is in a value, or in the values of its
// list.
func schemaName(s *openapi3.SchemaRef) string {
	for s.Ref == "" && s.Value.Items != nil {
		s = s.Value.Items
	}
	return s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
}

func typeOf(s *openapi3.Schema) string {
	switch {
	case s.Items != nil:
		return "list of " + typeOf(s.Items.Value)
	case s.Type == nil || len(*s.Type) == 0:
		return "any value"
	case s.Format != "":
		return (*s.Type)[0] + " (" + s.Format + ")"
	}
	return (*s.Type)[0]
}

// limitsOf says in words what a value is held against beyond its type.
func limitsOf(s *openapi3.Schema) string {
	var all []string
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if len(s.Enum) > 0 {
		words := make([]string, len(s.Enum))
		for i, v := range s.Enum {
			words[i] = fmt.Sprint(v)
		}
		add("one of %s", strings.Join(words, ", "))
	}
	if s.Min != nil {
		add("at least %v", *s.Min)
	}
	if s.Max != nil {
		add("at most %.0f", *s.Max)
	}
	if s.MinLength > 0 {
		add("%d characters or more", s.MinLength)
	}
	if s.MaxLength != nil {
		add("%d characters at most", *s.MaxLength)
	}
	if s.Pattern != "" {
		add("like %s", s.Pattern)
	}
	if s.Default != nil {
		add("%v if it is left out", s.Default)
	}
	if s.Nullable {
		add("or null")
	}
	return strings.Join(all, "; ")
}

// prose takes text apart as far as the contracts mark it up.
func prose(text string) []paragraph {
	var all []paragraph
	for block := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		var p paragraph
		for i, code := range strings.Split(block, "`") {
			if i%2 == 1 {
				p = append(p, span{Text: code, Code: true})
				continue
			}
			for j, strong := range strings.Split(code, "**") {
				if strong != "" {
					p = append(p, span{Text: strong, Strong: j%2 == 1})
				}
			}
		}
		if len(p) > 0 {
			all = append(all, p)
		}
	}
	return all
}
