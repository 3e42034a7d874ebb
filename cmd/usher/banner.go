package main

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

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

// printAdministrator says which password a first start made. It is kept nowhere
// else.
func printAdministrator(w io.Writer) func(handlers.Administrator) error {
	heading := "First start. These passwords are shown once:\n"
	return func(a handlers.Administrator) error {
		_, err := fmt.Fprintf(w, "%s  %-10s %-18s %s\n", heading, a.API, a.Login, string(a.Password))
		heading = ""
		return err
	}
}

// banner says to a person what runs where.
func banner(s settings, listeners []listening, served []handlers.Summary) string {
	at := map[string]string{} // where an API is reached best: on a port of its own, or on the first of all
	for _, l := range listeners {
		if at[l.api] == "" {
			at[l.api] = l.Addr().String()
		}
	}
	first := listeners[0].Addr().String()
	store := s.db
	if s.temporary {
		store = "in a temporary file, gone with the server"
	}
	scheme := "http"
	if s.encrypted() {
		scheme = "https"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "usher %s\n\n  %s://%s/_usher/   store: %s\n\n", version(), scheme, first, store)
	for _, v := range served {
		address := cmp.Or(at[v.Name], at[""])
		if address == "" {
			continue // nobody asked for it
		}
		fmt.Fprintf(&b, "  %-18s %s://%s%s\n", v.Title, scheme, address, v.Base)
		if !s.demo {
			continue
		}
		for _, account := range v.DemoAccounts {
			fmt.Fprintf(&b, "  %-18s   %s\n", "", account)
		}
	}
	if all := at[""]; s.demo && all != "" {
		curl := "curl"
		if s.encrypted() {
			curl += " -k" // of a developer's machine, whose certificate is hardly for this address
		}
		fmt.Fprintf(&b, "\nTry:\n  %s -u Bob:qwerty %s://%s/node/api/users/current\n", curl, scheme, all)
	}
	if !s.milvusAuth {
		b.WriteString("\nMilvus asks nobody who they are (--milvus-auth=false).\n")
	}
	return b.String() + "\n"
}
