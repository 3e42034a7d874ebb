package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"usher/handlers"
	"usher/handlers/fixture"
	"usher/storage"
)

// fixtureSetting is a fixture that a flag names the file of.
type fixtureSetting struct {
	file    string
	content fixture.Fixture
}

// Set reads the file.
func (f *fixtureSetting) Set(file string) error {
	document, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	content, err := fixture.Parse(file, document)
	f.file, f.content = file, content
	return err
}

func (f *fixtureSetting) String() string { return f.file }

// Type is what pflag calls the value.
func (f *fixtureSetting) Type() string { return "file" }

func newExport(environ []string) *cobra.Command {
	var (
		db, schema string
		apis       []string
		replace    bool
	)
	cmd := &cobra.Command{
		Use:   "export FILE",
		Short: "Write users, roles and settings to a file that can be read and edited",
		Long: `Write the users, roles and settings in the store, which may be in use, to a file of
YAML, as they are at one moment: a fixture, as usher serve --fixture takes it. What
is the same is the same bytes, whenever it is exported.

The file has every password's hash, and mode 0600. Tokens, sessions, old passwords
and events are not in it. With - for FILE it goes to standard output, hashes and all.

An editor that knows JSON Schema helps with the file if --schema names where to
write the schema, too.`,
		Example: "  usher export --api milvus users.yaml\n" +
			"  usher export --schema fixture.schema.json users.yaml",
		Args: cobra.ExactArgs(1),
		RunE: onStore(environ, func(cmd *cobra.Command, args []string) (err error) {
			for _, api := range apis {
				if !slices.Contains(handlers.Names(), api) {
					return fmt.Errorf("--api %s: there are %s", printable(api), strings.Join(handlers.Names(), ", "))
				}
			}
			if err := checkTargets(db, args[0], schema, replace); err != nil {
				return err
			}
			store, err := openStore(cmd, db, storage.Options{})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, store.Close()) }()
			seeds, err := store.Dump(cmd.Context())
			if err != nil {
				return err
			}
			if apis != nil {
				maps.DeleteFunc(seeds, func(api string, _ storage.Seed) bool { return !slices.Contains(apis, api) })
			}
			to := args[0]
			at, err := schemaFrom(schema, to)
			if err != nil {
				return err
			}
			text, err := fixture.From(seeds).YAML(at)
			if err != nil {
				return err
			}
			if to == "-" {
				_, err = cmd.OutOrStdout().Write(text)
			} else {
				err = writeNew(to, text, replace)
			}
			if err != nil || schema == "" {
				return err
			}
			return writeNew(schema, fixture.Schema, true) // it was there before, or may be replaced
		}),
	}
	flags := cmd.Flags()
	addStore(flags, &db)
	flags.StringArrayVar(&apis, "api", nil, "`API` to export; may be repeated; without it all are")
	flags.StringVar(&schema, "schema", "", "`file` to write the JSON Schema of fixtures to, which the exported file then names")
	flags.BoolVar(&replace, "replace", false, "replace the file if there is one, and the schema's")
	return cmd
}

// checkTargets refuses what is not to be written over.
func checkTargets(db, file, schema string, replace bool) error {
	if schema == "-" {
		return errors.New("--schema: it names a file")
	}
	if file != "-" && schema != "" && filepath.Clean(file) == filepath.Clean(schema) {
		return fmt.Errorf("--schema %s: the users go there", schema)
	}
	store, err := os.Stat(db)
	if err != nil {
		return explain(err, db)
	}
	for _, name := range []string{file, schema} {
		switch is, err := os.Stat(name); {
		case name == "-" || name == "" || err != nil: // what cannot be made fails later
		case os.SameFile(is, store):
			return fmt.Errorf("%s is the store itself", name)
		case !is.Mode().IsRegular():
			return fmt.Errorf("%s is no file", name)
		}
	}
	if is, err := os.ReadFile(schema); err == nil && !replace && !bytes.Equal(is, fixture.Schema) {
		return fmt.Errorf("there is another file %s already; --replace takes its place", schema)
	}
	return nil
}

// schemaFrom is where the schema is as seen from the folder of the file that is to name
// it, which is how editors look for it.
func schemaFrom(schema, file string) (string, error) {
	if schema == "" || file == "-" {
		return schema, nil
	}
	from, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return "", err
	}
	to, err := filepath.Abs(schema)
	if err != nil {
		return "", err
	}
	at, err := filepath.Rel(from, to)
	return filepath.ToSlash(at), err
}

// writeNew writes a file of mode 0600. One that is to be replaced stays as it is until
// the other is whole.
func writeNew(file string, content []byte, replace bool) error {
	var f *os.File
	var err error
	if replace {
		f, err = os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*.part") // of mode 0600
	} else {
		f, err = os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	}
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("there is a file %s already; --replace takes its place", file)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil && replace {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
