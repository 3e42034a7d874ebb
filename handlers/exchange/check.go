package exchange

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"

	"usher/handlers/edge"
)

// direction is how a schema is read: members that are only written, or only read,
// break it on the other way. quick stops at the first problem and says nothing of
// it, first tells of that, and thorough lists them all. The validator's errors are
// asked for without details: those are values.
type direction struct {
	quick, first, thorough []openapi3.SchemaValidationOption
}

func newDirection(as openapi3.SchemaValidationOption) direction {
	first := []openapi3.SchemaValidationOption{as, openapi3.DisableSchemaErrorDetails(), edge.StringFormats}
	return direction{
		quick:    append([]openapi3.SchemaValidationOption{openapi3.FailFast()}, first...),
		first:    first,
		thorough: append([]openapi3.SchemaValidationOption{openapi3.MultiErrors()}, first...),
	}
}

var directions = map[string]direction{
	Request: newDirection(openapi3.VisitAsRequest()),
	Answer:  newDirection(openapi3.VisitAsResponse()),
}

var filtered = &openapi3filter.Options{
	MultiError: true, SkipSettingDefaults: true,
	SchemaValidationOptions: []openapi3.SchemaValidationOption{openapi3.DisableSchemaErrorDetails(), edge.StringFormats},
}

// Check finds out which operation an exchange is of and what of it breaks the
// contract, and sets API, Operation and Violations. Of a body that is truncated no
// more than its media type is looked at, nor of one that the contract does not
// declare as JSON. With a
// status of 0 there was no answer, and the request alone is judged.
func (c *Contract) Check(e *Exchange) {
	e.API, e.Operation, e.Violations = c.name, "", nil
	path, query, _ := strings.Cut(e.Request.URL, "?")
	op, values, another := c.find(e.Request.Method, path)
	if op == nil {
		c.checkUnknown(e, path, another)
		return
	}
	e.Operation = op.ID
	v := checking{exchange: e, op: op}
	v.request(values, query)
	if e.Answer.Status != 0 {
		v.answer()
	}
}

// checkUnknown judges what no operation is for.
func (c *Contract) checkUnknown(e *Exchange, path string, another *operation) {
	v := checking{exchange: e}
	if another != nil {
		v.add(Request, "method", UndeclaredMethod, "the contract has no such verb for this path", another.pointer[:strings.LastIndexByte(another.pointer, '/')])
	} else {
		v.add(Request, "path", UndeclaredPath, "the contract has no such path", "#/paths")
	}
	// Not every answer here is JSON: a router's may be plain text.
	a := e.Answer
	if a.Status < http.StatusBadRequest || c.failure == nil || !c.below(path) || a.Truncated || len(a.Body) == 0 || !isJSON(a.Header.Get("Content-Type")) {
		return
	}
	v.body(Answer, a.Body, c.failure, "#/components/schemas")
}

// checking is one exchange that is being judged.
type checking struct {
	exchange *Exchange
	op       *operation
}

func (v *checking) add(in, path, rule, message, contract string) {
	v.exchange.Violations = append(v.exchange.Violations, Violation{In: in, Path: path, Rule: rule, Message: message, Contract: contract})
}

func (v *checking) request(values map[string]string, rawQuery string) {
	m := &v.exchange.Request
	var query url.Values
	if rawQuery != "" {
		// Frameworks take a semicolon for part of a value; net/url takes it for an error.
		rawQuery = strings.ReplaceAll(rawQuery, ";", "%3B")
		var err error
		if query, err = url.ParseQuery(rawQuery); err != nil {
			v.add(Request, "query", MalformedQuery, "the query has an escape that is none", v.op.parametersAt)
		}
	}
	v.security(m.Header, query)
	if len(v.op.parameters) > 0 {
		v.parameters(m, values, query)
	}
	if v.op.spec.RequestBody == nil {
		return
	}
	body := v.op.spec.RequestBody.Value
	if len(m.Body) == 0 && !m.Truncated {
		if body.Required {
			v.add(Request, "body", "required", "there is no body", v.op.bodyAt)
		}
		return
	}
	v.content(Request, m, body.Content, v.op.bodyAt)
}

