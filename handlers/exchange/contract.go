package exchange

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// Contract is an API's effective contract, parsed. It is immutable and may be
// shared by any number of goroutines.
type Contract struct {
	name       string
	roots      []string
	doc        *openapi3.T
	operations []*operation
	failure    *openapi3.Schema // of the answers on unknown paths; nil: unknown
}

// Operation is one operation of a contract.
type Operation struct {
	ID       string // the operationId
	Method   string
	Path     string // as served, with the API's root: /api/users/{id}
	Summary  string
	Statuses []int // as declared, sorted; what is declared as default or 4XX is not among them
	// RequestMembers are what a request may have beside its path, in the form of
	// Violation.Path: "query limit", "body /user/name", "body /roles/*".
	RequestMembers []string
}

// operation is one with what checking it needs.
type operation struct {
	Operation
	template                          []string // the path's segments
	statics                           int      // how many of them are no variables
	pointer                           string   // of the operation in the contract, and of its parts
	parametersAt, bodyAt, responsesAt string
	spec                              *openapi3.Operation
	parameters                        []*openapi3.Parameter
	security                          openapi3.SecurityRequirements
	schemes                           openapi3.SecuritySchemes // that security names
	responses                         map[string]*response     // by status as declared
	members                           map[string]bool          // RequestMembers
}

// response is a declared answer.
type response struct {
	*openapi3.Response
	pointer string                // in the contract
	headers []*openapi3.Parameter // checked as a request's are
}

// response gives what is declared for a status; nil: nothing.
func (op *operation) response(status int) *response {
	code := strconv.Itoa(status)
	for _, key := range []string{code, code[:1] + "XX", "default"} {
		if r := op.responses[key]; r != nil {
			return r
		}
	}
	return nil
}

// Parse parses an OpenAPI 3.0 document, in YAML or JSON. roots are the paths that
// the API is served below: the document's paths are below the first, but for
// those that begin with another of them, which are served as they stand. Whether
// the document is a valid one is a matter for the tests of the contracts.
//
// Answers on paths that the contract does not know are held against its schema
// Failure, or Error, if it has one of that name.
func Parse(name string, roots []string, document []byte) (*Contract, error) {
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return nil, fmt.Errorf("contract of %s: %w", name, err)
	}
	if len(roots) == 0 {
		return nil, fmt.Errorf("contract of %s: no root to serve it below", name)
	}
	c := &Contract{name: name, roots: slices.Clone(roots), doc: doc}
	for path, item := range doc.Paths.Map() {
		for method, spec := range item.Operations() {
			c.operations = append(c.operations, c.newOperation(method, path, item, spec))
		}
	}
	// Of two paths that fit a request, the one with fewer variables counts.
	slices.SortFunc(c.operations, func(a, b *operation) int {
		return cmp.Or(cmp.Compare(b.statics, a.statics), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method))
	})
	if doc.Components != nil {
		for _, schema := range []string{"Error", "Failure"} {
			if s := doc.Components.Schemas[schema]; s != nil {
				c.failure = s.Value
			}
		}
	}
	return c, nil
}

func (c *Contract) newOperation(method, path string, item *openapi3.PathItem, spec *openapi3.Operation) *operation {
	op := &operation{
		Operation: Operation{ID: spec.OperationID, Method: method, Path: c.at(path), Summary: spec.Summary},
		pointer:   "#/paths/" + pointerToken(path) + "/" + strings.ToLower(method),
		spec:      spec, security: c.doc.Security,
		responses: map[string]*response{}, members: map[string]bool{},
	}
	if c.doc.Components != nil {
		op.schemes = c.doc.Components.SecuritySchemes
	}
	op.parametersAt, op.bodyAt, op.responsesAt = op.pointer+"/parameters", op.pointer+"/requestBody", op.pointer+"/responses"
	op.template = segments(op.Path)
	for _, s := range op.template {
		if !isVariable(s) {
			op.statics++
		}
	}
	if spec.Security != nil {
		op.security = *spec.Security
	}
	for status, ref := range spec.Responses.Map() {
		r := &response{Response: ref.Value, pointer: op.responsesAt + "/" + status}
		for name, header := range ref.Value.Headers {
			if !strings.EqualFold(name, "Content-Type") { // which is judged by the content
				p := header.Value.Parameter
				p.Name, p.In = name, openapi3.ParameterInHeader
				r.headers = append(r.headers, &p)
			}
		}
		slices.SortFunc(r.headers, func(a, b *openapi3.Parameter) int { return cmp.Compare(a.Name, b.Name) })
		op.responses[status] = r
		if code, err := strconv.Atoi(status); err == nil {
			op.Statuses = append(op.Statuses, code)
		}
	}
	slices.Sort(op.Statuses)
	for _, ref := range item.Parameters {
		if spec.Parameters.GetByInAndName(ref.Value.In, ref.Value.Name) == nil {
			op.parameters = append(op.parameters, ref.Value)
		}
	}
	for _, ref := range spec.Parameters {
		op.parameters = append(op.parameters, ref.Value)
	}
	for _, p := range op.parameters {
		if p.In != openapi3.ParameterInPath {
			op.members[p.In+" "+p.Name] = true
		}
	}
	if spec.RequestBody != nil {
		for _, media := range spec.RequestBody.Value.Content {
			if media.Schema != nil {
				addMembers(op.members, "body ", media.Schema.Value, 0)
			}
		}
	}
	op.RequestMembers = slices.Sorted(maps.Keys(op.members))
	return op
}

