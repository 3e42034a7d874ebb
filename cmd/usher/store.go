package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os/user"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"usher/storage"
)

// addStore makes the flag of the store that a command works on.
func addStore(flags *pflag.FlagSet, db *string) {
	flags.StringVar(db, "db", "usher.db", "`file` of the store")
}

// onStore is what a command does that works on a store and not by way of a server.
// What is set in the environment for serve does not trouble it.
func onStore(environ []string, do func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if _, err := fromEnvironment(cmd.Flags(), environ, settingsOfServe(cmd.Flags())...); err != nil {
			return err
		}
		return do(cmd, args)
	}
}

// openStore opens a store that there is, which a server may have open too.
func openStore(cmd *cobra.Command, db string, options storage.Options) (*storage.Store, error) {
	options.Path, options.Existing = db, true
	store, err := storage.Open(cmd.Context(), options)
	return store, explain(err, db)
}

// explain says what to do about an error of the store at db.
func explain(err error, db string) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no store %s; --db names another", db)
	case errors.Is(err, storage.ErrOlder):
		return fmt.Errorf("%w; usher serve brings it up to date when it starts", err)
	case storage.CannotWrite(err):
		return fmt.Errorf("%s: the disk is full, or cannot be written: %w", db, err)
	}
	return err
}

// operator is whoever runs a command on the store: for the trail, the user of
// this machine.
func operator() storage.Actor {
	by := storage.Actor{Name: "usher", Source: "local"}
	if u, err := user.Current(); err == nil {
		by.Source += ":" + u.Username
	}
	return by
}

// printable is a text that somebody else may have made up, for a terminal: one
// with anything in it but letters, digits and signs is quoted.
func printable(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r == ' ' || r == '"' || !strconv.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}
