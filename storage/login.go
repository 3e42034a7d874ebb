package storage

import (
	"context"
	"database/sql"
	"encoding/json"

	"usher/storage/password"
)

// Credentials is what somebody says to be known by.
type Credentials struct {
	Realm, Name string // the user of that name in that realm,
	Email       string // or, if Name is empty, the one with that address in any realm
	Password    password.Plain
	Target      string // the id of one more user to read in the same query; may be empty

	// MayLogIn, if there is one, says who may log in at all. It is for what only
	// the directory's owner knows of, such as a blocked user.
	MayLogIn func(User) bool
}

// Login is who proved to be who, and what was read along with it.
type Login struct {
	User   User
	Roles  []Record // those of User.Roles that exist, in that order
	Target *User    // the user with the id asked for; nil: there is none, or none was asked for
}

// One query for the caller with the roles' rights, and the target with the
// roles' names: a row for each user and role name. It is a UNION, with the
// caller kept out of its second part, because any way of saying "this name or
// that id" in one condition costs SQLite a temporary table, or reading the
// whole directory.
const (
	callerColumns = userColumns + `, r.id, r.created_at, r.updated_at, r.document, ur.position`
	targetColumns = userColumns + `, NULL, NULL, NULL, NULL, ur.position`
	callerRoles   = userRoles + ` LEFT JOIN record r ON r.directory = ur.directory AND r.kind = 'role' AND r.name = ur.role`

	selectLoginByName = `SELECT ` + callerColumns + ` FROM "user" u` + callerRoles + `
		WHERE u.directory = $1 AND u.realm = $3 AND u.name = $4
		UNION ALL SELECT ` + targetColumns + ` FROM "user" u` + userRoles + `
		WHERE u.directory = $1 AND u.id = $2 AND NOT (u.realm = $3 AND u.name = $4)
		ORDER BY user_id, position`
	selectLoginByEmail = `SELECT ` + callerColumns + ` FROM "user" u` + callerRoles + `
		WHERE u.directory = $1 AND u.email = $3 AND u.email <> ''
		UNION ALL SELECT ` + targetColumns + ` FROM "user" u` + userRoles + `
		WHERE u.directory = $1 AND u.id = $2 AND u.email <> $3
		ORDER BY user_id, position`
)

// Authenticate returns the user whose password it is. Errors: WrongPassword
// (for an unknown name, for a user without a password or who may not log in,
// and for a wrong password alike, after the same work: one hash at
// Options.Hash, and the stored one besides if that is of another kind or
// cost), Throttled (for known and unknown names alike), Busy.
//
// So a refusal takes as long for a name that nobody has as for a user's, with
// one exception that cannot be helped: while a user's hash is of another kind or
// cost than Options.Hash, which is until the next login, a wrong password takes
// longer there, by what the old hash costs. It is never quicker.
//
// The first time a password is right it costs a hash and an event, and one
// more hash if the stored one is bcrypt or costs something else than
// Options.Hash; after that, until it is changed or forgotten, one query and an
// HMAC. A failure is an event, too, about the user if there is one: a name
// that nobody has is not kept, since people type passwords into the wrong
// field.
func (d *Directory) Authenticate(ctx context.Context, by Actor, c Credentials) (Login, error) {
	l, a, err := d.login(ctx, c)
	if err != nil {
		return Login{}, err
	}
	barred := a != nil && c.MayLogIn != nil && !c.MayLogIn(l.User)
	known := a
	if barred {
		known = nil // the right password must not be quicker than a wrong one
	}
	realm, name := c.Realm, c.Name
	if name == "" {
		realm, name = "", c.Email
	}
	at := d.s.throttle.attempt(d.name, by, a, realm, name)
	fresh, err := d.prove(ctx, at, known, c.Password)
	switch KindOf(err) {
	case WrongPassword:
		why := err
		if barred {
			why = &Error{Kind: Denied}
		}
		if failed := d.recordFailure(ctx, by, LoginFailed, a, why); failed != nil {
			err = failed
		}
	case Throttled:
		err = d.throttled(ctx, by, LoginFailed, at, a, err)
	default: // good, or no failure of whoever logs in
	}
	if err != nil {
		return Login{}, err
	}
	if !fresh {
		return l, nil
	}
	if err := d.recordLogin(ctx, by, a); err != nil {
		return Login{}, err
	}
	d.s.proofs.remember(d.name, a, c.Password)
	if password.NeedsRehash(a.hash, d.s.hasher.params) {
		d.rehash(ctx, a, c.Password)
	}
	return l, nil
}

