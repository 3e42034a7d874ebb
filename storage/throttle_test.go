package storage_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"usher/storage"
	"usher/storage/password"
)

// throttled opens a store whose limits are these, with bob in it, whose password
// is "right".
func throttled(t *testing.T, account, source storage.Rate) (*storage.Store, *storage.Directory, *clock) {
	t.Helper()
	now := newClock()
	s := open(t, now.options, func(o *storage.Options) { o.Account, o.Source = account, source })
	d := s.Directory("d")
	mustCreate(t, d, storage.NewUser{ID: "1", Name: "bob", Email: "bob@example.com", Password: "right"})
	return s, d, now
}

var (
	three     = storage.Rate{Burst: 3, Every: 10 * time.Second}
	unlimited = storage.Rate{Burst: -1}
)

// from authenticates by name, from an address.
func from(t *testing.T, d *storage.Directory, source, name string, p password.Plain) error {
	t.Helper()
	_, err := d.Authenticate(t.Context(), storage.Actor{Source: source}, storage.Credentials{Name: name, Password: p})
	return err
}

// fail has n attempts fail, each as it should while there are some left.
func fail(t *testing.T, d *storage.Directory, n int, source, name string) {
	t.Helper()
	for range n {
		wantKind(t, from(t, d, source, name, "wrong"), storage.WrongPassword)
	}
}

// wantThrottled fails the test unless err says to come back after that time.
func wantThrottled(t *testing.T, err error, after time.Duration) {
	t.Helper()
	wantKind(t, err, storage.Throttled)
	var e *storage.Error
	errors.As(err, &e)
	want(t, e.RetryAfter, after)
}

func TestThrottleAccount(t *testing.T) {
	_, d, now := throttled(t, three, unlimited)
	fail(t, d, 2, "192.0.2.1", "bob")
	now.Time = now.Add(2 * time.Second)
	fail(t, d, 1, "192.0.2.2", "bob") // another address, the same account
	wantThrottled(t, from(t, d, "192.0.2.3", "bob", "wrong"), 8*time.Second)
	wantThrottled(t, from(t, d, "192.0.2.3", "bob", "right"), 8*time.Second)
	fail(t, d, 3, "192.0.2.1", "ann") // another account

	now.Time = now.Add(8*time.Second - 1)
	wantThrottled(t, from(t, d, "192.0.2.3", "bob", "right"), 1) // to be refused costs nothing
	now.Time = now.Add(1)
	fail(t, d, 1, "192.0.2.3", "bob")
	wantThrottled(t, from(t, d, "192.0.2.3", "bob", "right"), 10*time.Second)

	now.Time = now.Add(time.Hour) // no more than the burst comes back
	fail(t, d, 3, "192.0.2.3", "bob")
	wantThrottled(t, from(t, d, "192.0.2.3", "bob", "right"), 10*time.Second)
	now.Time = now.Add(10 * time.Second)
	want(t, from(t, d, "192.0.2.3", "bob", "right"), nil)
}

func TestThrottleSource(t *testing.T) {
	s, d, now := throttled(t, unlimited, three)
	mustCreate(t, d, storage.NewUser{ID: "2", Name: "ann", Password: "right"})
	fail(t, d, 1, "192.0.2.1", "bob")
	fail(t, d, 1, "192.0.2.1", "nobody")
	fail(t, d, 1, "192.0.2.1", "nobody either")
	wantThrottled(t, from(t, d, "192.0.2.1", "ann", "right"), 10*time.Second)
	want(t, from(t, d, "192.0.2.2", "ann", "right"), nil)
	wantThrottled(t, from(t, s.Directory("e"), "192.0.2.1", "nobody", "right"), 10*time.Second) // one count for all
	now.Time = now.Add(10 * time.Second)
	want(t, from(t, d, "192.0.2.1", "ann", "right"), nil)
	fail(t, d, 1, "192.0.2.1", "ann") // a success does not fill it: or whoever has an account could guess at others
	wantKind(t, from(t, d, "192.0.2.1", "bob", "right"), storage.Throttled)
	fail(t, d, 10, "", "bob") // who comes from nowhere has no address to count
}

