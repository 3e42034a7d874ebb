package milvus

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	gen "usher/gen/milvus"
	"usher/handlers/edge"
	"usher/storage"
	"usher/storage/password"
)

// kind is a kind of failure, as Milvus tells it.
type kind struct {
	status int
	code   int32
	text   string // a format
}

// All that Milvus' clients are told, but for the two failures without a code:
// an unknown path and a fault of the server's own. The texts are those of
// Milvus 2.6.19 and later; where there is none, the contract marks the decision.
var (
	busy              = kind{200, 4, "too many concurrent requests, queue is full"}
	tooManyRoles      = kind{200, 9, "failed to check if create role: quota exceeded[reason=unable to create role because the number of roles has reached the limit]"}
	tooManyUsers      = kind{200, 9, "failed to check if add credential: quota exceeded[reason=unable to add user because the number of users has reached the limit]"}
	badTimeout        = kind{200, 1100, "Request-Timeout parse failed, err: %v: invalid parameter"}
	emptyName         = kind{200, 1100, "username must be not empty: invalid parameter"}
	longName          = kind{200, 1100, "invalid username %s with length %d, the length of username must be less than %d: invalid parameter"}
	badFirstCharacter = kind{200, 1100, "invalid user name %s, the first character must be a letter, but got %s: invalid parameter"}
	badCharacter      = kind{200, 1100, "invalid user name %s, username must contain only numbers, letters and underscores, but got %s: invalid parameter"}
	badLength         = kind{200, 1100, "invalid password length: invalid parameter[%d out of range %d <= value <= %d]"}
	fewClasses        = kind{200, 1100, "invalid password: must include at least three of uppercase letters, lowercase letters, numbers and special characters: invalid parameter"}
	commonPassword    = kind{200, 1100, "invalid password: must not be a common password: invalid parameter"}
	passwordHoldsName = kind{200, 1100, "invalid password: must not include the user name: invalid parameter"}
	userExists        = kind{200, 1100, "user already exists: %s: invalid parameter"}
	roleExists        = kind{200, 1100, `role [name:"%s"] already exists: invalid parameter`}
	noRole            = kind{200, 1100, "not found the role, maybe the role isn't existed or internal system error: invalid parameter"}
	noRoleToGrantTo   = kind{200, 1100, "failed to operate privilege common check: the role %q does not exist: invalid parameter"}
	noRoleToDescribe  = kind{200, 1100, "the role %q does not exist: invalid parameter"}
	noUserToGrantTo   = kind{200, 1100, `failed to check if operate user role: user %q not found: invalid parameter`}
	roleHasGrants     = kind{200, 1100, "failed to check if drop role: fail to drop the role that it has privileges. Use REVOKE API to revoke privileges: invalid parameter"}

	emptyEntity        = kind{200, 1100, "%s should be not empty: invalid parameter[expected=not empty][actual=]"}
	longEntity         = kind{200, 1100, "the length of %s must be not greater than limit: invalid parameter[%d out of range 0 <= value <= %d]"}
	badEntityStart     = kind{200, 1100, "the first character of %s must be an underscore or letter: invalid parameter[expected=%d][actual=%d]"}
	badEntityCharacter = kind{200, 1100, "%s can only contain numbers, letters, underscores, and allowed characters (%s), found %c at %d: invalid parameter"}

	badObjectType       = kind{200, 1100, "failed to operate privilege common check: the object entity in the request is nil or invalid: invalid parameter"}
	noPrivilegeOnObject = kind{200, 1100, "not found the privilege name[%s] in object[%s]: invalid parameter"}
	noPrivilege         = kind{200, 1100, "not found the privilege name[%s]: invalid parameter"}
	builtInOfOld        = kind{200, 1100, "can not operate the built-in privilege group [%s]: invalid parameter"}
	ownOfOld            = kind{200, 1100, "can not operate the custom privilege group [%s]: invalid parameter"}
	clusterScope        = kind{200, 1100, "dbName and collectionName should be * for the cluster level privilege: %s: invalid parameter"}
	databaseScope       = kind{200, 1100, "collectionName should be * for the database level privilege: %s: invalid parameter"}
	collectionScope     = kind{200, 1100, "please specify database name for the collection level privilege: %s: invalid parameter"}
	noLevel             = kind{200, 1100, "not found the privilege level: invalid parameter"}

	badDatabaseName = kind{200, 802, "%s: invalid database name[database=%s]"}

	badGroupCharacter   = kind{200, 1100, "privilege group name %s can only contain numbers, letters and underscores: invalid parameter"}
	groupExists         = kind{200, 1100, "failed to check if privilege group creatable: privilege group name [%s] is defined by users: invalid parameter"}
	groupBuiltIn        = kind{200, 1100, "failed to check if privilege group creatable: privilege group name [%s] is defined by built in privileges or privilege groups in system: invalid parameter"}
	groupInUse          = kind{200, 1100, "failed to check if privilege group dropable: privilege group [%s] is used by role [%s], Use REVOKE API to revoke it first: invalid parameter"}
	noGroup             = kind{200, 1100, "failed to check if privilege group alterable: there is no privilege group name [%s] defined in system to operate: invalid parameter"}
	noPrivileges        = kind{200, 1100, "failed to check if privilege group alterable: privileges is empty when alter the privilege group: invalid parameter"}
	noPrivilegeForGroup = kind{200, 1100, "failed to check if privilege group alterable: there is no privilege name or privilege group name [%s] defined in system to operate: invalid parameter"}
	levelsMixed         = kind{200, 1100, "failed to check if privilege group alterable: privileges are not the same privilege level: invalid parameter"}

	wrongOldPassword = kind{200, 1400, "old password not correct for %s: not authenticated"}
	rootStays        = kind{200, 1401, "root user cannot be deleted: privilege not permitted"}
	defaultRoleStays = kind{200, 1401, "the role[%s] is a default role, which can't be dropped: privilege not permitted"}
	// The server passes a format where a name should go, so its verbs stand as they are.
	longGroupName   = kind{200, 1402, "%s->%d: invalid privilege group name[privilegeGroup=the length of a privilege group name %%s must be less than %%s characters]"}
	badGroupStart   = kind{200, 1402, "%s: invalid privilege group name[privilegeGroup=the first character of a privilege group name %%s must be an underscore or letter]"}
	unauthenticated = kind{401, 1800, "user hasn't authenticated"}
	noBody          = kind{200, 1801, "can only accept json format request, the request body should be nil, however {} is valid"}
	badBody         = kind{200, 1801, "can only accept json format request, error: %s"}
	missingMembers  = kind{200, 1802, "missing required parameters, error: %s"}
	throttled       = kind{200, 1807, "request is rejected by limiter, error: rate limit exceeded"}
	timedOut        = kind{408, 10001, "request timeout"}
	denial          = kind{403, 65535, "rpc error: code = PermissionDenied desc = Privilege%s: permission deny to %s in the `%s` database"}
)

