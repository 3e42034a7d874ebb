package conform

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"usher/handlers/exchange"
)

// request is what a send line asks for.
type request struct {
	method, path word
	headers      []header
	media        string // none: no Content-Type
	shown        []string
	pad          int
	file         string
	admin        bool // it has the administrator's credentials
}

// header is one of a request, or credentials that become one.
type header struct {
	kind  string // -basic, -bearer, -header
	value word
}

func parseSend(args []word) (request, error) {
	r := request{method: args[0], path: args[1]}
	for args = args[2:]; len(args) > 0; args = args[1:] {
		name := args[0].plain()
		if !strings.HasPrefix(name, "-") {
			if r.file != "" {
				return r, errors.New("usage: " + usages["send"].usage)
			}
			r.file = name
			continue
		}
		if len(args) < 2 {
			return r, fmt.Errorf("%s wants a value", name)
		}
		args = args[1:]
		switch value := args[0]; name {
		case "-basic", "-bearer", "-header":
			r.headers = append(r.headers, header{name, value})
		case "-type":
			r.media = value.plain()
		case "-show":
			r.shown = append(r.shown, value.plain())
		case "-pad":
			var err error
			if r.pad, err = strconv.Atoi(value.plain()); err != nil {
				return r, errors.New("-pad wants a number")
			}
		default:
			return r, fmt.Errorf("no flag %s", name)
		}
	}
	return r, nil
}

// line is the header's name and value, expanded.
func (h header) line(expand func(word) (string, error)) (name, value string, err error) {
	text, err := expand(h.value)
	switch h.kind {
	case "-basic":
		return "Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(text)), err
	case "-bearer":
		return "Authorization", "Bearer " + text, err
	}
	name, value, _ = strings.Cut(text, ":")
	return name, strings.TrimSpace(value), err
}

// undo is what an undo line asks for.
type undo struct {
	operation   string
	member, is  string // of the answer, if it must be so
	conditional bool
	made        []place        // that hold what no other run has; none: it is not asked
	done        *regexp.Regexp // that a success fits; nil: any answer with 2xx is one
	send        request
}

// place is a member of a request's body, or of its answer's.
type place struct{ side, member string }

func parseUndo(args []word) (undo, error) {
	u := undo{operation: args[0].plain()}
	args = args[1:]
	var err error
	for ; strings.HasPrefix(args[0].plain(), "-"); args = args[2:] {
		if len(args) < 4 {
			return u, errors.New("usage: " + usages["undo"].usage)
		}
		switch value := args[1].plain(); args[0].plain() {
		case "-when":
			u.member, u.is, u.conditional = strings.Cut(value, "=")
			if !u.conditional {
				return u, errors.New("usage: " + usages["undo"].usage)
			}
		case "-made":
			side, member, _ := strings.Cut(value, ".")
			if member == "" || side != exchange.Request && side != exchange.Answer {
				return u, errors.New("usage: " + usages["undo"].usage)
			}
			u.made = append(u.made, place{side, member})
		case "-done":
			if u.done, err = regexp.Compile(value); err != nil {
				return u, err
			}
		default:
			return u, fmt.Errorf("no flag %s", args[0].plain())
		}
	}
	u.send, err = parseSend(args)
	return u, err
}

// made is what an undo line takes from a request and its answer.
var made = regexp.MustCompile(`\{(request|answer)(\.[\w.\[\]-]+)?\}`)

// fill puts in what was made, written as encode writes it. Errors: there is none, or
// it is empty; those of encode.
func fill(text string, request, answer []byte, encode func(string) (string, error)) (filled string, err error) {
	filled = made.ReplaceAllStringFunc(text, func(found string) string {
		parts := made.FindStringSubmatch(found)
		body := answer
		if parts[1] == "request" {
			body = request
		}
		if parts[2] == "" {
			return string(body)
		}
		value, e := Member(body, parts[2])
		if e == nil && value == "" {
			e = fmt.Errorf("%s is empty", found)
		}
		if e == nil {
			value, e = encode(value)
		}
		err = cmp.Or(err, e)
		return value
	})
	return filled, err
}

// inPath is a segment of a path. Errors: it would be another path.
func inPath(value string) (string, error) {
	if value == "." || value == ".." {
		return "", fmt.Errorf("%q is no segment of a path", value)
	}
	return url.PathEscape(value), nil
}

func inBody(value string) (string, error) {
	quoted, err := json.Marshal(value)
	if err != nil {
		return "", err
	}
	return string(quoted[1 : len(quoted)-1]), nil
}

// Member finds a.b[0].c in a JSON text; a dot alone is the whole of one that is
// a string.
func Member(body []byte, path string) (string, error) {
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return "", errors.New("the last answer is not JSON")
	}
	for _, step := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		switch v := value.(type) {
		case map[string]any:
			value = v[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(v) {
				return "", fmt.Errorf("no %s in the last answer", path)
			}
			value = v[i]
		default:
			return "", fmt.Errorf("no %s in the last answer", path)
		}
	}
	switch v := value.(type) {
	case string:
		return v, nil
	case nil:
		return "", fmt.Errorf("no %s in the last answer", path)
	default:
		text, err := json.Marshal(v)
		return string(text), err
	}
}
