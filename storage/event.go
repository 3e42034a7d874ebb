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
	TargetID, TargetName string // to whom or what: a user, role or policy
	Source, Request      string // as in Actor
	Result               string // "ok", or the Kind of failure in words: "wrong password"
}

// EventKind says what happened.
type EventKind string

// The kinds of events; and of a record, by its kind, "role-created",
// "role-updated" and "role-deleted".
const (
	LoginSucceeded       EventKind = "login"                  // a password was proven, other than from memory
	LoginFailed          EventKind = "login-failed"           // target: the user, if the name is one's
	PasswordChanged      EventKind = "password-changed"       // by someone who knew the old one
	PasswordChangeFailed EventKind = "password-change-failed" // by someone who did not
	PasswordSet          EventKind = "password-set"           // by an administrator, or for the first time
	UserCreated          EventKind = "user-created"
	UserUpdated          EventKind = "user-updated"
	UserDeleted          EventKind = "user-deleted"
	RolesChanged         EventKind = "roles-changed" // of a user, next to UserUpdated
	PolicyCreated        EventKind = "policy-created"
	PolicyUpdated        EventKind = "policy-updated"
	TokensCreated        EventKind = "tokens-created"
	TokensEnded          EventKind = "tokens-ended" // by their holder or an administrator; not with a password or a user
	Seeded               EventKind = "seeded"       // stands for all that the seed made
)

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
