package handlers_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// What passwords may hold, and what is the same password: docs/passwords.md.

// jsonString is a JSON string as Node, Go and Python send it: in UTF-8, but for what
// JSON wants escaped.
func jsonString(s string) string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil {
		panic(err) // a string does encode
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// createRaw is dialect.create, with the password as the JSON string that it is
// given.
func (w *world) createRaw(t *testing.T, name, secret string) reply {
	t.Helper()
	r := dialects[w.api].create(t, w, name, "PASSWORD")
	body, err := r.GetBody()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if _, err := text.ReadFrom(body); err != nil {
		t.Fatal(err)
	}
	changed := w.request(t, r.Method, r.URL.Path, strings.Replace(text.String(), `"PASSWORD"`, secret, 1))
	changed.Header = r.Header
	return w.do(t, changed)
}

// The same letters of other code points are another password, and no form of
// writing JSON makes a difference.
func TestPasswordsAreTakenAsGiven(t *testing.T) {
	const (
		composed   = "Pässwörd-1é"                   // NFC
		decomposed = "Pa\u0308sswo\u0308rd-1e\u0301" // NFD: the same to a reader
	)
	tests := map[string]struct {
		given, sent string
		others      []string
	}{
		"composed":           {composed, jsonString(composed), []string{decomposed}},
		"decomposed":         {decomposed, jsonString(decomposed), []string{composed}},
		"combining marks":    {"Zalgo-1a\u0316\u0317\u0318", `"Zalgo-1a\u0316\u0317\u0318"`, []string{"Zalgo-1a\u0317\u0316\u0318", "Zalgo-1a"}},
		"compatibility":      {"Passw0rd-\ufb01²", jsonString("Passw0rd-\ufb01²"), []string{"Passw0rd-fi2", "Passw0rd-fi²"}},
		"full width":         {"Ｐassw0rd-1", jsonString("Ｐassw0rd-1"), []string{"Passw0rd-1"}},
		"emoji":              {"Passw0rd-😀👩‍👩‍👧", jsonString("Passw0rd-😀👩‍👩‍👧"), []string{"Passw0rd-👩‍👩‍👧", "Passw0rd-😀👩👩👧"}},
		"emoji as escapes":   {"Passw0rd-😀", `"Passw0rd-\ud83d\ude00"`, []string{"Passw0rd-?", "Passw0rd-\ufffd", "Passw0rd-\ufffd\ufffd"}},
		"escapes":            {"Passw0rd-é/", `"Passw0rd-\u00E9\/"`, []string{"Passw0rd-e/"}},
		"white space":        {"  Passw0rd 1\t ", `"  Passw0rd 1\t "`, []string{"Passw0rd 1", "  Passw0rd 1\t", "  Passw0rd 1  "}},
		"no-break space":     {"Passw0rd-1\u00a0", `"Passw0rd-1\u00a0"`, []string{"Passw0rd-1", "Passw0rd-1 "}},
		"case":               {"Passw0rd-ß", jsonString("Passw0rd-ß"), []string{"Passw0rd-ẞ", "Passw0rd-ss", "passw0rd-ß"}},
		"byte order mark":    {"\ufeffPassw0rd-1", `"\ufeffPassw0rd-1"`, []string{"Passw0rd-1"}},
		"non-characters":     {"Passw0rd-\uffff\U0010ffff", `"Passw0rd-\uffff\udbff\udfff"`, []string{"Passw0rd-"}},
		"replacement":        {"Passw0rd-\ufffd", `"Passw0rd-\ufffd"`, []string{"Passw0rd-", "Passw0rd-?"}},
		"markup":             {"Passw0rd<&>'1", jsonString("Passw0rd<&>'1"), []string{"Passw0rd&lt;&amp;&gt;'1"}},
		"a colon":            {"Passw0rd:1:", jsonString("Passw0rd:1:"), []string{"Passw0rd", "Passw0rd:1"}},
		"a NUL":              {"Passw0rd-1\x00x", `"Passw0rd-1\u0000x"`, []string{"Passw0rd-1", "Passw0rd-1\x00", "Passw0rd-1x", "Passw0rd-1\x00xPassw0rd-1\x00x"}},
		"control characters": {"Passw0rd-1\x01\x7f", `"Passw0rd-1\u0001\u007f"`, []string{"Passw0rd-1"}},
	}
	eachAPI(t, func(t *testing.T, w *world, _ dialect) {
		t.Helper()
		for what, tt := range tests {
			name := "u" + strings.ToLower(strings.NewReplacer(" ", "", "-", "").Replace(what))
			if made := w.createRaw(t, name, tt.sent); !succeeded(w.api, made) {
				t.Errorf("%s: %s", what, made)
				continue
			}
			if !w.lets(t, name, tt.given) {
				t.Errorf("%s: the password does not let in", what)
			}
			for _, other := range tt.others {
				if w.lets(t, name, other) {
					t.Errorf("%s: %q lets in", what, other)
				}
			}
		}
	})
}

// Half of a surrogate pair is no character: JSON can write one, and what is read
// has U+FFFD in its place, as in Go's encoding/json.
func TestHalfSurrogatesInPasswords(t *testing.T) {
	eachAPI(t, func(t *testing.T, w *world, _ dialect) {
		t.Helper()
		if made := w.createRaw(t, "half", `"Passw0rd-\ud83d1"`); !succeeded(w.api, made) {
			t.Fatal(made)
		}
		if !w.lets(t, "half", "Passw0rd-\ufffd1") {
			t.Error("U+FFFD does not let in")
		}
	})
}

// A password whose bytes are not UTF-8 is no password in a body; in Basic it is
// one that nobody has.
func TestPasswordsThatAreNotUTF8(t *testing.T) {
	eachAPI(t, func(t *testing.T, w *world, _ dialect) {
		t.Helper()
		for _, bad := range []string{"\xff", "\xc3", "\xed\xa0\x80", "\xc0\xaf", "\xf8\x88\x80\x80\x80"} {
			if got := w.createRaw(t, "alice", `"Passw0rd-1`+bad+`"`); succeeded(w.api, got) || got.status >= 500 {
				t.Errorf("%q: %s", bad, got)
			}
		}
		if made := w.createRaw(t, "alice", jsonString("Passwörd-1")); !succeeded(w.api, made) {
			t.Fatal(made)
		}
		if w.api == "applivery" { // which takes passwords in bodies only
			return
		}
		latin1 := base64.StdEncoding.EncodeToString([]byte("alice:Passw\xf6rd-1"))
		paths := map[string][2]string{
			"fusion": {"GET", "/api/session"}, "saymon": {"GET", "/node/api/users/current"}, "milvus": {"POST", "/v2/vectordb/users/list"},
		}
		got := w.do(t, w.authorized(t, paths[w.api][0], paths[w.api][1], "Basic "+latin1, ""))
		if got.status != http.StatusUnauthorized {
			t.Errorf("in Latin-1: %s", got)
		}
	})
}

// Lengths count code points, wherever they are not said to count bytes.
func TestLengthsCountCodePoints(t *testing.T) {
	limits := map[string]struct{ least, most int }{
		"fusion": {8, 20}, "applivery": {8, 128}, "milvus": {8, 64},
	}
	eachAPI(t, func(t *testing.T, w *world, _ dialect) {
		t.Helper()
		limit, ok := limits[w.api]
		if !ok { // SAYMON has a policy instead, see password-policy-counts-characters.txtar
			limit.least, limit.most = 1, 4096
		}
		const kinds = "aA1-" // what the rules ask for besides
		length := func(n int, filler string) string {
			if n < len(kinds) {
				return kinds[:n]
			}
			return kinds + strings.Repeat(filler, n-len(kinds))
		}
		for i, filler := range []string{"x", "é", "密", "😀", "\u0301"} {
			for j, tt := range []struct {
				n  int
				ok bool
			}{{limit.least, true}, {limit.most, true}, {limit.least - 1, false}, {limit.most + 1, !ok}} {
				secret := length(tt.n, filler)
				name := fmt.Sprint("user", i, "x", j)
				got := w.createRaw(t, name, jsonString(secret))
				if succeeded(w.api, got) != tt.ok {
					t.Errorf("%d of %q: %s", tt.n, filler, got)
				}
				if tt.ok && !w.lets(t, name, secret) {
					t.Errorf("%d of %q do not let in", tt.n, filler)
				}
			}
		}
	})
}

// By the rules of Milvus' server lengths count bytes.
func TestLengthsCountBytesByMilvusServerRules(t *testing.T) {
	w := serveAPI(t, "milvus", "admin", "server")
	for i, tt := range []struct {
		secret string
		ok     bool
	}{
		{"éé", false},
		{"ééx", false},
		{"ééé", true},
		{"密密", true},
		{"😀x", false},
		{"😀😀", true},
		{strings.Repeat("é", 36), true},
		{strings.Repeat("é", 36) + "x", false},
		{strings.Repeat("😀", 18), true},
		{strings.Repeat("密", 24) + "x", false},
	} {
		name := fmt.Sprint("user", i)
		got := w.createRaw(t, name, jsonString(tt.secret))
		if succeeded(w.api, got) != tt.ok {
			t.Errorf("%q, of %d bytes: %s", tt.secret, len(tt.secret), got)
		}
		if length := fmt.Sprintf("[%d out of range", len(tt.secret)); !tt.ok && !strings.Contains(got.body, length) {
			t.Errorf("%q: %s does not say %s", tt.secret, got, length)
		}
		if tt.ok && !w.lets(t, name, tt.secret) {
			t.Errorf("%q does not let in", tt.secret)
		}
	}
}

// bcrypt reads 72 bytes of a password. What is hashed here is read whole, and of
// a hash of bcrypt's that came from elsewhere a longer password is not the one.
func TestNothingIsCutOffAt72Bytes(t *testing.T) {
	eachAPI(t, func(t *testing.T, w *world, _ dialect) {
		t.Helper()
		start := "aA1"
		if w.api == "fusion" { // which takes 20 characters and asks for no capital
			start = "a1"
		}
		start += strings.Repeat("😀", 17)
		long, other := start+"😀", start+"😁" // what differs is the last byte, beyond the 72nd
		if made := w.createRaw(t, "alice", jsonString(long)); !succeeded(w.api, made) {
			t.Fatal(made)
		}
		if !w.lets(t, "alice", long) || w.lets(t, "alice", other) || w.lets(t, "alice", long[:72]) {
			t.Error("what differs beyond 72 bytes is the same")
		}

		imported := strings.Repeat("aA1-", 18) // 72 bytes
		hash, err := bcrypt.GenerateFromPassword([]byte(imported), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		_, err = openFile(t, w.dir).ExecContext(t.Context(),
			`UPDATE "user" SET password_hash = $1, password_version = 1 WHERE name IN ('alice', 'alice@example.com')`, string(hash))
		if err != nil {
			t.Fatal(err)
		}
		if w.lets(t, "alice", imported+"x") {
			t.Error("a hash of bcrypt's takes more than it was made of")
		}
		if !w.lets(t, "alice", imported) || w.lets(t, "alice", imported+"x") {
			t.Error("a hash of bcrypt's does not take what it was made of, and nothing else")
		}
	})
}