// The least network that is given to one customer is one source.
func TestThrottleNetworks(t *testing.T) {
	for _, sources := range [][]string{
		{"2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff:ffff:ffff:ffff", "2001:db8::9"},
		{"fe80::1", "fe80::2%eth0", "fe80::1%eth1", "fe80::3"},
		{"192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1"},
		{"no address", "no address", "no address", "no address"},
	} {
		_, d, _ := throttled(t, unlimited, three)
		for i, source := range sources[:3] {
			fail(t, d, 1, source, fmt.Sprint(i))
		}
		wantKind(t, from(t, d, sources[3], "bob", "right"), storage.Throttled)
		for _, other := range []string{"2001:db8:0:1::1", "192.0.2.2", "no addresses"} {
			want(t, from(t, d, other, "bob", "right"), nil)
		}
	}
}

// What the throttle answers is the same for names that there are and that there
// are not, for the owner's failures and logins elsewhere, too.
func TestThrottleTellsNoNames(t *testing.T) {
	_, d, now := throttled(t, three, storage.Rate{Burst: 5, Every: time.Second})
	mustCreate(t, d, storage.NewUser{ID: "2", Name: "barred", Password: "right"})
	mustCreate(t, d, storage.NewUser{ID: "3", Name: "without"})
	mayLogIn := func(u storage.User) bool { return u.Name != "barred" }
	start := now.Time
	var all [][]string
	for i, name := range []string{"nobody", "bob", "barred", "without"} {
		now.Time = start
		var heard []string
		for step := range 12 {
			source := fmt.Sprintf("192.0.2.%d", 10*i+step%2)
			_, err := d.Authenticate(t.Context(), storage.Actor{Source: source}, storage.Credentials{Name: name, Password: "wrong", MayLogIn: mayLogIn})
			var e *storage.Error
			errors.As(err, &e)
			heard = append(heard, fmt.Sprint(e.Kind, e.RetryAfter))
			if name == "bob" && step%4 == 0 {
				want(t, from(t, d, "198.51.100.1", "bob", "right"), nil)
			}
			now.Time = now.Add(time.Second)
		}
		all = append(all, heard)
	}
	for _, heard := range all[1:] {
		want(t, heard, all[0])
	}
	if !slices.Contains(all[0], "throttled 7s") || !slices.Contains(all[0], "wrong password 0s") {
		t.Fatalf("heard %v, want both kinds in it", all[0])
	}
}

// A source that has proven the password has failures of its own to be forgiven,
// and hears nothing of others'.
func TestThrottleProvenSource(t *testing.T) {
	const home, elsewhere = "192.0.2.1", "198.51.100.1"
	_, d, now := throttled(t, three, storage.Rate{Burst: 8, Every: time.Minute})
	want(t, from(t, d, home, "bob", "right"), nil)
	fail(t, d, 3, elsewhere, "bob")
	wantThrottled(t, from(t, d, elsewhere, "bob", "right"), 10*time.Second)

	for range 2 { // a success forgives the own failures
		fail(t, d, 2, home, "bob")
		want(t, from(t, d, home, "bob", "right"), nil)
	}
	wantThrottled(t, from(t, d, elsewhere, "bob", "right"), 10*time.Second) // and nobody else's
	fail(t, d, 3, home, "bob")
	wantThrottled(t, from(t, d, home, "bob", "right"), 10*time.Second)

	// Of eight failures seven were bob's. An eighth makes the source one of which
	// nothing is heard but of those it has proven, who are not forgiven any more.
	fail(t, d, 1, home, "nobody")
	wantThrottled(t, from(t, d, home, "nobody", "x"), time.Minute)
	now.Time = now.Add(20 * time.Second)
	want(t, from(t, d, home, "bob", "right"), nil)
	fail(t, d, 2, home, "bob")
	wantThrottled(t, from(t, d, home, "bob", "right"), 10*time.Second)
}

