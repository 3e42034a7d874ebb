package saymon

import (
	gen "usher/gen/saymon"
	"usher/storage/password"
)

// factoryPolicy is the default policy of a new installation: not empty.
var factoryPolicy = gen.PasswordPolicy{Name: "Default", Length: 1, ID: 1}

// rule is what a policy enforces. Its other members are kept and shown: the
// vendor does not say what they do.
func rule(p gen.PasswordPolicy) password.Policy {
	return password.Policy{
		MinLength:  p.Length,
		MinLower:   p.MinLowercase,
		MinUpper:   p.MinCapital,
		MinDigits:  p.MinDigits,
		MinSpecial: p.MinSpecial,
	}
}
