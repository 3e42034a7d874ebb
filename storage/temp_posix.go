//go:build !windows

package storage

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// lockFolder has others know that the folder is in use until unlock is called, or the
// process ends. A file system without locks is no error: then nobody else removes it.
func lockFolder(folder string) (unlock func() error, err error) {
	// It has its name once it is locked: whoever finds it free may take the folder away.
	path := filepath.Join(folder, "."+lockName)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if flock(f) == nil {
		err = os.Rename(path, filepath.Join(folder, lockName))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil
}

// removeAbandoned removes a folder of this user whose process is no more.
func removeAbandoned(folder string) {
	if is, err := os.Lstat(folder); err != nil || !is.IsDir() || !ownedByMe(is) {
		return
	}
	f, err := os.OpenFile(filepath.Join(folder, lockName), os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }()
	if flock(f) == nil {
		_ = os.RemoveAll(folder)
	}
}

func ownedByMe(is os.FileInfo) bool {
	stat, ok := is.Sys().(*syscall.Stat_t)
	return ok && int64(stat.Uid) == int64(os.Geteuid())
}

// flock locks a file, or fails at once. The lock is the open file's, whatever else the
// process opens and closes, and ends with it.
func flock(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
