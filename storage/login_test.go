package storage_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"usher/storage"
	"usher/storage/password"
)

// count has n count the hashes that s verifies against.
func count(s *storage.Store) *atomic.Int64 {
	n := new(atomic.Int64)
	s.OnVerify(func(string) { n.Add(1) })
	return n
}

func TestAuthenticate(t *testing.T) {
	d := open(t).Directory("d")
	for _, r := range []storage.Record{
		{ID: "r1", Name: "search", Document: raw(`{"p":1}`)},
		{ID: "r2", Name: "admin", Document: raw(`{"p":2}`)},
		{ID: "r3", Name: "unused"},
	} {
		if _, err := d.Records(storage.Role).Create(t.Context(), admin, r, nil); err != nil {
			t.Fatal(err)
		}
	}
	mustCreate(t, d, storage.NewUser{ID: "1", Realm: "x", Name: "bob", Email: "bob@example.com", Password: "of bob in x", Roles: []string{"search", "gone", "admin"}})
	mustCreate(t, d, storage.NewUser{ID: "2", Realm: "y", Name: "bob", Password: "of bob in y"})
	mustCreate(t, d, storage.NewUser{ID: "3", Name: "without"})
	mustCreate(t, d, storage.NewUser{ID: "0", Name: "ann", Password: "", Roles: []string{"unused"}})
	rs, err := d.Records(storage.Role).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	searchThenAdmin := rs[:2]

	tests := []struct {
		name   string
		c      storage.Credentials
		id     string // "": WrongPassword
		roles  []storage.Record
		target string
	}{
		{"by name", storage.Credentials{Realm: "x", Name: "bob", Password: "of bob in x"}, "1", searchThenAdmin, ""},
		{"by email", storage.Credentials{Realm: "ignored", Email: "bob@example.com", Password: "of bob in x"}, "1", searchThenAdmin, ""},
		{"name before email", storage.Credentials{Realm: "y", Name: "bob", Email: "bob@example.com", Password: "of bob in y"}, "2", nil, ""},
		{"target", storage.Credentials{Realm: "x", Name: "bob", Password: "of bob in x", Target: "0"}, "1", searchThenAdmin, "0"},
		{"target after the caller", storage.Credentials{Realm: "x", Name: "bob", Password: "of bob in x", Target: "3"}, "1", searchThenAdmin, "3"},
		{"target by email", storage.Credentials{Email: "bob@example.com", Password: "of bob in x", Target: "2"}, "1", searchThenAdmin, "2"},
		{"target is the caller", storage.Credentials{Realm: "x", Name: "bob", Password: "of bob in x", Target: "1"}, "1", searchThenAdmin, "1"},
		{"target unknown", storage.Credentials{Realm: "x", Name: "bob", Password: "of bob in x", Target: "9"}, "1", searchThenAdmin, ""},
		{"wrong password", storage.Credentials{Realm: "x", Name: "bob", Password: "of bob in y"}, "", nil, ""},
		{"wrong realm", storage.Credentials{Name: "bob", Password: "of bob in x"}, "", nil, ""},
		{"unknown name", storage.Credentials{Realm: "x", Name: "eve", Password: "of bob in x"}, "", nil, ""},
		{"unknown name, a target", storage.Credentials{Realm: "x", Name: "eve", Password: "of bob in x", Target: "1"}, "", nil, ""},
		{"unknown email", storage.Credentials{Email: "eve@example.com", Password: "of bob in x"}, "", nil, ""},
		{"nobody, a target", storage.Credentials{Password: "of bob in x", Target: "1"}, "", nil, ""},
		{"empty password", storage.Credentials{Realm: "x", Name: "bob"}, "", nil, ""},
		{"no password set", storage.Credentials{Name: "without", Password: "x"}, "", nil, ""},
		{"no password set, none given", storage.Credentials{Name: "without"}, "", nil, ""},
		{"case counts", storage.Credentials{Realm: "x", Name: "Bob", Password: "of bob in x"}, "", nil, ""},
	}
	for range 2 { // the second time from memory
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				l, err := d.Authenticate(t.Context(), storage.Actor{}, tt.c)
				if tt.id == "" {
					wantKind(t, err, storage.WrongPassword)
					want(t, err.Error(), "storage: wrong password")
					want(t, l, storage.Login{})
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				want(t, l.User, mustUser(t, d, tt.id))
				want(t, l.Roles, tt.roles)
				if tt.target == "" {
					want(t, l.Target, (*storage.User)(nil))
				} else {
					want(t, *l.Target, mustUser(t, d, tt.target))
				}
			})
		}
	}
}

