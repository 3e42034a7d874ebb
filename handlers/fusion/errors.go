package fusion

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	gen "usher/gen/fusion"
	"usher/handlers/edge"
	"usher/storage"
)

// apiError is a failure as Fusion's clients hear of it. No error body is
// printed anywhere in the vendor's pages: the envelope and the codes are ours
// (contract, schema Error), the texts the vendor's own where there are any.
type apiError struct {
	status        int
	code, message string
	header        http.Header
}

// Error gives the code. The message may repeat a path or a name, which is for
// the caller only.
func (e *apiError) Error() string { return e.code }

// Every failure whose words do not depend on the request.
var (
	errPasswordMismatch        = &apiError{status: http.StatusBadRequest, code: "password-mismatch", message: "password and passwordConfirm must match"}
	errPasswordRule            = &apiError{status: http.StatusBadRequest, code: "password-rule", message: "Passwords must contain alpha+numeric chars and have a length of 8-20"}
	errCurrentPasswordRequired = &apiError{status: http.StatusBadRequest, code: "current-password-required", message: "currentPassword is required to change your own password"}
	errAuthenticationRequired  = &apiError{status: http.StatusUnauthorized, code: "unauthorized", message: "Authentication required"}
	errInvalidCredentials      = &apiError{status: http.StatusUnauthorized, code: "unauthorized", message: "Invalid username or password"}
	errWrongPassword           = &apiError{status: http.StatusForbidden, code: "wrong-password", message: "currentPassword is not correct"}
	errInvalidToken            = &apiError{status: http.StatusUnauthorized, code: "unauthorized", message: "Invalid or expired token"}
	errInvalidAPIKey           = &apiError{status: http.StatusUnauthorized, code: "unauthorized", message: "Invalid API key"}
	errSessionExpired          = &apiError{status: http.StatusUnauthorized, code: "session-idle-timeout", message: "Session expired"}
	errRoleNotFound            = &apiError{status: http.StatusNotFound, code: "not-found", message: "Role cannot be found"}
	errRealmNotFound           = &apiError{status: http.StatusNotFound, code: "not-found", message: "Realm cannot be found"}
	errAPIKeyNotFound          = &apiError{status: http.StatusNotFound, code: "not-found", message: "API key cannot be found"}
	errNativeRealm             = &apiError{status: http.StatusConflict, code: "native-realm", message: "There is one native realm; it cannot be deleted, disabled, renamed or given another type"}
	errUserNotFound            = &apiError{status: http.StatusNotFound, code: "not-found", message: "User cannot be found"}
	errInitialized             = &apiError{status: http.StatusConflict, code: "exists", message: "The initial admin password is already set"}
	errMediaType               = &apiError{status: http.StatusUnsupportedMediaType, code: "unsupported-media-type", message: "Only application/json is accepted"}
	errTimeout                 = &apiError{status: http.StatusServiceUnavailable, code: "timeout", message: "The request took too long"}
	errBusy                    = &apiError{status: http.StatusServiceUnavailable, code: "busy", message: "Too many password operations, try again", header: http.Header{"Retry-After": {"1"}}}
	errThrottled               = &apiError{status: http.StatusTooManyRequests, code: "throttled", message: "Too many failed attempts, try again later"}
	errInternal                = &apiError{status: http.StatusInternalServerError, code: "internal", message: "Internal error"}
)

// byKind says what a failed verb of the store is here. WrongPassword is the
// current password's: a login's is told apart in authenticate.
var byKind = map[storage.Kind]*apiError{
	storage.NotFound:      errUserNotFound,
	storage.WrongPassword: errWrongPassword,
	storage.WeakPassword:  errPasswordRule,
	storage.Conflict:      errInitialized,
	storage.Busy:          errBusy,
	storage.Throttled:     errThrottled,
}

// invalid says which member does not fit, and why; the value never.
func invalid(member, why string) *apiError {
	return &apiError{status: http.StatusBadRequest, code: "validation-failed", message: member + ": " + why}
}

const forbidden = "forbidden"

// errForbidden names what was refused, which the vendor's users miss; but for
// PATCH of a user the vendor's own document has words.
func errForbidden(method, path string) *apiError {
	e := &apiError{status: http.StatusForbidden, code: forbidden, message: "Not permitted: " + method + " " + path}
	if method == http.MethodPatch {
		e.message = "User is not allowed to make a change"
	}
	return e
}

// denied says whether an error refuses the caller.
func denied(err error) bool {
	var own *apiError
	if !errors.As(err, &own) {
		return false
	}
	switch own {
	case errAuthenticationRequired, errInvalidCredentials, errInvalidToken, errInvalidAPIKey, errSessionExpired:
		return true
	}
	return own.code == forbidden
}

// errNotNative refuses a password for a user of a realm that keeps its own.
func errNotNative(realm string) *apiError {
	return &apiError{
		status: http.StatusBadRequest, code: "realm-not-native",
		message: `Users of realm "` + realm + `" are managed there, not by this API`,
	}
}

// errRealmNotEnabled refuses a login through a realm that there is not, or that
// is disabled: the names of the others are public.
func errRealmNotEnabled(realm string) *apiError {
	return &apiError{status: http.StatusUnauthorized, code: "unauthorized", message: `Realm "` + realm + `" is not enabled`}
}

