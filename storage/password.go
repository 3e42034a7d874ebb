package storage

import (
	"context"
	"errors"

	"usher/storage/password"
)

// PasswordChange is a change by someone who knows the old password.
type PasswordChange struct {
	ID          string // of the user,
	Realm, Name string // or, if ID is empty, the user of that name in that realm
	Old, New    password.Plain
	Policy      password.Policy // for New
	PolicyFirst bool            // hold New against Policy before anything else, but for Policy.Unique: see ChangePassword
}

// ChangePassword replaces the old password by the new one, ends the user's
// tokens but for the actor's (see Options.KeepTokens and Actor.Token), and returns
// the user as changed. Of two changes at once with the
// same old password one succeeds; the other gets WrongPassword, as it would have a
// moment later. The new password counts as proven: who set it need not wait
// for a hash to use it.
//
// Errors: Throttled, NotFound, WrongPassword (for a user without a password, too),
// then WeakPassword, or before these three with PolicyFirst; Busy. A wrong old
// password counts as a failed login does, and so does NotFound. That the new one is
// password.Reused comes after WrongPassword in any case: it is for nobody to
// hear who does not know the old one; and so does password.OwnName of a user
// whom the change knows by ID. NotFound takes as long as WrongPassword, so that a caller who answers both alike does not give
// away which names there are.
func (d *Directory) ChangePassword(ctx context.Context, by Actor, c PasswordChange) (User, error) {
	if c.PolicyFirst {
		if err := d.s.checkNew(c.New, c.Policy, User{Name: c.Name}); err != nil {
			return User{}, err
		}
	}
	a, err := d.proveOld(ctx, by, c)
	if err != nil {
		return User{}, err
	}
	hash, err := d.hashNew(ctx, a, c.New, c.Policy)
	if err != nil {
		return User{}, err
	}
	actor := by
	if by.ID == "" {
		actor.ID, actor.Name = a.ID, a.Name // the old password says who it is
	}
	changed, err := d.setPassword(ctx, actor, PasswordChanged, a.ID, newPassword{hash, c.Policy}, ifVersion, a.version)
	if KindOf(err) == Conflict {
		return User{}, d.refused(ctx, by, PasswordChangeFailed, &a, &Error{Kind: WrongPassword})
	}
	if err != nil {
		return User{}, err
	}
	d.s.proofs.remember(d.name, &changed, c.New)
	return changed.User, nil
}

// proveOld returns the user whose password is to be changed, if c.Old is that
// password. Errors: Throttled, NotFound, WrongPassword, Busy.
func (d *Directory) proveOld(ctx context.Context, by Actor, c PasswordChange) (account, error) {
	var a account
	var missing error
	if c.ID != "" {
		a, missing = d.accountByID(ctx, c.ID)
	} else {
		a, missing = d.accountByName(ctx, c.Realm, c.Name)
	}
	known := &a
	if missing != nil {
		if KindOf(missing) != NotFound {
			return account{}, missing
		}
		known = nil
	}
	realm, name := c.Realm, c.Name
	if c.ID != "" {
		realm, name = "", c.ID
	}
	at := d.s.throttle.attempt(d.name, by, known, realm, name)
	_, err := d.prove(ctx, at, known, c.Old)
	switch KindOf(err) {
	case WrongPassword:
		if known == nil {
			err = missing
		}
		err = d.refused(ctx, by, PasswordChangeFailed, known, err)
	case Throttled:
		err = d.throttled(ctx, by, PasswordChangeFailed, at, known, err)
	default: // good, or no failure of whoever changes it
	}
	return a, err
}

// SetPassword gives the user a new password whatever the old one is, as an
// administrator does, ends the user's tokens as ChangePassword does, and returns
// the user as changed. Errors: NotFound, WeakPassword, Busy.
func (d *Directory) SetPassword(ctx context.Context, by Actor, id string, p password.Plain, y password.Policy) (User, error) {
	for {
		a, err := d.accountByID(ctx, id)
		if err != nil {
			return User{}, err
		}
		hash, err := d.hashNew(ctx, a, p, y)
		if err != nil {
			return User{}, err
		}
		// Conflict: p was held against passwords that are not the last ones any
		// more. That somebody set another is what lets the loop end.
		set, err := d.setPassword(ctx, by, PasswordSet, id, newPassword{hash, y}, ifVersion, a.version)
		if KindOf(err) != Conflict {
			return set.User, err
		}
	}
}

// InitPassword gives a password to a user who has none and returns the user
// as changed. Errors: NotFound, Conflict (there is a password, or another
// call was faster), WeakPassword, Busy.
func (d *Directory) InitPassword(ctx context.Context, by Actor, id string, p password.Plain, y password.Policy) (User, error) {
	a, err := d.accountByID(ctx, id)
	if err != nil {
		return User{}, err
	}
	if a.HasPassword {
		return User{}, &Error{Kind: Conflict}
	}
	hash, err := d.hashNew(ctx, a, p, y)
	if err != nil {
		return User{}, err
	}
	a, err = d.setPassword(ctx, by, PasswordSet, id, newPassword{hash, y}, ifNone)
	return a.User, err
}

// newHash is the hash to store for a user who comes with a password in plain
// text, which counts if there are both, or hashed; "" for neither. a is the
// user as there already is, or is to be. Errors: WeakPassword, Busy, Invalid.
func (d *Directory) newHash(ctx context.Context, a account, p password.Plain, encoded string, y password.Policy) (string, error) {
	if p != "" {
		return d.hashNew(ctx, a, p, y)
	}
	if encoded != "" {
		if err := password.CheckEncoded(encoded); err != nil {
			return "", &Error{Kind: Invalid, Field: "hash", err: err}
		}
	}
	return encoded, nil
}

