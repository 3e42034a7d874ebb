// Command usher serves the user and password APIs of four products over one
// store. Every setting is a flag, and each flag a USHER_… variable too; this is
// the only place that reads either.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	os.Exit(code())
}

// code runs the program and gives its exit code: 0, 1 if it failed, 2 if a check
// found something. An interrupt, SIGTERM or a terminal that closes ends it in good
// order, a second one at once.
func code() int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-signals
		cancel()
		// Left to itself, the second would be ignored where a shell has started the
		// program in the background. A terminal that closes may say so twice.
		for second := range signals {
			if second != syscall.SIGHUP {
				os.Exit(1)
			}
		}
	}()
	log.SetOutput(io.Discard) // where http.Transport quotes what a target sends unasked; ours is log/slog
	if err := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "usher:", err)
		if errors.As(err, new(foundError)) {
			return 2
		}
		return 1
	}
	return 0
}

// run is the whole program. It takes the environment as a list, and not as a
// look-up, so that a USHER_ variable that nothing reads can be refused. It
// returns when the command is done, or when ctx is.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) error {
	root := &cobra.Command{
		Use:           "usher",
		Short:         "One server for the user and password APIs of Fusion, Applivery, SAYMON and Milvus",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.AddCommand(newServe(environ), newHash(environ), newUser(environ),
		newBackup(environ), newRestore(environ), newExport(environ), newCheck(environ), newEvents(environ), newConform(environ), newProxy(environ), newOpenAPI(environ), newVersion())
	return root.ExecuteContext(ctx)
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "usher", version())
			return err
		},
	}
}

// version is the module's version as the Go tool stamped it, with the commit
// where there is one.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	v, commit := info.Main.Version, ""
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			commit = " " + s.Value
		}
	}
	return v + commit + " " + info.GoVersion
}
