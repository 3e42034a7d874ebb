package milvus

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"usher/storage"
	"usher/storage/password"
)

// Rules names a rule book for the names of users and for new passwords.
type Rules string

// The rule books. Milvus' reference and its server's code disagree.
const (
	Documented Rules = "documented" // the reference of Milvus 2.4, "Update User Password"
	Server     Rules = "server"     // the server with its default settings
)

// rules is a rule book.
type rules struct {
	marks    string // what a name may hold beside letters and digits, but not begin with
	password password.Policy
}

var ruleBooks = map[Rules]rules{
	Documented: {marks: "_", password: password.Policy{MinLength: 8, MaxLength: 64, MinClasses: 3}},
	// proxy.minPasswordLength and proxy.maxPasswordLength.
	Server: {marks: "_.-", password: password.Policy{MinLength: 6, MaxLength: 72, Bytes: true}},
}

// PasswordRule is what a new password of a user must be like.
func (o Options) PasswordRule(context.Context, *storage.Directory, storage.User) (password.Policy, error) {
	return ruleBooks[cmp.Or(o.Rules, Documented)].password, nil
}

// maxNameLength is Milvus' proxy.maxUsernameLength, in bytes.
const maxNameLength = 32

// checkName returns what is wrong with a user's name, the white space around it
// aside; nil if nothing is.
func (r rules) checkName(name string) error {
	name = strings.TrimSpace(name)
	if name == "" {
		return emptyName.because()
	}
	if len(name) > maxNameLength {
		return longName.because(name, len(name), maxNameLength)
	}
	if !isLetter(rune(name[0])) {
		// Milvus prints the first byte as a character of its own.
		return badFirstCharacter.because(name, string(rune(name[0])))
	}
	for _, c := range name {
		if !isLetter(c) && (c < '0' || c > '9') && !strings.ContainsRune(r.marks, c) {
			return badCharacter.because(name, string(c))
		}
	}
	return nil
}

func isLetter(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// maxEntityLength is Milvus' proxy.maxNameLength, in bytes.
const maxEntityLength = 255

// marksOfEntities is Milvus' proxy.nameValidation.allowedChars.
const marksOfEntities = "$"

// checkRoleName returns what is wrong with a role's name.
func checkRoleName(name string) error { return checkNameOf("role name", name) }

// checkNameOrAny is checkNameOf where a name may also stand for all.
func checkNameOrAny(what, name string) error {
	if name == anything {
		return nil
	}
	return checkNameOf(what, name)
}

// checkNameOf returns what is wrong with the name of something that is no user,
// the white space around it aside; nil if nothing is. It looks at bytes, as the
// server does, and prints each as a character of its own.
func checkNameOf(what, name string) error {
	name = strings.TrimSpace(name)
	if name == "" {
		return emptyEntity.because(what)
	}
	if len(name) > maxEntityLength {
		return longEntity.because(what, len(name), maxEntityLength)
	}
	if !isLetter(rune(name[0])) && name[0] != '_' {
		return badEntityStart.because(what, '_', name[0])
	}
	for i := 1; i < len(name); i++ {
		if c := rune(name[i]); !isWord(c) && !strings.ContainsRune(marksOfEntities, c) {
			return badEntityCharacter.because(what, marksOfEntities, c, i)
		}
	}
	return nil
}

// checkDatabaseName returns what is wrong with the name of a database, if one is
// named at all.
func checkDatabaseName(name string) error {
	switch {
	case name == "" || name == anything:
		return nil
	case len(name) > maxEntityLength:
		return badDatabaseName.because(fmt.Sprintf("the length of a database name must be less than %d characters", maxEntityLength), name)
	case !isLetter(rune(name[0])) && name[0] != '_':
		return badDatabaseName.because("the first character of a database name must be an underscore or letter", name)
	}
	for i := 1; i < len(name); i++ {
		if !isWord(rune(name[i])) {
			return badDatabaseName.because("database name can only contain numbers, letters and underscores", name)
		}
	}
	return nil
}

// checkGroupName returns what is wrong with a privilege group's name.
func checkGroupName(name string) error {
	if len(name) > maxEntityLength {
		return longGroupName.because(name, maxEntityLength)
	}
	if !isLetter(rune(name[0])) && name[0] != '_' {
		return badGroupStart.because(name)
	}
	for i := 1; i < len(name); i++ {
		if !isWord(rune(name[i])) {
			return badGroupCharacter.because(name)
		}
	}
	return nil
}

func isWord(c rune) bool { return isLetter(c) || '0' <= c && c <= '9' || c == '_' }
