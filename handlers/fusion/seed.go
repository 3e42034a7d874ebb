package fusion

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"usher/storage"
	"usher/storage/password"
)

// The permissions of the roles that manage nothing. PATCH is the vendor's own;
// GET of one's own record is ours, since the vendor prints no list that tells.
// What its lists say of paths of its other services would grant nothing here.
const (
	selfService = `{"permissions":[` +
		`{"methods":["PATCH"],"path":"/users/{id}","params":{"id":["#ID"]}},` +
		`{"methods":["GET"],"path":"/users/{id}","params":{"id":["#ID"]}}]}`
	selfView = `{"permissions":[{"methods":["GET"],"path":"/users/{id}","params":{"id":["#ID"]}}]}`

	superAdmin = `{"desc":"Full access to every service. This is the super-admin role.","permissions":[` +
		`{"methods":["GET","POST","PUT","DELETE","PATCH","HEAD"],"path":"/**"},` +
		`{"methods":["GET","POST","PUT","DELETE","HEAD"],"path":"/solrAdmin/**"}],"uiPermissions":["*"]}`
)

// initial is the document of the first administrator.
const initial = `{"initial":true}`

func roles() []storage.Record {
	role := func(name, doc string) storage.Record {
		return storage.Record{ID: uuid.NewString(), Name: name, Document: json.RawMessage(doc)}
	}
	return []storage.Record{role("admin", superAdmin), role("developer", selfService), role("search", selfService), role("rules", selfView)}
}

// FirstStart is what Fusion ships with: its roles, and the administrator admin
// with the given password. With an empty one he has none until POST /api sets
// it.
func FirstStart(admin password.Plain) storage.Seed {
	return storage.Seed{
		Records: map[storage.RecordKind][]storage.Record{storage.Role: roles()},
		Users: []storage.NewUser{{
			ID: uuid.NewString(), Realm: native, Name: Administrator, Roles: []string{"admin"},
			Password: admin, Policy: rule, Document: json.RawMessage(initial),
		}},
	}
}

// Demo is the world in which the examples on the vendor's pages work as they
// are printed. Its passwords are public, and hashed here once at
// password.DefaultParams, so that a start costs no hash.
func Demo() storage.Seed {
	return storage.Seed{
		Records: map[storage.RecordKind][]storage.Record{storage.Role: roles()},
		Users: []storage.NewUser{
			{
				ID: "d8e2f424-73b4-4ef9-a789-497bc56e7975", Realm: native, Name: Administrator, Roles: []string{"admin"},
				Hash:      "$argon2id$v=19$m=19456,t=2,p=1$XeFsX/A6LJiPWpQHQCfeLA$Ztr1g1CyqBdL2X8goFd3OYgjiA/WEmOkMpd7GVr/WEo",
				CreatedAt: time.Date(2025, time.September, 23, 17, 48, 7, 0, time.UTC),
				Document:  json.RawMessage(initial),
			},
			{
				ID: "fe0885f2-8885-4c46-a3ea-8e5d0041c293", Realm: native, Name: "1new-user-test", Roles: []string{"search", "developer"},
				Hash:      "$argon2id$v=19$m=19456,t=2,p=1$VvrAA1UZYYX4IKT7aWff5Q$0fqpDOjOLuY5TeNBa0olj95DIhNN/mJ0BsTmLv555Fk",
				CreatedAt: time.Date(2025, time.October, 30, 21, 59, 1, 0, time.UTC),
			},
		},
	}
}

// DemoAccounts lists the demo world's accounts as "login / password".
func DemoAccounts() []string {
	return []string{"admin / Fusion4dmin", "1new-user-test / password123"}
}
