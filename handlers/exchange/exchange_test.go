package exchange_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"usher/handlers/exchange"
)

const document = `
openapi: 3.0.3
info: {title: Acme, version: "1"}
servers: [{url: /acme}]
security: [{basic: []}, {key: []}]
paths:
  /:
    get:
      operationId: getStatus
      security: []
      responses: {"204": {description: fine}}
  /accounts:
    parameters: [{name: limit, in: query, schema: {type: integer, minimum: 1}}]
    post:
      operationId: createAccount
      parameters:
        - {name: Request-Timeout, in: header, schema: {type: integer}}
        - {name: tag, in: query, schema: {type: array, items: {type: string, maxLength: 3}}}
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: "#/components/schemas/NewAccount"}}}
      responses:
        "201":
          description: made
          headers: {Location: {required: true, schema: {type: string, pattern: "^/acme/"}}}
          content: {application/json: {schema: {$ref: "#/components/schemas/Account"}}}
        4XX:
          description: no
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Error"}
              examples:
                taken: {value: {oops: taken, code: 2}}
                odd: {value: {oops: odd}}
  /accounts/{name}:
    get:
      operationId: getAccount
      parameters: [{name: name, in: path, required: true, schema: {type: string, maxLength: 8}}]
      responses:
        "200": {description: it, content: {application/json: {schema: {$ref: "#/components/schemas/Account"}}}}
        "400": {description: impossible, content: {application/json: {schema: {type: string, pattern: "^a", maxLength: 0}}}}
        default: {description: no, content: {application/json: {schema: {$ref: "#/components/schemas/Error"}}}}
  /accounts/me:
    get:
      operationId: getOwnAccount
      responses:
        "200": {description: it, content: {application/vnd.acme+json: {schema: {$ref: "#/components/schemas/Account"}}}}
  /token:
    post:
      operationId: getToken
      responses: {"200": {description: it, content: {text/plain: {schema: {type: string}}}}}
components:
  securitySchemes:
    basic: {type: http, scheme: basic}
    key: {type: apiKey, in: query, name: key}
  schemas:
    NewAccount:
      type: object
      required: [name, password]
      properties:
        name: {type: string, minLength: 1, x-order: 1}
        password: {type: string, format: password, x-order: 2}
        mail: {type: string, format: email}
        roles: {type: array, items: {type: object, properties: {id: {type: string}}}}
    Account:
      type: object
      required: [name, roles]
      properties:
        name: {type: string, minLength: 3, x-order: 2}
        roles: {type: array, minItems: 1, items: {type: string, pattern: "^[a-c]{2}(x|y)$"}, x-order: 1}
        born: {type: string, format: date-time}
        self: {$ref: "#/components/schemas/Node"}
        secret: {type: string, writeOnly: true}
    Node:
      type: object
      properties: {next: {$ref: "#/components/schemas/Node"}}
    Error:
      type: object
      required: [oops]
      properties: {oops: {type: string, x-order: 2}, code: {type: integer, x-order: 1}}
`

