package applivery

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	gen "usher/gen/applivery"
	"usher/storage"
)

// document is what this API keeps of a user beside id, name, role and times.
type document struct {
	FirstName string       `json:"firstName"`
	LastName  string       `json:"lastName"`
	Picture   *string      `json:"picture,omitempty"`
	Language  gen.Language `json:"language"`

	Newsletter bool       `json:"newsletter,omitempty"`
	LastLogin  *time.Time `json:"lastLogin,omitempty"`
	LastAction *time.Time `json:"lastAction,omitempty"`
}

func (d document) encode() json.RawMessage {
	b, err := json.Marshal(d)
	if err != nil {
		panic(err) // strings do encode
	}
	return b
}

// account is a user to be made, without a password yet, whose name is the
// e-mail address.
func account(email string, role gen.Role, d document) storage.NewUser {
	return storage.NewUser{ID: newID(), Name: loginName(email), Roles: []string{string(role)}, Document: d.encode()}
}

// newID makes an id that looks like MongoDB's, whose ids the vendor prints.
func newID() string {
	id := make([]byte, 12)
	rand.Read(id) // never fails: it ends the process instead
	return hex.EncodeToString(id)
}

// loginName is what an e-mail address is kept and looked for as: its case does
// not count, as in the vendor's skeleton.
func loginName(email string) string { return strings.ToLower(email) }

// roleOf gives a user's one role.
func roleOf(u storage.User) gen.Role {
	if len(u.Roles) == 0 {
		return gen.RoleUser
	}
	return gen.Role(u.Roles[0])
}

// fromCreate is a creation as the store takes it.
func fromCreate(r gen.CreateUserRequest) storage.NewUser {
	n := account(r.Email, or(r.Role, gen.RoleUser), document{
		FirstName: r.FirstName, LastName: r.LastName, Language: or(r.Language, gen.En),
	})
	n.Password, n.Policy = r.Password, complexity
	return n
}

// applyUpdate puts the members that are given into a user.
func applyUpdate(u *storage.User, r gen.UpdateUserRequest) error {
	u.Roles = []string{string(or(r.Role, roleOf(*u)))}
	return edit(u, func(d *document) {
		d.FirstName = or(r.FirstName, d.FirstName)
		d.LastName = or(r.LastName, d.LastName)
		d.Language = or(r.Language, d.Language)
		if r.Picture != nil {
			d.Picture = r.Picture
		}
	})
}

// fromRegister is a registration as the store takes it.
func fromRegister(r gen.RegisterRequest) storage.NewUser {
	n := account(r.Email, gen.RoleUser, document{
		FirstName: r.FirstName, LastName: r.LastName, Language: or(r.Language, gen.En), Newsletter: r.Newsletter,
	})
	n.Password, n.Policy = r.Password, complexity
	return n
}

// reserved are the top-level domains that never exist (RFC 2606).
var reserved = []string{"test", "example", "invalid", "localhost"}

// canHaveMail says whether a message could ever reach an e-mail address.
func canHaveMail(email string) bool {
	domain := loginName(email[strings.LastIndexByte(email, '@')+1:])
	return !slices.Contains(reserved, domain[strings.LastIndexByte(domain, '.')+1:])
}

// edit changes what a user's document says.
func edit(u *storage.User, change func(*document)) error {
	d, err := documentOf(*u)
	if err == nil {
		change(&d)
		u.Document = d.encode()
	}
	return err
}

func documentOf(u storage.User) (d document, err error) {
	if err := json.Unmarshal(u.Document, &d); err != nil {
		return d, fmt.Errorf("document of user %s: %w", u.ID, err)
	}
	return d, nil
}

// toUser is a user as the API answers it. What is the same for all of them
// here, the contract explains member by member.
func toUser(u storage.User) (gen.User, error) {
	d, err := documentOf(u)
	if err != nil {
		return gen.User{}, err
	}
	updated := u.UpdatedAt
	if updated.IsZero() { // mongoose sets both when it makes a document
		updated = u.CreatedAt
	}
	return gen.User{
		ID:                 u.ID,
		Email:              u.Name,
		FirstName:          d.FirstName,
		LastName:           d.LastName,
		FullName:           d.FirstName + " " + d.LastName,
		Picture:            d.Picture,
		Role:               roleOf(u),
		Newsletter:         d.Newsletter,
		HasPassword:        u.HasPassword,
		Organizations:      []gen.Organization{},
		Language:           d.Language,
		VerificationStatus: "verified",
		ActivityTrace: gen.ActivityTrace{
			LastLogin:  gen.LastLogin{Dashboard: toOptionalTime(d.LastLogin)},
			LastAction: gen.LastAction{Dashboard: toOptionalTime(d.LastAction)},
		},
		CreatedAt: toTime(u.CreatedAt),
		UpdatedAt: toTime(updated),
	}, nil
}

// toTime writes a time as JavaScript does.
func toTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// toOptionalTime is toTime for what may not have been yet.
func toOptionalTime(t *time.Time) *string {
	if t == nil {
		return nil
	}
	return new(toTime(*t))
}

func toToken(t storage.Token) gen.Token {
	return gen.Token{Token: string(t.Secret), ExpireAt: toTime(t.ExpiresAt)}
}

// sortable are the members that a list can be sorted by, and the store's names
// for them.
var sortable = map[string]string{
	"email":     "name",
	"firstName": "document.firstName",
	"lastName":  "document.lastName",
	"createdAt": "created",
	"updatedAt": "updated",
}

// fromSort is an order as the store takes it: the newest first, unless sort
// names a member that there is.
func fromSort(sort string) storage.UserSort {
	member, direction, _ := strings.Cut(sort, ":")
	if by, ok := sortable[member]; ok {
		return storage.UserSort{By: by, Descending: direction == "desc"}
	}
	return storage.UserSort{By: "created", Descending: true}
}

// toPage is a page of all users as mongoose-paginate-v2 puts it, which the
// vendor's skeleton uses.
func toPage(users []storage.User, total, page, limit int) (gen.UserPageData, error) {
	pages := max(1, (total+limit-1)/limit)
	data := gen.UserPageData{
		Items:         make([]gen.User, len(users)),
		TotalDocs:     total,
		Limit:         limit,
		HasPrevPage:   page > 1,
		HasNextPage:   page < pages,
		Page:          page,
		TotalPages:    pages,
		PagingCounter: (page-1)*limit + 1,
	}
	if data.HasPrevPage {
		data.PrevPage = new(page - 1)
	}
	if data.HasNextPage {
		data.NextPage = new(page + 1)
	}
	for i, u := range users {
		var err error
		if data.Items[i], err = toUser(u); err != nil {
			return data, err
		}
	}
	return data, nil
}

// or gives what a pointer points to, or a default.
func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}
