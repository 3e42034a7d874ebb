package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"usher/storage"
)

// throttleSettings say how many attempts to prove a password may fail.
type throttleSettings struct{ account, source rate }

// addTo makes flags of the settings.
func (s *throttleSettings) addTo(flags *pflag.FlagSet) {
	*s = throttleSettings{rate(storage.DefaultAccountRate), rate(storage.DefaultSourceRate)}
	const how = " may fail, and how soon another is granted, as `failures/time`; not fewer than cores, since one under way counts as failed; 0: any number"
	flags.Var(&s.account, "throttle-account", "how many attempts at an account"+how)
	flags.Var(&s.source, "throttle-source", "how many attempts from an address"+how)
}

// set puts the settings into the store's options.
func (s throttleSettings) set(o *storage.Options) {
	o.Account, o.Source = storage.Rate(s.account), storage.Rate(s.source)
}

// rate is a storage.Rate as a flag: 100/30s, or 0 for no limit.
type rate storage.Rate

// Set reads a flag's value.
func (r *rate) Set(value string) error {
	if value == "0" {
		*r = rate{Burst: -1}
		return nil
	}
	failures, every, found := strings.Cut(value, "/")
	burst, err := strconv.Atoi(failures)
	if !found || err != nil || burst < 1 {
		return errors.New("want failures/time, as 100/30s, or 0")
	}
	d, err := time.ParseDuration(every)
	if err != nil {
		return errors.New("want a time such as 30s or 5m after the /")
	}
	*r = rate{Burst: burst, Every: d}
	return storage.Rate(*r).Check()
}

// String is the value that Set would read.
func (r *rate) String() string {
	if r.Burst < 0 {
		return "0"
	}
	every := r.Every.String()
	for _, unit := range []string{"m0s", "h0m"} { // 5m0s is 5m
		if strings.HasSuffix(every, unit) {
			every = every[:len(every)-2]
		}
	}
	return fmt.Sprintf("%d/%s", r.Burst, every)
}

// Type names the value in the help, where no other name is given.
func (r *rate) Type() string { return "rate" }
