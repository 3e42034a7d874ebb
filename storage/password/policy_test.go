package password

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestPolicy(t *testing.T) {
	tests := []struct {
		name string
		y    Policy
		p    Plain
		want []Violation
	}{
		{"nothing asked", Policy{}, "", nil},
		{"length", Policy{MinLength: 3}, "abc", nil},
		{"too short", Policy{MinLength: 3}, "ab", []Violation{{MinLength, 3, 2}}},
		{"code points", Policy{MinLength: 3}, "éé", []Violation{{MinLength, 3, 2}}},
		{"bytes", Policy{MinLength: 3, Bytes: true}, "éé", nil},
		{"too long", Policy{MaxLength: 3}, "abcd", []Violation{{MaxLength, 3, 4}}},
		{"code points are not too long", Policy{MaxLength: 3}, "ééé", nil},
		{"bytes are", Policy{MaxLength: 3, Bytes: true}, "éé", []Violation{{MaxLength, 3, 4}}},
		{"lower", Policy{MinLower: 2}, "aBß1", nil},
		{"no lower", Policy{MinLower: 1}, "A1!漢", []Violation{{MinLower, 1, 0}}},
		{"upper", Policy{MinUpper: 2}, "AÉb", nil},
		{"no upper", Policy{MinUpper: 1}, "a1!漢", []Violation{{MinUpper, 1, 0}}},
		{"letters", Policy{MinLetters: 3}, "aB漢1", nil},
		{"few letters", Policy{MinLetters: 3}, "aB1!", []Violation{{MinLetters, 3, 2}}},
		{"digits", Policy{MinDigits: 2}, "1٢", nil},
		{"few digits", Policy{MinDigits: 2}, "1a", []Violation{{MinDigits, 2, 1}}},
		{"special", Policy{MinSpecial: 4}, "_ €\n", nil},
		{"few special", Policy{MinSpecial: 1}, "aA1漢", []Violation{{MinSpecial, 1, 0}}},
		{"classes", Policy{MinClasses: 3}, "aA1", nil},
		{"all classes", Policy{MinClasses: 4}, "aA1!", nil},
		{"few classes", Policy{MinClasses: 3}, "aaaAAA漢", []Violation{{MinClasses, 3, 2}}},
		{"letters without case are of no class", Policy{MinClasses: 1}, "漢", []Violation{{MinClasses, 1, 0}}},
		{"newline", Policy{NoNewlines: true}, "a\nb\r\u2028", []Violation{{NoNewlines, 0, 3}}},
		{"every newline", Policy{NoNewlines: true}, "\n\r\u0085\u2028\u2029", []Violation{{NoNewlines, 0, 5}}},
		{"tab is no newline", Policy{NoNewlines: true}, "a\tb", nil},
		{"newline not asked about", Policy{}, "a\nb", nil},
		{
			"everything, in order",
			Policy{MinLength: 9, MinLower: 1, MinUpper: 1, MinLetters: 2, MinDigits: 1, MinSpecial: 2, MinClasses: 4, NoNewlines: true},
			"\n",
			[]Violation{
				{MinLength, 9, 1},
				{MinLower, 1, 0},
				{MinUpper, 1, 0},
				{MinLetters, 2, 0},
				{MinDigits, 1, 0},
				{MinSpecial, 2, 1},
				{MinClasses, 4, 1},
				{NoNewlines, 0, 1},
			},
		},
		{
			"both lengths",
			Policy{MinLength: 5, MaxLength: 2},
			"abc",
			[]Violation{{MinLength, 5, 3}, {MaxLength, 2, 3}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.y.Check(tt.p); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestRuleNames(t *testing.T) {
	var names []string
	for r := range OwnName + 2 {
		names = append(names, fmt.Sprint(r))
	}
	const want = "min-length max-length min-lower min-upper min-letters min-digits min-special min-classes no-newlines reused common own-name unknown"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
