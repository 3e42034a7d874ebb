package handlers_test

import (
	"net/http"
	"strings"
	"testing"
)

func init() { credentialed["milvus"] = milvusCredentials }

// milvusRequests are a path and a body for each operation, about things that
// the administrator makes before each request anew: USER, with the password
// First-Passw0rd, ROLE, which USER has, GROUP, which belongs to nobody; FRESH is a
// name that nothing has.
var milvusRequests = map[string]struct{ path, body string }{
	"createUser":                {"users/create", `{"userName":"FRESH","password":"First-Passw0rd"}`},
	"describeUser":              {"users/describe", `{"userName":"USER"}`},
	"dropUser":                  {"users/drop", `{"userName":"USER"}`},
	"listUsers":                 {"users/list", `{}`},
	"updatePassword":            {"users/update_password", `{"userName":"USER","password":"First-Passw0rd","newPassword":"Second-Passw0rd"}`},
	"grantRole":                 {"users/grant_role", `{"userName":"USER","roleName":"ROLE"}`},
	"revokeRole":                {"users/revoke_role", `{"userName":"USER","roleName":"ROLE"}`},
	"listRoles":                 {"roles/list", `{}`},
	"describeRole":              {"roles/describe", `{"roleName":"ROLE"}`},
	"createRole":                {"roles/create", `{"roleName":"FRESH"}`},
	"dropRole":                  {"roles/drop", `{"roleName":"ROLE"}`},
	"grantPrivilege":            {"roles/grant_privilege", `{"roleName":"ROLE","objectType":"Global","objectName":"*","privilege":"SelectOwnership"}`},
	"revokePrivilege":           {"roles/revoke_privilege", `{"roleName":"ROLE","objectType":"Global","objectName":"*","privilege":"SelectOwnership"}`},
	"grantPrivilegeV2":          {"roles/grant_privilege_v2", `{"roleName":"ROLE","privilege":"Search","collectionName":"*"}`},
	"revokePrivilegeV2":         {"roles/revoke_privilege_v2", `{"roleName":"ROLE","privilege":"Search","collectionName":"*"}`},
	"createPrivilegeGroup":      {"privilege_groups/create", `{"privilegeGroupName":"FRESH"}`},
	"dropPrivilegeGroup":        {"privilege_groups/drop", `{"privilegeGroupName":"GROUP"}`},
	"listPrivilegeGroups":       {"privilege_groups/list", `{}`},
	"addPrivilegesToGroup":      {"privilege_groups/add_privileges_to_group", `{"privilegeGroupName":"GROUP","privileges":["Search"]}`},
	"removePrivilegesFromGroup": {"privilege_groups/remove_privileges_from_group", `{"privilegeGroupName":"GROUP","privileges":["Search"]}`},
}

func milvusCredentials(t *testing.T, w *world, operation string, kind credential) (r *http.Request, why string) {
	t.Helper()
	const base = "/v2/vectordb/"
	admin := "Bearer root:" + adminPassword
	prepare := func(path, body string) { w.must(t, http.MethodPost, base+path, admin, body) }
	named := strings.NewReplacer("USER", w.fresh("user"), "ROLE", w.fresh("role"), "GROUP", w.fresh("group"), "FRESH", w.fresh("fresh"))
	other := w.fresh("other")
	prepare("users/create", named.Replace(`{"userName":"USER","password":"First-Passw0rd"}`))
	prepare("users/create", `{"userName":"`+other+`","password":"First-Passw0rd"}`)
	prepare("roles/create", named.Replace(`{"roleName":"ROLE"}`))
	prepare("users/grant_role", named.Replace(`{"userName":"USER","roleName":"ROLE"}`))
	prepare("privilege_groups/create", named.Replace(`{"privilegeGroupName":"GROUP"}`))
	q := milvusRequests[operation]
	header := ""
	switch kind {
	case none:
	case junk:
		header = "Bearer nobody:Wrong-Passw0rd"
	case expired:
		return nil, "passwords do not expire"
	case ended:
		prepare("users/update_password", `{"userName":"`+other+`","password":"First-Passw0rd","newPassword":"Second-Passw0rd"}`)
		header = "Bearer " + other + ":First-Passw0rd"
	case another, without:
		if kind == another && !strings.Contains(q.body, "USER") && !strings.Contains(q.body, "ROLE") {
			return nil, "nobody's own"
		}
		header = "Bearer " + other + ":First-Passw0rd"
	case with:
		header = admin
	}
	return w.authorized(t, http.MethodPost, base+q.path, header, named.Replace(q.body)), ""
}
