package storage_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"time"

	"usher/storage"
	"usher/storage/password"
)

func TestChangePassword(t *testing.T) {
	c := newClock()
	s := open(t, c.options)
	d := s.Directory("d")
	old := mustCreate(t, d, storage.NewUser{ID: "1", Realm: "x", Name: "bob", Password: "one", Roles: []string{"r"}})
	c.Time = c.Add(time.Minute)
	n := count(s)
	u, err := d.ChangePassword(t.Context(), admin, storage.PasswordChange{ID: "1", Old: "one", New: "two"})
	if err != nil {
		t.Fatal(err)
	}
	want(t, u, mustUser(t, d, "1"))
	want(t, u.Roles, old.Roles)
	want(t, u.UpdatedAt, c.Time)
	want(t, events(t, d, 1), []string{"password-changed admin>bob ok"})
	want(t, n.Load(), int64(1))

	// By name, by nobody in particular: the old password says who it is. It is
	// proven by the change before, so that it costs no hash.
	u, err = d.ChangePassword(t.Context(), storage.Actor{}, storage.PasswordChange{Realm: "x", Name: "bob", Old: "two", New: "three"})
	if err != nil {
		t.Fatal(err)
	}
	want(t, u, mustUser(t, d, "1"))
	want(t, events(t, d, 1), []string{"password-changed bob>bob ok"})
	l, err := d.Authenticate(t.Context(), admin, storage.Credentials{Realm: "x", Name: "bob", Password: "three"})
	if err != nil {
		t.Fatal(err)
	}
	want(t, l.User, u)
	want(t, n.Load(), int64(1))
	_, err = d.Authenticate(t.Context(), admin, storage.Credentials{Realm: "x", Name: "bob", Password: "two"})
	wantKind(t, err, storage.WrongPassword)

	// The same again is a change.
	if _, err := d.ChangePassword(t.Context(), admin, storage.PasswordChange{ID: "1", Old: "three", New: "three"}); err != nil {
		t.Fatal(err)
	}
}

func TestChangePasswordRefused(t *testing.T) {
	s := open(t)
	d := s.Directory("d")
	before := mustCreate(t, d, storage.NewUser{ID: "1", Name: "bob", Password: "old"})
	mustCreate(t, d, storage.NewUser{ID: "2", Name: "without"})
	y := password.Policy{MinLength: 3}
	tests := []struct {
		name  string
		c     storage.PasswordChange
		kind  storage.Kind
		event string
	}{
		{"wrong", storage.PasswordChange{ID: "1", Old: "x", New: "new"}, storage.WrongPassword, "password-change-failed admin>bob wrong password"},
		{"wrong before weak", storage.PasswordChange{ID: "1", Old: "x", New: "n"}, storage.WrongPassword, "password-change-failed admin>bob wrong password"},
		{"weak before wrong", storage.PasswordChange{ID: "1", Old: "x", New: "n", PolicyFirst: true}, storage.WeakPassword, ""},
		{"weak", storage.PasswordChange{ID: "1", Old: "old", New: "n"}, storage.WeakPassword, ""},
		{"no password set", storage.PasswordChange{ID: "2", New: "new"}, storage.WrongPassword, "password-change-failed admin>without wrong password"},
		{"unknown id", storage.PasswordChange{ID: "3", Old: "old", New: "n"}, storage.NotFound, "password-change-failed admin> not found"},
		{"unknown name", storage.PasswordChange{Name: "old", Old: "old", New: "new"}, storage.NotFound, "password-change-failed admin> not found"},
		{"weak before unknown", storage.PasswordChange{Name: "eve", Old: "old", New: "n", PolicyFirst: true}, storage.WeakPassword, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := len(events(t, d, 1000))
			tt.c.Policy = y
			_, err := d.ChangePassword(t.Context(), admin, tt.c)
			wantKind(t, err, tt.kind)
			want(t, mustUser(t, d, "1"), before)
			all := events(t, d, 1000)
			if tt.event == "" {
				want(t, len(all), n)
			} else {
				want(t, all[n:], []string{tt.event})
			}
		})
	}
	if err := login(t, d, "bob", "old"); err != nil {
		t.Fatal(err)
	}
}

