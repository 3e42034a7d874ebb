package main

import (
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
	at := urls(s, listeners, served)
	store := s.db
	if s.temporary {
		store = "in a temporary file, gone with the server"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "usher %s\n\n  %s/_usher/   store: %s\n\n", version(), s.url(listeners[0]), store)
	for _, v := range served {
		url := at[v.Name]
		if url == "" {
			continue // nobody asked for it
		}
		fmt.Fprintf(&b, "  %-18s %s%s\n", v.Title, url, v.Base)
		if _, own := s.fixture.content[v.Name]; own || !s.demo {
			continue
		}
		for _, account := range v.DemoAccounts {
			fmt.Fprintf(&b, "  %-18s   %s\n", "", account)
		}
	}
	_, own := s.fixture.content["saymon"]
	if all := at["all"]; s.demo && !own && all != "" {
		curl := "curl"
		if s.encrypted() {
			curl += " -k" // of a developer's machine, whose certificate is hardly for this address
		}
		fmt.Fprintf(&b, "\nTry:\n  %s -u Bob:qwerty %s/node/api/users/current\n", curl, all)
	}
	if !s.milvusAuth {
		b.WriteString("\nMilvus asks nobody who they are (--milvus-auth=false).\n")
	}
	return b.String() + "\n"
}
