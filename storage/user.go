package storage

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"usher/storage/password"
)

// User is an account. It never holds a password or a hash.
type User struct {
	ID          string          // unique in the directory
	Realm       string          // where names are unique; may be empty
	Name        string          // unique in the realm, compared byte for byte; never empty
	Email       string          // unique in the directory unless empty, compared byte for byte
	Roles       []string        // names, in the order given; one that no role has grants nothing; never nil
	HasPassword bool            // false: nobody can log in with one
	CreatedAt   time.Time       // UTC
	UpdatedAt   time.Time       // UTC; zero: never edited
	Document    json.RawMessage // whatever else its owner keeps about it: a JSON object, {} if nothing

	PasswordSetAt time.Time // UTC; zero: there is none
	PasswordOwn   bool      // the user has set it since, and nobody else; false for the one that the user was made with

	version int64 // of the password as read; see newVersion
}

// account is a User with what only this package may see.
type account struct {
	User
	hash string // "": no password
}

// newVersion returns the version of a password that is being set: a random
// number, and not the last one plus one, because a user may be deleted and
// made again under the same id, or the file put back from a backup. Who proved
// a password against a version that comes back would have proved another one.
func newVersion() int64 {
	var b [8]byte
	rand.Read(b[:])                             // never fails: it ends the process instead
	return int64(binary.BigEndian.Uint64(b[:])) //nolint:gosec // G115: the bits, not the number
}

// The parts of every query for users: a row for each user and role.
const (
	userColumns = `u.id AS user_id, u.realm, u.name, u.email, u.password_hash, u.password_version,
		u.password_set_at, u.password_own, u.created_at, u.updated_at, u.document, ur.role`
	userRoles = ` LEFT JOIN user_role ur ON ur.directory = u.directory AND ur.user_id = u.id`

	selectUserByID = `SELECT ` + userColumns + ` FROM "user" u` + userRoles + `
		WHERE u.directory = $1 AND u.id = $2 ORDER BY ur.position`
	selectUserByName = `SELECT ` + userColumns + ` FROM "user" u` + userRoles + `
		WHERE u.directory = $1 AND u.realm = $2 AND u.name = $3 ORDER BY ur.position`
)

// userRow is where a row of userColumns is scanned to.
type userRow struct {
	account
	passwordSetAt, createdAt, updatedAt sql.NullInt64
	role                                sql.NullString
}

// dest returns what to scan userColumns into.
func (r *userRow) dest() []any {
	return []any{
		&r.ID, &r.Realm, &r.Name, &r.Email, &r.hash, &r.version,
		&r.passwordSetAt, &r.PasswordOwn, &r.createdAt, &r.updatedAt, (*[]byte)(&r.Document), &r.role,
	}
}

// addTo adds the row just scanned to the accounts: one more role of the last
// of them, or the first of another.
func (r *userRow) addTo(as []account) []account {
	if len(as) == 0 || as[len(as)-1].ID != r.ID {
		a := r.account
		a.Roles = []string{}
		a.HasPassword = a.hash != ""
		a.PasswordSetAt, a.CreatedAt, a.UpdatedAt = fromMicros(r.passwordSetAt), fromMicros(r.createdAt), fromMicros(r.updatedAt)
		as = append(as, a)
	}
	if a := &as[len(as)-1]; r.role.Valid {
		a.Roles = append(a.Roles, r.role.String)
	}
	return as
}

// readAccounts reads rows of userColumns, those of a user next to each other.
func readAccounts(rows *sql.Rows, err error) (as []account, _ error) {
	if err != nil {
		return nil, wrap(err)
	}
	defer func() { _ = rows.Close() }()
	var r userRow
	dest := r.dest()
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return nil, wrap(err)
		}
		as = r.addTo(as)
	}
	return as, wrap(rows.Err())
}

// readAccount is readAccounts for one user. Errors: NotFound.
func readAccount(rows *sql.Rows, err error) (account, error) {
	as, err := readAccounts(rows, err)
	if err != nil {
		return account{}, err
	}
	if len(as) == 0 {
		return account{}, &Error{Kind: NotFound}
	}
	return as[0], nil
}

