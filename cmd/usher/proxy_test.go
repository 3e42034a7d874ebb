package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"usher/handlers/conform"
)

// proxyOf runs "usher proxy" on a free port. What it prints goes into out, which is
// whole when it has ended.
func proxyOf(t *testing.T, dir string, out *bytes.Buffer, args ...string) *process {
	t.Helper()
	cmd := command(t, dir, []string{"USHER_DEMO=true"}, append([]string{"proxy", "--listen", "127.0.0.1:0"}, args...)...)
	cmd.Stdout = out
	return started(t, cmd)
}

// interrupt ends a process as Ctrl-C does, and gives its exit code.
func (p *process) interrupt(t *testing.T) int {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	<-p.stderr.ended // or Wait would keep what is under way from being read
	_ = p.Wait()
	return p.ProcessState.ExitCode()
}

// A client that keeps to the contract gets what it would get without the proxy,
// and the reports say that nothing was broken.
func TestProxy(t *testing.T) {
	dir := t.TempDir()
	server := start(t, dir, nil, "--demo")
	var out bytes.Buffer
	ready := filepath.Join(dir, "ready.json")
	p := proxyOf(t, dir, &out, "--api", "saymon", "--target", server.url+"/", "--report", "json=report.json", "--report", "html=report.html", "--coverage", "--ready-file", ready)
	if said := readReady(t, ready); said.URLs["saymon"] != p.url {
		t.Errorf("%+v", said)
	}
	direct := send(t, "GET", server.url+"/node/api/users/current", "", basic("Bob", "qwerty"))
	through := send(t, "GET", p.url+"/node/api/users/current", "", basic("Bob", "qwerty"))
	through.expect(t, direct.status, direct.body)
	id := through.header.Get("Usher-Exchange")
	if id == "" {
		t.Error("the exchange has no id")
	}
	if code := p.interrupt(t); code != 0 {
		t.Errorf("exit code %d: %s", code, p.stderr)
	}
	for _, want := range []string{`"exchange":"` + id + `"`, `"operation":"getCurrentUser"`} {
		if !strings.Contains(p.stderr.String(), want) {
			t.Errorf("%s is not in the log: %s", want, p.stderr)
		}
	}
	for _, want := range []string{"getCurrentUser ", "exchanges: 1 kept to the contract, 0 broke it, 0 not judged", "not seen: createUser"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in %s", want, &out)
		}
	}
	r, text := readReport(t, dir)
	if r.API != "saymon" || r.Target != server.url || r.Count(conform.Passed) != 1 || r.Count(conform.Failed) != 0 || r.Coverage.Operations.Seen != 1 {
		t.Errorf("%s", text)
	}
	if page, err := os.ReadFile(filepath.Join(dir, "report.html")); err != nil || !bytes.Contains(page, []byte("getCurrentUser")) {
		t.Errorf("%v: %.300s", err, page)
	}
	if _, err := os.Stat(ready); err == nil {
		t.Error("the ready file is still there")
	}
}

