package password

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

var cheap = Params{Memory: 64, Time: 1, Threads: 1}

func mustHash(t *testing.T, p Plain, params Params) string {
	t.Helper()
	h, err := Hash(p, params)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func mustBcrypt(t *testing.T, p string) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(p), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(h)
}

func TestHashAndVerify(t *testing.T) {
	for _, p := range []Plain{"", "p", "pässword", "a\x00b", "\xff", Plain(strings.Repeat("long", 1000))} {
		for _, params := range []Params{cheap, {Memory: 128, Time: 3, Threads: 4}} {
			h := mustHash(t, p, params)
			if err := Verify(h, p); err != nil {
				t.Errorf("%q, %s: %v", string(p), h, err)
			}
			for _, wrong := range []Plain{p + "x", "x" + p, p + "\x00", Plain(strings.ToUpper(string(p))) + "!"} {
				if err := Verify(h, wrong); !errors.Is(err, ErrMismatch) {
					t.Errorf("%q for %q: %v", string(wrong), string(p), err)
				}
			}
			if h == mustHash(t, p, params) {
				t.Error("two hashes share a salt")
			}
			if err := CheckEncoded(h); err != nil {
				t.Error(err)
			}
			if NeedsRehash(h, params) || !NeedsRehash(h, Params{Memory: 64, Time: 2, Threads: 1}) {
				t.Error("NeedsRehash is wrong about ", h)
			}
		}
	}
	h := mustHash(t, "p", cheap)
	if !strings.HasPrefix(h, "$argon2id$v=19$m=64,t=1,p=1$") || len(h) != len("$argon2id$v=19$m=64,t=1,p=1$")+22+1+43 {
		t.Error(h)
	}
}

// Hashes that others have made, with the password "password".
func TestVerifyKnown(t *testing.T) {
	for name, h := range map[string]string{
		// The reference implementation's test.c: salt "somesalt", 64 MiB, 256 KiB, 64 KiB and two lanes.
		"argon2id":          "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"argon2id, 2 lanes": "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
		"bcrypt 2a":         mustBcrypt(t, "password"),
		"bcrypt 2b":         "$2b" + mustBcrypt(t, "password")[3:],
		"bcrypt 2y":         "$2y" + mustBcrypt(t, "password")[3:],
	} {
		if err := Verify(h, "password"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := Verify(h, "Password"); !errors.Is(err, ErrMismatch) {
			t.Errorf("%s: %v, want a mismatch", name, err)
		}
	}
}

func TestBcryptNeverTruncates(t *testing.T) {
	p := strings.Repeat("x", 72)
	h := mustBcrypt(t, p)
	if err := Verify(h, Plain(p)); err != nil {
		t.Error(err)
	}
	for _, long := range []string{p + "x", p + "y", p + p} {
		if err := Verify(h, Plain(long)); !errors.Is(err, ErrMismatch) {
			t.Errorf("%d bytes: %v, want a mismatch", len(long), err)
		}
	}
	if !NeedsRehash(h, cheap) {
		t.Error("bcrypt may stay")
	}
}

// To bcrypt a password, a NUL and the password again are the password.
func TestBcryptTakesNoNUL(t *testing.T) {
	h := mustBcrypt(t, "secret12")
	for _, other := range []string{"secret12\x00secret12", "secret12\x00"} {
		if err := Verify(h, Plain(other)); !errors.Is(err, ErrMismatch) {
			t.Errorf("%q: %v, want a mismatch", other, err)
		}
	}
}

func TestMalformed(t *testing.T) {
	const salt, key = "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	argon := func(numbers string) string { return "$argon2id$v=19$" + numbers + "$" + salt + "$" + key }
	b := mustBcrypt(t, "p")
	bad := map[string]string{
		"empty":           "",
		"plain":           "password",
		"argon2i":         "$argon2i$v=19$m=64,t=1,p=1$" + salt + "$" + key,
		"argon2d":         "$argon2d$v=19$m=64,t=1,p=1$" + salt + "$" + key,
		"old version":     "$argon2id$v=16$m=64,t=1,p=1$" + salt + "$" + key,
		"no version":      "$argon2id$m=64,t=1,p=1$" + salt + "$" + key,
		"gigabytes":       argon("m=262145,t=1,p=1"),
		"overflow":        argon("m=4294967360,t=1,p=1"),
		"days":            argon("m=64,t=17,p=1"),
		"too many lanes":  argon("m=4096,t=1,p=17"),
		"lanes overflow":  argon("m=64,t=1,p=257"),
		"no memory":       argon("m=0,t=1,p=1"),
		"little memory":   argon("m=15,t=1,p=2"),
		"no time":         argon("m=64,t=0,p=1"),
		"no lanes":        argon("m=64,t=1,p=0"),
		"order":           argon("t=1,m=64,p=1"),
		"more":            argon("m=64,t=1,p=1,keyid=x"),
		"less":            argon("m=64,t=1"),
		"sign":            argon("m=+64,t=1,p=1"),
		"negative":        argon("m=-64,t=1,p=1"),
		"leading zero":    argon("m=064,t=1,p=1"),
		"space":           argon("m=64, t=1,p=1"),
		"hex":             argon("m=0x40,t=1,p=1"),
		"short salt":      "$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAA$" + key,
		"long salt":       "$argon2id$v=19$m=64,t=1,p=1$" + strings.Repeat("A", 88) + "$" + key,
		"short key":       "$argon2id$v=19$m=64,t=1,p=1$" + salt + "$AAAAAAAAAAAAAAAAAAAA",
		"long key":        "$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + strings.Repeat("A", 88),
		"no key":          "$argon2id$v=19$m=64,t=1,p=1$" + salt,
		"padded":          "$argon2id$v=19$m=64,t=1,p=1$" + salt + "==$" + key,
		"loose bits":      "$argon2id$v=19$m=64,t=1,p=1$" + salt[:21] + "B$" + key,
		"url alphabet":    "$argon2id$v=19$m=64,t=1,p=1$" + salt[:21] + "-$" + key,
		"newline":         "$argon2id$v=19$m=64,t=1,p=1$" + salt + "$" + key + "\n",
		"tail":            argon("m=64,t=1,p=1") + "$x",
		"bcrypt 2":        "$2$" + b[4:],
		"bcrypt 2x":       "$2x" + b[3:],
		"bcrypt short":    b[:59],
		"bcrypt long":     b + "x",
		"bcrypt cost 3":   b[:4] + "03" + b[6:],
		"bcrypt cost 16":  b[:4] + "16" + b[6:],
		"bcrypt cost 31":  b[:4] + "31" + b[6:],
		"bcrypt cost +4":  b[:4] + "+4" + b[6:],
		"bcrypt cost x":   b[:4] + "x4" + b[6:],
		"bcrypt no cost":  b[:6] + "." + b[7:],
		"bcrypt alphabet": b[:30] + "+" + b[31:],
		"bcrypt prefix":   "$2b$",
	}
	for name, h := range bad {
		t.Run(name, func(t *testing.T) {
			for _, err := range []error{Verify(h, "p"), CheckEncoded(h)} {
				if !errors.Is(err, ErrMalformed) || errors.Is(err, ErrMismatch) {
					t.Fatalf("got %v, want malformed", err)
				}
				if len(h) > 30 && strings.Contains(err.Error(), h[30:]) {
					t.Errorf("the error repeats the hash: %v", err)
				}
			}
			if !NeedsRehash(h, cheap) {
				t.Error("it may stay")
			}
		})
	}
	// The bounds themselves are allowed, though not tried: they would take seconds.
	for _, h := range []string{argon("m=262144,t=16,p=16"), argon("m=8,t=1,p=1"), b[:4] + "15" + b[6:]} {
		if err := CheckEncoded(h); err != nil {
			t.Error(h, err)
		}
	}
}

func TestParams(t *testing.T) {
	for _, p := range []Params{{}, {Memory: 7, Time: 1, Threads: 1}, {Memory: 1 << 20, Time: 1, Threads: 1}, {Memory: 64, Threads: 1}, {Memory: 64, Time: 1}} {
		if p.Check() == nil {
			t.Errorf("%+v is allowed", p)
		}
		if _, err := Hash("p", p); err == nil {
			t.Errorf("%+v is hashed with", p)
		}
	}
	if err := DefaultParams.Check(); err != nil {
		t.Error(err)
	}
}

func TestDummy(t *testing.T) {
	for _, params := range []Params{cheap, DefaultParams} {
		h := Dummy(params)
		if h != Dummy(params) || NeedsRehash(h, params) || CheckEncoded(h) != nil {
			t.Error(h)
		}
	}
	if err := Verify(Dummy(cheap), "p"); !errors.Is(err, ErrMismatch) {
		t.Error(err)
	}
}

func FuzzVerify(f *testing.F) {
	f.Add("$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$2b$04$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, encoded string) {
		if CheckEncoded(encoded) != nil {
			if err := Verify(encoded, "p"); !errors.Is(err, ErrMalformed) {
				t.Errorf("%q: %v, want malformed", encoded, err)
			}
			return
		}
		if isBcrypt(encoded) {
			return
		}
		a, err := parseArgon(encoded)
		if err != nil {
			t.Fatalf("%q: %v", encoded, err)
		}
		if a.String() != encoded {
			t.Errorf("%q is understood as %q: it has two encodings", encoded, a)
		}
	})
}

