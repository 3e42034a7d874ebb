package storage_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"usher/storage"
	"usher/storage/password"
)

func TestTokens(t *testing.T) {
	c := newClock()
	d := open(t, c.options).Directory("d")
	role, err := d.Records(storage.Role).Create(t.Context(), admin, storage.Record{ID: "r1", Name: "user"}, nil)
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
	want(t, events(t, d, 2), []string{"access-created admin>bob ok", "refresh-created admin>bob ok"})
	for _, tt := range []struct {
		target string
		user   *storage.User
	}{{"", nil}, {"0", &ann}, {"1", &bob}, {"9", nil}} {
		l, k, err := d.AuthenticateToken(t.Context(), "access", ts[0].Secret, tt.target)
		if err != nil {
			t.Fatal(err)
		}
		want(t, l, storage.Login{User: bob, Roles: []storage.Record{role}, Target: tt.user})
		want(t, k, storage.Token{Kind: "access", UserID: "1", CreatedAt: c.Time, ExpiresAt: c.Add(time.Hour), Document: raw("{}")})
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

// made makes one token.
func made(t *testing.T, d *storage.Directory, u storage.User, spec storage.TokenSpec) storage.Token {
	t.Helper()
	ts, err := d.CreateTokens(t.Context(), admin, u, spec)
	if err != nil {
		t.Fatal(err)
	}
	return ts[0]
}

// wantToken fails the test unless the token is good, or of no kind at all:
// Internal stands for good.
func wantToken(t *testing.T, d *storage.Directory, k storage.Token, kind storage.Kind) {
	t.Helper()
	_, _, err := d.AuthenticateToken(t.Context(), k.Kind, k.Secret, "")
	if kind == storage.Internal && err == nil {
		return
	}
	wantKind(t, err, kind)
}

const good = storage.Internal

func TestIdleTokens(t *testing.T) {
	c := newClock()
	d := open(t, c.options).Directory("d")
	u := mustCreate(t, d, storage.NewUser{Name: "bob"})
	k := made(t, d, u, storage.TokenSpec{Kind: "session", TTL: 30 * time.Minute, Idle: true})
	want(t, k.ExpiresAt, c.Add(30*time.Minute))
	for range 5 {
		c.Time = c.Add(29 * time.Minute)
		wantToken(t, d, k, good)
	}
	// What was used less than a minute after it was renewed is not renewed.
	_, now, err := d.AuthenticateToken(t.Context(), "session", k.Secret, "")
	if err != nil {
		t.Fatal(err)
	}
	want(t, now.ExpiresAt, c.Add(30*time.Minute))
	c.Time = c.Add(time.Minute)
	_, still, err := d.AuthenticateToken(t.Context(), "session", k.Secret, "")
	if err != nil {
		t.Fatal(err)
	}
	want(t, still.ExpiresAt, now.ExpiresAt)
	c.Time = c.Add(29 * time.Minute)
	wantToken(t, d, k, storage.Expired)
	wantToken(t, d, k, storage.Expired) // asking is no use
}

// What does not live for ten minutes is renewed in steps of a tenth of that.
func TestIdleTokensThatAreShort(t *testing.T) {
	c := newClock()
	d := open(t, c.options).Directory("d")
	u := mustCreate(t, d, storage.NewUser{Name: "bob"})
	k := made(t, d, u, storage.TokenSpec{Kind: "session", TTL: time.Minute, Idle: true})
	for range 5 {
		c.Time = c.Add(53 * time.Second)
		wantToken(t, d, k, good)
		c.Time = c.Add(7 * time.Second)
		wantToken(t, d, k, good)
	}
	c.Time = c.Add(time.Minute)
	wantToken(t, d, k, storage.Expired)
}

// A token without an end lasts until its user's password is another, or the user is
// no more.
func TestTokensThatLast(t *testing.T) {
	c := newClock()
	s := open(t, c.options)
	d := s.Directory("d")
	u := mustCreate(t, d, storage.NewUser{Name: "bob", Password: "p"})
	ann := mustCreate(t, d, storage.NewUser{ID: "2", Name: "ann"})
	lasting := made(t, d, ann, storage.TokenSpec{Kind: "key", ID: "k1", Document: raw(`{"a":1}`)})
	want(t, lasting.ExpiresAt, time.Time{})
	ending := made(t, d, u, storage.TokenSpec{Kind: "key", ID: "k2"})
	c.Time = c.AddDate(10, 0, 0)
	wantToken(t, d, lasting, good)
	wantToken(t, d, ending, good)
	s.Exec(t, `UPDATE token SET lasting = 1`) // as an older version may have said
	if _, err := d.SetPassword(t.Context(), admin, "bob", "q", password.Policy{}); err != nil {
		t.Fatal(err)
	}
	wantToken(t, d, lasting, good)
	wantToken(t, d, ending, storage.NotFound)

	lasting.Secret = ""
	got, err := d.Token(t.Context(), "key", "k1")
	if err != nil {
		t.Fatal(err)
	}
	want(t, got, lasting)
	for _, id := range []string{"k2", ""} {
		_, err = d.Token(t.Context(), "key", id)
		wantKind(t, err, storage.NotFound)
	}
	if _, err := d.DeleteUser(t.Context(), admin, "2"); err != nil {
		t.Fatal(err)
	}
	_, err = d.Token(t.Context(), "key", "k1")
	wantKind(t, err, storage.NotFound)
}

// A change of one's own password spares the token that it is made with, and those
// that belong to it: no other of the user's, and nobody else's.
func TestTokenOfAChangeGoesOn(t *testing.T) {
	changes := map[string]func(*storage.Directory, storage.Actor, string) error{
		"ChangePassword": func(d *storage.Directory, by storage.Actor, id string) error {
			_, err := d.ChangePassword(t.Context(), by, storage.PasswordChange{ID: id, Old: "p", New: "q"})
			return err
		},
		"SetPassword": func(d *storage.Directory, by storage.Actor, id string) error {
			_, err := d.SetPassword(t.Context(), by, id, "q", password.Policy{})
			return err
		},
		"UpdateUser": func(d *storage.Directory, by storage.Actor, id string) error {
			_, err := d.UpdateUser(t.Context(), by, storage.UserEdit{ID: id, Password: "q"})
			return err
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			d := open(t, newClock().options).Directory("d")
			bob, ann := mustCreate(t, d, storage.NewUser{Name: "bob", Password: "p"}), mustCreate(t, d, storage.NewUser{Name: "ann", Password: "p"})
			access := made(t, d, bob, storage.TokenSpec{Kind: "access", ID: "first"})
			refresh := made(t, d, bob, storage.TokenSpec{Kind: "refresh", ID: "first"})
			others := []storage.Token{
				made(t, d, bob, storage.TokenSpec{Kind: "access"}), made(t, d, bob, storage.TokenSpec{Kind: "access"}),
				made(t, d, bob, storage.TokenSpec{Kind: "refresh", ID: "second"}),
			}
			anns := []storage.Token{made(t, d, ann, storage.TokenSpec{Kind: "session"}), made(t, d, ann, storage.TokenSpec{Kind: "other", ID: "first"})}
			by := storage.Actor{ID: bob.ID, Name: bob.Name, Token: storage.Secret{Kind: "access", Value: access.Secret}}
			if err := change(d, by, bob.ID); err != nil {
				t.Fatal(err)
			}
			for _, k := range append(anns, access, refresh) {
				wantToken(t, d, k, good)
			}
			for _, k := range others {
				wantToken(t, d, k, storage.NotFound)
			}
			// What belongs to nothing takes nothing along.
			alone := made(t, d, mustUser(t, d, "ann"), storage.TokenSpec{Kind: "session"})
			by.ID, by.Token.Value = ann.ID, alone.Secret
			if err := change(d, by, ann.ID); err != nil {
				t.Fatal(err)
			}
			wantToken(t, d, alone, good)
			for _, k := range anns {
				wantToken(t, d, k, storage.NotFound)
			}
			// An administrator's own token is none of the user's.
			by.Token.Value = access.Secret
			session := made(t, d, mustUser(t, d, "ann"), storage.TokenSpec{Kind: "session"})
			if _, err := d.SetPassword(t.Context(), by, ann.ID, "r", password.Policy{}); err != nil {
				t.Fatal(err)
			}
			for _, k := range []storage.Token{alone, session} {
				wantToken(t, d, k, storage.NotFound)
			}
		})
	}
}

func TestKeepTokens(t *testing.T) {
	c := newClock()
	d := open(t, c.options, func(o *storage.Options) { o.KeepTokens = true }).Directory("d")
	u := mustCreate(t, d, storage.NewUser{Name: "bob", Password: "p"})
	k := made(t, d, u, storage.TokenSpec{Kind: "session"})
	if _, err := d.SetPassword(t.Context(), admin, "bob", "q", password.Policy{}); err != nil {
		t.Fatal(err)
	}
	wantToken(t, d, k, good)
	if _, err := d.DeleteUser(t.Context(), admin, "bob"); err != nil {
		t.Fatal(err)
	}
	wantToken(t, d, k, storage.NotFound)
}

// An edit may end tokens, of the kinds that it names.
func TestEditsThatEndTokens(t *testing.T) {
	d := open(t, newClock().options).Directory("d")
	u := mustCreate(t, d, storage.NewUser{Name: "bob", Password: "p"})
	session := made(t, d, u, storage.TokenSpec{Kind: "session"})
	key := made(t, d, u, storage.TokenSpec{Kind: "key"})
	edit := func(name string, refuse error, kinds ...string) error {
		_, err := d.UpdateUser(t.Context(), admin, storage.UserEdit{
			ID: u.ID, Edit: func(u *storage.User) error { u.Name = name; return nil },
			Check: func(storage.View, storage.User) error { return refuse },
			Ends: func(before, after storage.User) []string {
				if before.Name == after.Name {
					t.Errorf("%s is as before", after.Name)
				}
				return kinds
			},
		})
		return err
	}
	if err := edit("rob", nil); err != nil {
		t.Fatal(err)
	}
	no := errors.New("no")
	if err := edit("bert", no, "session"); !errors.Is(err, no) {
		t.Fatal(err)
	}
	wantToken(t, d, session, good)
	if err := edit("robert", nil, "session", "none"); err != nil {
		t.Fatal(err)
	}
	want(t, events(t, d, 2), []string{"user-updated admin>robert ok", "session-ended admin>robert ok"})
	wantToken(t, d, session, storage.NotFound)
	wantToken(t, d, key, good)
	if err := edit("bob", nil, "key"); err != nil {
		t.Fatal(err)
	}
	wantToken(t, d, key, storage.NotFound)
}

// A user and the tokens it is made with are there, or neither.
func TestUserWithTokens(t *testing.T) {
	d := open(t, newClock().options).Directory("d")
	key := func(secret password.Plain, err error) storage.NewUser {
		return storage.NewUser{ID: "key", Name: "key", Tokens: []storage.TokenSpec{{
			Kind: "api", Secret: func(storage.Token) (password.Plain, error) { return secret, err },
		}}}
	}
	if _, err := d.CreateUser(t.Context(), admin, key("", errRefused)); !errors.Is(err, errRefused) {
		t.Fatal(err)
	}
	_, err := d.User(t.Context(), "key")
	wantKind(t, err, storage.NotFound, "")
	if _, err := d.CreateUser(t.Context(), admin, key("s3cret", nil)); err != nil {
		t.Fatal(err)
	}
	login, _, err := d.AuthenticateToken(t.Context(), "api", "s3cret", "")
	if err != nil || login.User.ID != "key" {
		t.Fatal(login.User.ID, err)
	}
	want(t, events(t, d, 2), []string{"user-created admin>key ok", "api-created admin>key ok"})
}

func TestTokenSpecs(t *testing.T) {
	c := newClock()
	d := open(t, c.options).Directory("d")
	u := mustCreate(t, d, storage.NewUser{Name: "bob"})
	own := made(t, d, u, storage.TokenSpec{Kind: "jwt", ID: "1", TTL: time.Hour, Secret: func(k storage.Token) (password.Plain, error) {
		want(t, k.ExpiresAt, c.Add(time.Hour))
		return password.Plain("of " + k.UserID), nil
	}})
	want(t, own.Secret, password.Plain("of bob"))
	wantToken(t, d, own, good)
	_, err := d.CreateTokens(t.Context(), admin, u, storage.TokenSpec{Kind: "jwt", Secret: func(storage.Token) (password.Plain, error) { return "", errRefused }})
	if !errors.Is(err, errRefused) {
		t.Fatal(err)
	}
	_, err = d.CreateTokens(t.Context(), admin, u, storage.TokenSpec{Kind: "jwt", ID: "2"}, storage.TokenSpec{Kind: "jwt", ID: "1"})
	wantKind(t, err, storage.Exists, "id")
	_, err = d.CreateTokens(t.Context(), admin, u, storage.TokenSpec{Kind: "jwt", Document: raw("1")})
	wantKind(t, err, storage.Invalid, "document")
	made(t, d, u, storage.TokenSpec{Kind: "other", ID: "1"})
	ann := mustCreate(t, d, storage.NewUser{Name: "ann"})
	hers := made(t, d, ann, storage.TokenSpec{Kind: "jwt", TTL: time.Minute, Sole: true})
	want(t, events(t, d, 2), []string{"user-created admin>ann ok", "jwt-created admin>ann ok"}) // there was none to end

	sole := made(t, d, u, storage.TokenSpec{Kind: "jwt", ID: "1", Sole: true})
	want(t, events(t, d, 2), []string{"jwt-ended admin>bob ok", "jwt-created admin>bob ok"})
	wantToken(t, d, own, storage.NotFound)
	wantToken(t, d, hers, good)
	sole.Secret, hers.Secret = "", ""
	ids := func(userID string, wanted ...storage.Token) {
		t.Helper()
		ts, err := d.Tokens(t.Context(), "jwt", userID)
		if err != nil {
			t.Fatal(err)
		}
		want(t, ts, wanted)
	}
	ids("bob", sole)
	ids("", hers, sole)
	c.Time = c.Add(time.Minute)
	ids("", sole)
	ids("nobody", []storage.Token(nil)...)
}

func TestEndTokens(t *testing.T) {
	d := open(t).Directory("d")
	u := mustCreate(t, d, storage.NewUser{Name: "bob"})
	a := made(t, d, u, storage.TokenSpec{Kind: "k", ID: "a"})
	b := made(t, d, u, storage.TokenSpec{Kind: "k"})
	c := made(t, d, u, storage.TokenSpec{Kind: "k"})
	e := made(t, d, u, storage.TokenSpec{Kind: "other", ID: "a"})

	ended, err := d.EndToken(t.Context(), admin, "k", "a")
	if err != nil {
		t.Fatal(err)
	}
	want(t, ended.UserID, "bob")
	want(t, events(t, d, 1), []string{"k-ended admin>bob ok"})
	_, err = d.EndToken(t.Context(), admin, "k", "a")
	wantKind(t, err, storage.NotFound)
	_, err = d.EndToken(t.Context(), admin, "k", "") // those without an id are not ended by one
	wantKind(t, err, storage.NotFound)

	if err := d.EndSecret(t.Context(), admin, storage.Secret{Kind: "k", Value: b.Secret}); err != nil {
		t.Fatal(err)
	}
	wantKind(t, d.EndSecret(t.Context(), admin, storage.Secret{Kind: "k", Value: b.Secret}), storage.NotFound)
	wantKind(t, d.EndSecret(t.Context(), admin, storage.Secret{Kind: "other", Value: c.Secret}), storage.NotFound)
	wantToken(t, d, a, storage.NotFound)
	wantToken(t, d, b, storage.NotFound)
	wantToken(t, d, c, good)

	for _, n := range []int{1, 0} {
		got, err := d.EndTokens(t.Context(), admin, "k", "bob")
		if err != nil {
			t.Fatal(err)
		}
		want(t, got, n)
	}
	wantToken(t, d, c, storage.NotFound)
	wantToken(t, d, e, good)
}

// pair is what a login might make.
var pair = []storage.TokenSpec{{Kind: "access", TTL: time.Hour}, {Kind: "refresh", TTL: 3 * time.Hour}}

// exchange exchanges a refresh token, with an access token, for new ones.
func exchange(t *testing.T, d *storage.Directory, access, refresh storage.Token, check func(storage.Token) error) (storage.User, []storage.Token, error) {
	t.Helper()
	return d.ExchangeTokens(t.Context(), storage.Actor{Source: "192.0.2.2"}, storage.TokenExchange{
		Old:    storage.Secret{Kind: "refresh", Value: refresh.Secret},
		Others: []storage.Secret{{Kind: "access", Value: access.Secret}},
		Check:  check,
	}, pair...)
}

func TestExchangeTokens(t *testing.T) {
	c := newClock()
	d := open(t, c.options).Directory("d")
	u := mustCreate(t, d, storage.NewUser{Name: "bob"})
	ann := mustCreate(t, d, storage.NewUser{Name: "ann"})
	ts, err := d.CreateTokens(t.Context(), admin, u, pair...)
	if err != nil {
		t.Fatal(err)
	}
	hers := made(t, d, ann, pair[0])
	for _, refused := range []struct {
		access, refresh storage.Token
		check           func(storage.Token) error
		kind            storage.Kind
		event           string
	}{
		{hers, ts[1], nil, storage.NotFound, "refresh-refused >bob not found"},
		{ts[1], ts[0], nil, storage.NotFound, "refresh-refused > not found"}, // the wrong way round
		{ts[0], ts[1], func(old storage.Token) error {
			want(t, old, storage.Token{Kind: "refresh", UserID: "bob", CreatedAt: c.Time, ExpiresAt: c.Add(3 * time.Hour), Document: raw("{}")})
			return &storage.Error{Kind: storage.WrongPassword}
		}, storage.WrongPassword, "refresh-refused >bob wrong password"},
	} {
		n := len(events(t, d, 1000))
		got, none, err := exchange(t, d, refused.access, refused.refresh, refused.check)
		wantKind(t, err, refused.kind)
		want(t, got, storage.User{})
		want(t, len(none), 0)
		want(t, events(t, d, 1000)[n:], []string{refused.event})
	}
	wantToken(t, d, ts[0], good)
	wantToken(t, d, ts[1], good)
	wantToken(t, d, hers, good)

	c.Time = c.Add(2 * time.Hour) // the access token has expired
	n := len(events(t, d, 1000))
	got, next, err := exchange(t, d, ts[0], ts[1], func(storage.Token) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	want(t, got, u)
	want(t, next[1].ExpiresAt, c.Add(3*time.Hour))
	// Whoever has the old token is its user.
	want(t, events(t, d, 1000)[n:], []string{
		"refresh-ended bob>bob ok", "access-ended bob>bob ok", "access-created bob>bob ok", "refresh-created bob>bob ok",
	})
	wantToken(t, d, ts[0], storage.NotFound)
	wantToken(t, d, ts[1], storage.NotFound)
	wantToken(t, d, next[0], good)
	_, _, err = exchange(t, d, ts[0], ts[1], nil)
	wantKind(t, err, storage.NotFound)
	if _, _, err := exchange(t, d, ts[0], next[1], nil); err != nil { // whose access token is long gone
		t.Fatal(err)
	}
	wantToken(t, d, next[0], good)

	late, err := d.CreateTokens(t.Context(), admin, u, pair...)
	if err != nil {
		t.Fatal(err)
	}
	c.Time = c.Add(3 * time.Hour)
	_, _, err = exchange(t, d, late[0], late[1], func(storage.Token) error { return errRefused })
	wantKind(t, err, storage.Expired)
	want(t, events(t, d, 1), []string{"refresh-refused >bob expired"})

	// Of many exchanges at once of one token, one succeeds.
	if late, err = d.CreateTokens(t.Context(), admin, u, pair...); err != nil {
		t.Fatal(err)
	}
	var won atomic.Int32
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			if _, _, err := exchange(t, d, late[0], late[1], nil); err == nil {
				won.Add(1)
			} else if storage.KindOf(err) != storage.NotFound {
				t.Error(err)
			}
		})
	}
	all.Wait()
	want(t, won.Load(), int32(1))
}

// An exchange by somebody who is signed in is that user's, and may be of one
// token alone; what goes wrong with the new ones is no refusal.
func TestExchangeOneToken(t *testing.T) {
	d := open(t).Directory("d")
	u := mustCreate(t, d, storage.NewUser{Name: "bob"})
	k := made(t, d, u, storage.TokenSpec{Kind: "k"})
	n := len(events(t, d, 1000))
	x := storage.TokenExchange{Old: storage.Secret{Kind: "k", Value: k.Secret}}
	_, _, err := d.ExchangeTokens(t.Context(), admin, x, storage.TokenSpec{Kind: "k", Document: raw("1")})
	wantKind(t, err, storage.Invalid, "document")
	want(t, len(events(t, d, 1000)), n)
	wantToken(t, d, k, good)
	if _, _, err := d.ExchangeTokens(t.Context(), admin, x, storage.TokenSpec{Kind: "k"}); err != nil {
		t.Fatal(err)
	}
	want(t, events(t, d, 1000)[n:], []string{"k-ended admin>bob ok", "k-created admin>bob ok"})
	_, _, err = d.ExchangeTokens(t.Context(), admin, storage.TokenExchange{})
	wantKind(t, err, storage.NotFound)
}
