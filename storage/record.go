package storage

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"time"
)

// RecordKind tells records apart. An owner of a directory names its own kinds;
// the names also make those of events, "role-created".
type RecordKind string

// Role is the kind of records that users hold by name, see User.Roles: they
// come along with a login. What rights one gives is in its document.
const Role RecordKind = "role"

// Record is something with a name that a directory's owner keeps here: a role,
// a realm, a group. This package does not look into the document.
type Record struct {
	ID        string // unique among the directory's records of the kind
	Name      string // as unique, compared byte for byte
	CreatedAt time.Time
	UpdatedAt time.Time       // zero: never edited
	Document  json.RawMessage // a JSON object, {} if nothing
}

// Records are a directory's records of one kind.
type Records struct {
	d    *Directory
	kind RecordKind
}

// Records returns the records of a kind. It costs nothing and always succeeds.
func (d *Directory) Records(kind RecordKind) *Records { return &Records{d, kind} }

const (
	recordColumns = `id, name, created_at, updated_at, document`

	selectRecords = `SELECT ` + recordColumns + ` FROM record WHERE directory = $1 AND kind = $2 ORDER BY created_at, name`
	selectRecord  = `SELECT ` + recordColumns + ` FROM record WHERE directory = $1 AND kind = $2 AND id = $3`
)

