package storage_test

import (
	"testing"
	"time"

	"usher/storage"
	"usher/storage/password"
)

func TestTokens(t *testing.T) {
	c := newClock()
	d := open(t, c.options).Directory("d")
	role, err := d.CreateRole(t.Context(), admin, storage.Role{ID: "r1", Name: "user"})
	if err != nil {
		t.Fatal(err)
	}
	bob := mustCreate(t, d, storage.NewUser{ID: "1", Name: "bob", Password: "p", Roles: []string{"user"}})
	ann := mustCreate(t, d, storage.NewUser{ID: "0", Name: "ann", Roles: []string{"user", "x"}})
	ts, err := d.CreateTokens(t.Context(), admin, bob, storage.TokenSpec{Kind: "access", TTL: time.Hour}, storage.TokenSpec{Kind: "refresh", TTL: 2 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	want(t, len(ts), 2)
	want(t, len(ts[0].Secret), 43)
	want(t, events(t, d, 1), []string{"tokens-created admin>bob ok"})
	for _, tt := range []struct {
		target string
		user   *storage.User
	}{{"", nil}, {"0", &ann}, {"1", &bob}, {"9", nil}} {
		l, k, err := d.AuthenticateToken(t.Context(), "access", ts[0].Secret, tt.target)
		if err != nil {
			t.Fatal(err)
		}
		want(t, l, storage.Login{User: bob, Roles: []storage.Role{role}, Target: tt.user})
		want(t, k, storage.Token{Kind: "access", UserID: "1", CreatedAt: c.Time, ExpiresAt: c.Add(time.Hour)})
	}

	kinds := func(access, refresh storage.Kind) {
		t.Helper()
		for i, kind := range []storage.Kind{access, refresh} {
			l, k, err := d.AuthenticateToken(t.Context(), ts[i].Kind, ts[i].Secret, "0")
			want(t, storage.KindOf(err), kind)
			if err != nil {
				want(t, l, storage.Login{})
				want(t, k, storage.Token{})
			}
		}
	}
	none := storage.Internal // what KindOf says of nil
	kinds(none, none)
	for _, secret := range []password.Plain{"", "x", ts[1].Secret} {
		_, _, err := d.AuthenticateToken(t.Context(), "access", secret, "1")
		wantKind(t, err, storage.NotFound)
	}
	c.Time = c.Add(time.Hour - time.Microsecond)
	kinds(none, none)
	c.Time = c.Add(time.Microsecond)
	kinds(storage.Expired, none)
	c.Time = c.Add(time.Hour)
	kinds(storage.Expired, storage.Expired)

	// A day after its end a token may be forgotten, and is with the next one.
	c.Time = c.Add(23*time.Hour + time.Microsecond)
	if _, err := d.CreateTokens(t.Context(), admin, bob, storage.TokenSpec{Kind: "access", TTL: time.Hour}); err != nil {
		t.Fatal(err)
	}
	kinds(storage.NotFound, storage.Expired)
}

// A token ends with the password it was given for, whoever sets another.
func TestTokensEndWithThePassword(t *testing.T) {
	d := open(t).Directory("d")
	u := mustCreate(t, d, storage.NewUser{ID: "1", Name: "bob", Password: "1"})
	steps := map[string]func() (storage.User, error){
		"changed": func() (storage.User, error) {
			return d.ChangePassword(t.Context(), admin, storage.PasswordChange{ID: "1", Old: "1", New: "1"})
		},
		"set": func() (storage.User, error) { return d.SetPassword(t.Context(), admin, "1", "1", password.Policy{}) },
		"updated": func() (storage.User, error) {
			return d.UpdateUser(t.Context(), admin, storage.UserEdit{ID: "1", Password: "1"})
		},
	}
	for name, step := range steps {
		t.Run(name, func(t *testing.T) {
			ts, err := d.CreateTokens(t.Context(), admin, u, storage.TokenSpec{Kind: "k", TTL: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			stale := u
			if u, err = step(); err != nil {
				t.Fatal(err)
			}
			_, _, err = d.AuthenticateToken(t.Context(), "k", ts[0].Secret, "")
			wantKind(t, err, storage.NotFound)
			_, err = d.CreateTokens(t.Context(), admin, stale, storage.TokenSpec{Kind: "k", TTL: time.Hour})
			wantKind(t, err, storage.WrongPassword)
		})
	}
}

// A login that runs into a change of the password leaves no token behind that
// outlives the old one.
func TestLoginRacingAChange(t *testing.T) {
	d := open(t).Directory("d")
	mustCreate(t, d, storage.NewUser{ID: "1", Name: "bob", Password: "0"})
	old := password.Plain("0")
	given, refused := 0, 0
	for i := range 100 {
		p := password.Plain(rune('a' + i%26))
		made := make(chan []storage.Token)
		go func() {
			l, err := d.Authenticate(t.Context(), storage.Actor{}, storage.Credentials{Name: "bob", Password: old})
			if err != nil {
				made <- nil
				return
			}
			ts, err := d.CreateTokens(t.Context(), storage.Actor{}, l.User, storage.TokenSpec{Kind: "k", TTL: time.Hour})
			if err != nil && storage.KindOf(err) != storage.WrongPassword {
				t.Error(err)
			}
			made <- ts
		}()
		time.Sleep(time.Duration(i*10) * time.Microsecond)
		if _, err := d.ChangePassword(t.Context(), admin, storage.PasswordChange{ID: "1", Old: old, New: p}); err != nil {
			t.Fatal(err)
		}
		if ts := <-made; ts == nil {
			refused++
		} else {
			given++
			_, _, err := d.AuthenticateToken(t.Context(), "k", ts[0].Secret, "")
			wantKind(t, err, storage.NotFound)
		}
		old = p
	}
	t.Logf("%d logins before the change, %d after", given, refused)
}

func TestTokenOfAnotherDirectory(t *testing.T) {
	s := open(t)
	u := mustCreate(t, s.Directory("a"), storage.NewUser{Name: "bob", Password: "p"})
	mustCreate(t, s.Directory("b"), storage.NewUser{Name: "bob", Password: "p"})
	ts, err := s.Directory("a").CreateTokens(t.Context(), admin, u, storage.TokenSpec{Kind: "access", TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = s.Directory("b").AuthenticateToken(t.Context(), "access", ts[0].Secret, "")
	wantKind(t, err, storage.NotFound)
}
