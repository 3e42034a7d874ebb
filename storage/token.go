package storage

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"usher/storage/password"
)

// TokenSpec asks for a token.
type TokenSpec struct {
	Kind string        // what it is good for, "access"; AuthenticateToken must name the same
	TTL  time.Duration // until it expires; 0: it does not

	Idle bool // TTL counts from the last use, see AuthenticateToken
	Sole bool // it ends the user's others of its kind

	// ID is unique in the directory and kind, and may be empty. Tokens of several
	// kinds with the same one belong together, see Actor.Token.
	ID       string
	Document json.RawMessage // nil: {}

	// Secret makes the secret, given the rest of the token, for those that must
	// look like something: a UUID, a JWT. It must not be guessable. Its error
	// undoes everything and is returned as it is. nil is NewSecret. It must do
	// nothing else and may not call the store.
	Secret func(Token) (password.Plain, error)
}

// Token stands for a user's password until it expires or is ended, the
// password changes (unless the change was made with it, or Options.KeepTokens) or
// the user is deleted.
type Token struct {
	Kind      string
	ID        string         // as in TokenSpec
	Secret    password.Plain // only in the answer that makes it
	UserID    string
	CreatedAt time.Time       // UTC
	ExpiresAt time.Time       // UTC; zero: never
	Document  json.RawMessage // a JSON object, {} if nothing
}

const (
	// keepExpired is how long a token that has expired can still be told from
	// one that never was. Without an end to it, a client that logs in every hour
	// would leave its tokens behind for ever.
	keepExpired = 24 * time.Hour
	// renewEvery is how often the use of an idle token is written down at most,
	// unless a tenth of its TTL is less: a read for each request that uses it
	// should not become a write.
	renewEvery = time.Minute
)

// CreateTokens makes a token for each spec, all or none, for a user as just
// returned by Authenticate or another verb. Errors: WrongPassword if the
// password has changed since u was read, or u is gone: a token does not
// outlive the password it was given for; Invalid (document), Exists (id), those
// of TokenSpec.Secret.
func (d *Directory) CreateTokens(ctx context.Context, by Actor, u User, specs ...TokenSpec) (ts []Token, err error) {
	err = d.write(ctx, func(ctx context.Context, t *tx) error {
		now, err := t.user(ctx, u.ID)
		if KindOf(err) == NotFound || err == nil && now.version != u.version {
			return &Error{Kind: WrongPassword}
		}
		if err != nil {
			return err
		}
		ts, err = t.createTokens(ctx, by, now.User, specs)
		return err
	})
	if err != nil {
		return nil, err
	}
	return ts, nil
}

// deleteExpired deletes the tokens of a user that expired long ago.
const deleteExpired = `DELETE FROM token WHERE directory = $1 AND user_id = $2 AND expires_at < $3`

// createTokens makes a token for each spec, and clears the user's away that
// nobody will ask for again. Errors: Invalid, Exists, those of TokenSpec.Secret.
func (t *tx) createTokens(ctx context.Context, by Actor, u User, specs []TokenSpec) ([]Token, error) {
	if _, err := t.exec(ctx, deleteExpired, t.directory, u.ID, micros(t.now.Add(-keepExpired))); err != nil {
		return nil, err
	}
	ts := make([]Token, len(specs))
	for i, spec := range specs {
		var err error
		if ts[i], err = t.createToken(ctx, by, u, spec); err != nil {
			return nil, err
		}
	}
	for i, k := range ts {
		if slices.ContainsFunc(ts[:i], func(earlier Token) bool { return earlier.Kind == k.Kind }) {
			continue
		}
		if err := t.record(ctx, by, tokenEvent(k.Kind, "created"), u.ID, u.Name, nil); err != nil {
			return nil, err
		}
	}
	return ts, nil
}

