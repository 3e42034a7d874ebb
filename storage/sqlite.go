package storage

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"modernc.org/sqlite"
)

// All that is particular to SQLite is in this file and in migrations. The SQL
// elsewhere is what SQLite and PostgreSQL both take, $1 for parameters
// included; an engine of several writers would also have to lock the row that
// [tx.user] reads.

//go:embed migrations/*.sql
var migrations embed.FS

// Result codes: https://www.sqlite.org/rescode.html. The texts that come with
// them are nobody's interface.
const (
	codeBusy       = 5 // the primary code: its extended codes end in this byte
	codePrimaryKey = 1555
	codeUnique     = 2067
)

// patience is how long to wait for a lock that another process holds: about as
// long as for a hasher, and thousands of times what a transaction takes.
const (
	patience    = 5 * time.Second
	busyTimeout = "busy_timeout(5000)"
)

// openSQLite opens the file at path, made if it is not there, as two pools.
//
// SQLite has one writer at a time, whatever one does. Several connections that
// want to be it fight over a lock by polling; one connection makes them wait
// for each other in this process, and is three times as fast. Readers need not wait for it, and get
// a pool of their own.
func openSQLite(ctx context.Context, path string) (writer, reader *sql.DB, err error) {
	path, err = filepath.Abs(path) // connections are opened later, wherever the process is by then
	if err != nil {
		return nil, nil, err
	}
	// SQLite would make the file with mode 0644, and gives -wal and -shm the
	// mode of the file. O_EXCL, so that a file that is there is not opened:
	// closing it would drop the locks that other stores of this process have
	// on it (https://www.sqlite.org/howtocorrupt.html, 2.2).
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		if _, missing := os.Stat(path); missing != nil { // a link to where no file is yet
			f, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
		}
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		return nil, nil, err
	}
	// The pragmas are run in this order on each new connection. busy_timeout
	// comes first: those after it may have to wait for another process.
	// synchronous=FULL makes a commit survive a power cut; with WAL, NORMAL
	// would not. _txlock=immediate takes the writer's lock at BEGIN: a
	// transaction that reads and then wants to write may find that somebody
	// else has written in between, and can do nothing but fail. _dqs=0 makes a
	// misspelt "name" an error instead of a string.
	writer, err = openPool(path, url.Values{
		"_pragma": {busyTimeout, "synchronous(full)", "foreign_keys(on)"},
		"_txlock": {"immediate"},
	}, 1)
	if err != nil {
		return nil, nil, err
	}
	if err = checkOurs(ctx, writer); err == nil {
		err = setWAL(ctx, writer)
	}
	if err == nil {
		err = migrate(ctx, writer)
	}
	if err != nil {
		return nil, nil, errors.Join(err, writer.Close())
	}
	reader, err = openPool(path, url.Values{
		"_pragma": {busyTimeout, "query_only(on)"},
	}, maxReaders())
	if err != nil {
		return nil, nil, errors.Join(err, writer.Close())
	}
	return writer, reader, nil
}

// maxReaders is how many connections read: at least four, so that a long list
// does not hold up logins on one core.
func maxReaders() int { return max(4, runtime.GOMAXPROCS(0)) }

func openPool(path string, options url.Values, size int) (*sql.DB, error) {
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
// changed. One without tables is new.
func checkOurs(ctx context.Context, db *sql.DB) error {
	var id, tables int
	err := db.QueryRowContext(ctx, `SELECT application_id, (SELECT count(*) FROM sqlite_schema) FROM pragma_application_id`).Scan(&id, &tables)
	if err == nil && id != applicationID && tables > 0 {
		return errors.New("the file is another program's database")
	}
	return err
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
		if version > len(files) {
			return fmt.Errorf("the file was written by a newer version: its schema is %d, the newest known here is %d", version, len(files))
		}
		if version == len(files) {
			return nil
		}
		if err := migrateTo(ctx, db, version+1, files[version].Name()); err != nil {
			return err
		}
	}
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
	var e *sqlite.Error
	if errors.As(err, &e) && e.Code()&0xff == codeBusy {
		return &Error{Kind: Busy, err: err}
	}
	return fmt.Errorf("storage: %w", err)
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