// Unproven reads what Authenticate does, and does nothing else.
func TestUnproven(t *testing.T) {
	s := open(t)
	verified := count(s)
	d := s.Directory("d")
	if _, err := d.Records(storage.Role).Create(t.Context(), admin, storage.Record{ID: "r1", Name: "search"}, nil); err != nil {
		t.Fatal(err)
	}
	mustCreate(t, d, storage.NewUser{ID: "1", Realm: "x", Name: "bob", Password: "of bob", Roles: []string{"search"}})
	mustCreate(t, d, storage.NewUser{ID: "2", Name: "ann"})
	before, err := d.Events(t.Context(), storage.EventQuery{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := d.Unproven(t.Context(), "x", "bob", "2")
	if err != nil || l.User.ID != "1" || len(l.Roles) != 1 || l.Roles[0].ID != "r1" || l.Target == nil || l.Target.ID != "2" {
		t.Errorf("got %+v, %v", l, err)
	}
	l, err = d.Unproven(t.Context(), "y", "bob", "2")
	if err != nil || l.User.ID != "" || l.Roles != nil || l.Target == nil || l.Target.ID != "2" {
		t.Errorf("of nobody: %+v, %v", l, err)
	}
	after, err := d.Events(t.Context(), storage.EventQuery{})
	if err != nil || len(after) != len(before) || verified.Load() != 0 {
		t.Errorf("%d events, then %d, %d hashes, %v", len(before), len(after), verified.Load(), err)
	}
}

func TestAuthenticateEvents(t *testing.T) {
	d := open(t).Directory("d")
	mustCreate(t, d, storage.NewUser{Name: "bob", Password: "right"})
	mustCreate(t, d, storage.NewUser{Name: "without"})
	for _, c := range [][2]string{{"bob", "wrong"}, {"bob", "right"}, {"bob", "right"}, {"right", "right"}, {"without", "x"}} {
		_ = login(t, d, c[0], password.Plain(c[1]))
	}
	want(t, events(t, d, 4), []string{
		"login-failed >bob wrong password",
		"login bob>bob ok",
		"login-failed > not found",
		"login-failed >without wrong password",
	})
	_, err := d.Authenticate(t.Context(), storage.Actor{Source: "192.0.2.7", Request: "r7"}, storage.Credentials{Name: "bob"})
	wantKind(t, err, storage.WrongPassword)
	es, err := d.Events(t.Context(), storage.EventQuery{After: 6})
	if err != nil {
		t.Fatal(err)
	}
	want(t, len(es), 1)
	want(t, es[0].Source+es[0].Request+es[0].TargetID, "192.0.2.7r7bob")
}

// Nobody learns from the time an answer takes which names there are, who has a
// password, or who has logged in lately.
func TestSameWork(t *testing.T) {
	s := open(t)
	d := s.Directory("d")
	mustCreate(t, d, storage.NewUser{ID: "1", Name: "bob", Password: "right"})
	mustCreate(t, d, storage.NewUser{ID: "2", Name: "without"})
	var verified []string
	s.OnVerify(func(encoded string) { verified = append(verified, encoded) })
	work := func(f func() error, kind storage.Kind) {
		t.Helper()
		verified = nil
		wantKind(t, f(), kind)
		want(t, len(verified), 1)
		if !strings.HasPrefix(verified[0], "$argon2id$v=19$m=64,t=1,p=1$") {
			t.Fatalf("verified against %s, want the store's parameters", verified[0])
		}
	}
	change := func(c storage.PasswordChange) func() error {
		return func() error {
			c.New = "new"
			_, err := d.ChangePassword(t.Context(), storage.Actor{}, c)
			return err
		}
	}
	for range 2 {
		for _, name := range []string{"bob", "nobody", "without"} {
			work(func() error { return login(t, d, name, "wrong") }, storage.WrongPassword)
		}
		work(change(storage.PasswordChange{ID: "1", Old: "wrong"}), storage.WrongPassword)
		work(change(storage.PasswordChange{ID: "2", Old: "wrong"}), storage.WrongPassword)
		work(change(storage.PasswordChange{ID: "3", Old: "wrong"}), storage.NotFound)
		work(change(storage.PasswordChange{Name: "nobody", Old: "wrong"}), storage.NotFound)
		if err := login(t, d, "bob", "right"); err != nil { // the second round with the right one in memory
			t.Fatal(err)
		}
	}
}

func TestProvenPasswordCostsNoHash(t *testing.T) {
	s := open(t)
	d := s.Directory("d")
	n := count(s)
	mustCreate(t, d, storage.NewUser{Name: "bob", Password: "p"})
	mustCreate(t, d, storage.NewUser{Name: "ann", Password: "p"})
	for range 3 {
		if err := login(t, d, "bob", "p"); err != nil {
			t.Fatal(err)
		}
	}
	want(t, n.Load(), int64(1))
	if err := login(t, d, "ann", "p"); err != nil {
		t.Fatal(err)
	}
	want(t, n.Load(), int64(2))
	if _, err := d.UpdateUser(t.Context(), admin, storage.UserEdit{ID: "bob"}); err != nil { // no new password
		t.Fatal(err)
	}
	if err := login(t, d, "bob", "p"); err != nil {
		t.Fatal(err)
	}
	want(t, n.Load(), int64(2))
}

// Clients that start together wait for one another's proof, not each for its
// own. The hash has to take longer than the event for that.
func TestProofIsMadeOnce(t *testing.T) {
	s := open(t, func(o *storage.Options) { o.Hashers, o.Hash = 1, password.DefaultParams })
	d := s.Directory("d")
	mustCreate(t, d, storage.NewUser{Name: "bob", Password: "p"})
	n := count(s)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if err := login(t, d, "bob", "p"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n.Load() > 25 {
		t.Errorf("%d hashes for 50 logins", n.Load())
	}
}

// What one process remembers ends with a change made by another.
func TestProofEndsWithAnyChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	here, there := openAt(t, path).Directory("d"), openAt(t, path).Directory("d")
	change := map[string]func(id string) error{
		"changed": func(id string) error {
			_, err := there.ChangePassword(t.Context(), admin, storage.PasswordChange{ID: id, Old: "old", New: "new"})
			return err
		},
		"set": func(id string) error {
			_, err := there.SetPassword(t.Context(), admin, id, "new", password.Policy{})
			return err
		},
		"updated": func(id string) error {
			_, err := there.UpdateUser(t.Context(), admin, storage.UserEdit{ID: id, Password: "new"})
			return err
		},
		"made again": func(id string) error {
			if _, err := there.DeleteUser(t.Context(), admin, id); err != nil {
				return err
			}
			_, err := there.CreateUser(t.Context(), admin, storage.NewUser{ID: id, Name: id, Password: "new"})
			return err
		},
	}
	for name, f := range change {
		t.Run(name, func(t *testing.T) {
			mustCreate(t, here, storage.NewUser{Name: name, Password: "old"})
			for range 2 {
				if err := login(t, here, name, "old"); err != nil {
					t.Fatal(err)
				}
			}
			if err := f(name); err != nil {
				t.Fatal(err)
			}
			wantKind(t, login(t, here, name, "old"), storage.WrongPassword)
			if err := login(t, here, name, "new"); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestRehashAtLogin(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	dearer, err := password.Hash("secret", password.Params{Memory: 128, Time: 1, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	for name, encoded := range map[string]string{"bcrypt": string(hash), "other parameters": dearer} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "test.db")
			s := openAt(t, path)
			d := s.Directory("d")
			u := mustCreate(t, d, storage.NewUser{Name: "bob", Hash: encoded})
			ts, err := d.CreateTokens(t.Context(), admin, u, storage.TokenSpec{Kind: "k", TTL: 1e15})
			if err != nil {
				t.Fatal(err)
			}
			wantKind(t, login(t, d, "bob", "wrong"), storage.WrongPassword)
			if err := login(t, d, "bob", "secret"); err != nil {
				t.Fatal(err)
			}
			want(t, mustUser(t, d, "bob"), u) // nothing to see
			if _, _, err := d.AuthenticateToken(t.Context(), "k", ts[0].Secret, ""); err != nil {
				t.Fatal("the token should have survived: ", err)
			}
			s = openAt(t, path) // remembers nothing
			var verified []string
			s.OnVerify(func(encoded string) { verified = append(verified, encoded) })
			if err := login(t, s.Directory("d"), "bob", "secret"); err != nil {
				t.Fatal(err)
			}
			want(t, len(verified), 1)
			if !strings.HasPrefix(verified[0], "$argon2id$v=19$m=64,t=1,p=1$") {
				t.Errorf("stored hash is %s", verified[0])
			}
		})
	}
}

// A password that is changed while a login makes a new hash of the old one stays
// changed, and so does one that was set to what it was.
func TestRehashLosesToAChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	s := openAt(t, path)
	d := s.Directory("d")
	for _, next := range []password.Plain{"new", "old"} {
		name := "from-old-to-" + string(next)
		u := mustCreate(t, d, storage.NewUser{ID: name, Name: name, Password: "old"})
		// The dear hash takes some hundred times as long as the change.
		dear := openAt(t, path, func(o *storage.Options) { o.Hash = password.Params{Memory: 64 << 10, Time: 4, Threads: 1} })
		done := make(chan error, 1)
		go func() { done <- login(t, dear.Directory("d"), name, "old") }()
		for deadline := time.Now().Add(10 * time.Second); !slices.Contains(events(t, d, 1), "login "+name+">"+name+" ok"); {
			if time.Now().After(deadline) {
				t.Fatal("no login")
			}
		}
		if _, err := d.ChangePassword(t.Context(), admin, storage.PasswordChange{ID: u.ID, Old: "old", New: next}); err != nil {
			t.Fatal(err)
		}
		if len(done) > 0 {
			t.Fatal("the login was over before the change")
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		again := openAt(t, path) // remembers nothing
		var verified []string
		again.OnVerify(func(encoded string) { verified = append(verified, encoded) })
		if err := login(t, again.Directory("d"), name, next); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(verified) != 1 || !strings.HasPrefix(verified[0], "$argon2id$v=19$m=64,t=1,p=1$") {
			t.Errorf("%s: the hash is %s", name, verified)
		}
		if next != "old" {
			wantKind(t, login(t, again.Directory("d"), name, "old"), storage.WrongPassword)
		}
	}
}

// A login is good although there is no room to make a new hash.
func TestRehashIsNotTheLoginsFailure(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	s := open(t)
	d := s.Directory("d")
	mustCreate(t, d, storage.NewUser{Name: "bob", Hash: string(hash)})
	ctx, cancel := context.WithCancel(t.Context())
	s.OnVerify(func(string) { cancel() }) // the client hangs up before the new hash
	if _, err := d.Authenticate(ctx, storage.Actor{}, storage.Credentials{Name: "bob", Password: "secret"}); err != nil {
		t.Fatal(err)
	}
	want(t, events(t, d, 1), []string{"login bob>bob ok"})
}

// Guessing does not go unseen by hanging up.
func TestFailureIsRecordedAfterHangup(t *testing.T) {
	s := open(t)
	d := s.Directory("d")
	mustCreate(t, d, storage.NewUser{Name: "bob", Password: "p"})
	ctx, cancel := context.WithCancel(t.Context())
	s.OnVerify(func(string) { cancel() })
	_, err := d.Authenticate(ctx, storage.Actor{}, storage.Credentials{Name: "bob", Password: "guess"})
	wantKind(t, err, storage.WrongPassword)
	want(t, events(t, d, 1), []string{"login-failed >bob wrong password"})
}

func TestEndedContext(t *testing.T) {
	s := open(t)
	d := s.Directory("d")
	u := mustCreate(t, d, storage.NewUser{ID: "1", Name: "bob", Password: "p"})
	n := count(s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, f := range map[string]func() error{
		"Authenticate": func() error {
			_, err := d.Authenticate(ctx, admin, storage.Credentials{Name: "bob", Password: "p"})
			return err
		},
		"AuthenticateToken": func() error { _, _, err := d.AuthenticateToken(ctx, "k", "x", ""); return err },
		"ChangePassword": func() error {
			_, err := d.ChangePassword(ctx, admin, storage.PasswordChange{ID: "1", Old: "p", New: "q"})
			return err
		},
		"SetPassword":  func() error { _, err := d.SetPassword(ctx, admin, "1", "q", password.Policy{}); return err },
		"InitPassword": func() error { _, err := d.InitPassword(ctx, admin, "1", "q", password.Policy{}); return err },
		"CreateUser": func() error {
			_, err := d.CreateUser(ctx, admin, storage.NewUser{ID: "2", Name: "ann"})
			return err
		},
		"UpdateUser":   func() error { _, err := d.UpdateUser(ctx, admin, storage.UserEdit{ID: "1", Password: "q"}); return err },
		"DeleteUser":   func() error { _, err := d.DeleteUser(ctx, admin, "1"); return err },
		"CreateTokens": func() error { _, err := d.CreateTokens(ctx, admin, u); return err },
		"CreateRecord": func() error {
			_, err := d.Records(storage.Role).Create(ctx, admin, storage.Record{ID: "1", Name: "r"}, nil)
			return err
		},
		"UpdatePolicy": func() error { _, err := d.UpdatePolicy(ctx, admin, "1", nil); return err },
		"Seed":         func() error { _, err := d.Seed(ctx, admin, storage.Seed{}); return err },
		"User":         func() error { _, err := d.User(ctx, "1"); return err },
		"UserNamed":    func() error { _, err := d.UserNamed(ctx, "", "bob"); return err },
		"Users":        func() error { _, _, err := d.Users(ctx, storage.UserQuery{}); return err },
		"Roles":        func() error { _, err := d.Records(storage.Role).List(ctx); return err },
		"Policies":     func() error { _, err := d.Policies(ctx); return err },
		"Events":       func() error { _, err := d.Events(ctx, storage.EventQuery{}); return err },
		"Ping":         func() error { return s.Ping(ctx) },
	} {
		if err := f(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want the context's error", name, err)
		}
	}
	want(t, n.Load(), int64(0))
	want(t, mustUser(t, d, "1"), u)
	if err := login(t, d, "bob", "p"); err != nil {
		t.Fatal(err)
	}
}

func TestBusy(t *testing.T) {
	s := open(t, func(o *storage.Options) { o.Hashers, o.Waiting = 1, 1 })
	d := s.Directory("d")
	mustCreate(t, d, storage.NewUser{Name: "bob", Password: "p"})
	taken, goOn := make(chan struct{}), make(chan struct{})
	s.OnVerify(func(string) { taken <- struct{}{}; <-goOn })
	errs := make(chan error, 2)
	go func() { errs <- login(t, d, "bob", "p") }()
	<-taken
	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan error, 1)
	go func() {
		_, err := d.Authenticate(ctx, storage.Actor{}, storage.Credentials{Name: "bob", Password: "wrong"})
		waiting <- err
	}()
	for s.Waiting() == 0 {
		time.Sleep(time.Millisecond)
	}
	wantKind(t, login(t, d, "nobody", "p"), storage.Busy)
	_, err := d.CreateUser(t.Context(), admin, storage.NewUser{ID: "2", Name: "ann", Password: "p"})
	wantKind(t, err, storage.Busy)
	cancel()
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want the context's error", err)
	}
	close(goOn)
	if err := <-errs; err != nil {
		t.Fatal(err)
	}
	want(t, events(t, d, 1), []string{"login bob>bob ok"}) // being busy is no event
}

// Whoever may not log in is told what everybody is told, after the same work
// whatever the password, and only the trail knows better.
func TestMayLogIn(t *testing.T) {
	s := open(t)
	d := s.Directory("d")
	mustCreate(t, d, storage.NewUser{Name: "bob", Password: "right"})
	allowed := true
	try := func(p password.Plain) error {
		_, err := d.Authenticate(t.Context(), storage.Actor{}, storage.Credentials{
			Name: "bob", Password: p, MayLogIn: func(u storage.User) bool { return allowed && u.Name == "bob" },
		})
		return err
	}
	if err := try("right"); err != nil {
		t.Fatal(err)
	}
	allowed = false // although the password is proven
	verified := 0
	s.OnVerify(func(string) { verified++ })
	wantKind(t, try("wrong"), storage.WrongPassword)
	wantKind(t, try("right"), storage.WrongPassword)
	want(t, verified, 2)
	var results []string
	es, err := d.Events(t.Context(), storage.EventQuery{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range es[1:] {
		results = append(results, string(e.Kind)+" "+e.Result+" "+e.TargetName)
	}
	want(t, results, []string{"login ok bob", "login-failed denied bob", "login-failed denied bob"})
}

func TestNow(t *testing.T) {
	c := newClock()
	want(t, open(t, c.options).Now(), c.Time)
}

// A password that is replaced, or whose user is deleted, while its hash is
// computed is a wrong one by the time the answer is known.
func TestPasswordReplacedDuringALogin(t *testing.T) {
	for name, meanwhile := range map[string]func(*storage.Directory) error{
		"replaced": func(d *storage.Directory) error {
			_, err := d.SetPassword(context.Background(), admin, "bob", "new", password.Policy{})
			return err
		},
		"deleted": func(d *storage.Directory) error {
			_, err := d.DeleteUser(context.Background(), admin, "bob")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, func(o *storage.Options) { o.Hashers = 2 })
			d := s.Directory("d")
			mustCreate(t, d, storage.NewUser{Name: "bob", Password: "old"})
			s.OnVerify(func(string) {
				if err := meanwhile(d); err != nil {
					t.Error(err)
				}
			})
			wantKind(t, login(t, d, "bob", "old"), storage.WrongPassword)
			es, err := d.Events(t.Context(), storage.EventQuery{})
			if err != nil {
				t.Fatal(err)
			}
			if last := es[len(es)-1]; last.Kind != storage.LoginFailed || last.Result != "wrong password" {
				t.Errorf("the trail ends with %+v", last)
			}
		})
	}
}

// A wrong password costs no less for a user whose hash is an older one.
func TestOlderHashIsNoQuickNo(t *testing.T) {
	s := open(t)
	d := s.Directory("d")
	old, err := bcrypt.GenerateFromPassword([]byte("right"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	mustCreate(t, d, storage.NewUser{Name: "bob", Hash: string(old)})
	var verified []string
	s.OnVerify(func(encoded string) { verified = append(verified, encoded) })
	wantKind(t, login(t, d, "bob", "wrong"), storage.WrongPassword)
	want(t, verified, []string{string(old), password.Dummy(cheap)})
}

// What cannot be written into the trail does not happen.
func TestNoLoginWithoutAnEvent(t *testing.T) {
	s := open(t)
	d := s.Directory("d")
	mustCreate(t, d, storage.NewUser{Name: "bob", Password: "right"})
	s.Exec(t, `ALTER TABLE event RENAME TO away`)
	for _, p := range []password.Plain{"right", "wrong"} {
		if err := login(t, d, "bob", p); err == nil || storage.KindOf(err) != storage.Internal {
			t.Errorf("%s: %v", string(p), err)
		}
	}
}
