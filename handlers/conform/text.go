package conform

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"usher/handlers/exchange"
)

var variable = regexp.MustCompile(`\$(\{\w+\}|\w+)`)

// expand puts in the values of a word's names, outside of quotes. Errors: a name
// that nothing has set.
func (x *execution) expand(w word) (string, error) {
	var b strings.Builder
	var err error
	for _, p := range w {
		if p.quoted {
			b.WriteString(p.text)
			continue
		}
		b.WriteString(variable.ReplaceAllStringFunc(p.text, func(v string) string {
			value, set := x.values[strings.Trim(v, "${}")]
			if !set {
				err = fmt.Errorf("%s is not set", v)
			}
			return value
		}))
	}
	return b.String(), err
}

// expandText puts in the values of names that are set, and leaves every other
// dollar alone.
func (x *execution) expandText(text string) string {
	return variable.ReplaceAllStringFunc(text, func(v string) string {
		if value, set := x.values[strings.Trim(v, "${}")]; set {
			return value
		}
		return v
	})
}

var masks = []struct {
	of *regexp.Regexp
	by string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`), "<time>"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`), "<time.000>"},
	{regexp.MustCompile(`"token":"[^"]+"`), `"token":"<token>"`},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "<id>"},
	{regexp.MustCompile(`\b[0-9a-f]{24}\b`), "<id>"},
}

// mask puts names for what differs from run to run.
func (x *execution) mask(text string) string {
	text = x.named(text)
	for _, m := range masks {
		text = m.of.ReplaceAllString(text, m.by)
	}
	return text
}

// named puts the script's names for their values, the longest values first: one
// may hold another.
func (x *execution) named(text string) string {
	names := slices.Clone(x.names)
	slices.SortStableFunc(names, func(a, b string) int { return len(x.values[b]) - len(x.values[a]) })
	for _, name := range names {
		if value := x.values[name]; len(value) >= shortestNamed {
			text = strings.ReplaceAll(text, value, "$"+name)
		}
	}
	return text
}

// shortestNamed is how long a value is that its name stands for: shorter ones are
// part of others by chance.
const shortestNamed = 4

// hidden stands for a secret.
const hidden = "•••"

// hide puts out the secrets that went by.
func (x *execution) hide(text string) string {
	for _, secret := range slices.Concat(x.secrets, x.hushed) {
		if len(secret) < shortestNamed {
			continue
		}
		quoted, _ := json.Marshal(secret)
		text = strings.ReplaceAll(text, string(quoted[1:len(quoted)-1]), hidden)
		text = strings.ReplaceAll(text, secret, hidden)
	}
	return text
}

// fail notes that something is wrong with the last answer.
func (x *execution) fail(st step, message string, broken ...exchange.Violation) {
	x.add(st, Failure{Message: message, Violations: broken})
}

// differs notes that the last answer is not what it should be.
func (x *execution) differs(st step, expected string) {
	actual := x.hide(x.out)
	f := Failure{Message: "the answer is another", Diff: shorten(difference(expected, actual)), Expected: shorten(expected), Actual: shorten(actual)}
	x.add(st, f)
}

func (x *execution) add(st step, f Failure) {
	x.failed = true
	f.Line, f.Step, f.Prose = st.line, x.hide(st.text), st.prose
	f.Message = x.hide(f.Message)
	if x.last != nil {
		f.describe(x.last, x.server.URL, x.hide)
	}
	x.result.Failures = append(x.result.Failures, f)
}

// difference compares two answers line by line, JSON spread over lines; where
// nothing but white space differs, quoted.
func difference(expected, actual string) string {
	if spread(expected) == spread(actual) {
		expected, actual = strconv.Quote(expected), strconv.Quote(actual)
	}
	d := string(diff.Diff("expected", []byte(spread(expected)+"\n"), "actual", []byte(spread(actual)+"\n")))
	if _, after, found := strings.Cut(d, "+++ actual\n"); found {
		return after
	}
	return d
}

// mostSpread and deepestSpread are how long an answer is, and how deeply nested, that
// is spread over lines: on these it takes more room the deeper it is.
const (
	mostSpread    = 256 << 10
	deepestSpread = 64
)

// spread puts each member of a JSON body on a line of its own.
func spread(answer string) string {
	if len(answer) > mostSpread || depth(answer) > deepestSpread {
		return strings.TrimSuffix(answer, "\n")
	}
	head, body, found := strings.Cut(answer, "\n\n")
	var b bytes.Buffer
	if !found || json.Indent(&b, []byte(strings.TrimSpace(body)), "", "  ") != nil {
		return strings.TrimSuffix(answer, "\n")
	}
	return head + "\n\n" + b.String()
}

// depth is how deeply an answer is nested, at most.
func depth(answer string) (deepest int) {
	at := 0
	for _, c := range []byte(answer) {
		switch c {
		case '{', '[':
			at++
			deepest = max(deepest, at)
		case '}', ']':
			at--
		}
	}
	return deepest
}
