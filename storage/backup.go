package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
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

// How a file is given its name, for tests to have it fail.
var (
	link   = os.Link
	rename = os.Rename
)

// Backup copies the store at path from, as it is at one moment, to the file at
// path to, with mode 0600. The store may be in use, and goes on working meanwhile.
// Once Backup has returned nil [Check] has found nothing wrong with the copy, which
// survives a power cut; otherwise what was there, if anything, is as it was. The
// copy is not brought up to date: whoever opens it does that.
//
// While it is made it is a file in the same folder whose name ends in ".part", which
// a process that is killed leaves behind. Where to is a link, the file that it leads
// to is meant, and has to be there.
//
// Errors: fs.ErrExist if there is something at to, unless replace is set; ErrLog;
// to is no regular file; ErrDamaged; from is missing (fs.ErrNotExist), is not a
// store, or was written by a newer version of this package.
func Backup(ctx context.Context, from, to string, replace bool) error {
	if err := backup(ctx, from, to, replace); err != nil {
		return fmt.Errorf("storage: backup of %s to %s: %w", from, to, damaged(err))
	}
	return nil
}

func backup(ctx context.Context, from, to string, replace bool) error {
	to, is, err := place(to)
	switch {
	case err != nil:
		return err
	case is != nil && !replace:
		return fs.ErrExist
	case is != nil:
		if store, err := os.Stat(from); err == nil && os.SameFile(store, is) {
			return errors.New("this is the store itself")
		}
	}
	if err := checkNoLog(to); err != nil {
		return err
	}
	part, err := copyStore(ctx, from, to)
	if err != nil {
		return err
	}
	if replace {
		err = rename(part, to)
	} else {
		err = renameNew(part, to)
	}
	if err != nil {
		return errors.Join(err, os.Remove(part))
	}
	return syncFolder(to)
}

// checkNoLog looks for what would be taken for the log of a new store at path. Errors:
// ErrLog.
func checkNoLog(path string) error {
	for _, suffix := range logs {
		if _, err := os.Lstat(path + suffix); err == nil {
			return ErrLog
		}
	}
	return nil
}

// place is what a path of a file to be written leads to by way of links, and what
// is there, nil if nothing is. Errors: it is no regular file.
func place(path string) (real string, is fs.FileInfo, err error) {
	switch real, err = filepath.EvalSymlinks(path); {
	case errors.Is(err, fs.ErrNotExist):
		if to, err := os.Readlink(path); err == nil {
			return "", nil, fmt.Errorf("it is a link to %s, and nothing is there", to)
		}
		return path, nil, nil
	case err != nil:
		return "", nil, err
	}
	if is, err = os.Stat(real); err != nil {
		return "", nil, err
	}
	return real, is, checkRegular(is)
}

// renameNew is rename for a name that nothing has. Errors: fs.ErrExist.
func renameNew(from, to string) error {
	switch err := link(from, to); {
	case errors.Is(err, fs.ErrExist):
		return fs.ErrExist
	case err == nil:
		return os.Remove(from)
	}
	// Where there are no links the name is taken first.
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Close(), rename(from, to)); err != nil {
		return errors.Join(err, os.Remove(to))
	}
	return nil
}

