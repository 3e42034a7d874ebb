package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"usher/handlers"
	"usher/handlers/milvus"
)

func newUser(environ []string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Help a user whom no API can help",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(newSetPassword(environ))
	return cmd
}

func newSetPassword(environ []string) *cobra.Command {
	var (
		db, api, user, realm, file, rules string
		settings                          passwordSettings
	)
	cmd := &cobra.Command{
		Use:   "set-password --api API --user USER",
		Short: "Give a user another password, without the old one",
		Long: `Give a user another password, without the old one: for an administrator whom
nobody can help but who has the store at hand. A server that has the store open
knows at once.

The API's own rule for passwords holds. As after a change by an administrator the
user's sessions and tokens have ended, and the trail of events has it. A user who
is blocked stays blocked, and an account at which somebody is guessing throttled,
but where its owner has logged in since the server was started.

The password is asked for, twice, or read from standard input or --password-file,
where it is one line. It is no argument: those can be read by every user of the
machine.`,
		Example: "  usher user set-password --api fusion --user admin\n" +
			"  usher user set-password --api milvus --user root --password-file new.txt",
		Args: noSecretAsArgument,
		RunE: onStore(environ, func(cmd *cobra.Command, _ []string) (err error) {
			switch {
			case api == "":
				return errors.New("--api: whose user?")
			case user == "":
				return errors.New("--user: which one?")
			}
			if err := errors.Join(checkHash(settings.hash), checkMilvusRules(rules)); err != nil {
				return err
			}
			store, err := openStore(cmd, db, settings.options())
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, store.Close()) }()
			inRealm := &realm
			if !cmd.Flags().Changed("realm") {
				inRealm = nil
			}
			u, err := handlers.FindUser(cmd.Context(), store, api, user, inRealm)
			if err != nil {
				return err
			}
			secret, err := readSecret(cmd.Context(), file, cmd.InOrStdin(), cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			o := handlers.Options{Milvus: milvus.Options{Rules: milvus.Rules(rules)}}
			if u, err = handlers.SetPassword(cmd.Context(), store, o, operator(), api, u, secret); err != nil {
				return err
			}
			sessions := "ended"
			if settings.keepSessions {
				sessions = "go on"
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s (%s) has another password; sessions and tokens %s\n", api, printable(u.Name), printable(u.ID), sessions)
			return err
		}),
	}
	cmd.SetFlagErrorFunc(noSecretAsFlag)
	flags := cmd.Flags()
	addStore(flags, &db)
	flags.StringVar(&api, "api", "", "`API` whose user it is")
	flags.StringVar(&user, "user", "", "`name` or id of the user")
	flags.StringVar(&realm, "realm", "", "`realm` of the user, if there is one of that name in several")
	addPasswordFile(flags, &file)
	settings.addTo(flags)
	addMilvusRules(flags, &rules)
	return cmd
}