func (v *checking) parameters(m *Message, values map[string]string, query url.Values) {
	var in *openapi3filter.RequestValidationInput
	for _, p := range v.op.parameters {
		switch {
		case p.In == openapi3.ParameterInQuery && !p.Required && !query.Has(p.Name) && !isDeep(p),
			p.In == openapi3.ParameterInHeader && (reserved(p) || !p.Required && len(m.Header.Values(p.Name)) == 0):
			continue
		case p.In == openapi3.ParameterInQuery && len(query[p.Name]) > 1 && p.Schema != nil && !p.Schema.Value.Type.Is("array"):
			v.add(Request, "query "+p.Name, "type", "it is given more than once", v.op.parametersAt)
			continue
		}
		if in == nil {
			r := &http.Request{Method: m.Method, Header: m.Header, URL: &url.URL{Path: "/"}}
			in = &openapi3filter.RequestValidationInput{Request: r, PathParams: values, QueryParams: query, Options: filtered}
		}
		v.parameter(Request, in, p, v.op.parametersAt)
	}
}

// isDeep says whether a query parameter has other names in a query than its own.
func isDeep(p *openapi3.Parameter) bool {
	return p.Style == openapi3.SerializationDeepObject || p.Schema != nil && p.Schema.Value.Type.Is("object")
}

// reserved says whether OpenAPI has a header parameter ignored, for other parts of
// the contract speak of it.
func reserved(p *openapi3.Parameter) bool {
	return p.In == openapi3.ParameterInHeader &&
		slices.ContainsFunc([]string{"Accept", "Content-Type", "Authorization"}, func(name string) bool { return strings.EqualFold(name, p.Name) })
}

// security says whether a request comes with credentials of a kind that its
// operation takes; whether they are good is the server's to say.
func (v *checking) security(header http.Header, query url.Values) {
	if len(v.op.security) == 0 {
		return
	}
	for _, required := range v.op.security {
		met := true
		for name := range required {
			met = met && presents(header, query, v.op.schemes[name])
		}
		if met {
			return
		}
	}
	v.add(Request, "credentials", Security, "there are none of a kind that the operation takes", v.op.pointer+"/security")
}

func presents(header http.Header, query url.Values, ref *openapi3.SecuritySchemeRef) bool {
	if ref == nil {
		return false
	}
	scheme := ref.Value
	if scheme.Type == "apiKey" {
		switch scheme.In {
		case openapi3.ParameterInQuery:
			return query.Get(scheme.Name) != ""
		case openapi3.ParameterInCookie:
			cookie, err := (&http.Request{Header: header}).Cookie(scheme.Name)
			return err == nil && cookie.Value != ""
		}
		return header.Get(scheme.Name) != ""
	}
	word := scheme.Scheme
	if word == "" { // oauth2, openIdConnect
		word = "bearer"
	}
	given, credentials, _ := strings.Cut(header.Get("Authorization"), " ")
	return strings.EqualFold(given, word) && credentials != ""
}

// parameter holds one parameter, or a header of an answer, against its schema.
func (v *checking) parameter(side string, in *openapi3filter.RequestValidationInput, p *openapi3.Parameter, place string) {
	err := openapi3filter.ValidateParameter(context.Background(), in, p)
	if err == nil {
		return
	}
	path := p.In + " " + p.Name
	if errors.Is(err, openapi3filter.ErrInvalidRequired) {
		v.add(side, path, "required", "it is missing", place)
		return
	}
	if errors.Is(err, openapi3filter.ErrInvalidEmptyValue) {
		v.add(side, path, "allowEmptyValue", "it is empty", place)
		return
	}
	broken := edge.SchemaErrors(err)
	if len(broken) == 0 {
		v.add(side, path, "type", "it is not of the type that the contract has", place)
	}
	for _, e := range broken {
		v.add(side, path, e.SchemaField, e.Reason, place)
	}
}

func (v *checking) answer() {
	m := &v.exchange.Answer
	declared := v.op.response(m.Status)
	if declared == nil {
		v.add(Answer, "status", UndeclaredStatus, "the operation does not declare the status "+strconv.Itoa(m.Status), v.op.responsesAt)
		return
	}
	var in *openapi3filter.RequestValidationInput
	header := m.Header
	if len(declared.headers) > 0 {
		header = canonical(header)
	}
	for _, h := range declared.headers {
		if !h.Required && len(header.Values(h.Name)) == 0 {
			continue
		}
		if in == nil {
			in = &openapi3filter.RequestValidationInput{Request: &http.Request{Header: header, URL: &url.URL{}}, Options: filtered}
		}
		v.parameter(Answer, in, h, declared.pointer+"/headers/"+pointerToken(h.Name))
	}
	switch {
	case v.exchange.Request.Method == http.MethodHead:
	case len(declared.Content) == 0:
		if len(m.Body) > 0 {
			v.add(Answer, "body", UndeclaredBody, "the contract has no body here", declared.pointer)
		}
	default:
		v.content(Answer, m, declared.Content, declared.pointer)
	}
}

