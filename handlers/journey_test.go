package handlers_test

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/oapi-codegen/nullable"

	"usher/gen/applivery"
	"usher/gen/fusion"
	"usher/gen/milvus"
	"usher/gen/saymon"
	"usher/gen/usher"
	"usher/handlers"
	"usher/storage/password"
)

// What a program does that uses the generated Go clients: it makes a user, who
// logs in, gets and uses what the API grants, and changes the password; the old
// one fails, the list is read, and all is deleted again. The worlds' watch holds
// each answer against the contract.

const firstPassword, secondPassword = password.Plain("First-Passw0rd"), password.Plain("Second-Passw0rd")

// edit is what the clients of all four APIs call a RequestEditorFn.
type edit = func(context.Context, *http.Request) error

func as(user string, password password.Plain) edit {
	return func(_ context.Context, r *http.Request) error {
		r.SetBasicAuth(user, string(password))
		return nil
	}
}

func withHeader(name, value string) edit {
	return func(_ context.Context, r *http.Request) error {
		r.Header.Set(name, value)
		return nil
	}
}

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

// holds says whether a list has an item that is.
func holds[T any](t *testing.T, list *[]T, is func(T) bool) bool {
	t.Helper()
	if list == nil {
		t.Fatal("no list")
	}
	return slices.ContainsFunc(*list, is)
}

func TestJourneyFusion(t *testing.T) { journeyFusion(t, serveAPI(t, "fusion")) }

