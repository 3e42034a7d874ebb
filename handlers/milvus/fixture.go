package milvus

import "usher/storage"

// Form is how a fixture's users, roles and privilege groups are kept, under their
// names as ids.
func Form() storage.SeedForm {
	return storage.SeedForm{
		User: func(*storage.NewUser) any { return &document{} },
		Records: map[storage.RecordKind]func(*storage.Record) any{
			storage.Role:   func(*storage.Record) any { return &roleDocument{} },
			privilegeGroup: func(*storage.Record) any { return &groupDocument{Privileges: []string{}} },
		},
	}
}
