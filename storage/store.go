// Package storage is the truth: users, roles, tokens, policies and the trail
// of events, in one database file.
//
// A [Store] holds directories that know nothing of each other; a [Directory]
// has a verb per method (Authenticate, ChangePassword, CreateUser …). A verb
// that changes something is one transaction: it happens whole or not at all,
// and once it has returned nil it survives a power cut. Verbs may be called
// from any number of goroutines, and several processes may share a file.
//
// What it never does: speak HTTP or know who speaks it, keep a password or a
// token in readable form, print one, compute a hash inside a transaction,
// rely on being the only process, or keep state outside a Store.
//
// Times are UTC, in microseconds, and come from [Options].Now.
//
// Where to look next: sqlite.go for all that is particular to SQLite,
// migrations for the tables, hasher.go for how many passwords are hashed at
// once, proof.go for why a second login costs no hash, throttle.go for what
// slows down guessing, errors.go for what can go wrong, and package password for
// hashes and rules.
package storage

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"usher/storage/password"
)

// Options says how to open a [Store]. Only Path is required.
type Options struct {
	// Path is the database file, made with mode 0600 if it is not there. Next
	// to it SQLite keeps two more while the store is open, -wal and -shm.
	Path string
	// Existing refuses a file that is missing, and one of an older version, which
	// a server of that version may have open (ErrOlder).
	Existing bool
	// Volatile is for a store that need not outlive its process, such as one of a
	// thousand: no change waits for the disk, and a power cut may leave the file
	// damaged. It has few connections, and none while nobody uses it.
	Volatile bool
	// Hash is what new password hashes cost; zero means password.DefaultParams.
	Hash password.Params
	// Hashers is how many hashes are computed at once; zero means GOMAXPROCS.
	Hashers int
	// Waiting is how many more may wait for a hasher before verbs return Busy;
	// zero means 180 for each hasher, some four seconds of work at
	// password.DefaultParams, and fewer where a hash costs more than that; less
	// than zero means none.
	Waiting int
	// Screen, unless it is nil, refuses new passwords besides what their policy
	// does, those of a Seed included.
	Screen *password.Screen
	// KeepTokens lets the tokens of a user whose password is replaced go on.
	KeepTokens bool
	// Account and Source limit how many attempts to prove a password may fail, by
	// the account that they are made at and by the address that they come from;
	// zero means DefaultAccountRate and DefaultSourceRate.
	Account, Source Rate
	// Unrecorded is told, unless it is nil, of each login, and each attempt to prove
	// a password that failed, whose event could not be written because nothing can
	// be: the event without its ID, and why. It may be called from several
	// goroutines, and must not call the store.
	Unrecorded func(e Event, err error)
	// Now tells the time; nil means time.Now.
	Now func() time.Time
}

// Store is an open database file. Its methods, and those of its directories,
// are safe for concurrent use.
type Store struct {
	writer, reader *sql.DB
	now            func() time.Time
	hasher         *hasher
	screen         *password.Screen
	keepTokens     bool
	proofs         *proofs
	throttle       *throttle
	told           func(e Event, err error) // see Options.Unrecorded
	lists          chan struct{}            // holds a value for each list being read
	close          func() error

	// The reads that nearly every request makes.
	userByID, userByName                    *prepared
	loginByName, loginByEmail, loginByToken *prepared
}

// Open opens the store at o.Path, brings its tables up to date, and refuses
// a file that a newer version of this package has written, or that is not a
// store.
func Open(ctx context.Context, o Options) (*Store, error) {
	s, err := open(ctx, o, nil)
	if err != nil {
		return nil, fmt.Errorf("storage: open %s: %w", o.Path, err)
	}
	return s, nil
}

// open is Open, or OpenImage if there is one.
func open(ctx context.Context, o Options, i *Image) (*Store, error) {
	if o.Path == "" || o.Path == ":memory:" {
		return nil, errors.New("a store is a file") // a :memory: database would be one per connection
	}
	if o.Hash == (password.Params{}) {
		o.Hash = password.DefaultParams
	}
	if err := o.Hash.Check(); err != nil {
		return nil, err
	}
	o.Account, o.Source = cmp.Or(o.Account, DefaultAccountRate), cmp.Or(o.Source, DefaultSourceRate)
	if err := errors.Join(o.Account.Check(), o.Source.Check()); err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	writer, reader, err := openSQLite(ctx, o, i)
	if err != nil {
		return nil, err
	}
	s := &Store{
		writer: writer, reader: reader,
		now: o.Now, told: o.Unrecorded,
		hasher: newHasher(o.Hash, o.Hashers, o.Waiting),
		screen: o.Screen, keepTokens: o.KeepTokens,
		proofs: newProofs(), throttle: newThrottle(o.Account, o.Source, o.Now),
		lists: make(chan struct{}, maxReaders(o.Volatile)/2),

		userByID: prepare(reader, selectUserByID), userByName: prepare(reader, selectUserByName),
		loginByName: prepare(reader, selectLoginByName), loginByEmail: prepare(reader, selectLoginByEmail),
		loginByToken: prepare(reader, selectLoginByToken),
	}
	s.close = sync.OnceValue(func() error {
		s.hasher.stop()
		// The writer last: the last connection to a file clears the log away.
		return errors.Join(reader.Close(), writer.Close())
	})
	if i != nil { // whose file was written a moment ago: nobody waits for what it may never be asked
		return s, nil
	}
	err = s.Ping(ctx)
	for _, p := range []*prepared{s.userByID, s.userByName, s.loginByName, s.loginByEmail, s.loginByToken} {
		if err == nil {
			_, err = p.prepare(ctx) //nolint:sqlclosecheck // it ends with the store; a file that lacks a column has none
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// Close ends the store. Verbs still running finish or fail; later ones fail.
// Closing twice is closing once.
func (s *Store) Close() error { return s.close() }

// Ping returns nil if the store can be read and written.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.reader.QueryRowContext(ctx, `SELECT count(*) FROM directory`).Scan(new(int)); err != nil {
		return wrap(err)
	}
	t, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return wrap(err)
	}
	defer func() { _ = t.Rollback() }()
	// SQLite takes BEGIN on a file that it cannot write for a mere read.
	_, err = t.ExecContext(ctx, `UPDATE directory SET seeded_at = seeded_at WHERE name IS NULL`)
	return wrap(err)
}

