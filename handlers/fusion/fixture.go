package fusion

import (
	"cmp"

	"github.com/google/uuid"

	"usher/storage"
)

// Form is how a fixture's users, roles and realms are kept: users in the native realm
// unless it names another.
func Form() storage.SeedForm {
	return storage.SeedForm{
		ID: func(realm, name string) string {
			return uuid.NewSHA1(uuid.NameSpaceOID, []byte(realm+"\x00"+name)).String()
		},
		User: func(u *storage.NewUser) any {
			u.Realm = cmp.Or(u.Realm, native)
			if u.Realm == apiKeyRealm {
				return &apiKeyDocument{}
			}
			return &document{}
		},
		Records: map[storage.RecordKind]func(*storage.Record) any{
			storage.Role: func(*storage.Record) any { return &roleDocument{} },
			realmKind:    func(*storage.Record) any { return &realmDocument{} },
		},
	}
}
