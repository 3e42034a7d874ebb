package storage

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Difference is something that one store has otherwise than another. It never holds a
// hash, nor what a password is.
type Difference struct {
	Directory string
	Kind      string // "user", "policy", "token", or a RecordKind
	ID, Name  string // of a policy there is no name, of tokens the ID is their kind
	Change    Change
	Members   []Member // of what is Changed: what of it, by path
}

// Change says how something differs.
type Change string

// The ways in which what is later differs from what is earlier.
const (
	Added   Change = "added"
	Removed Change = "removed"
	Changed Change = "changed"
)

// Member is a part of something that is there in both stores, but differs.
type Member struct {
	// Path is "name", or "document.contacts": the objects in a document are compared
	// member by member, its lists as a whole. Of tokens it is "count".
	Path string
	// Before and After are the values as JSON, nil where there is none. A "password"
	// has neither.
	Before, After json.RawMessage
}

// Diff says what after has otherwise than before: users, records and policies, and of
// tokens that have not expired how many there are of each kind. Both are each as of
// one moment. It is sorted by directory, kind and id. Errors: ErrDamaged, where there is
// what cannot be compared.
func Diff(ctx context.Context, before, after *Store) ([]Difference, error) {
	old, err := before.inventory(ctx)
	if err != nil {
		return nil, err
	}
	now, err := after.inventory(ctx)
	if err != nil {
		return nil, err
	}
	names := maps.Clone(old)
	maps.Copy(names, now)
	var ds []Difference
	for _, name := range slices.Sorted(maps.Keys(names)) {
		b, err := old[name].things()
		if err != nil {
			return nil, err
		}
		a, err := now[name].things()
		if err != nil {
			return nil, err
		}
		ds = append(ds, diff(name, b, a)...)
	}
	return ds, nil
}

// diff compares what there is in a directory.
func diff(directory string, before, after map[thing]members) (ds []Difference) {
	all := maps.Clone(before)
	maps.Copy(all, after)
	keys := slices.SortedFunc(maps.Keys(all), func(a, b thing) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.id, b.id))
	})
	for _, key := range keys {
		b, wasThere := before[key]
		a, isThere := after[key]
		d := Difference{Directory: directory, Kind: key.kind, ID: key.id, Name: all[key].name}
		switch {
		case !wasThere:
			d.Change = Added
		case !isThere:
			d.Change = Removed
		default:
			d.Change, d.Members = Changed, b.diff(a)
			if d.Members == nil {
				continue
			}
		}
		ds = append(ds, d)
	}
	return ds
}

// thing names a thing in a directory.
type thing struct{ kind, id string }

// members are what is compared of a thing: the values by their paths, and of a user
// the password.
type members struct {
	name    string
	values  map[string]json.RawMessage
	hash    string
	version int64
}

// things are all that there is in a directory. Errors: ErrDamaged.
func (c inventory) things() (map[thing]members, error) {
	all := map[thing]members{}
	var failed error
	add := func(key thing, m members, v any) {
		var err error
		if m.values, err = flatten(v); err != nil && failed == nil {
			failed = fmt.Errorf("storage: %w: %s %q: %w", ErrDamaged, key.kind, key.id, err)
		}
		all[key] = m
	}
	for _, a := range c.accounts {
		add(thing{"user", a.ID}, members{name: a.Name, hash: a.hash, version: a.version}, struct {
			Realm         string          `json:"realm"`
			Name          string          `json:"name"`
			Email         string          `json:"email"`
			Roles         []string        `json:"roles"`
			CreatedAt     time.Time       `json:"createdAt"`
			UpdatedAt     time.Time       `json:"updatedAt,omitzero"`
			PasswordSetAt time.Time       `json:"passwordSetAt,omitzero"`
			PasswordOwn   bool            `json:"passwordOwn"`
			Document      json.RawMessage `json:"document"`
		}{a.Realm, a.Name, a.Email, a.Roles, a.CreatedAt, a.UpdatedAt, a.PasswordSetAt, a.PasswordOwn, a.Document})
	}
	for kind, records := range c.records {
		for _, r := range records {
			add(thing{string(kind), r.ID}, members{name: r.Name}, struct {
				Name      string          `json:"name"`
				CreatedAt time.Time       `json:"createdAt"`
				UpdatedAt time.Time       `json:"updatedAt,omitzero"`
				Document  json.RawMessage `json:"document"`
			}{r.Name, r.CreatedAt, r.UpdatedAt, r.Document})
		}
	}
	for _, p := range c.policies {
		add(thing{"policy", p.ID}, members{}, struct {
			Default  bool            `json:"default"`
			Document json.RawMessage `json:"document"`
		}{p.Default, p.Document})
	}
	for kind, n := range c.tokens {
		add(thing{"token", kind}, members{}, struct {
			Count int `json:"count"`
		}{n})
	}
	return all, failed
}

// flatten makes the members of v, that of objects in it by their paths. Errors: a
// document that is no JSON, a time that no calendar has, as somebody else's file may
// have them.
func flatten(v any) (map[string]json.RawMessage, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var object map[string]any
	if err := d.Decode(&object); err != nil {
		panic(err) // it was made a moment ago
	}
	values := map[string]json.RawMessage{}
	flattenTo(values, "", object)
	return values, nil
}

func flattenTo(values map[string]json.RawMessage, path string, object map[string]any) {
	for name, v := range object {
		if inner, ok := v.(map[string]any); ok && len(inner) > 0 {
			flattenTo(values, path+name+".", inner)
			continue
		}
		raw, err := json.Marshal(v) // of objects in lists the members are in order then
		if err != nil {
			panic(err) // it was read a moment ago
		}
		values[path+name] = raw
	}
}

// diff is what differs, nil if nothing does. A password is the same if its hash is,
// or its version: a hash may be replaced at a login, and a dump has no versions.
func (m members) diff(after members) (ms []Member) {
	all := maps.Clone(m.values)
	maps.Copy(all, after.values)
	if m.hash != after.hash && m.version != after.version {
		all["password"] = nil
	}
	for _, path := range slices.Sorted(maps.Keys(all)) {
		before, after := m.values[path], after.values[path]
		if path == "password" || !bytes.Equal(before, after) {
			ms = append(ms, Member{path, before, after})
		}
	}
	return ms
}