func acme(tb testing.TB) *exchange.Contract {
	tb.Helper()
	c, err := exchange.Parse("acme", []string{"/acme", "/token"}, []byte(document))
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func TestFind(t *testing.T) {
	c := acme(t)
	for request, want := range map[string]string{
		"GET /acme": "getStatus", "GET /acme/": "getStatus", "POST /acme/accounts": "createAccount",
		"GET /acme/accounts/me": "getOwnAccount", "GET /acme/accounts/a%2Fb": "getAccount", "GET /acme/accounts/%6De": "getOwnAccount",
		"POST /token": "getToken", "POST /acme/token": "", "GET /acme/accounts/": "", "GET /acme/accounts/a/b": "",
		"PUT /acme/accounts": "", "get /acme": "", "GET /": "", "GET ": "", "GET /acmes": "", "GET /acme/accounts/%zz": "getAccount",
	} {
		method, path, _ := strings.Cut(request, " ")
		if got, found := c.Find(method, path); got != want || found != (want != "") {
			t.Errorf("%s: %q %v, want %q", request, got, found, want)
		}
	}
}

func TestOperations(t *testing.T) {
	c := acme(t)
	var got []string
	for _, op := range c.Operations() {
		got = append(got, fmt.Sprint(op.Method, " ", op.Path, " ", op.ID, " ", op.Statuses, " ", op.RequestMembers))
	}
	want := []string{
		"GET /acme/ getStatus [204] []",
		"POST /acme/accounts createAccount [201] [body /mail body /name body /password body /roles body /roles/* body /roles/*/id header Request-Timeout query limit query tag]",
		"GET /acme/accounts/me getOwnAccount [200] []",
		"GET /acme/accounts/{name} getAccount [200 400] []",
		"POST /token getToken [200] []",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	e := exchange.Exchange{Request: exchange.Message{
		Method: "POST", URL: "/acme/accounts?limit=1;2&other=x", Header: http.Header{"Request-Timeout": {"1"}}, Body: []byte(`{"name":null,"x":1,"roles":[{"id":"a"}]}`),
	}}
	c.Check(&e)
	if got := strings.Join(c.Members(e), ", "); got != "body /name, body /roles, body /roles/*, body /roles/*/id, header Request-Timeout, query limit" {
		t.Error(got)
	}
}

// exchanged is a good exchange of createAccount, changed.
func exchanged(change func(*exchange.Exchange)) exchange.Exchange {
	e := exchange.Exchange{
		Request: exchange.Message{
			Method: "POST", URL: "/acme/accounts?limit=3&tag=a&tag=b", Body: []byte(`{"name":"road","password":"s3cret-value"}`),
			Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}, "Authorization": {"Basic d2lsZTphbnZpbA=="}},
		},
		Answer: exchange.Message{
			Status: 201, Body: []byte(`{"roles":["abx"],"name":"road"}`),
			Header: http.Header{"Content-Type": {"application/json"}, "Location": {"/acme/accounts/road"}},
		},
	}
	change(&e)
	return e
}

