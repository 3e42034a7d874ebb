package password

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// request is as a generated one: the fields are exported.
type request struct {
	Name     string
	Password Plain
	More     *Plain
	List     []Plain
	Map      map[Plain]Plain
}

func TestPlainNeverPrints(t *testing.T) {
	const secret = "hunter2hunter2"
	p := Plain(secret)
	r := request{"bob", p, &p, []Plain{p}, map[Plain]Plain{p: p}}
	var out bytes.Buffer
	// Not %p and %w: see Plain.
	for _, verb := range []string{"v", "+v", "#v", "s", "q", "+q", "#q", "x", "X", "# x", "d", "t", "T", "5.3s", "c", "U", "e", "z"} {
		for _, v := range []any{p, r, &r, []Plain{p}, any(p), struct{ P any }{p}, fmt.Errorf("%w: %v", ErrMismatch, p)} {
			fmt.Fprintf(&out, "%"+verb+"\n", v)
		}
	}
	fmt.Fprint(&out, p, r)
	fmt.Fprintln(&out, p.String(), p.GoString())
	text, js := slog.New(slog.NewTextHandler(&out, nil)), slog.New(slog.NewJSONHandler(&out, nil))
	for _, l := range []*slog.Logger{text, js} {
		l.Info("m", "password", p, slog.Group("g", "password", p))
		l.With("password", p).Info("m")
	}
	text.Info("m", "request", r)
	for _, s := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), fmt.Sprintf("%d", []byte(secret))} {
		if strings.Contains(out.String(), s) {
			t.Errorf("%q is in\n%s", s, &out)
		}
	}
	if !strings.Contains(out.String(), mask) {
		t.Error("nothing was printed")
	}
}

func TestPlainMarshals(t *testing.T) {
	b, err := json.Marshal(request{Name: "bob", Password: `a"b`})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(b), `{"Name":"bob","Password":"a\"b","More":null,"List":null,"Map":null}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var r request
	if err := json.Unmarshal([]byte(`{"Password":"héé"}`), &r); err != nil || r.Password != "héé" {
		t.Error(string(r.Password), err)
	}
}
