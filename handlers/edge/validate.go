package edge

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"mime"
	"net/http"
	"net/mail"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/labstack/echo/v4"
)

// BodyRules are a vendor's habits in reading a body. The zero value wants one
// JSON value, sent as application/json.
type BodyRules struct {
	// AnyMediaType reads the body as JSON whatever its Content-Type says.
	AnyMediaType bool
	// OtherIsEmpty takes a body of another media type for an empty one.
	OtherIsEmpty bool
	// EmptyIsObject takes a body of no bytes for {}; one of blanks is malformed
	// then.
	EmptyIsObject bool
	// NullIsObject takes null for {}.
	NullIsObject bool
	// NullIsAbsent takes a member that is null for one that is not there.
	NullIsAbsent bool
	// BooleanWords takes the strings true and false, in any case, for what they
	// say where the contract wants a boolean.
	BooleanWords bool
	// TrailingIgnored reads the first JSON value and leaves what follows it.
	TrailingIgnored bool
}

// parameter is a path or query parameter that the contract restricts.
type parameter struct {
	spec *openapi3.Parameter
}

// newParameter says whether the parameter needs checking: a path's string
// without limits does not, and header and cookie parameters are the API's own business
// (API.Authenticate), since vendors have words of their own for them.
func newParameter(spec *openapi3.Parameter) (parameter, bool, error) {
	if spec.In != openapi3.ParameterInPath && spec.In != openapi3.ParameterInQuery {
		return parameter{}, false, nil
	}
	if spec.Schema == nil {
		return parameter{}, false, errors.New("parameter " + spec.Name + " has no schema")
	}
	s := spec.Schema.Value
	free := s.Type.Is("string") && s.Pattern == "" && s.MinLength == 0 && s.MaxLength == nil && s.Enum == nil && s.Format == ""
	return parameter{spec: spec}, !free || spec.In == openapi3.ParameterInQuery, nil
}

// StringFormats are the formats of strings that contracts use beyond the
// validator's own.
var StringFormats = openapi3.WithStringFormatValidators(map[string]openapi3.StringFormatValidator{
	"email": openapi3.NewCallbackValidator(func(s string) error {
		if !isEmail(s) {
			return errors.New("not an e-mail address")
		}
		return nil
	}),
})

// isEmail says whether s is an address of RFC 5322 that could get a message:
// within the lengths of RFC 5321, at an address in brackets or at a domain of
// letters, digits and inner hyphens, those beyond ASCII included.
func isEmail(s string) bool {
	address, err := mail.ParseAddress(s)
	if err != nil || address.Address != s || len(s) > 254 {
		return false
	}
	at := strings.LastIndexByte(s, '@')
	if at > 64 {
		return false
	}
	if s[at+1] == '[' {
		return true
	}
	for label := range strings.SplitSeq(s[at+1:], ".") {
		if len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") || strings.ContainsFunc(label, notOfDomain) {
			return false
		}
	}
	return true
}

func notOfDomain(r rune) bool {
	letter := 'a' <= r|0x20 && r|0x20 <= 'z'
	return r < utf8.RuneSelf && r != '-' && !letter && (r < '0' || '9' < r)
}

// quick stops at the first problem and says nothing of it; thorough lists them
// all, and is asked only when there is one. Of a body larger than ManyProblems
// the first has to do: a list of half a million wrong items would take some
// hundred MiB to complain of. Values never get into the messages: they may be
// passwords.
var (
	first    = []openapi3.SchemaValidationOption{openapi3.VisitAsRequest(), openapi3.DisableSchemaErrorDetails(), StringFormats}
	quick    = []openapi3.SchemaValidationOption{openapi3.VisitAsRequest(), openapi3.FailFast(), openapi3.DisableSchemaErrorDetails(), StringFormats}
	thorough = []openapi3.SchemaValidationOption{openapi3.VisitAsRequest(), openapi3.MultiErrors(), openapi3.DisableSchemaErrorDetails(), StringFormats}
)

// ManyProblems is how large a body may be, in bytes, for all that is wrong with it to
// be listed.
const ManyProblems = 64 << 10