// hashNew makes the hash of a new password of a, if policy and screen let it.
// Errors: WeakPassword, Busy.
func (d *Directory) hashNew(ctx context.Context, a account, p password.Plain, y password.Policy) (string, error) {
	if err := d.s.checkNew(p, y, a.User); err != nil {
		return "", err
	}
	if y.Unique > 0 {
		if err := d.checkReuse(ctx, a, p, y.Unique); err != nil {
			return "", err
		}
	}
	return d.s.hasher.hash(ctx, p)
}

// checkReuse returns WeakPassword if p is one of the last passwords of a, as
// many of them as unique says. It costs a hash for each. Errors: Busy, too.
func (d *Directory) checkReuse(ctx context.Context, a account, p password.Plain, unique int) error {
	hashes := []string{a.hash}
	rows, err := d.s.reader.QueryContext(ctx, `SELECT password_hash FROM password_history
		WHERE directory = $1 AND user_id = $2 ORDER BY position DESC LIMIT $3`, d.name, a.ID, unique-1)
	if err != nil {
		return wrap(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var hash string
		if err := rows.Scan(&hash); err != nil {
			return wrap(err)
		}
		hashes = append(hashes, hash)
	}
	if err := rows.Err(); err != nil {
		return wrap(err)
	}
	for _, hash := range hashes {
		if hash == "" {
			continue
		}
		// A turn for each: many old passwords must not keep a hasher for long.
		err := d.s.hasher.run(ctx, func() error { return d.s.hasher.verify(hash, p) })
		if err == nil {
			return &Error{Kind: WeakPassword, Violations: []password.Violation{{Rule: password.Reused, Want: unique}}}
		}
		if !errors.Is(err, password.ErrMismatch) {
			return err
		}
	}
	return nil
}

// newPassword is a password to be set, and the policy that it was held against.
type newPassword struct {
	hash   string
	policy password.Policy
}

// checkNew returns WeakPassword for what the policy does not let pass, or the
// screen for that user.
func (s *Store) checkNew(p password.Plain, y password.Policy, u User) error {
	vs := y.Check(p)
	if s.screen != nil {
		vs = append(vs, s.screen.Check(p, u.Name, u.Email)...)
	}
	if vs != nil {
		return &Error{Kind: WeakPassword, Violations: vs}
	}
	return nil
}

// What must be so for a password to be replaced: a condition for setPassword
// to go on with, its parameter being $7.
const (
	ifAny     = ``
	ifNone    = ` AND password_hash = ''`
	ifVersion = ` AND password_version = $7`
)

// setPassword is tx.setPassword as a transaction of its own.
func (d *Directory) setPassword(ctx context.Context, by Actor, kind EventKind, id string, p newPassword, condition string, args ...any) (a account, err error) {
	err = d.write(ctx, func(ctx context.Context, t *tx) error {
		a, err = t.setPassword(ctx, by, kind, id, p, condition, args...)
		return err
	})
	if err != nil {
		return account{}, err
	}
	return a, nil
}

// setPassword replaces a user's password, ends the user's tokens as
// ChangePassword does, and returns the user as changed. Errors: NotFound; Conflict
// if the condition does not hold.
func (t *tx) setPassword(ctx context.Context, by Actor, kind EventKind, id string, p newPassword, condition string, args ...any) (account, error) {
	old, err := t.user(ctx, id)
	if err != nil {
		return account{}, err
	}
	n, err := t.exec(ctx, `UPDATE "user"
		SET password_hash = $1, password_version = $2, password_set_at = $3, updated_at = $3, password_own = $4
		WHERE directory = $5 AND id = $6`+condition,
		append([]any{p.hash, newVersion(), micros(t.now), by.ID == id, t.directory, id}, args...)...)
	if err != nil {
		return account{}, err
	}
	a, err := t.user(ctx, id)
	if err != nil {
		return account{}, err
	}
	if n == 0 {
		return account{}, &Error{Kind: Conflict}
	}
	if err := t.keepOld(ctx, old, p.policy.Unique-1); err != nil {
		return account{}, err
	}
	if !t.keepTokens {
		if _, err := t.exec(ctx, endOthers, t.directory, id, digest(by.Token.Value)); err != nil {
			return account{}, err
		}
	}
	return a, t.record(ctx, by, kind, a.ID, a.Name, nil)
}

// endOthers ends the tokens of a user but for one, with those that belong to it,
// which has to be that user's: another actor's is none.
const endOthers = `DELETE FROM token WHERE directory = $1 AND user_id = $2
	AND sha256 <> $3 AND NOT (id <> '' AND id IN (SELECT id FROM token WHERE directory = $1 AND user_id = $2 AND sha256 = $3))`

// keepOld puts the password that a had among those that were replaced, and
// forgets them but for the last few, as many as a policy asks after. A password
// that nobody asks after is one that can only be stolen. What is kept has
// positions without gaps.
func (t *tx) keepOld(ctx context.Context, a account, few int) error {
	var last int
	err := t.QueryRowContext(ctx, `SELECT coalesce(max(position), 0) FROM password_history WHERE directory = $1 AND user_id = $2`,
		t.directory, a.ID).Scan(&last)
	if err != nil {
		return wrap(err)
	}
	if few > 0 && a.hash != "" {
		last++
		_, err := t.exec(ctx, `INSERT INTO password_history (directory, user_id, position, password_hash) VALUES ($1, $2, $3, $4)`,
			t.directory, a.ID, last, a.hash)
		if err != nil {
			return err
		}
	}
	_, err = t.exec(ctx, `DELETE FROM password_history WHERE directory = $1 AND user_id = $2 AND position <= $3`,
		t.directory, a.ID, last-max(few, 0))
	return err
}