// accountByID and accountByName read a user outside of any transaction. The
// query is too short to be worth interrupting: being able to would cost it two
// goroutines, a third of its time.
func (d *Directory) accountByID(ctx context.Context, id string) (account, error) {
	if err := ctx.Err(); err != nil {
		return account{}, err
	}
	return readAccount(d.s.userByID.QueryContext(context.WithoutCancel(ctx), d.name, id))
}

func (d *Directory) accountByName(ctx context.Context, realm, name string) (account, error) {
	if err := ctx.Err(); err != nil {
		return account{}, err
	}
	return readAccount(d.s.userByName.QueryContext(context.WithoutCancel(ctx), d.name, realm, name))
}

// user reads a user in the transaction. Nobody else changes it before the
// transaction ends.
func (t *tx) user(ctx context.Context, id string) (account, error) {
	return readAccount(t.QueryContext(ctx, selectUserByID, t.directory, id))
}

// User returns the user with that id. Errors: NotFound.
func (d *Directory) User(ctx context.Context, id string) (User, error) {
	a, err := d.accountByID(ctx, id)
	return a.User, err
}

// UserNamed returns the user with that name in that realm. Errors: NotFound.
func (d *Directory) UserNamed(ctx context.Context, realm, name string) (User, error) {
	a, err := d.accountByName(ctx, realm, name)
	return a.User, err
}

// UserQuery selects, sorts and cuts a list of users. The zero UserQuery is all
// of them, oldest first.
type UserQuery struct {
	Realm, Name   *string // exact; nil: any
	Sort          UserSort
	Offset, Limit int // Limit 0: no limit
}

// UserSort is an order of users: by id, name, email, created, updated (a user
// never edited by its creation), or document.<member>, a member of the document
// (document.a.b: of the object in it; names are letters, digits and
// underscores). Empty means created. Names and addresses are compared byte for
// byte, and what is equal is sorted by id.
type UserSort struct {
	By         string
	Descending bool
}

var memberPath = regexp.MustCompile(`^document(\.[0-9A-Za-z_]+)+$`)

// orderBy returns the SQL of the order. Errors: Invalid.
func (s UserSort) orderBy() (string, error) {
	columns := map[string]string{
		"id": "id", "name": "name", "email": "email", "": "created_at", "created": "created_at", "updated": "coalesce(updated_at, created_at)",
	}
	by, ok := columns[s.By]
	if !ok {
		if !memberPath.MatchString(s.By) {
			return "", &Error{Kind: Invalid, Field: "sort"}
		}
		by = documentMember(strings.Split(s.By, ".")[1:])
	}
	if s.Descending {
		by += " DESC"
	}
	return " ORDER BY " + by + ", id", nil
}

// Users returns the users that q selects, and how many there would be without
// Offset and Limit. Errors: Invalid (sort, offset, limit).
func (d *Directory) Users(ctx context.Context, q UserQuery) (users []User, total int, err error) {
	orderBy, err := q.Sort.orderBy()
	switch {
	case err != nil:
		return nil, 0, err
	case q.Offset < 0:
		return nil, 0, &Error{Kind: Invalid, Field: "offset"}
	case q.Limit < 0:
		return nil, 0, &Error{Kind: Invalid, Field: "limit"}
	}
	where, args := ` FROM "user" WHERE directory = $1`, []any{d.name}
	if q.Realm != nil {
		args = append(args, *q.Realm)
		where += ` AND realm = $2`
	}
	if q.Name != nil {
		args = append(args, *q.Name)
		where += ` AND name = $` + strconv.Itoa(len(args))
	}
	done, err := d.s.list(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer done()
	// Both queries see the same moment.
	t, err := d.s.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, 0, wrap(err)
	}
	defer func() { _ = t.Rollback() }()
	if err := t.QueryRowContext(ctx, `SELECT count(*)`+where, args...).Scan(&total); err != nil {
		return nil, 0, wrap(err)
	}
	n := len(args)
	args = append(args, cmp.Or(q.Limit, math.MaxInt), q.Offset)
	page := `SELECT *` + where + orderBy + ` LIMIT $` + strconv.Itoa(n+1) + ` OFFSET $` + strconv.Itoa(n+2)
	as, err := readAccounts(t.QueryContext(ctx, `SELECT `+userColumns+` FROM (`+page+`) u`+userRoles+orderBy+`, position`, args...))
	if err != nil {
		return nil, 0, err
	}
	users = make([]User, len(as))
	for i, a := range as {
		users[i] = a.User
	}
	return users, total, nil
}

