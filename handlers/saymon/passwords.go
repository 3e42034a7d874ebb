package saymon

import (
	"context"

	gen "usher/gen/saymon"
	"usher/storage"
	"usher/storage/password"
)

// ChangeUserPassword answers PUT /users/{id}/password. Who changes the own
// password proves the current one, whatever the permissions; who changes
// another's may leave it out.
func (s *server) ChangeUserPassword(ctx context.Context, r gen.ChangeUserPasswordRequestObject) (gen.ChangeUserPasswordResponseObject, error) {
	who := callerOf(ctx)
	current, _ := r.Body.CurrentPassword.Get() // null and absent are empty
	if r.ID != who.ID {
		if err := who.require(manageUsers); err != nil {
			return nil, err
		}
	} else if current == "" {
		return nil, missing("currentPassword")
	}
	if err := s.setPassword(ctx, who, r.ID, current, r.Body.NewPassword); err != nil {
		return nil, err
	}
	return gen.ChangeUserPassword200Response{}, nil
}

// setPassword gives a user another password, after checking the current one if
// there is one given.
func (s *server) setPassword(ctx context.Context, by caller, id string, current, wanted password.Plain) error {
	policy, err := s.defaultRule(ctx)
	if err != nil {
		return err
	}
	if current == "" {
		_, err = s.directory.SetPassword(ctx, by.Actor, id, wanted, policy)
	} else {
		_, err = s.directory.ChangePassword(ctx, by.Actor, storage.PasswordChange{ID: id, Old: current, New: wanted, Policy: policy})
	}
	return err
}
