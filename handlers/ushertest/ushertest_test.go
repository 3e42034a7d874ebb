package ushertest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/gen/fusion"
	"usher/gen/milvus"
	"usher/gen/saymon"
	"usher/handlers/edge"
	"usher/handlers/journal"
	"usher/handlers/sandbox"
	"usher/handlers/ushertest"
	"usher/storage"
	"usher/storage/password"
)

// answer is any response of a generated client.
type answer interface {
	StatusCode() int
	GetBody() []byte
}

// wants fails the test if a call did not get this status.
func wants(t *testing.T, status int, got answer, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if got.StatusCode() != status {
		t.Fatalf("got %d %s, want %d", got.StatusCode(), got.GetBody(), status)
	}
}

// The clients of all four APIs are the demo world's first administrators, or who
// is named.
func TestClients(t *testing.T) {
	t.Parallel()
	u, ctx := ushertest.New(t), t.Context()

	users, err := u.Fusion().GetUsersWithResponse(ctx, nil)
	wants(t, http.StatusOK, users, err)
	token, err := u.Fusion().CreateTokenWithResponse(ctx)
	wants(t, http.StatusOK, token, err)
	list, err := u.Applivery().ListUsersWithResponse(ctx, nil)
	wants(t, http.StatusOK, list, err)
	current, err := u.SAYMON().GetCurrentUserWithResponse(ctx)
	wants(t, http.StatusOK, current, err)
	names, err := u.Milvus().ListUsersWithResponse(ctx, nil, milvus.ListUsersJSONRequestBody{})
	wants(t, http.StatusOK, names, err)

	users, err = u.As("1new-user-test", "password123").Fusion().GetUsersWithResponse(ctx, nil)
	wants(t, http.StatusForbidden, users, err)
	profile, err := u.As("john.doe@example.com", "CurrentSecureP@ss123").Applivery().GetProfileWithResponse(ctx)
	wants(t, http.StatusOK, profile, err)
	if got := profile.JSON200.Data.Email; got != "john.doe@example.com" {
		t.Errorf("the client of John is %s", got)
	}
	current, err = u.As("Bob", "qwerty").SAYMON().GetCurrentUserWithResponse(ctx)
	wants(t, http.StatusOK, current, err)
	names, err = u.As("milvusAdmin", "wrong").Milvus().ListUsersWithResponse(ctx, nil, milvus.ListUsersJSONRequestBody{})
	wants(t, http.StatusUnauthorized, names, err)
	if _, err := u.As("nobody@example.com", "wrong").Applivery().GetProfileWithResponse(ctx); err == nil || !strings.Contains(err.Error(), "nobody@example.com") {
		t.Errorf("a login that fails: %v", err)
	}
	u.AssertContract()
}

// Worlds of tests that run in parallel have nothing in common.
func TestWorldsAreApart(t *testing.T) {
	t.Parallel()
	for i := range 50 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			u, ctx := ushertest.New(t, ushertest.At(time.Date(2026, 1, 1, i, 0, 0, 0, time.UTC))), t.Context()
			name := fmt.Sprintf("user-%d", i)
			if i%2 == 0 {
				u.Fault(sandbox.FaultSpec{API: "fusion", Operation: "getUsers", Status: http.StatusInternalServerError})
			}
			made, err := u.Fusion().CreateUserWithResponse(ctx, fusion.CreateUserPublicView{Username: name})
			wants(t, http.StatusCreated, made, err)
			if got := made.JSON201.CreatedAt; got.Sub(u.Clock().Now()).Abs() > time.Second {
				t.Errorf("made at %v", got)
			}
			list, err := u.Fusion().GetUsersWithResponse(ctx, nil)
			if i%2 == 0 {
				wants(t, http.StatusInternalServerError, list, err)
			} else {
				wants(t, http.StatusOK, list, err)
				if n := len(*list.JSON200); n != 3 {
					t.Errorf("%d users", n)
				}
			}
			changed := slices.DeleteFunc(u.Diff(), func(d storage.Difference) bool { return d.Kind != "user" })
			if len(changed) != 1 || changed[0].Name != name || changed[0].Change != storage.Added {
				t.Errorf("changed: %+v", changed)
			}
			entries, _ := u.Journal().List(journal.Query{})
			if len(entries) != 2 {
				t.Errorf("%d entries in the journal", len(entries))
			}
		})
	}
}

