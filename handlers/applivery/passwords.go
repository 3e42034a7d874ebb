package applivery

import (
	"context"

	gen "usher/gen/applivery"
	"usher/storage"
)

// ChangeUserPassword replaces a password by somebody who knows it, be it an
// admin. The store looks at the old one before the rule for the new one, and
// ends the user's tokens.
func (s *server) ChangeUserPassword(ctx context.Context, r gen.ChangeUserPasswordRequestObject) (gen.ChangeUserPasswordResponseObject, error) {
	c := callerFrom(ctx)
	u, err := c.target(gen.RoleAdmin)
	if err != nil {
		return nil, err
	}
	_, err = s.users.ChangePassword(ctx, c.Actor, storage.PasswordChange{
		ID: u.ID, Old: r.Body.OldPassword, New: r.Body.NewPassword, Policy: complexity,
	})
	if err != nil {
		return nil, err
	}
	return gen.ChangeUserPassword200JSONResponse{Status: true, Data: gen.ChangePasswordData{PasswordChanged: "OK"}}, nil
}

// UpdateOwnPassword replaces the caller's password.
func (s *server) UpdateOwnPassword(ctx context.Context, r gen.UpdateOwnPasswordRequestObject) (gen.UpdateOwnPasswordResponseObject, error) {
	c := callerFrom(ctx)
	_, err := s.users.ChangePassword(ctx, c.Actor, storage.PasswordChange{
		ID: c.self.ID, Old: r.Body.Password, New: r.Body.NewPassword, Policy: complexity,
	})
	if storage.KindOf(err) == storage.WrongPassword {
		return nil, errInvalidCredentials
	}
	if err != nil {
		return nil, err
	}
	return gen.UpdateOwnPassword200JSONResponse{Status: true, Data: gen.DoneData{Done: true, Message: "Password updated"}}, nil
}
