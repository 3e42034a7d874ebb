package storage

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"math"
	"time"
)

// Event is something that happened to the security of a directory: who did
// what to whom, when, from where, with which result. It never holds a secret.
type Event struct {
	ID                   int64 // grows with time
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
	Seeded               EventKind = "seeded" // stands for all that the seed made
)

// tokenEvent is the kind of event that something happening to tokens is.
func tokenEvent(kind, happened string) EventKind { return EventKind(kind + "-" + happened) }

// record adds an event to the trail, with the outcome that err stands for.
func (t *tx) record(ctx context.Context, by Actor, kind EventKind, targetID, targetName string, err error) error {
	result := "ok"
	if err != nil {
		result = KindOf(err).String()
	}
	_, err = t.exec(ctx, `INSERT INTO event
		(directory, at, kind, actor_id, actor_name, target_id, target_name, source, request, result)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		t.directory, micros(t.now), kind, by.ID, by.Name, targetID, targetName, by.Source, by.Request, result)
	return err
}

// record is tx.record as a transaction of its own.
func (d *Directory) record(ctx context.Context, by Actor, kind EventKind, targetID, targetName string, err error) error {
	return d.writeAnyway(ctx, func(ctx context.Context, t *tx) error {
		return t.record(ctx, by, kind, targetID, targetName, err)
	})
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

// EventQuery selects events.
type EventQuery struct {
	After int64 // only those with a greater ID
	Limit int   // at most that many; 0: no limit
}

// Events returns the events that q selects, oldest first. Errors: Invalid
// (limit).
func (d *Directory) Events(ctx context.Context, q EventQuery) (es []Event, err error) {
	if q.Limit < 0 {
		return nil, &Error{Kind: Invalid, Field: "limit"}
	}
	done, err := d.s.list(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	rows, err := d.s.reader.QueryContext(ctx, `SELECT id, at, kind, actor_id, actor_name, target_id, target_name, source, request, result
		FROM event WHERE directory = $1 AND id > $2 ORDER BY id LIMIT $3`, d.name, q.After, cmp.Or(q.Limit, math.MaxInt))
	if err != nil {
		return nil, wrap(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var e Event
		var at sql.NullInt64
		if err := rows.Scan(&e.ID, &at, &e.Kind, &e.ActorID, &e.ActorName, &e.TargetID, &e.TargetName, &e.Source, &e.Request, &e.Result); err != nil {
			return nil, wrap(err)
		}
		e.At = fromMicros(at)
		es = append(es, e)
	}
	return es, wrap(rows.Err())
}
