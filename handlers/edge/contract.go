package edge

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
)

// Contract is what an API's OpenAPI document says of requests, parsed. It is
// immutable and may be shared by any number of handlers.
type Contract struct {
	operations []*operation
}

// ParseContract parses an OpenAPI 3.0 document, in JSON or YAML; of it, only
// what speaks of requests is needed. Whether it is valid is a matter for the
// tests of the contracts, not for each start.
func ParseContract(document []byte) (*Contract, error) {
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return nil, fmt.Errorf("contract: %w", err)
	}
	c := &Contract{}
	for path, item := range doc.Paths.Map() {
		for method, spec := range item.Operations() {
			op, err := newOperation(method, path, item, spec)
			if err != nil {
				return nil, fmt.Errorf("contract: %s %s: %w", method, path, err)
			}
			c.operations = append(c.operations, op)
		}
	}
	return c, nil
}

// operation is one operation of a contract, with what validating it needs.
type operation struct {
	id         string
	method     string
	path       string   // the contract's template: /users/{id}
	segments   []string // of path
	parameters []parameter
	hasQuery   bool
	body       *openapi3.RequestBody
	schema     *openapi3.Schema // of the JSON body; nil: it takes none
	file       bool             // its body is application/octet-stream, and left to the handler
	stream     bool             // it may answer with text/event-stream
}

const (
	octets = "application/octet-stream"
	events = "text/event-stream"
)

// isStream says whether the answer may have no end; what no operation answers has.
func (op *operation) isStream() bool { return op != nil && op.stream }

// within gives a request the time until the deadline; a stream has no such time.
func (op *operation) within(ctx context.Context, deadline time.Time) (context.Context, context.CancelFunc) {
	if op.isStream() {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline)
}

func newOperation(method, path string, item *openapi3.PathItem, spec *openapi3.Operation) (*operation, error) {
	if spec.OperationID == "" {
		return nil, fmt.Errorf("no operationId")
	}
	op := &operation{id: spec.OperationID, method: method, path: path, segments: split(path)}
	for _, ref := range slices.Concat(item.Parameters, spec.Parameters) {
		p, checked, err := newParameter(ref.Value)
		if err != nil {
			return nil, err
		}
		op.hasQuery = op.hasQuery || ref.Value.In == openapi3.ParameterInQuery
		if checked {
			op.parameters = append(op.parameters, p)
		}
	}
	for _, answer := range spec.Responses.Map() {
		op.stream = op.stream || answer.Value.Content[events] != nil
	}
	if spec.RequestBody != nil {
		op.body = spec.RequestBody.Value
		if op.file = len(op.body.Content) == 1 && op.body.Content[octets] != nil; op.file {
			return op, nil
		}
		media := op.body.Content.Get("application/json")
		if media == nil || media.Schema == nil {
			return nil, fmt.Errorf("the body has no application/json schema")
		}
		op.schema = media.Schema.Value
	}
	return op, nil
}

// at finds the operation that the generated code registers as method and path,
// where path is in echo's form: /users/:id.
func (c *Contract) at(method, path string) *operation {
	for _, op := range c.operations {
		if op.method == method && echoPath(op.path) == path {
			return op
		}
	}
	return nil
}

// allow lists the verbs of the templates that path, below the API's base,
// fits. Empty: it fits none.
func (c *Contract) allow(path string) []string {
	var verbs []string
	segments := split(path)
	for _, op := range c.operations {
		if fits(op.segments, segments) && !slices.Contains(verbs, op.method) {
			verbs = append(verbs, op.method)
		}
	}
	slices.Sort(verbs)
	return verbs
}

func fits(template, segments []string) bool {
	if len(template) != len(segments) {
		return false
	}
	for i, t := range template {
		if isVariable(t) {
			if segments[i] == "" {
				return false
			}
		} else if t != segments[i] {
			return false
		}
	}
	return true
}

func isVariable(segment string) bool {
	return strings.HasPrefix(segment, "{") && strings.HasSuffix(segment, "}")
}

func split(path string) []string {
	return strings.Split(strings.TrimPrefix(path, "/"), "/")
}

func echoPath(template string) string {
	segments := split(template)
	for i, s := range segments {
		if isVariable(s) {
			segments[i] = ":" + s[1:len(s)-1]
		}
	}
	return "/" + strings.Join(segments, "/")
}
