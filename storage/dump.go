package storage

import (
	"context"
	"database/sql"
	"maps"
	"math"
	"slices"
	"time"
)

// inventory is what is in a directory at one moment. Of each all is in the order that it
// is listed in, the oldest first.
type inventory struct {
	records  map[RecordKind][]Record
	policies []Policy
	accounts []account
	tokens   map[string]int // those that have not expired, by kind
}

// Dump returns what is in the store at one moment, by directory, as the [Seed]s that
// [Store.Load] makes it of again: users with the hashes of their passwords, records
// and policies. Tokens, old passwords and events are not in there. The dumps of two
// stores in which there is the same are the same, their orders included.
func (s *Store) Dump(ctx context.Context) (map[string]Seed, error) {
	all, err := s.inventory(ctx)
	if err != nil {
		return nil, err
	}
	seeds := map[string]Seed{}
	for name, c := range all {
		seed := Seed{Records: c.records, Policies: append([]Policy{}, c.policies...), Users: []NewUser{}}
		for _, a := range c.accounts {
			seed.Users = append(seed.Users, NewUser{
				ID: a.ID, Realm: a.Realm, Name: a.Name, Email: a.Email, Roles: a.Roles, Hash: a.hash, Document: a.Document,
				CreatedAt: a.CreatedAt, UpdatedAt: a.UpdatedAt, PasswordSetAt: a.PasswordSetAt, PasswordOwn: a.PasswordOwn,
			})
		}
		seeds[name] = seed
	}
	return seeds, nil
}

// inventory reads all directories in one transaction.
func (s *Store) inventory(ctx context.Context) (map[string]inventory, error) {
	done, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	t, err := s.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, wrap(err)
	}
	defer func() { _ = t.Rollback() }()
	names, err := readNames(t.QueryContext(ctx, `SELECT name FROM directory UNION SELECT directory FROM "user"
		UNION SELECT directory FROM record UNION SELECT directory FROM policy`))
	if err != nil {
		return nil, err
	}
	all := map[string]inventory{}
	for _, name := range names {
		if all[name], err = readInventory(ctx, t, name, s.Now()); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func readInventory(ctx context.Context, t *sql.Tx, name string, now time.Time) (c inventory, err error) {
	kinds, err := readNames(t.QueryContext(ctx, `SELECT DISTINCT kind FROM record WHERE directory = $1`, name))
	if err != nil {
		return inventory{}, err
	}
	c.records = map[RecordKind][]Record{}
	for _, kind := range kinds {
		if c.records[RecordKind(kind)], err = readRecords(t.QueryContext(ctx, selectRecords, name, kind)); err != nil {
			return inventory{}, err
		}
	}
	if c.policies, err = readPolicies(t.QueryContext(ctx, selectPolicies+` ORDER BY position`, name)); err != nil {
		return inventory{}, err
	}
	c.accounts, err = readAccounts(t.QueryContext(ctx, `SELECT `+userColumns+` FROM "user" u`+userRoles+`
		WHERE u.directory = $1 ORDER BY u.created_at, u.id, ur.position`, name))
	if err != nil {
		return inventory{}, err
	}
	tokens, err := readNames(t.QueryContext(ctx, `SELECT kind FROM token
		WHERE directory = $1 AND (expires_at IS NULL OR expires_at > $2)`, name, micros(now)))
	c.tokens = map[string]int{}
	for _, kind := range tokens {
		c.tokens[kind]++
	}
	return c, err
}

// readNames reads rows of one text.
func readNames(rows *sql.Rows, err error) (names []string, _ error) {
	if err != nil {
		return nil, wrap(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, wrap(err)
		}
		names = append(names, name)
	}
	return names, wrap(rows.Err())
}

// Load puts all of seeds into the directories of these names, or nothing. They count
// as seeded from then on, and have what is in there and no upgrade that ever comes.
// Errors: as [Directory.Seed], in an error
// that begins with the directory's name; Conflict, if one of the directories was
// seeded before, or there is anything in it.
func (s *Store) Load(ctx context.Context, by Actor, seeds map[string]Seed) error {
	names := slices.Sorted(maps.Keys(seeds))
	as := map[string][]account{}
	for _, name := range names {
		var err error
		if as[name], err = s.Directory(name).newAccounts(ctx, seeds[name]); err != nil {
			return &SeedError{"directory", name, err}
		}
	}
	if len(names) == 0 {
		return nil
	}
	return s.Directory(names[0]).write(ctx, func(ctx context.Context, t *tx) error {
		for _, name := range names {
			t.directory = name
			if err := t.load(ctx, by, seeds[name], as[name]); err != nil {
				return &SeedError{"directory", name, err}
			}
		}
		for _, name := range names {
			if f := seeds[name].BeforeCommit; f != nil {
				if err := f(); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// load is seed for a directory that nothing may be in. Errors: Conflict.
func (t *tx) load(ctx context.Context, by Actor, seed Seed, as []account) error {
	var used bool
	err := t.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM "user" WHERE directory = $1)
		OR EXISTS (SELECT 1 FROM record WHERE directory = $1) OR EXISTS (SELECT 1 FROM policy WHERE directory = $1)`,
		t.directory).Scan(&used)
	if err != nil {
		return wrap(err)
	}
	if !used {
		done, err := t.seed(ctx, by, seed, as, math.MaxInt32)
		if err != nil || done {
			return err
		}
	}
	return &Error{Kind: Conflict}
}
