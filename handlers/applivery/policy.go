package applivery

import (
	"context"

	"usher/storage"
	"usher/storage/password"
)

// complexity is the rule for a new password. The vendor asks for "length,
// complexity, and character diversity" without saying more; its pages print the
// lengths, and every password on them has all four kinds of characters. What is
// too short or too long does not get here in a request: the contract refuses it
// first, in words of its own.
var complexity = password.Policy{
	MinLength: 8, MaxLength: 128,
	MinLower: 1, MinUpper: 1, MinDigits: 1, MinSpecial: 1,
}

// PasswordRule is what a new password of a user must be like.
func PasswordRule(context.Context, *storage.Directory, storage.User) (password.Policy, error) {
	return complexity, nil
}