func TestCheck(t *testing.T) {
	c := acme(t)
	const post = "#/paths/~1accounts/post"
	for name, test := range map[string]struct {
		change func(*exchange.Exchange)
		want   []string // In, Path, Rule, Contract
	}{
		"good":                   {func(*exchange.Exchange) {}, nil},
		"a key":                  {func(e *exchange.Exchange) { e.Request.Header.Del("Authorization"); e.Request.URL += "&key=k" }, nil},
		"no credentials":         {func(e *exchange.Exchange) { e.Request.Header.Del("Authorization") }, []string{"request|credentials|security|" + post + "/security"}},
		"other credentials":      {func(e *exchange.Exchange) { e.Request.Header.Set("Authorization", "Bearer x") }, []string{"request|credentials|security|" + post + "/security"}},
		"below the least":        {func(e *exchange.Exchange) { e.Request.URL = "/acme/accounts?limit=0" }, []string{"request|query limit|minimum|" + post + "/parameters"}},
		"no number":              {func(e *exchange.Exchange) { e.Request.URL = "/acme/accounts?limit=s3cret-value" }, []string{"request|query limit|type|" + post + "/parameters"}},
		"twice":                  {func(e *exchange.Exchange) { e.Request.URL = "/acme/accounts?limit=1&limit=2" }, []string{"request|query limit|type|" + post + "/parameters"}},
		"too long an item":       {func(e *exchange.Exchange) { e.Request.URL = "/acme/accounts?tag=s3cret-value" }, []string{"request|query tag|maxLength|" + post + "/parameters"}},
		"a semicolon in a value": {func(e *exchange.Exchange) { e.Request.URL = "/acme/accounts?tag=a;b" }, nil},
		"a bad escape":           {func(e *exchange.Exchange) { e.Request.URL = "/acme/accounts?tag=%zz" }, []string{"request|query|malformed-query|" + post + "/parameters"}},
		"a header":               {func(e *exchange.Exchange) { e.Request.Header.Set("Request-Timeout", "s3cret-value") }, []string{"request|header Request-Timeout|type|" + post + "/parameters"}},
		"no body":                {func(e *exchange.Exchange) { e.Request.Body = nil }, []string{"request|body|required|" + post + "/requestBody"}},
		"another media type":     {func(e *exchange.Exchange) { e.Request.Header.Set("Content-Type", "text/plain") }, []string{"request|header Content-Type|media-type|" + post + "/requestBody/content"}},
		"no JSON":                {func(e *exchange.Exchange) { e.Request.Body = []byte(`{"password":s3cret-value}`) }, []string{"request|body|not-json|" + post + "/requestBody"}},
		"two values":             {func(e *exchange.Exchange) { e.Request.Body = []byte(`{"name":"a","password":"b"} {}`) }, []string{"request|body|not-json|" + post + "/requestBody"}},
		"no UTF-8": {func(e *exchange.Exchange) {
			e.Request.Body = []byte("{\"name\":\"a\",\"password\":\"s3cret-value\xff\"}")
		}, []string{"request|body|not-utf-8|" + post + "/requestBody"}},
		"wrong members":        {func(e *exchange.Exchange) { e.Request.Body = []byte(`{"name":"","mail":"s3cret-value"}`) }, []string{"request|body /mail|format|" + post + "/requestBody", "request|body /name|minLength|" + post + "/requestBody", "request|body /password|required|" + post + "/requestBody"}},
		"a truncated body":     {func(e *exchange.Exchange) { e.Request.Body, e.Request.Truncated = []byte(`{"na`), true }, nil},
		"an undeclared status": {func(e *exchange.Exchange) { e.Answer.Status = 500 }, []string{"answer|status|undeclared-status|" + post + "/responses"}},
		"no answer":            {func(e *exchange.Exchange) { e.Answer = exchange.Message{} }, nil},
		"a declared range":     {func(e *exchange.Exchange) { e.Answer.Status = 404; e.Answer.Body = []byte(`{"oops":1}`) }, []string{"answer|body /oops|type|" + post + "/responses/4XX"}},
		"a missing header":     {func(e *exchange.Exchange) { e.Answer.Header.Del("Location") }, []string{"answer|header Location|required|" + post + "/responses/201/headers/Location"}},
		"a wrong header":       {func(e *exchange.Exchange) { e.Answer.Header.Set("Location", "s3cret-value") }, []string{"answer|header Location|pattern|" + post + "/responses/201/headers/Location"}},
		"a header's spelling": {func(e *exchange.Exchange) {
			e.Answer.Header = http.Header{"Content-Type": {"application/json"}, "location": {"/acme/x"}}
		}, nil},
		"wrong, however spelt": {func(e *exchange.Exchange) {
			e.Answer.Header = http.Header{"Content-Type": {"application/json"}, "location": {"x"}}
		}, []string{"answer|header Location|pattern|" + post + "/responses/201/headers/Location"}},
		"odd parameters": {func(e *exchange.Exchange) {
			e.Answer.Header.Set("Content-Type", "Application/JSON ;;")
			e.Answer.Body = []byte(`{}`)
		}, []string{"answer|body /name|required|" + post + "/responses/201", "answer|body /roles|required|" + post + "/responses/201"}},
		"another answer":     {func(e *exchange.Exchange) { e.Answer.Header.Set("Content-Type", "text/html") }, []string{"answer|header Content-Type|media-type|" + post + "/responses/201/content"}},
		"an empty answer":    {func(e *exchange.Exchange) { e.Answer.Body = nil }, []string{"answer|body|not-json|" + post + "/responses/201"}},
		"a truncated answer": {func(e *exchange.Exchange) { e.Answer.Body, e.Answer.Truncated = nil, true }, nil},
		"a member that is written": {func(e *exchange.Exchange) {
			e.Answer.Body = []byte(`{"roles":["abx"],"name":"road","secret":"s3cret-value"}`)
		}, []string{"answer|body /secret|writeOnly|" + post + "/responses/201"}},
		"a wrong item": {func(e *exchange.Exchange) { e.Answer.Body = []byte(`{"roles":["abx","s3cret-value"],"name":"road"}`) }, []string{"answer|body /roles/1|pattern|" + post + "/responses/201"}},
		"JSON by another name": {func(e *exchange.Exchange) {
			e.Request.Method, e.Request.URL, e.Answer.Status = "GET", "/acme/accounts/me", 200
			e.Answer.Header.Set("Content-Type", "application/vnd.acme+json")
			e.Answer.Body = []byte(`{"roles":["abx"]}`)
		}, []string{"answer|body /name|required|#/paths/~1accounts~1me/get/responses/200"}},
		"not by that name": {func(e *exchange.Exchange) {
			e.Request.Method, e.Request.URL, e.Answer.Status = "GET", "/acme/accounts/me", 200
		}, []string{"answer|header Content-Type|media-type|#/paths/~1accounts~1me/get/responses/200/content"}},
		"another name where there is none": {func(e *exchange.Exchange) { e.Answer.Header.Set("Content-Type", "application/vnd.acme+json") }, []string{"answer|header Content-Type|media-type|" + post + "/responses/201/content"}},
		"an undeclared body":               {func(e *exchange.Exchange) { e.Request.Method, e.Request.URL, e.Answer.Status = "GET", "/acme", 204 }, []string{"answer|body|undeclared-body|#/paths/~1/get/responses/204"}},
		"too long a path": {func(e *exchange.Exchange) {
			e.Request.Method, e.Request.URL, e.Answer.Status = "GET", "/acme/accounts/s3cret-value", 200
		}, []string{"request|path name|maxLength|#/paths/~1accounts~1{name}/get/parameters"}},
		"an unknown path": {func(e *exchange.Exchange) {
			e.Request.URL, e.Answer.Status, e.Answer.Body = "/acme/x", 404, []byte(`{"oops":"x"}`)
		}, []string{"request|path|undeclared-path|#/paths"}},
		"an unknown verb": {func(e *exchange.Exchange) { e.Request.Method, e.Answer.Status, e.Answer.Body = "PUT", 405, nil }, []string{"request|method|undeclared-method|#/paths/~1accounts"}},
		"an unknown answer": {func(e *exchange.Exchange) {
			e.Request.URL, e.Answer.Status, e.Answer.Body = "/acme/x", 404, []byte(`{}`)
		}, []string{"request|path|undeclared-path|#/paths", "answer|body /oops|required|#/components/schemas"}},
		"another API's path": {func(e *exchange.Exchange) { e.Request.URL, e.Answer.Status = "/acmes", 404 }, []string{"request|path|undeclared-path|#/paths"}},
	} {
		e := exchanged(test.change)
		c.Check(&e)
		var got []string
		for _, v := range e.Violations {
			got = append(got, strings.Join([]string{v.In, v.Path, v.Rule, v.Contract}, "|"))
			if v.Message == "" || strings.Contains(v.Message+v.Path, "s3cret-value") {
				t.Errorf("%s: says %q of %s", name, v.Message, v.Path)
			}
		}
		slices.Sort(got)
		slices.Sort(test.want)
		if !slices.Equal(got, test.want) {
			t.Errorf("%s:\n got %q\nwant %q", name, got, test.want)
		}
	}
}