// What breaks the contract is found, told once however often it happens, and
// without its secrets; with --enforce it does not get through.
func TestProxyFindsWhatIsBroken(t *testing.T) {
	reached := 0
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reached++
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `[{"id":5},{"id":6}]`)
	}))
	defer target.Close()
	for _, enforce := range []bool{false, true} {
		dir := t.TempDir()
		var out bytes.Buffer
		args := []string{"--api", "saymon", "--target", target.URL, "--report", "junit=report.xml"}
		if enforce {
			args = append(args, "--enforce")
		}
		p := proxyOf(t, dir, &out, args...)
		reached = 0
		for range 3 {
			users := send(t, "GET", p.url+"/node/api/users?api-token=s3cret-token", "", basic("admin", "s3cret-password"))
			created := send(t, "POST", p.url+"/node/api/users", `{"login":"ada","password":5}`, basic("admin", "s3cret-password"), header("Content-Type", "application/json"))
			if enforce != (users.status == 500) || enforce != (created.status == 400) {
				t.Errorf("enforce %v: %s, %s", enforce, users, created)
			}
		}
		if want := map[bool]int{false: 6, true: 3}[enforce]; reached != want {
			t.Errorf("enforce %v: %d requests reached the target", enforce, reached)
		}
		if code := p.interrupt(t); code != 2 {
			t.Errorf("exit code %d: %s", code, p.stderr)
		}
		report, err := os.ReadFile(filepath.Join(dir, "report.xml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"BROKEN listUsers", "the contract is broken, 3 times alike", "body /0/id", "BROKEN createUser", "request body /password", "curl ", "admin:***", "exchanges: 0 kept to the contract, 6 broke it, 0 not judged"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("enforce %v: %q is not in %s", enforce, want, &out)
			}
		}
		if n := strings.Count(out.String(), "BROKEN"); n != 2 {
			t.Errorf("%d operations broke it: %s", n, &out)
		}
		if said := out.String() + p.stderr.String() + string(report); strings.Contains(said, "s3cret") || strings.Contains(said, "incomplete") {
			t.Errorf("a secret is in it, or an answer that was not read to its end for it is told of as broken off: %s", said)
		}
	}
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// Both ways may be over TLS.
func TestProxyOverTLS(t *testing.T) {
	dir := t.TempDir()
	a := newAuthority(t)
	cert, key := a.files(t, dir, 7, time.Now().Add(time.Hour))
	server := start(t, dir, nil, "--demo", "--tls-cert", cert, "--tls-key", key)
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	target := strings.Replace(server.url, "http:", "https:", 1)
	p := proxyOf(t, dir, &out, "--api", "saymon", "--target", target, "--ca", ca, "--tls-cert", cert, "--tls-key", key)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.Replace(p.url, "http:", "https:", 1)+"/node/api/users/current", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("Bob", "qwerty")
	response, err := a.client(&tls.Config{}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK || response.Header.Get("Usher-Exchange") == "" {
		t.Errorf("%s, %v", response.Status, response.Header)
	}
	if code := p.interrupt(t); code != 0 {
		t.Errorf("exit code %d: %s", code, p.stderr)
	}

	p = proxyOf(t, dir, &out, "--api", "saymon", "--target", target)
	send(t, "GET", p.url+"/node/api/users/current", "").expect(t, http.StatusBadGateway, "usher proxy: the target gave no answer; see the log for exchange "+exchangeOf(t, p)+"\n")
}

// exchangeOf is the id of the exchange that the log tells of.
func exchangeOf(t *testing.T, p *process) string {
	t.Helper()
	_ = p.interrupt(t)
	_, rest, _ := strings.Cut(p.stderr.String(), `"exchange":"`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

func TestProxyRefuses(t *testing.T) {
	for _, test := range []struct {
		want string
		args []string
	}{
		{"which one? There are fusion, applivery", nil},
		{`no API is called "x"`, []string{"--api", "x"}},
		{"--target: where is the server?", []string{"--api", "fusion"}},
		{"--target: it begins with", []string{"--api", "fusion", "--target", "fusion.example"}},
		{"credentials go into each request", []string{"--api", "fusion", "--target", "http://a:secret@fusion.example"}},
		{"a proxy has one API", []string{"--api", "fusion", "--target", "http://fusion.example", "--listen", "milvus=127.0.0.1:0"}},
		{"0.0.0.0:0 is not loopback", []string{"--api", "fusion", "--target", "http://fusion.example", "--listen", "0.0.0.0:0"}},
		{"--tls-cert and --tls-key", []string{"--api", "fusion", "--target", "http://fusion.example", "--tls-cert", "x"}},
		{"--ca", []string{"--api", "fusion", "--target", "http://fusion.example", "--ca", "nothing.pem"}},
		{"form=file", []string{"--api", "fusion", "--target", "http://fusion.example", "--report", "html"}},
		{"it is in percent", []string{"--api", "fusion", "--target", "http://fusion.example", "--fail-under", "101"}},
	} {
		if said := outputOf(t, t.TempDir(), 1, append([]string{"proxy"}, test.args...)...); !strings.Contains(said, test.want) || strings.Contains(said, "secret") {
			t.Errorf("%v: %s", test.args, said)
		}
	}
}

// A proxy that finds its address taken leaves the ready file of who has it.
func TestProxyLeavesAnothersReadyFile(t *testing.T) {
	dir := t.TempDir()
	ready := filepath.Join(dir, "ready.json")
	server := start(t, dir, nil, "--demo", "--ready-file", ready)
	if said := outputOf(t, dir, 1, "proxy", "--api", "saymon", "--target", server.url, "--listen", strings.TrimPrefix(server.url, "http://"), "--ready-file", ready); !strings.Contains(said, "address already in use") {
		t.Error(said)
	}
	if _, err := os.Stat(ready); err != nil {
		t.Error(err)
	}
}

// The journal has what went through, is followed as it happens, and is for this
// machine alone.
func TestProxyJournal(t *testing.T) {
	dir := t.TempDir()
	server := start(t, dir, nil, "--demo")
	var out bytes.Buffer
	ready := filepath.Join(dir, "ready.json")
	p := proxyOf(t, dir, &out, "--api", "saymon", "--target", server.url, "--journal", "127.0.0.1:0", "--ready-file", ready)
	at := readReady(t, ready).Journal
	if !strings.Contains(p.stderr.String(), `"msg":"journal","url":"`+at+`"`) {
		t.Errorf("%q is not in the log: %s", at, p.stderr)
	}

	send(t, "GET", p.url+"/node/api/users/current", "", basic("Bob", "qwerty"))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at+"/stream", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Last-Event-ID", "0")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	for scanner := bufio.NewScanner(response.Body); ; {
		if !scanner.Scan() {
			t.Fatal("the stream has ended without the exchange")
		}
		if strings.Contains(scanner.Text(), `"operation":"getCurrentUser"`) {
			break
		}
	}
	if a := send(t, "GET", at+"?operation=getCurrentUser", ""); a.status != 200 || strings.Count(a.body, `"operation":"getCurrentUser"`) != 1 || strings.Contains(a.body, "qwerty") || !strings.Contains(a.body, "curl ") || !strings.Contains(a.body, server.url) {
		t.Errorf("the journal: %s", a)
	}
	if a := send(t, "POST", at+"/assert", `{"requests":[{"operation":"getCurrentUser"}]}`, header("Content-Type", "application/json")); a.status != 200 || !strings.Contains(a.body, `"met":true`) {
		t.Errorf("asserted: %s", a)
	}
	if a := send(t, "GET", strings.Replace(at, "main", "other", 1), ""); a.status != 404 {
		t.Errorf("another's journal: %s", a)
	}
	if a := send(t, "GET", strings.TrimSuffix(at, "/main/journal"), ""); a.status != 404 {
		t.Errorf("sandboxes: %s", a)
	}
	if code := p.interrupt(t); code != 0 {
		t.Errorf("exit code %d: %s", code, p.stderr)
	}
	if said := outputOf(t, dir, 1, "proxy", "--api", "saymon", "--target", server.url, "--listen", "127.0.0.1:0", "--journal", "0.0.0.0:0"); !strings.Contains(said, "is not loopback") {
		t.Error(said)
	}
}