func journeyFusion(t *testing.T, w *world) {
	t.Helper()
	at := func(base string, credentials edit) *fusion.ClientWithResponses {
		c, err := fusion.NewClientWithResponses(w.url+base, fusion.WithHTTPClient(w.client), fusion.WithRequestEditorFn(credentials))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	client := func(credentials edit) *fusion.ClientWithResponses { return at("/api", credentials) }
	ctx, admin := t.Context(), client(as(handlers.FirstAdministrator("fusion"), adminPassword))

	role, err := admin.CreateRoleWithResponse(ctx, fusion.CreateRolePublicView{
		Name: "listers",
		Permissions: &[]fusion.GlobPermissionPublicView{
			{Methods: &[]fusion.HTTPMethod{"GET"}, Path: new("/users")},
		},
	})
	wants(t, http.StatusCreated, role, err)
	made, err := admin.CreateUserWithResponse(ctx, fusion.CreateUserPublicView{
		Username: "ada", Password: new(firstPassword), RoleNames: &[]string{"search", "listers"},
	})
	wants(t, http.StatusCreated, made, err)
	id := made.JSON201.ID
	key, err := admin.CreateAPIKeyWithResponse(ctx, fusion.CreateAPIKeyPublicView{
		ID: "a-key", Name: "A key", Roles: &[]string{"listers"},
	})
	wants(t, http.StatusCreated, key, err)

	// One logs in by Basic on every call, with a session, a token or a key.
	ada := client(as("ada", firstPassword))
	session, err := ada.CreateSessionWithResponse(ctx, nil, fusion.CreateSession{Username: "ada", Password: firstPassword})
	wants(t, http.StatusCreated, session, err)
	token, err := at("", as("ada", firstPassword)).CreateTokenWithResponse(ctx)
	wants(t, http.StatusOK, token, err)
	callers := map[string]*fusion.ClientWithResponses{
		"Basic":   ada,
		"session": client(withHeader("Cookie", session.HTTPResponse.Cookies()[0].String())),
		"token":   client(withHeader("Authorization", "Bearer "+token.JSON200.AccessToken)),
		"key":     client(withHeader("x-api-key", *key.JSON201.Key)),
	}
	for name, caller := range callers {
		list, err := caller.GetUsersWithResponse(ctx, &fusion.GetUsersParams{Username: new("ada")})
		wants(t, http.StatusOK, list, err)
		if !holds(t, list.JSON200, func(u fusion.UserPublicView) bool { return u.ID == id }) {
			t.Errorf("%s: not in the list: %s", name, list.Body)
		}
		refused, err := caller.GetRolesWithResponse(ctx, nil)
		wants(t, http.StatusForbidden, refused, err)
	}

	change, err := ada.UpdatePasswordWithResponse(ctx, id, fusion.UpdatePasswordPublicView{
		CurrentPassword: new(firstPassword), Password: secondPassword, PasswordConfirm: secondPassword,
	})
	wants(t, http.StatusOK, change, err)
	// With the old password end the session and the token, and not the key.
	for name, code := range map[string]string{
		"Basic": "unauthorized", "session": "session-idle-timeout", "token": "unauthorized",
	} {
		ended, err := callers[name].GetSessionWithResponse(ctx)
		wants(t, http.StatusUnauthorized, ended, err)
		if ended.JSON401.Code != code {
			t.Errorf("%s: got %s, want %s", name, ended.Body, code)
		}
	}
	for _, caller := range []*fusion.ClientWithResponses{client(as("ada", secondPassword)), callers["key"]} {
		self, err := caller.GetSessionWithResponse(ctx)
		wants(t, http.StatusOK, self, err)
	}

	left, err := admin.DeleteRoleWithResponse(ctx, role.JSON201.ID)
	wants(t, http.StatusNoContent, left, err)
	list, err := callers["key"].GetUsersWithResponse(ctx, nil)
	wants(t, http.StatusForbidden, list, err)
	unlocked, err := admin.DeleteAPIKeyWithResponse(ctx, "a-key")
	wants(t, http.StatusOK, unlocked, err)
	deleted, err := admin.DeleteUserWithResponse(ctx, id)
	wants(t, http.StatusNoContent, deleted, err)
	gone, err := admin.GetUserWithResponse(ctx, id)
	wants(t, http.StatusNotFound, gone, err)
}

func TestJourneyApplivery(t *testing.T) { journeyApplivery(t, serveAPI(t, "applivery")) }

func journeyApplivery(t *testing.T, w *world) {
	t.Helper()
	client := func(credentials edit) *applivery.ClientWithResponses {
		c, err := applivery.NewClientWithResponses(w.url+"/v1", applivery.WithHTTPClient(w.client), applivery.WithRequestEditorFn(credentials))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ctx, anyone := t.Context(), client(func(context.Context, *http.Request) error { return nil })
	bearer := func(token applivery.Token) *applivery.ClientWithResponses {
		return client(withHeader("Authorization", "Bearer "+token.Token))
	}
	credentials := func(email string, password password.Plain) applivery.LoginRequest {
		return applivery.LoginRequest{
			Provider: applivery.Traditional, Payload: applivery.LoginPayload{Email: email, Password: password},
		}
	}
	login := func(email string, password password.Plain) applivery.LoginData {
		t.Helper()
		in, err := anyone.LoginWithResponse(ctx, credentials(email, password))
		wants(t, http.StatusOK, in, err)
		return in.JSON200.Data
	}
	admin := bearer(login(handlers.FirstAdministrator("applivery"), adminPassword).AccessToken)

	const email = "ada@example.com"
	made, err := admin.CreateUserWithResponse(ctx, applivery.CreateUserRequest{
		Email: email, Password: firstPassword, FirstName: "Ada", LastName: "Byron",
	})
	wants(t, http.StatusCreated, made, err)
	id := made.JSON201.Data.ID

	in := login(email, firstPassword)
	exchanged, err := anyone.RefreshWithResponse(ctx, applivery.RefreshRequest{
		LastAccessToken: in.AccessToken.Token, RefreshToken: in.RefreshToken.Token,
	})
	wants(t, http.StatusOK, exchanged, err)
	profile, err := bearer(in.AccessToken).GetProfileWithResponse(ctx)
	wants(t, http.StatusUnauthorized, profile, err)
	ada := bearer(exchanged.JSON200.Data.AccessToken)
	profile, err = ada.GetProfileWithResponse(ctx)
	wants(t, http.StatusOK, profile, err)
	if user := profile.JSON200.Data; user.ID != id || user.ActivityTrace.LastLogin.Dashboard == nil {
		t.Errorf("profile: %s", profile.Body)
	}
	refused, err := ada.ListUsersWithResponse(ctx, nil)
	wants(t, http.StatusForbidden, refused, err)

	change, err := ada.ChangeUserPasswordWithResponse(ctx, id, applivery.ChangePasswordRequest{
		OldPassword: firstPassword, NewPassword: secondPassword,
	})
	wants(t, http.StatusOK, change, err)
	old, err := anyone.LoginWithResponse(ctx, credentials(email, firstPassword))
	wants(t, http.StatusForbidden, old, err)
	if got := old.JSON403.Error.Code; got != 4006 {
		t.Errorf("code: %d", got)
	}
	profile, err = ada.GetProfileWithResponse(ctx) // the token goes on that the change was made with
	wants(t, http.StatusOK, profile, err)
	own, err := bearer(login(email, secondPassword).AccessToken).UpdateOwnPasswordWithResponse(ctx, applivery.UpdateOwnPasswordRequest{
		Password: secondPassword, NewPassword: firstPassword,
	})
	wants(t, http.StatusOK, own, err)
	profile, err = ada.GetProfileWithResponse(ctx) // and ends with one that another login makes
	wants(t, http.StatusUnauthorized, profile, err)

	guest, err := anyone.RegisterWithResponse(ctx, applivery.RegisterRequest{
		Email: "grace@example.com", Password: firstPassword, FirstName: "Grace", LastName: "Hopper",
	})
	wants(t, http.StatusOK, guest, err)

	list, err := admin.ListUsersWithResponse(ctx, &applivery.ListUsersParams{Limit: new(1), Sort: new("email:asc")})
	wants(t, http.StatusOK, list, err)
	page := list.JSON200.Data
	if page.TotalDocs != 3 || len(page.Items) != 1 || page.Items[0].ID != id || page.PrevPage != nil || page.NextPage == nil || *page.NextPage != 2 {
		t.Errorf("first page of one each: %s", list.Body)
	}
	deleted, err := admin.DeleteUserWithResponse(ctx, id)
	wants(t, http.StatusOK, deleted, err)
	gone, err := admin.GetUserWithResponse(ctx, id)
	wants(t, http.StatusNotFound, gone, err)
}

func TestJourneySAYMON(t *testing.T) { journeySAYMON(t, serveAPI(t, "saymon")) }

func journeySAYMON(t *testing.T, w *world) {
	t.Helper()
	client := func(credentials edit) *saymon.ClientWithResponses {
		c, err := saymon.NewClientWithResponses(w.url+"/node/api", saymon.WithHTTPClient(w.client), saymon.WithRequestEditorFn(credentials))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ctx, admin := t.Context(), client(as(handlers.FirstAdministrator("saymon"), adminPassword))

	group, err := admin.CreateUserGroupWithResponse(ctx, saymon.CreateUserGroupRequest{
		Name: "deputies", Permissions: &[]string{"manage-users"},
	})
	wants(t, http.StatusOK, group, err)
	made, err := admin.CreateUserWithResponse(ctx, saymon.CreateUserRequest{
		Login: new("ada"), Email: new("ada@example.com"), Password: firstPassword,
	})
	wants(t, http.StatusOK, made, err)
	id := made.JSON200.ID

	session, err := admin.CreateSessionWithResponse(ctx, saymon.CreateSessionRequest{
		Login: nullable.NewNullableWithValue("ada@example.com"), Password: nullable.NewNullableWithValue(firstPassword),
	})
	wants(t, http.StatusOK, session, err)
	ada := client(withHeader("Cookie", "sid="+*session.JSON200))
	list, err := ada.ListUsersWithResponse(ctx)
	wants(t, http.StatusOK, list, err)
	if !holds(t, list.JSON200, func(u saymon.User) bool { return u.ID == id && u.Login != "ada" && u.Permissions == nil }) {
		t.Errorf("not masked: %s", list.Body)
	}

	member, err := admin.UpdateUserWithResponse(ctx, id, saymon.UpdateUserRequest{
		Group: nullable.NewNullableWithValue([]string{group.JSON200.ID}),
	})
	wants(t, http.StatusOK, member, err)
	list, err = ada.ListUsersWithResponse(ctx)
	wants(t, http.StatusOK, list, err)
	if !holds(t, list.JSON200, func(u saymon.User) bool { return u.ID == id && u.Login == "ada" }) {
		t.Errorf("not in the list: %s", list.Body)
	}
	token, err := ada.CreateAuthTokenWithResponse(ctx, id)
	wants(t, http.StatusOK, token, err)

	change, err := ada.ChangeUserPasswordWithResponse(ctx, id, saymon.ChangePasswordRequest{
		CurrentPassword: nullable.NewNullableWithValue(firstPassword), NewPassword: secondPassword,
	})
	wants(t, http.StatusOK, change, err)
	self, err := client(as("ada", firstPassword)).GetCurrentUserWithResponse(ctx)
	wants(t, http.StatusUnauthorized, self, err)
	if got := self.JSON401.Code; got != "InvalidCredentials" {
		t.Errorf("code: %s", got)
	}
	self, err = ada.GetCurrentUserWithResponse(ctx) // the session goes on that the change was made in
	wants(t, http.StatusOK, self, err)
	self, err = client(as("ada", secondPassword)).GetCurrentUserWithResponse(ctx)
	wants(t, http.StatusOK, self, err)
	program := client(func(_ context.Context, r *http.Request) error {
		r.URL.RawQuery = "api-token=" + *token.JSON200
		return nil
	})
	self, err = program.GetCurrentUserWithResponse(ctx) // and the token does not
	wants(t, http.StatusUnauthorized, self, err)
	token, err = ada.CreateAuthTokenWithResponse(ctx, id)
	wants(t, http.StatusOK, token, err)
	self, err = program.GetCurrentUserWithResponse(ctx)
	wants(t, http.StatusOK, self, err)

	deleted, err := admin.DeleteUserWithResponse(ctx, id)
	wants(t, http.StatusOK, deleted, err)
	self, err = program.GetCurrentUserWithResponse(ctx)
	wants(t, http.StatusUnauthorized, self, err)
	ungrouped, err := admin.DeleteUserGroupWithResponse(ctx, group.JSON200.ID)
	wants(t, http.StatusOK, ungrouped, err)
}

func TestJourneyMilvus(t *testing.T) { journeyMilvus(t, serveAPI(t, "milvus")) }

func journeyMilvus(t *testing.T, w *world) {
	t.Helper()
	client := func(user string, password password.Plain) *milvus.ClientWithResponses {
		c, err := milvus.NewClientWithResponses(w.url+"/v2/vectordb", milvus.WithHTTPClient(w.client),
			milvus.WithRequestEditorFn(withHeader("Authorization", "Bearer "+user+":"+string(password))))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	// coded fails the test if a call did not get this code under HTTP 200.
	coded := func(code int32, got interface {
		answer
		GetJSON200() *milvus.EmptyResult
	}, err error,
	) {
		t.Helper()
		wants(t, http.StatusOK, got, err)
		if got.GetJSON200().Code != code {
			t.Fatalf("got %s, want code %d", got.GetBody(), code)
		}
	}
	ctx, root := t.Context(), client(handlers.FirstAdministrator("milvus"), adminPassword)
	ada := client("ada", firstPassword)

	made, err := root.CreateUserWithResponse(ctx, nil, milvus.CreateUserRequest{UserName: "ada", Password: firstPassword})
	coded(0, made, err)
	list, err := ada.ListUsersWithResponse(ctx, nil, milvus.ListRequest{})
	wants(t, http.StatusForbidden, list, err)

	// The first generation's grant lets her list, the second's a group of privileges.
	role, err := root.CreateRoleWithResponse(ctx, nil, milvus.RoleRequest{RoleName: "readers"})
	coded(0, role, err)
	grant := milvus.GrantPrivilegeRequest{RoleName: "readers", ObjectType: "Global", ObjectName: "*", Privilege: "SelectOwnership"}
	granted, err := root.GrantPrivilegeWithResponse(ctx, nil, grant)
	coded(0, granted, err)
	group, err := root.CreatePrivilegeGroupWithResponse(ctx, nil, milvus.PrivilegeGroupRequest{PrivilegeGroupName: "searching"})
	coded(0, group, err)
	grantV2 := milvus.GrantPrivilegeV2Request{RoleName: "readers", DBName: new("*"), CollectionName: new("*"), Privilege: "searching"}
	grantedV2, err := root.GrantPrivilegeV2WithResponse(ctx, nil, grantV2)
	coded(0, grantedV2, err)
	joined, err := root.GrantRoleWithResponse(ctx, nil, milvus.UserRoleRequest{UserName: "ada", RoleName: "readers"})
	coded(0, joined, err)
	list, err = ada.ListUsersWithResponse(ctx, nil, milvus.ListRequest{})
	wants(t, http.StatusOK, list, err)
	if !holds(t, list.JSON200.Data, func(name string) bool { return name == "ada" }) {
		t.Errorf("not in the list: %s", list.Body)
	}
	self, err := ada.DescribeUserWithResponse(ctx, nil, milvus.DescribeUserRequest{UserName: "ada"})
	wants(t, http.StatusOK, self, err)
	if !holds(t, self.JSON200.Data, func(name string) bool { return name == "readers" }) {
		t.Errorf("not in the role: %s", self.Body)
	}
	grants, err := ada.DescribeRoleWithResponse(ctx, nil, milvus.RoleRequest{RoleName: "readers"})
	wants(t, http.StatusOK, grants, err)
	for _, privilege := range []string{"SelectOwnership", "searching"} {
		if !holds(t, grants.JSON200.Data, func(g milvus.Grant) bool { return g.Privilege == privilege }) {
			t.Errorf("%s is not granted: %s", privilege, grants.Body)
		}
	}

	change := milvus.UpdatePasswordRequest{UserName: "ada", Password: firstPassword, NewPassword: secondPassword}
	changed, err := ada.UpdatePasswordWithResponse(ctx, nil, change)
	coded(0, changed, err)
	self, err = ada.DescribeUserWithResponse(ctx, nil, milvus.DescribeUserRequest{UserName: "ada"})
	wants(t, http.StatusUnauthorized, self, err)
	if got := self.JSON401.Code; got != 1800 {
		t.Errorf("code: %d", got)
	}
	ada = client("ada", secondPassword)
	changed, err = ada.UpdatePasswordWithResponse(ctx, nil, change)
	coded(1400, changed, err)

	dropped, err := root.DropUserWithResponse(ctx, nil, milvus.DropUserRequest{UserName: "ada"})
	coded(0, dropped, err)
	list, err = root.ListUsersWithResponse(ctx, nil, milvus.ListRequest{})
	wants(t, http.StatusOK, list, err)
	if holds(t, list.JSON200.Data, func(name string) bool { return name == "ada" }) {
		t.Errorf("still in the list: %s", list.Body)
	}
	kept, err := root.DropRoleWithResponse(ctx, nil, milvus.RoleRequest{RoleName: "readers"})
	coded(1100, kept, err) // it has privileges
	revoked, err := root.RevokePrivilegeWithResponse(ctx, nil, grant)
	coded(0, revoked, err)
	revokedV2, err := root.RevokePrivilegeV2WithResponse(ctx, nil, grantV2)
	coded(0, revokedV2, err)
	kept, err = root.DropRoleWithResponse(ctx, nil, milvus.RoleRequest{RoleName: "readers"})
	coded(0, kept, err)
	ungrouped, err := root.DropPrivilegeGroupWithResponse(ctx, nil, milvus.PrivilegeGroupRequest{PrivilegeGroupName: "searching"})
	coded(0, ungrouped, err)
}

// What a test does that uses the workbench: a sandbox of its own, where time stands
// still, one call fails, and the journal tells what happened; what it was is kept as
// a file.
func TestJourneyUsher(t *testing.T) {
	w := newWorkbench(t, handlers.WorkbenchOptions{})
	control, err := usher.NewClientWithResponses(w.url + "/_usher")
	if err != nil {
		t.Fatal(err)
	}
	const name, snapshot, operation = "journey", "journey-copy", "getCurrentUser"
	ctx := t.Context()

	made, err := control.CreateSandboxWithResponse(ctx, usher.SandboxSpec{Name: new(name)})
	wants(t, http.StatusCreated, made, err)
	list, err := control.ListSandboxesWithResponse(ctx)
	wants(t, http.StatusOK, list, err)
	if !holds(t, &list.JSON200.Sandboxes, func(s usher.Sandbox) bool { return s.Name == name }) {
		t.Errorf("not in the list: %s", list.Body)
	}

	frozen, err := control.ChangeClockWithResponse(ctx, name, usher.ClockChange{Frozen: new(true)})
	wants(t, http.StatusOK, frozen, err)
	clock, err := control.ChangeClockWithResponse(ctx, name, usher.ClockChange{Advance: new("1h30m")})
	wants(t, http.StatusOK, clock, err)
	now := clock.JSON200.Time
	if got := now.Sub(frozen.JSON200.Time); got != 90*time.Minute || !clock.JSON200.Frozen {
		t.Errorf("advanced by %v: %s", got, clock.Body)
	}

	fault, err := control.AddFaultWithResponse(ctx, name, usher.FaultSpec{
		API: new("saymon"), Operation: new(operation), Status: new(http.StatusServiceUnavailable), First: new(1),
	})
	wants(t, http.StatusCreated, fault, err)
	faults, err := control.ListFaultsWithResponse(ctx, name)
	wants(t, http.StatusOK, faults, err)
	if !holds(t, &faults.JSON200.Faults, func(f usher.Fault) bool { return f.ID == fault.JSON201.ID }) {
		t.Errorf("not in the list: %s", faults.Body)
	}
	admin, err := saymon.NewClientWithResponses(made.JSON201.Urls.Path+"/node/api",
		saymon.WithRequestEditorFn(as(handlers.FirstAdministrator("saymon"), "saymon-admin")))
	if err != nil {
		t.Fatal(err)
	}
	for _, status := range []int{http.StatusServiceUnavailable, http.StatusOK} {
		self, err := admin.GetCurrentUserWithResponse(ctx)
		wants(t, status, self, err)
	}

	journal, err := control.ListJournalWithResponse(ctx, name, &usher.ListJournalParams{Operation: new(operation), Status: new("5xx")})
	wants(t, http.StatusOK, journal, err)
	if entries := journal.JSON200.Entries; len(entries) != 1 || entries[0].Fault == nil || *entries[0].Fault != fault.JSON201.ID || !entries[0].At.Equal(now) {
		t.Errorf("the journal: %s", journal.Body)
	}
	for _, asserted := range []struct {
		exactly int
		met     bool
	}{{2, true}, {3, false}} {
		verdict, err := control.AssertJournalWithResponse(ctx, name, usher.Assertion{
			Requests: []usher.Expectation{{Operation: new(operation), Exactly: &asserted.exactly}},
		})
		wants(t, http.StatusOK, verdict, err)
		if verdict.JSON200.Met != asserted.met {
			t.Errorf("exactly %d: %s", asserted.exactly, verdict.Body)
		}
	}

	taken, err := control.TakeSnapshotWithResponse(ctx, name, usher.SnapshotSpec{Name: new(name)})
	wants(t, http.StatusCreated, taken, err)
	file, err := control.DownloadSnapshotWithResponse(ctx, name)
	wants(t, http.StatusOK, file, err)
	copied, err := control.UploadSnapshotWithBodyWithResponse(ctx, snapshot, "application/octet-stream", bytes.NewReader(file.Body))
	wants(t, http.StatusCreated, copied, err)
	if got := copied.JSON201; got.Name != snapshot || got.Size != taken.JSON201.Size {
		t.Errorf("uploaded as %s, taken as %s", copied.Body, taken.Body)
	}

	deleted, err := control.DeleteSandboxWithResponse(ctx, name)
	wants(t, http.StatusNoContent, deleted, err)
	gone, err := control.GetSandboxWithResponse(ctx, name)
	wants(t, http.StatusNotFound, gone, err)
	if got := gone.ApplicationProblemJSON404; got == nil || got.Type != "about:blank" || got.Status != http.StatusNotFound {
		t.Errorf("the problem: %s", gone.Body)
	}
}
