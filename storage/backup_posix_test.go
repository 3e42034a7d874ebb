//go:build !windows

package storage_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"usher/storage"
)

// What is no regular file is neither replaced nor opened, by any name.
func TestNoRegularFile(t *testing.T) {
	store := lived(t)
	dir := t.TempDir()
	pipe, folder := filepath.Join(dir, "pipe"), filepath.Join(dir, "folder")
	toPipe, toFolder := filepath.Join(dir, "to-pipe"), filepath.Join(dir, "to-folder")
	err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.Mkdir(folder, 0o700), os.Symlink(pipe, toPipe), os.Symlink(folder, toFolder))
	if err != nil {
		t.Fatal(err)
	}
	before := listed(t, pipe)
	for path, want := range map[string]string{
		pipe: "it is no regular file", toPipe: "it is no regular file",
		folder: "it is a directory", toFolder: "it is a directory",
	} {
		tried := map[string]error{
			"backup to":   storage.Backup(t.Context(), store, path, false),
			"replace":     storage.Backup(t.Context(), store, path, true),
			"backup from": storage.Backup(t.Context(), path, filepath.Join(dir, "copy.db"), false),
		}
		_, tried["restore to"] = storage.Restore(t.Context(), admin, store, path)
		_, tried["restore from"] = storage.Restore(t.Context(), admin, path, store)
		_, tried["check"] = storage.Check(t.Context(), path)
		_, tried["open"] = storage.Open(t.Context(), storage.Options{Path: path, Hash: cheap, Existing: true})
		_, tried["open a trail"] = storage.OpenTrail(t.Context(), path)
		for what, err := range tried {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s %s: %v", what, path, err)
			}
		}
	}
	want(t, listed(t, pipe), before)
	want(t, listed(t, store), []string{"test.db"})
}

// A folder whose name is an address to SQLite is a folder.
func TestBackupIntoAnOddFolder(t *testing.T) {
	path := lived(t)
	t.Chdir(t.TempDir())
	if err := os.Mkdir("file:d", 0o700); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join("file:d", "copy?mode=ro.db")
	if err := storage.Backup(t.Context(), path, to, false); err != nil {
		t.Fatal(err)
	}
	want(t, mustCheck(t, to).Users, 1)
	want(t, listed(t, to), []string{filepath.Base(to)})
}
