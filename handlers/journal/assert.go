package journal

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Assertion is which requests a test expects.
type Assertion struct {
	Requests []Expectation
	Ordered  bool   // each comes after the first that fits the one before it
	After    uint64 // only entries after the one with this id count
}

// Expectation is a request that is expected: what is empty may be anything. It has
// to be there at least once unless one of the numbers says otherwise. Of what is
// masked in the journal the mask is compared.
type Expectation struct {
	API, Operation, Method, Path, Principal string // Path is without the query
	Status                                  int
	Query, Header                           map[string]string // of several values of a name one fits
	// Body is what encoding/json makes of the JSON body that is expected: an object
	// holds these members at least, anything else is equal. nil: anything.
	Body                     any
	Exactly, AtLeast, AtMost *int
}

// Verdict is what became of an assertion.
type Verdict struct {
	Met      bool
	Requests []Outcome // in the order of the expectations
}

// Outcome is what became of an expectation.
type Outcome struct {
	Met     bool
	Matched []uint64 // the entries that fit
	Reason  string   // why it is not met
	Nearest *Miss    // where too few fit: which other entry comes nearest; nil: there is none
}

// Miss is an entry that does not fit.
type Miss struct {
	ID          uint64
	Differences []Difference
}

// Difference is a member in which an entry differs from what was expected.
type Difference struct {
	Member           string // "status", "query limit", "body /login"
	Expected, Actual string // in JSON, unless it is text
	weight           int
}

// String is the difference in words.
func (d Difference) String() string {
	return fmt.Sprintf("%s: expected %s, found %s", d.Member, cmp.Or(d.Expected, "nothing"), cmp.Or(d.Actual, "nothing"))
}

// Check returns an error if no journal could meet or break the expectation in a
// way that makes sense.
func (x Expectation) Check() error {
	for _, n := range []*int{x.Exactly, x.AtLeast, x.AtMost} {
		if n != nil && *n < 0 {
			return errors.New("nothing happens less often than never")
		}
	}
	if x.Exactly != nil && (x.AtLeast != nil || x.AtMost != nil) {
		return errors.New("exactly leaves no room for at least or at most")
	}
	if x.AtLeast != nil && x.AtMost != nil && *x.AtLeast > *x.AtMost {
		return errors.New("at least is more than at most")
	}
	return nil
}

// bounds is how often the expectation has to be met; most is -1 for any number.
func (x Expectation) bounds() (least, most int, words string) {
	switch {
	case x.Exactly != nil:
		return *x.Exactly, *x.Exactly, fmt.Sprintf("exactly %d", *x.Exactly)
	case x.AtLeast != nil && x.AtMost != nil:
		return *x.AtLeast, *x.AtMost, fmt.Sprintf("%d to %d", *x.AtLeast, *x.AtMost)
	case x.AtMost != nil:
		return 0, *x.AtMost, fmt.Sprintf("at most %d", *x.AtMost)
	case x.AtLeast != nil:
		return *x.AtLeast, -1, fmt.Sprintf("at least %d", *x.AtLeast)
	}
	return 1, -1, "at least 1"
}

// Assert holds the journal against what is expected. Errors: those of
// Expectation.Check.
func (j *Journal) Assert(a Assertion) (Verdict, error) {
	for i, x := range a.Requests {
		if err := x.Check(); err != nil {
			return Verdict{}, fmt.Errorf("request %d: %w", i+1, err)
		}
	}
	entries, _ := j.List(Query{})
	entries = slices.DeleteFunc(entries, func(e Entry) bool { return e.ID <= a.After })
	v := Verdict{Met: true}
	var before uint64 // the first that fits the expectation before
	for _, x := range a.Requests {
		o := x.judge(entries, before)
		if a.Ordered && len(o.Matched) > 0 {
			before = o.Matched[0]
		}
		v.Met = v.Met && o.Met
		v.Requests = append(v.Requests, o)
	}
	return v, nil
}

func (x Expectation) judge(entries []Entry, after uint64) Outcome {
	var o Outcome
	nearest := 0 // the weight of the differences of the nearest
	x.Body = plain(x.Body)
	for _, e := range entries {
		if e.ID <= after {
			continue
		}
		differences := x.compare(e)
		if len(differences) == 0 {
			o.Matched = append(o.Matched, e.ID)
			continue
		}
		weight := 0
		for _, d := range differences {
			weight += d.weight
		}
		if o.Nearest == nil || weight <= nearest { // of two that are as near, the later
			o.Nearest, nearest = &Miss{e.ID, differences}, weight
		}
	}
	least, most, words := x.bounds()
	n := len(o.Matched)
	o.Met = n >= least && (most < 0 || n <= most)
	if n >= least {
		o.Nearest = nil
	}
	if !o.Met {
		o.Reason = fmt.Sprintf("expected %s, found %d", words, n)
		if after > 0 {
			o.Reason += fmt.Sprintf(" after entry %d", after)
		}
	}
	return o
}