// failure is a kind with the particulars that its text wants.
type failure struct {
	kind
	particulars []any
}

func (k kind) because(particulars ...any) *failure { return &failure{k, particulars} }

// Error leaves out the particulars: names are typed by hand, and passwords get
// into the wrong field.
func (f *failure) Error() string { return fmt.Sprintf("milvus: code %d", f.code) }

func (f *failure) message() string { return fmt.Sprintf(f.text, f.particulars...) }

// denied says whether an error refuses the caller.
func denied(err error) bool {
	var f *failure
	return errors.As(err, &f) && (f.kind == unauthenticated || f.kind == denial)
}

// userError is an error of the store, with the name that Milvus' text for it
// wants.
type userError struct {
	name string
	err  error
}

func (e *userError) Error() string { return e.err.Error() }
func (e *userError) Unwrap() error { return e.err }

// fail is edge.API's Fail.
func (s *server) fail(call *edge.Call, err error) edge.Answer {
	if route := (*edge.RouteError)(nil); errors.As(err, &route) {
		return edge.Answer{Status: http.StatusNotFound, ContentType: "text/plain", Body: []byte("404 page not found")}
	}
	f := s.explain(call.Operation, err)
	if f == nil {
		return edge.Answer{Status: http.StatusInternalServerError} // the vendor's recovery sends no body
	}
	return edge.Answer{
		Status: f.status,
		Code:   strconv.Itoa(int(f.code)),
		Value:  gen.Error{Code: f.code, Message: f.message()},
	}
}

// explain finds the failure that an error comes down to; nil: it is a fault of
// the server's own.
func (s *server) explain(operation string, err error) *failure {
	var (
		own     *failure
		body    *edge.BodyError
		invalid *edge.InvalidError
	)
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, os.ErrDeadlineExceeded), // the body comes too slowly: its server gives a request one time for all
		errors.Is(err, context.Canceled):       // the caller has gone and will not read it
		return timedOut.because()
	case errors.As(err, &body):
		return explainBody(body)
	case errors.As(err, &invalid):
		return explainMembers(requests[operation], invalid.Problems)
	}
	return s.explainStorage(err)
}

