package milvus

import (
	"strings"

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
