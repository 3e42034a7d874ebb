package handlers_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"usher/handlers/exchange"
)

// Every answer that a contract declares can be given as an example, and keeps to
// it: Example itself checks that, and says so.
func TestEveryDeclaredAnswerHasAnExample(t *testing.T) {
	for api, c := range contracts() {
		for _, op := range c.Operations() {
			if len(op.Statuses) == 0 {
				t.Errorf("%s %s declares no status", api, op.ID)
			}
			for _, status := range op.Statuses {
				for _, name := range append([]string{""}, c.ExampleNames(op.ID, status)...) {
					body, header, err := c.Example(op.ID, status, name)
					if err != nil {
						t.Errorf("%s: %v", api, err)
						continue
					}
					if len(body) > 0 && header.Get("Content-Type") == "" {
						t.Errorf("%s %s %d %s: a body of no media type", api, op.ID, status, name)
					}
					if header.Get("Content-Type") == "application/json" && !json.Valid(body) {
						t.Errorf("%s %s %d %s: %s", api, op.ID, status, name, body)
					}
				}
			}
		}
	}
}

// What the contracts' examples print of secrets that the APIs give out is masked,
// whatever the members are called: what watches the other tests knows the secrets by
// the same names as the masks do, and would miss one.
func TestSecretsOfTheContractsAreMasked(t *testing.T) {
	for answer, secret := range map[string]string{
		"fusion createApiKey 201":    "ae52a9b0-f719-48d9-88b9-566133338cc9",
		"fusion createToken 200":     "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9",
		"applivery login 200":        "a-refresh-token-as-an-example",
		"applivery refresh 200":      "another-access-token-as-an-example",
		"saymon createSession 200":   "6de74cf1-b0cd-4a06-9dc2-5b215c7543ef",
		"saymon createAuthToken 200": "a5f946dc-4c21-4ccd-b78b-f0a5fce94f4d",
	} {
		var api, operation string
		var status int
		if _, err := fmt.Sscanf(answer, "%s %s %d", &api, &operation, &status); err != nil {
			t.Fatal(err)
		}
		body, header, err := contracts()[api].Example(operation, status, "")
		if err != nil || !strings.Contains(string(body), secret) {
			t.Errorf("%s: no %s in %s, %v", answer, secret, body, err)
			continue
		}
		masked := exchange.Masked(exchange.Exchange{Answer: exchange.Message{Status: status, Header: header, Body: body}})
		if got := string(masked.Answer.Body); got == "" || strings.Contains(got, secret) {
			t.Errorf("%s: %s", answer, got)
		}
	}
}
