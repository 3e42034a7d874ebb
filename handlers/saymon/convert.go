package saymon

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"github.com/oapi-codegen/nullable"

	gen "usher/gen/saymon"
	"usher/storage"
)

// document is what SAYMON alone keeps about a user, as its API writes it.
// What is nil was never set, and is not shown; storage.User has the rest.
type document struct {
	DisplayName       string                      `json:"displayName"`
	Group             nullable.Nullable[[]string] `json:"group,omitempty"` // null or a list; what is in it, storage.User has
	UISettings        *gen.UISettings             `json:"uiSettings,omitempty"`
	Status            gen.UserStatus              `json:"status"`
	EventFilter       []gen.EventFilter           `json:"eventFilter"`
	ObjectPermissions gen.ObjectPermissions       `json:"objectPermissions"`
	Permissions       []string                    `json:"permissions"`
	Contacts          []string                    `json:"contacts"`
	Source            *gen.UserSource             `json:"source,omitempty"`
	ActiveTo          *int64                      `json:"activeTo,omitempty"`
	Language          *string                     `json:"language,omitempty"`
	PushFilter        *gen.PushFilter             `json:"pushFilter,omitempty"`
	TokenGiven        bool                        `json:"tokenGiven,omitempty"` // there is, or was, an authentication token
}

// newDocument is that of a user of whom nothing is known. The lists are empty,
// not nil: they are shown as [].
func newDocument() document {
	return document{
		Status:            gen.Active,
		EventFilter:       []gen.EventFilter{},
		ObjectPermissions: gen.ObjectPermissions{Include: []any{}, Exclude: []any{}},
		Permissions:       []string{},
		Contacts:          []string{},
	}
}

func documentOf(u storage.User) (document, error) {
	var d document
	err := json.Unmarshal(u.Document, &d)
	return d, err
}

func (d document) encode() json.RawMessage {
	encoded, err := json.Marshal(d)
	if err != nil { // it holds nothing but what came out of JSON
		panic(err)
	}
	return encoded
}

// apply takes over what is given. A list or a map replaces the one there was.
func (d *document) apply(given gen.UpdateUserRequest) {
	d.DisplayName = *cmp.Or(given.DisplayName, &d.DisplayName)
	d.UISettings = cmp.Or(given.UISettings, d.UISettings)
	d.Status = *cmp.Or(given.Status, &d.Status)
	d.EventFilter = *cmp.Or(given.EventFilter, &d.EventFilter)
	if o := given.ObjectPermissions; o != nil {
		d.ObjectPermissions.Include = *cmp.Or(o.Include, &d.ObjectPermissions.Include)
		d.ObjectPermissions.Exclude = *cmp.Or(o.Exclude, &d.ObjectPermissions.Exclude)
	}
	d.Permissions = *cmp.Or(given.Permissions, &d.Permissions)
	d.Contacts = *cmp.Or(given.Contacts, &d.Contacts)
	d.Source = cmp.Or(given.Source, d.Source)
	d.ActiveTo = cmp.Or(given.ActiveTo, d.ActiveTo)
	d.Language = cmp.Or(given.Language, d.Language)
	d.PushFilter = cmp.Or(given.PushFilter, d.PushFilter)
}

// setGroups takes over the groups, if they are given.
func (d *document) setGroups(roles *[]string, given nullable.Nullable[[]string]) {
	if !given.IsSpecified() {
		return
	}
	ids, err := given.Get()
	if *roles = ids; err != nil {
		d.Group = nullable.NewNullNullable[[]string]()
	} else {
		d.Group = nullable.NewNullableWithValue([]string{})
	}
}

// statusAt is the user's status at that time: past activeTo, blocked.
func (d document) statusAt(now time.Time) gen.UserStatus {
	if d.ActiveTo != nil && now.UnixMilli() > *d.ActiveTo {
		return gen.Blocked
	}
	return d.Status
}

// newUser is the user to make of a request, but for the policy. Without a
// login it is what the email has before its "@"; without a display name it is
// the login, masked. Errors: a refusal.
func newUser(r gen.CreateUserRequest) (storage.NewUser, error) {
	n := storage.NewUser{ID: newID(), Password: r.Password}
	if r.Email != nil {
		n.Email = *r.Email
		n.Name = n.Email[:strings.LastIndex(n.Email, "@")]
	}
	if r.Login != nil && *r.Login != "" {
		n.Name = *r.Login
	}
	if n.Name == "" {
		return storage.NewUser{}, missing("login")
	}
	d := newDocument()
	d.apply(gen.UpdateUserRequest{
		DisplayName: r.DisplayName, UISettings: r.UISettings, Status: r.Status, EventFilter: r.EventFilter,
		ObjectPermissions: r.ObjectPermissions, Permissions: r.Permissions, Contacts: r.Contacts, Source: r.Source,
		ActiveTo: r.ActiveTo, Language: r.Language, PushFilter: r.PushFilter,
	})
	d.DisplayName = cmp.Or(d.DisplayName, masked(n.Name))
	if d.DisplayName == n.Name {
		return storage.NewUser{}, errDisplayName
	}
	d.setGroups(&n.Roles, r.Group)
	n.Document = d.encode()
	return n, nil
}

