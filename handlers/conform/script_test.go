package conform_test

import (
	"strings"
	"testing"

	"usher/handlers/conform"
)

// Own scripts may say what is wrong in a line; what cannot be done is refused
// before anything is sent.
func TestScriptsThatCannotBe(t *testing.T) {
	for text, want := range map[string]string{
		"needs admin\nsend GET /\nneeds more":   "first line",
		"exec rm -rf /":                         `no command "exec"`,
		"send GET":                              "usage: send",
		"send GET / -basic":                     "-basic wants a value",
		"send GET / -frob x":                    "no flag -frob",
		"send GET / -pad much":                  "a number",
		"send GET / one two":                    "usage: send",
		"send POST / body.json":                 `no file "body.json"`,
		"cmp stdout answer.txt":                 `no file "answer.txt"`,
		"cmp stderr x\n-- x --\n":               "usage: cmp",
		"! send GET /":                          "usage: send",
		"!":                                     "! of what",
		"stdout '('":                            "missing closing",
		"stdout 'open":                          "without its end",
		"capture A":                             "usage: capture",
		"capture A b c":                         "usage: capture",
		"capture A -header H '('":               "missing closing",
		"advance soon":                          "invalid duration",
		"undo createUser -when x GET /":         "usage: undo",
		"undo createUser GET / -frob x":         "no flag -frob",
		"undo createUser -frob x GET /":         "no flag -frob",
		"undo createUser -done '(' GET /":       "missing closing",
		"undo createUser -when a=b -done c GET": "usage: undo",
		"undo createUser -made answer GET /":    "usage: undo",
		"undo createUser -made header.id GET /": "usage: undo",
		"defer GET / body.json":                 `no file "body.json"`,
		"# nothing but prose\n":                 "nothing is done",
	} {
		if _, err := conform.Parse("script", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, and not %s", text, err, want)
		}
	}
	if _, err := conform.Parse("script", []byte("# Prose.\n\nneeds admin clock\nadvance 90s\nadvance 30s\nstdout 'it''s' # comment\n")); err != nil {
		t.Error(err)
	}
	for _, missing := range []struct {
		text, want string
		grants     []string
	}{
		{"needs admin clock\nadvance 2m", "", []string{"admin"}},
		{"needs admin pristine clock full\nadvance 2m", "needs pristine, full", []string{"admin"}},
		{"needs admin\nfault broken", "needs a fault below the API, which nothing outside of a server puts in", []string{"admin"}},
	} {
		s, err := conform.Parse("script", []byte(missing.text))
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Missing(missing.grants); got != missing.want {
			t.Errorf("%q: %q, and not %q", missing.text, got, missing.want)
		}
	}
}