// prepared is a query that is prepared once: of a store that is made of an image when
// it is first made, since that takes as long as making the store does without it.
type prepared struct {
	reader *sql.DB
	query  string

	mu   sync.Mutex // of whoever prepares it
	stmt atomic.Pointer[sql.Stmt]
}

func prepare(reader *sql.DB, query string) *prepared { return &prepared{reader: reader, query: query} }

// QueryContext is [sql.Stmt.QueryContext].
func (p *prepared) QueryContext(ctx context.Context, args ...any) (*sql.Rows, error) {
	stmt := p.stmt.Load() //nolint:sqlclosecheck // it ends with the store
	if stmt == nil {
		var err error
		if stmt, err = p.prepare(ctx); err != nil {
			return nil, err
		}
	}
	return stmt.QueryContext(ctx, args...)
}

func (p *prepared) prepare(ctx context.Context) (*sql.Stmt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if stmt := p.stmt.Load(); stmt != nil {
		return stmt, nil
	}
	stmt, err := p.reader.PrepareContext(ctx, p.query) //nolint:sqlclosecheck // it ends with the store
	if err == nil {
		p.stmt.Store(stmt)
	}
	return stmt, err
}

// list waits for a turn to read something long, and returns what ends it. Half
// of the readers are left for what is short: a few long lists must not hold up
// every login.
func (s *Store) list(ctx context.Context) (done func(), err error) {
	select {
	case s.lists <- struct{}{}:
		return func() { <-s.lists }, nil
	case <-ctx.Done():
		return nil, wrap(ctx.Err())
	}
}

// Now is the store's time: that of [Options].Now, UTC. Before a store is open it is
// the computer's.
func (s *Store) Now() time.Time {
	if s.now == nil {
		return utc(time.Now())
	}
	return utc(s.now())
}

// Directory returns the directory of that name. It costs nothing and always
// succeeds: a directory is there from the first time something is put in it.
func (s *Store) Directory(name string) *Directory { return &Directory{s: s, name: name} }

// Directory is one world of users, roles, tokens and policies in a [Store].
type Directory struct {
	s    *Store
	name string
}

// Actor is who performs a verb, for the trail of events.
type Actor struct {
	ID, Name string // the user signed in; both empty if nobody is
	Source   string // the remote address
	Request  string // the id of the request
	// Token is what the actor came with instead of a password, if that is so. It
	// is not ended by a change of the actor's own password.
	Token Secret
}

// tx is a transaction that writes to one directory, at one time.
type tx struct {
	*sql.Tx
	directory  string
	now        time.Time
	keepTokens bool // see Options
}

// write runs f in a transaction and commits it unless f fails. ctx counts
// while waiting for the writer. From then on the transaction runs to its end,
// a fraction of a millisecond away: interrupting it would save nothing, and
// leave the caller not knowing.
func (d *Directory) write(ctx context.Context, f func(context.Context, *tx) error) error {
	c, err := d.s.writer.Conn(ctx)
	if err != nil {
		return wrap(err)
	}
	defer func() { _ = c.Close() }() // gives it back to the pool
	ctx = context.WithoutCancel(ctx)
	t, err := c.BeginTx(ctx, nil)
	if err != nil {
		return wrap(err)
	}
	defer func() { _ = t.Rollback() }() // does nothing after Commit
	if err := f(ctx, &tx{Tx: t, directory: d.name, now: utc(d.s.now()), keepTokens: d.s.keepTokens}); err != nil {
		return err
	}
	return wrap(t.Commit())
}

// exec runs a statement and returns how many rows it changed.
func (t *tx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	r, err := t.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, wrap(err)
	}
	n, err := r.RowsAffected()
	return n, wrap(err)
}

// utc is t as this package answers it, zero for zero.
func utc(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// micros is t as the tables keep it, NULL for zero.
func micros(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMicro(), Valid: !t.IsZero()}
}

// fromMicros is the reverse of micros.
func fromMicros(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return time.UnixMicro(n.Int64).UTC()
}
