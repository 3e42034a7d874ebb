package storage

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// SeedForm is how a directory's owner makes what a [Seed] leaves open that somebody
// else has written. The zero SeedForm leaves all as it is but for ids.
type SeedForm struct {
	// ID makes an id of a name, and the realm of a user; nil: it is the name. The same
	// names make the same ids.
	ID func(realm, name string) string
	// User, Policy and those of Records, by kind, may fill in what is missing, and
	// return what the document is read into and written by: a pointer to what it is if
	// nothing is given. A nil one takes the document as it stands.
	User    func(*NewUser) (document any)
	Policy  func(*Policy) (document any)
	Records map[RecordKind]func(*Record) (document any)
}

// HexID is a SeedForm.ID that makes hexadecimal digits of so many bytes.
func HexID(bytes int) func(realm, name string) string {
	return func(realm, name string) string {
		sum := sha256.Sum256([]byte(realm + "\x00" + name))
		return hex.EncodeToString(sum[:bytes])
	}
}

// Complete brings the users, policies and records of a seed into the form. Errors: a
// document has what the owner does not keep, in a [SeedError].
func (f SeedForm) Complete(seed *Seed) error {
	id := f.ID
	if id == nil {
		id = func(_, name string) string { return name }
	}
	for i := range seed.Users {
		u := &seed.Users[i]
		if f.User != nil {
			if err := complete(&u.Document, f.User(u)); err != nil {
				return &SeedError{"user", u.Name, err}
			}
		}
		u.ID = cmp.Or(u.ID, id(u.Realm, u.Name))
	}
	for i := range seed.Policies {
		if p := &seed.Policies[i]; f.Policy != nil {
			if err := complete(&p.Document, f.Policy(p)); err != nil {
				return &SeedError{"policy", p.ID, err}
			}
		}
	}
	for kind, records := range seed.Records {
		for i := range records {
			r := &records[i]
			if form := f.Records[kind]; form != nil {
				if err := complete(&r.Document, form(r)); err != nil {
					return &SeedError{string(kind), r.Name, err}
				}
			}
			r.ID = cmp.Or(r.ID, id("", r.Name))
		}
	}
	return nil
}

// complete has a document be what d writes that has read it.
func complete(document *json.RawMessage, d any) (err error) {
	if *document != nil {
		strict := json.NewDecoder(bytes.NewReader(*document))
		strict.DisallowUnknownFields()
		if err := strict.Decode(d); err != nil {
			return &Error{Kind: Invalid, Field: "document", err: err}
		}
	}
	*document, err = json.Marshal(d)
	return err
}
