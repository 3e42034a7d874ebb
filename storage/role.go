package storage

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"
)

// Role is a name for rights that users hold by it. What the rights are is in
// the document, which this package does not look into.
type Role struct {
	ID        string
	Name      string // unique in the directory
	CreatedAt time.Time
	UpdatedAt time.Time       // zero: never edited
	Document  json.RawMessage // a JSON object, {} if nothing
}

// Roles returns all roles, by name.
func (d *Directory) Roles(ctx context.Context) (rs []Role, err error) {
	rows, err := d.s.reader.QueryContext(ctx, `SELECT id, name, created_at, updated_at, document
		FROM role WHERE directory = $1 ORDER BY name`, d.name)
	if err != nil {
		return nil, wrap(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var r Role
		var createdAt, updatedAt sql.NullInt64
		if err := rows.Scan(&r.ID, &r.Name, &createdAt, &updatedAt, (*[]byte)(&r.Document)); err != nil {
			return nil, wrap(err)
		}
		r.CreatedAt, r.UpdatedAt = fromMicros(createdAt), fromMicros(updatedAt)
		rs = append(rs, r)
	}
	return rs, wrap(rows.Err())
}

// CreateRole makes a role and returns it; CreatedAt zero means now, a nil
// Document {}. Errors: Invalid (id, name, document), Exists (id, name).
func (d *Directory) CreateRole(ctx context.Context, by Actor, r Role) (Role, error) {
	err := d.write(ctx, func(ctx context.Context, t *tx) error {
		if err := t.createRole(ctx, &r); err != nil {
			return err
		}
		return t.record(ctx, by, RoleCreated, r.ID, r.Name, nil)
	})
	if err != nil {
		return Role{}, err
	}
	return r, nil
}

// createRole inserts a role, filled in. Errors: Invalid, Exists.
func (t *tx) createRole(ctx context.Context, r *Role) error {
	if r.ID == "" {
		return &Error{Kind: Invalid, Field: "id"}
	}
	if r.Name == "" {
		return &Error{Kind: Invalid, Field: "name"}
	}
	if r.Document == nil {
		r.Document = json.RawMessage("{}")
	}
	if err := checkDocument(r.Document); err != nil {
		return err
	}
	r.CreatedAt, r.UpdatedAt = utc(r.CreatedAt), utc(r.UpdatedAt)
	if r.CreatedAt.IsZero() {
		r.CreatedAt = t.now
	}
	_, err := t.ExecContext(ctx, `INSERT INTO role (directory, id, name, created_at, updated_at, document)
		VALUES ($1, $2, $3, $4, $5, $6)`,
		t.directory, r.ID, r.Name, micros(r.CreatedAt), micros(r.UpdatedAt), string(r.Document))
	if err != nil {
		return t.taken(ctx, err,
			claim{"id", `SELECT 1 FROM role WHERE directory = $1 AND id = $2`, []any{t.directory, r.ID}},
			claim{"name", `SELECT 1 FROM role WHERE directory = $1 AND name = $2`, []any{t.directory, r.Name}})
	}
	return nil
}
