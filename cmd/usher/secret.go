package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"usher/storage/password"
)

// maxSecret is how many bytes a password may have that is read here: more than
// any of the APIs takes in a request's body would be a file given by mistake.
const maxSecret = 1 << 20

// noSecretAsArgument refuses arguments of a command that reads a password, and
// does not repeat them: one may be it.
func noSecretAsArgument(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return errors.New("the password is read from the terminal, standard input or --password-file; it is no argument")
	}
	return nil
}

// noSecretAsFlag is the error for flags that cannot be read of a command that reads
// a password, and does not repeat them: an argument that begins with a dash is taken
// for one.
func noSecretAsFlag(_ *cobra.Command, err error) error {
	var value *pflag.InvalidValueError
	var missing *pflag.ValueRequiredError
	switch {
	case errors.As(err, &value):
		return fmt.Errorf("invalid argument for --%s", value.GetFlag().Name)
	case errors.As(err, &missing):
		return fmt.Errorf("--%s needs an argument", missing.GetFlag().Name)
	}
	return errors.New("an unknown flag; the password is no argument")
}

// addPasswordFile makes the flag that says where readSecret reads from.
func addPasswordFile(flags *pflag.FlagSet, file *string) {
	flags.StringVar(file, "password-file", "", "`file` whose one line is the password; without it the password is asked for, or read from standard input")
}

// readSecret reads a password: from a file, if there is a name; from a terminal,
// twice, without showing it; or else from what in has. A file, or what is no
// terminal, holds one line, whose end is no part of the password. Errors: there
// is no password, or more than a line; it is not UTF-8, in which no API could be
// sent it; ctx is done, which leaves a terminal as it was.
func readSecret(ctx context.Context, file string, in io.Reader, prompts io.Writer) (password.Plain, error) {
	if file != "" {
		f, err := os.Open(file)
		if err != nil {
			return "", fmt.Errorf("--password-file: %w", err)
		}
		defer func() { _ = f.Close() }() // only read
		return readLine(f)
	}
	if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return promptSecret(ctx, f, prompts)
	}
	return readLine(in)
}

// readLine reads the password that is all there is.
func readLine(r io.Reader) (password.Plain, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("password: %w", err)
	}
	text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	if bytes.ContainsAny(text, "\r\n") {
		return "", errors.New("password: more than one line")
	}
	return checkSecret(text)
}

// promptSecret asks for a password until it is given twice alike.
func promptSecret(ctx context.Context, terminal *os.File, prompts io.Writer) (password.Plain, error) {
	for {
		first, err := readHidden(ctx, terminal, prompts, "Password: ")
		if err != nil {
			return "", err
		}
		again, err := readHidden(ctx, terminal, prompts, "Once more: ")
		if err != nil {
			return "", err
		}
		if bytes.Equal(first, again) {
			return checkSecret(first)
		}
		_, _ = io.WriteString(prompts, "These differ.\n")
	}
}

// readHidden reads a line that the terminal does not show.
func readHidden(ctx context.Context, terminal *os.File, prompts io.Writer, prompt string) ([]byte, error) {
	fd := int(terminal.Fd())
	state, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(prompts, prompt); err != nil {
		return nil, err
	}
	type line struct {
		text []byte
		err  error
	}
	read := make(chan line, 1)
	go func() {
		text, err := term.ReadPassword(fd)
		read <- line{text, err}
	}()
	select {
	case l := <-read:
		_, _ = io.WriteString(prompts, "\n") // the one that was typed is not shown
		return l.text, l.err
	case <-ctx.Done(): // the program ends, and the reading with it
		return nil, errors.Join(ctx.Err(), term.Restore(fd, state))
	}
}

func checkSecret(text []byte) (password.Plain, error) {
	switch {
	case len(text) == 0:
		return "", errors.New("password: there is none")
	case len(text) > maxSecret:
		return "", fmt.Errorf("password: more than %d bytes", maxSecret)
	case !utf8.Valid(text):
		return "", errors.New("password: not UTF-8")
	}
	return password.Plain(text), nil
}
