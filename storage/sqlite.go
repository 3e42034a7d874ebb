package storage

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"modernc.org/sqlite"
)

// All that is particular to SQLite is in this file, in those of checks and
// backups, and in migrations. The SQL elsewhere is what SQLite and PostgreSQL
// both take, $1 for parameters included; an engine of several writers would
// also have to lock the row that [tx.user] reads.

//go:embed migrations/*.sql
var migrations embed.FS

// Result codes: https://www.sqlite.org/rescode.html. The texts that come with
// them are nobody's interface.
const (
	codeBusy       = 5 // the primary code, as the next two: extended ones end in this byte
	codeCorrupt    = 11
	codeNotADB     = 26
	codeReadOnly   = 8  // a primary code, as are the next two
	codeIO         = 10 // of a file that may not grow, too
	codeFull       = 13
	codeCantOpen   = 14 // a primary code
	codePrimaryKey = 1555
	codeUnique     = 2067
)

// patience is how long to wait for a lock that another process holds: about as
// long as for a hasher, and thousands of times what a transaction takes.
const (
	patience    = 5 * time.Second
	busyTimeout = "busy_timeout(5000)"
)

// ErrOlder says that a store was written by an older version of this package,
// and has to be brought up to date; compare with [errors.Is].
var ErrOlder = errors.New("the file was written by an older version")

// openSQLite opens the file at path, made if it is not there, as two pools. If
// it has to exist it must be up to date, too.
//
// SQLite has one writer at a time, whatever one does. Several connections that
// want to be it fight over a lock by polling; one connection makes them wait
// for each other in this process, and is three times as fast. Readers need not wait for it, and get
// a pool of their own.
//
// An image is what a new file is to have, and needs none of what a file is asked that
// somebody else may have written.
func openSQLite(ctx context.Context, o Options, i *Image) (writer, reader *sql.DB, err error) {
	switch {
	case i != nil:
		err = i.writeFile(o.Path, o.Volatile)
	case !o.Existing:
		err = makeFile(o.Path)
	}
	if err == nil && i == nil {
		err = admit(ctx, o.Path, o.Existing)
	}
	if err != nil {
		return nil, nil, err
	}
	// The pragmas are run in this order on each new connection. busy_timeout
	// comes first: those after it may have to wait for another process.
	// synchronous=FULL makes a commit survive a power cut; with WAL, NORMAL
	// would not. _txlock=immediate takes the writer's lock at BEGIN: a
	// transaction that reads and then wants to write may find that somebody
	// else has written in between, and can do nothing but fail. _dqs=0 makes a
	// misspelt "name" an error instead of a string. secure_delete has a hash that
	// is replaced, and an event that is pruned, overwritten in the file, where its
	// bytes would stay until something else needs the room; that costs no more than
	// can be measured.
	synchronous := "synchronous(full)"
	if o.Volatile {
		synchronous = "synchronous(off)"
	}
	writer, err = openPool(o.Path, url.Values{
		"_pragma": {busyTimeout, synchronous, "foreign_keys(on)", "secure_delete(on)"},
		"_txlock": {"immediate"},
	}, 1)
	if err != nil {
		return nil, nil, err
	}
	if i == nil {
		if err = setWAL(ctx, writer); err == nil {
			err = migrate(ctx, writer)
		}
	}
	if err != nil {
		return nil, nil, errors.Join(err, writer.Close())
	}
	reader, err = openPool(o.Path, url.Values{
		"_pragma": {busyTimeout, "query_only(on)"},
	}, maxReaders(o.Volatile))
	if err != nil {
		return nil, nil, errors.Join(err, writer.Close())
	}
	if o.Volatile {
		writer.SetConnMaxIdleTime(volatileIdle)
		reader.SetConnMaxIdleTime(volatileIdle)
	}
	return writer, reader, nil
}

// volatileIdle is how long a connection to a volatile store is kept that nobody uses.
// There may be a thousand of these stores, and each connection is two files and some
// 300 KB.
const volatileIdle = 5 * time.Second

