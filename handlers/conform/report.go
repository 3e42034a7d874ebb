package conform

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"usher/handlers/exchange"
)

// Outcome is what became of a case or a request.
type Outcome string

// The outcomes.
const (
	Passed  Outcome = "passed"
	Failed  Outcome = "failed"
	Skipped Outcome = "skipped"
)

// Report is what a run has found. It holds no secrets.
type Report struct {
	Command string `json:"command"` // of usher's, that has found it: conform, proxy
	API     string `json:"api"`
	Title   string `json:"title"`
	Target  string `json:"target"` // the base URL, without credentials
	// Product is the vendor's product and its version, if the target is the
	// vendor's own server: what passes there is evidence.
	Product string    `json:"product,omitempty"`
	Began   time.Time `json:"began"`
	Seconds float64   `json:"seconds"`
	// Interrupted says why the run ended early; empty: it did not.
	Interrupted string   `json:"interrupted,omitempty"`
	Cases       []Case   `json:"cases"`
	Operations  []Row    `json:"operations"`
	Coverage    Coverage `json:"coverage"`
}

// Case is a script that was run, or whatever else is judged as one.
type Case struct {
	Name     string    `json:"name"`
	Prose    string    `json:"prose,omitempty"`
	Outcome  Outcome   `json:"outcome"`
	Reason   string    `json:"reason,omitempty"` // why it was skipped, or where it ended
	Requests int       `json:"requests"`
	Seconds  float64   `json:"seconds"`
	Failures []Failure `json:"failures,omitempty"`
	// Left is what may be left on the target.
	Left []string `json:"left,omitempty"`

	Shown   []Shown `json:"-"` // what the script has said with shows
	Updated bool    `json:"-"` // whether answers were written into the script

	doubt *doubt // whether its failures are the server's; nil: they are
}

// Shown is what a script says that the answers so far have shown.
type Shown struct {
	Operation string
	Aspects   []string
	Text      string
}

// Failure is one thing that is wrong.
type Failure struct {
	Line      int    `json:"line,omitempty"`  // of the script
	Step      string `json:"step,omitempty"`  // the line
	Prose     string `json:"prose,omitempty"` // the comment before it
	Operation string `json:"operation,omitempty"`
	Message   string `json:"message"`
	Request   string `json:"request,omitempty"` // METHOD PATH
	Curl      string `json:"curl,omitempty"`    // the same to be pasted, without secrets
	Answer    string `json:"answer,omitempty"`  // as it came, without secrets
	// Contract is the place in the contract that the answer belongs to, where no
	// violation names one.
	Contract string `json:"contract,omitempty"`
	// Expected and Actual are what was compared, and Diff where they differ.
	Expected   string               `json:"expected,omitempty"`
	Actual     string               `json:"actual,omitempty"`
	Diff       string               `json:"diff,omitempty"`
	Violations []exchange.Violation `json:"violations,omitempty"`
}

// FailureOf is a judged exchange that breaks its contract, without its secrets. base
// is the URL of the server.
func FailureOf(e *exchange.Exchange, base string) Failure {
	f := Failure{Message: "the contract is broken", Violations: e.Violations}
	f.describe(e, base, func(text string) string { return text })
	return f
}

// mostShown is how much of a body is shown.
const mostShown = 8 << 10

// describe puts in the exchange, with hide having the last word on each text.
func (f *Failure) describe(e *exchange.Exchange, base string, hide func(string) string) {
	m := exchange.Masked(*e)
	if len(m.Request.Body) > mostShown {
		m.Request.Body, m.Request.Truncated = m.Request.Body[:mostShown], true
	}
	f.Operation = m.Operation
	f.Request = hide(m.Request.Method + " " + m.Request.URL)
	f.Curl = hide(exchange.Curl(m.Request, base))
	if m.Answer.Status != 0 {
		f.Answer = shorten(hide(answerText(m.Answer)))
		if m.Operation != "" && len(f.Violations) == 0 {
			f.Contract = fmt.Sprintf("%s, responses/%d", m.Operation, m.Answer.Status)
		}
	}
}

