package saymon

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	gen "usher/gen/saymon"
	"usher/storage"
	"usher/storage/password"
)

// ListPasswordPolicies answers GET /password-policies.
func (s *server) ListPasswordPolicies(ctx context.Context, _ gen.ListPasswordPoliciesRequestObject) (gen.ListPasswordPoliciesResponseObject, error) {
	policies, err := s.directory.Policies(ctx)
	if err != nil {
		return nil, err
	}
	answer := make(gen.ListPasswordPolicies200JSONResponse, len(policies))
	for i, p := range policies {
		if answer[i], err = toWirePolicy(p); err != nil {
			return nil, err
		}
	}
	return answer, nil
}

// UpdatePasswordPolicy answers PATCH /password-policies/{id}.
func (s *server) UpdatePasswordPolicy(ctx context.Context, r gen.UpdatePasswordPolicyRequestObject) (gen.UpdatePasswordPolicyResponseObject, error) {
	who := callerOf(ctx)
	if err := who.require(manageConfiguration); err != nil {
		return nil, err
	}
	p, err := s.directory.UpdatePolicy(ctx, who.Actor, r.ID, func(p *storage.Policy) error { return editPolicy(p, *r.Body) })
	if err != nil {
		return nil, err
	}
	answer, err := toWirePolicy(p)
	return gen.UpdatePasswordPolicy200JSONResponse(answer), err
}

// CreatePasswordPolicy answers POST /password-policies.
func (s *server) CreatePasswordPolicy(ctx context.Context, r gen.CreatePasswordPolicyRequestObject) (gen.CreatePasswordPolicyResponseObject, error) {
	who := callerOf(ctx)
	if err := who.require(manageConfiguration); err != nil {
		return nil, err
	}
	p := storage.Policy{ID: newID(), Document: json.RawMessage("{}")}
	if err := editPolicy(&p, gen.UpdatePasswordPolicyRequest{
		Name: &r.Body.Name, Length: r.Body.Length, MinLowercase: r.Body.MinLowercase, MinCapital: r.Body.MinCapital,
		MinDigits: r.Body.MinDigits, MinSpecial: r.Body.MinSpecial, ChangePasswordOnFirstLogin: r.Body.ChangePasswordOnFirstLogin,
		PasswordExpiredNotificationPeriod: r.Body.PasswordExpiredNotificationPeriod, PasswordLifetime: r.Body.PasswordLifetime,
		UniquePasswordsNumber: r.Body.UniquePasswordsNumber,
	}); err != nil {
		return nil, err
	}
	p, err := s.directory.CreatePolicy(ctx, who.Actor, p)
	if err != nil {
		return nil, err
	}
	answer, err := toWirePolicy(p)
	return gen.CreatePasswordPolicy200JSONResponse(answer), err
}

// defaultPolicy is the one policy that passwords are held against.
func (s *server) defaultPolicy(ctx context.Context) (gen.PasswordPolicy, error) {
	policies, err := s.directory.Policies(ctx)
	if err != nil {
		return gen.PasswordPolicy{}, err
	}
	for _, p := range policies {
		if p.Default {
			return toWirePolicy(p)
		}
	}
	return gen.PasswordPolicy{}, errors.New("saymon: the directory has no default password policy")
}

// defaultRule is what a new password must satisfy now.
func (s *server) defaultRule(ctx context.Context) (password.Policy, error) {
	p, err := s.defaultPolicy(ctx)
	return rule(p), err
}

// mustChange refuses a user whose password the default policy no longer lets
// stand.
func (s *server) mustChange(ctx context.Context, u storage.User) error {
	p, err := s.defaultPolicy(ctx)
	if err != nil {
		return err
	}
	if p.ChangePasswordOnFirstLogin != nil && *p.ChangePasswordOnFirstLogin && !u.PasswordOwn {
		return errChangePassword
	}
	const day = 24 * time.Hour // a lifetime may be of more days than a Duration has
	if p.PasswordLifetime != nil && *p.PasswordLifetime > 0 && s.now().Sub(u.PasswordSetAt)/day >= time.Duration(*p.PasswordLifetime) {
		return errPasswordExpired
	}
	return nil
}