func (t *tx) createToken(ctx context.Context, by Actor, u User, spec TokenSpec) (k Token, err error) {
	k = Token{Kind: spec.Kind, ID: spec.ID, UserID: u.ID, CreatedAt: t.now, Document: spec.Document}
	if k.Document == nil {
		k.Document = json.RawMessage("{}")
	}
	if err := checkDocument(k.Document); err != nil {
		return Token{}, err
	}
	var idle time.Duration
	if spec.TTL != 0 {
		k.ExpiresAt = utc(t.now.Add(spec.TTL))
		if spec.Idle {
			idle = spec.TTL
		}
	}
	if spec.Sole {
		if _, err := t.endTokens(ctx, by, u.ID, k.Kind, ``); err != nil {
			return Token{}, err
		}
	}
	k.Secret = NewSecret()
	if spec.Secret != nil {
		if k.Secret, err = spec.Secret(k); err != nil {
			return Token{}, err
		}
	}
	// lasting is a column of older versions', which nothing reads any more.
	_, err = t.ExecContext(ctx, `INSERT INTO token (sha256, directory, user_id, kind, id, created_at, expires_at, idle, lasting, document)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9)`,
		digest(k.Secret), t.directory, u.ID, k.Kind, k.ID, micros(k.CreatedAt), micros(k.ExpiresAt), idle.Microseconds(), string(k.Document))
	if err != nil {
		return Token{}, t.taken(ctx, err, claim{"id", tokenIDTaken, []any{t.directory, k.Kind, k.ID}})
	}
	return k, nil
}

// tokenIDTaken finds a token by kind and id. The last condition says of which
// tokens the index of ids is.
const tokenIDTaken = `SELECT 1 FROM token WHERE directory = $1 AND kind = $2 AND id = $3 AND id <> ''`

// NewSecret returns what a token's secret is unless TokenSpec.Secret makes one:
// 43 characters of base64url, 256 random bits. Nobody guesses them, so that a
// fast digest is all the hashing they need.
func NewSecret() password.Plain {
	b := make([]byte, 32)
	rand.Read(b) // never fails: it ends the process instead
	return password.Plain(base64.RawURLEncoding.EncodeToString(b))
}

// NewUUID makes a token's secret of the form that some vendors print, for
// TokenSpec.Secret: 122 random bits.
func NewUUID(Token) (password.Plain, error) {
	id, err := uuid.NewRandom()
	return password.Plain(id.String()), err
}

// digest is what the table has of a token.
func digest(secret password.Plain) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

const (
	//nolint:gosec // G101 takes the names of columns for a secret
	tokenColumns = `k.user_id AS holder_id, k.kind, k.id AS token_id, k.created_at AS made_at, k.expires_at, k.document AS note`
	keyColumns   = `, k.idle, ` + tokenColumns

	selectLoginByToken = `SELECT ` + callerColumns + keyColumns + `
		FROM token k JOIN "user" u ON u.directory = k.directory AND u.id = k.user_id` + callerRoles + `
		WHERE k.sha256 = $1 AND k.directory = $2 AND k.kind = $3
		UNION ALL SELECT ` + targetColumns + keyColumns + `
		FROM token k JOIN "user" u ON u.directory = k.directory AND u.id = $4 AND u.id <> k.user_id` + userRoles + `
		WHERE k.sha256 = $1 AND k.directory = $2 AND k.kind = $3
		ORDER BY user_id, position`
)

// tokenRow is where a row of tokenColumns is scanned to.
type tokenRow struct {
	Token
	createdAt, expiresAt sql.NullInt64
}

// dest returns what to scan tokenColumns into.
func (r *tokenRow) dest() []any {
	return []any{&r.UserID, &r.Kind, &r.ID, &r.createdAt, &r.expiresAt, (*[]byte)(&r.Document)}
}

// token is the row just scanned.
func (r *tokenRow) token() Token {
	k := r.Token
	k.CreatedAt, k.ExpiresAt = fromMicros(r.createdAt), fromMicros(r.expiresAt)
	return k
}

// expired says whether the token is past its time.
func (k Token) expired(now time.Time) bool { return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt) }

// AuthenticateToken returns the user whom a token of that kind stands for, and
// the token, without its secret, in one query; target is as in Credentials. It
// puts off the end of an idle token, though in steps of a minute, or of a tenth
// of its TTL if that is less: one that was not used for all of its TTL has
// ended, at most a step early. Errors:
// NotFound (unknown, of another kind, or ended), Expired (for a day; it may be
// longer, and is NotFound after that).
func (d *Directory) AuthenticateToken(ctx context.Context, kind string, secret password.Plain, target string) (Login, Token, error) {
	if err := ctx.Err(); err != nil {
		return Login{}, Token{}, err
	}
	var r tokenRow
	var idle int64
	// WithoutCancel as in accountByID.
	rows, err := d.s.loginByToken.QueryContext(context.WithoutCancel(ctx), digest(secret), d.name, kind, target)
	l, a, err := readLogin(rows, err, target, func(a *account) bool { return a.ID == r.UserID }, append([]any{&idle}, r.dest()...)...)
	switch {
	case err != nil:
		return Login{}, Token{}, err
	case a == nil:
		return Login{}, Token{}, &Error{Kind: NotFound}
	}
	k, now := r.token(), d.s.Now()
	if k.expired(now) {
		return Login{}, Token{}, &Error{Kind: Expired}
	}
	ttl := time.Duration(idle) * time.Microsecond
	if renewed := now.Add(ttl); ttl > 0 && renewed.Sub(k.ExpiresAt) > min(renewEvery, ttl/10) {
		// A token that cannot be renewed is as good as it was: if there is no turn
		// to write, the next use tries again.
		if d.renew(ctx, secret, renewed) == nil {
			k.ExpiresAt = renewed
		}
	}
	return l, k, nil
}