// What a difference weighs: another request altogether is further away than one
// with another member.
const (
	ofRequest = 100
	ofMember  = 1
)

// compare lists in what an entry differs.
func (x Expectation) compare(e Entry) []Difference {
	var ds []Difference
	differ := func(weight int, member, expected, actual string) {
		ds = append(ds, Difference{member, expected, actual, weight})
	}
	path, rawQuery, _ := strings.Cut(e.Request.URL, "?")
	for _, c := range []struct{ member, expected, actual string }{
		{"api", x.API, e.API}, {"operation", x.Operation, e.Operation}, {"method", x.Method, e.Request.Method}, {"path", x.Path, path},
	} {
		if c.expected != "" && c.expected != c.actual {
			differ(ofRequest, c.member, c.expected, c.actual)
		}
	}
	if x.Principal != "" && x.Principal != e.Principal {
		differ(ofMember, "principal", x.Principal, e.Principal)
	}
	if x.Status != 0 && x.Status != e.Answer.Status {
		differ(ofMember, "status", strconv.Itoa(x.Status), strconv.Itoa(e.Answer.Status))
	}
	query, _ := url.ParseQuery(strings.ReplaceAll(rawQuery, ";", "%3B")) // of a query with a wrong escape, the rest
	for _, name := range slices.Sorted(maps.Keys(x.Query)) {
		if values := query[name]; !slices.Contains(values, x.Query[name]) {
			differ(ofMember, "query "+name, x.Query[name], strings.Join(values, ", "))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(x.Header)) {
		if values := e.Request.Header[http.CanonicalHeaderKey(name)]; !slices.Contains(values, x.Header[name]) {
			differ(ofMember, "header "+name, x.Header[name], strings.Join(values, ", "))
		}
	}
	if x.Body != nil {
		ds = append(ds, compareBody(x.Body, e.Request.Body)...)
	}
	return ds
}

// plain is a value as encoding/json reads it, numbers as they are written.
func plain(value any) any {
	b, err := json.Marshal(value)
	if err != nil {
		return value
	}
	read, err := decode(b)
	if err != nil {
		return value
	}
	return read
}

func decode(b []byte) (value any, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	err = d.Decode(&value)
	return value, err
}

func compareBody(expected any, body []byte) []Difference {
	actual, err := decode(body)
	if err != nil {
		return []Difference{{"body", show(expected), "", leaves(expected) + ofMember}} // it is no JSON, and so was not kept
	}
	return compareValues(nil, "body", expected, actual)
}

// compareValues adds to ds in what actual differs from expected.
func compareValues(ds []Difference, at string, expected, actual any) []Difference {
	below := func(at, name string) string {
		if at == "body" {
			at += " "
		}
		return at + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
	}
	switch x := expected.(type) {
	case map[string]any:
		if a, ok := actual.(map[string]any); ok {
			for _, name := range slices.Sorted(maps.Keys(x)) {
				member, there := a[name]
				if !there {
					ds = append(ds, Difference{below(at, name), show(x[name]), "", leaves(x[name])})
					continue
				}
				ds = compareValues(ds, below(at, name), x[name], member)
			}
			return ds
		}
	case []any:
		if a, ok := actual.([]any); ok && len(a) == len(x) {
			for i := range x {
				ds = compareValues(ds, below(at, strconv.Itoa(i)), x[i], a[i])
			}
			return ds
		}
	case json.Number:
		if a, ok := actual.(json.Number); ok && sameNumber(x, a) {
			return ds
		}
	default: // string, bool, nil
		if x == actual {
			return ds
		}
	}
	return append(ds, Difference{at, show(expected), show(actual), leaves(expected)})
}

// leaves is what a value weighs that is not there at all: as much as if each value
// in it were different.
func leaves(value any) int {
	n := 0
	switch v := value.(type) {
	case map[string]any:
		for _, member := range v {
			n += leaves(member)
		}
	case []any:
		for _, item := range v {
			n += leaves(item)
		}
	}
	return max(n, ofMember)
}

// sameNumber says whether 1, 1.0 and 1e0 are meant. A number that would take much
// memory to write out is the same as itself only.
func sameNumber(a, b json.Number) bool {
	if a == b {
		return true
	}
	if len(a) > 40 || len(b) > 40 || strings.ContainsAny(string(a+b), "eE") {
		x, errX := a.Float64()
		y, errY := b.Float64()
		return errX == nil && errY == nil && x == y
	}
	x, okX := new(big.Rat).SetString(string(a))
	y, okY := new(big.Rat).SetString(string(b))
	return okX && okY && x.Cmp(y) == 0
}

// show is a value for people: text as it stands, the rest as JSON.
func show(value any) string {
	if text, ok := value.(string); ok {
		return text
	}
	b, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprintf("a value of type %T", value)
	}
	return string(b)
}
