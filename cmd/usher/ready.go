package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"usher/handlers"
)

// urls says where each API is reached best, on a port of its own or else on the
// first of all, by the API's name; and under "all" where all are. What nobody
// asked for is not in it.
func urls(s settings, listeners []listening, served []handlers.Summary) map[string]string {
	at := map[string]string{}
	for _, l := range listeners {
		name := cmp.Or(l.api, "all")
		at[name] = cmp.Or(at[name], s.url(l))
	}
	for _, v := range served {
		if url := cmp.Or(at[v.Name], at["all"]); url != "" {
			at[v.Name] = url
		}
	}
	return at
}

// readyFile is the file by which a program that has started this one learns that
// it is ready, and where it is reached.
type readyFile struct {
	name    string
	part    *os.File // takes the name once it is written
	content []byte   // as it was written; nil: it is not
}

// prepareReady makes sure that the file can be written, before there is anything
// to tell, and removes one that an earlier server has left. Without a name there
// is no file, and nothing comes of the rest.
func prepareReady(name string) (*readyFile, error) {
	if name == "" {
		return &readyFile{}, nil
	}
	if is, err := os.Lstat(name); err == nil && !is.Mode().IsRegular() {
		return nil, fmt.Errorf("--ready-file: %s is no file", name)
	}
	part, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*.part") // of mode 0600
	if err != nil {
		return nil, fmt.Errorf("--ready-file: %w", err)
	}
	r := &readyFile{name: name, part: part}
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(fmt.Errorf("--ready-file: %w", err), r.remove())
	}
	return r, nil
}

// write has the file say that the server is ready, where it is reached, and where its
// journal is, if that is a place of its own: whoever finds it finds it whole.
func (r *readyFile) write(urls map[string]string, journal string) error {
	if r.part == nil {
		return nil
	}
	content, err := json.Marshal(struct {
		PID     int               `json:"pid"`
		URLs    map[string]string `json:"urls"`
		Journal string            `json:"journal,omitempty"`
	}{os.Getpid(), urls, journal})
	if err != nil {
		return err
	}
	content = append(content, '\n')
	_, err = r.part.Write(content)
	err = errors.Join(err, r.part.Close())
	if err == nil {
		err = os.Rename(r.part.Name(), r.name)
	}
	if err != nil {
		return fmt.Errorf("--ready-file: %w", err)
	}
	r.content = content
	return nil
}

// remove takes the file away, but for one that another server has put in its
// place.
func (r *readyFile) remove() error {
	if r.part == nil {
		return nil
	}
	if r.content == nil {
		_ = r.part.Close() // may have been closed
		return os.Remove(r.part.Name())
	}
	if is, err := os.ReadFile(r.name); err != nil || !bytes.Equal(is, r.content) {
		return nil //nolint:nilerr // somebody has taken it away before
	}
	return os.Remove(r.name)
}