func shorten(text string) string {
	if len(text) > mostShown {
		return strings.ToValidUTF8(text[:mostShown], "") + "…"
	}
	return text
}

func answerText(m exchange.Message) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s\n", m.Status, http.StatusText(m.Status))
	for _, name := range slices.Sorted(maps.Keys(m.Header)) {
		for _, value := range m.Header[name] {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	if len(m.Body) > 0 {
		fmt.Fprintf(&b, "\n%s\n", m.Body)
	}
	return b.String()
}

// Count is how many cases have that outcome.
func (r *Report) Count(o Outcome) (n int) {
	for _, c := range r.Cases {
		if c.Outcome == o {
			n++
		}
	}
	return n
}

// Left is what may be left on the target.
func (r *Report) Left() (left []string) {
	for _, c := range r.Cases {
		left = append(left, c.Left...)
	}
	return left
}

// Formats are the forms that Write knows.
func Formats() []string { return []string{"junit", "json", "html"} }

// Write writes the report in one of the forms: junit, json, html.
func (r *Report) Write(form string, w io.Writer) error {
	switch form {
	case "json":
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(r)
	case "junit":
		return r.writeJUnit(w)
	case "html":
		return r.writeHTML(w)
	}
	return fmt.Errorf("no report has the form %q: there are %s", form, strings.Join(Formats(), ", "))
}

// ReadReport reads what Write has written as json.
func ReadReport(text []byte) (*Report, error) {
	r := new(Report)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("no report: %w", err)
	}
	return r, nil
}

type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	Began    string      `xml:"timestamp,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitFailure `xml:"failure"`
	Skipped *junitSkipped `xml:"skipped"`
	Left    string        `xml:"system-out,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

type junitSkipped struct {
	Message string `xml:"message,attr"`
}

func (r *Report) writeJUnit(w io.Writer) error {
	suite := junitSuite{
		Name: "usher " + r.Command + " " + r.API, Tests: len(r.Cases), Failures: r.Count(Failed), Skipped: r.Count(Skipped),
		Time: seconds(r.Seconds), Began: r.Began.UTC().Format("2006-01-02T15:04:05"),
	}
	for _, c := range r.Cases {
		j := junitCase{Name: c.Name, Class: r.API, Time: seconds(c.Seconds)}
		for _, left := range c.Left {
			j.Left += "may be left on the server: " + left + "\n"
		}
		switch c.Outcome {
		case Failed:
			j.Failure = &junitFailure{Message: c.Reason, Text: c.Text()}
			if len(c.Failures) > 0 {
				j.Failure.Message = c.Failures[0].Message
			}
		case Skipped:
			j.Skipped = &junitSkipped{Message: c.Reason}
		case Passed:
		}
		suite.Cases = append(suite.Cases, j)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(suite); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func seconds(s float64) string { return fmt.Sprintf("%.3f", s) }

// Text is a failed case for a plain page.
func (c Case) Text() string {
	var b strings.Builder
	for _, f := range c.Failures {
		b.WriteString(f.Text(c.Name))
	}
	return b.String()
}

// Text is the failure for a plain page, in a script of that name.
func (f Failure) Text(script string) string {
	var b strings.Builder
	if f.Line > 0 {
		fmt.Fprintf(&b, "%s.txtar:%d: ", script, f.Line)
	}
	fmt.Fprintf(&b, "%s\n", f.Message)
	if f.Step != "" {
		fmt.Fprintf(&b, "  %s\n", f.Step)
	}
	if f.Curl != "" {
		fmt.Fprintf(&b, "  $ %s\n", indent(f.Curl))
	}
	for _, v := range f.Violations {
		fmt.Fprintf(&b, "  %s %s: %s (%s)\n    %s\n", v.In, v.Path, v.Message, v.Rule, v.Contract)
	}
	switch {
	case f.Diff != "":
		fmt.Fprintf(&b, "  %s\n", indent(f.Diff))
	case f.Answer != "":
		fmt.Fprintf(&b, "  %s\n", indent(f.Answer))
	}
	return b.String()
}

func indent(text string) string {
	return strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ")
}
