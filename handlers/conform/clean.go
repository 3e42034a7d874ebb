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
	e, err := x.exchange(ctx, method, path, r, body)
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
	c := newExecution(&Runner{Contract: x.Contract}, cleanup, x.server)
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
			if !u.undoes(e) {
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
	for _, st := range x.script.steps {
		if st.name != "undo" {
			if err := x.do(ctx, st); err != nil {
				return err
			}
		}
	}
	return nil
}

// undoes says whether that exchange has made something which the line undoes.
func (u undo) undoes(e *exchange.Exchange) bool {
	if e.Operation != u.operation || e.Answer.Status/100 != 2 {
		return false
	}
	if !u.conditional {
		return true
	}
	is, err := Member(e.Answer.Body, u.member)
	return err == nil && is == u.is
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
	return x.remove(ctx, method, path, u.send, body, u.done)
}
