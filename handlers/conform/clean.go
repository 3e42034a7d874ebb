package conform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"usher/handlers/exchange"
)

// atEnd has a request sent when the script ends, with the values of now.
func (x *execution) atEnd(st step) error {
	r, err := parseSend(st.args)
	if err != nil {
		return err
	}
	r.admin = x.bears(r)
	for i, h := range r.headers {
		text, err := x.expand(h.value)
		if err != nil {
			return err
		}
		r.headers[i].value = word{{text, true}}
	}
	method, path, body, err := x.words(r)
	if err != nil {
		return err
	}
	x.deferred = append(x.deferred, func(ctx context.Context) error {
		return x.remove(ctx, method, path, r, body, nil)
	})
	return nil
}

// left notes that something may be left on the server.
func (x *execution) left(what string, err error) {
	x.result.Left = append(x.result.Left, x.hide(fmt.Sprintf("what %s has made: %s", what, err)))
}

// remove sends a request that removes what a script has made. It is as well if
// there is nothing left to remove. An answer with 2xx is a success if it fits done;
// nil: any.
func (x *execution) remove(ctx context.Context, method, path string, r request, body []byte, done *regexp.Regexp) error {
	if reason := x.stop.over(); r.admin && reason != "" {
		return errors.New(reason)
	}
	e, err := x.exchange(ctx, method, path, r, body)
	if err == nil && r.admin && x.stop.called(x.Contract, e, false) {
		x.stop.refuse(e, nil)
	}
	switch {
	case err != nil:
		return err
	case e.Answer.Status == http.StatusNotFound, e.Answer.Status/100 == 2 && (done == nil || done.Match(e.Answer.Body)):
		return nil
	}
	answer := bytes.TrimSpace(exchange.Masked(*e).Answer.Body)
	return fmt.Errorf("%s %s → %s", method, path, strings.TrimSpace(fmt.Sprintf("%d %.200s", e.Answer.Status, answer)))
}

// clean removes what the script has made, as cleanup says.
func (x *execution) clean(ctx context.Context, cleanup *Script) {
	c := newExecution(&Runner{Contract: x.Contract, stop: x.stop}, cleanup, x.server)
	ready := false
	for _, st := range cleanup.steps {
		if st.name != "undo" {
			continue
		}
		u, err := parseUndo(st.args)
		if err != nil {
			x.left(x.script.Name, err)
			continue
		}
		for _, e := range x.unsure { // whose names may be somebody else's, if it was to be refused
			if e.Operation == u.operation {
				x.left(u.operation+" in "+x.script.Name, errors.New("it was sent, and not answered"))
			}
		}
		for _, e := range slices.Backward(x.history) {
			if ours, err := x.made(u, e); !ours {
				if err != nil {
					x.left(u.operation+" in "+x.script.Name, err)
				}
				continue
			}
			if !ready { // logs in only if there is something to do
				if err := c.prepare(ctx); err != nil {
					x.left(x.script.Name, err)
					return
				}
				ready = true
			}
			if err := c.undo(ctx, u, e); err != nil {
				x.left(u.operation+" in "+x.script.Name, err)
			}
		}
	}
}

// prepare does what a cleanup does before it undoes anything.
func (x *execution) prepare(ctx context.Context) error {
	defer x.settle()
	for _, st := range x.script.steps {
		if st.name != "undo" {
			if err := x.do(ctx, st); err != nil {
				x.failed = true
				if errors.Is(err, errStopped) {
					err = errors.New(x.stop.over())
				}
				return err
			}
		}
	}
	return nil
}

// made says whether that exchange has made something which the line undoes. Errors: it
// should have, but the answer is about something else, which is not to be touched.
func (x *execution) made(u undo, e *exchange.Exchange) (ours bool, err error) {
	if e.Operation != u.operation || e.Answer.Status/100 != 2 {
		return false, nil
	}
	if u.conditional {
		if is, err := Member(e.Answer.Body, u.member); err != nil || is != u.is {
			return false, nil //nolint:nilerr // it is not so
		}
	}
	for _, p := range u.made {
		body := e.Request.Body
		if p.side == exchange.Answer {
			body = e.Answer.Body
		}
		value, _ := Member(body, p.member) // nothing holds nothing
		if slices.ContainsFunc(x.unique, func(own string) bool { return strings.Contains(value, own) }) {
			continue
		}
		if p.side == exchange.Answer {
			return false, errors.New("the answer is about somebody else, who stays")
		}
		return false, nil
	}
	return true, nil
}

// undo sends the request that undoes another.
func (x *execution) undo(ctx context.Context, u undo, e *exchange.Exchange) error {
	method, path, body, err := x.words(u.send)
	if err == nil {
		path, err = fill(path, e.Request.Body, e.Answer.Body, inPath)
	}
	var text string
	if err == nil {
		text, err = fill(string(body), e.Request.Body, e.Answer.Body, inBody)
	}
	if err != nil {
		return err
	}
	if body != nil {
		body = []byte(text)
	}
	u.send.admin = x.bears(u.send)
	return x.remove(ctx, method, path, u.send, body, u.done)
}
