package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A fifth API is a contract, a generator's configuration, a package of handlers
// and a line in handlers.go. This builds usher with such a one, of testdata/acme,
// in the place where it would stand, and everything else as it is.
func TestFifthAPI(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	tool := func(in, name string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = in
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
		}
	}
	given := func(name string) string { return filepath.Join(root, "cmd", "usher", "testdata", "acme", name) }

	// What go generate would do.
	tool(root, "go", "build", "-o", dir, "usher/cmd/contract", "github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen")
	tool(dir, filepath.Join(dir, "contract"), "-document", given("openapi.yaml"), "-out", "acme")
	tool(root, filepath.Join(dir, "oapi-codegen"), "-config", given("acme.cfg.yaml"), "-o", filepath.Join(dir, "acme", "acme.gen.go"), filepath.Join(dir, "acme", "openapi.yaml"))

	// The line, and the import that it needs.
	handlers, err := os.ReadFile(filepath.Join(root, "handlers", "handlers.go"))
	if err != nil {
		t.Fatal(err)
	}
	with := strings.Replace(string(handlers), `	"usher/handlers/edge"`, `	"usher/handlers/acme"`+"\n"+`	"usher/handlers/edge"`, 1)
	const last = "milvus.Demo, milvus.DemoAccounts, o.Milvus.PasswordRule, milvus.Scripts, milvus.Form},\n"
	with = strings.Replace(with, last, last+`{acme.Name, "Acme", acme.API, acme.FirstStart, acme.Administrator, nil, acme.Demo, acme.DemoAccounts, acme.PasswordRule, acme.Scripts, acme.Form},`+"\n", 1)
	if lines := strings.Count(with, "\n") - strings.Count(string(handlers), "\n"); lines != 2 {
		t.Fatalf("%d lines more in handlers.go", lines)
	}
	if err := os.WriteFile(filepath.Join(dir, "handlers.go"), []byte(with), 0o600); err != nil {
		t.Fatal(err)
	}

	replace := map[string]string{
		filepath.Join(root, "handlers", "handlers.go"):                        filepath.Join(dir, "handlers.go"),
		filepath.Join(root, "handlers", "acme", "acme.go"):                    given("acme.go.txt"),
		filepath.Join(root, "handlers", "acme", "testdata", "accounts.txtar"): given("accounts.txtar"),
	}
	for _, name := range []string{"acme.gen.go", "openapi.gen.go", "openapi.yaml", "requests.json"} {
		replace[filepath.Join(root, "gen", "acme", name)] = filepath.Join(dir, "acme", name)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "usher")
	tool(root, "go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", program, "./cmd/usher")

	p := startOf(t, program, dir, nil, "--demo", "--listen", "acme=127.0.0.1:0")
	alone := p.next(t)
	wile := basic("wile", "anvil--")
	for _, url := range []string{p.url, alone} {
		send(t, "GET", url+"/acme/accounts/wile", "", wile).expect(t, 200, `{"roles":["genius"],"name":"wile"}`)
		send(t, "GET", url+"/acme/accounts/wile", "", basic("wile", "anvil")).expect(t, 401, `{"oops":"who are you?"}`)
		send(t, "GET", url+"/acme/accounts/"+strings.Repeat("x", 17), "", wile).expect(t, 418, `{"oops":"what is name?"}`)
		send(t, "GET", url+"/acme/anvils", "", wile).expect(t, 404, `{"oops":"nothing at /acme/anvils"}`)
	}
	create := func(body string, status int, want string) {
		t.Helper()
		a := send(t, "POST", p.url+"/acme/accounts", body, wile)
		a.expect(t, status, want)
		if media := a.header.Get("Content-Type"); media != "application/json; vendor=acme" || a.header.Get("X-Acme") == "" {
			t.Errorf("%s: headers %v", a, a.header)
		}
	}
	create(`{"name":"road"}`, 418, `{"oops":"what is password?"}`)
	create(`{"name":"road","password":"meep-meep"}`, 402, `{"oops":"needs more dashes"}`)
	create(`{"name":"road","password":"meep--meep"}`, 201, `{"roles":[],"name":"road"}`)
	create(`{"name":"road","password":"meep--meep"}`, 410, `{"oops":"taken"}`)
	send(t, "GET", p.url+"/acme/accounts/nobody", "", basic("road", "meep--meep")).expect(t, 404, `{"oops":"nobody"}`)
	send(t, "GET", alone+"/elsewhere", "").expect(t, 404, `{"oops":"nothing at /elsewhere"}`)

	if a := send(t, "GET", p.url+"/_usher/openapi/acme.yaml", ""); a.status != 200 || !strings.Contains(a.body, "title: Acme") {
		t.Errorf("its contract: %s", a)
	}
	if out, err := commandOf(t, program, dir, nil, "openapi", "acme").Output(); err != nil || !strings.Contains(string(out), "title: Acme") {
		t.Errorf("its contract, printed: %v %s", err, out)
	}
	if a := send(t, "GET", p.url+"/_usher/", ""); !strings.Contains(a.body, "Acme") {
		t.Errorf("the index does not know it: %s", a)
	}
	if a := send(t, "GET", p.url+"/_usher/metrics", ""); !strings.Contains(a.body, `api="acme",operation="createAccount",status="201"`) {
		t.Error("its requests are not counted")
	}
	var out bytes.Buffer
	conform := exec.CommandContext(t.Context(), program, "conform", "--api", "acme", "--url", p.url, "--user", "wile:anvil--")
	conform.Stdout, conform.Stderr = &out, &out
	if err := conform.Run(); err != nil || !strings.Contains(out.String(), "scripts: 1 passed, 0 failed, 0 skipped") {
		t.Errorf("conform: %v: %s", err, &out)
	}
	if a := send(t, "GET", p.url+"/node/api/users/current", "", basic("Bob", "qwerty")); a.status != 200 {
		t.Errorf("another API: %s", a)
	}
}
