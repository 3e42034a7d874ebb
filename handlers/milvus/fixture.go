package milvus

import "usher/storage"

// Form is how a fixture's users, roles and privilege groups are kept: under their
// names as ids, whatever it says, since that is where requests look for them.
func Form() storage.SeedForm {
	return storage.SeedForm{
		User: func(u *storage.NewUser) any {
			u.ID = u.Name
			return &document{}
		},
		Records: map[storage.RecordKind]func(*storage.Record) any{
			storage.Role: func(r *storage.Record) any {
				r.ID = r.Name
				return &roleDocument{}
			},
			privilegeGroup: func(r *storage.Record) any {
				r.ID = r.Name
				return &groupDocument{Privileges: []string{}}
			},
		},
	}
}