func TestExample(t *testing.T) {
	c := acme(t)
	for request, want := range map[string]string{
		"getStatus 204 ":          "",
		"createAccount 201 ":      `{"roles":["aax"],"name":"aaa","born":"2026-01-02T03:04:05Z","self":{`,
		"createAccount 404 taken": `{"code":2,"oops":"taken"}`,
		"createAccount 404 ":      `{"oops":"odd"}`,
		"getAccount 503 ":         `{"code":0,"oops":"a"}`,
		"getToken 200 ":           "a",
	} {
		id, rest, _ := strings.Cut(request, " ")
		var status int
		var name string
		_, _ = fmt.Sscanf(rest, "%d %s", &status, &name)
		body, header, err := c.Example(id, status, name)
		if err != nil || !strings.HasPrefix(string(body), want) || want == "" && len(body) > 0 {
			t.Errorf("%s: %s %v", request, body, err)
		}
		e := exchange.Exchange{Request: exchange.Message{Method: "POST", URL: "/acme/accounts"}, Answer: exchange.Message{Status: status, Header: header, Body: body}}
		if c.Check(&e); id == "createAccount" && slices.ContainsFunc(e.Violations, func(v exchange.Violation) bool { return v.In == exchange.Answer }) {
			t.Errorf("%s: %+v", request, e.Violations)
		}
	}
	for _, request := range []string{"nothing 200 ", "getStatus 200 ", "getStatus 204 x", "createAccount 404 none", "getAccount 400 "} {
		id, rest, _ := strings.Cut(request, " ")
		var status int
		var name string
		_, _ = fmt.Sscanf(rest, "%d %s", &status, &name)
		if body, _, err := c.Example(id, status, name); err == nil {
			t.Errorf("%s: %s", request, body)
		}
	}
	if got := c.ExampleNames("createAccount", 404); !slices.Equal(got, []string{"odd", "taken"}) {
		t.Error(got)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		roots []string
		yaml  string
	}{"no YAML": {[]string{"/x"}, "\t"}, "no root": {nil, document}} {
		if _, err := exchange.Parse("acme", test.roots, []byte(test.yaml)); err == nil {
			t.Errorf("%s: parsed", name)
		}
	}
}

