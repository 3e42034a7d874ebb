package handlers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"unicode"

	"usher/handlers/fixture"
	"usher/storage"
	"usher/storage/password"
)

// World says what an empty store is to be filled with.
type World struct {
	// Demo asks for the demo accounts, whose passwords are public.
	Demo bool
	// HashAnew has the demo accounts' passwords hashed at the store's own cost, for a
	// store where that is less.
	HashAnew bool
	// Passwords are the first administrators' passwords, by the API's name.
	// Where none is given one is made, but for an API that lets its first
	// caller set it (Fusion).
	Passwords map[string]password.Plain
	// Fixture has, of the APIs that it names, what it says in the place of what their
	// vendors ship. The demo world is that of the others.
	Fixture fixture.Fixture
	// Made is told of each first administrator whose password was made: nobody else
	// knows it. It is told before the store has him, so that no store ever has one
	// whose password nobody knows, and if it fails the store gets none. Who is never
	// had, because the process was ended in between, is made anew by the next start.
	Made func(Administrator) error
	// Kept is told of each API whose directory was filled before; ignored: of
	// the password that is given for it no use is made.
	Kept func(api string, ignored bool)
}

// Administrator is a first administrator whose password was made by Seed.
type Administrator struct {
	API      string
	Login    string
	Password password.Plain
}

// self is who fills a store.
var self = storage.Actor{Name: "usher"}

// Seed fills the directory of each API that never was filled: with what its
// vendor ships, and the demo world or a first administrator, or with what a fixture
// says. An API whose directory was filled before stays as it is, but for a first
// administrator who still waits for a password and is given one. A given password that
// the API's own rule refuses is an error, but for Milvus', whose root is exempt from
// it, and for those of a fixture's users.
//
// Of a fixture all APIs are filled, or none, and those that it does not name after
// them. Errors: ErrFilled, if one was filled before.
func Seed(ctx context.Context, store *storage.Store, w World) error {
	if err := w.load(ctx, store); err != nil {
		return err
	}
	for _, v := range apis(Options{}) {
		if _, done := w.Fixture[v.name]; done {
			continue
		}
		seed, told := v.announced(w, v.seed)
		done, err := store.Directory(v.name).Seed(ctx, self, seed)
		switch {
		case err != nil && *told:
			err = fmt.Errorf("the password that was shown is nobody's: %w", err)
		case err == nil && !done:
			err = v.keep(ctx, store, w)
		}
		if err != nil {
			err = fmt.Errorf("%s: first start: %w", v.name, err)
			if len(w.Fixture) > 0 {
				err = fmt.Errorf("%w; the fixture has been loaded: the next start is to do without it", err)
			}
			return err
		}
	}
	return nil
}

// ErrFilled says that there is something already where a fixture is to go; compare
// with [errors.Is].
var ErrFilled = errors.New("the store was filled before: a fixture goes into an empty one")

// load puts the fixture into the store.
func (w World) load(ctx context.Context, store *storage.Store) error {
	seeds := map[string]storage.Seed{}
	var told []*bool
	for _, v := range apis(Options{}) {
		api, ok := w.Fixture[v.name]
		if !ok {
			continue
		}
		if api.Users != nil && w.Passwords[v.name] != "" {
			return fmt.Errorf("%s: the fixture has its own users: the first administrator's password is of no use", v.name)
		}
		seed, shown := v.announced(w, func(w World) (storage.Seed, Administrator) {
			w.Demo = false
			seed, administrator := v.seed(w)
			if api.Users != nil {
				administrator = Administrator{}
			}
			return api.Over(seed), administrator
		})
		if err := v.form().Complete(&seed); err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
		seeds[v.name], told = seed, append(told, shown)
	}
	for name := range w.Fixture {
		if _, ok := seeds[name]; !ok {
			return fmt.Errorf("the fixture: %w", errNoAPI(name))
		}
	}
	err := store.Load(ctx, self, seeds)
	var refused *storage.SeedError
	switch {
	case err == nil:
		return nil
	case storage.KindOf(err) == storage.Conflict:
		return ErrFilled
	case errors.As(err, &refused):
		err = fmt.Errorf("%s: %w", refused.Name, refused.Err)
	}
	if slices.ContainsFunc(told, func(shown *bool) bool { return *shown }) {
		err = fmt.Errorf("the password that was shown is nobody's: %w", err)
	}
	return err
}

