package saymon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	gen "usher/gen/saymon"
	"usher/handlers/edge"
	"usher/storage"
	"usher/storage/password"
)

// refusal is a failure as the API words it. Its code decides the status.
type refusal struct{ code, message string }

func (r *refusal) Error() string { return r.message }

// statuses are restify-errors': the code is the name of its error class.
var statuses = map[string]int{
	"BadRequest":            http.StatusBadRequest,
	"InvalidContent":        http.StatusBadRequest,
	"Unauthorized":          http.StatusUnauthorized,
	"InvalidCredentials":    http.StatusUnauthorized,
	"Forbidden":             http.StatusForbidden,
	"NotFound":              http.StatusNotFound,
	"ResourceNotFound":      http.StatusNotFound,
	"MethodNotAllowed":      http.StatusMethodNotAllowed,
	"Conflict":              http.StatusConflict,
	"RequestEntityTooLarge": http.StatusRequestEntityTooLarge,
	"TooManyRequests":       http.StatusTooManyRequests,
	"Internal":              http.StatusInternalServerError,
	"ServiceUnavailable":    http.StatusServiceUnavailable,
}

// The refusals that say nothing of the request. The vendor prints those of
// 401, JSON in a string as they are.
var (
	errNotLoggedIn      = &refusal{"Unauthorized", `{"errorCode":3,"message":"Not logged in."}`}
	errSessionExpired   = &refusal{"Unauthorized", `{"errorCode":3,"message":"Session expired."}`}
	errInvalidToken     = &refusal{"Unauthorized", `{"errorCode":3,"message":"Invalid API token."}`}
	errWrongCredentials = &refusal{"InvalidCredentials", `{"errorCode":3,"message":"Invalid login or password."}`}
	errChangePassword   = &refusal{"Forbidden", "Password must be changed"}
	errPasswordExpired  = &refusal{"Forbidden", "Password has expired"}
	errInternal         = &refusal{"Internal", "caused by Error: internal"}
	errThrottled        = &refusal{"TooManyRequests", "Too many failed attempts, try again later"}
	errBusy             = &refusal{"ServiceUnavailable", "Too many password operations, try again"}
)

// errNotFound is what storage says of an id that nobody has: fail words both.
var errNotFound = &storage.Error{Kind: storage.NotFound}

func badRequest(format string, args ...any) *refusal {
	return &refusal{"BadRequest", fmt.Sprintf(format, args...)}
}

// missing is the vendor's one printed text for a parameter.
func missing(name string) *refusal {
	return badRequest(`Mandatory "%s" parameter is absent/empty.`, name)
}

// taken names the login or the email of a user who cannot have it because
// another has; any other error it leaves alone.
func taken(err error, login, email string) error {
	var e *storage.Error
	if errors.As(err, &e) && e.Kind == storage.Exists {
		switch e.Field {
		case "name":
			return &refusal{"Conflict", fmt.Sprintf(`User with login "%s" already exists`, login)}
		case "email":
			return &refusal{"Conflict", fmt.Sprintf(`User with email "%s" already exists`, email)}
		}
	}
	return err
}

// denied says whether an error refuses the caller. A wrong password that a body
// holds is the store's error still.
func denied(err error) bool {
	var own *refusal
	return errors.As(err, &own) && (statuses[own.code] == http.StatusUnauthorized || own.code == "Forbidden")
}

// fail answers an error.
func fail(call *edge.Call, err error) edge.Answer {
	r := explain(call, err)
	answer := edge.Answer{Status: statuses[r.code], Code: r.code, Value: gen.Error{Code: r.code, Message: r.message}}
	answer.Refusal = storage.KindOf(err) == storage.WeakPassword // a 500 of the vendor's, and the caller's doing
	var route *edge.RouteError
	var stored *storage.Error
	switch {
	case answer.Status == http.StatusMethodNotAllowed && errors.As(err, &route):
		answer.Header = http.Header{"Allow": {strings.Join(route.Allow, ", ")}}
	case r == errThrottled && errors.As(err, &stored):
		answer.Header = edge.RetryAfter(stored.RetryAfter)
	case answer.Status == http.StatusServiceUnavailable:
		answer.Header = http.Header{"Retry-After": {"1"}}
	}
	return answer
}

