package milvus

import (
	"context"

	gen "usher/gen/milvus"
	"usher/storage"
)

// UpdatePassword is POST /users/update_password. The new password's rule comes
// before the old password, and a user that there is not has a wrong one.
func (s *server) UpdatePassword(ctx context.Context, r gen.UpdatePasswordRequestObject) (gen.UpdatePasswordResponseObject, error) {
	by, name := callerFrom(ctx), r.Body.UserName
	if err := s.needsFor(ctx, by, name, updateUser); err != nil {
		return nil, err
	}
	if err := s.rules.checkName(name); err != nil {
		return nil, err
	}
	_, err := s.users.ChangePassword(ctx, by.Actor, storage.PasswordChange{
		Name: name, Old: r.Body.Password, New: r.Body.NewPassword,
		Policy: s.rules.password, PolicyFirst: true,
	})
	if err != nil {
		return nil, &userError{name, err}
	}
	return gen.UpdatePassword200JSONResponse{Body: done()}, nil
}