// makeFile makes an empty file at path, unless there is one.
func makeFile(path string) error {
	// SQLite would make the file with mode 0644, and gives -wal and -shm the
	// mode of the file. O_EXCL, so that a file that is there is not opened:
	// closing it would drop the locks that other stores of this process have
	// on it (https://www.sqlite.org/howtocorrupt.html, 2.2).
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		if _, missing := os.Stat(path); missing == nil {
			return nil
		}
		f, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600) // a link to where no file is yet
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// maxReaders is how many connections read: at least four, so that a long list
// does not hold up logins on one core. A volatile store has one for each that there
// has to be: for what is long, and for what is short.
func maxReaders(volatile bool) int {
	if volatile {
		return 2
	}
	return max(4, runtime.GOMAXPROCS(0))
}

// checkRegular refuses what can be no store.
func checkRegular(is fs.FileInfo) error {
	switch {
	case is.IsDir():
		return errors.New("it is a directory")
	case !is.Mode().IsRegular():
		return errors.New("it is no regular file")
	}
	return nil
}

// openPool opens a file that there is.
func openPool(path string, options url.Values, size int) (*sql.DB, error) {
	is, err := os.Stat(path)
	if err == nil {
		err = checkRegular(is) // SQLite would say less, and open a device
	}
	if err != nil {
		return nil, err
	}
	path, err = filepath.Abs(path) // connections are opened later, wherever the process is by then
	if err != nil {
		return nil, err
	}
	options.Set("_dqs", "0")
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: options.Encode()}
	if !strings.HasPrefix(u.Path, "/") {
		u.Path = "/" + u.Path // C:/… as SQLite wants it: file:///C:/…
	}
	c, err := sqlite.NewConnector(u.String())
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db, nil
}

// applicationID is how the file says that it is a store: "ushr", as the first
// migration sets it.
const applicationID = 0x75736872

// checkOurs refuses a file that is another program's, before anything in it is
// changed, and returns how many migrations it has had. One without tables is new.
func checkOurs(ctx context.Context, db *sql.DB) (version int, err error) {
	var id, tables int
	err = db.QueryRowContext(ctx, `SELECT application_id, (SELECT count(*) FROM sqlite_schema), user_version
		FROM pragma_application_id, pragma_user_version`).Scan(&id, &tables, &version)
	switch {
	case err != nil || tables == 0:
		return version, err
	case id != applicationID:
		return 0, errors.New("the file is another program's database")
	case version == 0:
		return 0, fmt.Errorf("%w: it has tables, and the version of its schema is lost", ErrDamaged)
	}
	return version, nil
}

// admit refuses a file that cannot be opened as a store, before anything in it is
// changed. One of an older version must not be in use when it is brought up to
// date: who has it open does not know the tables that it will find. For that the
// others are given some time to go. If the file has to exist it must be up to date.
func admit(ctx context.Context, path string, existing bool) error {
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		db, err := openFile(ctx, path)
		if err != nil {
			return err
		}
		version, newest, err := readVersion(ctx, db)
		if err := errors.Join(err, db.Close()); err != nil {
			return err
		}
		switch {
		case existing && version == 0:
			return errNothing
		case existing && version < newest:
			return fmt.Errorf("%w: its schema is %d, the newest is %d", ErrOlder, version, newest)
		case version == 0 || version == newest:
			return nil
		}
		if used, err := inUse(path); err != nil || !used {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("%w by an older version, which has to be stopped before it is brought up to date", ErrStoreInUse)
		}
	}
}

