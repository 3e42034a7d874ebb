package saymon

import "testing"

func TestMasked(t *testing.T) {
	for login, want := range map[string]string{
		"example.user": "exampl******", // the vendor's sample
		"Bob":          "Bo*",
		"admin":        "adm**",
		"ab":           "a*",
		"a":            "*",
		"привет":       "при***",
		"😀😀😀":          "😀😀*",
	} {
		if got := masked(login); got != want {
			t.Errorf("%s: got %s, want %s", login, got, want)
		}
	}
}
