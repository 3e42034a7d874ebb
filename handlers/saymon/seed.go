package saymon

import (
	"encoding/json"

	"usher/storage"
	"usher/storage/password"
)

// FirstStart is what a new installation has: the default policy, and the first
// administrator with that password. The policy counts for it, too: it must not
// be empty.
func FirstStart(admin password.Plain) storage.Seed {
	first := seedUser(newID(), Administrator, allPermissions...)
	first.Password, first.Policy = admin, rule(factoryPolicy)
	return seed(first)
}

// Demo is a world whose passwords are public, in which the vendor's samples
// work as printed.
func Demo() storage.Seed {
	admin := seedUser("5e21b752308c3c66d64e072c", Administrator, allPermissions...)
	admin.Hash = "$argon2id$v=19$m=19456,t=2,p=1$oBE2i8T2Pz7w++qJ70IYGg$dbMI7m3PqUHnp6s3OMzimzhieqvVNVIg/kYJBCiOQQQ"
	bob := seedUser("5e78c51788c61a1fbf34b673", "Bob", "manage-links")
	bob.Hash = "$argon2id$v=19$m=19456,t=2,p=1$7iJSHbv4NQboecH4+/6xJA$8wl45uJvEsaNjm1Op7XenLaW32cqH1cnANoN4lO3EfM"
	return seed(admin, bob)
}

// DemoAccounts are the accounts of Demo, "login / password".
func DemoAccounts() []string {
	return []string{"admin / saymon-admin", "Bob / qwerty"}
}

func seed(users ...storage.NewUser) storage.Seed {
	policy, err := json.Marshal(factoryPolicy)
	if err != nil { // a constant
		panic(err)
	}
	return storage.Seed{
		Policies: []storage.Policy{{ID: defaultPolicyID, Default: true, Document: policy}},
		Users:    users,
	}
}

func seedUser(id, login string, permissions ...string) storage.NewUser {
	d := newDocument()
	d.DisplayName, d.Permissions = masked(login), permissions
	return storage.NewUser{ID: id, Name: login, Document: d.encode()}
}
