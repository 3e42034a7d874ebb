package main

import (
	"fmt"

	"github.com/spf13/pflag"

	"usher/storage"
	"usher/storage/password"
)

// passwordSettings say how passwords are kept, and which are refused.
type passwordSettings struct {
	hash         password.Params
	screen       bool
	keepSessions bool
}

// addTo makes flags of the settings.
func (s *passwordSettings) addTo(flags *pflag.FlagSet) {
	addHashFlags(flags, &s.hash)
	flags.BoolVar(&s.screen, "screen-passwords", false, "refuse new passwords that are common or hold the user's own name or address, which the vendors take")
	flags.BoolVar(&s.keepSessions, "keep-sessions", false, "let a user's sessions and tokens go on when the password changes")
}

// addHashFlags makes flags of what a password's hash costs. Any setting that
// checkHash refuses is one that guessers would thank for.
func addHashFlags(flags *pflag.FlagSet, p *password.Params) {
	usual := password.DefaultParams
	flags.Uint32Var(&p.Memory, "hash-memory", usual.Memory, "`KiB` of memory that an argon2id hash takes, up to 262144")
	flags.Uint32Var(&p.Time, "hash-time", usual.Time, "`passes` over that memory, up to 16; with fewer more memory is asked for")
	flags.Uint8Var(&p.Threads, "hash-threads", usual.Threads, "`threads` that a hash is computed by, up to 16")
}

// checkStrength is replaced by tests that are about everything else.
var checkStrength = password.Params.CheckStrength

// checkHash refuses a hash that costs guessers less than OWASP's least.
func checkHash(p password.Params) error {
	if err := checkStrength(p); err != nil {
		return fmt.Errorf("--hash-memory, --hash-time, --hash-threads: %w", err)
	}
	return nil
}

// options are the store's, but for its path.
func (s passwordSettings) options() storage.Options {
	o := storage.Options{Hash: s.hash, KeepTokens: s.keepSessions}
	if s.screen {
		o.Screen = password.NewScreen()
	}
	return o
}
