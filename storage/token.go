package storage

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"time"

	"usher/storage/password"
)

// TokenSpec asks for a token.
type TokenSpec struct {
	Kind string        // what it is good for, "access"; AuthenticateToken must name the same
	TTL  time.Duration // until it expires
}

// Token stands for a user's password until it expires, the password changes
// or the user is deleted.
type Token struct {
	Kind      string
	Secret    password.Plain // 43 characters of base64url; only in the answer that makes it
	UserID    string
	CreatedAt time.Time // UTC
	ExpiresAt time.Time // UTC
}

// keepExpired is how long a token that has expired can still be told from one
// that never was. Without an end to it, a client that logs in every hour would
// leave its tokens behind for ever.
const keepExpired = 24 * time.Hour

// CreateTokens makes a token for each spec, all or none, for a user as just
// returned by Authenticate or another verb. Errors: WrongPassword if the
// password has changed since u was read, or u is gone: a token does not
// outlive the password it was given for.
func (d *Directory) CreateTokens(ctx context.Context, by Actor, u User, specs ...TokenSpec) ([]Token, error) {
	ts := make([]Token, len(specs))
	err := d.write(ctx, func(ctx context.Context, t *tx) error {
		now, err := t.user(ctx, u.ID)
		if KindOf(err) == NotFound || err == nil && now.version != u.version {
			return &Error{Kind: WrongPassword}
		}
		if err != nil {
			return err
		}
		_, err = t.exec(ctx, `DELETE FROM token WHERE directory = $1 AND user_id = $2 AND expires_at < $3`,
			t.directory, u.ID, micros(t.now.Add(-keepExpired)))
		if err != nil {
			return err
		}
		for i, spec := range specs {
			ts[i] = Token{
				Kind: spec.Kind, Secret: newSecret(), UserID: u.ID,
				CreatedAt: t.now, ExpiresAt: utc(t.now.Add(spec.TTL)),
			}
			_, err := t.exec(ctx, `INSERT INTO token (sha256, directory, user_id, kind, created_at, expires_at)
				VALUES ($1, $2, $3, $4, $5, $6)`,
				digest(ts[i].Secret), t.directory, u.ID, spec.Kind, micros(ts[i].CreatedAt), micros(ts[i].ExpiresAt))
			if err != nil {
				return err
			}
		}
		return t.record(ctx, by, TokensCreated, u.ID, now.Name, nil)
	})
	if err != nil {
		return nil, err
	}
	return ts, nil
}

// newSecret returns 256 random bits: nobody guesses them, so that a fast
// digest is all the hashing they need.
func newSecret() password.Plain {
	b := make([]byte, 32)
	rand.Read(b) // never fails: it ends the process instead
	return password.Plain(base64.RawURLEncoding.EncodeToString(b))
}

// digest is what the table has of a token.
func digest(secret password.Plain) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

const (
	keyColumns = `, k.user_id AS holder_id, k.created_at, k.expires_at`

	selectLoginByToken = `SELECT ` + callerColumns + keyColumns + `
		FROM token k JOIN "user" u ON u.directory = k.directory AND u.id = k.user_id` + callerRoles + `
		WHERE k.sha256 = $1 AND k.directory = $2 AND k.kind = $3
		UNION ALL SELECT ` + targetColumns + keyColumns + `
		FROM token k JOIN "user" u ON u.directory = k.directory AND u.id = $4 AND u.id <> k.user_id` + userRoles + `
		WHERE k.sha256 = $1 AND k.directory = $2 AND k.kind = $3
		ORDER BY user_id, position`
)

// AuthenticateToken returns the user whom a token of that kind stands for, and
// the token, without its secret, in one query; target is as in Credentials.
// Errors: NotFound (unknown, of another kind, or ended with a password or a
// user), Expired (for a day; it may be longer, and is NotFound after that).
func (d *Directory) AuthenticateToken(ctx context.Context, kind string, secret password.Plain, target string) (Login, Token, error) {
	if err := ctx.Err(); err != nil {
		return Login{}, Token{}, err
	}
	k := Token{Kind: kind}
	var createdAt, expiresAt sql.NullInt64
	// WithoutCancel as in accountByID.
	rows, err := d.s.loginByToken.QueryContext(context.WithoutCancel(ctx), digest(secret), d.name, kind, target)
	l, a, err := readLogin(rows, err, target, func(a *account) bool { return a.ID == k.UserID }, &k.UserID, &createdAt, &expiresAt)
	switch {
	case err != nil:
		return Login{}, Token{}, err
	case a == nil:
		return Login{}, Token{}, &Error{Kind: NotFound}
	}
	k.CreatedAt, k.ExpiresAt = fromMicros(createdAt), fromMicros(expiresAt)
	if !d.s.now().Before(k.ExpiresAt) {
		return Login{}, Token{}, &Error{Kind: Expired}
	}
	return l, k, nil
}