func TestCheckStrength(t *testing.T) {
	for p, ok := range map[Params]bool{
		DefaultParams:                          true,
		{Memory: 47104, Time: 1, Threads: 1}:   true,
		{Memory: 47103, Time: 1, Threads: 1}:   false,
		{Memory: 19455, Time: 2, Threads: 1}:   false,
		{Memory: 12288, Time: 3, Threads: 4}:   true,
		{Memory: 12287, Time: 3, Threads: 1}:   false,
		{Memory: 9216, Time: 4, Threads: 1}:    true,
		{Memory: 9215, Time: 4, Threads: 16}:   false,
		{Memory: 7168, Time: 5, Threads: 1}:    true,
		{Memory: 7168, Time: 16, Threads: 1}:   true,
		{Memory: 7167, Time: 16, Threads: 1}:   false,
		{Memory: 1 << 20, Time: 2, Threads: 1}: false, // beyond what Check allows
		{}:                                     false,
	} {
		if err := p.CheckStrength(); (err == nil) != ok {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

func TestBcrypt(t *testing.T) {
	longest := Plain(strings.Repeat("é", 36)) // 72 bytes
	h, err := Bcrypt(longest, DefaultBcryptCost)
	if err != nil || Verify(h, longest) != nil || !errors.Is(Verify(h, longest+"x"), ErrMismatch) {
		t.Errorf("%q, %v", h, err)
	}
	for _, bad := range []struct {
		p    Plain
		cost int
	}{{"p", 9}, {"p", 16}, {longest + "x", 10}, {"p\x00q", 10}} {
		if h, err := Bcrypt(bad.p, bad.cost); err == nil {
			t.Errorf("%q at %d: %s", string(bad.p), bad.cost, h)
		}
	}
}
