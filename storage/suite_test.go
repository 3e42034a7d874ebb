package storage_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"usher/storage"
	"usher/storage/password"
)

// cheap makes a hash take microseconds: the tests are about everything else.
var cheap = password.Params{Memory: 64, Time: 1, Threads: 1}

// admin is who acts in tests that are not about who acts.
var admin = storage.Actor{ID: "a1", Name: "admin", Source: "192.0.2.1", Request: "r1"}

// openAt opens a store on the file at path until the test ends.
func openAt(tb testing.TB, path string, set ...func(*storage.Options)) *storage.Store {
	tb.Helper()
	o := storage.Options{Path: path, Hash: cheap}
	for _, f := range set {
		f(&o)
	}
	s, err := storage.Open(context.Background(), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// open opens a store on a new file until the test ends.
func open(tb testing.TB, set ...func(*storage.Options)) *storage.Store {
	tb.Helper()
	return openAt(tb, filepath.Join(tb.TempDir(), "test.db"), set...)
}

// clock is a Now that only moves when it is told to.
type clock struct{ time.Time }

func (c *clock) options(o *storage.Options) { o.Now = func() time.Time { return c.Time } }

func newClock() *clock { return &clock{time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)} }

// mustCreate makes a user whose id is its name, unless n has another.
func mustCreate(tb testing.TB, d *storage.Directory, n storage.NewUser) storage.User {
	tb.Helper()
	if n.ID == "" {
		n.ID = n.Name
	}
	u, err := d.CreateUser(tb.Context(), admin, n)
	if err != nil {
		tb.Fatal(err)
	}
	return u
}

// mustUser reads a user.
func mustUser(t *testing.T, d *storage.Directory, id string) storage.User {
	t.Helper()
	u, err := d.User(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// login authenticates by name in the empty realm.
func login(t *testing.T, d *storage.Directory, name string, p password.Plain) error {
	t.Helper()
	_, err := d.Authenticate(t.Context(), storage.Actor{}, storage.Credentials{Name: name, Password: p})
	return err
}

// wantKind fails the test unless err is of kind, and about field if one is given.
func wantKind(t *testing.T, err error, kind storage.Kind, field ...string) {
	t.Helper()
	if err == nil || storage.KindOf(err) != kind {
		t.Fatalf("got error %v, want %v", err, kind)
	}
	if len(field) > 0 {
		var e *storage.Error
		if !errors.As(err, &e) || e.Field != field[0] {
			t.Fatalf("got error %v, want it about %s", err, field[0])
		}
	}
}

// want fails the test unless got equals want.
func want(t *testing.T, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("\n got %+v\nwant %+v", got, want)
	}
}

// events returns what happened in d, as "kind actor>target result", the
// events before the last n left out.
func events(t *testing.T, d *storage.Directory, n int) []string {
	t.Helper()
	es, err := d.Events(t.Context(), storage.EventQuery{})
	if err != nil {
		t.Fatal(err)
	}
	var ss []string
	for _, e := range es[max(0, len(es)-n):] {
		ss = append(ss, string(e.Kind)+" "+e.ActorName+">"+e.TargetName+" "+e.Result)
	}
	return ss
}

func raw(s string) json.RawMessage { return json.RawMessage(s) }