// Where a password was proven the owner comes in with the next one, too, however long
// strangers have been guessing by then; and the old one counts as any wrong one.
func TestThrottleOutlivesThePassword(t *testing.T) {
	const home, elsewhere = "192.0.2.1", "198.51.100.1"
	_, d, now := throttled(t, three, storage.Rate{Burst: 9, Every: time.Second})
	want(t, from(t, d, home, "bob", "right"), nil)
	fail(t, d, 3, elsewhere, "bob")
	if _, err := d.SetPassword(t.Context(), admin, "1", "new", password.Policy{}); err != nil {
		t.Fatal(err)
	}
	wantThrottled(t, from(t, d, elsewhere, "bob", "new"), 10*time.Second)
	want(t, from(t, d, home, "bob", "new"), nil)
	for range 2 { // a script that was not told, at home
		wantKind(t, from(t, d, home, "bob", "right"), storage.WrongPassword)
		wantKind(t, from(t, d, home, "bob", "right"), storage.WrongPassword)
		want(t, from(t, d, home, "bob", "new"), nil)
	}
	if _, err := d.SetPassword(t.Context(), admin, "1", "newer", password.Policy{}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		wantKind(t, from(t, d, home, "bob", "new"), storage.WrongPassword)
	}
	wantThrottled(t, from(t, d, home, "bob", "newer"), 10*time.Second)
	now.Time = now.Add(10 * time.Second)
	want(t, from(t, d, home, "bob", "newer"), nil)

	// To change it is to prove it.
	by := storage.Actor{Source: elsewhere}
	if _, err := d.ChangePassword(t.Context(), by, storage.PasswordChange{ID: "1", Old: "newer", New: "newest"}); err != nil {
		t.Fatal(err)
	}
	fail(t, d, 1, "203.0.113.1", "bob")
	wantThrottled(t, from(t, d, "203.0.113.1", "bob", "newest"), 10*time.Second)
	want(t, from(t, d, elsewhere, "bob", "newest"), nil)
}

// With a limit for sources alone, the neighbour who guesses at others does not lock
// out whoever has proven the password there either, who has as many failures as the
// source has.
func TestThrottleProvenSourceWithoutAccounts(t *testing.T) {
	const home = "192.0.2.1"
	_, d, now := throttled(t, unlimited, three)
	want(t, from(t, d, home, "bob", "right"), nil)
	fail(t, d, 3, home, "nobody")
	wantThrottled(t, from(t, d, home, "nobody", "x"), 10*time.Second)
	want(t, from(t, d, home, "bob", "right"), nil)
	fail(t, d, 3, home, "bob")
	wantThrottled(t, from(t, d, home, "bob", "right"), 10*time.Second)
	now.Time = now.Add(10 * time.Second)
	want(t, from(t, d, home, "bob", "right"), nil)
}

// An account has a few places for sources that have proven its password: whoever
// knows one password, and has a network, takes none of another account's.
func TestThrottlePairsOfAnAccount(t *testing.T) {
	s, d, _ := throttled(t, three, unlimited)
	mustCreate(t, d, storage.NewUser{ID: "2", Name: "eve", Password: "eves"})
	want(t, from(t, d, "192.0.2.1", "bob", "right"), nil)
	want(t, s.Pairs(), 1)
	for i := range 20 * storage.MaxPairs {
		want(t, from(t, d, fmt.Sprintf("2001:db8:0:%x::1", i), "eve", "eves"), nil)
	}
	want(t, s.Pairs(), 1+storage.MaxPairs)
	fail(t, d, 3, "198.51.100.1", "bob")
	want(t, from(t, d, "192.0.2.1", "bob", "right"), nil)

	// Of the own sources the last ones to prove it have the places, and no other
	// is taken for one of them.
	fail(t, d, 3, "198.51.100.1", "eve")
	in := 0
	for i := range 20 * storage.MaxPairs {
		if from(t, d, fmt.Sprintf("2001:db8:0:%x::1", i), "eve", "eves") == nil {
			in++
		}
	}
	want(t, in, storage.MaxPairs)
}

// From an address where a password was proven it can be told that there is such an
// account, by whoever is there, too: it does not hear of the failures elsewhere.
func TestThrottleTellsANeighbour(t *testing.T) {
	const shared, elsewhere = "192.0.2.1", "198.51.100.1"
	_, d, _ := throttled(t, three, unlimited)
	want(t, from(t, d, shared, "bob", "right"), nil)
	fail(t, d, 3, elsewhere, "bob")
	fail(t, d, 3, elsewhere, "nobody")
	wantKind(t, from(t, d, shared, "bob", "wrong"), storage.WrongPassword)
	wantThrottled(t, from(t, d, shared, "nobody", "wrong"), 10*time.Second)
}