// NewUser is a user to be made.
type NewUser struct {
	ID, Realm, Name, Email string // as in User
	Roles                  []string
	Password               password.Plain  // in plain text, to be checked against Policy and hashed; empty: none
	Hash                   string          // or hashed elsewhere, see password.CheckEncoded; Password counts if both are given
	Policy                 password.Policy // for Password
	Document               json.RawMessage // nil: {}
	Limit                  int             // of users in the directory, this one included; 0: none

	// Check, unless it is nil, may refuse the user, in view of what else there
	// is; the rules for it are those of UserEdit.Edit.
	Check func(View) error

	// Tokens are made along with the user, or neither is. Their secrets are
	// those that TokenSpec.Secret makes, which has to keep them.
	Tokens []TokenSpec

	// CreatedAt, UpdatedAt, PasswordSetAt and PasswordOwn are for users with a past,
	// as a Seed may have them; zero means now, never edited, and along with the user.
	CreatedAt, UpdatedAt time.Time
	PasswordSetAt        time.Time
	PasswordOwn          bool
}

// CreateUser makes a user; with neither Password nor Hash, one who cannot log
// in until a password is set. Errors: Invalid (id, name, document, hash),
// WeakPassword, Busy, then Check's own, then Exists (id, name, email), then
// Limit, and then those of CreateTokens but for WrongPassword.
func (d *Directory) CreateUser(ctx context.Context, by Actor, n NewUser) (User, error) {
	a, err := d.newAccount(ctx, n)
	if err != nil {
		return User{}, err
	}
	err = d.write(ctx, func(ctx context.Context, t *tx) error {
		if n.Check != nil {
			if err := n.Check(View{ctx, t}); err != nil {
				return err
			}
		}
		if err := t.createUser(ctx, &a.User, a.hash, n.Limit); err != nil {
			return err
		}
		if err := t.record(ctx, by, UserCreated, a.ID, a.Name, nil); err != nil || len(n.Tokens) == 0 {
			return err
		}
		_, err := t.createTokens(ctx, by, a.User, n.Tokens)
		return err
	})
	if err != nil {
		return User{}, err
	}
	return a.User, nil
}

// newAccount checks n and hashes its password. Errors: Invalid, WeakPassword,
// Busy.
func (d *Directory) newAccount(ctx context.Context, n NewUser) (account, error) {
	a := account{User: User{
		ID: n.ID, Realm: n.Realm, Name: n.Name, Email: n.Email,
		Roles:     append([]string{}, n.Roles...),
		CreatedAt: utc(n.CreatedAt), UpdatedAt: utc(n.UpdatedAt),
		PasswordSetAt: utc(n.PasswordSetAt), PasswordOwn: n.PasswordOwn,
		Document: n.Document,
		version:  newVersion(),
	}}
	if a.Document == nil {
		a.Document = json.RawMessage("{}")
	}
	if a.ID == "" {
		return account{}, &Error{Kind: Invalid, Field: "id"}
	}
	if err := a.check(); err != nil {
		return account{}, err
	}
	var err error
	a.hash, err = d.newHash(ctx, a, n.Password, n.Hash, n.Policy)
	a.HasPassword = a.hash != ""
	return a, err
}

// check returns Invalid for a member that a user cannot have.
func (u *User) check() error {
	if u.Name == "" {
		return &Error{Kind: Invalid, Field: "name"}
	}
	return checkDocument(u.Document)
}

// checkDocument returns Invalid for what is not a JSON object.
func checkDocument(document json.RawMessage) error {
	if !bytes.HasPrefix(bytes.TrimLeft(document, " \t\r\n"), []byte("{")) || !json.Valid(document) {
		return &Error{Kind: Invalid, Field: "document"}
	}
	return nil
}

