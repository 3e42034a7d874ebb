package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"usher/handlers"
	"usher/storage/password"
)

func newHash(environ []string) *cobra.Command {
	var params password.Params
	var bcryptCost int
	var file string
	cmd := &cobra.Command{
		Use:   "hash",
		Short: "Print the hash of a password",
		Long: `Print the hash of a password, as the store keeps it: a PHC string of argon2id.
With --bcrypt it is one of bcrypt, such as Fusion takes for passwordHash.

The password is asked for, twice, or read from a file or from standard input,
where it is one line. It is no argument: those can be read by every user of the
machine.`,
		Args: noSecretAsArgument,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := fromEnvironment(cmd.Flags(), environ, settingsOfServe(cmd.Flags())...); err != nil {
				return err
			}
			if err := checkHash(params); err != nil {
				return err
			}
			secret, err := readSecret(cmd.Context(), file, cmd.InOrStdin(), cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			var encoded string
			if cmd.Flags().Changed("bcrypt") {
				encoded, err = password.Bcrypt(secret, bcryptCost)
			} else {
				encoded, err = password.Hash(secret, params)
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), encoded)
			return err
		},
	}
	cmd.SetFlagErrorFunc(noSecretAsFlag)
	flags := cmd.Flags()
	addPasswordFile(flags, &file)
	addHashFlags(flags, &params)
	flags.IntVar(&bcryptCost, "bcrypt", 0, "bcrypt, at this `cost`, 10 to 15; it takes an =, as in --bcrypt=12")
	flags.Lookup("bcrypt").NoOptDefVal = strconv.Itoa(password.DefaultBcryptCost)
	return cmd
}

// settingsOfServe names the variables of serve that are none of these flags':
// a command that runs where a server does finds them in its environment.
func settingsOfServe(flags *pflag.FlagSet) (names []string) {
	newServe(nil).Flags().VisitAll(func(f *pflag.Flag) {
		if flags.Lookup(f.Name) == nil {
			names = append(names, variable(f.Name))
		}
	})
	for _, api := range handlers.Names() {
		names = append(names, adminPassword(api))
	}
	return names
}