func TestMasked(t *testing.T) {
	jsonType := http.Header{"Content-Type": {"application/json"}}
	for name, test := range map[string]struct {
		in   exchange.Message
		want string // URL, header and body
	}{
		"basic":                       {exchange.Message{Header: http.Header{"Authorization": {"Basic d2lsZTphbnZpbA=="}}}, "Authorization:[Basic wile:***]"},
		"basic, broken":               {exchange.Message{Header: http.Header{"Authorization": {"Basic d2lsZ"}}}, "Authorization:[Basic ***]"},
		"bearer":                      {exchange.Message{Header: http.Header{"Authorization": {"Bearer abcdefgh"}}}, "Authorization:[Bearer ***]"},
		"Milvus":                      {exchange.Message{Header: http.Header{"Authorization": {"Bearer root:Milvus"}}}, "Authorization:[Bearer root:***]"},
		"no scheme":                   {exchange.Message{Header: http.Header{"Authorization": {"root:Milvus"}}}, "Authorization:[root:***]"},
		"another scheme":              {exchange.Message{Header: http.Header{"Authorization": {`Digest username="a:b"`}}}, "Authorization:[Digest ***]"},
		"a scheme alone":              {exchange.Message{Header: http.Header{"Authorization": {"Bearer"}}}, "Authorization:[Bearer]"},
		"a key for a user":            {exchange.Message{Header: http.Header{"Authorization": {"Basic d2lsZTo="}}}, "Authorization:[Basic ***]"},
		"cookies":                     {exchange.Message{Header: http.Header{"Cookie": {"id=abc; sid=def"}}}, "Cookie:[id=***; sid=***]"},
		"set cookies":                 {exchange.Message{Header: http.Header{"Set-Cookie": {"id=abc; Path=/api; HttpOnly"}}}, "Set-Cookie:[id=***; Path=/api; HttpOnly]"},
		"a key's header":              {exchange.Message{Header: http.Header{"X-Api-Key": {"abc"}, "X-Other": {"abc"}}}, "X-Api-Key:[***] X-Other:[abc]"},
		"a blank in Milvus' password": {exchange.Message{Header: http.Header{"Authorization": {"root:My Milvus"}}}, "Authorization:[root:***]"},
		"a semicolon":                 {exchange.Message{URL: "/x?a=b;token=c&d"}, "/x?a=b;token=***&d"},
		"a semicolon in it":           {exchange.Message{URL: "/x?api-token=abc;def&d"}, "/x?api-token=***&d"},
		"a Location":                  {exchange.Message{Status: 302, Header: http.Header{"Location": {"/x?a=b#access_token=c"}}}, "Location:[/x?a=b#access_token=***]"},
		"a query":                     {exchange.Message{URL: "/x?a=1&api-token=abc&apiKey=d%20e;pass%57ord=f&b"}, "/x?a=1&api-token=***&apiKey=***&b"},
		"members":                     {exchange.Message{Header: jsonType, Body: []byte(` {"name": "a", "newPassword":"b\"c" , "l":[{"token":"d","n":1}],"e":"f"}` + "\n")}, ` {"name": "a", "newPassword":"***" , "l":[{"token":"***","n":1}],"e":"f"}` + "\n"},
		"wrong types":                 {exchange.Message{Header: jsonType, Body: []byte(`{"password":123456,"tokenTTL":5,"oldPassword":{"value":"x","n":[1,true,null]},"confirmPassword":["y"]}`)}, `{"password":"***","tokenTTL":5,"oldPassword":{"value":"***","n":["***",true,null]},"confirmPassword":["***"]}`},
		"an object":                   {exchange.Message{Header: jsonType, Body: []byte(`{"accessToken":{"value":"x","n":1,"expireAt":"2025-10-30T21:59:01.000Z"},"b":"c"}`)}, `{"accessToken":{"value":"***","n":1,"expireAt":"2025-10-30T21:59:01.000Z"},"b":"c"}`},
		"numbers":                     {exchange.Message{Header: jsonType, Body: []byte(`{"token":1234,"tokens":2}`)}, `{"token":"***","tokens":2}`},
		"other names":                 {exchange.Message{Header: jsonType, Body: []byte(`{"key":"a","keys":"b","pwd":"c","paſſword":"d","twoFactorCode":"e"}`)}, `{"key":"***","keys":"b","pwd":"***","paſſword":"***","twoFactorCode":"***"}`},
		"the long s alone":            {exchange.Message{Header: jsonType, Body: []byte(`{"paſſword":"d"}`)}, `{"paſſword":"***"}`},
		"a quoted body":               {exchange.Message{Status: 400, Header: jsonType, Body: []byte(`{"message":"Unexpected 'h', \"{\"password\":hunter22}\" is not JSON","a":"password: 8 characters"}`)}, `{"message":"Unexpected 'h', \"{\"password\":***}\" is not JSON","a":"password: 8 characters"}`},
		"a word":                      {exchange.Message{URL: "/users/1/password", Header: jsonType, Body: []byte(`{"password":"password"}`)}, `/users/1/password{"password":"***"}`},
		"a string alone":              {exchange.Message{Status: 200, Header: jsonType, Body: []byte(`"abc"`)}, `"***"`},
		"a list of strings":           {exchange.Message{Header: jsonType, Body: []byte(`["a","b"]`)}, `["a","b"]`},
		"truncated":                   {exchange.Message{Header: jsonType, Truncated: true, Body: []byte(`{"a":"b","password":"abcd`)}, `{"a":"b","password"`},
		"malformed":                   {exchange.Message{Header: jsonType, Body: []byte(`{"a":"b",password:"abcd"}`)}, `{"a":"b"`},
		"two values":                  {exchange.Message{Header: jsonType, Body: []byte(`{"a":"b"} "secret"`)}, `{"a":"b"}`},
		"no type":                     {exchange.Message{Body: []byte(`{"password":"b"}`)}, `{"password":"***"}`},
		"a form":                      {exchange.Message{Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, Body: []byte("user=a&password=b")}, "user=a&password=***"},
		"a request's text":            {exchange.Message{Header: http.Header{"Content-Type": {"text/plain"}}, Body: []byte("anything")}, ""},
		"an answer's text":            {exchange.Message{Status: 404, Header: http.Header{"Content-Type": {"text/plain"}}, Body: []byte("404 page not found, token=abc, \"Password\": \"d e\"")}, `404 page not found, token=***, "Password": "***"`},
		"a token in text":             {exchange.Message{Status: 200, Header: http.Header{"Content-Type": {"text/plain"}}, Body: []byte("0123456789abcdef")}, "***"},
		"bytes":                       {exchange.Message{Status: 200, Header: http.Header{"Content-Type": {"application/octet-stream"}}, Body: []byte("\xff\xfe")}, ""},
	} {
		before := fmt.Sprintf("%+v", test.in)
		e := exchange.Exchange{Request: test.in}
		if test.in.Status > 0 {
			e = exchange.Exchange{Answer: test.in}
		}
		masked := exchange.Masked(e)
		m := masked.Request
		if test.in.Status > 0 {
			m = masked.Answer
		}
		m.Header.Del("Content-Type")
		got := m.URL + strings.Trim(fmt.Sprint(m.Header), "map[]") + string(m.Body)
		if strings.Trim(got, "[]") != strings.Trim(test.want, "[]") {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
		if after := fmt.Sprintf("%+v", test.in); after != before {
			t.Errorf("%s: the exchange itself was changed: %s", name, after)
		}
		if whole := string(m.Body) != "" || len(test.in.Body) == 0; !whole && !m.Truncated {
			t.Errorf("%s: a body left out is not marked", name)
		}
	}
}

// A secret that is known is looked for in all of the exchange.
func TestMaskedEverywhere(t *testing.T) {
	e := exchange.Exchange{
		Request: exchange.Message{
			Method: "POST", URL: "/sessions/hunter%20%2222?x=hunter%20%2222", Header: http.Header{"Authorization": {"Basic YTpodW50ZXIgIjIy"}}, // a:hunter "22
		},
		Answer: exchange.Message{Status: 400, Header: http.Header{"Location": {"/hunter%20%2222"}, "Content-Type": {"application/json"}}, Body: []byte(`{"message":"what is hunter \"22?"}`)},
	}
	text := fmt.Sprintf("%+v %s", exchange.Masked(e), exchange.Masked(e).Answer.Body)
	if strings.Contains(text, "hunter") || !strings.Contains(text, `{"message":"what is ***?"}`) {
		t.Error(text)
	}
	if got := exchange.Secrets(e); !slices.Contains(got, `hunter "22`) {
		t.Errorf("secrets: %q", got)
	}
}

// A body that was made to keep whoever masks it busy does not: what would take long is
// left out, and the rest is masked as ever.
func TestMaskedInTime(t *testing.T) {
	deep := exchange.Masked(exchange.Exchange{Request: exchange.Message{Body: bytes.Repeat([]byte("["), 1<<20)}}).Request
	if len(deep.Body) != 10_000 || !deep.Truncated {
		t.Errorf("of a million brackets %d are left", len(deep.Body))
	}
	for n, whole := range map[int]bool{1_000: true, 30_000: false} {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf("token-%06d", i))
		}
		answer, err := json.Marshal(map[string]any{"tokens": list})
		if err != nil {
			t.Fatal(err)
		}
		masked := exchange.Masked(exchange.Exchange{
			Request: exchange.Message{URL: "/token-000007", Body: []byte(`{"name":"token-000999"}`)},
			Answer:  exchange.Message{Status: 200, Body: answer},
		})
		if masked.Request.URL != "/***" || string(masked.Request.Body) != `{"name":"***"}` || masked.Request.Truncated {
			t.Errorf("%d: %s %s", n, masked.Request.URL, masked.Request.Body)
		}
		if got := bytes.Count(masked.Answer.Body, []byte(`"***"`)); whole && got != n || bytes.Contains(masked.Answer.Body, []byte("token-")) || masked.Answer.Truncated == whole {
			t.Errorf("%d: %d are masked, truncated: %t", n, got, masked.Answer.Truncated)
		}
	}
}