// Of two changes with the same old password one succeeds, and the other hears
// that it is wrong; whether they meet in one process or in two.
func TestChangePasswordTwiceAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	free := func(o *storage.Options) { o.Account = unlimited }
	ds := []*storage.Directory{openAt(t, path, free).Directory("d"), openAt(t, path, free).Directory("d")}
	mustCreate(t, ds[0], storage.NewUser{ID: "1", Name: "bob", Password: "0"})
	old := password.Plain("0")
	for round := range 100 {
		type result struct {
			new password.Plain
			err error
		}
		results := make(chan result, 2)
		for i := range 2 {
			go func() {
				p := password.Plain(rune('a' + i))
				d := ds[0]
				if round%2 == 1 {
					d = ds[i]
				}
				_, err := d.ChangePassword(t.Context(), admin, storage.PasswordChange{ID: "1", Old: old, New: p + old})
				results <- result{p + old, err}
			}()
		}
		a, b := <-results, <-results
		if a.err != nil {
			a, b = b, a
		}
		if a.err != nil {
			t.Fatalf("round %d: both failed: %v, %v", round, a.err, b.err)
		}
		wantKind(t, b.err, storage.WrongPassword)
		for _, d := range ds {
			if err := login(t, d, "bob", a.new); err != nil {
				t.Fatalf("round %d: the winner's password: %v", round, err)
			}
			wantKind(t, login(t, d, "bob", b.new), storage.WrongPassword)
			wantKind(t, login(t, d, "bob", old), storage.WrongPassword)
		}
		old = a.new[:1]
		if _, err := ds[0].SetPassword(t.Context(), admin, "1", old, password.Policy{}); err != nil {
			t.Fatal(err)
		}
	}
}

// A user deleted, or deleted and made again, while its old password is being
// verified is not given the new one.
func TestChangePasswordOfAUserThatGoes(t *testing.T) {
	for _, again := range []bool{false, true} {
		s := open(t)
		d := s.Directory("d")
		mustCreate(t, d, storage.NewUser{ID: "1", Name: "bob", Password: "old"})
		meanwhile := sync.OnceFunc(func() {
			if _, err := d.DeleteUser(t.Context(), admin, "1"); err != nil {
				t.Error(err)
			}
			if again {
				mustCreate(t, d, storage.NewUser{ID: "1", Name: "bob", Hash: password.Dummy(cheap)})
			}
		})
		s.OnVerify(func(string) { meanwhile() })
		_, err := d.ChangePassword(t.Context(), admin, storage.PasswordChange{ID: "1", Old: "old", New: "new"})
		if again {
			wantKind(t, err, storage.WrongPassword)
		} else {
			wantKind(t, err, storage.NotFound)
		}
		wantKind(t, login(t, d, "bob", "new"), storage.WrongPassword)
	}
}

