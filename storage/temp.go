package storage

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// tempPrefix is what the names of temporary folders begin with.
const tempPrefix = "usher-"

// lockName is the file in a temporary folder that its process holds a lock on. There is
// none where the system has no such locks. A folder goes for having one: nobody else's
// has a file of that name.
const lockName = "usher-store.lock"

// sweepOnce removes what is left of processes that were killed.
var sweepOnce = sync.OnceFunc(func() { sweep(os.TempDir()) })

// TempFolder makes a folder that only this user can read, for stores that go with the
// process, and removes those that processes of this user have left behind that were
// killed: there are hashes in them. kind is a part of its name. The folder goes, with
// all that is in it, when remove is called.
func TempFolder(kind string) (path string, remove func() error, err error) {
	sweepOnce()
	path, err = os.MkdirTemp("", tempPrefix+kind+"-")
	if err != nil {
		return "", nil, err
	}
	unlock, err := lockFolder(path)
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(path))
	}
	return path, func() error { return errors.Join(os.RemoveAll(path), unlock()) }, nil
}

// sweep removes the temporary folders in dir whose process is no more. What cannot be
// removed stays: the next one tries again.
func sweep(dir string) {
	entries, _ := os.ReadDir(dir) // those that could be read
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), tempPrefix) {
			removeAbandoned(filepath.Join(dir, e.Name()))
		}
	}
}
