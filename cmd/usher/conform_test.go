package main

import (
	"bufio"
	"bytes"
	"encoding/pem"
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"usher/handlers/conform"
)

// A server that is right passes, and each report says so, without a secret.
func TestConform(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, nil, "--demo")
	cmd := command(t, dir, []string{"USHER_CONFORM_PASSWORD=Fusion4dmin", "USHER_DEMO=true"},
		"conform", "--api", "fusion", "--url", p.url+"/", "--user", "admin", "--only", "^(user-|password-|api-keys$)", "--header", "X-Test: yes",
		"--report", "junit=report.xml", "--report", "json=report.json", "--report", "html=report.html", "--coverage", "--fail-under", "20")
	out, err := cmd.CombinedOutput()
	said := string(out)
	if err != nil {
		t.Fatal(err, said)
	}
	for _, want := range []string{"passed user-get\n", "skipped (needs fresh): user-list-all", "\ncreateUser ", " 0 failed, 1 skipped in ", "not seen: createRealm", "[1/"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not in %s", want, said)
		}
	}
	texts := map[string]string{"output": said}
	for _, name := range []string{"report.xml", "report.json", "report.html"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(text)
	}
	for name, text := range texts {
		if strings.Contains(text, "Fusion4dmin") {
			t.Errorf("the password is in %s", name)
		}
	}
	r, err := conform.ReadReport([]byte(texts["report.json"]))
	if err != nil {
		t.Fatal(err)
	}
	if r.API != "fusion" || r.Target != p.url || r.Count(conform.Failed) > 0 || r.Count(conform.Passed) < 15 || len(r.Operations) < 26 || r.Coverage.Percent() < 20 {
		t.Errorf("%d passed, %+v, %+v", r.Count(conform.Passed), r.Operations, r.Coverage)
	}
	var suite struct {
		Tests int        `xml:"tests,attr"`
		Cases []struct{} `xml:"testcase"`
	}
	if err := xml.Unmarshal([]byte(texts["report.xml"]), &suite); err != nil || suite.Tests != len(r.Cases) || len(suite.Cases) != len(r.Cases) {
		t.Errorf("%v, %+v", err, suite)
	}
	if page := texts["report.html"]; !strings.Contains(page, "nothing failed") || strings.Contains(page, "http-equiv") || strings.Contains(page, "src=") || strings.Contains(page, "<link") {
		t.Errorf("the page is not what it should be: %.500s", page)
	}

	cmd = command(t, dir, nil, "conform", "--api", "fusion", "--url", p.url, "--user", "admin", "--only", "^user-get$", "--fail-under", "99")
	cmd.Stdin = strings.NewReader("Fusion4dmin\n")
	if out, _ := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "less than 99 %") {
		t.Errorf("%v: %s", cmd.ProcessState, out)
	}
}

// A server that is wrong is told so: where, how, and by which request, which has no
// secret.
func TestConformFails(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, nil, "--demo", "--milvus-password-rules", "server")
	said := outputOf(t, dir, 2, "conform", "--api", "milvus", "--url", p.url, "--user", "root:Milvus", "--only", "^documented-password-rule$", "--report", "html=report.html")
	page, err := os.ReadFile(filepath.Join(dir, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"FAILED documented-password-rule", "documented-password-rule.txtar:12: the answer is another", "cmp stdout five.txt", "out of range 8", "out of range 6",
		"curl ", "Authorization: Bearer root:***", "scripts: 0 passed, 1 failed, 0 skipped", "problems",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not in %s", want, said)
		}
	}
	for _, want := range []string{"1 failed", "documented-password-rule", "Authorization: Bearer root:***", `class="expected"`, `class="actual"`, "createUser, responses/200"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("%q is not on the page", want)
		}
	}
	for _, text := range []string{said, string(page)} {
		if strings.Contains(text, "root:Milvus") || strings.Contains(text, "Short-7") {
			t.Errorf("a secret is in %s", text)
		}
	}
}

// Over TLS, the server's certificate is looked at, unless it is not to be.
func TestConformOverTLS(t *testing.T) {
	dir := t.TempDir()
	a := newAuthority(t)
	cert, key := a.files(t, dir, 7, time.Now().Add(time.Hour))
	p := start(t, dir, nil, "--demo", "--tls-cert", cert, "--tls-key", key)
	url := strings.Replace(p.url, "http:", "https:", 1)
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"conform", "--api", "saymon", "--url", url, "--user", "admin:saymon-admin", "--only", "^create-user$"}
	if said := outputOf(t, dir, 1, args...); !strings.Contains(said, "certificate") {
		t.Error(said)
	}
	for _, more := range [][]string{{"--ca", ca}, {"--insecure-skip-verify"}} {
		if said := outputOf(t, dir, 0, append(args, more...)...); !strings.Contains(said, "1 passed") {
			t.Error(said)
		}
	}
}

