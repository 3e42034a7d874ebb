package storage

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
)

// Policy is a password policy that the directory's owner keeps here: its rules
// are in the document, which this package does not look into. What a verb
// enforces is the password.Policy it is given.
type Policy struct {
	ID       string
	Default  bool            // the one that counts unless another is named
	Document json.RawMessage // a JSON object, {} if nothing
}

const selectPolicies = `SELECT id, is_default, document FROM policy WHERE directory = $1`

// Policies returns all policies, in the order in which they were made.
func (d *Directory) Policies(ctx context.Context) ([]Policy, error) {
	return readPolicies(d.s.reader.QueryContext(ctx, selectPolicies+` ORDER BY position`, d.name))
}

func readPolicies(rows *sql.Rows, err error) (ps []Policy, _ error) {
	if err != nil {
		return nil, wrap(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var p Policy
		if err := rows.Scan(&p.ID, &p.Default, (*[]byte)(&p.Document)); err != nil {
			return nil, wrap(err)
		}
		ps = append(ps, p)
	}
	return ps, wrap(rows.Err())
}

// UpdatePolicy changes a policy's document and returns the policy as changed.
// The rules for edit are those of UserEdit.Edit; it may change nothing but the
// document. Errors: NotFound, edit's own, Invalid (id, default, document).
func (d *Directory) UpdatePolicy(ctx context.Context, by Actor, id string, edit func(*Policy) error) (Policy, error) {
	var p Policy
	err := d.write(ctx, func(ctx context.Context, t *tx) error {
		err := t.QueryRowContext(ctx, selectPolicies+` AND id = $2`, t.directory, id).Scan(&p.ID, &p.Default, (*[]byte)(&p.Document))
		if errors.Is(err, sql.ErrNoRows) {
			return &Error{Kind: NotFound}
		}
		if err != nil {
			return wrap(err)
		}
		old := p
		if err := edit(&p); err != nil {
			return err
		}
		switch {
		case p.ID != old.ID:
			return &Error{Kind: Invalid, Field: "id"}
		case p.Default != old.Default:
			return &Error{Kind: Invalid, Field: "default"}
		}
		if err := checkDocument(p.Document); err != nil {
			return err
		}
		_, err = t.exec(ctx, `UPDATE policy SET document = $1 WHERE directory = $2 AND id = $3`, string(p.Document), t.directory, id)
		if err != nil {
			return err
		}
		return t.record(ctx, by, PolicyUpdated, id, "", nil)
	})
	if err != nil {
		return Policy{}, err
	}
	return p, nil
}

// CreatePolicy makes a policy, the last in order, and returns it; a nil
// Document is {}. It cannot be the default one, which comes with a [Seed] and
// stays. Errors: Invalid (default, then id, document), Exists (id).
func (d *Directory) CreatePolicy(ctx context.Context, by Actor, p Policy) (Policy, error) {
	if p.Default {
		return Policy{}, &Error{Kind: Invalid, Field: "default"}
	}
	if p.Document == nil {
		p.Document = json.RawMessage("{}")
	}
	err := d.write(ctx, func(ctx context.Context, t *tx) error {
		var last sql.NullInt64
		if err := t.QueryRowContext(ctx, `SELECT max(position) FROM policy WHERE directory = $1`, t.directory).Scan(&last); err != nil {
			return wrap(err)
		}
		if err := t.createPolicy(ctx, p, int(last.Int64)+1); err != nil {
			return err
		}
		return t.record(ctx, by, PolicyCreated, p.ID, "", nil)
	})
	if err != nil {
		return Policy{}, err
	}
	return p, nil
}

// createPolicy inserts a policy, filled in. Errors: Invalid, Exists.
func (t *tx) createPolicy(ctx context.Context, p Policy, position int) error {
	if p.ID == "" {
		return &Error{Kind: Invalid, Field: "id"}
	}
	if p.Document == nil {
		p.Document = json.RawMessage("{}")
	}
	if err := checkDocument(p.Document); err != nil {
		return err
	}
	_, err := t.ExecContext(ctx, `INSERT INTO policy (directory, id, position, is_default, document) VALUES ($1, $2, $3, $4, $5)`,
		t.directory, p.ID, position, p.Default, string(p.Document))
	if err != nil {
		return t.taken(ctx, err, claim{"id", `SELECT 1 FROM policy WHERE directory = $1 AND id = $2`, []any{t.directory, p.ID}})
	}
	return nil
}