// renew puts off the end of a token, if it is still there.
func (d *Directory) renew(ctx context.Context, secret password.Plain, until time.Time) error {
	return d.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `UPDATE token SET expires_at = $1 WHERE sha256 = $2 AND directory = $3 AND expires_at < $1`,
			micros(until), digest(secret), t.directory)
		return err
	})
}

// Tokens returns the tokens of a kind that have not expired, oldest first, of
// one user or, if userID is empty, of all.
func (d *Directory) Tokens(ctx context.Context, kind, userID string) ([]Token, error) {
	if userID != "" {
		return d.readTokens(d.s.reader.QueryContext(ctx, selectTokensOf, d.name, kind, userID))
	}
	done, err := d.s.list(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	return d.readTokens(d.s.reader.QueryContext(ctx, selectTokens, d.name, kind))
}

// Token returns the token of a kind and id that has not expired. Errors:
// NotFound.
func (d *Directory) Token(ctx context.Context, kind, id string) (Token, error) {
	return first(d.readTokens(d.s.reader.QueryContext(ctx, selectToken, d.name, kind, id)))
}

const (
	tokensOfKind   = `SELECT ` + tokenColumns + ` FROM token k WHERE directory = $1 AND kind = $2`
	selectTokens   = tokensOfKind + ` ORDER BY created_at, id`
	selectTokensOf = tokensOfKind + ` AND user_id = $3 ORDER BY created_at, id`
	selectToken    = tokensOfKind + ` AND id = $3 AND id <> ''`
)

// readTokens reads rows of tokenColumns, but for the tokens that have expired.
func (d *Directory) readTokens(rows *sql.Rows, err error) (ts []Token, _ error) {
	if err != nil {
		return nil, wrap(err)
	}
	defer func() { _ = rows.Close() }()
	for now := d.s.Now(); rows.Next(); {
		var r tokenRow
		if err := rows.Scan(r.dest()...); err != nil {
			return nil, wrap(err)
		}
		if k := r.token(); !k.expired(now) {
			ts = append(ts, k)
		}
	}
	return ts, wrap(rows.Err())
}

// first is the only one of ts. Errors: NotFound.
func first(ts []Token, err error) (Token, error) {
	if err == nil && len(ts) == 0 {
		err = &Error{Kind: NotFound}
	}
	if err != nil {
		return Token{}, err
	}
	return ts[0], nil
}

// EndToken ends the token of a kind and id and returns it. Errors: NotFound.
func (d *Directory) EndToken(ctx context.Context, by Actor, kind, id string) (k Token, err error) {
	err = d.write(ctx, func(ctx context.Context, t *tx) error {
		if k, err = first(d.readTokens(t.QueryContext(ctx, selectToken, t.directory, kind, id))); err != nil {
			return err
		}
		_, err = t.endTokens(ctx, by, k.UserID, kind, ` AND id = $4`, id)
		return err
	})
	if err != nil {
		return Token{}, err
	}
	return k, nil
}

// EndTokens ends all tokens of a kind that a user has and returns how many
// there were. A user without any is no error, nor is one that there is not.
func (d *Directory) EndTokens(ctx context.Context, by Actor, kind, userID string) (n int, err error) {
	err = d.write(ctx, func(ctx context.Context, t *tx) error {
		n, err = t.endTokens(ctx, by, userID, kind, ``)
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// endTokens ends the tokens of a kind that a user has, or those of them that the
// condition is true of, whose parameters are $4 and on.
func (t *tx) endTokens(ctx context.Context, by Actor, userID, kind, condition string, args ...any) (int, error) {
	n, err := t.exec(ctx, deleteTokens+condition, append([]any{t.directory, userID, kind}, args...)...)
	if err != nil || n == 0 {
		return 0, err
	}
	a, err := t.user(ctx, userID)
	if err != nil {
		return 0, err
	}
	return int(n), t.record(ctx, by, tokenEvent(kind, "ended"), a.ID, a.Name, nil)
}

const deleteTokens = `DELETE FROM token WHERE directory = $1 AND user_id = $2 AND kind = $3`

// Secret is a token as its holder knows it.
type Secret struct {
	Kind  string
	Value password.Plain
}

// EndSecret ends a token, expired or not. Errors: NotFound.
func (d *Directory) EndSecret(ctx context.Context, by Actor, secret Secret) error {
	return d.write(ctx, func(ctx context.Context, t *tx) error {
		k, err := t.tokenOf(ctx, secret)
		if err != nil {
			return err
		}
		return t.end(ctx, by, k, secret)
	})
}

// end ends the token that the secret is of.
func (t *tx) end(ctx context.Context, by Actor, k Token, secret Secret) error {
	_, err := t.endTokens(ctx, by, k.UserID, k.Kind, ` AND sha256 = $4`, digest(secret.Value))
	return err
}

// tokenOf reads a token, expired or not. Errors: NotFound.
func (t *tx) tokenOf(ctx context.Context, secret Secret) (Token, error) {
	var r tokenRow
	err := t.QueryRowContext(ctx, `SELECT `+tokenColumns+` FROM token k WHERE sha256 = $1 AND directory = $2 AND kind = $3`,
		digest(secret.Value), t.directory, secret.Kind).Scan(r.dest()...)
	if errors.Is(err, sql.ErrNoRows) {
		return Token{}, &Error{Kind: NotFound}
	}
	return r.token(), wrap(err)
}

// TokenExchange is what is given for new tokens.
type TokenExchange struct {
	Old    Secret   // must be good
	Others []Secret // end along with it, if they have not already; none may be another user's

	// Check, unless it is nil, may refuse the exchange, given the old token
	// without its secret; the rules for it are those of UserEdit.Edit, and the
	// kind of its error is what the trail says.
	Check func(old Token) error
}

// ExchangeTokens ends old tokens and makes new ones, and returns whose they
// are: of two exchanges at once of the same old token one succeeds. A refusal is
// an event, "refresh-refused" for an old token of that kind, about its user if it
// is known.
//
// Errors: NotFound and Expired, of x.Old, then Check's own, then NotFound if one
// of the others is another user's (that it has expired is as good as that it has
// not, and one that is unknown is none); then those of CreateTokens but for
// WrongPassword.
func (d *Directory) ExchangeTokens(ctx context.Context, by Actor, x TokenExchange, specs ...TokenSpec) (u User, ts []Token, err error) {
	var holder *account // nil: nobody's
	var why error       // the exchange is refused
	err = d.write(ctx, func(ctx context.Context, t *tx) error {
		k, err := t.tokenOf(ctx, x.Old)
		if KindOf(err) == NotFound {
			why = err
		}
		if err != nil {
			return err
		}
		a, err := t.user(ctx, k.UserID)
		if err != nil {
			return err
		}
		u, holder = a.User, &a
		if why = x.refuse(k, t.now); why != nil {
			return why
		}
		actor := by
		if by.ID == "" {
			actor.ID, actor.Name = u.ID, u.Name // the old token says who it is
		}
		if err := t.end(ctx, actor, k, x.Old); err != nil {
			return err
		}
		for _, other := range x.Others {
			o, err := t.tokenOf(ctx, other)
			switch {
			case KindOf(err) == NotFound:
				continue
			case err != nil:
				return err
			case o.UserID != u.ID:
				why = &Error{Kind: NotFound}
				return why
			}
			if err := t.end(ctx, actor, o, other); err != nil {
				return err
			}
		}
		ts, err = t.createTokens(ctx, actor, u, specs)
		return err
	})
	if why != nil {
		err = d.refused(ctx, by, tokenEvent(x.Old.Kind, "refused"), holder, why)
	}
	if err != nil {
		return User{}, nil, err
	}
	return u, ts, nil
}

// refuse says why the old token is not good for the exchange, nil if it is.
func (x TokenExchange) refuse(old Token, now time.Time) error {
	switch {
	case old.expired(now):
		return &Error{Kind: Expired}
	case x.Check != nil:
		return x.Check(old)
	}
	return nil
}