// What a secret has of characters that are escaped in more than one way.
func TestMaskedHoweverItIsEscaped(t *testing.T) {
	e := exchange.Exchange{
		Request: exchange.Message{Header: http.Header{"X-Password": {`a<b"cdef`}}},
		Answer:  exchange.Message{Status: 400, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(`["a<b\"cdef","a\u003cb\"cdef"]`)},
	}
	if got := string(exchange.Masked(e).Answer.Body); got != `["***","***"]` {
		t.Error(got)
	}
}

// Whatever the body is, no value of a member named password is shown.
func FuzzMasked(f *testing.F) {
	f.Add([]byte(`{"a":[{"password":"%s"}]}`), "hunter22")
	f.Add([]byte(`{"a":1,"password":["%s",{"b":"%s"}]`), "hunter\"22")
	f.Add([]byte(`{"a":tru,"password":"%s"}`), "hunter22")
	f.Add([]byte(` "%s"`), "hunter22")
	f.Fuzz(func(t *testing.T, frame []byte, secret string) {
		quoted, err := json.Marshal(map[string]string{"password": secret})
		if err != nil || len(secret) < 6 || strings.Contains(string(quoted[:len(`{"password":"`)]), secret) || strings.Contains(string(frame), secret) || !strings.Contains(string(frame), "%s") {
			return
		}
		body := []byte(strings.ReplaceAll(string(frame), `"%s"`, string(quoted)))
		e := exchange.Exchange{Request: exchange.Message{Header: http.Header{"Content-Type": {"application/json"}}, Body: body}}
		inner := strings.TrimSuffix(strings.TrimPrefix(string(quoted), `{"password":"`), `"}`)
		if masked := exchange.Masked(e); strings.Contains(string(masked.Request.Body), inner) {
			t.Errorf("%s: %s", body, masked.Request.Body)
		}
	})
}

