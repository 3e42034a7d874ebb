package ushertest_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"usher/gen/fusion"
	"usher/gen/milvus"
	"usher/handlers/journal"
	"usher/handlers/sandbox"
	"usher/handlers/ushertest"
)

// exampleT stands for the *testing.T that an example has none of.
type exampleT struct{ cleanups []func() }

func (t *exampleT) Helper()                           {}
func (t *exampleT) Context() context.Context          { return context.Background() }
func (t *exampleT) Cleanup(f func())                  { t.cleanups = append(t.cleanups, f) }
func (t *exampleT) Error(args ...any)                 { fmt.Println(args...) }
func (t *exampleT) Errorf(format string, args ...any) { fmt.Printf(format+"\n", args...) }
func (t *exampleT) Fatal(args ...any)                 { panic(fmt.Sprintln(args...)) }

func (t *exampleT) end() {
	for _, f := range slices.Backward(t.cleanups) {
		f()
	}
}

// A client under test gets the URL; the world is the demo world.
func ExampleNew() {
	t := new(exampleT) // in a test: its *testing.T
	defer t.end()

	u := ushertest.New(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u.URL()+"/node/api/users/current", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("Bob", "qwerty")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }() // nothing is read
	fmt.Println(answer.Status)
	// Output: 200 OK
}

// After a password change the old one fails.
func ExampleUsher_As() {
	t := new(exampleT)
	defer t.end()

	u := ushertest.New(t)
	change := milvus.UpdatePasswordJSONRequestBody{UserName: "milvusAdmin", Password: "P@ssw0rd", NewPassword: "P@ssw0rd!"}
	if _, err := u.As("milvusAdmin", "P@ssw0rd").Milvus().UpdatePasswordWithResponse(t.Context(), nil, change); err != nil {
		t.Fatal(err)
	}
	for _, password := range []string{"P@ssw0rd", "P@ssw0rd!"} {
		answer, err := u.As("milvusAdmin", password).Milvus().ListUsersWithResponse(t.Context(), nil, milvus.ListUsersJSONRequestBody{})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(answer.Status())
	}
	// Output:
	// 401 Unauthorized
	// 200 OK
}

// A token of half an hour is good for a second less, and no second more.
func ExampleUsher_Advance() {
	t := new(exampleT)
	defer t.end()

	u := ushertest.New(t)
	u.Freeze()
	token, err := u.Fusion().CreateTokenWithResponse(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	list := func() {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u.URL()+"/api/users", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token.JSON200.AccessToken)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }() // nothing is read
		fmt.Println(answer.Status)
	}
	u.Advance(30*time.Minute - time.Second)
	list()
	u.Advance(2 * time.Second)
	list()
	// Output:
	// 200 OK
	// 401 Unauthorized
}

// The server is busy, once; the client under test has to come again.
func ExampleUsher_Fault() {
	t := new(exampleT)
	defer t.end()

	u := ushertest.New(t)
	u.Fault(sandbox.FaultSpec{API: "fusion", Operation: "createUser", Status: http.StatusServiceUnavailable, First: 1})
	for range 2 {
		answer, err := u.Fusion().CreateUserWithResponse(t.Context(), fusion.CreateUserPublicView{Username: "claire"})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(answer.Status())
	}
	u.AssertSentInOrder(
		journal.Expectation{Operation: "createUser", Status: http.StatusServiceUnavailable},
		journal.Expectation{Operation: "createUser", Body: map[string]any{"username": "claire"}},
	)
	// Output:
	// 503 Service Unavailable
	// 201 Created
}

// What was not sent as expected is told with what comes nearest.
func ExampleUsher_AssertSent() {
	t := new(exampleT)
	defer t.end()

	u := ushertest.New(t)
	if _, err := u.Fusion().CreateUserWithResponse(t.Context(), fusion.CreateUserPublicView{Username: "clara"}); err != nil {
		t.Fatal(err)
	}
	u.AssertSent(journal.Expectation{Operation: "createUser", Body: map[string]any{"username": "claire"}})
	// Output:
	// not sent as expected:
	//   request 1: expected at least 1, found 0; nearest is entry 1 of the journal:
	//     body /username: expected claire, found clara
}