// announced is what seed returns, which tells of the administrator's password before
// it is done. told says then whether it has.
func (v vendor) announced(w World, seed func(World) (storage.Seed, Administrator)) (s storage.Seed, told *bool) {
	s, administrator := seed(w)
	told = new(bool)
	if administrator.Password != "" && w.Made != nil {
		s.BeforeCommit = func() error {
			*told = true
			return w.Made(administrator)
		}
	}
	return s, told
}

// demoMark is the kind of the one record by which a directory that Seed has filled
// with the demo world is known for one, whatever becomes of the accounts.
const demoMark storage.RecordKind = "demo"

// FilledWithDemo says whether Seed has filled an API's directory with the demo
// world, in this version or a later one: earlier ones left no mark.
func FilledWithDemo(ctx context.Context, store *storage.Store) (bool, error) {
	for _, api := range Names() {
		marks, err := store.Directory(api).Records(demoMark).List(ctx)
		if err != nil || len(marks) > 0 {
			return len(marks) > 0, err
		}
	}
	return false, nil
}

// keep leaves a directory that was filled before as it is.
func (v vendor) keep(ctx context.Context, store *storage.Store, w World) error {
	given, used := w.Passwords[v.name], false
	if given != "" && v.givePassword != nil {
		var err error
		if used, err = v.givePassword(ctx, store, given); err != nil {
			return err
		}
	}
	if w.Kept != nil {
		w.Kept(v.name, given != "" && !used)
	}
	return nil
}

func (v vendor) seed(w World) (storage.Seed, Administrator) {
	if w.Demo {
		seed := v.demo()
		records := map[storage.RecordKind][]storage.Record{demoMark: {{ID: v.name, Name: v.name}}}
		maps.Copy(records, seed.Records)
		seed.Records = records
		if w.HashAnew {
			v.hashAnew(seed.Users)
		}
		return seed, Administrator{}
	}
	if given := w.Passwords[v.name]; given != "" || v.givePassword != nil {
		return v.firstStart(given), Administrator{}
	}
	secret := randomPassword()
	return v.firstStart(secret), Administrator{API: v.name, Login: v.administrator, Password: secret}
}

// DemoAdministrator is the login and the password, which is public, of an API's
// first administrator in the demo world. Both are empty for an API that there is not.
func DemoAdministrator(api string) (login, secret string) {
	for _, v := range apis(Options{}) {
		if v.name == api {
			login, secret, _ = strings.Cut(v.demoAccounts()[0], " / ")
		}
	}
	return login, secret
}

// hashAnew gives users of the demo world their public passwords in place of hashes.
func (v vendor) hashAnew(users []storage.NewUser) {
	for _, account := range v.demoAccounts() {
		login, secret, _ := strings.Cut(account, " / ")
		for i := range users {
			if u := &users[i]; u.Name == login || u.Email == login && login != "" {
				u.Hash, u.Password = "", password.Plain(secret)
			}
		}
	}
}

// randomPassword makes a password of 93 bits that every vendor's rule accepts:
// 19 characters, of all four classes. Letters and digits that look alike are
// left out, since people type these.
func randomPassword() password.Plain {
	const alphabet = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
	for {
		var b strings.Builder
		for i := range 16 {
			if i > 0 && i%4 == 0 {
				b.WriteByte('-')
			}
			n, err := rand.Int(rand.Reader, big.NewInt(int64(len(alphabet))))
			if err != nil { // the operating system's generator does not fail
				panic(err)
			}
			b.WriteByte(alphabet[n.Int64()])
		}
		s := b.String()
		if strings.ContainsFunc(s, unicode.IsLower) && strings.ContainsFunc(s, unicode.IsUpper) && strings.ContainsFunc(s, unicode.IsDigit) {
			return password.Plain(s)
		}
	}
}
