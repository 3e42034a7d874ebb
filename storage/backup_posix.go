//go:build !windows

package storage

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// SQLite's locks are on bytes that no store reaches to: whoever has one open with a
// write-ahead log shares one of them (https://www.sqlite.org/fileformat.html,
// "The Lock-Byte Page").
const (
	lockBytes  = 0x40000000
	lockLength = 512
)

// inUse says whether another process has the store at path open. It must not be
// asked while this one has: closing the file would drop its locks, of which other
// processes are to know (https://www.sqlite.org/howtocorrupt.html, 2.2).
func inUse(path string) (used bool, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	lock := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart, Start: lockBytes, Len: lockLength}
	err = syscall.FcntlFlock(f.Fd(), syscall.F_GETLK, &lock)
	return lock.Type != syscall.F_UNLCK, err
}

// sameOwner gives the file at path the owner of another, which takes being root
// unless it has him.
func sameOwner(path string, other os.FileInfo) {
	if s, ok := other.Sys().(*syscall.Stat_t); ok {
		_ = os.Chown(path, int(s.Uid), int(s.Gid))
	}
}

// syncFolder has the name of a file survive a power cut.
func syncFolder(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