// readRecords reads rows of recordColumns.
func readRecords(rows *sql.Rows, err error) (rs []Record, _ error) {
	if err != nil {
		return nil, wrap(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var r Record
		var createdAt, updatedAt sql.NullInt64
		if err := rows.Scan(&r.ID, &r.Name, &createdAt, &updatedAt, (*[]byte)(&r.Document)); err != nil {
			return nil, wrap(err)
		}
		r.CreatedAt, r.UpdatedAt = fromMicros(createdAt), fromMicros(updatedAt)
		rs = append(rs, r)
	}
	return rs, wrap(rows.Err())
}

// readRecord is readRecords for one. Errors: NotFound.
func readRecord(rows *sql.Rows, err error) (Record, error) {
	rs, err := readRecords(rows, err)
	if err != nil {
		return Record{}, err
	}
	if len(rs) == 0 {
		return Record{}, &Error{Kind: NotFound}
	}
	return rs[0], nil
}

// List returns all of them, oldest first, and by name what is of one age.
func (r *Records) List(ctx context.Context) ([]Record, error) {
	done, err := r.d.s.list(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	return readRecords(r.d.s.reader.QueryContext(ctx, selectRecords, r.d.name, r.kind))
}

// Get returns the one with that id. Errors: NotFound.
func (r *Records) Get(ctx context.Context, id string) (Record, error) {
	return readRecord(r.d.s.reader.QueryContext(ctx, selectRecord, r.d.name, r.kind, id))
}

// View is a look at a directory inside a transaction, for conditions that
// concern more than the one thing it changes: nobody else writes meanwhile. It
// is good only as long as the call that it was handed to.
type View struct {
	ctx context.Context //nolint:containedctx // lives no longer than the transaction, whose context it is
	t   *tx
}

// Records returns all records of a kind, as [Records.List] does.
func (v View) Records(kind RecordKind) ([]Record, error) {
	return readRecords(v.t.QueryContext(v.ctx, selectRecords, v.t.directory, kind))
}

// Create makes a record and returns it; CreatedAt zero means now, a nil
// Document {}. check, unless it is nil, may refuse it, in view of what else
// there is; the rules for it are those of UserEdit.Edit. Errors: check's own,
// Invalid (id, name, document), Exists (id, name).
func (r *Records) Create(ctx context.Context, by Actor, n Record, check func(View) error) (Record, error) {
	err := r.d.write(ctx, func(ctx context.Context, t *tx) error {
		if check != nil {
			if err := check(View{ctx, t}); err != nil {
				return err
			}
		}
		if err := t.createRecord(ctx, r.kind, &n); err != nil {
			return err
		}
		return t.record(ctx, by, r.kind.event("created"), n.ID, n.Name, nil)
	})
	if err != nil {
		return Record{}, err
	}
	return n, nil
}

// Update changes a record and returns it as changed. The rules for edit are
// those of UserEdit.Edit; it may change the name and the document. Errors:
// NotFound, edit's own, Invalid (id, created, name, document), Exists (name).
func (r *Records) Update(ctx context.Context, by Actor, id string, edit func(View, *Record) error) (Record, error) {
	var n Record
	err := r.d.write(ctx, func(ctx context.Context, t *tx) error {
		old, err := readRecord(t.QueryContext(ctx, selectRecord, t.directory, r.kind, id))
		if err != nil {
			return err
		}
		n = old
		n.Document = bytes.Clone(old.Document)
		if err := edit(View{ctx, t}, &n); err != nil {
			return err
		}
		if n.ID != old.ID {
			return &Error{Kind: Invalid, Field: "id"}
		}
		if !n.CreatedAt.Equal(old.CreatedAt) {
			return &Error{Kind: Invalid, Field: "created"}
		}
		if err := n.check(); err != nil {
			return err
		}
		n.UpdatedAt = t.now
		_, err = t.ExecContext(ctx, `UPDATE record SET name = $1, updated_at = $2, document = $3
			WHERE directory = $4 AND kind = $5 AND id = $6`,
			n.Name, micros(n.UpdatedAt), string(n.Document), t.directory, r.kind, id)
		if err != nil {
			return t.recordTaken(ctx, r.kind, n, err)
		}
		return t.record(ctx, by, r.kind.event("updated"), n.ID, n.Name, nil)
	})
	if err != nil {
		return Record{}, err
	}
	return n, nil
}

// RecordDelete says how a record is to be deleted.
type RecordDelete struct {
	// Check, unless it is nil, may refuse, given the record; the rules for it
	// are those of UserEdit.Edit.
	Check func(View, Record) error
	// Unassign takes a Role from the users who hold it. Otherwise they go on
	// holding a name that grants nothing, until a role of that name is made.
	// "role-deleted" stands for it in the trail: a user is as if edited by nobody,
	// with UpdatedAt as it was and without RolesChanged.
	Unassign bool
}

// Delete deletes a record and returns it as it was. Errors: NotFound, Check's
// own.
func (r *Records) Delete(ctx context.Context, by Actor, id string, o RecordDelete) (Record, error) {
	var old Record
	err := r.d.write(ctx, func(ctx context.Context, t *tx) (err error) {
		if old, err = readRecord(t.QueryContext(ctx, selectRecord, t.directory, r.kind, id)); err != nil {
			return err
		}
		if o.Check != nil {
			if err := o.Check(View{ctx, t}, old); err != nil {
				return err
			}
		}
		if _, err := t.exec(ctx, `DELETE FROM record WHERE directory = $1 AND kind = $2 AND id = $3`, t.directory, r.kind, id); err != nil {
			return err
		}
		if o.Unassign && r.kind == Role {
			// What is left keeps its order: positions need not be next to each other.
			if _, err := t.exec(ctx, `DELETE FROM user_role WHERE directory = $1 AND role = $2`, t.directory, old.Name); err != nil {
				return err
			}
		}
		return t.record(ctx, by, r.kind.event("deleted"), old.ID, old.Name, nil)
	})
	if err != nil {
		return Record{}, err
	}
	return old, nil
}

// event is the kind of event that something happening to a record is.
func (k RecordKind) event(happened string) EventKind { return EventKind(string(k) + "-" + happened) }

// check returns Invalid for a member that a record cannot have.
func (r *Record) check() error {
	if r.Name == "" {
		return &Error{Kind: Invalid, Field: "name"}
	}
	return checkDocument(r.Document)
}

// createRecord inserts a record, filled in. Errors: Invalid, Exists.
func (t *tx) createRecord(ctx context.Context, kind RecordKind, r *Record) error {
	if r.ID == "" {
		return &Error{Kind: Invalid, Field: "id"}
	}
	if r.Document == nil {
		r.Document = json.RawMessage("{}")
	}
	if err := r.check(); err != nil {
		return err
	}
	r.CreatedAt, r.UpdatedAt = utc(r.CreatedAt), utc(r.UpdatedAt)
	if r.CreatedAt.IsZero() {
		r.CreatedAt = t.now
	}
	_, err := t.ExecContext(ctx, `INSERT INTO record (directory, kind, id, name, created_at, updated_at, document)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		t.directory, kind, r.ID, r.Name, micros(r.CreatedAt), micros(r.UpdatedAt), string(r.Document))
	if err != nil {
		return t.recordTaken(ctx, kind, *r, err)
	}
	return nil
}

// recordTaken is taken for a record that is inserted or updated.
func (t *tx) recordTaken(ctx context.Context, kind RecordKind, r Record, err error) error {
	return t.taken(ctx, err,
		claim{"name", `SELECT 1 FROM record WHERE directory = $1 AND kind = $2 AND name = $3 AND id <> $4`, []any{t.directory, kind, r.Name, r.ID}},
		claim{"id", `SELECT 1 FROM record WHERE directory = $1 AND kind = $2 AND id = $3`, []any{t.directory, kind, r.ID}})
}