// copyStore copies a store to a new file, which is to bear the name to, and reads
// the copy again. It leaves nothing behind if it fails.
func copyStore(ctx context.Context, from, to string) (_ string, err error) {
	if to, err = filepath.Abs(to); err != nil { // SQLite takes a name like file:x for an address
		return "", err
	}
	db, err := openFile(ctx, from)
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

// verify returns nil if path is a store of that version in which nothing is wrong.
func verify(ctx context.Context, path string, version int) error {
	r, err := check(ctx, path)
	switch {
	case err != nil:
		return err
	case len(r.Problems) > 0:
		return fmt.Errorf("%w: %s", ErrDamaged, r.Problems[0])
	case r.Schema != version:
		return fmt.Errorf("its schema is %d, not %d", r.Schema, version)
	}
	return nil
}

// Restore puts a copy of the backup at path from in the place of the store at
// path to, at once, after [Check] has found nothing wrong with the copy. What was
// there, a damaged store too, is kept under the name that is returned, and is empty
// if nothing was. The copy has mode 0600, whatever that has, and its owner, or the
// folder's if nothing was there, if the system lets it. As a backup it is a ".part"
// until then.
//
// That it was done, by whom, is an event of each directory in the copy, StoreRestored.
//
// Sessions and tokens that were good when the backup was made are good again
// unless they have expired; passwords are those of that time.
//
// The store must not be in use, and nobody may open it before Restore returns.
// Nor may this process have it open, in another Store say.
//
// Errors: ErrStoreInUse; to is no regular file; ErrDamaged; from is missing
// (fs.ErrNotExist), is not a store, or was written by a newer version of this package.
// After an error what was there is there.
func Restore(ctx context.Context, by Actor, from, to string) (aside string, err error) {
	aside, err = restore(ctx, by, from, to)
	if err != nil {
		return "", fmt.Errorf("storage: restore %s from %s: %w", to, from, damaged(err))
	}
	return aside, nil
}

func restore(ctx context.Context, by Actor, from, to string) (aside string, err error) {
	to, _, err = place(to) // which is what the log's name begins with
	if err != nil {
		return "", err
	}
	backup, err := os.Stat(from)
	if err != nil {
		return "", err
	}
	part, err := copyStore(ctx, from, to)
	if err != nil {
		return "", err
	}
	if err = recordRestored(ctx, by, part, backup.ModTime()); err == nil {
		aside, err = swap(ctx, part, to)
	}
	if err != nil {
		return "", errors.Join(err, os.Remove(part))
	}
	if err := syncFolder(to); err != nil {
		return "", fmt.Errorf("it is done, but may not survive a power cut; what was there is kept as %s: %w", aside, err)
	}
	return aside, nil
}

// recordRestored adds an event to the trail of each directory in the store at path,
// which may be of an older version.
func recordRestored(ctx context.Context, by Actor, path string, made time.Time) (err error) {
	db, err := openFile(ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	_, err = db.ExecContext(ctx, `INSERT INTO event
		(directory, at, kind, actor_id, actor_name, target_id, target_name, source, request, result)
		SELECT d, $1, $2, $3, $4, '', $5, $6, $7, $8
		FROM (SELECT name AS d FROM directory UNION SELECT directory FROM event) ORDER BY d`,
		micros(time.Now()), StoreRestored, by.ID, by.Name, utc(made).Format(time.RFC3339Nano), by.Source, by.Request, resultOf(nil))
	return err
}

// swap puts the file part in the place of the store at path to, and keeps what was
// there. If it fails all is as before.
func swap(ctx context.Context, part, to string) (aside string, err error) {
	name := to + time.Now().UTC().Format(".20060102T150405.000000Z")
	to, old, err := place(to)
	if err != nil {
		return "", err
	}
	if old != nil {
		if err := settle(ctx, to); err != nil {
			return "", err
		}
		sameOwner(part, old)
	} else if folder, err := os.Stat(filepath.Dir(to)); err == nil {
		sameOwner(part, folder)
	}
	var undo []func() error
	defer func() {
		if err == nil {
			return
		}
		for _, f := range slices.Backward(undo) {
			if failed := f(); failed != nil {
				err = fmt.Errorf("%w; what was there is %s now: %w", err, name, failed)
			}
		}
	}()
	move := func(suffix string) error {
		if err := rename(to+suffix, name+suffix); err != nil {
			return err
		}
		aside = name
		undo = append(undo, func() error { return rename(name+suffix, to+suffix) })
		return nil
	}
	// Where the store was damaged, or is gone, its log is still there.
	for _, suffix := range logs {
		if err := move(suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	if old != nil {
		if link(to, name) == nil { // so that there is a store at any moment
			aside = name
			undo = append(undo, func() error { return os.Remove(name) })
		} else if err := move(""); err != nil { // where there are no links there is a moment without
			return "", err
		}
	}
	return aside, rename(part, to)
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
	_, err = checkOurs(ctx, asItIs)
	if err := errors.Join(err, asItIs.Close()); err != nil {
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
