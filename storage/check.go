package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"usher/storage/password"
)

// ErrDamaged says that a store has something wrong that [Check] finds; compare with
// [errors.Is].
var ErrDamaged = errors.New("it is damaged")

// Report is what [Check] found.
type Report struct {
	Schema, Newest int // how many migrations the file has had, and how many there are
	Users, Events  int
	// Problems are what is wrong, each in words that hold ids and no secret. Of
	// more than maxProblems the last says how many are not listed.
	Problems []string
}

// maxProblems is how many problems are put into words: a file that is damaged
// has as many as it has rows.
const maxProblems = 100

// problems counts what is wrong and keeps the first of it.
type problems struct {
	list []string
	more int
}

// add puts a problem into words. The names in it are whoever's who could write to
// the file: no terminal is to obey them, and no line break of theirs makes a line.
func (p *problems) add(format string, args ...any) {
	if len(p.list) == maxProblems {
		p.more++
		return
	}
	var line strings.Builder
	for _, r := range fmt.Sprintf(format, args...) {
		if strconv.IsPrint(r) {
			line.WriteRune(r)
		} else {
			line.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	p.list = append(p.list, line.String())
}

func (p *problems) all() []string {
	if p.more > 0 {
		return append(p.list, fmt.Sprintf("and %d more", p.more))
	}
	return p.list
}

// Check looks for damage in the store at path, as it is at one moment, and
// changes nothing; the store may be in use. It looks at
//   - what SQLite itself can tell: its structure, its indexes, its constraints;
//   - rows that refer to rows that there are not, such as the tokens of nobody;
//   - whether the tables, columns and indexes are those that the migrations make;
//   - documents that are no JSON objects, and hashes that cannot be read.
//
// It returns an error if path cannot be read, is not a store, or was written by
// a newer version of this package. An older one is no problem: [Open] brings it
// up to date.
func Check(ctx context.Context, path string) (Report, error) {
	r, err := check(ctx, path)
	if err != nil {
		return Report{}, fmt.Errorf("storage: check %s: %w", path, err)
	}
	return r, nil
}

func check(ctx context.Context, path string) (r Report, err error) {
	db, err := openFile(ctx, path)
	if err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var ps problems
	if r.Schema, r.Newest, err = versionOf(ctx, db); err == nil {
		err = inspect(ctx, db, &r, &ps)
	}
	// Too much of it to go on: what is damaged is not where it is looked for.
	if err != nil && ctx.Err() == nil && (isDamage(err) || ps.list != nil) {
		ps.add("%s", strings.TrimPrefix(err.Error(), ErrDamaged.Error()+": "))
		err = nil
	}
	r.Problems = ps.all()
	return r, err
}

// inspect is check for a file that is known to be a store, in one transaction.
func inspect(ctx context.Context, db *sql.DB, r *Report, ps *problems) error {
	t, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = t.Rollback() }()
	if err := structure(ctx, t, ps); err != nil {
		return err
	}
	if err := schema(ctx, t, r.Schema, ps); err != nil {
		return err
	}
	if err := contents(ctx, t, ps); err != nil {
		return err
	}
	return t.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM "user"), (SELECT count(*) FROM event)`).Scan(&r.Users, &r.Events)
}

// openFile opens a store that there is, as one connection, and as it is. It may
// write if the system lets it, or it could not clear away what SQLite puts next
// to a file that keeps a log. Where it cannot put anything there, and there is no
// log, nobody has the store open: then it is read as it stands.
func openFile(ctx context.Context, path string) (*sql.DB, error) {
	db, err := openPool(path, url.Values{"mode": {"rw"}, "_pragma": {busyTimeout}}, 1)
	if err != nil {
		return nil, err
	}
	code := primaryCode(db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema`).Scan(new(int)))
	if code != codeReadOnly && code != codeCantOpen {
		return db, nil // any other error comes again with what is read next
	}
	real, err := filepath.EvalSymlinks(path) // which is what the log's name begins with
	if err == nil {
		if _, err = os.Lstat(real + "-wal"); err == nil {
			return db, nil
		}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(err, db.Close())
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	return openPool(path, url.Values{"mode": {"ro"}, "immutable": {"1"}}, 1)
}

// errNothing says that a file is too new to be a store.
var errNothing = errors.New("there is nothing in the file")

// versionOf is how many migrations a store has had, and how many there are.
// Errors: it is not a store, or a newer one.
func versionOf(ctx context.Context, db *sql.DB) (version, newest int, err error) {
	if version, newest, err = readVersion(ctx, db); err == nil && version == 0 {
		err = errNothing
	}
	return version, newest, err
}

// readVersion is versionOf for a file that may have nothing in it yet, version 0.
func readVersion(ctx context.Context, db *sql.DB) (version, newest int, err error) {
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		return 0, 0, err
	}
	newest = len(files)
	if version, err = checkOurs(ctx, db); err != nil {
		return 0, newest, err
	}
	return version, newest, checkVersion(version, newest)
}

// querier is a transaction or a connection.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// structure looks for damage that SQLite finds by itself.
func structure(ctx context.Context, q querier, ps *problems) error {
	err := each(ctx, q, `SELECT integrity_check, '' FROM pragma_integrity_check`, func(said, _ string) {
		if said != "ok" {
			ps.add("%s", said)
		}
	})
	if err != nil {
		return err
	}
	return each(ctx, q, `SELECT "table" || ': ' || count(*) || ' rows that belong to no ' || parent, ''
		FROM pragma_foreign_key_check GROUP BY "table", parent`, func(said, _ string) { ps.add("%s", said) })
}

