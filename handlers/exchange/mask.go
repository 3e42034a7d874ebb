package exchange

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// hidden stands where a secret stood.
const hidden = "***"

// leastSecret is how long, in bytes, a secret must be to be looked for in all of an
// exchange: shorter ones stand there by chance.
const leastSecret = 6

// Masked gives a deep copy of an exchange without its secrets: those of the header
// Authorization, of which the scheme and the user's name stay, of cookies both
// ways, of every header, query value and member that is named like one, and a body
// that is one JSON string, for that is a token or a session's id; and each of
// these wherever else it stands in the exchange. What of a body cannot be read is
// left out, and so is a body in which too many secrets would have to be looked for;
// the message is marked as truncated.
//
// What is masked keeps to no contract any more: Check comes first.
func Masked(e Exchange) Exchange {
	var m masking
	e.Violations = slices.Clone(e.Violations)
	e.Request.URL = m.url(e.Request.URL)
	e.Request = m.message(e.Request)
	e.Answer = m.message(e.Answer)
	m.everywhere(&e)
	return e
}

// Secrets gives what Masked looks for in an exchange, decoded; short ones, which
// stand anywhere by chance, are left out, and so are those that a vendor has masked
// with asterisks.
func Secrets(e Exchange) []string {
	var m masking
	m.url(e.Request.URL)
	m.message(e.Request)
	m.message(e.Answer)
	return m.distinct()
}

// What masking a body may take, however it was made: maxLooked bounds its length times
// the secrets that are looked for in it, to some hundredths of a second; and maxNested
// how deep it is read, which is as deep as encoding/json reads.
const (
	maxLooked = 256 << 20
	maxNested = 10_000
)

// masking is one exchange that is being masked, with the secrets met so far, some of
// them more than once.
type masking struct{ secrets []string }

