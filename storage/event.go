package storage

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Event is something that happened to the security of a directory: who did
// what to whom, when, from where, with which result. It never holds a secret.
type Event struct {
	ID                   int64 // grows with time, over all directories
	Directory            string
	At                   time.Time
	Kind                 EventKind
	ActorID, ActorName   string // who did it; empty: nobody was signed in
	TargetID, TargetName string // to whom or what: a user (whose tokens they are, too), record or policy; of Seeded, the directory's name
	Source, Request      string // as in Actor
	Result               string // "ok", or the Kind of failure in words: "wrong password"
}

// EventKind says what happened.
type EventKind string

// The kinds of events. Those of records and tokens begin with the record's or
// token's own kind, which must not make one of these:
//   - of a record "role-created", "role-updated", "role-deleted";
//   - of tokens "session-created", one for all of a kind that are made at once,
//     and "session-ended", about the user whose they are: ended by their holder or
//     an administrator, for a sole one, or for others in exchange; not by time, nor
//     along with a password or a user, which have events of their own;
//   - of an exchange "refresh-refused", about the user if it is known whose the
//     old token was.
const (
	LoginSucceeded       EventKind = "login"                  // a password was proven, other than from memory
	LoginFailed          EventKind = "login-failed"           // target: the user, if the name is one's
	PasswordChanged      EventKind = "password-changed"       // by someone who knew the old one
	PasswordChangeFailed EventKind = "password-change-failed" // by someone who did not
	PasswordSet          EventKind = "password-set"           // by an administrator, or for the first time
	UserCreated          EventKind = "user-created"
	UserUpdated          EventKind = "user-updated"
	UserDeleted          EventKind = "user-deleted"
	RolesChanged         EventKind = "roles-changed" // of a user, next to UserUpdated unless the edit is quiet
	PolicyCreated        EventKind = "policy-created"
	PolicyUpdated        EventKind = "policy-updated"
	Seeded               EventKind = "seeded"        // stands for all that the seed made
	SeedUpgraded         EventKind = "seed-upgraded" // stands for all that a later version of the seed has brought
	EventsPruned         EventKind = "events-pruned" // target: the time before which there are none any more
	StoreRestored        EventKind = "restored"      // target: the time of the backup's file
)

// EventKinds returns the kinds above, which are all but those of records and tokens.
func EventKinds() []EventKind {
	return []EventKind{
		LoginSucceeded, LoginFailed, PasswordChanged, PasswordChangeFailed, PasswordSet, UserCreated, UserUpdated, UserDeleted,
		RolesChanged, PolicyCreated, PolicyUpdated, Seeded, SeedUpgraded, EventsPruned, StoreRestored,
	}
}

// tokenEvent is the kind of event that something happening to tokens is.
func tokenEvent(kind, happened string) EventKind { return EventKind(kind + "-" + happened) }