// Unproven returns what Authenticate would for the right password of the user of
// that name in that realm, and is no login: there is no event, and nobody is asked
// for anything. Where there is no such user, the Login's User is a zero one.
func (d *Directory) Unproven(ctx context.Context, realm, name, target string) (Login, error) {
	l, _, err := d.login(ctx, Credentials{Realm: realm, Name: name, Target: target})
	return l, err
}

// recordLogin records that a has logged in, unless the password was replaced or
// the user deleted while its hash was computed. Errors: WrongPassword, which is
// recorded instead.
func (d *Directory) recordLogin(ctx context.Context, by Actor, a *account) error {
	as := Actor{ID: a.ID, Name: a.Name, Source: by.Source, Request: by.Request}
	current := false // the password, when its turn to write came
	err := d.writeAnyway(ctx, func(ctx context.Context, t *tx) error {
		now, err := t.user(ctx, a.ID)
		if KindOf(err) == NotFound || err == nil && now.version != a.version {
			return &Error{Kind: WrongPassword}
		}
		if err != nil {
			return err
		}
		current = true
		return t.record(ctx, as, LoginSucceeded, a.ID, a.Name, nil)
	})
	switch {
	case KindOf(err) == WrongPassword:
		return d.refused(ctx, by, LoginFailed, a, err)
	case current:
		return d.unrecorded(err, as, LoginSucceeded, a.ID, a.Name, nil)
	}
	return err
}

// login reads whom the credentials name, nil if nobody, and the target.
func (d *Directory) login(ctx context.Context, c Credentials) (Login, *account, error) {
	if err := ctx.Err(); err != nil {
		return Login{}, nil, err
	}
	ctx = context.WithoutCancel(ctx) // as in accountByID
	if c.Name == "" {
		rows, err := d.s.loginByEmail.QueryContext(ctx, d.name, c.Target, c.Email)
		return readLogin(rows, err, c.Target, func(a *account) bool { return a.Email == c.Email && a.Email != "" })
	}
	rows, err := d.s.loginByName.QueryContext(ctx, d.name, c.Target, c.Realm, c.Name)
	return readLogin(rows, err, c.Target, func(a *account) bool { return a.Realm == c.Realm && a.Name == c.Name })
}

// readLogin reads rows of callerColumns, and of whatever goes to extra.
func readLogin(rows *sql.Rows, err error, target string, isCaller func(*account) bool, extra ...any) (Login, *account, error) {
	if err != nil {
		return Login{}, nil, wrap(err)
	}
	defer func() { _ = rows.Close() }()
	var (
		l                    Login
		as                   []account
		u                    userRow
		id                   sql.NullString
		createdAt, updatedAt sql.NullInt64
		document             []byte
	)
	dest := append(append(u.dest(), &id, &createdAt, &updatedAt, &document, new(any)), extra...)
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return Login{}, nil, wrap(err)
		}
		as = u.addTo(as)
		if id.Valid && isCaller(&u.account) {
			l.Roles = append(l.Roles, Record{
				ID: id.String, Name: u.role.String,
				CreatedAt: fromMicros(createdAt), UpdatedAt: fromMicros(updatedAt),
				Document: json.RawMessage(document),
			})
		}
	}
	if err := rows.Err(); err != nil {
		return Login{}, nil, wrap(err)
	}
	var caller *account
	for i := range as {
		a := &as[i]
		if isCaller(a) {
			caller, l.User = a, a.User
		}
		if a.ID == target {
			u := a.User
			l.Target = &u
		}
	}
	return l, caller, nil
}

// rehash replaces the hash of a password that has just been proven by one that
// costs what Options.Hash asks for. It does not count as a change: if there is
// no time, no room or no luck for it, the next login tries again.
func (d *Directory) rehash(ctx context.Context, a *account, plain password.Plain) {
	hash, err := d.s.hasher.hash(ctx, plain)
	if err != nil {
		return
	}
	_ = d.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `UPDATE "user" SET password_hash = $1
			WHERE directory = $2 AND id = $3 AND password_version = $4 AND password_hash = $5`,
			hash, t.directory, a.ID, a.version, a.hash)
		return err
	})
}