func TestSetPassword(t *testing.T) {
	c := newClock()
	s := open(t, c.options)
	d := s.Directory("d")
	mustCreate(t, d, storage.NewUser{ID: "1", Name: "bob", Password: "old"})
	if err := login(t, d, "bob", "old"); err != nil {
		t.Fatal(err)
	}
	c.Time = c.Add(time.Minute)
	u, err := d.SetPassword(t.Context(), admin, "1", "new", password.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	want(t, u, mustUser(t, d, "1"))
	want(t, u.UpdatedAt, c.Time)
	want(t, events(t, d, 1), []string{"password-set admin>bob ok"})
	wantKind(t, login(t, d, "bob", "old"), storage.WrongPassword)
	// The user's first use of it is a login like any other, in the trail too.
	if err := login(t, d, "bob", "new"); err != nil {
		t.Fatal(err)
	}
	want(t, events(t, d, 1), []string{"login bob>bob ok"})

	_, err = d.SetPassword(t.Context(), admin, "1", "n", password.Policy{MinLength: 2})
	wantKind(t, err, storage.WeakPassword)
	_, err = d.SetPassword(t.Context(), admin, "2", "n", password.Policy{MinLength: 2})
	wantKind(t, err, storage.NotFound)
	if err := login(t, d, "bob", "new"); err != nil {
		t.Fatal(err)
	}
}

func TestInitPassword(t *testing.T) {
	d := open(t).Directory("d")
	mustCreate(t, d, storage.NewUser{ID: "1", Name: "bob"})
	_, err := d.InitPassword(t.Context(), admin, "1", "n", password.Policy{MinLength: 2})
	wantKind(t, err, storage.WeakPassword)
	u, err := d.InitPassword(t.Context(), storage.Actor{}, "1", "new", password.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	want(t, u, mustUser(t, d, "1"))
	want(t, u.HasPassword, true)
	want(t, events(t, d, 1), []string{"password-set >bob ok"})
	_, err = d.InitPassword(t.Context(), admin, "1", "n", password.Policy{MinLength: 2})
	wantKind(t, err, storage.Conflict)
	_, err = d.InitPassword(t.Context(), admin, "2", "new", password.Policy{})
	wantKind(t, err, storage.NotFound)
	if err := login(t, d, "bob", "new"); err != nil {
		t.Fatal(err)
	}
}

func TestInitPasswordTwiceAtOnce(t *testing.T) {
	d := open(t).Directory("d")
	for _, id := range []string{"1", "2", "3", "4", "5", "6", "7", "8", "9"} {
		mustCreate(t, d, storage.NewUser{ID: id, Name: id})
		errs := make(chan error, 2)
		for _, p := range []password.Plain{"a", "b"} {
			go func() {
				_, err := d.InitPassword(t.Context(), storage.Actor{}, id, p, password.Policy{})
				errs <- err
			}()
		}
		a, b := <-errs, <-errs
		if a != nil {
			a, b = b, a
		}
		if a != nil {
			t.Fatal(a)
		}
		wantKind(t, b, storage.Conflict)
	}
}

// Once it is written, a change is answered as one, although the client has
// hung up in the middle.
func TestChangePasswordIsWholeOrNothing(t *testing.T) {
	s := open(t, func(o *storage.Options) { o.Account = unlimited })
	d := s.Directory("d")
	mustCreate(t, d, storage.NewUser{ID: "1", Name: "bob", Password: "0"})
	old := password.Plain("0")
	for i := range 200 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i*5)*time.Microsecond)
		p := password.Plain(rune('a' + i%26))
		_, err := d.ChangePassword(ctx, admin, storage.PasswordChange{ID: "1", Old: old, New: p + old[:1]})
		cancel()
		right, wrong := old, p+old[:1]
		if err == nil {
			right, wrong = wrong, right
		}
		if err := login(t, d, "bob", right); err != nil {
			t.Fatal(err)
		}
		wantKind(t, login(t, d, "bob", wrong), storage.WrongPassword)
		old = right
	}
}

