package saymon

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// What Node 8.17.0, 10.24.1, 12.22.12, 14.21.3, 16.20.2 and 18.20.8 say to
// JSON.parse of these texts: they all say the same, but for half characters,
// see the end.
func TestUnexpected(t *testing.T) {
	const end = "Unexpected end of JSON input"
	for _, tt := range []struct{ text, want string }{
		{"", end},
		{" ", end},
		{"{} ", ""},
		{" \t\r\n[ 1 , \"a\" ]", ""},
		{"\r\n\t x", "Unexpected token x in JSON at position 4"},
		{"\v1", "Unexpected token \v in JSON at position 0"},
		{"\u00a0{}", "Unexpected token \u00a0 in JSON at position 0"},
		{"\ufeff{}", "Unexpected token \ufeff in JSON at position 0"},
		{"\u2028", "Unexpected token \u2028 in JSON at position 0"},

		{"{", end},
		{"{a}", "Unexpected token a in JSON at position 1"},
		{"{,}", "Unexpected token , in JSON at position 1"},
		{"{1:2}", "Unexpected number in JSON at position 1"},
		{`{"a"}`, "Unexpected token } in JSON at position 4"},
		{`{"a",1}`, "Unexpected token , in JSON at position 4"},
		{`{"a" "b"}`, "Unexpected string in JSON at position 5"},
		{`{"a" 1}`, "Unexpected number in JSON at position 5"},
		{`{"a":}`, "Unexpected token } in JSON at position 5"},
		{`{"a":1,}`, "Unexpected token } in JSON at position 7"},
		{`{"a":1,2}`, "Unexpected number in JSON at position 7"},
		{`{"a":1 "b"}`, "Unexpected string in JSON at position 7"},
		{`{"a":1:2}`, "Unexpected token : in JSON at position 6"},
		{`{"a":t`, end},

		{"[", end},
		{"[1", end},
		{"[,", "Unexpected token , in JSON at position 1"},
		{"[1,]", "Unexpected token ] in JSON at position 3"},
		{"[1,,2]", "Unexpected token , in JSON at position 3"},
		{"[1 2]", "Unexpected number in JSON at position 3"},
		{"[1:2]", "Unexpected token : in JSON at position 2"},

		{"@", "Unexpected token @ in JSON at position 0"},
		{"]", "Unexpected token ] in JSON at position 0"},
		{"'a'", "Unexpected token ' in JSON at position 0"},
		{"/**/1", "Unexpected token / in JSON at position 0"},
		{"{}}", "Unexpected token } in JSON at position 2"},
		{"{}{", "Unexpected token { in JSON at position 2"},
		{`{}"a"`, "Unexpected string in JSON at position 2"},
		{"{}1", "Unexpected number in JSON at position 2"},
		{"1,", "Unexpected token , in JSON at position 1"},

		{`"`, end},
		{`"abc`, end},
		{`"abc"`, ""},
		{`"\u00e9\ud800\/"`, ""},
		{`"\`, end},
		{`"\"`, end},
		{`"\x"`, "Unexpected token x in JSON at position 2"},
		{`"\1"`, "Unexpected number in JSON at position 2"},
		{`"\u`, end},
		{`"\u12"`, "Unexpected string in JSON at position 5"},
		{`"\u12-4"`, "Unexpected number in JSON at position 5"},
		{`"\u12g4"`, "Unexpected token g in JSON at position 5"},
		{"\"\\u\u0661234\"", "Unexpected token \u0661 in JSON at position 3"},
		{"\"a\nb\"", "Unexpected token \n in JSON at position 2"},
		{"\"\x00\"", "Unexpected token \x00 in JSON at position 1"},
		{"\"\x7f\u2028\"", ""},

		{"tru", end},
		{"tr1e", "Unexpected number in JSON at position 2"},
		{"truex", "Unexpected token x in JSON at position 4"},
		{"true x", "Unexpected token x in JSON at position 5"},
		{"True", "Unexpected token T in JSON at position 0"},
		{"falsE", "Unexpected token E in JSON at position 4"},
		{`[fals"`, "Unexpected string in JSON at position 5"},
		{"nul1", "Unexpected number in JSON at position 3"},
		{"[nul,", "Unexpected token , in JSON at position 4"},

		{"-0.5e+10", ""},
		{"-", end},
		{"--1", "Unexpected number in JSON at position 1"},
		{"-a", "Unexpected token a in JSON at position 1"},
		{"-\u00e9", "Unexpected token \u00e9 in JSON at position 1"},
		{"+1", "Unexpected token + in JSON at position 0"},
		{"01", "Unexpected number in JSON at position 1"},
		{"0x1", "Unexpected token x in JSON at position 1"},
		{`0"`, "Unexpected string in JSON at position 1"},
		{".5", "Unexpected token . in JSON at position 0"},
		{"1.", end},
		{"[1.]", "Unexpected token ] in JSON at position 3"},
		{`1."`, "Unexpected string in JSON at position 2"},
		{"1.5.5", "Unexpected token . in JSON at position 3"},
		{"1e", end},
		{"1e+", end},
		{"1e+x", "Unexpected token x in JSON at position 3"},
		{"1e5-", "Unexpected number in JSON at position 3"},

		// Places count as UTF-16 does.
		{"{\"\u00e9\" 1}", "Unexpected number in JSON at position 5"},
		{"{\"\U0001f600\" 1}", "Unexpected number in JSON at position 6"},
		// Node 8 and 10 send the half as this; 12 and later escape it.
		{"\U0001f600", "Unexpected token \ufffd in JSON at position 0"},

		// Not Node's: it would take these.
		{"\"a\xff\"", "Unexpected token \ufffd in JSON at position 2"},
		{"{\"\xc3\" 1}", "Unexpected token \ufffd in JSON at position 2"},
		{strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000), ""},
		{strings.Repeat("[", 10_001), "Unexpected token [ in JSON at position 10000"},
	} {
		if got := unexpected([]byte(tt.text)); got != tt.want {
			t.Errorf("%.40q:\n got %q\nwant %q", tt.text, got, tt.want)
		}
	}
}

func FuzzUnexpected(f *testing.F) {
	for _, seed := range []string{
		``, `{"currentPassword":"qwerty","newPassword":"qwerty_qwerty"}`, `{"a":[1,-2.5e+3,true,false,null,{"b":"\u00e9\"\\"}]}`,
		`{"a" "b"}`, `[1 2]`, `{"a":1,}`, `"\ud83d`, "\"\u00e9\U0001f600\n", "\xff", `01`, `1.`, `-`, `tru`, `nul1`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got := unexpected(text)
		if valid := json.Valid(text) && utf8.Valid(text); valid != (got == "") {
			t.Errorf("%q: valid %v, %q", text, valid, got)
		}
		if !utf8.ValidString(got) || len(got) > 80 {
			t.Errorf("%q: %q", text, got)
		}
	})
}