// schema looks for tables and indexes that the migrations up to a version would
// not have left, by their names and those of their columns, and for missing ones.
func schema(ctx context.Context, q querier, version int, ps *problems) error {
	fresh, err := migrated(ctx, version)
	if err != nil {
		return err
	}
	defer func() { _ = fresh.Close() }()
	const names = `SELECT type, CASE type
			WHEN 'table' THEN name || (SELECT '(' || group_concat(c.name, ', ') || ')' FROM pragma_table_info(m.name) c)
			ELSE name END
		FROM sqlite_schema m WHERE name NOT GLOB 'sqlite_stat*' ORDER BY 1, 2` // ANALYZE makes those
	want, have := map[[2]string]bool{}, map[[2]string]bool{}
	if err := each(ctx, fresh, names, func(kind, name string) { want[[2]string{kind, name}] = true }); err != nil {
		return err
	}
	err = each(ctx, q, names, func(kind, name string) {
		if have[[2]string{kind, name}] = true; !want[[2]string{kind, name}] {
			ps.add("%s %s: no migration makes it", kind, name)
		}
	})
	if err != nil {
		return err
	}
	return each(ctx, fresh, names, func(kind, name string) {
		if !have[[2]string{kind, name}] {
			ps.add("%s %s: missing", kind, name)
		}
	})
}

// migrated is a store in memory that has had so many migrations, with nothing in it.
func migrated(ctx context.Context, version int) (fresh *sql.DB, err error) {
	if fresh, err = sql.Open("sqlite", ":memory:"); err != nil {
		return nil, err
	}
	fresh.SetMaxOpenConns(1) // each connection would be a database of its own
	files, err := migrations.ReadDir("migrations")
	for i := 0; err == nil && i < version; i++ {
		err = migrateTo(ctx, fresh, i+1, files[i].Name())
	}
	if err != nil {
		return nil, errors.Join(err, fresh.Close())
	}
	return fresh, nil
}

// checkTables refuses a file whose tables are not word for word what the migrations
// make, before anything in it is read: what else there may be in a definition, such as
// a CHECK or a column that is computed, is run for each row.
func checkTables(ctx context.Context, path string) (err error) {
	db, err := openFile(ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	version, _, err := versionOf(ctx, db)
	if err != nil {
		return err
	}
	fresh, err := migrated(ctx, version)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fresh.Close()) }()
	const all = `SELECT type || ' ' || name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT GLOB 'sqlite_stat*'`
	want, have := map[string]string{}, map[string]string{}
	err = errors.Join(each(ctx, fresh, all, func(name, text string) { want[name] = text }),
		each(ctx, db, all, func(name, text string) { have[name] = text }))
	if err == nil && !maps.Equal(have, want) {
		err = fmt.Errorf("%w: its tables are not those that the migrations make", ErrDamaged)
	}
	return err
}

// named says, for each table that holds documents or hashes, what to call a
// row: tables of all versions.
var named = map[string]string{
	"user":             `directory || ' ' || id`,
	"password_history": `directory || ' ' || user_id`,
	"role":             `directory || ' ' || id`,
	"record":           `directory || ' ' || kind || ' ' || id`,
	"policy":           `directory || ' ' || id`,
	"token":            `directory || ' ' || kind || ' of ' || user_id`,
}

// contents looks at what SQLite does not understand.
func contents(ctx context.Context, q querier, ps *problems) error {
	columns := `SELECT m.name, c.name FROM sqlite_schema m, pragma_table_info(m.name) c
		WHERE m.type = 'table' AND c.name IN ('document', 'password_hash') ORDER BY 1, 2`
	var found [][2]string // all are read before the first is used: there is one connection
	if err := each(ctx, q, columns, func(table, column string) { found = append(found, [2]string{table, column}) }); err != nil {
		return err
	}
	for _, f := range found {
		table, column := f[0], f[1]
		if named[table] == "" { // no migration makes it, as schema says
			continue
		}
		rows := `SELECT coalesce(` + named[table] + `, 'NULL'), coalesce(` + column + `, 'NULL') FROM "` + table + `"`
		err := each(ctx, q, rows, func(row, value string) {
			switch {
			case column == "document" && checkDocument([]byte(value)) != nil:
				ps.add("%s %q: the document is no JSON object", table, row)
			case column == "password_hash" && value != "" && password.CheckEncoded(value) != nil:
				ps.add("%s %q: the password's hash cannot be read", table, row)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// each calls f with each row of a query for two texts.
func each(ctx context.Context, q querier, query string, f func(a, b string)) error {
	rows, err := q.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var a, b string
		if err := rows.Scan(&a, &b); err != nil {
			return err
		}
		f(a, b)
	}
	return rows.Err()
}

// isDamage says whether SQLite, or this package, gave up on a file that is not as
// it should be.
func isDamage(err error) bool {
	code := primaryCode(err)
	return errors.Is(err, ErrDamaged) || code == codeCorrupt || code == codeNotADB
}

// damaged makes what isDamage knows ErrDamaged.
func damaged(err error) error {
	if isDamage(err) && !errors.Is(err, ErrDamaged) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}
