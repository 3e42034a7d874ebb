package storage

import (
	"context"
	"database/sql"
	"errors"
)

// Seed is what a directory starts with.
type Seed struct {
	Records  map[RecordKind][]Record
	Policies []Policy // in the order that Policies answers
	Users    []NewUser
}

// Seed puts all of seed into the directory, or nothing. It does so once in a
// directory's life: done is false, and nothing is changed, if it was seeded
// before, by whichever process. Errors: as Records.Create and CreateUser.
func (d *Directory) Seed(ctx context.Context, by Actor, seed Seed) (done bool, err error) {
	// Asked twice, because hashing passwords only to find that nobody wants
	// them would cost each start a second.
	switch err := d.s.reader.QueryRowContext(ctx, `SELECT 1 FROM directory WHERE name = $1`, d.name).Scan(new(int)); {
	case err == nil:
		return false, nil
	case !errors.Is(err, sql.ErrNoRows):
		return false, wrap(err)
	}
	as := make([]account, len(seed.Users))
	for i, n := range seed.Users {
		if as[i], err = d.newAccount(ctx, n); err != nil {
			return false, err
		}
	}
	err = d.write(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `INSERT INTO directory (name, seeded_at) VALUES ($1, $2) ON CONFLICT DO NOTHING`, d.name, micros(t.now))
		if err != nil || n == 0 {
			return err
		}
		done = true
		for kind, records := range seed.Records {
			for _, r := range records {
				if err := t.createRecord(ctx, kind, &r); err != nil {
					return err
				}
			}
		}
		for i, p := range seed.Policies {
			if err := t.createPolicy(ctx, p, i); err != nil {
				return err
			}
		}
		for i := range as {
			if err := t.createUser(ctx, &as[i].User, as[i].hash, seed.Users[i].Limit); err != nil {
				return err
			}
		}
		return t.record(ctx, by, Seeded, "", d.name, nil)
	})
	return done && err == nil, err
}