// setWAL has the file keep a write-ahead log, so that readers do not wait for
// the writer. The file remembers it. It is asked for here and not as a pragma
// of each connection because SQLite does not wait for the locks it takes when
// several processes want it of a new file: the one that is refused asks again.
func setWAL(ctx context.Context, db *sql.DB) error {
	for end := time.Now().Add(patience); ; {
		var mode string
		err := db.QueryRowContext(ctx, `PRAGMA journal_mode = wal`).Scan(&mode)
		switch {
		case err == nil && mode != "wal":
			return errors.New("no write-ahead log on this file system")
		case KindOf(wrap(err)) != Busy || time.Now().After(end):
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

// migrate brings the tables up to date, one transaction for each file of
// migrations, in the order of their names. How many have been done is the
// file's user_version.
func migrate(ctx context.Context, db *sql.DB) error {
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		return err
	}
	for {
		var version int
		if err := db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
			return err
		}
		if err := checkVersion(version, len(files)); err != nil {
			return err
		}
		if version == len(files) {
			return nil
		}
		if err := migrateTo(ctx, db, version+1, files[version].Name()); err != nil {
			return err
		}
	}
}

// checkVersion refuses what a newer version of this package has written: it may
// keep there what this one would lose. And what none has.
func checkVersion(version, newest int) error {
	if version < 0 {
		return fmt.Errorf("%w: its schema is said to be %d, which no version writes", ErrDamaged, version)
	}
	if version > newest {
		return fmt.Errorf("the file was written by a newer version: its schema is %d, the newest known here is %d", version, newest)
	}
	return nil
}

// migrateTo runs one migration, unless another process was faster.
func migrateTo(ctx context.Context, db *sql.DB, version int, file string) error {
	script, err := migrations.ReadFile("migrations/" + file)
	if err != nil {
		return err
	}
	t, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = t.Rollback() }() // does nothing after Commit
	var have int
	if err := t.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&have); err != nil {
		return err
	}
	if have >= version {
		return nil
	}
	if _, err := t.ExecContext(ctx, string(script)); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if _, err := t.ExecContext(ctx, fmt.Sprintf(`PRAGMA user_version = %d`, version)); err != nil {
		return err
	}
	return t.Commit()
}

// wrap makes an error of database/sql one of this package.
func wrap(err error) error {
	if err == nil {
		return nil
	}
	if primaryCode(err) == codeBusy {
		return &Error{Kind: Busy, err: err}
	}
	return fmt.Errorf("storage: %w", err)
}

// CannotWrite says whether err, of any function of this package, is that the file, or
// its folder, cannot be written, be it that the disk is full, broken or mounted to be
// read only.
func CannotWrite(err error) bool { return cannotWrite(err) || primaryCode(err) == codeCantOpen }

// cannotWrite is CannotWrite for a file that is open: what could not be opened since
// says nothing of the disk.
func cannotWrite(err error) bool {
	switch primaryCode(err) {
	case codeReadOnly, codeIO, codeFull:
		return true
	}
	return false
}

// primaryCode is that of an error of SQLite's, 0 for any other.
func primaryCode(err error) int {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff
}

// claim is something unique that a row wants: the member it is about, and a
// query that finds a row that has it.
type claim struct {
	field, query string
	args         []any
}

// taken turns err, of an INSERT or UPDATE, into Exists for the first of claims
// that somebody else has, and into wrap(err) if it is about something else.
// SQLite's codes do not say which constraint it was. The transaction goes on
// after such an error, and nobody else writes meanwhile, so asking now is
// asking in time.
func (t *tx) taken(ctx context.Context, err error, claims ...claim) error {
	var e *sqlite.Error
	if !errors.As(err, &e) || e.Code() != codePrimaryKey && e.Code() != codeUnique {
		return wrap(err)
	}
	for _, c := range claims {
		switch err := t.QueryRowContext(ctx, c.query, c.args...).Scan(new(int)); {
		case err == nil:
			return &Error{Kind: Exists, Field: c.field}
		case !errors.Is(err, sql.ErrNoRows):
			return wrap(err)
		}
	}
	return wrap(err)
}

// documentMember is the expression for the member of column document that path
// leads to, as a number or a string if it is one, NULL if it is not there; NULL
// sorts first. The names of the path must be letters, digits and underscores.
func documentMember(path []string) string {
	return `json_extract(document, '$."` + strings.Join(path, `"."`) + `"')`
}