// Scripts of one's own are run in place of usher's, and listed.
func TestConformOwnScripts(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, nil, "--demo")
	scripts := filepath.Join(dir, "scripts")
	if err := os.Mkdir(scripts, 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(scripts, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("mine.txtar", "# Bob sees himself. That is all.\nneeds admin vpn\nsend GET /node/api/users/current -basic Bob:qwerty\nstdout '\"login\":\"Bob\"'\n")
	of := []string{"conform", "--api", "saymon", "--scripts", scripts}
	if said := outputOf(t, dir, 0, append(of, "--list")...); !strings.Contains(said, "mine") || !strings.Contains(said, "admin, vpn") || !strings.Contains(said, "Bob sees himself.") || strings.Contains(said, "create-user") {
		t.Error(said)
	}
	at := append(slices.Clone(of), "--url", p.url, "--user", "admin:saymon-admin")
	if said := outputOf(t, dir, 1, append(slices.Clone(at), "--fail-under", "5")...); !strings.Contains(said, "skipped (needs vpn): mine") || !strings.Contains(said, "no script was run") {
		t.Error(said)
	}
	if said := outputOf(t, dir, 0, append(at, "--grant", "vpn")...); !strings.Contains(said, "1 passed") {
		t.Error(said)
	}
	write("hostile.txtar", "needs admin\nsend GET /node/api/users/current -basic Bob:qwerty\nstdout '^500 \x1b'\n")
	if said := outputOf(t, dir, 2, append(at, "--only", "hostile")...); strings.Contains(said, "\x1b") || !strings.Contains(said, "^500 \uFFFD") {
		t.Errorf("%q", said)
	}
	write("wrong.txtar", "exec rm -rf .\n")
	if said := outputOf(t, dir, 1, at...); !strings.Contains(said, `wrong.txtar:1: no command "exec"`) {
		t.Error(said)
	}
}

// A sandbox is a server like others, be it reached by its path.
func TestConformInASandbox(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, nil, "--demo")
	send(t, "POST", p.url+"/_usher/sandboxes", `{"name":"other"}`, header("Content-Type", "application/json"))
	for api, user := range map[string]string{"fusion": "admin:Fusion4dmin", "saymon": "admin:saymon-admin"} {
		outputOf(t, dir, 0, "conform", "--api", api, "--url", p.url+"/_usher/in/other", "--user", user, "--only", "^session")
	}
}

// A wrong password ends the run, which has found nothing then, and is told of without
// it.
func TestConformWrongPassword(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, nil, "--demo")
	said := outputOf(t, dir, 1, "conform", "--api", "milvus", "--url", p.url, "--user", "root:n0t-the-Passw0rd", "--report", "junit=report.xml", "--report", "json=report.json")
	junit, err := os.ReadFile(filepath.Join(dir, "report.xml"))
	if err != nil {
		t.Fatal(err)
	}
	r, text := readReport(t, dir)
	const reason = "the server refuses the administrator (401, 2 times)"
	if !strings.Contains(said, "usher: "+reason) || !strings.Contains(said, "ended early: "+reason) || !strings.Contains(string(junit), reason) || strings.Contains(said+string(junit)+text, "n0t-the") {
		t.Error(said)
	}
	if r.Interrupted == "" || r.Count(conform.Failed)+r.Count(conform.Passed) > 0 || r.Sum().Failed > 0 || !strings.Contains(string(junit), `failures="0"`) {
		t.Errorf("%s", text)
	}
}