// An empty world has administrators of its own, whom the clients are.
func TestEmpty(t *testing.T) {
	t.Parallel()
	u, ctx := ushertest.New(t, ushertest.Empty()), t.Context()
	list, err := u.Applivery().ListUsersWithResponse(ctx, nil)
	wants(t, http.StatusOK, list, err)
	if n := len(list.JSON200.Data.Items); n != 1 {
		t.Errorf("Applivery has %d users", n)
	}
	current, err := u.SAYMON().GetCurrentUserWithResponse(ctx)
	wants(t, http.StatusOK, current, err)
	names, err := u.Milvus().ListUsersWithResponse(ctx, nil, milvus.ListUsersJSONRequestBody{})
	wants(t, http.StatusOK, names, err)
	if len(*names.JSON200.Data) != 1 {
		t.Errorf("Milvus has %v", *names.JSON200.Data)
	}

	// Fusion's sets the password first.
	users, err := u.Fusion().GetUsersWithResponse(ctx, nil)
	wants(t, http.StatusUnauthorized, users, err)
	set, err := u.Fusion().SetInitialAdminPasswordWithResponse(ctx, fusion.SetInitialAdminPasswordJSONRequestBody{Password: "password123"})
	wants(t, http.StatusCreated, set, err)
	users, err = u.As("admin", "password123").Fusion().GetUsersWithResponse(ctx, nil)
	wants(t, http.StatusOK, users, err)
}

// A fixture says who there is; the rest is as the vendors ship it.
func TestFixture(t *testing.T) {
	t.Parallel()
	document := "milvus:\n  users:\n    - name: claire\n      password: P@ssw0rd1\n"
	u, ctx := ushertest.New(t, ushertest.WithFixture([]byte(document))), t.Context()
	got, err := u.As("claire", "P@ssw0rd1").Milvus().DescribeUserWithResponse(ctx, nil, milvus.DescribeUserJSONRequestBody{UserName: "claire"})
	wants(t, http.StatusOK, got, err)
	if got.JSON200.Code != 0 {
		t.Errorf("%s", got.Body)
	}
	nobody, err := u.Milvus().ListUsersWithResponse(ctx, nil, milvus.ListUsersJSONRequestBody{})
	wants(t, http.StatusUnauthorized, nobody, err)
	list, err := u.Applivery().ListUsersWithResponse(ctx, nil)
	wants(t, http.StatusOK, list, err)
	if n := len(list.JSON200.Data.Items); n != 1 {
		t.Errorf("Applivery has %d users", n)
	}
}

// A snapshot is a world to begin with, sessions and clock included, as often as it
// takes.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	u, ctx := ushertest.New(t, ushertest.At(at)), t.Context()
	made, err := u.SAYMON().CreateUserWithResponse(ctx, saymon.CreateUserJSONRequestBody{Login: new("claire"), Password: "qwerty-one"})
	wants(t, http.StatusOK, made, err)
	token, err := u.Fusion().CreateTokenWithResponse(ctx)
	wants(t, http.StatusOK, token, err)
	taken := u.Snapshot()
	for range 2 {
		again := ushertest.New(t, ushertest.WithSnapshot(taken))
		if changed := again.Diff(); len(changed) > 0 { // a token that is good by this clock only included
			t.Errorf("changed: %+v", changed)
		}
		got, err := again.SAYMON().GetUserWithResponse(ctx, made.JSON200.ID)
		wants(t, http.StatusOK, got, err)
		if !again.Clock().Now().Equal(at) {
			t.Errorf("its clock: %v", again.Clock().Now())
		}
		gone, err := again.SAYMON().DeleteUserWithResponse(ctx, made.JSON200.ID)
		wants(t, http.StatusOK, gone, err)
	}
	u.Reset()
	got, err := u.SAYMON().GetUserWithResponse(ctx, made.JSON200.ID)
	wants(t, http.StatusNotFound, got, err)
	if changed := u.Diff(); len(changed) > 0 {
		t.Errorf("changed: %+v", changed)
	}
}

// A test that ends waits for nobody whom a fault holds back.
func TestEndsAtOnce(t *testing.T) {
	t.Parallel()
	inner := new(exampleT)
	u := ushertest.New(inner)
	u.Fault(sandbox.FaultSpec{API: "fusion", Operation: "getUsers", Delay: time.Hour})
	sent, tell := context.WithCancel(t.Context())
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { tell() }})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = u.Fusion().GetUsersWithResponse(ctx, nil) // whatever comes of it
	}()
	<-sent.Done()
	inner.end()
	<-ended
}