// A password may come back only after as many others as the policy says, and
// older ones are not kept.
func TestUniquePasswords(t *testing.T) {
	s := open(t)
	d := s.Directory("d")
	mustCreate(t, d, storage.NewUser{ID: "1", Name: "bob", Password: "a"})
	three := password.Policy{MinLength: 1, Unique: 3}
	set := func(p password.Plain, y password.Policy) error {
		_, err := d.SetPassword(t.Context(), admin, "1", p, y)
		return err
	}
	change := func(old, p password.Plain, y password.Policy) error {
		_, err := d.ChangePassword(t.Context(), admin, storage.PasswordChange{ID: "1", Old: old, New: p, Policy: y})
		return err
	}
	update := func(p password.Plain, y password.Policy) error {
		_, err := d.UpdateUser(t.Context(), admin, storage.UserEdit{ID: "1", Password: p, Policy: y})
		return err
	}
	reused := func(err error, n int) {
		t.Helper()
		wantKind(t, err, storage.WeakPassword)
		var e *storage.Error
		errors.As(err, &e)
		want(t, e.Violations, []password.Violation{{Rule: password.Reused, Want: n}})
	}
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	reused(set("a", password.Policy{Unique: 1}), 1)
	ok(set("b", three))
	reused(set("b", three), 3)
	reused(change("b", "a", three), 3)
	reused(update("a", three), 3)
	ok(change("b", "c", three))
	reused(set("a", three), 3)
	ok(set("d", three))
	reused(set("b", three), 3)
	ok(update("a", three)) // three others since
	ok(set("a", password.Policy{}))

	// That policy asked after none: what was before is forgotten.
	ok(set("b", three))
	ok(set("c", three))
	wantKind(t, set("", three), storage.WeakPassword)
	ok(set("d", three))
	ok(set("a", three))
	if err := login(t, d, "bob", "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.DeleteUser(t.Context(), admin, "1"); err != nil {
		t.Fatal(err)
	}
	want(t, s.Count(t, "password_history"), 0)
}

