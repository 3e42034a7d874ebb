package applivery

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"usher/handlers/edge"
	"usher/storage"
	"usher/storage/password"
)

// demo serves the demo world, in which it is always the same time.
func demo(t *testing.T, now time.Time) (send func(method, path, token, body string) (int, string)) {
	t.Helper()
	store, err := storage.Open(t.Context(), storage.Options{
		Path: filepath.Join(t.TempDir(), "usher.db"), Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	if _, err := store.Directory(Name).Seed(t.Context(), storage.Actor{}, Demo()); err != nil {
		t.Fatal(err)
	}
	api, err := Options{}.API(store)
	if err != nil {
		t.Fatal(err)
	}
	e := echo.New()
	if err := edge.Mount(e, edge.Options{}, api); err != nil {
		t.Fatal(err)
	}
	return func(method, path, token, body string) (int, string) {
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
}

// The vendor's page of the password change, as printed, in the demo world; and
// the id in upper case, which a script cannot write without knowing it.
func TestDemoWorld(t *testing.T) {
	send := demo(t, time.Now())

	tokens := map[string]string{}
	for _, account := range DemoAccounts() {
		email, secret, _ := strings.Cut(account, " / ")
		status, body := send("POST", "/v1/auth/login", "", `{"provider":"traditional","payload":{"email":"`+email+`","password":"`+secret+`"}}`)
		var answer struct {
			Data struct{ AccessToken struct{ Token string } }
		}
		if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
			t.Fatal(email, status, err)
		}
		tokens[email] = answer.Data.AccessToken.Token
		if broken := complexity.Check(password.Plain(secret)); broken != nil {
			t.Error(email, broken)
		}
	}

	dashboard := regexp.MustCompile(`"dashboard":"[^"]*"`) // when he was there
	const john = `{"status":true,"data":{"id":"507f1f77bcf86cd799439023","email":"john.doe@example.com","firstName":"John","lastName":"Doe","fullName":"John Doe","role":"user","newsletter":false,"hasPassword":true,"has2FAActive":false,"ssoUser":false,"organizations":[],"language":"en","verificationStatus":"verified","activityTrace":{"lastLogin":{"dashboard":""},"lastAction":{"dashboard":""}},"createdAt":"2025-10-30T21:58:00.000Z","updatedAt":"2025-10-30T21:58:00.000Z"}}`
	if status, body := send("GET", "/v1/users/507F1F77BCF86CD799439023", tokens["john.doe@example.com"], ""); status != http.StatusOK || dashboard.ReplaceAllString(body, `"dashboard":""`) != john {
		t.Errorf("%d %s", status, body)
	}
	sample := `{"oldPassword": "CurrentSecureP@ss123", "newPassword": "NewSecureP@ssw0rd!"}`
	if status, body := send("POST", "/v1/users/507f1f77bcf86cd799439023/change-password", tokens["john.doe@example.com"], sample); status != http.StatusOK || body != `{"status":true,"data":{"passwordChanged":"OK"}}` {
		t.Errorf("%d %s", status, body)
	}
}