// readReport reads the report.json of a folder.
func readReport(t *testing.T, dir string) (r *conform.Report, text string) {
	t.Helper()
	read, err := os.ReadFile(filepath.Join(dir, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	if r, err = conform.ReadReport(read); err != nil {
		t.Fatal(err)
	}
	return r, string(read)
}

func TestConformRefuses(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		want string
		args []string
	}{
		{"which one? There are fusion, applivery", nil},
		{`no API is called "x"`, []string{"--api", "x"}},
		{"where is the server?", []string{"--api", "fusion"}},
		{"--url: it begins with", []string{"--api", "fusion", "--url", "fusion.example"}},
		{"--url: it begins with", []string{"--api", "fusion", "--url", "http://fusion.example?x=y"}},
		{"credentials go into --user", []string{"--api", "fusion", "--url", "http://a:secret@fusion.example"}},
		{"no answer: connection refused", []string{"--api", "fusion", "--url", "http://127.0.0.1:1", "--user", "a:secret"}},
		{`no script needs "vpn"`, []string{"--api", "fusion", "--grant", "vpn"}},
		{"--wait", []string{"--api", "fusion", "--grant", "clock"}},
		{"granted by --user", []string{"--api", "fusion", "--grant", "admin"}},
		{"--user: it is name", []string{"--api", "fusion", "--url", "http://127.0.0.1:1", "--user", ":secret"}},
		{"in percent", []string{"--api", "fusion", "--fail-under", "NaN"}},
		{"missing closing", []string{"--api", "fusion", "--only", "("}},
		{"no script is called like", []string{"--api", "fusion", "--only", "nothing-is"}},
		{"form=file", []string{"--api", "fusion", "--report", "html"}},
		{"form=file", []string{"--api", "fusion", "--report", "pdf=x"}},
		{"empty is a folder", []string{"--api", "fusion", "--report", "html=" + empty}},
		{"--report: stat nowhere", []string{"--api", "fusion", "--report", "html=nowhere/report.html"}},
		{"in percent", []string{"--api", "fusion", "--fail-under", "101"}},
		{"no script: there is no file", []string{"--api", "fusion", "--scripts", empty}},
		{"'Name: value'", []string{"--api", "fusion", "--url", "http://127.0.0.1:1", "--header", "secret"}},
		{"--ca: no certificate", []string{"--api", "fusion", "--url", "https://127.0.0.1:1", "--ca", os.DevNull}},
		{"--ca: open", []string{"--api", "fusion", "--url", "https://127.0.0.1:1", "--ca", "nowhere.pem"}},
		{"it is no argument", []string{"secret"}},
	} {
		if said := outputOf(t, dir, 1, append([]string{"conform"}, test.args...)...); !strings.Contains(said, test.want) || strings.Contains(said, "secret") {
			t.Errorf("%q: %s", test.args, said)
		}
	}
}

// Who interrupts a run gets the report of what there is, and what was made is gone.
func TestConformIsInterrupted(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, nil, "--demo")
	for name, text := range map[string]string{
		"first.txtar": "needs admin\nsend GET /node/api/users/current -basic $ADMIN:$ADMIN_PASSWORD\nstdout ^200\n",
		"second.txtar": `needs admin clock
unique EVE eve
send POST /node/api/users -basic $ADMIN:$ADMIN_PASSWORD eve.json
capture ID id
defer DELETE /node/api/users/$ID -basic $ADMIN:$ADMIN_PASSWORD
advance 1h
send GET /node/api/users/current -basic $ADMIN:$ADMIN_PASSWORD
-- eve.json --
{"login":"$EVE","password":"qwerty"}
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := command(t, dir, nil, "conform", "--api", "saymon", "--scripts", dir, "--url", p.url, "--user", "admin:saymon-admin", "--wait", "1h", "--report", "json=report.json")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	told := false
	for said := bufio.NewScanner(stderr); said.Scan(); {
		if strings.Contains(said.Text(), "passed first") {
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
		}
		told = told || strings.Contains(said.Text(), "interrupt once more")
	}
	if !told {
		t.Error("nobody says why it has not ended at once")
	}
	if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != 1 {
		t.Error(cmd.ProcessState)
	}
	r, _ := readReport(t, dir)
	if r.Interrupted == "" || len(r.Cases) != 2 || r.Count(conform.Passed) != 1 || r.Count(conform.Skipped) != 1 || r.Cases[1].Reason != "interrupted" || len(r.Left()) > 0 {
		t.Errorf("%+v", r)
	}
	if a := send(t, "GET", p.url+"/node/api/users", "", basic("admin", "saymon-admin")); strings.Contains(a.body, `"login":"eve`) {
		t.Errorf("what was made is still there: %s", a)
	}
}

// Who interrupts a run once more does not wait until all is gone; a terminal that closes
// does, however often it says so.
func TestConformIsInterruptedTwice(t *testing.T) {
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGHUP} {
		t.Run(signal.String(), func(t *testing.T) { interruptTwice(t, signal) })
	}
}

func interruptTwice(t *testing.T, signal os.Signal) {
	t.Helper()
	dir := t.TempDir()
	reached, over := make(chan string), make(chan struct{})
	target := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		reached <- r.Method
		if r.Method == http.MethodDelete {
			<-over
		}
	}))
	defer target.Close()
	goOn := sync.OnceFunc(func() { close(over) })
	defer goOn()
	script := "defer DELETE /node/api/users/1\nsend POST /node/api/users\nadvance 1h\nsend GET /node/api/users\n"
	if err := os.WriteFile(filepath.Join(dir, "waits.txtar"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := command(t, dir, nil, "conform", "--api", "saymon", "--scripts", dir, "--url", target.URL, "--wait", "1h")
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- cmd.Wait() }()
	for _, want := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} { // the first is whether there is a server
		select {
		case got := <-reached:
			if got != want {
				t.Fatalf("%s, and not %s", got, want)
			}
		case err := <-ended:
			t.Fatalf("it has ended before %s: %v: %s", want, err, &said)
		}
		if want != http.MethodGet {
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
		}
	}
	patient := signal == syscall.SIGHUP
	if patient {
		goOn()
	}
	// Its last word it has only in good order; the answer to POST may have been judged.
	if err := <-ended; err == nil || strings.Contains(said.String(), "usher: ") != patient {
		t.Errorf("%v: %s", err, &said)
	}
}
