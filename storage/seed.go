package storage

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// Seed is what a directory starts with.
type Seed struct {
	Records  map[RecordKind][]Record
	Policies []Policy // in the order that Policies answers
	Users    []NewUser
	// BeforeCommit, unless it is nil, is called when all of it is made and nothing is
	// left to do but to commit; if it fails, nothing was made.
	BeforeCommit func() error
	// Upgrades are what has come to the seed since its first version, oldest
	// first, and is in the rest of it, too. Directories have had as many as they
	// say: none may ever be changed or taken out.
	Upgrades []SeedUpgrade
}

// SeedUpgrade is what a seed has in one version and lacked in the one before. It
// leaves alone what somebody has changed since: a record that there is, or that
// was deleted, is not made, and one that was edited is not given another document.
type SeedUpgrade struct {
	Records   map[RecordKind][]Record
	Documents []SeedDocument
}

// SeedDocument is another document for a record of a seed.
type SeedDocument struct {
	Kind     RecordKind
	Name     string
	Old, New json.RawMessage // Old byte for byte as the seed had it
}

// Seed puts all of seed into the directory, or nothing. It does so once in a
// directory's life: done is false if it was seeded before, by whichever process,
// and then the directory is given the upgrades that it lacks and nothing else.
// Errors: as Records.Create and CreateUser, in a [SeedError], and BeforeCommit's.
func (d *Directory) Seed(ctx context.Context, by Actor, seed Seed) (done bool, err error) {
	// Asked twice, because hashing passwords only to find that nobody wants
	// them would cost each start a second.
	var upgrades int
	switch err := d.s.reader.QueryRowContext(ctx, selectUpgrades, d.name).Scan(&upgrades); {
	case err == nil && upgrades >= len(seed.Upgrades):
		return false, nil
	case err == nil:
		return false, d.write(ctx, func(ctx context.Context, t *tx) error { return t.upgradeSeed(ctx, by, seed.Upgrades) })
	case !errors.Is(err, sql.ErrNoRows):
		return false, wrap(err)
	}
	as, err := d.newAccounts(ctx, seed)
	if err != nil {
		return false, err
	}
	err = d.write(ctx, func(ctx context.Context, t *tx) (err error) {
		if done, err = t.seed(ctx, by, seed, as, len(seed.Upgrades)); err != nil || !done || seed.BeforeCommit == nil {
			return err
		}
		return seed.BeforeCommit()
	})
	return done && err == nil, err
}

// newAccounts checks the users of a seed and hashes their passwords, as many at once
// as there are hashers.
func (d *Directory) newAccounts(ctx context.Context, seed Seed) ([]account, error) {
	as := make([]account, len(seed.Users))
	hashing, ctx := errgroup.WithContext(ctx)
	hashing.SetLimit(cap(d.s.hasher.slots))
	for i, n := range seed.Users {
		hashing.Go(func() (err error) {
			if as[i], err = d.newAccount(ctx, n); err != nil {
				return &SeedError{"user", cmp.Or(n.Name, n.ID), err}
			}
			return nil
		})
	}
	return as, hashing.Wait()
}

// SeedError says what of a [Seed] cannot be made, and why.
type SeedError struct {
	Kind, Name string // "user", "policy" or a RecordKind; the name, or an id
	Err        error
}

// Error returns all of it.
func (e *SeedError) Error() string { return fmt.Sprintf("%s %q: %v", e.Kind, e.Name, e.Err) }

// Unwrap returns why.
func (e *SeedError) Unwrap() error { return e.Err }

// seed puts all of seed into the directory, but if it was seeded before; as are its
// users. It counts as having had so many upgrades.
func (t *tx) seed(ctx context.Context, by Actor, seed Seed, as []account, upgrades int) (done bool, err error) {
	n, err := t.exec(ctx, `INSERT INTO directory (name, seeded_at, seed_upgrades) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
		t.directory, micros(t.now), upgrades)
	if err != nil || n == 0 {
		return false, err
	}
	for kind, records := range seed.Records {
		for _, r := range records {
			if err := t.createRecord(ctx, kind, &r); err != nil {
				return false, &SeedError{string(kind), cmp.Or(r.Name, r.ID), err}
			}
		}
	}
	for i, p := range seed.Policies {
		if err := t.createPolicy(ctx, p, i); err != nil {
			return false, &SeedError{"policy", p.ID, err}
		}
	}
	for i := range as {
		if err := t.createUser(ctx, &as[i].User, as[i].hash, seed.Users[i].Limit); err != nil {
			return false, &SeedError{"user", as[i].Name, err}
		}
	}
	return true, t.record(ctx, by, Seeded, "", t.directory, nil)
}

const selectUpgrades = `SELECT seed_upgrades FROM directory WHERE name = $1`

// upgradeSeed gives the directory those of the upgrades that it lacks.
func (t *tx) upgradeSeed(ctx context.Context, by Actor, upgrades []SeedUpgrade) error {
	var had int
	if err := t.QueryRowContext(ctx, selectUpgrades, t.directory).Scan(&had); err != nil {
		return wrap(err)
	}
	changed := int64(0)
	for _, u := range upgrades[min(had, len(upgrades)):] { // another process may have been faster
		n, err := t.applyUpgrade(ctx, u)
		if err != nil {
			return err
		}
		changed += n
	}
	_, err := t.exec(ctx, `UPDATE directory SET seed_upgrades = $1 WHERE name = $2`, max(had, len(upgrades)), t.directory)
	if err != nil || changed == 0 {
		return err
	}
	return t.record(ctx, by, SeedUpgraded, "", t.directory, nil)
}

// applyUpgrade makes and changes records, and returns how many.
func (t *tx) applyUpgrade(ctx context.Context, u SeedUpgrade) (changed int64, err error) {
	for kind, records := range u.Records {
		for _, r := range records {
			var known bool
			err := t.QueryRowContext(ctx, `SELECT
				EXISTS (SELECT 1 FROM record WHERE directory = $1 AND kind = $2 AND (id = $3 OR name = $4))
				OR EXISTS (SELECT 1 FROM event WHERE directory = $1 AND kind = $5 AND target_name = $4)`,
				t.directory, kind, r.ID, r.Name, kind.event("deleted")).Scan(&known)
			if err != nil {
				return 0, wrap(err)
			}
			if known {
				continue
			}
			if err := t.createRecord(ctx, kind, &r); err != nil {
				return 0, err
			}
			changed++
		}
	}
	for _, d := range u.Documents {
		n, err := t.exec(ctx, `UPDATE record SET document = $1
			WHERE directory = $2 AND kind = $3 AND name = $4 AND updated_at IS NULL AND document = $5`,
			string(d.New), t.directory, d.Kind, d.Name, string(d.Old))
		if err != nil {
			return 0, err
		}
		changed += n
	}
	return changed, nil
}
