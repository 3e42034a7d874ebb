package saymon

import (
	"context"
	"errors"

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

// defaultRule is what a new password must satisfy now.
func (s *server) defaultRule(ctx context.Context) (password.Policy, error) {
	policies, err := s.directory.Policies(ctx)
	if err != nil {
		return password.Policy{}, err
	}
	for _, p := range policies {
		if p.Default {
			wire, err := toWirePolicy(p)
			return rule(wire), err
		}
	}
	return password.Policy{}, errors.New("saymon: the directory has no default password policy")
}