// validate holds the request against the operation and puts what it validated
// where the generated code binds from.
func (a *api) validate(ctx context.Context, c echo.Context, op *operation) error {
	problems := settleQuery(c.Request(), op)
	for _, p := range op.parameters {
		problems = append(problems, p.check(ctx, c)...)
	}
	if op.schema != nil {
		value, size, err := a.readBody(ctx, c.Request(), op)
		if err != nil {
			return err
		}
		if op.schema.VisitJSON(value, quick...) != nil {
			all := thorough
			if size > ManyProblems {
				all = first
			}
			problems = append(problems, bodyProblems(op.schema, value, all)...)
		}
		c.Request().Body = validatedBody{value}
	}
	if op.file {
		file, err := a.file(c.Request(), CallFrom(ctx).writer, op)
		if err != nil {
			return err
		}
		c.Request().Body = file
	}
	if len(problems) > 0 {
		return &InvalidError{Problems: problems}
	}
	return nil
}

// settleQuery has a query read as the vendors' frameworks read it: a semicolon
// belongs to a value. net/url takes it for an error, and leaves out without a
// word whatever it takes for one: a filter would vanish, and everything be
// found.
func settleQuery(r *http.Request, op *operation) []Problem {
	if r.URL.RawQuery == "" || !op.hasQuery {
		return nil
	}
	r.URL.RawQuery = strings.ReplaceAll(r.URL.RawQuery, ";", "%3B")
	if _, err := url.ParseQuery(r.URL.RawQuery); err != nil {
		return []Problem{{In: openapi3.ParameterInQuery, Keyword: "format", Got: "string"}}
	}
	return nil
}

// check validates one parameter.
func (p parameter) check(ctx context.Context, c echo.Context) []Problem {
	r := c.Request()
	in := openapi3filter.RequestValidationInput{Request: r}
	var sent string
	if p.spec.In == openapi3.ParameterInPath {
		sent = pathParam(c, p.spec.Name)
		in.PathParams = map[string]string{p.spec.Name: sent}
	} else {
		in.QueryParams = c.QueryParams()
		values, ok := in.QueryParams[p.spec.Name]
		if !ok && !p.spec.Required {
			return nil
		}
		if len(values) > 1 && !p.spec.Schema.Value.Type.Is("array") {
			return []Problem{{In: p.spec.In, Path: []string{p.spec.Name}, Keyword: "type", Schema: p.spec.Schema.Value, Got: "array"}}
		}
		sent = in.QueryParams.Get(p.spec.Name)
		if whole, ok := wholeNumber(strings.TrimSpace(sent)); ok && p.spec.Schema.Value.Type.Is("integer") {
			in.QueryParams.Set(p.spec.Name, whole) // the binder reads the same values
		}
	}
	in.Options = &openapi3filter.Options{
		MultiError:              true,
		SkipSettingDefaults:     true, // the handler's business; here it would hide what was sent
		SchemaValidationOptions: []openapi3.SchemaValidationOption{openapi3.DisableSchemaErrorDetails(), StringFormats},
	}
	err := openapi3filter.ValidateParameter(ctx, &in, p.spec)
	if err == nil {
		return nil
	}
	problem := Problem{
		In: p.spec.In, Path: []string{p.spec.Name}, Keyword: "type", Schema: p.spec.Schema.Value, Got: "string", Empty: sent == "", Value: sent,
	}
	if errors.Is(err, openapi3filter.ErrInvalidRequired) {
		problem.Keyword, problem.Got = "required", ""
		return []Problem{problem}
	}
	if errors.Is(err, openapi3filter.ErrInvalidEmptyValue) {
		problem.Keyword = "minLength"
		return []Problem{problem}
	}
	broken := SchemaErrors(err)
	if len(broken) == 0 { // it could not even be parsed
		return []Problem{problem}
	}
	problems := make([]Problem, len(broken))
	for i, e := range broken {
		problems[i] = problem
		problems[i].Keyword = e.SchemaField
	}
	return problems
}

// pathParam gives a path parameter as the handler will see it: unescaped once,
// whether or not the path came with escapes of its own (a%2Fb).
func pathParam(c echo.Context, name string) string {
	value := c.Param(name)
	if c.Request().URL.RawPath == "" {
		return value
	}
	if unescaped, err := url.PathUnescape(value); err == nil {
		return unescaped
	}
	return value
}