// What Curl writes says to a shell what was sent.
func TestCurl(t *testing.T) {
	m := exchange.Masked(exchange.Exchange{Request: exchange.Message{
		Method: "PATCH", URL: "/acme/it's?a=[1]&b={x}",
		Header: http.Header{"Authorization": {"Basic d2lsZTphbnZpbA=="}, "X-Empty": {""}, "Content-Length": {"3"}, "Accept": {"a/b"}},
		Body:   []byte(`{"it's":"$HOME"}`),
	}}).Request
	line := exchange.Curl(m, "http://127.0.0.1:1/")
	want := `curl --globoff --path-as-is --request PATCH 'http://127.0.0.1:1/acme/it'\''s?a=[1]&b={x}' --header 'Accept: a/b' --user 'wile:***' --header 'X-Empty;' --header Content-Type: --data-raw '{"it'\''s":"$HOME"}'`
	if line != want {
		t.Errorf("got  %s\nwant %s", line, want)
	}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(line, "curl ", "printf '%s|' ", 1)).Output()
	if err != nil || !strings.Contains(string(out), `|{"it's":"$HOME"}|`) || !strings.Contains(string(out), "|http://127.0.0.1:1/acme/it's?a=[1]&b={x}|") {
		t.Errorf("a shell makes of it: %s %v", out, err)
	}
	m = exchange.Message{Method: "HEAD", URL: "/x", Truncated: true}
	if got := exchange.Curl(m, "http://h"); got != "curl --globoff --path-as-is --head http://h/x # the body is not whole" {
		t.Error(got)
	}
}