// A wrong old password counts as a failed login does, by whichever name.
func TestThrottleChangePassword(t *testing.T) {
	s, d, _ := throttled(t, storage.Rate{Burst: 4, Every: time.Second}, unlimited)
	change := func(c storage.PasswordChange) error {
		c.New = "new"
		_, err := d.ChangePassword(t.Context(), storage.Actor{Source: "192.0.2.1"}, c)
		return err
	}
	byID, byName := storage.PasswordChange{ID: "1", Old: "wrong"}, storage.PasswordChange{Name: "bob", Old: "wrong"}
	for range 2 {
		wantKind(t, change(byID), storage.WrongPassword)
		wantKind(t, change(byName), storage.WrongPassword)
	}
	byID.Old, byName.Old = "right", "right"
	wantThrottled(t, change(byID), time.Second)
	wantThrottled(t, change(byName), time.Second)
	wantThrottled(t, from(t, d, "192.0.2.1", "bob", "right"), time.Second)

	for range 4 {
		wantKind(t, change(storage.PasswordChange{Name: "nobody", Old: "wrong"}), storage.NotFound)
		wantKind(t, change(storage.PasswordChange{ID: "9", Old: "wrong"}), storage.NotFound)
	}
	wantThrottled(t, change(storage.PasswordChange{Name: "nobody", Old: "wrong"}), time.Second)
	wantThrottled(t, change(storage.PasswordChange{ID: "9", Old: "wrong"}), time.Second)

	// What an administrator does needs no old password.
	if _, err := d.SetPassword(t.Context(), admin, "1", "new", password.Policy{}); err != nil {
		t.Fatal(err)
	}
	want(t, s.Waiting(), 0)
}

// There are no more guesses at who can be called by name and by address, in
// whatever realm, and be it that he may not log in.
func TestThrottleByEmail(t *testing.T) {
	for _, barred := range []bool{false, true} {
		_, d, now := throttled(t, three, unlimited)
		attempt := func(realm, email string, p password.Plain) error {
			_, err := d.Authenticate(t.Context(), storage.Actor{Source: "192.0.2.1"}, storage.Credentials{
				Realm: realm, Email: email, Password: p, MayLogIn: func(storage.User) bool { return !barred },
			})
			return err
		}
		wantKind(t, attempt("", "bob@example.com", "wrong"), storage.WrongPassword)
		wantKind(t, attempt("x", "bob@example.com", "wrong"), storage.WrongPassword)
		fail(t, d, 1, "192.0.2.2", "bob")
		wantThrottled(t, attempt("", "bob@example.com", "right"), 10*time.Second)
		wantThrottled(t, attempt("x", "bob@example.com", "right"), 10*time.Second)
		wantThrottled(t, from(t, d, "192.0.2.2", "bob", "right"), 10*time.Second)

		for _, realm := range []string{"", "x", "y"} { // nobody's
			wantKind(t, attempt(realm, "ann@example.com", "wrong"), storage.WrongPassword)
		}
		wantThrottled(t, attempt("z", "ann@example.com", "right"), 10*time.Second)

		now.Time = now.Add(10 * time.Second)
		want(t, from(t, d, "192.0.2.1", "bob", "right"), nil)
	}
}

// That there is such a user from now on, or no longer, grants no new attempts: it
// could be seen.
func TestThrottleOutlivesTheUser(t *testing.T) {
	_, d, _ := throttled(t, three, unlimited)
	fail(t, d, 3, "192.0.2.1", "bob")
	fail(t, d, 3, "192.0.2.1", "ann")
	if _, err := d.DeleteUser(t.Context(), admin, "1"); err != nil {
		t.Fatal(err)
	}
	mustCreate(t, d, storage.NewUser{ID: "2", Name: "ann", Password: "right"})
	for _, name := range []string{"bob", "ann"} {
		wantThrottled(t, from(t, d, "192.0.2.1", name, "right"), 10*time.Second)
	}
}

