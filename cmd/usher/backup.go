package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"usher/storage"
)

func newBackup(environ []string) *cobra.Command {
	var db string
	var replace bool
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the store, which may be in use, to a file",
		Long: `Copy the store, as it is at one moment, to a file with mode 0600. A server that
has the store open goes on working meanwhile. The file bears its name only once
it has been read again, and nothing is wrong that usher check looks for. Until
then it is FILE.*.part, which a command that is killed leaves behind.

All of these are as worth protecting as the store: they have every password's hash.`,
		Example: "  usher backup usher-$(date +%F).db",
		Args:    cobra.ExactArgs(1),
		RunE: onStore(environ, func(cmd *cobra.Command, args []string) error {
			to := args[0]
			if _, err := os.Stat(db); err != nil {
				return explain(err, db)
			}
			err := storage.Backup(cmd.Context(), db, to, replace)
			switch {
			case errors.Is(err, fs.ErrExist):
				return fmt.Errorf("there is a file %s already; --replace takes its place", to)
			case errors.Is(err, storage.ErrDamaged):
				return fmt.Errorf("%w; usher check --db %s says what else is wrong", err, db)
			case err != nil:
				return err
			}
			is, err := os.Stat(to)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s has all of %s: %d bytes, read again and found sound\n", to, db, is.Size())
			return err
		}),
	}
	addStore(cmd.Flags(), &db)
	cmd.Flags().BoolVar(&replace, "replace", false, "replace the file if there is one")
	return cmd
}

func newRestore(environ []string) *cobra.Command {
	var db string
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup in the place of the store, which is kept",
		Long: `Put a copy of a backup in the place of the store, once it has been read, and nothing
is wrong that usher check looks for. What was there, damaged or not, is kept under
a name with the time in it. A command that is killed may leave a *.part beside the
store, a copy that nothing uses.

No server may have the store open, nor start before the command ends. The store has
mode 0600 then, whatever it had before, and the owner it had, or its folder's. In
the trail it is an event, with the time of the backup's file.

Passwords are those of the time of the backup, those of users who were deleted
since included. So are sessions and tokens, unless they have expired.`,
		Example: "  usher restore usher-2026-11-21.db",
		Args:    cobra.ExactArgs(1),
		RunE: onStore(environ, func(cmd *cobra.Command, args []string) error {
			aside, err := storage.Restore(cmd.Context(), operator(), args[0], db)
			switch {
			case errors.Is(err, storage.ErrStoreInUse):
				return fmt.Errorf("%s is in use; stop the server first", db)
			case errors.Is(err, storage.ErrDamaged):
				return fmt.Errorf("%w; usher check --db %s says what else is wrong", err, args[0])
			case err != nil:
				return err
			}
			said := fmt.Sprintf("%s is as %s has it", db, args[0])
			if aside != "" {
				said += "; what was there is kept as " + aside
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), said)
			return err
		}),
	}
	addStore(cmd.Flags(), &db)
	return cmd
}