// explainBody tells what keeps a body from being read, in the words of the
// parser where it has some.
func explainBody(e *edge.BodyError) *failure {
	switch e.Fault {
	case edge.BodyEmpty:
		return noBody.because()
	case edge.BodyTooLarge:
		return badBody.because("http: request body too large") // net/http's words for its own limit
	case edge.BodyMalformed, edge.BodyUnread:
		return badBody.because(e.Err)
	default:
		// Milvus would put U+FFFD for what is not UTF-8, and so alter a
		// password; here it is refused.
		return badBody.because(e)
	}
}

// requests are the server's own types for the bodies, whose names its texts
// betray.
var requests = map[string]string{
	"createUser":     "PasswordReq",
	"describeUser":   "UserReq",
	"dropUser":       "UserReq",
	"listUsers":      "DatabaseReq",
	"updatePassword": "NewPasswordReq",
	"grantRole":      "UserRoleReq",
	"revokeRole":     "UserRoleReq",

	"listRoles":         "DatabaseReq",
	"describeRole":      "RoleReq",
	"createRole":        "RoleReq",
	"dropRole":          "RoleReq",
	"grantPrivilege":    "GrantReq",
	"revokePrivilege":   "GrantReq",
	"grantPrivilegeV2":  "GrantV2Req",
	"revokePrivilegeV2": "GrantV2Req",

	"listPrivilegeGroups":       "DatabaseReq",
	"createPrivilegeGroup":      "PrivilegeGroupReq",
	"dropPrivilegeGroup":        "PrivilegeGroupReq",
	"addPrivilegesToGroup":      "PrivilegeGroupReq",
	"removePrivilegesFromGroup": "PrivilegeGroupReq",
}

// explainMembers tells what is wrong with a body's members. encoding/json tells
// one wrong type, and leaves the validator nothing to do; that lists all that is
// missing, a line each, and takes "" for missing. Of several wrong types Milvus
// tells the first that was sent, which is not known here.
func explainMembers(request string, problems []edge.Problem) *failure {
	var missing []string
	for _, p := range problems {
		if p.Keyword == "type" {
			return badBody.because(wrongType(request, p))
		}
		member := goName(p.Member())
		missing = append(missing, fmt.Sprintf("Key: '%s.%s' Error:Field validation for '%s' failed on the 'required' tag", request, member, member))
	}
	return missingMembers.because(strings.Join(missing, "\n"))
}

// wrongType is encoding/json's UnmarshalTypeError. All members are strings, or
// lists of them, whose items it tells by the list's name.
func wrongType(request string, p edge.Problem) string {
	got, wanted := p.Got, "string"
	if got == "boolean" {
		got = "bool"
	}
	if len(p.Path) == 0 {
		return fmt.Sprintf("json: cannot unmarshal %s into Go value of type httpserver.%s", got, request)
	}
	if p.Schema != nil && p.Schema.Type.Is(openapi3.TypeArray) {
		wanted = "[]string"
	}
	return fmt.Sprintf("json: cannot unmarshal %s into Go struct field %s.%s of type %s", got, request, p.Path[0], wanted)
}

// goName is the field of a Go struct for a member.
func goName(member string) string { return strings.ToUpper(member[:1]) + member[1:] }

// explainStorage tells what the store refuses.
func (s *server) explainStorage(err error) *failure {
	name := ""
	if u := (*userError)(nil); errors.As(err, &u) {
		name = u.name
	}
	switch storage.KindOf(err) {
	case storage.Exists:
		return userExists.because(name)
	case storage.NotFound, storage.WrongPassword:
		return wrongOldPassword.because(name)
	case storage.WeakPassword:
		return s.explainPassword(err)
	case storage.Limit:
		return tooManyUsers.because()
	case storage.Busy:
		return busy.because()
	case storage.Throttled:
		return throttled.because()
	default: // none of which a caller can cause
		return nil
	}
}

// explainPassword tells the first rule that a new password breaks.
func (s *server) explainPassword(err error) *failure {
	var weak *storage.Error
	if !errors.As(err, &weak) || len(weak.Violations) == 0 {
		return nil
	}
	switch v := weak.Violations[0]; v.Rule {
	case password.MinClasses:
		return fewClasses.because()
	case password.Common:
		return commonPassword.because()
	case password.OwnName:
		return passwordHoldsName.because()
	default:
		return badLength.because(v.Got, s.rules.password.MinLength, s.rules.password.MaxLength)
	}
}