// Who guesses from where the owner comes in all the time is forgiven no more than
// the source's rate.
func TestThrottleNeighbour(t *testing.T) {
	const seconds = 200
	account, source := storage.Rate{Burst: 20, Every: 10 * time.Second}, storage.Rate{Burst: 5, Every: time.Second}
	for _, tt := range []struct {
		account, source storage.Rate
		least, most     int
	}{
		{account, source, seconds / 2, source.Burst + seconds + account.Burst}, // the source's, and the pair's own to begin with
		{account, unlimited, seconds / 10, account.Burst + seconds/10},         // the account's, since there is no other
		{unlimited, source, seconds / 2, source.Burst + seconds + source.Burst},
	} {
		_, d, now := throttled(t, tt.account, tt.source)
		made := 0
		for range seconds {
			if err := from(t, d, "192.0.2.1", "bob", "right"); err != nil {
				wantKind(t, err, storage.Throttled)
			}
			for range 30 {
				if storage.KindOf(from(t, d, "192.0.2.1", "bob", "wrong")) == storage.WrongPassword {
					made++
				}
			}
			now.Time = now.Add(time.Second)
		}
		if made > tt.most || made < tt.least {
			t.Errorf("%+v: %d guesses in %d s, want %d to %d", tt, made, seconds, tt.least, tt.most)
		}
	}
}

// Nobody has an account forgotten by guessing at a lot of others: 88 names a second,
// which is what two cores hash, from as many addresses, for longer than it takes
// until there are more than are kept.
func TestThrottleIsNotForgotten(t *testing.T) {
	s, d, now := throttled(t, storage.Rate{}, storage.Rate{})
	fail(t, d, 100, "192.0.2.1", "bob")
	n := 0
	failOthers := func() {
		for i := range 88 {
			s.FailNamed(fmt.Sprint("name", n), fmt.Sprint("source", i))
			n++
		}
	}
	for range 20 * 60 {
		now.Time = now.Add(time.Second)
		failOthers()
	}
	if n < 2*storage.MaxBuckets {
		t.Fatalf("%d names are too few", n)
	}
	fail(t, d, 20*60/30, "192.0.2.2", "bob") // what has been granted meanwhile
	wantThrottled(t, from(t, d, "192.0.2.3", "bob", "right"), 30*time.Second)

	for range 100 { // who is new is kept, too
		fail(t, d, 1, "192.0.2.1", "ann")
		failOthers()
	}
	wantThrottled(t, from(t, d, "192.0.2.1", "ann", "right"), 30*time.Second)
}

func TestThrottleOff(t *testing.T) {
	_, d, _ := throttled(t, unlimited, unlimited)
	fail(t, d, 300, "192.0.2.1", "bob")
	want(t, from(t, d, "192.0.2.1", "bob", "right"), nil)
	fail(t, d, 300, "192.0.2.1", "bob")
}

// The defaults are on.
func TestThrottleDefaults(t *testing.T) {
	_, d, _ := throttled(t, storage.Rate{}, storage.Rate{})
	fail(t, d, 100, "192.0.2.1", "bob")
	wantThrottled(t, from(t, d, "192.0.2.1", "bob", "right"), 30*time.Second)
}

func TestThrottleRates(t *testing.T) {
	for _, r := range []storage.Rate{
		{Burst: 1}, {Every: time.Second}, {Burst: 1, Every: -1}, {Burst: math.MaxInt, Every: time.Hour}, {Burst: 2, Every: math.MaxInt64},
	} {
		for _, set := range []func(*storage.Options){
			func(o *storage.Options) { o.Account = r }, func(o *storage.Options) { o.Source = r },
		} {
			o := storage.Options{Path: filepath.Join(t.TempDir(), "test.db"), Hash: cheap}
			set(&o)
			s, err := storage.Open(t.Context(), o)
			if err == nil {
				t.Errorf("a store with %+v is open", r)
				_ = s.Close()
			}
		}
	}
}

// What is refused costs no hash, and no turn at the hasher.
func TestThrottledCostsNothing(t *testing.T) {
	s, d, _ := throttled(t, three, unlimited)
	fail(t, d, 3, "192.0.2.1", "bob")
	s.OnVerify(func(string) { t.Error("a password was verified") })
	for range 10 {
		wantKind(t, from(t, d, "192.0.2.1", "bob", "right"), storage.Throttled)
	}
}

