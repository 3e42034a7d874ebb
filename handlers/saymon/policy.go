package saymon

import (
	"cmp"
	"context"

	gen "usher/gen/saymon"
	"usher/storage"
	"usher/storage/password"
)

// factoryPolicy is the default policy of a new installation: not empty.
var factoryPolicy = gen.PasswordPolicy{Name: "Default", Length: 1, ID: 1}

// maxUnique is how many passwords in a row are held against each other at most:
// each costs a hash.
const maxUnique = 24

// rule is what a policy asks of a new password; mustChange is what it asks of
// one that is in use.
func rule(p gen.PasswordPolicy) password.Policy {
	return password.Policy{
		MinLength:  p.Length,
		MinLower:   p.MinLowercase,
		MinUpper:   p.MinCapital,
		MinDigits:  p.MinDigits,
		MinSpecial: p.MinSpecial,
		Unique:     min(*cmp.Or(p.UniquePasswordsNumber, new(0)), maxUnique),
	}
}

// PasswordRule is what a new password of a user must be like now.
func PasswordRule(ctx context.Context, directory *storage.Directory, _ storage.User) (password.Policy, error) {
	return (&server{directory: directory}).defaultRule(ctx)
}