// errDisplayName: the display name is there to hide the login.
var errDisplayName = badRequest(`Parameter "displayName" must not be the same as "login".`)

// edit changes a user as a request says. Errors: a refusal.
func edit(u *storage.User, r gen.UpdateUserRequest) error {
	d, err := documentOf(*u)
	if err != nil {
		return err
	}
	u.Name, u.Email = *cmp.Or(r.Login, &u.Name), *cmp.Or(r.Email, &u.Email)
	d.apply(r)
	if d.DisplayName == u.Name {
		return errDisplayName
	}
	d.setGroups(&u.Roles, r.Group)
	u.Document = d.encode()
	return nil
}

// masked is a login with its second half masked. Of an odd length the greater
// half stays, but for a single character: "Bo*" for "Bob".
func masked(login string) string {
	characters := []rune(login)
	stay := (len(characters) + 1) / 2
	if len(characters) == 1 {
		stay = 0
	}
	return string(characters[:stay]) + strings.Repeat("*", len(characters)-stay)
}

// toWire is a user as the API shows it: in full, or to those who may not see
// more, the id and the display name in place of the login. tokens are those that
// users have, masked, by the users' ids.
func toWire(u storage.User, full bool, now time.Time, tokens map[string]string) (gen.User, error) {
	d, err := documentOf(u)
	if err != nil {
		return gen.User{}, err
	}
	if !full {
		return gen.User{ID: u.ID, Login: d.DisplayName}, nil
	}
	wire := gen.User{
		ID: u.ID, Login: u.Name, DisplayName: &d.DisplayName, UISettings: d.UISettings,
		Status: new(d.statusAt(now)), EventFilter: &d.EventFilter, ObjectPermissions: &d.ObjectPermissions,
		Permissions: &d.Permissions, Contacts: &d.Contacts, Source: d.Source, ActiveTo: d.ActiveTo,
		Language: d.Language, PushFilter: d.PushFilter,
	}
	if u.Email != "" {
		wire.Email = &u.Email
	}
	if wire.Group = d.Group; d.Group.IsSpecified() && !d.Group.IsNull() {
		wire.Group = nullable.NewNullableWithValue(u.Roles)
	}
	if token, ok := tokens[u.ID]; ok {
		wire.AuthenticationToken = nullable.NewNullableWithValue(token)
	} else if d.TokenGiven {
		wire.AuthenticationToken = nullable.NewNullNullable[string]()
	}
	return wire, nil
}

// newID makes an id of the vendor's form, 24 hexadecimal digits.
func newID() string {
	var id [12]byte
	_, _ = rand.Read(id[:]) // never fails: it ends the process instead
	return hex.EncodeToString(id[:])
}

// defaultPolicyID is the one id that the API writes as a number.
const defaultPolicyID = "1"

func toWirePolicy(p storage.Policy) (gen.PasswordPolicy, error) {
	var wire gen.PasswordPolicy
	if err := json.Unmarshal(p.Document, &wire); err != nil {
		return gen.PasswordPolicy{}, err
	}
	wire.ID = policyID(p.ID)
	return wire, nil
}

// policyID is a policy's id as the API writes it.
func policyID(id string) any {
	if id == defaultPolicyID {
		return 1
	}
	return id
}

// editPolicy changes a policy as a request says.
func editPolicy(p *storage.Policy, r gen.UpdatePasswordPolicyRequest) error {
	w, err := toWirePolicy(*p)
	if err != nil {
		return err
	}
	w.Name = *cmp.Or(r.Name, &w.Name)
	w.Length = *cmp.Or(r.Length, &w.Length)
	w.MinLowercase = *cmp.Or(r.MinLowercase, &w.MinLowercase)
	w.MinCapital = *cmp.Or(r.MinCapital, &w.MinCapital)
	w.MinDigits = *cmp.Or(r.MinDigits, &w.MinDigits)
	w.MinSpecial = *cmp.Or(r.MinSpecial, &w.MinSpecial)
	w.ChangePasswordOnFirstLogin = cmp.Or(r.ChangePasswordOnFirstLogin, w.ChangePasswordOnFirstLogin)
	w.PasswordExpiredNotificationPeriod = cmp.Or(r.PasswordExpiredNotificationPeriod, w.PasswordExpiredNotificationPeriod)
	w.PasswordLifetime = cmp.Or(r.PasswordLifetime, w.PasswordLifetime)
	w.UniquePasswordsNumber = cmp.Or(r.UniquePasswordsNumber, w.UniquePasswordsNumber)
	p.Document, err = json.Marshal(w)
	return err
}
