package usher

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	gen "usher/gen/usher"
	"usher/handlers/edge"
	"usher/handlers/sandbox"
)

// requestError is an error whose text is for the caller.
type requestError struct{ error }

func (e requestError) Unwrap() error { return e.error }

// statuses say what is answered to each kind of failure; the first one counts.
var statuses = []struct {
	is     error
	status int
}{
	{errToken, http.StatusUnauthorized},
	{errRemote, http.StatusForbidden},
	{errHost, http.StatusForbidden},
	{errSite, http.StatusForbidden},
	{sandbox.ErrNotFound, http.StatusNotFound},
	{sandbox.ErrClosed, http.StatusNotFound},
	{sandbox.ErrExists, http.StatusConflict},
	{sandbox.ErrLimit, http.StatusConflict},
	{sandbox.ErrMain, http.StatusConflict},
	{sandbox.ErrLasting, http.StatusConflict},
	{sandbox.ErrSealed, http.StatusConflict},
	{sandbox.ErrNoOrigin, http.StatusConflict},
	{sandbox.ErrName, http.StatusBadRequest},
	{sandbox.ErrSpec, http.StatusBadRequest},
	{sandbox.ErrFixture, http.StatusBadRequest},
	{sandbox.ErrTime, http.StatusBadRequest},
	{sandbox.ErrSnapshot, http.StatusBadRequest},
	{sandbox.ErrFault, http.StatusBadRequest},
	{sandbox.ErrUndeclared, http.StatusBadRequest},
	{context.DeadlineExceeded, http.StatusServiceUnavailable},
	{context.Canceled, http.StatusServiceUnavailable},
}

// fail answers an error as RFC 9457 has it.
func fail(_ *edge.Call, err error) edge.Answer {
	p, header := explain(err)
	p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	body, err := json.Marshal(p)
	if err != nil { // a struct of strings and numbers
		panic(err)
	}
	return edge.Answer{Status: p.Status, Code: strconv.Itoa(p.Status), Header: header, ContentType: "application/problem+json", Body: body}
}

// explain says what went wrong, and which headers go with it.
func explain(err error) (gen.Problem, http.Header) {
	var (
		route   *edge.RouteError
		body    *edge.BodyError
		invalid *edge.InvalidError
		bad     requestError
	)
	for _, s := range statuses {
		if errors.Is(err, s.is) {
			var header http.Header
			if s.status == http.StatusUnauthorized {
				header = http.Header{"WWW-Authenticate": {"Bearer"}}
			}
			return gen.Problem{Status: s.status, Detail: sentence(err)}, header
		}
	}
	switch {
	case errors.As(err, &route):
		if len(route.Allow) > 0 {
			return gen.Problem{Status: http.StatusMethodNotAllowed, Detail: sentence(err)}, http.Header{"Allow": {strings.Join(route.Allow, ", ")}}
		}
		return gen.Problem{Status: http.StatusNotFound, Detail: sentence(err)}, nil
	case errors.As(err, &body):
		return gen.Problem{Status: bodyStatus(body.Fault), Detail: sentence(err)}, nil
	case errors.As(err, &invalid):
		p := gen.Problem{Status: http.StatusBadRequest, Detail: "The request does not fit the contract."}
		var all []gen.ProblemError
		for _, problem := range invalid.Problems {
			all = append(all, gen.ProblemError{In: problem.In, Path: strings.Join(problem.Path, "."), Rule: problem.Keyword})
		}
		p.Errors = &all
		return p, nil
	case errors.As(err, &bad):
		return gen.Problem{Status: http.StatusBadRequest, Detail: sentence(err)}, nil
	}
	return gen.Problem{Status: http.StatusInternalServerError, Detail: "The cause is in the server's log."}, nil
}

func bodyStatus(fault edge.BodyFault) int {
	switch fault {
	case edge.BodyTooLarge:
		return http.StatusRequestEntityTooLarge
	case edge.BodyMediaType:
		return http.StatusUnsupportedMediaType
	default:
		return http.StatusBadRequest
	}
}

// sentence is an error's text as one.
func sentence(err error) string {
	text := err.Error()
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:] + "."
}