// distinct are the secrets that were met, each once. One that another begins with
// comes after that one, whose end would be left otherwise.
func (m *masking) distinct() []string {
	slices.SortFunc(m.secrets, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	return slices.Compact(m.secrets)
}

// secret notes a secret, and gives what stands in its place. One that is a word
// such as password is not looked for: paths and members have that word.
func (m *masking) secret(s string) string {
	if len(s) >= leastSecret && !strings.HasPrefix(s, "****") && !slices.Contains(secretWords, strings.ToLower(s)) {
		m.secrets = append(m.secrets, s)
	}
	return hidden
}

func (m *masking) message(from Message) Message {
	from.Header = m.header(from.Header)
	if from.Truncated && len(from.Body) == 0 {
		return from
	}
	body, whole := m.body(from)
	from.Body, from.Truncated = body, from.Truncated || !whole
	return from
}

func (m *masking) header(from http.Header) http.Header {
	to := from.Clone()
	for name, values := range to {
		for i, value := range values {
			switch http.CanonicalHeaderKey(name) {
			case "Authorization", "Proxy-Authorization":
				values[i] = m.authorization(value)
			case "Cookie":
				values[i] = m.cookies(value)
			case "Set-Cookie":
				cookie, attributes, more := strings.Cut(value, ";")
				values[i] = m.cookies(cookie)
				if more {
					values[i] += ";" + attributes
				}
			default:
				if isSecret(name) {
					values[i] = m.secret(value)
				} else {
					values[i] = m.url(value) // a Location, a Referer, a Link
				}
			}
		}
	}
	return to
}

// authorization keeps the scheme and the user's name, which Milvus sends without
// any encoding, with a scheme or without.
func (m *masking) authorization(value string) string {
	scheme, credentials, found := strings.Cut(value, " ")
	kind := strings.ToLower(scheme)
	if strings.Contains(scheme, ":") { // which no scheme has: the blank is the password's
		return m.user(value)
	}
	if !found || credentials == "" {
		if kind == "basic" || kind == "bearer" { // and nothing of that kind
			return value
		}
		return m.user(scheme)
	}
	switch kind {
	case "basic":
		m.secret(credentials)
		plain, err := base64.StdEncoding.DecodeString(credentials)
		if err != nil {
			return scheme + " " + hidden
		}
		return scheme + " " + m.user(string(plain))
	case "bearer":
		return scheme + " " + m.user(credentials)
	}
	m.secret(value)
	return scheme + " " + m.secret(credentials)
}

// user masks the password of NAME:PASSWORD, and all of what is no such pair.
func (m *masking) user(credentials string) string {
	name, password, found := strings.Cut(credentials, ":")
	switch {
	case !found:
		return m.secret(credentials)
	case password == "": // a token may stand in the name's place
		return hidden
	}
	return name + ":" + m.secret(password)
}

func (m *masking) cookies(value string) string {
	pairs := strings.Split(value, ";")
	for i, pair := range pairs {
		name, secret, found := strings.Cut(pair, "=")
		pairs[i] = hidden
		if found {
			m.secret(strings.Trim(secret, `"`))
			pairs[i] = name + "=" + hidden
		}
	}
	return strings.Join(pairs, ";")
}

// url masks the values of a query and of a fragment; where a secret stands in the
// path, it is one that stands elsewhere, too.
func (m *masking) url(from string) string {
	start := strings.IndexAny(from, "?#") + 1
	if start == 0 {
		return from
	}
	return from[:start] + m.form(from[start:])
}

// form masks the values of name=value&name=value. Some servers take a semicolon for
// an ampersand, and to others it is part of a value: a name may begin after it, and
// a secret does not end there.
func (m *masking) form(from string) string {
	var to strings.Builder
	for rest := from; rest != ""; {
		end := firstOf(rest, "&;?#")
		name, _, found := strings.Cut(rest[:end], "=")
		plain, err := url.QueryUnescape(name)
		if err != nil {
			plain = name
		}
		if found && isSecret(plain) {
			end = firstOf(rest, "&")
			value := rest[len(name)+1 : end]
			for _, sent := range []string{value, value[:firstOf(value, ";")]} {
				m.secret(sent)
				if plain, err := url.QueryUnescape(sent); err == nil {
					m.secret(plain)
				}
			}
			to.WriteString(name + "=" + hidden)
		} else {
			to.WriteString(rest[:end])
		}
		if end < len(rest) {
			to.WriteByte(rest[end])
			end++
		}
		rest = rest[end:]
	}
	return to.String()
}

// firstOf is where the first of these characters stands, or the text ends.
func firstOf(text, characters string) int {
	if i := strings.IndexAny(text, characters); i >= 0 {
		return i
	}
	return len(text)
}

var (
	// secretText finds name=value and "name": "value" in a text that is no JSON.
	secretText = regexp.MustCompile(`(?i)((?:password|passwd|pwd|token|secret|api[-_]?key)[\w-]*["']?\s*[:=]\s*)(?:(")[^"]*|(')[^']*|[^\s"'&,;<]+)`)
	// secretQuoted finds "name": "value" and "name": value in a string of a JSON body,
	// as of an error that quotes a body.
	secretQuoted = regexp.MustCompile(`(?i)((?:password|passwd|pwd|token|secret|api[-_]?key)[\w-]*["']\s*:\s*)("(?:[^"\\]|\\.)*"?|[^\s,}\]]+)`)
	// oneWord is a text that may be nothing but a token.
	oneWord = regexp.MustCompile(`^\S{16,}$`)
)

// body masks a body, and says whether all of it was understood.
func (m *masking) body(from Message) (masked []byte, whole bool) {
	text := bytes.TrimLeft(from.Body, " \t\r\n")
	media := strings.ToLower(from.Header.Get("Content-Type"))
	switch {
	case len(text) == 0:
		return bytes.Clone(from.Body), true
	case isJSON(media) || strings.IndexByte(`{["`, text[0]) >= 0:
		return m.json(from.Body, from.Status != 0)
	case !utf8.Valid(from.Body):
		return nil, false
	case strings.HasPrefix(media, "application/x-www-form-urlencoded"):
		return []byte(m.form(string(from.Body))), true
	case from.Status == 0 || !strings.HasPrefix(media, "text/"): // a request's, whose text may be anything
		return nil, false
	case oneWord.Match(text):
		return []byte(m.secret(string(text))), true
	}
	return secretText.ReplaceAll(from.Body, []byte("${1}${2}${3}"+hidden)), true
}

// level is an object or an array that masking a body is inside of.
type level struct {
	object bool
	name   string // of the member at hand; of an array, the array's own
	value  bool   // in an object: the name has been read
	all    bool   // all in it is secret
	texts  bool   // the strings in it are, but for times: a token with its end
}

// json masks a JSON value, byte for byte as it stands but for the secrets. What
// comes after something that is no JSON is left out.
func (m *masking) json(from []byte, answer bool) (masked []byte, whole bool) {
	valid := json.Valid(from)
	if first := bytes.TrimLeft(from, " \t\r\n"); valid && first[0] != '"' && !mayHave(first) {
		return bytes.Clone(from), true
	}
	var decoder tokens = &validTokens{from: from}
	if !valid { // and is read as far as it goes
		slow := json.NewDecoder(bytes.NewReader(from))
		slow.UseNumber()
		decoder = slow
	}
	to := make([]byte, 0, len(from))
	var in []level
	end := 0
	for {
		token, err := decoder.Token()
		if err != nil {
			break
		}
		start := end + len(from[end:]) - len(bytes.TrimLeft(from[end:], " \t\r\n,:"))
		to = append(to, from[end:start]...)
		end = int(decoder.InputOffset())
		at := level{name: "password"} // a string that is all there is
		if len(in) > 0 {
			at = in[len(in)-1]
		}
		source := from[start:end]
		switch t := token.(type) {
		case json.Delim:
			switch t {
			case '{', '[':
				if len(in) == maxNested {
					return to, false
				}
				inner := level{object: t == '{'}
				if len(in) > 0 {
					inner.name, inner.all, inner.texts = at.name, at.all || isPassword(at.name), at.texts || isSecret(at.name)
				}
				in = append(in, inner)
			default:
				in = in[:len(in)-1]
			}
		case string:
			if at.object && !at.value {
				in[len(in)-1].name, in[len(in)-1].value = t, true
				to = append(to, source...)
				continue
			}
			switch {
			case at.all || isSecret(at.name) || at.texts && !isTime(t):
				if len(in) > 0 || answer { // a request's may be anything
					m.secret(t)
				}
				source = []byte(`"` + hidden + `"`)
			case strings.ContainsAny(t, `"'`) && secretQuoted.MatchString(t):
				source = []byte(quoted(secretQuoted.ReplaceAllString(t, "${1}"+hidden)))
			}
		case json.Number:
			if at.all || len(in) > 0 && isNumber(at.name) {
				m.secret(t.String())
				source = []byte(`"` + hidden + `"`)
			}
		}
		to = append(to, source...)
		if opens(token) {
			continue
		}
		if len(in) == 0 {
			break
		}
		in[len(in)-1].value = false // it is over
	}
	rest := bytes.TrimLeft(from[end:], " \t\r\n")
	if len(in) > 0 || end == 0 || len(rest) > 0 {
		return to, false
	}
	return append(to, from[end:]...), true
}

// tokens are those of a JSON value, as json.Decoder gives them.
type tokens interface {
	Token() (json.Token, error)
	InputOffset() int64
}

// validTokens are those of a value that is known to be JSON, in a fraction of the
// time. What is neither a delimiter nor a string nor a number is nil.
type validTokens struct {
	from []byte
	end  int // of the last token
}

func (v *validTokens) InputOffset() int64 { return int64(v.end) }

func (v *validTokens) Token() (token json.Token, err error) {
	rest := bytes.TrimLeft(v.from[v.end:], " \t\r\n,:")
	start := len(v.from) - len(rest)
	length := 1
	switch first := rest[0]; first {
	case '{', '}', '[', ']':
		token = json.Delim(first)
	case '"':
		for rest[length] != '"' {
			if rest[length] == '\\' {
				length++
			}
			length++
		}
		length++
		source := rest[:length]
		if text := source[1 : length-1]; bytes.IndexByte(text, '\\') < 0 && utf8.Valid(text) {
			token = string(text)
			break
		}
		var text string
		err = json.Unmarshal(source, &text)
		token = text
	default:
		if length = bytes.IndexAny(rest, " \t\r\n,:]}"); length < 0 {
			length = len(rest)
		}
		if first == '-' || '0' <= first && first <= '9' {
			token = json.Number(rest[:length])
		}
	}
	v.end = start + length
	return token, err
}

// quoted is a text as JSON has it, with as few escapes as can be.
func quoted(text string) string {
	var to bytes.Buffer
	encoder := json.NewEncoder(&to)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // a string never fails
	return strings.TrimSuffix(to.String(), "\n")
}

// inner is what stands between the quotes.
func inner(quoted string) string { return quoted[1 : len(quoted)-1] }

func isTime(text string) bool {
	_, err := time.Parse(time.RFC3339, text)
	return err == nil
}

func opens(token json.Token) bool { return token == json.Delim('{') || token == json.Delim('[') }

// everywhere masks the secrets that were met wherever else they stand.
func (m *masking) everywhere(e *Exchange) {
	if len(m.secrets) == 0 {
		return
	}
	var forms []string
	for _, s := range m.distinct() {
		escaped, _ := json.Marshal(s) // < and > and &, too
		forms = append(forms, s)
		for _, form := range []string{inner(quoted(s)), inner(string(escaped)), url.PathEscape(s), url.QueryEscape(s)} {
			if form != s {
				forms = append(forms, form)
			}
		}
	}
	replace := func(text string) string {
		for _, form := range forms {
			text = strings.ReplaceAll(text, form, hidden) // which gives back what has none
		}
		return text
	}
	e.Request.URL = replace(e.Request.URL)
	for _, message := range []*Message{&e.Request, &e.Answer} {
		for name, values := range message.Header {
			if name == "Authorization" || name == "Proxy-Authorization" {
				continue
			}
			for i, value := range values {
				values[i] = replace(value)
			}
		}
		if int64(len(forms))*int64(len(message.Body)) > maxLooked { // a long list of secrets
			message.Body, message.Truncated = nil, true
		}
		for _, form := range forms {
			if b := []byte(form); bytes.Contains(message.Body, b) {
				message.Body = bytes.ReplaceAll(message.Body, b, []byte(hidden))
			}
		}
	}
	for i := range e.Violations {
		e.Violations[i].Path, e.Violations[i].Message = replace(e.Violations[i].Path), replace(e.Violations[i].Message)
	}
}

// plainName is a name without what is written in many ways. The long s is one that
// encoding/json takes for an s.
var plainName = strings.NewReplacer("-", "", "_", "", " ", "", "ſ", "s")

func simple(name string) string {
	name = strings.ToLower(name)
	if !strings.ContainsAny(name, "-_ ſ") { // as most do not
		return name
	}
	return plainName.Replace(name)
}

// isSecret says whether what has that name is one, going by the name alone.
func isSecret(name string) bool {
	name = simple(name)
	switch name {
	case "tokentype", "passwordchanged":
		return false
	case "key", "pass", "otp": // the first of which is Fusion's for an API key
		return true
	}
	for _, word := range secretWords {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

var (
	secretWords = []string{"password", "passwd", "passphrase", "passcode", "pwd", "token", "secret", "apikey", "credential", "privatekey", "authorization", "sessionid", "factorcode"}
	// hints are what a text has, in lower case, if it has one of these words, however
	// that is written.
	hints = [][]byte{[]byte("pass"), []byte("pwd"), []byte("tok"), []byte("sec"), []byte("api"), []byte("cre"), []byte("pri"), []byte("aut"), []byte("ses"), []byte("key"), []byte("otp"), []byte("fac"), []byte(`\u`), []byte("ſ")}
)

// mayHave says whether a text may have the name of a secret.
func mayHave(text []byte) bool {
	text = bytes.ToLower(text)
	return slices.ContainsFunc(hints, func(hint []byte) bool { return bytes.Contains(text, hint) })
}

// passwords and codes are what the names of passwords end with, and of other secrets
// that may be numbers.
var (
	passwords = []string{"password", "passwordconfirm", "passwd", "pwd", "passcode", "secret", "apikey"}
	codes     = []string{"token", "factorcode", "otp"}
)

// isPassword says whether whatever has that name is one, though it be a number or an
// object.
func isPassword(name string) bool { return endsWith(name, passwords) }

// isNumber says whether a number of that name is a secret.
func isNumber(name string) bool { return isPassword(name) || endsWith(name, codes) }

func endsWith(name string, ends []string) bool {
	name = simple(name)
	return slices.ContainsFunc(ends, func(end string) bool { return strings.HasSuffix(name, end) })
}
