package fusion

import (
	"context"

	"usher/storage"
	"usher/storage/password"
)

// rule is the vendor's password rule, from the description of password in its
// schema for POST /users: letters and digits both, 8 to 20 characters, and
// whatever else but newlines. It holds wherever a password is set in plain
// text.
var rule = password.Policy{MinLength: 8, MaxLength: 20, MinLetters: 1, MinDigits: 1, NoNewlines: true}

// PasswordRule is what a new password of a user must be like. Errors: the user's
// realm keeps no passwords.
func PasswordRule(_ context.Context, _ *storage.Directory, u storage.User) (password.Policy, error) {
	if u.Realm != native {
		return password.Policy{}, errNotNative(u.Realm)
	}
	return rule, nil
}

// newPassword is what a request wants a user's password to become; nil is what
// it does not have.
type newPassword struct {
	plain, confirmation *password.Plain
	hash                *string
}

// check says whether the password may be set for a user of the realm. Its order
// is the contract's: realm, confirmation, rule. The store asks the rule again,
// but later, and takes an empty password for none.
func (n newPassword) check(realm string) error {
	switch {
	case realm == apiKeyRealm, realm != native && (n.plain != nil || n.hash != nil):
		return errNotNative(realm)
	case n.confirmation != nil && (n.plain == nil || *n.plain != *n.confirmation):
		return errPasswordMismatch
	case n.plain != nil && len(rule.Check(*n.plain)) > 0:
		return errPasswordRule
	}
	return nil
}
