package handlers

import (
	"context"
	"crypto/rand"
	"fmt"
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
	// Made is told of each first administrator whose password was made, as soon
	// as the store has him: nobody else knows it.
	Made func(Administrator) error
}

// Administrator is a first administrator whose password was made by Seed.
type Administrator struct {
	API      string
	Login    string
	Password password.Plain
}

// Seed fills the directory of each API that never was filled: with what its
// vendor ships, and the demo world or a first administrator. An API whose
// directory was filled before stays as it is. A given password that the API's
// own rule refuses is an error, but for Milvus', whose root is exempt from it.
func Seed(ctx context.Context, store *storage.Store, w World) error {
	for _, v := range apis(Options{}) {
		seed, administrator := v.seed(w)
		done, err := store.Directory(v.name).Seed(ctx, storage.Actor{Name: "usher"}, seed)
		if err == nil && done && administrator.Password != "" && w.Made != nil {
			err = w.Made(administrator)
		}
		if err != nil {
			return fmt.Errorf("%s: first start: %w", v.name, err)
		}
	}
	return nil
}

func (v vendor) seed(w World) (storage.Seed, Administrator) {
	if w.Demo {
		return v.demo(), Administrator{}
	}
	if given := w.Passwords[v.name]; given != "" || v.setsOwn {
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