// maxDepth bounds how far members are listed: a schema may hold itself.
const maxDepth = 6

func addMembers(members map[string]bool, at string, schema *openapi3.Schema, depth int) {
	if depth == maxDepth {
		return
	}
	for _, part := range slices.Concat(schema.AllOf, schema.OneOf, schema.AnyOf) {
		addMembers(members, at, part.Value, depth+1)
	}
	for name, p := range schema.Properties {
		if p.Value.ReadOnly {
			continue
		}
		members[at+"/"+pointerToken(name)] = true
		addMembers(members, at+"/"+pointerToken(name), p.Value, depth+1)
	}
	if schema.Items != nil {
		members[at+"/*"] = true
		addMembers(members, at+"/*", schema.Items.Value, depth+1)
	}
}

// at is where a path of the contract is served.
func (c *Contract) at(path string) string {
	for _, root := range c.roots[1:] {
		if path == root || strings.HasPrefix(path, root+"/") {
			return path
		}
	}
	return c.roots[0] + path
}

// Name is the API's name.
func (c *Contract) Name() string { return c.name }

// Operations lists the operations by path and method.
func (c *Contract) Operations() []Operation {
	all := make([]Operation, len(c.operations))
	for i, op := range c.operations {
		all[i] = op.Operation
		all[i].Statuses, all[i].RequestMembers = slices.Clone(op.Statuses), slices.Clone(op.RequestMembers)
	}
	slices.SortFunc(all, func(a, b Operation) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method))
	})
	return all
}

// Find gives the operation that a request is of. path is escaped, as it was sent,
// without a query.
func (c *Contract) Find(method, path string) (operation string, found bool) {
	op, _, _ := c.find(method, path)
	if op == nil {
		return "", false
	}
	return op.ID, true
}

// find gives the operation and the path's parameters. Without an operation,
// another is one that has the path, but for another verb.
func (c *Contract) find(method, path string) (op *operation, values map[string]string, another *operation) {
	asked := segments(path)
	for _, op := range c.operations {
		if !fits(op.template, asked) {
			continue
		}
		if op.Method == method {
			return op, pathValues(op.template, asked), nil
		}
		another = op
	}
	return nil, nil, another
}

// below says whether a path is one of the API's roots, or below one.
func (c *Contract) below(path string) bool {
	return slices.ContainsFunc(c.roots, func(root string) bool {
		rest, found := strings.CutPrefix(path, root)
		return found && (rest == "" || rest[0] == '/')
	})
}

// segments are a path's. A root is the same with and without a slash at its end;
// that of another path is a segment of its own.
func segments(path string) []string { return strings.Split(strings.TrimPrefix(path, "/"), "/") }

func fits(template, asked []string) bool {
	if last := len(template) - 1; last > 0 && template[last] == "" && len(asked) == last {
		template = template[:last]
	}
	if len(template) != len(asked) {
		return false
	}
	for i, t := range template {
		if isVariable(t) {
			if asked[i] == "" {
				return false
			}
		} else if t != asked[i] && t != unescape(asked[i]) {
			return false
		}
	}
	return true
}

func pathValues(template, asked []string) map[string]string {
	var values map[string]string
	for i, t := range template {
		if isVariable(t) {
			if values == nil {
				values = map[string]string{}
			}
			values[t[1:len(t)-1]] = unescape(asked[i])
		}
	}
	return values
}

func isVariable(segment string) bool {
	return strings.HasPrefix(segment, "{") && strings.HasSuffix(segment, "}")
}

func unescape(segment string) string {
	if !strings.Contains(segment, "%") {
		return segment
	}
	if plain, err := url.PathUnescape(segment); err == nil {
		return plain
	}
	return segment
}

var escapePointer = strings.NewReplacer("~", "~0", "/", "~1")

// pointerToken is a name as a JSON pointer has it.
func pointerToken(name string) string { return escapePointer.Replace(name) }