// record adds an event to the trail, with the outcome that err stands for.
func (t *tx) record(ctx context.Context, by Actor, kind EventKind, targetID, targetName string, err error) error {
	result := resultOf(err)
	_, err = t.exec(ctx, `INSERT INTO event
		(directory, at, kind, actor_id, actor_name, target_id, target_name, source, request, result)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		t.directory, micros(t.now), kind, by.ID, by.Name, targetID, targetName, by.Source, by.Request, result)
	return err
}

// record is tx.record as a transaction of its own, or [Directory.unrecorded] if
// there is no room for it.
func (d *Directory) record(ctx context.Context, by Actor, kind EventKind, targetID, targetName string, err error) error {
	failed := d.writeAnyway(ctx, func(ctx context.Context, t *tx) error {
		return t.record(ctx, by, kind, targetID, targetName, err)
	})
	return d.unrecorded(failed, by, kind, targetID, targetName, err)
}

// unrecorded tells Options.Unrecorded of an event about a login that could not be
// written because failed says that nothing can, and returns nil; any other error
// it returns. A full disk must neither keep people out nor answer a wrong password
// otherwise than an unknown name, and guessing must not go unseen by it.
func (d *Directory) unrecorded(failed error, by Actor, kind EventKind, targetID, targetName string, err error) error {
	if !cannotWrite(failed) {
		return failed
	}
	e := Event{
		Directory: d.name, At: d.s.Now(), Kind: kind, ActorID: by.ID, ActorName: by.Name, TargetID: targetID, TargetName: targetName,
		Source: by.Source, Request: by.Request, Result: resultOf(err),
	}
	if d.s.told != nil {
		d.s.told(e, failed)
	}
	return nil
}

// resultOf is Event.Result for an outcome, nil for one that is good.
func resultOf(err error) string {
	if err == nil {
		return "ok"
	}
	return KindOf(err).String()
}

// writeAnyway is write although the caller may have hung up: guessing passwords
// must not go unseen by that. Errors: Busy, if there is no turn to write for as
// long as patience lasts.
func (d *Directory) writeAnyway(ctx context.Context, f func(context.Context, *tx) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	err := d.write(ctx, f)
	if errors.Is(err, context.DeadlineExceeded) { // patience's, and none that the caller has set
		return &Error{Kind: Busy, err: errors.New("no turn to write")}
	}
	return err
}

// recordFailure records that the caller did not prove to be a, nil for a user
// that there is not.
func (d *Directory) recordFailure(ctx context.Context, by Actor, kind EventKind, a *account, why error) error {
	if a == nil {
		return d.record(ctx, by, kind, "", "", &Error{Kind: NotFound})
	}
	return d.record(ctx, by, kind, a.ID, a.Name, why)
}

// refused is recordFailure, and returns why.
func (d *Directory) refused(ctx context.Context, by Actor, kind EventKind, a *account, why error) error {
	if err := d.recordFailure(ctx, by, kind, a, why); err != nil {
		return err
	}
	return why
}

// throttled records that attempts to prove to be a are refused from now on, and
// returns why. One event stands for all until an attempt is granted again: whoever
// tries a thousand times a second must not fill the disk. So an attempt that is
// granted leaves three events at most, that it failed and that others are refused at
// its account and from its source, of some 140 bytes each: 36 MB a day from one
// address at DefaultSourceRate, and altogether no more than hashes are computed.
func (d *Directory) throttled(ctx context.Context, by Actor, kind EventKind, at attempt, a *account, why error) error {
	if !d.s.throttle.note(at) {
		return why
	}
	var id, name string
	if a != nil {
		id, name = a.ID, a.Name
	}
	if err := d.record(ctx, by, kind, id, name, why); err != nil {
		return err
	}
	return why
}

// EventQuery selects events. A zero field asks for nothing.
type EventQuery struct {
	Directory    string
	After        int64     // only those with a greater ID
	Since, Until time.Time // only those at Since or later, and before Until
	Kind         EventKind
	User         string // id or name of who did it, or to whom
	Limit        int    // at most that many
}

// Events is [Store.Events] for this directory.
func (d *Directory) Events(ctx context.Context, q EventQuery) ([]Event, error) {
	q.Directory = d.name
	return d.s.Events(ctx, q)
}

// Events returns the events that q selects, oldest first. Errors: Invalid
// (limit).
func (s *Store) Events(ctx context.Context, q EventQuery) ([]Event, error) {
	done, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	return q.read(ctx, s.reader)
}

// Trail is the trail of events of a store of this or an older version, to be read.
type Trail struct{ db *sql.DB }

// OpenTrail opens the trail of the store at path, and changes nothing; the store may
// be in use, and need not be one that can be written.
//
// Errors: path is missing (fs.ErrNotExist), is not a store, is damaged, or was written
// by a newer version of this package.
func OpenTrail(ctx context.Context, path string) (*Trail, error) {
	db, err := openFile(ctx, path)
	if err == nil {
		if _, _, err = versionOf(ctx, db); err == nil {
			return &Trail{db}, nil
		}
		err = errors.Join(err, db.Close())
	}
	return nil, fmt.Errorf("storage: open %s: %w", path, damaged(err))
}

// Events is [Store.Events]. It is not for concurrent use.
func (t *Trail) Events(ctx context.Context, q EventQuery) ([]Event, error) { return q.read(ctx, t.db) }

// Close ends the reading.
func (t *Trail) Close() error { return t.db.Close() }

// read is [Store.Events] by way of db.
func (q EventQuery) read(ctx context.Context, db *sql.DB) (es []Event, err error) {
	if q.Limit < 0 {
		return nil, &Error{Kind: Invalid, Field: "limit"}
	}
	query, args := `SELECT id, directory, at, kind, actor_id, actor_name, target_id, target_name, source, request, result
		FROM event WHERE id > $1`, []any{q.After}
	where := func(condition string, arg any) {
		args = append(args, arg)
		query += " AND " + strings.ReplaceAll(condition, "?", "$"+strconv.Itoa(len(args)))
	}
	if q.Directory != "" {
		where(`directory = ?`, q.Directory)
	}
	if !q.Since.IsZero() {
		where(`at >= ?`, micros(q.Since))
	}
	if !q.Until.IsZero() {
		where(`at < ?`, micros(q.Until))
	}
	if q.Kind != "" {
		where(`kind = ?`, q.Kind)
	}
	if q.User != "" {
		where(`? IN (actor_id, actor_name, target_id, target_name)`, q.User)
	}
	args = append(args, cmp.Or(q.Limit, math.MaxInt))
	rows, err := db.QueryContext(ctx, query+` ORDER BY id LIMIT $`+strconv.Itoa(len(args)), args...)
	if err != nil {
		return nil, wrap(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var e Event
		var at sql.NullInt64
		if err := rows.Scan(&e.ID, &e.Directory, &at, &e.Kind, &e.ActorID, &e.ActorName, &e.TargetID, &e.TargetName, &e.Source, &e.Request, &e.Result); err != nil {
			return nil, wrap(err)
		}
		e.At = fromMicros(at)
		es = append(es, e)
	}
	return es, wrap(rows.Err())
}

// pruneAtOnce is how many events are deleted in one transaction: few enough that
// nobody who wants to write has to wait long.
const pruneAtOnce = 1000

// PruneEvents deletes the directory's events of before a time, which is not
// later than now, and returns how many there were. That it did is an event
// itself, EventsPruned, unless there were none. If it fails some may be gone, and
// that event is there.
func (d *Directory) PruneEvents(ctx context.Context, by Actor, before time.Time) (pruned int64, err error) {
	if before = utc(before); before.After(d.s.Now()) {
		before = d.s.Now()
	}
	for end := int64(0); ; {
		// The last of the next few. Looking for it takes long where there are no
		// more, and keeps nobody from writing.
		from := end
		err := d.s.reader.QueryRowContext(ctx, `SELECT coalesce(max(id), 0) FROM
			(SELECT id FROM event WHERE directory = $1 AND id > $2 AND at < $3 ORDER BY id LIMIT $4)`,
			d.name, from, micros(before), pruneAtOnce).Scan(&end)
		if err != nil {
			return pruned, wrap(err)
		}
		if end == 0 {
			return pruned, nil
		}
		var n int64
		err = d.write(ctx, func(ctx context.Context, t *tx) (err error) {
			n, err = t.exec(ctx, `DELETE FROM event WHERE directory = $1 AND id > $2 AND id <= $3 AND at < $4`,
				t.directory, from, end, micros(before))
			if err != nil || pruned > 0 {
				return err
			}
			return t.record(ctx, by, EventsPruned, "", before.Format(time.RFC3339Nano), nil)
		})
		if err != nil {
			return pruned, err
		}
		pruned += n
	}
}
