package saymon

import (
	"cmp"

	gen "usher/gen/saymon"
	"usher/storage"
)

// Form is how a fixture's users, groups and policies are kept: users as active ones
// whose names are masked, groups under their ids.
func Form() storage.SeedForm {
	return storage.SeedForm{
		ID: storage.HexID(12),
		User: func(u *storage.NewUser) any {
			d := newDocument()
			d.DisplayName = masked(u.Name)
			return &d
		},
		Policy: func(p *storage.Policy) any { return &gen.PasswordPolicy{ID: policyID(p.ID)} },
		Records: map[storage.RecordKind]func(*storage.Record) any{
			storage.Role: func(r *storage.Record) any {
				r.ID = cmp.Or(r.ID, r.Name)
				return &gen.UserGroup{
					ID: r.ID, Name: r.Name, EventFilter: []gen.EventFilter{}, Permissions: []string{},
					ObjectPermissions: gen.ObjectPermissions{Include: []any{}, Exclude: []any{}},
				}
			},
		},
	}
}
