package main

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"usher/handlers"
	"usher/storage"
	"usher/storage/password"
)

// workbenchSettings say whether there is a workbench, and who may use it.
type workbenchSettings struct {
	on    bool
	token string
}

func (s *workbenchSettings) addTo(flags *pflag.FlagSet) {
	flags.BoolVar(&s.on, "workbench", false, "serve sandboxes, faults, the journal and what else tests need, below /_usher; --demo does so, too")
	flags.StringVar(&s.token, "workbench-token", "", "`secret` that the workbench asks for, 16 characters or more; without one it is for programs on this machine only. Other users of the machine can read a command line, but not "+variable("workbench-token"))
}

// leastToken is how long a token is at least, in bytes: nothing slows down who
// guesses at it.
const leastToken = 16

// complete refuses what does not fit together.
func (s *workbenchSettings) complete(demo bool) error {
	s.on = s.on || demo
	switch {
	case s.token == "":
		return nil
	case !s.on:
		return errors.New("--workbench-token is for --workbench")
	case len(s.token) < leastToken:
		return fmt.Errorf("--workbench-token: %d characters or more", leastToken)
	}
	return nil
}

// errPublicWorkbench refuses an address that others can reach: they would have the
// server do as they like.
func errPublicWorkbench(address string) error {
	return fmt.Errorf("--workbench without --workbench-token listens on loopback only: %s is not loopback", address)
}

// public says whether the workbench may be where others can reach it.
func (s workbenchSettings) public() bool { return !s.on || s.token != "" }

// open makes the workbench; nil: there is to be none. It gives the server's store and
// handler their time and their options.
func (s workbenchSettings) open(lasting bool, store *storage.Options, o *handlers.Options) (*handlers.Workbench, error) {
	if !s.on {
		return nil, nil
	}
	b, err := handlers.NewWorkbench(*o, handlers.WorkbenchOptions{Token: password.Plain(s.token), Lasting: lasting, Store: *store})
	if err != nil {
		return nil, err
	}
	*o, store.Now = b.Options(), b.Now
	return b, nil
}
