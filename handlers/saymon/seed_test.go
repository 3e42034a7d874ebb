package saymon

import (
	"strings"
	"testing"

	"usher/storage/password"
)

// The hashes of Demo are constants: they have to be those of the passwords
// that are shown, and of today's parameters, or a first login pays twice.
func TestDemoAccounts(t *testing.T) {
	users := Demo().Users
	if len(users) != len(DemoAccounts()) {
		t.Fatalf("%d users, %d accounts shown", len(users), len(DemoAccounts()))
	}
	for i, account := range DemoAccounts() {
		login, secret, _ := strings.Cut(account, " / ")
		if users[i].Name != login {
			t.Errorf("%s is shown in the place of %s", login, users[i].Name)
		}
		if err := password.Verify(users[i].Hash, password.Plain(secret)); err != nil {
			t.Errorf("%s: %v", login, err)
		}
		if password.NeedsRehash(users[i].Hash, password.DefaultParams) {
			t.Errorf("%s: the hash costs something else than password.DefaultParams", login)
		}
	}
}
