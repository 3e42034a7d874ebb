package fusion

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	gen "usher/gen/fusion"
	"usher/storage"
)

// realmKind is the kind of records that realms are.
const realmKind storage.RecordKind = "realm"

// realmDocument is what a realm is beside its name.
type realmDocument struct {
	Type    string         `json:"type"`
	Enabled bool           `json:"enabled"`
	Config  map[string]any `json:"config,omitempty"`
	Roles   []string       `json:"roleNames,omitempty"`
}

// realm is a realm with its document read.
type realm struct {
	storage.Record
	realmDocument
}

func realmOfRecord(r storage.Record) (realm, error) {
	var d realmDocument
	if err := json.Unmarshal(r.Document, &d); err != nil {
		return realm{}, fmt.Errorf("realm %s: %w", r.ID, err)
	}
	return realm{r, d}, nil
}

// allRealms are the realms, in the order they were made. A store of before there
// were any lacks the native one, which works all the same.
func (s *server) allRealms(ctx context.Context) ([]realm, error) {
	records, err := s.realms.List(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]realm, len(records))
	for i, r := range records {
		if all[i], err = realmOfRecord(r); err != nil {
			return nil, err
		}
	}
	if !slices.ContainsFunc(all, func(r realm) bool { return r.Name == native }) {
		all = append(all, realm{storage.Record{Name: native}, realmDocument{Type: native, Enabled: true}})
	}
	return all, nil
}

// realmView is a realm as it is answered.
func realmView(r storage.Record) (gen.RealmPublicView, error) {
	m, err := realmOfRecord(r)
	v := gen.RealmPublicView{
		ID: m.ID, Name: m.Name, RealmType: gen.RealmPublicViewRealmType(m.Type), Enabled: m.Enabled,
		CreatedAt: seconds(m.CreatedAt), UpdatedAt: edited(m.UpdatedAt),
	}
	if m.Config != nil {
		v.Config = &m.Config
	}
	if m.Roles != nil {
		v.RoleNames = &m.Roles
	}
	return v, err
}

// encodeRealm makes the document of a realm as a request describes it. It
// refuses what would leave nobody to log in, or a second realm whose passwords
// would have to be kept. Errors: errNativeRealm.
func encodeRealm(b gen.RealmConfig) (json.RawMessage, error) {
	d := realmDocument{Type: string(b.RealmType), Enabled: b.Enabled == nil || *b.Enabled, Config: deref(b.Config), Roles: deref(b.RoleNames)}
	withoutSecrets(d.Config, false)
	if isNative := b.Name == native; isNative != (d.Type == native) || isNative && !d.Enabled {
		return nil, errNativeRealm
	}
	return json.Marshal(d)
}

// masked stands for a secret that is not kept.
const masked = "********"

// secretWords are what the names of settings that hold secrets have in them, in
// small letters and without - and _.
var secretWords = []string{"secret", "password", "passwd", "pwd", "passphrase", "credential", "privatekey", "signingkey", "apikey"}

// isSecret says whether a setting of that name holds a secret.
func isSecret(name string) bool {
	name = strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(name))
	return slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(name, word) })
}

// withoutSecrets masks what must not lie around in a value: no login goes through
// the realms that have secrets, so they would be kept for nothing. Of a value
// that is secret, every text and number is one.
func withoutSecrets(value any, secret bool) any {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			v[name] = withoutSecrets(member, secret || isSecret(name))
		}
	case []any:
		for i := range v {
			v[i] = withoutSecrets(v[i], secret)
		}
	case bool:
	default:
		if secret {
			return masked
		}
	}
	return value
}

// GetRealms lists the realms, or the one of a name.
func (s *server) GetRealms(ctx context.Context, r gen.GetRealmsRequestObject) (gen.GetRealmsResponseObject, error) {
	records, err := s.realms.List(ctx)
	if err != nil {
		return nil, err
	}
	answer := []gen.RealmPublicView{}
	for _, record := range records {
		if name := given(r.Params.Name); name != nil && *name != record.Name {
			continue
		}
		v, err := realmView(record)
		if err != nil {
			return nil, err
		}
		answer = append(answer, v)
	}
	return gen.GetRealms200JSONResponse{Body: answer}, nil
}

// CreateRealm makes a realm, once name and id are found free.
func (s *server) CreateRealm(ctx context.Context, r gen.CreateRealmRequestObject) (gen.CreateRealmResponseObject, error) {
	doc, err := encodeRealm(*r.Body)
	if err != nil {
		return nil, err
	}
	id := uuid.NewString()
	record, err := s.realms.Create(ctx, actor(ctx), storage.Record{ID: deref(first(r.Body.ID, &id)), Name: r.Body.Name, Document: doc}, nil)
	if err != nil {
		return nil, taken(err, `Realm "`+r.Body.Name+`" already exists`, `Realm with id "`+deref(r.Body.ID)+`" already exists`)
	}
	v, err := realmView(record)
	return gen.CreateRealm201JSONResponse{Body: v}, err
}

// GetRealm answers a realm.
func (s *server) GetRealm(ctx context.Context, r gen.GetRealmRequestObject) (gen.GetRealmResponseObject, error) {
	record, err := s.realms.Get(ctx, r.ID)
	if err != nil {
		return nil, absent(err, errRealmNotFound)
	}
	v, err := realmView(record)
	return gen.GetRealm200JSONResponse{Body: v}, err
}

// UpdateRealm replaces all of a realm but its id and the time it was made.
func (s *server) UpdateRealm(ctx context.Context, r gen.UpdateRealmRequestObject) (gen.UpdateRealmResponseObject, error) {
	record, err := s.realms.Update(ctx, actor(ctx), r.ID, func(_ storage.View, record *storage.Record) (err error) {
		if record.Name == native && r.Body.Name != native {
			return errNativeRealm
		}
		record.Name = r.Body.Name
		record.Document, err = encodeRealm(*r.Body)
		return err
	})
	if err != nil {
		return nil, absent(taken(err, `Realm "`+r.Body.Name+`" already exists`, ""), errRealmNotFound)
	}
	v, err := realmView(record)
	return gen.UpdateRealm200JSONResponse{Body: v}, err
}

// DeleteRealm deletes a realm but the native one. Its users stay.
func (s *server) DeleteRealm(ctx context.Context, r gen.DeleteRealmRequestObject) (gen.DeleteRealmResponseObject, error) {
	_, err := s.realms.Delete(ctx, actor(ctx), r.ID, storage.RecordDelete{Check: func(_ storage.View, record storage.Record) error {
		if record.Name == native {
			return errNativeRealm
		}
		return nil
	}})
	if err != nil {
		return nil, absent(err, errRealmNotFound)
	}
	return gen.DeleteRealm204Response{}, nil
}