// An attempt that could not be made has not failed.
func TestThrottleForgivesWhatWasNotTried(t *testing.T) {
	s, d, _ := throttled(t, three, three)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 10 {
		_, err := d.Authenticate(ctx, storage.Actor{Source: "192.0.2.1"}, storage.Credentials{Name: "bob", Password: "wrong"})
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	s.Exec(t, `UPDATE "user" SET password_hash = 'no hash' WHERE id = '1'`)
	for range 10 {
		wantKind(t, from(t, d, "192.0.2.1", "bob", "right"), storage.Internal)
	}
	fail(t, d, 3, "192.0.2.1", "nobody")
}

// The trail has the beginning of each time in which attempts are refused.
func TestThrottleEvents(t *testing.T) {
	_, d, now := throttled(t, three, unlimited)
	for range 2 {
		for range 10 {
			_ = from(t, d, "192.0.2.1", "bob", "wrong")
			_ = from(t, d, "192.0.2.1", "nobody", "wrong")
		}
		now.Time = now.Add(10 * time.Second)
	}
	n := map[string]int{}
	for _, e := range events(t, d, 100) {
		n[e]++
	}
	delete(n, "user-created admin>bob ok")
	want(t, n, map[string]int{
		"login-failed >bob wrong password": 4, "login-failed >bob throttled": 2,
		"login-failed > not found": 4, "login-failed > throttled": 2,
	})
}

// Of attempts at the same time no more are made than are left.
func TestThrottleAtOnce(t *testing.T) {
	_, d, _ := throttled(t, storage.Rate{Burst: 20, Every: time.Second}, storage.Rate{Burst: 30, Every: time.Second})
	guess := func(names ...string) (made int64) {
		var n atomic.Int64
		var guessing sync.WaitGroup
		for i := range 60 {
			guessing.Go(func() {
				if err := from(t, d, "192.0.2.1", names[i%len(names)], "wrong"); storage.KindOf(err) == storage.WrongPassword {
					n.Add(1)
				}
			})
		}
		guessing.Wait()
		return n.Load()
	}
	want(t, guess("bob"), int64(20))
	want(t, guess("ann", "eve", "joe"), int64(10))
}

// Those who know the password do not stand in each other's way, however many.
func TestThrottleLetsManyIn(t *testing.T) {
	_, d, _ := throttled(t, storage.Rate{Burst: 2 * runtime.GOMAXPROCS(0), Every: time.Hour}, three)
	mustCreate(t, d, storage.NewUser{ID: "2", Name: "ann", Password: "right"})
	fail(t, d, 3, "192.0.2.9", "bob")
	var comingIn sync.WaitGroup
	for i := range 60 {
		comingIn.Go(func() {
			if err := from(t, d, fmt.Sprintf("192.0.2.%d", 100+i), "ann", "right"); err != nil {
				t.Error(err)
			}
		})
	}
	comingIn.Wait()
}

// However many names and addresses there are, the memory for them is bounded.
func TestThrottleMemory(t *testing.T) {
	s := open(t)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	kept := s.FillThrottle(2 * storage.MaxBuckets)
	runtime.GC()
	runtime.ReadMemStats(&after)
	want(t, kept, [3]int{storage.MaxBuckets, storage.MaxBuckets, storage.MaxBuckets})
	grown := float64(after.HeapAlloc-before.HeapAlloc) / (1 << 20)
	t.Logf("%.1f MiB", grown)
	if grown > 32 {
		t.Errorf("%.1f MiB for %d buckets of a kind", grown, storage.MaxBuckets)
	}
	runtime.KeepAlive(s)
}

// A clock that is set back takes along what was counted by it, which would last until
// that time comes again. From then on counting is as ever.
func TestThrottleOfAClockThatGoesBack(t *testing.T) {
	_, d, now := throttled(t, three, three)
	was := now.Time
	want(t, from(t, d, "192.0.2.1", "bob", "right"), nil) // which gives that address a bucket of its own
	now.Time = was.Add(24 * time.Hour)
	for _, source := range []string{"192.0.2.1", "192.0.2.2"} {
		fail(t, d, 3, source, "bob")
		wantKind(t, from(t, d, source, "bob", "right"), storage.Throttled)
	}
	now.Time = was
	want(t, from(t, d, "192.0.2.1", "bob", "right"), nil)
	fail(t, d, 3, "192.0.2.2", "bob")
	wantThrottled(t, from(t, d, "192.0.2.2", "bob", "right"), 10*time.Second)
}