func TestOptions(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	open := ushertest.New(t, ushertest.WithAuthentication(edge.Off))
	names, err := open.As("nobody", "").Milvus().ListUsersWithResponse(ctx, nil, milvus.ListUsersJSONRequestBody{})
	wants(t, http.StatusOK, names, err)

	few := ushertest.New(t, ushertest.WithSettings([]byte(`{"applivery":{"rateLimit":3}}`)))
	client := few.Applivery() // whose login counts
	for _, status := range []int{http.StatusOK, http.StatusOK, http.StatusTooManyRequests} {
		profile, err := client.GetProfileWithResponse(ctx)
		wants(t, status, profile, err)
	}
	few.AssertSent(journal.Expectation{Operation: "login", Exactly: new(1)})
}

// recorder is a test that fails without consequence.
type recorder struct {
	*testing.T
	said []string
}

func (r *recorder) Error(args ...any)            { r.said = append(r.said, fmt.Sprint(args...)) }
func (r *recorder) Errorf(f string, args ...any) { r.said = append(r.said, fmt.Sprintf(f, args...)) }
func (r *recorder) Fatal(args ...any)            { r.Error(args...); panic(r) }

func TestAssertionsFail(t *testing.T) {
	t.Parallel()
	r := &recorder{T: t}
	u := ushertest.New(r)
	sent, err := u.Fusion().CreateUserWithResponse(t.Context(), fusion.CreateUserPublicView{Username: "clara", Password: new(password.Plain("Secret-123"))})
	wants(t, http.StatusCreated, sent, err)
	list, err := u.Fusion().GetUsersWithResponse(t.Context(), nil)
	wants(t, http.StatusOK, list, err)

	create, get := journal.Expectation{Operation: "createUser"}, journal.Expectation{Operation: "getUsers"}
	u.AssertSent(get, create)
	u.AssertSentInOrder(create, get)
	u.AssertContract()
	if len(r.said) > 0 {
		t.Fatalf("these are met: %q", r.said)
	}

	u.AssertSentInOrder(get, create)
	u.AssertSent(journal.Expectation{Operation: "createUser", Status: http.StatusConflict, Body: map[string]any{"username": "claire"}})
	wrong, err := u.Fusion().CreateUserWithBodyWithResponse(t.Context(), "application/json", strings.NewReader(`{"username":7}`))
	wants(t, http.StatusBadRequest, wrong, err)
	u.AssertContract()
	if len(r.said) != 3 {
		t.Fatalf("said: %q", r.said)
	}
	for i, want := range []string{"request 2", "body /username: expected claire, found clara", "/username"} {
		if !strings.Contains(r.said[i], want) {
			t.Errorf("%q is not in %q", want, r.said[i])
		}
		if strings.Contains(r.said[i], "Secret-123") {
			t.Errorf("a password: %q", r.said[i])
		}
	}
}

// What makes no sense ends the test.
func TestFatal(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(ushertest.T){
		"settings": func(t ushertest.T) { ushertest.New(t, ushertest.WithSettings([]byte(`{"acme":1}`))) },
		"fault": func(t ushertest.T) {
			ushertest.New(t).Fault(sandbox.FaultSpec{API: "milvus", Operation: "createUser", Status: 418})
		},
		"expectation": func(t ushertest.T) { ushertest.New(t).AssertSent(journal.Expectation{Exactly: new(-1)}) },
	} {
		r := &recorder{T: t}
		func() {
			defer func() {
				if recover() != any(r) || len(r.said) != 1 {
					t.Errorf("%s: said %q", name, r.said)
				}
			}()
			f(r)
		}()
	}
}

// BenchmarkNew is what a test pays for a world, alone and with a first request.
func BenchmarkNew(b *testing.B) {
	ushertest.New(b) // what is made once per process
	b.Run("world", func(b *testing.B) {
		for b.Loop() {
			c := &cleaned{B: b}
			ushertest.New(c)
			c.end()
		}
	})
	b.Run("request", func(b *testing.B) {
		for b.Loop() {
			c := &cleaned{B: b}
			answer, err := ushertest.New(c).Fusion().GetUsersWithResponse(b.Context(), nil)
			if err != nil || answer.JSON200 == nil {
				b.Fatal(err, answer)
			}
			c.end()
		}
	})
}

// cleaned is a benchmark whose cleanups run when it is told to.
type cleaned struct {
	*testing.B
	cleanups []func()
}

func (c *cleaned) Cleanup(f func()) { c.cleanups = append(c.cleanups, f) }

func (c *cleaned) end() {
	for _, f := range slices.Backward(c.cleanups) {
		f()
	}
}
