package applivery

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	gen "usher/gen/applivery"
	"usher/handlers/edge"
	"usher/storage"
)

// vendorError is a way in which the API fails: the status, and what the
// envelope says.
type vendorError struct {
	status  int
	code    int
	message string
}

// Error gives the vendor's words.
func (e *vendorError) Error() string { return e.message }

// All ways in which the API fails. The codes are those of the vendor's pages
// and of its express-api-skeleton; the contract says which is from where.
var (
	errInternal           = &vendorError{http.StatusInternalServerError, 1000, "Internal error"}
	errUnavailable        = &vendorError{http.StatusServiceUnavailable, 1000, "Internal error"}
	errRouteNotFound      = &vendorError{http.StatusNotFound, 1002, "Route not found"}
	errEntityNotFound     = &vendorError{http.StatusNotFound, 3001, "Entity not found"}
	errUnauthorized       = &vendorError{http.StatusUnauthorized, 4001, "Unauthorized"}
	errNoAuthToken        = &vendorError{http.StatusUnauthorized, 4002, "No auth token"}
	errForbidden          = &vendorError{http.StatusForbidden, 4003, "Forbidden - You are not allowed to perform this action"}
	errInvalidToken       = &vendorError{http.StatusUnauthorized, 4004, "Invalid Token"}
	errTokenExpired       = &vendorError{http.StatusUnauthorized, 4005, "Token Expired"}
	errInvalidCredentials = &vendorError{http.StatusForbidden, 4006, "Invalid Credentials"}
	errTooMany            = &vendorError{http.StatusTooManyRequests, 4007, "Same action repeated too soon"}
	errRegistered         = &vendorError{http.StatusForbidden, 4009, "The operation can not be completed at this time. If you already registered an account with this email address, try to log-in"}
	errEntityExists       = &vendorError{http.StatusConflict, 5001, "Entity already exists"}
	errIncorrectPassword  = &vendorError{http.StatusBadRequest, 5023, "Incorrect old password"}
	errInvalidDomain      = &vendorError{http.StatusBadRequest, 5035, "Invalid email domain"}
	errSimplePassword     = &vendorError{http.StatusBadRequest, 5057, "Insufficient Password Complexity"}
	errInvalidRequest     = &vendorError{http.StatusBadRequest, 6002, "Body Validation Error"}
	errBodyTooLarge       = &vendorError{http.StatusRequestEntityTooLarge, 6002, "Body Validation Error"}
)

// byKind is what the store's failures are; those that are missing cannot be
// caused by a request.
var byKind = map[storage.Kind]*vendorError{
	storage.NotFound:      errEntityNotFound,
	storage.Exists:        errEntityExists,
	storage.WrongPassword: errIncorrectPassword,
	storage.WeakPassword:  errSimplePassword,
	storage.Busy:          errUnavailable,
	storage.Throttled:     errTooMany,
}

// rowOf finds an error's row in the table.
func rowOf(err error) *vendorError {
	var own *vendorError
	var route *edge.RouteError
	var body *edge.BodyError
	var invalid *edge.InvalidError
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, context.Canceled): // the caller has gone and will not read it
		return errUnavailable
	case errors.As(err, &route):
		return errRouteNotFound
	case errors.As(err, &body) && body.Fault == edge.BodyTooLarge:
		return errBodyTooLarge
	case errors.As(err, &body), errors.As(err, &invalid):
		return errInvalidRequest
	}
	if row, ok := byKind[storage.KindOf(err)]; ok {
		return row
	}
	return errInternal
}

// denied says whether an error refuses the caller.
func denied(err error) bool {
	var own *vendorError
	if !errors.As(err, &own) {
		return false
	}
	return own == errNoAuthToken || own == errUnauthorized || own == errInvalidToken || own == errTokenExpired || own == errForbidden
}

// fail puts an error into the vendor's envelope.
func fail(_ *edge.Call, err error) edge.Answer {
	row := rowOf(err)
	detail := gen.ErrorDetail{Code: row.code, Message: row.message}
	if invalid := (*edge.InvalidError)(nil); errors.As(err, &invalid) {
		detail.Data = problems(invalid)
	}
	answer := edge.Answer{Status: row.status, Code: strconv.Itoa(row.code), Value: gen.Failure{Error: detail}}
	if stored := (*storage.Error)(nil); errors.As(err, &stored) {
		switch stored.Kind {
		case storage.Busy:
			answer.Header = http.Header{"Retry-After": {"1"}}
		case storage.Throttled:
			answer.Header = edge.RetryAfter(stored.RetryAfter)
		default: // nothing helps but another request
		}
	}
	return answer
}
