package fusion

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/google/uuid"

	gen "usher/gen/fusion"
	"usher/storage"
	"usher/storage/password"
)

// The permissions of the default roles, in the vendor's text form. Of the lists
// that its reference of 5.9 and its page on roles print, what is known is here,
// though all but the last two lines of a role are about services that are not
// served. GET of one's own record is ours.
var (
	adminPermissions     = []string{"GET,POST,PUT,DELETE,PATCH,HEAD:/**", "GET,POST,PUT,DELETE,HEAD:/solrAdmin/**"}
	developerPermissions = append([]string{
		"GET,PUT,POST:/system/**", "GET,PUT,HEAD,DELETE,POST:/stopwords/**", "GET,PUT,POST:/usage/**", "GET:/features/**",
		"GET,PUT,HEAD,DELETE,POST:/blobs/**", "GET,PUT,HEAD,DELETE,POST:/scheduler/**", "GET,PUT,HEAD,DELETE,POST:/experiments",
		"GET:/introspect/**", "PUT:/usage/**", "GET,PUT,HEAD,DELETE,POST:/index-stages/**",
		"GET,PUT,HEAD,DELETE,POST:/index-stage-plugins/**", "GET,PUT,HEAD,DELETE,POST:/messaging/**",
		"GET,PUT,HEAD,DELETE,POST:/catalog", "GET,PUT,HEAD,DELETE,POST:/parsers/**", "GET,PUT,POST:/appkit/**",
		"GET,PUT,HEAD,DELETE,POST:/index-profiles/**", "GET,PUT,POST:/recommend/**", "GET,PUT,HEAD,DELETE,POST:/history/**",
		"GET,PUT,HEAD,DELETE,POST:/apps/**", "GET,POST:/dynamicSchema/**", "GET,PUT,HEAD,DELETE,POST:/solr/**",
	}, searchPermissions...)
	searchPermissions = []string{"PATCH:/users/{id}:id=#ID", rulesPermission}
	rulesPermission   = "GET:/users/{id}:id=#ID"
)

// parsePermission makes the JSON of a permission of its text form,
// METHOD,…:/path/{name}:name=value,… of which path and params may be missing.
func parsePermission(text string) (p gen.GlobPermissionPublicView) {
	parts := strings.SplitN(text, ":", 3)
	if parts[0] != "" {
		methods := []gen.HTTPMethod{}
		for verb := range strings.SplitSeq(parts[0], ",") {
			methods = append(methods, gen.HTTPMethod(verb))
		}
		p.Methods = &methods
	}
	if len(parts) > 1 {
		p.Path = &parts[1]
	}
	if len(parts) > 2 {
		name, values, _ := strings.Cut(parts[2], "=")
		p.Params = &map[string][]string{name: strings.FieldsFunc(values, func(r rune) bool { return r == ',' })}
	}
	return p
}

// initial is the document of the first administrator.
const initial = `{"initial":true}`

func roles() []storage.Record {
	role := func(name, desc string, ui []string, permissions ...string) storage.Record {
		d := roleDocument{Desc: &desc, UIPermissions: ui}
		if desc == "" {
			d.Desc = nil
		}
		for _, p := range permissions {
			d.Permissions = append(d.Permissions, parsePermission(p))
		}
		return record(name, d)
	}
	return []storage.Record{
		role("admin", "Full access to every service. This is the super-admin role.", []string{"*"}, adminPermissions...),
		role("developer", "Developer access with read/write permission required for building/running applications.", nil, developerPermissions...),
		role("search", "", nil, searchPermissions...),
		role("rules", "", nil, rulesPermission),
	}
}

// realms are the native one, and the one that lets API keys in, which the vendor
// has made at a first start since 5.6.
func realms() []storage.Record {
	return []storage.Record{
		record(native, realmDocument{Type: native, Enabled: true}),
		record(apiKeyRealm, realmDocument{Type: apiKeyRealm, Enabled: true}),
	}
}

// record is a record of the first start.
func record(name string, document any) storage.Record {
	doc, err := json.Marshal(document)
	if err != nil {
		panic(err) // it is made of text and switches
	}
	return storage.Record{ID: uuid.NewString(), Name: name, Document: doc}
}

// records are those of a first start.
func records() map[storage.RecordKind][]storage.Record {
	return map[storage.RecordKind][]storage.Record{storage.Role: roles(), realmKind: realms()}
}

// firstDeveloper is the document of the role developer as the first version of the
// seed had it.
const firstDeveloper = `{"permissions":[` +
	`{"methods":["PATCH"],"path":"/users/{id}","params":{"id":["#ID"]}},` +
	`{"methods":["GET"],"path":"/users/{id}","params":{"id":["#ID"]}}]}`

// upgrades are what has come to the seed since.
func upgrades() []storage.SeedUpgrade {
	developer := roles()[1]
	return []storage.SeedUpgrade{{
		Records: map[storage.RecordKind][]storage.Record{realmKind: realms()},
		Documents: []storage.SeedDocument{{
			Kind: storage.Role, Name: developer.Name, Old: json.RawMessage(firstDeveloper), New: developer.Document,
		}},
	}}
}

// FirstStart is what Fusion ships with: its roles, and the administrator admin
// with the given password. With an empty one he has none until POST /api sets
// it.
func FirstStart(admin password.Plain) storage.Seed {
	return storage.Seed{
		Records: records(),
		Users: []storage.NewUser{{
			ID: uuid.NewString(), Realm: native, Name: Administrator, Roles: []string{"admin"},
			Password: admin, Policy: rule, Document: json.RawMessage(initial),
		}},
		Upgrades: upgrades(),
	}
}

// Demo is the world in which the examples on the vendor's pages work as they
// are printed. Its passwords are public, and hashed here once at
// password.DefaultParams, so that a start costs no hash.
func Demo() storage.Seed {
	return storage.Seed{
		Records: records(),
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
		Upgrades: upgrades(),
	}
}

// DemoAccounts lists the demo world's accounts as "login / password".
func DemoAccounts() []string {
	return []string{"admin / Fusion4dmin", "1new-user-test / password123"}
}
