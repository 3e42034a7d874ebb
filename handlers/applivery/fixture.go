package applivery

import (
	gen "usher/gen/applivery"
	"usher/storage"
)

// Form is how a fixture's users are kept: under their addresses in small letters, with
// the role user unless it gives another.
func Form() storage.SeedForm {
	return storage.SeedForm{
		ID: storage.HexID(12),
		User: func(u *storage.NewUser) any {
			u.Name = loginName(u.Name)
			if len(u.Roles) == 0 {
				u.Roles = []string{string(gen.RoleUser)}
			}
			return &document{Language: gen.En}
		},
	}
}
