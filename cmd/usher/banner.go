package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/mattn/go-isatty"

	"usher/handlers"
)

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

func newLogger(format string, w io.Writer) *slog.Logger {
	if format == "text" || format == "auto" && isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, nil))
	}
	return slog.New(slog.NewJSONHandler(w, nil))
}

// printAdministrators prints the passwords that a first start made. They are
// kept nowhere else.
func printAdministrators(w io.Writer, made []handlers.Administrator) {
	if len(made) == 0 {
		return
	}
	fmt.Fprintln(w, "First start. These passwords are shown once:")
	for _, a := range made {
		fmt.Fprintf(w, "  %-10s %-18s %s\n", a.API, a.Login, string(a.Password))
	}
}

// announce says where the server is: a person gets a banner, a log a line.
func announce(stdout io.Writer, logger *slog.Logger, s settings, address string, served []handlers.Summary) {
	if !isTerminal(stdout) {
		logger.Info("listening", "address", address, "demo", s.demo)
		return
	}
	store := s.db
	if store == "" {
		store = "in a temporary file, gone with the server"
	}
	fmt.Fprintf(stdout, "usher %s\n\n  http://%s/   store: %s\n\n", version(), address, store)
	for _, v := range served {
		fmt.Fprintf(stdout, "  %-18s http://%s%s\n", v.Title, address, v.Base)
		if !s.demo {
			continue
		}
		for _, account := range v.DemoAccounts {
			fmt.Fprintf(stdout, "  %-18s   %s\n", "", account)
		}
	}
	if s.demo {
		fmt.Fprintf(stdout, "\nTry:\n  curl -u Bob:qwerty http://%s/node/api/users/current\n\n", address)
	}
	if !s.milvusAuth {
		fmt.Fprintln(stdout, "Milvus asks nobody who they are (--milvus-auth=false).")
	}
}