// Which password is the last but one does not depend on a clock: it may stand,
// or be set back.
func TestUniquePasswordsByAClockThatIsSetBack(t *testing.T) {
	c := newClock()
	d := open(t, c.options).Directory("d")
	for _, step := range []time.Duration{0, -time.Hour} {
		for i := range 8 {
			id := fmt.Sprint(step, i)
			mustCreate(t, d, storage.NewUser{ID: id, Name: id, Password: "a"})
			for _, p := range []password.Plain{"b", "c", "d", "e"} {
				c.Time = c.Add(step)
				if _, err := d.SetPassword(t.Context(), admin, id, p, password.Policy{Unique: 3}); err != nil {
					t.Fatal(err)
				}
			}
			for _, p := range []password.Plain{"e", "d", "c"} {
				_, err := d.SetPassword(t.Context(), admin, id, p, password.Policy{Unique: 3})
				wantKind(t, err, storage.WeakPassword)
			}
			_, err := d.SetPassword(t.Context(), admin, id, "d", password.Policy{Unique: 2}) // of two that are kept, the last
			wantKind(t, err, storage.WeakPassword)
			if _, err := d.SetPassword(t.Context(), admin, id, "b", password.Policy{Unique: 3}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A password that becomes the present one while it is held against those
// before it is one that was used.
func TestUniquePasswordsAtOnce(t *testing.T) {
	y := password.Policy{Unique: 2}
	hash, err := password.Hash("b", cheap)
	if err != nil {
		t.Fatal(err)
	}
	for name, set := range map[string]func(*storage.Directory) (storage.User, error){
		"set": func(d *storage.Directory) (storage.User, error) {
			return d.SetPassword(t.Context(), admin, "1", "b", y)
		},
		"update": func(d *storage.Directory) (storage.User, error) {
			return d.UpdateUser(t.Context(), admin, storage.UserEdit{ID: "1", Password: "b", Policy: y, Edit: func(u *storage.User) error {
				u.Name = "robert"
				return nil
			}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			d := s.Directory("d")
			mustCreate(t, d, storage.NewUser{ID: "1", Name: "bob", Password: "a"})
			meanwhile := sync.OnceFunc(func() {
				if _, err := d.UpdateUser(t.Context(), admin, storage.UserEdit{ID: "1", Hash: hash, Policy: y}); err != nil {
					t.Error(err)
				}
			})
			s.OnVerify(func(string) { meanwhile() })
			_, err := set(d)
			wantKind(t, err, storage.WeakPassword)
			want(t, mustUser(t, d, "1").Name, "bob")
			want(t, events(t, d, 2), []string{"user-updated admin>bob ok", "password-set admin>bob ok"})
		})
	}
}

// One that was not used goes through at the second attempt, and Edit is not
// called for the first.
func TestSetPasswordAgain(t *testing.T) {
	s := open(t)
	d := s.Directory("d")
	mustCreate(t, d, storage.NewUser{ID: "1", Name: "bob", Password: "a"})
	meanwhile := sync.OnceFunc(func() {
		if _, err := d.UpdateUser(t.Context(), admin, storage.UserEdit{ID: "1", Hash: password.Dummy(cheap)}); err != nil {
			t.Error(err)
		}
	})
	s.OnVerify(func(string) { meanwhile() })
	edits := 0
	_, err := d.UpdateUser(t.Context(), admin, storage.UserEdit{ID: "1", Password: "b", Policy: password.Policy{Unique: 1}, Edit: func(*storage.User) error {
		edits++
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	want(t, edits, 1)
	if err := login(t, d, "bob", "b"); err != nil {
		t.Fatal(err)
	}
	_, err = d.UpdateUser(t.Context(), admin, storage.UserEdit{ID: "1", Password: "c", Edit: func(*storage.User) error {
		return &storage.Error{Kind: storage.Conflict} // its own, and no reason to try again
	}})
	wantKind(t, err, storage.Conflict)
}

// Who set the password, and when, is known.
func TestPasswordSetAt(t *testing.T) {
	c := newClock()
	d := open(t, c.options).Directory("d")
	u := mustCreate(t, d, storage.NewUser{ID: "1", Name: "bob"})
	want(t, u.PasswordSetAt, time.Time{})
	bob := storage.Actor{ID: "1", Name: "bob"}
	for i, step := range []struct {
		set func() (storage.User, error)
		own bool
	}{
		{func() (storage.User, error) { return d.InitPassword(t.Context(), admin, "1", "a", password.Policy{}) }, false},
		{func() (storage.User, error) {
			return d.ChangePassword(t.Context(), storage.Actor{}, storage.PasswordChange{ID: "1", Old: "a", New: "b"})
		}, true},
		{func() (storage.User, error) { return d.SetPassword(t.Context(), admin, "1", "c", password.Policy{}) }, false},
		{func() (storage.User, error) { return d.SetPassword(t.Context(), bob, "1", "d", password.Policy{}) }, true},
		{func() (storage.User, error) {
			return d.UpdateUser(t.Context(), admin, storage.UserEdit{ID: "1", Password: "e"})
		}, false},
	} {
		c.Time = c.Add(time.Hour)
		u, err := step.set()
		if err != nil {
			t.Fatal(err)
		}
		want(t, u.PasswordSetAt, c.Time)
		if u.PasswordOwn != step.own {
			t.Errorf("step %d: own %v", i, u.PasswordOwn)
		}
		want(t, mustUser(t, d, "1"), u)
	}
	set := c.Time
	c.Time = c.Add(time.Hour)
	u, err := d.UpdateUser(t.Context(), bob, storage.UserEdit{ID: "1", Edit: func(u *storage.User) error {
		u.PasswordSetAt, u.PasswordOwn = c.Time, true // not for an edit to say
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	want(t, u.PasswordSetAt, set)
	want(t, u.PasswordOwn, false)
	want(t, mustUser(t, d, "1"), u)
	with := mustCreate(t, d, storage.NewUser{ID: "2", Name: "ann", Password: "p", CreatedAt: c.AddDate(-1, 0, 0)})
	want(t, with.PasswordSetAt, c.AddDate(-1, 0, 0))
}

// What the screen finds is refused wherever a password is set, after what the
// policy says; but not a hash, and not what is there already.
func TestScreen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	weak := mustCreate(t, openAt(t, path).Directory("d"), storage.NewUser{Name: "bob", Email: "qxzabel@example.com", Password: "password1"})
	d := openAt(t, path, func(o *storage.Options) { o.Screen = password.NewScreen() }).Directory("d")
	if err := login(t, d, "bob", "password1"); err != nil {
		t.Fatal(err)
	}
	policy := password.Policy{MinLength: 8}
	short, common, own := password.Violation{Rule: password.MinLength, Want: 8}, password.Violation{Rule: password.Common}, password.Violation{Rule: password.OwnName}
	short.Got = 7
	const fine = "qzx-7714-vv"
	for _, tt := range []struct {
		p    password.Plain
		want []password.Violation
	}{
		{"Welcome2024", []password.Violation{common}},
		{"7-QXZABEL-7", []password.Violation{own}},
		{"qx-bob-7714", []password.Violation{own}},
		{"bobbob1", []password.Violation{short, common, own}},
		{fine, nil},
	} {
		set := map[string]func() error{
			"CreateUser": func() error {
				// In a directory of its own the name is free.
				_, err := open(t, func(o *storage.Options) { o.Screen = password.NewScreen() }).Directory("d").CreateUser(
					t.Context(), admin, storage.NewUser{ID: "1", Name: "bob", Email: "qxzabel@example.com", Password: tt.p, Policy: policy})
				return err
			},
			"SetPassword": func() error {
				_, err := d.SetPassword(t.Context(), admin, weak.ID, tt.p, policy)
				return err
			},
			"UpdateUser": func() error {
				_, err := d.UpdateUser(t.Context(), admin, storage.UserEdit{ID: weak.ID, Password: tt.p, Policy: policy})
				return err
			},
			"ChangePassword": func() error {
				if _, err := openAt(t, path).Directory("d").SetPassword(t.Context(), admin, weak.ID, "password1", password.Policy{}); err != nil {
					t.Fatal(err)
				}
				_, err := d.ChangePassword(t.Context(), admin, storage.PasswordChange{ID: weak.ID, Old: "password1", New: tt.p, Policy: policy})
				return err
			},
			"InitPassword": func() error {
				d := open(t, func(o *storage.Options) { o.Screen = password.NewScreen() }).Directory("d")
				u := mustCreate(t, d, storage.NewUser{Name: "bob", Email: "qxzabel@example.com"})
				_, err := d.InitPassword(t.Context(), admin, u.ID, tt.p, policy)
				return err
			},
			"Seed": func() error {
				d := open(t, func(o *storage.Options) { o.Screen = password.NewScreen() }).Directory("d")
				_, err := d.Seed(t.Context(), admin, storage.Seed{Users: []storage.NewUser{{ID: "1", Name: "bob", Email: "qxzabel@example.com", Password: tt.p, Policy: policy}}})
				return err
			},
		}
		for verb, f := range set {
			err := f()
			var e *storage.Error
			switch {
			case tt.want == nil && err != nil, tt.want != nil && !errors.As(err, &e):
				t.Errorf("%s of %s: %v", verb, string(tt.p), err)
			case tt.want != nil && (e.Kind != storage.WeakPassword || !reflect.DeepEqual(e.Violations, tt.want)):
				t.Errorf("%s of %s: %v, %v", verb, string(tt.p), err, e.Violations)
			}
		}
	}

	// A rule that is told before the old password is looked at knows a user only by
	// the name that was given: by id, the rest comes after.
	byID := storage.PasswordChange{ID: weak.ID, Old: "wrong", New: "7-qxzabel-7", PolicyFirst: true}
	_, err := d.ChangePassword(t.Context(), admin, byID)
	wantKind(t, err, storage.WrongPassword)
	_, err = d.ChangePassword(t.Context(), admin, storage.PasswordChange{Name: "bob", Old: "wrong", New: "qx-bob-7714", PolicyFirst: true})
	wantKind(t, err, storage.WeakPassword)
	byID.Old = fine
	if _, err := d.SetPassword(t.Context(), admin, weak.ID, fine, policy); err != nil {
		t.Fatal(err)
	}
	_, err = d.ChangePassword(t.Context(), admin, byID)
	wantKind(t, err, storage.WeakPassword)

	hash, err := password.Bcrypt("password1", password.DefaultBcryptCost)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.UpdateUser(t.Context(), admin, storage.UserEdit{ID: weak.ID, Hash: hash}); err != nil {
		t.Error(err)
	}
}