// errRealmNotServed refuses a login through a realm whose users prove elsewhere
// who they are.
func errRealmNotServed(realm, realmType string) *apiError {
	return &apiError{
		status: http.StatusUnauthorized, code: "unauthorized",
		message: `Users of realm "` + realm + `" log in through ` + realmType + `, which is not served here`,
	}
}

// taken says of what was not made, or not renamed, what is there already; any
// other error stays as it is.
func taken(err error, name, id string) error {
	stored := (*storage.Error)(nil)
	if !errors.As(err, &stored) || stored.Kind != storage.Exists {
		return err
	}
	message := name
	if stored.Field == "id" {
		message = id
	}
	return &apiError{status: http.StatusConflict, code: "exists", message: message}
}

// absent says what it is that the store has not; any other error stays as it is.
func absent(err error, what *apiError) error {
	if storage.KindOf(err) == storage.NotFound {
		return what
	}
	return err
}

// fail puts an error into the envelope.
func fail(call *edge.Call, err error) edge.Answer {
	e := classify(err)
	answer := edge.Answer{Status: e.status, Code: e.code, Header: e.header, Value: gen.Error{Code: e.code, Message: e.message}}
	if e.status == http.StatusUnauthorized && challenged(call.Request) {
		answer.Header = http.Header{"WWW-Authenticate": {`Basic realm="Fusion"`}}
	}
	if stored := (*storage.Error)(nil); e == errThrottled && errors.As(err, &stored) {
		answer.Header = edge.RetryAfter(stored.RetryAfter)
	}
	return answer
}

// challenged says whether a caller who is not known is told to use Basic: not
// one who came with a cookie or a bearer token, for a browser would open its
// dialog over an application whose session has ended.
func challenged(r *http.Request) bool {
	return r.Header.Get("Cookie") == "" && !hasScheme(r, "Bearer")
}

// classify finds the words for an error.
func classify(err error) *apiError {
	var (
		own      *apiError
		route    *edge.RouteError
		body     *edge.BodyError
		problems *edge.InvalidError
	)
	switch {
	case errors.As(err, &own):
		return own
	// Nobody hears the answer to a request that was canceled; it is no fault
	// of the server's, either.
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return errTimeout
	case errors.As(err, &route):
		return unrouted(route)
	case errors.As(err, &body):
		return unreadable(body)
	case errors.As(err, &problems):
		return invalid(memberOf(problems.Problems[0]), why(problems.Problems[0]))
	}
	if known := byKind[storage.KindOf(err)]; known != nil {
		return known
	}
	return errInternal
}

func unrouted(e *edge.RouteError) *apiError {
	if len(e.Allow) == 0 {
		return &apiError{status: http.StatusNotFound, code: "not-found", message: "No such path: " + e.Path}
	}
	return &apiError{
		status: http.StatusMethodNotAllowed, code: "method-not-allowed", message: e.Method + " is not allowed on " + e.Path,
		header: http.Header{"Allow": {strings.Join(e.Allow, ", ")}},
	}
}

func unreadable(e *edge.BodyError) *apiError {
	switch e.Fault {
	case edge.BodyMediaType:
		return errMediaType
	case edge.BodyTooLarge:
		return &apiError{
			status: http.StatusRequestEntityTooLarge, code: "too-large",
			message: fmt.Sprintf("At most %d bytes are accepted", e.Limit),
		}
	case edge.BodyEmpty:
		return invalid("body", "must be given")
	case edge.BodyEncoding:
		return invalid("body", "must be UTF-8")
	case edge.BodyUnread:
		return invalid("body", "must be sent whole")
	default:
		return invalid("body", "must be JSON")
	}
}

// memberOf writes a problem's place as permissions[0].methods; the body itself
// is "body".
func memberOf(p edge.Problem) string {
	var b strings.Builder
	for _, step := range p.Path {
		if _, err := strconv.Atoi(step); err == nil {
			b.WriteString("[" + step + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(step)
	}
	if b.Len() == 0 {
		return p.In
	}
	return b.String()
}

// why says what a value must be.
func why(p edge.Problem) string {
	switch p.Keyword {
	case "required":
		return "must be given"
	case "type", "nullable":
		return "must be " + typeOf(p)
	case "minLength": // 1, wherever the contract has one
		return "must not be empty"
	case "pattern":
		if p.Member() == "id" {
			return "must be a UUID"
		}
		return "must be a bcrypt hash with a cost of 4 to 15" // passwordHash, the one other
	case "enum":
		return "must be one of " + listed(p.Schema.Enum)
	case "format": // only the query as a whole has one
		return "must be well-formed"
	case "uniqueItems":
		return "must not repeat a value"
	}
	return "is not acceptable"
}

func typeOf(p edge.Problem) string {
	switch {
	case p.In == "query": // every filter is a string, so there were several
		return "given only once"
	case p.Schema == nil:
		return "of another type"
	case p.Schema.Type.Is("object"):
		return "an object"
	case p.Schema.Type.Is("array"):
		return "an array"
	case p.Schema.Type.Is("boolean"):
		return "a boolean"
	}
	return "a string"
}

func listed(values []any) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = fmt.Sprint(v)
	}
	return strings.Join(words, ", ")
}