func BenchmarkCheck(b *testing.B) {
	c := acme(b)
	e := exchanged(func(*exchange.Exchange) {})
	for b.Loop() {
		c.Check(&e)
	}
}

func BenchmarkMasked(b *testing.B) {
	e := exchanged(func(*exchange.Exchange) {})
	for b.Loop() {
		exchange.Masked(e)
	}
}

func TestCaller(t *testing.T) {
	for given, want := range map[string]string{
		"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==":  "Aladdin",
		"Bearer root:Milvus":                  "root",
		"root:Milvus":                         "root",
		"bearer root:Milvus":                  "root",
		"root:My Milvus":                      "root",
		"Basic YW5uIHNtaXRoOnh5eg==":          "ann smith",
		"Basic c2tfbGl2ZV9rZXk6":              "", // a key for a name, and no password
		"ApiKey id:secret":                    "",
		`Digest username="a", uri="http://b"`: "",
		"Bearer eyJhbGciOiJIUzI1NiJ9.e30.x":   "",
		"Basic QWxhZGRpbg":                    "",
		"":                                    "",
	} {
		m := exchange.Message{Header: http.Header{"Authorization": {given}}}
		if got := exchange.Caller(m); got != want {
			t.Errorf("%q: got %q, want %q", given, got, want)
		}
	}
}
