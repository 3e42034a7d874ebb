package conform

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"usher/handlers/exchange"
)

// What a run ends early for.
const (
	mostRefused = 2 // refusals of the administrator: there are servers that lock who is refused a few times
	mostSilent  = 3 // scripts in a row whose first request nobody answers, which takes a while for each
)

// stop says whether a run goes on. Its scripts, which come one after another, share
// it; without one (nil) a script is run whatever comes.
type stop struct {
	reason   string // why it does not; empty: it does
	admitted bool   // the administrator's credentials have proven good: refusals are the server's fault
	refused  int    // how often the administrator was refused so far
	refusals []*doubt
	silences []*doubt // in a row
}

// doubt is about a script: whether what it has found wrong is the server's fault, or
// comes from what the run ends for.
type doubt struct {
	sound     int       // failures that came before, and are the server's
	held      []verdict // of the requests since, which the tally has not been told of
	confirmed bool      // the run has ended for it
}

// verdict is an exchange that was judged.
type verdict struct {
	exchange *exchange.Exchange
	outcome  Outcome
}

// errStopped is why a script ends with its run.
var errStopped = errors.New("the run has ended")

// over is why the run has ended; empty: it has not.
func (s *stop) over() string {
	if s == nil {
		return ""
	}
	return s.reason
}

// end ends the run. What is in doubt is no fault of the server's then.
func (s *stop) end(reason string, doubts []*doubt) {
	s.reason = reason
	for _, d := range doubts {
		d.confirmed = true
	}
}

// called notes the answer to a request with the administrator's credentials. expected
// says that the script has wanted that answer. It says whether the answer is a refusal
// that nobody has wanted and that may well be right.
func (s *stop) called(c *exchange.Contract, e *exchange.Exchange, expected bool) (refused bool) {
	switch {
	case s == nil || s.admitted:
		return false
	case e.Answer.Status/100 == 2:
		s.admitted = true
		return false
	}
	if expected || !refuses(c, e) {
		return false
	}
	s.refused++
	return true
}

// refuse ends the run if the administrator was refused too often. d is about the
// script that was; nil: none was, but what cleans up after one.
func (s *stop) refuse(e *exchange.Exchange, d *doubt) {
	if d != nil {
		s.refusals = append(s.refusals, d)
	}
	if s.refused >= mostRefused && s.reason == "" {
		s.end(fmt.Sprintf("the server refuses the administrator (%d, %d times), whom more attempts might lock out", e.Answer.Status, s.refused), s.refusals)
	}
}

// refuses says whether an answer refuses the credentials that it was asked with: by
// 401, or by 403 where the contract has no 401.
func refuses(c *exchange.Contract, e *exchange.Exchange) bool {
	switch e.Answer.Status {
	case http.StatusUnauthorized:
		return true
	case http.StatusForbidden:
		operations := c.Operations()
		i := slices.IndexFunc(operations, func(op exchange.Operation) bool { return op.ID == e.Operation })
		return i >= 0 && !slices.Contains(operations[i].Statuses, http.StatusUnauthorized)
	}
	return false
}

// answered notes that the server is there.
func (s *stop) answered() {
	if s != nil {
		s.silences = nil
	}
}

// silent notes that a script's first request was not answered, and ends the run if
// it is one of too many and the server is not there either for who asks it for nothing
// in particular, as reach does: one that is, is at fault.
func (s *stop) silent(d *doubt, reach func() error) {
	s.silences = append(s.silences, d)
	if len(s.silences) < mostSilent {
		return
	}
	if err := reach(); err != nil {
		s.end(fmt.Sprintf("the server has not answered the first request of %d scripts in a row, and does not answer any more: %v", mostSilent, err), s.silences)
		return
	}
	s.answered()
}

// settle gives a script's verdict, once the run has come to its end: what the run has
// ended for is not held against the server.
func (c *Case) settle(reason string, t *Tally) {
	d := c.doubt
	if d == nil {
		return
	}
	for _, v := range d.held {
		if d.confirmed {
			v.outcome = Skipped
		}
		t.Add(v.exchange, v.outcome)
	}
	if !d.confirmed {
		return
	}
	c.Failures = c.Failures[:d.sound]
	if len(c.Failures) == 0 {
		c.Outcome, c.Reason = Skipped, reason
	}
}

// bears says whether a request has the administrator's name and password, as the
// script writes it.
func (x *execution) bears(r request) bool {
	var text strings.Builder
	add := func(w word) {
		for _, p := range w {
			if !p.quoted {
				text.WriteString(p.text)
			}
		}
		text.WriteByte('\n')
	}
	add(r.path)
	for _, h := range r.headers {
		add(h.value)
	}
	if r.file != "" {
		text.Write(x.script.file(r.file).Data)
	}
	var name, password bool
	for _, v := range variable.FindAllString(text.String(), -1) {
		switch strings.Trim(v, "${}") {
		case adminName:
			name = true
		case adminPassword:
			password = true
		}
	}
	return name && password
}

// The names that an administrator's credentials have in scripts.
const (
	adminName     = "ADMIN"
	adminPassword = "ADMIN_PASSWORD"
)