// createUser inserts a user, made now unless it says otherwise. Errors:
// Exists, Limit.
func (t *tx) createUser(ctx context.Context, u *User, hash string, limit int) error {
	if u.CreatedAt.IsZero() {
		u.CreatedAt = t.now
	}
	switch {
	case !u.HasPassword:
		u.PasswordSetAt, u.PasswordOwn = time.Time{}, false
	case u.PasswordSetAt.IsZero():
		u.PasswordSetAt = u.CreatedAt
	}
	_, err := t.ExecContext(ctx, `INSERT INTO "user"
		(directory, id, realm, name, email, password_hash, password_version, password_set_at, password_own, created_at, updated_at, document)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		t.directory, u.ID, u.Realm, u.Name, u.Email, hash, u.version,
		micros(u.PasswordSetAt), u.PasswordOwn, micros(u.CreatedAt), micros(u.UpdatedAt), string(u.Document))
	if err != nil {
		return t.userTaken(ctx, u, err)
	}
	if limit > 0 {
		var n int
		if err := t.QueryRowContext(ctx, `SELECT count(*) FROM "user" WHERE directory = $1`, t.directory).Scan(&n); err != nil {
			return wrap(err)
		}
		if n > limit {
			return &Error{Kind: Limit}
		}
	}
	return t.insertRoles(ctx, u)
}

// userTaken is taken for a user that is inserted or updated.
func (t *tx) userTaken(ctx context.Context, u *User, err error) error {
	return t.taken(ctx, err,
		claim{"name", `SELECT 1 FROM "user" WHERE directory = $1 AND realm = $2 AND name = $3 AND id <> $4`, []any{t.directory, u.Realm, u.Name, u.ID}},
		claim{"email", `SELECT 1 FROM "user" WHERE directory = $1 AND email = $2 AND email <> '' AND id <> $3`, []any{t.directory, u.Email, u.ID}},
		claim{"id", `SELECT 1 FROM "user" WHERE directory = $1 AND id = $2`, []any{t.directory, u.ID}},
	)
}

// insertRoles inserts the roles of a user who has none yet.
func (t *tx) insertRoles(ctx context.Context, u *User) error {
	for i, role := range u.Roles {
		_, err := t.exec(ctx, `INSERT INTO user_role (directory, user_id, position, role) VALUES ($1, $2, $3, $4)`,
			t.directory, u.ID, i, role)
		if err != nil {
			return err
		}
	}
	return nil
}

// UserEdit is a change to a user.
type UserEdit struct {
	ID string
	// Edit changes the user as it is at that moment, inside the transaction:
	// it must do nothing else and may not call the store. It may not change
	// ID, CreatedAt or HasPassword; UpdatedAt and what else there is about the
	// password are set for it. An error it
	// returns undoes everything and is returned as it is. nil changes nothing.
	Edit func(*User) error
	// Check, unless it is nil, may refuse the user as edited, in view of what
	// else there is; the rules for it are those of Edit.
	Check func(View, User) error
	// Ends, unless it is nil, says which kinds of tokens the user loses, in view of
	// the user as it was and as edited; the rules for it are those of Edit.
	Ends func(before, after User) (kinds []string)
	// Quiet is for what an owner notes about a user that nobody asked it to,
	// such as the last login: UpdatedAt stays, and there is no UserUpdated. Roles
	// that change are recorded all the same, and a password is set as always.
	Quiet bool

	// Password, Hash and Policy set a password as in NewUser, without asking
	// for the old one; with neither, the password stays. The screen holds Password
	// against the name and address from before Edit.
	Password password.Plain
	Hash     string
	Policy   password.Policy
}

// UpdateUser changes a user and returns it as changed. A new password ends
// the user's tokens as in ChangePassword. Errors: NotFound, Invalid (hash),
// WeakPassword, Busy, then Edit's and Check's own, then Invalid (name, document,
// or the member that Edit may not change: id, created, password), then Exists
// (name, email).
func (d *Directory) UpdateUser(ctx context.Context, by Actor, e UserEdit) (User, error) {
	for {
		// As in SetPassword.
		if u, err := d.updateUser(ctx, by, e); !errors.Is(err, errReplaced) {
			return u, err
		}
	}
}

// errReplaced says that the password to be replaced is another by now. It is
// none of the kinds, since those may be Edit's and Check's own.
var errReplaced = errors.New("the password was replaced meanwhile")

// updateUser is UpdateUser, but for errReplaced, which comes before Edit is
// called.
func (d *Directory) updateUser(ctx context.Context, by Actor, e UserEdit) (User, error) {
	before, err := d.accountByID(ctx, e.ID)
	if err != nil {
		return User{}, err
	}
	hash, err := d.newHash(ctx, before, e.Password, e.Hash, e.Policy)
	if err != nil {
		return User{}, err
	}
	var u User
	err = d.write(ctx, func(ctx context.Context, t *tx) error {
		a, err := t.user(ctx, e.ID)
		if err != nil {
			return err
		}
		if hash != "" && a.version != before.version {
			return errReplaced
		}
		u = a.User
		if e.Edit != nil {
			u.Roles, u.Document = slices.Clone(a.Roles), bytes.Clone(a.Document)
			if err := e.Edit(&u); err != nil {
				return err
			}
		}
		if e.Check != nil {
			if err := e.Check(View{ctx, t}, u); err != nil {
				return err
			}
		}
		if err := t.updateUser(ctx, by, a.User, &u, e.Quiet); err != nil {
			return err
		}
		if e.Ends != nil {
			for _, kind := range e.Ends(a.User, u) {
				if _, err := t.endTokens(ctx, by, u.ID, kind, ``); err != nil {
					return err
				}
			}
		}
		if hash != "" {
			a, err = t.setPassword(ctx, by, PasswordSet, u.ID, newPassword{hash, e.Policy}, ifAny)
			u = a.User
		}
		return err
	})
	if err != nil {
		return User{}, err
	}
	return u, nil
}

// updateUser writes what has changed between old and u. Errors: Invalid,
// Exists.
func (t *tx) updateUser(ctx context.Context, by Actor, old User, u *User, quiet bool) error {
	switch {
	case u.ID != old.ID:
		return &Error{Kind: Invalid, Field: "id"}
	case !u.CreatedAt.Equal(old.CreatedAt):
		return &Error{Kind: Invalid, Field: "created"}
	case u.HasPassword != old.HasPassword:
		return &Error{Kind: Invalid, Field: "password"}
	}
	if err := u.check(); err != nil {
		return err
	}
	u.UpdatedAt, u.version, u.Roles = t.now, old.version, append([]string{}, u.Roles...)
	u.PasswordSetAt, u.PasswordOwn = old.PasswordSetAt, old.PasswordOwn
	if quiet {
		u.UpdatedAt = old.UpdatedAt
	}
	_, err := t.ExecContext(ctx, `UPDATE "user" SET realm = $1, name = $2, email = $3, updated_at = $4, document = $5
		WHERE directory = $6 AND id = $7`,
		u.Realm, u.Name, u.Email, micros(u.UpdatedAt), string(u.Document), t.directory, u.ID)
	if err != nil {
		return t.userTaken(ctx, u, err)
	}
	if !quiet {
		if err := t.record(ctx, by, UserUpdated, u.ID, u.Name, nil); err != nil {
			return err
		}
	}
	if slices.Equal(u.Roles, old.Roles) {
		return nil
	}
	if _, err := t.exec(ctx, `DELETE FROM user_role WHERE directory = $1 AND user_id = $2`, t.directory, u.ID); err != nil {
		return err
	}
	if err := t.insertRoles(ctx, u); err != nil {
		return err
	}
	return t.record(ctx, by, RolesChanged, u.ID, u.Name, nil)
}

// DeleteUser deletes a user, with roles, tokens and old passwords, and returns
// it as it was.
// Errors: NotFound.
func (d *Directory) DeleteUser(ctx context.Context, by Actor, id string) (User, error) {
	var a account
	err := d.write(ctx, func(ctx context.Context, t *tx) (err error) {
		if a, err = t.user(ctx, id); err != nil {
			return err
		}
		if _, err = t.exec(ctx, `DELETE FROM "user" WHERE directory = $1 AND id = $2`, t.directory, id); err != nil {
			return err
		}
		return t.record(ctx, by, UserDeleted, a.ID, a.Name, nil)
	})
	if err != nil {
		return User{}, err
	}
	return a.User, nil
}
