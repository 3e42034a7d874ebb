package storage_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"usher/storage"
	"usher/storage/password"
)

func TestEvents(t *testing.T) {
	c := newClock()
	s := open(t, c.options)
	d := s.Directory("d")
	mustCreate(t, d, storage.NewUser{ID: "1", Name: "bob"})
	mustCreate(t, s.Directory("other"), storage.NewUser{ID: "1", Name: "bob"})
	c.Time = c.Add(time.Second)
	mustCreate(t, d, storage.NewUser{ID: "2", Name: "ann"})
	all, err := d.Events(t.Context(), storage.EventQuery{})
	if err != nil {
		t.Fatal(err)
	}
	want(t, all, []storage.Event{
		{ID: 1, Directory: "d", At: c.Add(-time.Second), Kind: storage.UserCreated, ActorID: "a1", ActorName: "admin", TargetID: "1", TargetName: "bob", Source: "192.0.2.1", Request: "r1", Result: "ok"},
		{ID: 3, Directory: "d", At: c.Time, Kind: storage.UserCreated, ActorID: "a1", ActorName: "admin", TargetID: "2", TargetName: "ann", Source: "192.0.2.1", Request: "r1", Result: "ok"},
	})
	for _, tt := range []struct {
		q    storage.EventQuery
		want []storage.Event
	}{
		{storage.EventQuery{After: 1}, all[1:]},
		{storage.EventQuery{After: 3}, nil},
		{storage.EventQuery{Limit: 1}, all[:1]},
		{storage.EventQuery{After: 1, Limit: 1}, all[1:]},
	} {
		got, err := d.Events(t.Context(), tt.q)
		if err != nil {
			t.Fatal(err)
		}
		want(t, got, tt.want)
	}
	_, err = d.Events(t.Context(), storage.EventQuery{Limit: -1})
	wantKind(t, err, storage.Invalid, "limit")
}

// EventKinds has each kind that the source names.
func TestEventKinds(t *testing.T) {
	source, err := os.ReadFile("event.go")
	if err != nil {
		t.Fatal(err)
	}
	var named []storage.EventKind
	for _, m := range regexp.MustCompile(`EventKind += "(.+?)"`).FindAllStringSubmatch(string(source), -1) {
		named = append(named, storage.EventKind(m[1]))
	}
	want(t, storage.EventKinds(), named)
}

// After every verb has had its secrets, neither the files, nor the events, nor
// any error or printed value has one of them.
func TestNoSecretIsKeptOrPrinted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	s := openAt(t, path)
	d := s.Directory("d")
	var secrets []string
	secret := func() password.Plain {
		secrets = append(secrets, fmt.Sprintf("unmistakable-%d-secret", len(secrets)))
		return password.Plain(secrets[len(secrets)-1])
	}
	var printed strings.Builder
	show := func(vs ...any) {
		for _, v := range vs {
			fmt.Fprintf(&printed, "%v %+v %#v %s %q %x\n", v, v, v, v, v, v)
			slog.New(slog.NewTextHandler(&printed, nil)).Info("shown", "v", v)
			if err, ok := v.(error); ok {
				for ; err != nil; err = errors.Unwrap(err) {
					fmt.Fprintln(&printed, err)
				}
			}
		}
	}
	strict := password.Policy{MinLength: 1000}

	first := secret()
	imported := secret()
	hash, err := bcrypt.GenerateFromPassword([]byte(imported), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	n := storage.NewUser{ID: "1", Name: "bob", Email: "bob@example.com", Password: first}
	u, err := d.CreateUser(t.Context(), admin, n)
	show(n, u, err)
	show(d.CreateUser(t.Context(), admin, storage.NewUser{ID: "2", Name: "ann", Hash: string(hash)}))
	show(d.CreateUser(t.Context(), admin, storage.NewUser{ID: "3", Name: "eve", Password: secret(), Policy: strict}))
	show(d.CreateUser(t.Context(), admin, storage.NewUser{ID: "3", Name: "eve", Hash: string(secret())}))
	show(d.CreateUser(t.Context(), admin, storage.NewUser{ID: "1", Name: "eve", Password: secret()}))
	show(d.Seed(t.Context(), admin, storage.Seed{Users: []storage.NewUser{{ID: "4", Name: "root", Password: secret()}}}))
	show(d.InitPassword(t.Context(), admin, "1", secret(), password.Policy{}))
	typed := secret() // a password typed into the name field
	for _, c := range []storage.Credentials{
		{Name: "bob", Password: first},
		{Name: "bob", Password: secret()},
		{Name: "ann", Password: imported},
		{Name: string(typed), Password: typed},
		{Email: string(typed)},
		{Realm: string(typed), Name: "x"},
	} {
		l, err := d.Authenticate(t.Context(), storage.Actor{}, c)
		show(l, err)
		if c.Name != string(typed) && c.Email == "" && c.Realm == "" {
			show(c)
		}
	}
	show(d.ChangePassword(t.Context(), admin, storage.PasswordChange{Name: string(typed), Old: typed, New: secret()}))
	show(d.ChangePassword(t.Context(), admin, storage.PasswordChange{ID: "1", Old: first, New: secret(), Policy: strict}))
	show(d.ChangePassword(t.Context(), admin, storage.PasswordChange{ID: "1", Old: secret(), New: secret()}))
	show(storage.PasswordChange{ID: "1", Old: first, New: secret()})
	show(d.ChangePassword(t.Context(), admin, storage.PasswordChange{ID: "1", Old: first, New: secret()}))
	show(d.SetPassword(t.Context(), admin, "1", secret(), password.Policy{}))
	u, err = d.UpdateUser(t.Context(), admin, storage.UserEdit{ID: "1", Password: secret()})
	show(u, err)
	ts, err := d.CreateTokens(t.Context(), admin, u, storage.TokenSpec{Kind: "k", TTL: time.Hour}, storage.TokenSpec{Kind: "k", TTL: time.Hour})
	show(ts, err)
	for _, k := range ts {
		secrets = append(secrets, string(k.Secret))
		show(d.AuthenticateToken(t.Context(), "k", k.Secret, ""))
	}
	show(d.AuthenticateToken(t.Context(), "k", secret(), ""))

	es, err := d.Events(t.Context(), storage.EventQuery{})
	if err != nil {
		t.Fatal(err)
	}
	show(es)
	for _, hashed := range []string{"$argon2id$v=19$m=", "$2a$04$"} {
		if strings.Contains(printed.String(), hashed) {
			t.Errorf("a hash, %s…, is printed", hashed)
		}
	}
	var files []byte
	read := func() {
		t.Helper()
		for _, name := range []string{path, path + "-wal"} {
			b, err := os.ReadFile(name)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			files = append(files, b...)
		}
	}
	read() // with what the log still has
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	read() // with all of it in the database
	if !bytes.Contains(files, []byte("bob@example.com")) {
		t.Fatal("looked into the wrong files")
	}
	for _, secret := range secrets {
		if bytes.Contains(files, []byte(secret)) {
			t.Errorf("%s is in the files", secret)
		}
		if strings.Contains(printed.String(), secret) {
			t.Errorf("%s is printed", secret)
		}
	}
}
