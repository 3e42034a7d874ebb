package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"usher/storage"
)

// foundError is that of a check that found something: so many problems.
type foundError int

func (n foundError) Error() string {
	if n == 1 {
		return "1 problem"
	}
	return fmt.Sprintf("%d problems", int(n))
}

func newCheck(environ []string) *cobra.Command {
	var db string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Look for damage in the store, which may be in use",
		Long: `Look for damage in the store, and change nothing; a server may have it open.
Looked at are the file's structure and indexes, rows that belong to nothing, the
tables that the migrations make, documents and hashes that cannot be read.

The exit code is 0 if nothing is wrong, 2 if there are problems, each in a line of
its own, and 1 if the store could not be looked at.`,
		Args: cobra.NoArgs,
		RunE: onStore(environ, func(cmd *cobra.Command, _ []string) error {
			r, err := storage.Check(cmd.Context(), db)
			if err != nil {
				return explain(err, db)
			}
			out := cmd.OutOrStdout()
			for _, p := range r.Problems {
				if _, err := fmt.Fprintln(out, p); err != nil {
					return err
				}
			}
			if len(r.Problems) > 0 {
				return foundError(len(r.Problems))
			}
			older := ""
			if r.Schema < r.Newest {
				older = fmt.Sprintf(" (usher serve brings it up to %d when it starts)", r.Newest)
			}
			_, err = fmt.Fprintf(out, "%s is sound: schema %d%s, %d users, %d events\n", db, r.Schema, older, r.Users, r.Events)
			return err
		}),
	}
	addStore(cmd.Flags(), &db)
	return cmd
}
