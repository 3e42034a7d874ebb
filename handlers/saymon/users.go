package saymon

import (
	"context"
	"encoding/json"

	gen "usher/gen/saymon"
	"usher/storage"
)

// ListUsers answers GET /users.
func (s *server) ListUsers(ctx context.Context, _ gen.ListUsersRequestObject) (gen.ListUsersResponseObject, error) {
	users, _, err := s.directory.Users(ctx, storage.UserQuery{})
	if err != nil {
		return nil, err
	}
	full, now := callerOf(ctx).may(manageUsers), s.now()
	var tokens map[string]string
	if full {
		if tokens, err = s.tokens(ctx, ""); err != nil {
			return nil, err
		}
	}
	answer := make(gen.ListUsers200JSONResponse, len(users))
	for i, u := range users {
		if answer[i], err = toWire(u, full, now, tokens); err != nil {
			return nil, err
		}
	}
	return answer, nil
}

// show is a user as the API shows it, see toWire.
func (s *server) show(ctx context.Context, u storage.User, full bool) (gen.User, error) {
	var tokens map[string]string
	if full {
		var err error
		if tokens, err = s.tokens(ctx, u.ID); err != nil {
			return gen.User{}, err
		}
	}
	return toWire(u, full, s.now(), tokens)
}

// tokens are the authentication tokens, masked, of a user or, if id is empty, of
// all, by the users' ids.
func (s *server) tokens(ctx context.Context, id string) (map[string]string, error) {
	tokens, err := s.directory.Tokens(ctx, apiToken, id)
	masked := map[string]string{}
	for _, k := range tokens {
		var d tokenDocument
		if err := json.Unmarshal(k.Document, &d); err != nil {
			return nil, err
		}
		masked[k.UserID] = d.masked()
	}
	return masked, err
}

// CreateUser answers POST /users.
func (s *server) CreateUser(ctx context.Context, r gen.CreateUserRequestObject) (gen.CreateUserResponseObject, error) {
	n, err := newUser(*r.Body)
	if err != nil {
		return nil, err
	}
	who := callerOf(ctx)
	if err := who.require(manageUsers); err != nil {
		return nil, err
	}
	if n.Policy, err = s.defaultRule(ctx); err != nil {
		return nil, err
	}
	u, err := s.directory.CreateUser(ctx, who.Actor, n)
	if err != nil {
		return nil, taken(err, n.Name, n.Email)
	}
	answer, err := s.show(ctx, u, true)
	return gen.CreateUser200JSONResponse(answer), err
}

// GetCurrentUser answers GET /users/current.
func (s *server) GetCurrentUser(ctx context.Context, _ gen.GetCurrentUserRequestObject) (gen.GetCurrentUserResponseObject, error) {
	answer, err := s.show(ctx, callerOf(ctx).user, true)
	return gen.GetCurrentUser200JSONResponse(answer), err
}

// GetUser answers GET /users/{id}.
func (s *server) GetUser(ctx context.Context, _ gen.GetUserRequestObject) (gen.GetUserResponseObject, error) {
	who := callerOf(ctx)
	if who.target == nil {
		return nil, errNotFound
	}
	answer, err := s.show(ctx, *who.target, who.may(manageUsers))
	return gen.GetUser200JSONResponse(answer), err
}

// UpdateUser answers PATCH /users/{id}.
func (s *server) UpdateUser(ctx context.Context, r gen.UpdateUserRequestObject) (gen.UpdateUserResponseObject, error) {
	who := callerOf(ctx)
	if err := who.require(manageUsers); err != nil {
		return nil, err
	}
	var edited storage.User
	u, err := s.directory.UpdateUser(ctx, who.Actor, storage.UserEdit{
		ID: r.ID,
		Edit: func(u *storage.User) error {
			err := edit(u, *r.Body)
			edited = *u
			return err
		},
		Ends: s.ends,
	})
	if err != nil {
		return nil, taken(err, edited.Name, edited.Email)
	}
	answer, err := s.show(ctx, u, true)
	return gen.UpdateUser200JSONResponse(answer), err
}

// ends says what a user who was not active, or is not any more, loses, so that
// activation brings none of it back. But a token that is there though the status was
// another has been made since, for the time after activation.
func (s *server) ends(before, after storage.User) (kinds []string) {
	if s.active(before) && s.active(after) {
		return nil
	}
	if d, err := documentOf(before); err != nil || d.Status == gen.Active { // which may be past activeTo
		kinds = append(kinds, apiToken)
	}
	return append(kinds, sessionToken)
}

// DeleteUser answers DELETE /users/{id}.
func (s *server) DeleteUser(ctx context.Context, r gen.DeleteUserRequestObject) (gen.DeleteUserResponseObject, error) {
	who := callerOf(ctx)
	if err := who.require(manageUsers); err != nil {
		return nil, err
	}
	if _, err := s.directory.DeleteUser(ctx, who.Actor, r.ID); err != nil {
		return nil, err
	}
	return gen.DeleteUser200Response{}, nil
}