// canonical is a header with its names as net/http looks for them: a server's own
// may be spelt as its vendor spells them.
func canonical(header http.Header) http.Header {
	var spelt http.Header
	for name, values := range header {
		if key := http.CanonicalHeaderKey(name); key != name {
			if spelt == nil {
				spelt = maps.Clone(header)
			}
			delete(spelt, name)
			spelt[key] = append(slices.Clone(spelt[key]), values...)
		}
	}
	if spelt == nil {
		return header
	}
	return spelt
}

// content holds a body against what is declared for its media type.
func (v *checking) content(side string, m *Message, declared openapi3.Content, place string) {
	given := m.Header.Get("Content-Type")
	if m.Truncated && given == "" { // perhaps there was no body at all
		return
	}
	media := declared.Get(given)
	if media == nil {
		v.add(side, "header Content-Type", MediaType, "it is not a media type that the contract has here", place+"/content")
		return
	}
	if media.Schema != nil && isJSON(given) && !m.Truncated {
		v.body(side, m.Body, media.Schema.Value, place)
	}
}

// body holds a JSON body against its schema.
func (v *checking) body(side string, raw []byte, schema *openapi3.Schema, place string) {
	if !utf8.Valid(raw) {
		v.add(side, "body", NotUTF8, "the body is not UTF-8", place)
		return
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	err := decoder.Decode(&value)
	if err == nil {
		if _, more := decoder.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("more than one value")
		}
	}
	if err != nil {
		v.add(side, "body", NotJSON, "the body is not one JSON value", place)
		return
	}
	read := directions[side]
	if schema.VisitJSON(value, read.quick...) == nil {
		return
	}
	all := read.thorough
	if len(raw) > edge.ManyProblems {
		all = read.first
	}
	broken := edge.SchemaErrors(schema.VisitJSON(value, all...))
	for _, e := range broken {
		path := "body "
		for _, step := range e.JSONPointer() {
			path += "/" + pointerToken(step)
		}
		v.add(side, strings.TrimSuffix(path, " "), e.SchemaField, e.Reason, place)
	}
}

// isJSON goes by the type alone, whatever its parameters are: one with wrong ones
// finds its place in the contract, too.
func isJSON(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.ToLower(strings.TrimSpace(media))
	return media == "application/json" || strings.HasSuffix(media, "+json")
}

// Members lists which of its operation's RequestMembers an exchange's request has,
// sorted: null is a value, too. Check comes first.
func (c *Contract) Members(e Exchange) []string {
	i := slices.IndexFunc(c.operations, func(op *operation) bool { return op.ID == e.Operation })
	if i < 0 {
		return nil
	}
	op := c.operations[i]
	found := map[string]bool{}
	_, query, _ := strings.Cut(e.Request.URL, "?")
	values, _ := url.ParseQuery(strings.ReplaceAll(query, ";", "%3B"))
	r := &http.Request{Header: e.Request.Header}
	for _, p := range op.parameters {
		var has bool
		switch p.In {
		case openapi3.ParameterInQuery:
			has = values.Has(p.Name)
		case openapi3.ParameterInHeader:
			has = r.Header.Get(p.Name) != ""
		case openapi3.ParameterInCookie:
			_, err := r.Cookie(p.Name)
			has = err == nil
		}
		if has {
			found[p.In+" "+p.Name] = true
		}
	}
	var body any
	if json.Unmarshal(e.Request.Body, &body) == nil {
		op.find(found, "body ", body)
	}
	return slices.Sorted(maps.Keys(found))
}

// find adds which of the operation's members a value has. In what is none of them there
// are none, however deep it is.
func (op *operation) find(found map[string]bool, at string, value any) {
	add := func(name string, value any) {
		if op.members[name] {
			found[name] = true
			op.find(found, name, value)
		}
	}
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			add(at+"/"+pointerToken(name), member)
		}
	case []any:
		for _, item := range v {
			add(at+"/*", item)
		}
	}
}