// readBody gives the body's JSON value, and the body's size.
func (a *api) readBody(ctx context.Context, r *http.Request, op *operation) (value any, size int, err error) {
	raw, err := a.rawBody(ctx, r)
	if err != nil {
		return nil, 0, err
	}
	if len(raw) > 0 && !a.Body.AnyMediaType && !isJSON(r.Header.Get(echo.HeaderContentType)) {
		if !a.Body.OtherIsEmpty {
			return nil, 0, &BodyError{Fault: BodyMediaType}
		}
		raw = nil
	}
	if len(raw) == 0 && (a.Body.EmptyIsObject || !op.body.Required) {
		return map[string]any{}, 0, nil
	}
	if blank(raw) && !a.Body.EmptyIsObject {
		return nil, 0, &BodyError{Fault: BodyEmpty}
	}
	if !utf8.Valid(raw) {
		return nil, 0, &BodyError{Fault: BodyEncoding, Raw: raw}
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return nil, 0, &BodyError{Fault: BodyMalformed, Raw: raw, Err: err}
	}
	if !a.Body.TrailingIgnored && !blank(raw[decoder.InputOffset():]) {
		return nil, 0, &BodyError{Fault: BodyMalformed, Raw: raw, Err: errors.New("data after the JSON value")}
	}
	if value == nil && a.Body.NullIsObject {
		value = map[string]any{}
	}
	return a.settle(value, op.schema), len(raw), nil
}

// settle makes one value of what a vendor's parser takes for the same: 1e2 and
// 100.0 are the integer 100, which the generated types would not take as
// written; "true" may be as good as true, and null as absent. The latter is so for members that a
// schema names, or that none knows: in a map from names to values a null is no
// absence, and the validator refuses it.
func (a *api) settle(value any, schema *openapi3.Schema) any {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			of, named := step(schema, name)
			if member == nil && a.Body.NullIsAbsent && (named || of == nil) {
				delete(v, name)
				continue
			}
			v[name] = a.settle(member, of)
		}
	case []any:
		items, _ := step(schema, "0")
		for i, item := range v {
			v[i] = a.settle(item, items)
		}
	case string:
		if a.Body.BooleanWords && schema != nil && schema.Type.Is("boolean") {
			switch strings.ToLower(v) {
			case "true":
				return true
			case "false":
				return false
			}
		}
	case json.Number:
		if strings.ContainsAny(string(v), ".eE") {
			if whole, ok := wholeNumber(string(v)); ok {
				return json.Number(whole)
			}
		}
	}
	return value
}

// wholeNumber writes a number in its plainest form, if it is a whole one that
// floating point holds exactly.
func wholeNumber(s string) (string, bool) {
	if strings.Trim(s, "+-.0123456789eE") != "" { // Go reads more than that as numbers
		return "", false
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return "", false
	}
	return strconv.FormatFloat(f+0, 'f', -1, 64), true // + 0 makes 0 of -0
}

// blank says whether there is nothing but what JSON takes for space.
func blank(b []byte) bool { return len(bytes.TrimLeft(b, " \t\r\n")) == 0 }

// A body of some hundred bytes is what these APIs are for. A caller may send as
// many larger ones as there are connections, and so they are in hand a few at a
// time, in the process; nobody waits behind them but others of their size.
//
// One of LargeBody bytes and more, once it has been read, waits until it is one of
// MaxLargeBodies, and stays so until it is answered: decoded, a body takes up to 25
// times its size (a list of empty objects does). How long that lasts is up to the
// server alone.
//
// What a body has beyond HugeBody bytes is read for one of MaxHugeBodies at a time,
// within HugeTime, since how long that lasts is up to the caller.
const (
	LargeBody      = 8 << 10
	MaxLargeBodies = 8
	HugeBody       = 64 << 10
	MaxHugeBodies  = 32
	HugeTime       = 5 * time.Second
)

var (
	largeBodies = make(chan struct{}, MaxLargeBodies)
	hugeBodies  = make(chan struct{}, MaxHugeBodies)
)

// enter waits for a place among bodies.
func (a *api) enter(ctx context.Context, bodies chan<- struct{}) error {
	select {
	case bodies <- struct{}{}:
		return nil
	case <-ctx.Done():
		if a.options.Busy != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return a.options.Busy
		}
		return ctx.Err()
	}
}

