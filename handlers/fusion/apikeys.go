package fusion

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/google/uuid"

	gen "usher/gen/fusion"
	"usher/storage"
	"usher/storage/password"
)

// An API key is a user of a realm of its own, under the key's id as a name: so
// it has roles, and an id that events and permissions know. It has no password,
// and no call about users finds it. The vendor, too, has a realm for API keys.
const (
	apiKeyRealm = "apikey" // of these users, and the type of the realm that lets them in
	apiKeyToken = "api-key"
)

// isAPIKey says whether a user is one of these.
func isAPIKey(u storage.User) bool { return u.Realm == apiKeyRealm }

// apiKeyDocument is what an API key is beside its id and roles.
type apiKeyDocument struct {
	Name string `json:"name"`
}

// apiKeyView is an API key as it is answered, but for the key.
func apiKeyView(u storage.User) (gen.APIKeyPublicView, error) {
	var d apiKeyDocument
	err := json.Unmarshal(u.Document, &d)
	return gen.APIKeyPublicView{Name: d.Name, ID: u.Name, CreatedAt: seconds(u.CreatedAt), Roles: orEmpty(u.Roles)}, err
}

// apiKeysWork says whether there is a realm for API keys that is open: without
// one, says the vendor's page, they do not work. It looks first at the one that
// was open last time, since a list waits for its turn.
func (s *server) apiKeysWork(ctx context.Context) (bool, error) {
	if id := s.keyRealm.Load(); id != nil {
		record, err := s.realms.Get(ctx, *id)
		if err == nil {
			r, err := realmOfRecord(record)
			if err != nil || r.letsKeysIn() {
				return err == nil, err
			}
		} else if storage.KindOf(err) != storage.NotFound {
			return false, err
		}
	}
	realms, err := s.allRealms(ctx)
	if i := slices.IndexFunc(realms, realm.letsKeysIn); i >= 0 {
		s.keyRealm.Store(&realms[i].ID)
		return true, nil
	}
	return false, err
}

// letsKeysIn says whether it is an open realm for API keys.
func (r realm) letsKeysIn() bool { return r.Type == apiKeyRealm && r.Enabled }

// GetAPIKeys lists the API keys.
func (s *server) GetAPIKeys(ctx context.Context, _ gen.GetAPIKeysRequestObject) (gen.GetAPIKeysResponseObject, error) {
	realm := apiKeyRealm
	users, _, err := s.users.Users(ctx, storage.UserQuery{Realm: &realm})
	if err != nil {
		return nil, err
	}
	answer := make([]gen.APIKeyPublicView, len(users))
	for i, u := range users {
		if answer[i], err = apiKeyView(u); err != nil {
			return nil, err
		}
	}
	return gen.GetAPIKeys200JSONResponse{Body: answer}, nil
}

// CreateAPIKey makes an API key, once its id is found free.
func (s *server) CreateAPIKey(ctx context.Context, r gen.CreateAPIKeyRequestObject) (gen.CreateAPIKeyResponseObject, error) {
	doc, err := json.Marshal(apiKeyDocument{Name: r.Body.Name})
	if err != nil {
		return nil, err
	}
	key, err := storage.NewUUID(storage.Token{})
	if err != nil {
		return nil, err
	}
	u, err := s.users.CreateUser(ctx, actor(ctx), storage.NewUser{
		ID: uuid.NewString(), Realm: apiKeyRealm, Name: r.Body.ID, Roles: deref(r.Body.Roles), Document: doc,
		Tokens: []storage.TokenSpec{{
			Kind: apiKeyToken, Secret: func(storage.Token) (password.Plain, error) { return key, nil },
		}},
	})
	if err != nil {
		return nil, taken(err, `API key "`+r.Body.ID+`" already exists`, "")
	}
	v, err := apiKeyView(u)
	v.Key = (*string)(&key)
	return gen.CreateAPIKey201JSONResponse{Body: v}, err
}

// apiKey finds an API key by its id. Errors: errAPIKeyNotFound.
func (s *server) apiKey(ctx context.Context, id string) (storage.User, error) {
	u, err := s.users.UserNamed(ctx, apiKeyRealm, id)
	return u, absent(err, errAPIKeyNotFound)
}

// GetAPIKey answers an API key.
func (s *server) GetAPIKey(ctx context.Context, r gen.GetAPIKeyRequestObject) (gen.GetAPIKeyResponseObject, error) {
	u, err := s.apiKey(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	v, err := apiKeyView(u)
	return gen.GetAPIKey200JSONResponse{Body: v}, err
}

// DeleteAPIKey deletes an API key; its key ends with it.
func (s *server) DeleteAPIKey(ctx context.Context, r gen.DeleteAPIKeyRequestObject) (gen.DeleteAPIKeyResponseObject, error) {
	u, err := s.apiKey(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	if _, err := s.users.DeleteUser(ctx, actor(ctx), u.ID); err != nil {
		return nil, absent(err, errAPIKeyNotFound)
	}
	return gen.DeleteAPIKey200Response{}, nil
}
