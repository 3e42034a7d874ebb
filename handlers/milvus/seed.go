package milvus

import (
	"encoding/json"

	"usher/storage"
	"usher/storage/password"
)

// publicGrants is the document of the role public: what the server grants to
// everyone when it starts for the first time.
const publicGrants = `{"grants":[` +
	`{"objectType":"Global","database":"*","objectName":"*","privilege":"DescribeCollection","grantor":"root"},` +
	`{"objectType":"Global","database":"*","objectName":"*","privilege":"ListAliases","grantor":"root"},` +
	`{"objectType":"Collection","database":"*","objectName":"*","privilege":"IndexDetail","grantor":"root"}]}`

// FirstStart is what Milvus ships with: its roles, and root with the password
// given, which no rule applies to.
func FirstStart(admin password.Plain) storage.Seed {
	return seed(storage.NewUser{Password: admin})
}

// Demo is FirstStart with root's well-known password, and the user of the
// reference's example for update_password.
func Demo() storage.Seed {
	s := seed(storage.NewUser{Hash: "$argon2id$v=19$m=19456,t=2,p=1$yekLSZ+lFuuFdiytAVILJg$YL1F2Xa+XUwkyHqSMpS3Y9Fq7xhou7iC7JB24KBxnGo"}) // Milvus
	s.Users = append(s.Users, storage.NewUser{
		ID: "milvusAdmin", Name: "milvusAdmin", Roles: []string{adminRole},
		Hash: "$argon2id$v=19$m=19456,t=2,p=1$Id1Qq5ZsgtEZEY+JZB8GfA$h8ttrg+fJvL4Wim1z3cc4lSNUgIOBWpFG0xmC/RSP0A", // P@ssw0rd
	})
	return s
}

// DemoAccounts lists the accounts of Demo, "login / password".
func DemoAccounts() []string { return []string{"root / Milvus", "milvusAdmin / P@ssw0rd"} }

func seed(root storage.NewUser) storage.Seed {
	root.ID, root.Name = Administrator, Administrator
	return storage.Seed{
		Records: map[storage.RecordKind][]storage.Record{storage.Role: {
			{ID: adminRole, Name: adminRole},
			{ID: publicRole, Name: publicRole, Document: json.RawMessage(publicGrants)},
		}},
		Users: []storage.NewUser{root},
		Upgrades: []storage.SeedUpgrade{{
			Documents: []storage.SeedDocument{{
				Kind: storage.Role, Name: publicRole, Old: json.RawMessage("{}"), New: json.RawMessage(publicGrants),
			}},
		}},
	}
}
