package storage_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"usher/storage"
	"usher/storage/password"
)

// Where there is no room to write, a password is still right or wrong, and so it
// is when it is proven for the first time; what the trail misses is told. What has
// to be written is refused, and nothing of it is left. With room all is as before.
func TestNoRoomToWrite(t *testing.T) {
	now := &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	var missed []storage.Event
	s := open(t, now.options, func(o *storage.Options) {
		o.Unrecorded = func(e storage.Event, err error) {
			if err == nil {
				t.Errorf("no reason: %+v", e)
			}
			missed = append(missed, e)
		}
	})
	d, ctx := s.Directory("d"), t.Context()
	u, err := d.CreateUser(ctx, admin, storage.NewUser{ID: "u1", Name: "claire", Password: "first"})
	if err != nil {
		t.Fatal(err)
	}

	s.Exec(t, `PRAGMA max_page_count = 1`) // that is, no more than there are
	for i := 0; err == nil; i++ {          // until these are full, too
		name := fmt.Sprint("filler", i)
		_, err = d.CreateUser(ctx, admin, storage.NewUser{ID: name, Name: name})
	}
	for err = nil; err == nil && len(missed) == 0; { // events need less than users
		_, err = d.Authenticate(ctx, admin, storage.Credentials{Name: "nobody"})
		if storage.KindOf(err) == storage.WrongPassword {
			err = nil
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	missed = nil
	users, events := s.Count(t, `"user"`), s.Count(t, "event")

	by := storage.Actor{Source: "192.0.2.7", Request: "r7"}
	login := func(p password.Plain) error {
		_, err := d.Authenticate(ctx, by, storage.Credentials{Name: "claire", Password: p})
		return err
	}
	if err := login("wrong"); storage.KindOf(err) != storage.WrongPassword {
		t.Errorf("a wrong password: %v", err)
	}
	if err := login("first"); err != nil {
		t.Errorf("the right password: %v", err)
	}
	change := storage.PasswordChange{ID: "u1", Old: "first", New: "second"}
	if _, err := d.ChangePassword(ctx, by, change); err == nil || storage.KindOf(err) != storage.Internal {
		t.Errorf("a change: %v", err)
	}
	change.Old = "wrong"
	if _, err := d.ChangePassword(ctx, by, change); storage.KindOf(err) != storage.WrongPassword {
		t.Errorf("a change by somebody else: %v", err)
	}
	if _, err := d.CreateTokens(ctx, by, u, storage.TokenSpec{Kind: "session"}); err == nil {
		t.Error("a token")
	}
	event := func(kind storage.EventKind, actor, result string) storage.Event {
		e := storage.Event{Directory: "d", At: now.Time, Kind: kind, TargetID: "u1", TargetName: "claire", Source: by.Source, Request: by.Request, Result: result}
		if actor != "" {
			e.ActorID, e.ActorName = "u1", actor
		}
		return e
	}
	want := []storage.Event{
		event(storage.LoginFailed, "", "wrong password"),
		event(storage.LoginSucceeded, "claire", "ok"),
		event(storage.PasswordChangeFailed, "", "wrong password"),
	}
	if !slices.Equal(missed, want) {
		t.Errorf("told %+v\nwant %+v", missed, want)
	}
	if got := [2]int{s.Count(t, `"user"`), s.Count(t, "event")}; got != [2]int{users, events} {
		t.Errorf("%v users and events, there were %v", got, [2]int{users, events})
	}

	s.Exec(t, `PRAGMA max_page_count = 1000000`)
	change.Old = "first"
	if _, err := d.ChangePassword(ctx, by, change); err != nil {
		t.Error(err)
	}
	if err := errors.Join(login("second"), s.Ping(ctx)); err != nil {
		t.Error(err)
	}
	if got := s.Count(t, "event"); got != events+1 || len(missed) != len(want) {
		t.Errorf("%d events, there were %d; told %d", got, events, len(missed))
	}
}