// explain words an error, whoever it is from.
func explain(call *edge.Call, err error) *refusal {
	var (
		own     *refusal
		route   *edge.RouteError
		body    *edge.BodyError
		invalid *edge.InvalidError
		stored  *storage.Error
	)
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return errBusy
	case errors.As(err, &route):
		if len(route.Allow) > 0 {
			return &refusal{"MethodNotAllowed", route.Method + " is not allowed"}
		}
		// restify names the path as it was sent, escapes and all.
		return &refusal{"ResourceNotFound", call.Request.URL.EscapedPath() + " does not exist"}
	case errors.As(err, &body):
		return explainBody(body)
	case errors.As(err, &invalid):
		return explainProblem(invalid.Problems)
	case errors.As(err, &stored):
		return explainStored(call, stored)
	}
	return errInternal
}

func explainBody(e *edge.BodyError) *refusal {
	switch e.Fault {
	case edge.BodyMalformed, edge.BodyEncoding:
		return &refusal{"InvalidContent", "Invalid JSON: " + unexpected(e.Raw)}
	case edge.BodyTooLarge:
		return &refusal{"RequestEntityTooLarge", fmt.Sprintf("Request body size exceeds %d", e.Limit)}
	case edge.BodyUnread:
		return badRequest("Request body could not be read.")
	default: // an empty body and one of another media type are none of SAYMON's failures
		return errInternal
	}
}

// types are the words for what a member must be.
var types = map[string]string{
	"string": "a string", "integer": "an integer", "boolean": "a boolean", "array": "an array", "object": "an object",
}

// explainProblem words the first of what does not fit the contract: a member
// is named by its path, and of a value nothing is said.
func explainProblem(problems []edge.Problem) *refusal {
	p := problems[0]
	if p.Keyword == "format" && p.Got == "number" && len(problems) > 1 {
		p = problems[1] // beyond 64 bits, and so beyond the limit that can be worded
	}
	if len(p.Path) == 0 {
		if p.Got == "" { // it fits the contract, but no double
			return badRequest("Request body must not hold a number that is out of range.")
		}
		return badRequest("Request body must be an object.")
	}
	name := strings.Join(p.Path, ".")
	must := func(format string, args ...any) *refusal {
		return badRequest(`Parameter "%s" must %s.`, name, fmt.Sprintf(format, args...))
	}
	s := p.Schema
	switch {
	case p.Got == "" || s.MinLength > 0 && (p.Got == "null" || p.Empty):
		return missing(name)
	case s.Type.Is("integer") && (p.Got != "number" || p.Keyword == "type"),
		s.Type != nil && !s.Type.Is("integer") && !s.Type.Is(p.Got):
		return must("be %s", types[s.Type.Slice()[0]])
	}
	switch p.Keyword {
	case "minimum":
		return must("not be less than %s", number(s.Min))
	case "maximum":
		return must("not be greater than %s", number(s.Max))
	case "enum":
		values := make([]string, len(s.Enum))
		for i, v := range s.Enum {
			values[i] = fmt.Sprint(v)
		}
		return must("be one of %s", strings.Join(values, ", "))
	case "pattern": // only the login has one
		return must(`not contain "@"`)
	case "format": // only the email has one that can be missed
		return must("be a valid email address")
	default: // of what has no type
		return must("not be null")
	}
}

func number(f *float64) string { return strconv.FormatFloat(*f, 'f', -1, 64) }

func explainStored(call *edge.Call, e *storage.Error) *refusal {
	switch e.Kind {
	case storage.NotFound:
		what := "User"
		switch call.Operation {
		case "updatePasswordPolicy":
			what = "Password policy"
		case "updateUserGroup", "deleteUserGroup":
			what = "User group"
		}
		return &refusal{"NotFound", fmt.Sprintf("%s with id %s not found", what, call.Param("id"))}
	case storage.WrongPassword:
		return errWrongCredentials
	case storage.WeakPassword:
		return &refusal{"Internal", "caused by Error: Password does not match policy: " + explainViolation(e.Violations[0])}
	case storage.Busy:
		return errBusy
	case storage.Throttled:
		return errThrottled
	default: // Exists is worded by taken, where the login and the email are known
		return errInternal
	}
}

// explainViolation is the vendor's printed text for the length, and its form
// with the vendor's names of the rules for the others. It has no words for what
// a screen finds.
func explainViolation(v password.Violation) string {
	switch v.Rule {
	case password.Reused:
		return fmt.Sprintf("number of unique passwords - %d", v.Want)
	case password.Common:
		return "no common password"
	case password.OwnName:
		return "no login or email in it"
	default:
		kinds := map[password.Rule]string{
			password.MinLength: "characters", password.MinLower: "lowercase characters", password.MinUpper: "capital characters",
			password.MinDigits: "digits", password.MinSpecial: "special characters",
		}
		return fmt.Sprintf("minimum number of %s - %d", kinds[v.Rule], v.Want)
	}
}
