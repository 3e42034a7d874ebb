package handlers

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"math/big"
	"strings"
	"unicode"

	"usher/storage"
	"usher/storage/password"
)

// World says what an empty store is to be filled with.
type World struct {
	// Demo asks for the demo accounts, whose passwords are public.
	Demo bool
	// Passwords are the first administrators' passwords, by the API's name.
	// Where none is given one is made, but for an API that lets its first
	// caller set it (Fusion).
	Passwords map[string]password.Plain
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

// Seed fills the directory of each API that never was filled: with what its
// vendor ships, and the demo world or a first administrator. An API whose
// directory was filled before stays as it is, but for a first administrator who
// still waits for a password and is given one. A given password that the API's
// own rule refuses is an error, but for Milvus', whose root is exempt from it.
func Seed(ctx context.Context, store *storage.Store, w World) error {
	for _, v := range apis(Options{}) {
		seed, administrator := v.seed(w)
		told := false
		if administrator.Password != "" && w.Made != nil {
			seed.BeforeCommit = func() error {
				told = true
				return w.Made(administrator)
			}
		}
		done, err := store.Directory(v.name).Seed(ctx, storage.Actor{Name: "usher"}, seed)
		switch {
		case err != nil && told:
			err = fmt.Errorf("the password that was shown is nobody's: %w", err)
		case err == nil && !done:
			err = v.keep(ctx, store, w)
		}
		if err != nil {
			return fmt.Errorf("%s: first start: %w", v.name, err)
		}
	}
	return nil
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
		return seed, Administrator{}
	}
	if given := w.Passwords[v.name]; given != "" || v.givePassword != nil {
		return v.firstStart(given), Administrator{}
	}
	secret := randomPassword()
	return v.firstStart(secret), Administrator{API: v.name, Login: v.administrator, Password: secret}
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
