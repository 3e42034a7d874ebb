package password

import (
	"reflect"
	"strings"
	"testing"
)

func TestScreen(t *testing.T) {
	s := NewScreen()
	if n := len(s.words); n < 93_000 || n > 94_000 {
		t.Errorf("%d words", n)
	}
	for word := range s.words {
		if word != strings.ToLower(word) {
			t.Fatalf("%q would never be found", word)
		}
	}
	common, own := Violation{Rule: Common}, Violation{Rule: OwnName}
	tests := []struct {
		p     Plain
		names []string
		want  []Violation
	}{
		{p: ""},
		{p: "correct-horse-battery-staple"},
		{p: "password", want: []Violation{common}},
		{p: "PassWord", want: []Violation{common}},
		{p: "12345678", want: []Violation{common}},
		{p: "Password1!", want: []Violation{common}},
		{p: "!!Password2024!!", want: []Violation{common}},
		{p: "p@ssw0rd", want: []Violation{common}},
		{p: "P@$$w0rd!", want: []Violation{common}},
		{p: "$unsh1ne9", want: []Violation{common}},  // 1 is i
		{p: "F00tba11!!", want: []Violation{common}}, // 1 is l
		{p: "dragon-4815162342"},                     // most of it is something else
		{p: "dragon-481", want: []Violation{common}},
		{p: "December2024", want: []Violation{common}}, // a word that is no password of the list
		{p: "passwordPASSWORD", want: []Violation{common}},
		{p: "xxxxxxxx", want: []Violation{common}},
		{p: "20212021", want: []Violation{common}},
		{p: "-!-!-!-!", want: []Violation{common}},
		{p: Plain(strings.Repeat("\u043f\u0430", 5000)), want: []Violation{common}},
		{p: "abcdefgh!", want: []Violation{common}},
		{p: "87654321", want: []Violation{common}},
		{p: "ABCDEFGH-1", want: []Violation{common}},
		{p: "abcdedcba"},                // up, then down
		{p: "xkqzvxkqzvxkqzv"},          // a piece of five that is no word
		{p: "correct-horse", want: nil}, // two words
		{p: "aF7#kq92!zLw"},             // what a generator makes
		{p: "0000aF7#kq92!zLw"},
		{p: "dragonfruitsalad"},
		{p: "пароль-密碼"},
		{p: "\xff\xfe", want: []Violation{common}}, // U+FFFD twice

		{p: "bob-the-builder", names: []string{"Bob"}, want: []Violation{own}},
		{p: "qBOBx", names: []string{"bob"}, want: []Violation{own}},
		{p: "qBOx-qx", names: []string{"bo"}},
		{p: "QX", names: []string{"qx"}, want: []Violation{own}},
		{p: "zyabcdefgh", names: []string{"", ""}},
		{p: "", names: []string{""}},
		{p: "john.doe-1Aa", names: []string{"John.Doe@example.com"}, want: []Violation{own}},
		{p: "my john.doe@example.com", names: []string{"John.Doe@example.com"}, want: []Violation{own}},
		{p: "example.com-1A", names: []string{"john.doe@example.com"}},
		{p: "my address is jd@example.com", names: []string{"jd@example.com"}, want: []Violation{own}},
		{p: "JD-1", names: []string{"jd@example.com"}},
		{p: "МойБоб-1", names: []string{"боб"}, want: []Violation{own}},
		{p: "hunter-robert", names: []string{"ann", "Robert"}, want: []Violation{own}},
		{p: "hunter1", names: []string{"hunter"}, want: []Violation{common, own}},
	}
	for _, tt := range tests {
		if got := s.Check(tt.p, tt.names...); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q for %q: got %v, want %v", string(tt.p), tt.names, got, tt.want)
		}
	}
}
