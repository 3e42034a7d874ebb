package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// What is in the way of a backup or a restore; compare with [errors.Is].
var (
	ErrStoreInUse = errors.New("the store is in use")
	// ErrLog says that there is what SQLite keeps next to a store in use, or one
	// that was not closed. It would be taken for the log of whatever bears the
	// store's name.
	ErrLog = errors.New("there is the log of another store beside it")
)

// logs are what the names of the files end in that SQLite keeps next to a store
// in use, and that a store has left which was not closed.
var logs = []string{"-wal", "-shm", "-journal"}

// Backup copies the store at path from, as it is at one moment, to the file at
// path to, with mode 0600. The store may be in use, and goes on working meanwhile.
// Once Backup has returned nil the copy has been read again and found sound, and
// survives a power cut; otherwise what was there, if anything, is as it was. The
// copy is not brought up to date: whoever opens it does that.
//
// Errors: fs.ErrExist if there is something at to, unless replace is set; ErrLog;
// from is missing (fs.ErrNotExist), is not a store, is damaged, or was written by
// a newer version of this package.
func Backup(ctx context.Context, from, to string, replace bool) error {
	if err := backup(ctx, from, to, replace); err != nil {
		return fmt.Errorf("storage: backup of %s to %s: %w", from, to, err)
	}
	return nil
}

func backup(ctx context.Context, from, to string, replace bool) error {
	switch is, err := os.Stat(to); {
	case err == nil && !replace:
		return fs.ErrExist
	case err == nil:
		if store, err := os.Stat(from); err == nil && os.SameFile(store, is) {
			return errors.New("this is the store itself")
		}
	}
	for _, suffix := range logs {
		if _, err := os.Lstat(to + suffix); err == nil {
			return ErrLog
		}
	}
	part, err := copyStore(ctx, from, to)
	if err != nil {
		return err
	}
	if !replace {
		err = create(to) // somebody may have been faster
	}
	if err == nil {
		err = os.Rename(part, to)
	}
	if err != nil {
		return errors.Join(err, os.Remove(part))
	}
	return syncFolder(to)
}

// create makes an empty file. Errors: fs.ErrExist.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// copyStore copies a store to a new file, which is to bear the name to, and reads
// the copy again. It leaves nothing behind if it fails.
func copyStore(ctx context.Context, from, to string) (_ string, err error) {
	db, err := openFile(from)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	version, _, err := versionOf(ctx, db)
	if err != nil {
		return "", err
	}
	// SQLite would make the file with mode 0644; it takes an empty one.
	f, err := os.CreateTemp(filepath.Dir(to), filepath.Base(to)+".*.part")
	if err != nil {
		return "", err
	}
	part := f.Name()
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = errors.Join(err, os.Remove(part))
		}
	}()
	if _, err := db.ExecContext(ctx, `VACUUM INTO $1`, part); err != nil {
		return "", err
	}
	if err := f.Sync(); err != nil { // which SQLite does not, for VACUUM INTO
		return "", err
	}
	if err := verify(ctx, part, version); err != nil {
		return "", fmt.Errorf("the copy: %w", err)
	}
	return part, nil
}

// verify returns nil if path is a sound store of that version.
func verify(ctx context.Context, path string, version int) (err error) {
	db, err := openFile(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	have, _, err := versionOf(ctx, db)
	if err != nil {
		return err
	}
	if have != version {
		return fmt.Errorf("its schema is %d, not %d", have, version)
	}
	return sound(ctx, db)
}

// Restore puts a copy of the backup at path from in the place of the store at
// path to, at once, after the copy has been found sound. What was there, a damaged
// store too, is kept under the name that is returned, and is empty if nothing was.
// The copy has the owner of what was there, if the system lets it.
//
// Sessions and tokens that were good when the backup was made are good again
// unless they have expired; passwords are those of that time.
//
// The store must not be in use, and nobody may open it before Restore returns.
// Nor may this process have it open, in another Store say.
//
// Errors: ErrStoreInUse; from is missing (fs.ErrNotExist), is not a store, is
// damaged, or was written by a newer version of this package.
func Restore(ctx context.Context, from, to string) (aside string, err error) {
	aside, err = restore(ctx, from, to)
	if err != nil {
		return "", fmt.Errorf("storage: restore %s from %s: %w", to, from, err)
	}
	return aside, nil
}

func restore(ctx context.Context, from, to string) (aside string, err error) {
	switch real, err := filepath.EvalSymlinks(to); {
	case err == nil:
		to = real // which is what the log's name begins with
	case !errors.Is(err, fs.ErrNotExist):
		return "", err
	}
	part, err := copyStore(ctx, from, to)
	if err != nil {
		return "", err
	}
	if aside, err = swap(ctx, part, to); err != nil {
		return "", errors.Join(err, os.Remove(part))
	}
	return aside, syncFolder(to)
}

// swap puts the file part in the place of the store at path to, and keeps what was
// there.
func swap(ctx context.Context, part, to string) (aside string, err error) {
	name := to + time.Now().UTC().Format(".20060102T150405.000000Z")
	old, err := os.Stat(to)
	switch {
	case err == nil:
		if err := settle(ctx, to); err != nil {
			return "", err
		}
		sameOwner(part, old)
		aside = name
	case !errors.Is(err, fs.ErrNotExist):
		return "", err
	}
	// Where the store was damaged, or is gone, its log is still there.
	for _, suffix := range logs {
		switch err := os.Rename(to+suffix, name+suffix); {
		case err == nil:
			aside = name
		case !errors.Is(err, fs.ErrNotExist):
			return "", err
		}
	}
	if old != nil {
		if err := os.Link(to, name); err != nil { // so that there is a store at any moment
			if err := os.Rename(to, name); err != nil { // where there are no links there is a moment without
				return "", err
			}
		}
	}
	return aside, os.Rename(part, to)
}

// settle has a store take in its log, and be the one file. Errors: ErrStoreInUse.
func settle(ctx context.Context, path string) error {
	// Asked of the system first: SQLite cannot tell of a damaged store.
	if used, err := inUse(path); err != nil {
		return err
	} else if used {
		return ErrStoreInUse
	}
	asItIs, err := openPool(path, url.Values{"immutable": {"1"}}, 1)
	if err != nil {
		return err
	}
	if err := errors.Join(checkOurs(ctx, asItIs), asItIs.Close()); err != nil {
		if isDamage(err) { // kept as it is
			return nil
		}
		return err
	}
	db, err := openPool(path, url.Values{"mode": {"rw"}, "_pragma": {"busy_timeout(0)"}}, 1)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	// It takes being the only one.
	if _, err := db.ExecContext(ctx, `PRAGMA journal_mode = delete`); KindOf(wrap(err)) == Busy {
		return ErrStoreInUse
	}
	return nil // where it is damaged further on it may have failed: then there is a log left
}
