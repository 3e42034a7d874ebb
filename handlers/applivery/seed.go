package applivery

import (
	"time"

	gen "usher/gen/applivery"
	"usher/storage"
	"usher/storage/password"
)

// administrator is the first administrator, without a password yet. The four
// roles of this API are fixed, so there is nothing else to begin with.
func administrator() storage.NewUser {
	return account(Administrator, gen.RoleAdmin, document{FirstName: "Alex", LastName: "Admin", Language: gen.En})
}

// FirstStart is what a directory starts with: one administrator with that
// password.
func FirstStart(admin password.Plain) storage.Seed {
	first := administrator()
	first.Password, first.Policy = admin, complexity
	return storage.Seed{Users: []storage.NewUser{first}}
}

// Demo is the world that the vendor's own samples work in as they are printed.
// The passwords are public (DemoAccounts); their hashes stand here so that a
// demo starts without computing any.
func Demo() storage.Seed {
	created := time.Date(2025, time.October, 30, 21, 58, 0, 0, time.UTC)

	first := administrator()
	first.ID = "507f1f77bcf86cd799439011"
	first.Hash = "$argon2id$v=19$m=19456,t=2,p=1$Pi+XRMef4ygQ4n3Qb868MQ$wQRpdJo1Z3BNUZMDYO7cOlXLdUeJyAOlkJ12KobSp7Y"
	first.CreatedAt = created

	john := account("john.doe@example.com", gen.RoleUser, document{FirstName: "John", LastName: "Doe", Language: gen.En})
	john.ID = "507f1f77bcf86cd799439023"
	john.Hash = "$argon2id$v=19$m=19456,t=2,p=1$ZWjwhxYSi4q3suMnlLNu9g$0InT1ZgymRpZ795rb0QbZ6CnepsJ7pnZI4o7reSMf38"
	john.CreatedAt = created

	return storage.Seed{Users: []storage.NewUser{first, john}}
}

// DemoAccounts lists the accounts of Demo for the people who are to use them.
func DemoAccounts() []string {
	return []string{
		"admin@example.com / AdminSecureP@ss123",
		"john.doe@example.com / CurrentSecureP@ss123",
	}
}
