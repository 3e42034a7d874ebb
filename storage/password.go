package storage

import (
	"context"

	"usher/storage/password"
)

// PasswordChange is a change by someone who knows the old password.
type PasswordChange struct {
	ID          string // of the user,
	Realm, Name string // or, if ID is empty, the user of that name in that realm
	Old, New    password.Plain
	Policy      password.Policy // for New
	PolicyFirst bool            // look at New before anything else
}

// ChangePassword replaces the old password by the new one, ends the user's
// tokens and returns the user as changed. Of two changes at once with the same
// old password one succeeds; the other gets WrongPassword, as it would have a
// moment later. The new password counts as proven: who set it need not wait
// for a hash to use it.
//
// Errors: NotFound, WrongPassword (for a user without a password, too), then
// WeakPassword, or before these two with PolicyFirst; Busy. NotFound takes as
// long as WrongPassword, so that a caller who answers both alike does not give
// away which names there are.
func (d *Directory) ChangePassword(ctx context.Context, by Actor, c PasswordChange) (User, error) {
	if c.PolicyFirst {
		if err := checkPolicy(c.New, c.Policy); err != nil {
			return User{}, err
		}
	}
	a, err := d.proveOld(ctx, by, c)
	if err != nil {
		return User{}, err
	}
	hash, err := d.hashNew(ctx, c.New, c.Policy)
	if err != nil {
		return User{}, err
	}
	actor := by
	if by.ID == "" {
		actor.ID, actor.Name = a.ID, a.Name // the old password says who it is
	}
	changed, err := d.setPassword(ctx, actor, PasswordChanged, a.ID, hash, ifVersion, a.version)
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
// password. Errors: NotFound, WrongPassword, Busy.
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
	_, err := d.prove(ctx, known, c.Old)
	if KindOf(err) == WrongPassword {
		if known == nil {
			err = missing
		}
		err = d.refused(ctx, by, PasswordChangeFailed, known, err)
	}
	return a, err
}

// SetPassword gives the user a new password whatever the old one is, as an
// administrator does, ends the user's tokens and returns the user as changed.
// Errors: NotFound, WeakPassword, Busy.
func (d *Directory) SetPassword(ctx context.Context, by Actor, id string, p password.Plain, y password.Policy) (User, error) {
	if _, err := d.accountByID(ctx, id); err != nil {
		return User{}, err
	}
	hash, err := d.hashNew(ctx, p, y)
	if err != nil {
		return User{}, err
	}
	a, err := d.setPassword(ctx, by, PasswordSet, id, hash, ifAny)
	return a.User, err
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
	hash, err := d.hashNew(ctx, p, y)
	if err != nil {
		return User{}, err
	}
	a, err = d.setPassword(ctx, by, PasswordSet, id, hash, ifNone)
	return a.User, err
}

// newHash is the hash to store for a user who comes with a password in plain
// text, which counts if there are both, or hashed; "" for neither. Errors:
// WeakPassword, Busy, Invalid.
func (d *Directory) newHash(ctx context.Context, p password.Plain, encoded string, y password.Policy) (string, error) {
	if p != "" {
		return d.hashNew(ctx, p, y)
	}
	if encoded != "" {
		if err := password.CheckEncoded(encoded); err != nil {
			return "", &Error{Kind: Invalid, Field: "hash", err: err}
		}
	}
	return encoded, nil
}

// hashNew makes the hash of a new password, if the policy lets it. Errors:
// WeakPassword, Busy.
func (d *Directory) hashNew(ctx context.Context, p password.Plain, y password.Policy) (string, error) {
	if err := checkPolicy(p, y); err != nil {
		return "", err
	}
	return d.s.hasher.hash(ctx, p)
}

// checkPolicy returns WeakPassword for what the policy does not let pass.
func checkPolicy(p password.Plain, y password.Policy) error {
	if vs := y.Check(p); vs != nil {
		return &Error{Kind: WeakPassword, Violations: vs}
	}
	return nil
}

// What must be so for a password to be replaced: a condition for setPassword
// to go on with, its parameter being $6.
const (
	ifAny     = ``
	ifNone    = ` AND password_hash = ''`
	ifVersion = ` AND password_version = $6`
)

// setPassword is tx.setPassword as a transaction of its own.
func (d *Directory) setPassword(ctx context.Context, by Actor, kind EventKind, id, hash, condition string, args ...any) (a account, err error) {
	err = d.write(ctx, func(ctx context.Context, t *tx) error {
		a, err = t.setPassword(ctx, by, kind, id, hash, condition, args...)
		return err
	})
	if err != nil {
		return account{}, err
	}
	return a, nil
}

// setPassword replaces a user's password by the one that hash is of, ends the
// user's tokens and returns the user as changed. Errors: NotFound; Conflict if
// the condition does not hold.
func (t *tx) setPassword(ctx context.Context, by Actor, kind EventKind, id, hash, condition string, args ...any) (account, error) {
	n, err := t.exec(ctx, `UPDATE "user" SET password_hash = $1, password_version = $2, updated_at = $3
		WHERE directory = $4 AND id = $5`+condition,
		append([]any{hash, newVersion(), micros(t.now), t.directory, id}, args...)...)
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
	if _, err := t.exec(ctx, `DELETE FROM token WHERE directory = $1 AND user_id = $2`, t.directory, id); err != nil {
		return account{}, err
	}
	return a, t.record(ctx, by, kind, a.ID, a.Name, nil)
}
