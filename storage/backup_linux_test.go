package storage_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"usher/storage"
)

// readOnly keeps root from writing to a folder until the test ends, where root may.
func readOnly(t *testing.T, dir string) {
	t.Helper()
	err := unix.Mount(dir, dir, "", unix.MS_BIND, "")
	if errors.Is(err, unix.EPERM) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	if err := unix.Mount("", dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
}

// A store in a folder that cannot be written is checked, copied and shown, and
// what has to be written says why it is not.
func TestReadOnly(t *testing.T) {
	path := lived(t)
	dir := filepath.Dir(path)
	if os.Geteuid() == 0 { // whom modes do not keep from writing
		readOnly(t, dir)
	} else {
		if err := errors.Join(os.Chmod(path, 0o400), os.Chmod(dir, 0o500)); err != nil { //nolint:gosec // a folder
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(dir, 0o700) }) //nolint:gosec // a folder
	}
	if err := os.WriteFile(filepath.Join(dir, "x"), nil, 0o600); err == nil {
		t.Log("NOT TESTED: the folder can be written")
		return
	}
	want(t, mustCheck(t, path).Problems, []string(nil))
	want(t, mustCheck(t, saved(t, path)).Users, 1)
	trail, err := storage.OpenTrail(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if es, err := trail.Events(t.Context(), storage.EventQuery{}); err != nil || len(es) != 3 {
		t.Error(es, err)
	}
	if err := trail.Close(); err != nil {
		t.Error(err)
	}
	if _, err := storage.Open(t.Context(), storage.Options{Path: path, Hash: cheap, Existing: true}); !storage.CannotWrite(err) {
		t.Errorf("open: %v", err)
	}
	want(t, listed(t, path), []string{"test.db"})
}