// rawBody reads the body within the time that the API leaves to the request; as
// long as that is the edge's own, the server's ReadTimeout bounds it, and the
// connection is left alone. What is left of a body when reading fails, net/http
// drains before it answers: the connection's deadline has to stay, then, or a
// body that never ends would keep the answer back.
func (a *api) rawBody(ctx context.Context, r *http.Request) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	limit := a.options.BodyLimit
	call := CallFrom(ctx)
	deadline := call.deadline
	if until, ok := ctx.Deadline(); ok { // what answers with a stream has none
		deadline = until
	}
	shortened := deadline.Before(call.deadline)
	readUntil := func(t time.Time) {
		_ = http.NewResponseController(call.writer).SetReadDeadline(t) // a recorder of a test has none
	}
	if shortened {
		readUntil(deadline)
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, min(limit+1, HugeBody)))
	if err == nil && len(raw) == HugeBody {
		call.read(raw, false)
		if err := a.enter(ctx, hugeBodies); err != nil {
			return nil, err
		}
		if soon := time.Now().Add(HugeTime); soon.Before(deadline) {
			shortened = true
			readUntil(soon)
		}
		var rest []byte
		rest, err = io.ReadAll(io.LimitReader(r.Body, limit+1-HugeBody))
		<-hugeBodies
		raw = append(raw, rest...)
	}
	call.read(raw, err == nil && int64(len(raw)) <= limit)
	if err == nil && len(raw) >= LargeBody && int64(len(raw)) <= limit {
		if err := a.enter(ctx, largeBodies); err != nil {
			return nil, err
		}
		call.large = true
	}
	if shortened && err == nil && int64(len(raw)) <= limit {
		readUntil(time.Time{})
	}
	switch {
	case err != nil: // it came too slowly, too: that is the caller's doing, and no failure of ours
		return nil, &BodyError{Fault: BodyUnread, Err: err}
	case int64(len(raw)) > limit:
		return nil, &BodyError{Fault: BodyTooLarge, Limit: limit}
	}
	return raw, nil
}

// file has a handler read a body as it stands, up to the limit. One that nothing is
// said of is taken for what it has to be, as RFC 9110, 8.3, lets a server do:
// generated clients in Rust leave the header out.
func (a *api) file(r *http.Request, w http.ResponseWriter, op *operation) (io.ReadCloser, error) {
	limit := a.options.FileLimit
	media, _, err := mime.ParseMediaType(cmp.Or(r.Header.Get(echo.HeaderContentType), octets))
	switch {
	case r.Body == nil || r.Body == http.NoBody:
		if op.body.Required {
			return nil, &BodyError{Fault: BodyEmpty}
		}
		return http.NoBody, nil
	case !a.Body.AnyMediaType && (err != nil || media != octets):
		return nil, &BodyError{Fault: BodyMediaType}
	case r.ContentLength > limit:
		return nil, &BodyError{Fault: BodyTooLarge, Limit: limit}
	}
	return fileBody{http.MaxBytesReader(w, r.Body, limit), limit}, nil
}

// fileBody fails as the edge does, so that the handler's error can be worded.
type fileBody struct {
	io.ReadCloser
	limit int64
}

func (b fileBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch large := (*http.MaxBytesError)(nil); {
	case errors.As(err, &large):
		err = &BodyError{Fault: BodyTooLarge, Limit: b.limit}
	case err != nil && !errors.Is(err, io.EOF):
		err = &BodyError{Fault: BodyUnread, Err: err}
	}
	return n, err
}

func isJSON(contentType string) bool {
	if contentType == echo.MIMEApplicationJSON {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && media == echo.MIMEApplicationJSON
}

// validatedBody gives the generated code the very value that was validated
// (its binder asks for ValidatedValue). There is nothing else to read: a
// second decode would let through what the first refused, since encoding/json
// folds the case of member names.
type validatedBody struct{ value any }

var errBodyTaken = errors.New("the validated value does not fit the generated type")

func (b validatedBody) ValidatedValue() any    { return b.value }
func (validatedBody) Read([]byte) (int, error) { return 0, errBodyTaken }
func (validatedBody) Close() error             { return nil }
