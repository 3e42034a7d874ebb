package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/handlers"
)

// The tests run the program as a user does: as a process of its own, reached
// over HTTP. The test binary is that program when this variable is set.
const asProgram = "TEST_RUN_AS_USHER"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// process is a running usher.
type process struct {
	*exec.Cmd
	url    string
	stderr *lines
}

// lines keeps what a process wrote, and finds the lines that say where it listens.
type lines struct {
	mu      sync.Mutex
	all     bytes.Buffer
	address chan string   // of the next place
	ended   chan struct{} // closed when there is no more
}

func (l *lines) copy(r io.Reader) {
	defer close(l.ended)
	for scanner := bufio.NewScanner(r); scanner.Scan(); {
		l.mu.Lock()
		l.all.Write(append(scanner.Bytes(), '\n'))
		l.mu.Unlock()
		var entry struct{ Msg, Address string }
		if json.Unmarshal(scanner.Bytes(), &entry) == nil && entry.Msg == "listening" {
			l.address <- entry.Address
		}
	}
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// command is the program, not yet started, in an empty folder with an
// environment of its own.
func command(tb testing.TB, dir string, environ []string, args ...string) *exec.Cmd {
	tb.Helper()
	program, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	return commandOf(tb, program, dir, environ, args...)
}

// commandOf is command for another program.
func commandOf(tb testing.TB, program, dir string, environ []string, args ...string) *exec.Cmd {
	tb.Helper()
	// However a test goes wrong, the program does not outlive it by much.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), 10*time.Minute)
	tb.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = append([]string{asProgram + "=1", "TMPDIR=" + dir}, environ...)
	return cmd
}

// start runs "usher serve" on a free port until the test ends.
func start(tb testing.TB, dir string, environ []string, args ...string) *process {
	tb.Helper()
	program, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	return startOf(tb, program, dir, environ, args...)
}

// startOf is start for another program.
func startOf(tb testing.TB, program, dir string, environ []string, args ...string) *process {
	tb.Helper()
	return started(tb, commandOf(tb, program, dir, environ, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...))
}

// started starts a command that listens, and waits until it does.
func started(tb testing.TB, cmd *exec.Cmd) *process {
	tb.Helper()
	p := &process{Cmd: cmd, stderr: &lines{address: make(chan string, 8), ended: make(chan struct{})}}
	stderr, err := p.StderrPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := p.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.kill)
	go p.stderr.copy(stderr)
	p.url = p.next(tb)
	return p
}

// next is the URL of the next place that the process says it listens at.
func (p *process) next(tb testing.TB) string {
	tb.Helper()
	select {
	case address := <-p.stderr.address:
		return "http://" + address
	case <-time.After(20 * time.Second):
		tb.Fatalf("usher does not listen: %s", p.stderr)
		return ""
	}
}

// kill ends the process as a power cut would.
func (p *process) kill() {
	if p.ProcessState == nil {
		_ = p.Process.Kill()
		_ = p.Wait()
	}
}

// answer is what came back: the status and the body.
type answer struct {
	status int
	body   string
	header http.Header
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, a.body) }

// send sends a request; each option changes it.
func send(tb testing.TB, method, url, body string, options ...func(*http.Request)) answer {
	tb.Helper()
	r, err := http.NewRequestWithContext(tb.Context(), method, url, strings.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, option := range options {
		option(r)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return answer{response.StatusCode, string(text), response.Header}
}

func basic(user, password string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(user, password) }
}

func bearer(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

// expect compares an answer with what its vendor's page prints.
func (a answer) expect(tb testing.TB, status int, body string) {
	tb.Helper()
	if a.status != status || a.body != body {
		tb.Errorf("got  %s\nwant %d %s", a, status, body)
	}
}

// The examples that the vendors' pages print, host and port aside, against the
// demo world.
func TestThePagesOwnExamples(t *testing.T) {
	p := start(t, t.TempDir(), nil, "--demo")

	t.Run("saymon", func(t *testing.T) {
		const path = "/node/api/users/5e78c51788c61a1fbf34b673/password"
		const body = "{\n    \"currentPassword\": \"qwerty\",\n    \"newPassword\": \"qwerty_qwerty\"\n}\n"
		a := send(t, "PUT", p.url+path, body, basic("Bob", "qwerty"))
		a.expect(t, 200, "")
		if a.header.Get("Content-Type") != "" {
			t.Errorf("an empty body of type %q", a.header.Get("Content-Type"))
		}
		send(t, "GET", p.url+"/node/api/users/current", "", basic("Bob", "qwerty")).expect(t, 401,
			`{"code":"InvalidCredentials","message":"{\"errorCode\":3,\"message\":\"Invalid login or password.\"}"}`)
		if a := send(t, "GET", p.url+"/node/api/users/current", "", basic("Bob", "qwerty_qwerty")); a.status != 200 {
			t.Errorf("the new password: %s", a)
		}
		// The page's Node sample sends its body in chunks, its Python sample none.
		chunked := func(r *http.Request) { r.ContentLength = -1; r.Body = io.NopCloser(struct{ io.Reader }{r.Body}) }
		send(t, "PUT", p.url+path, `{"currentPassword":"qwerty_qwerty","newPassword":"qwerty"}`, basic("Bob", "qwerty_qwerty"), chunked).expect(t, 200, "")
		send(t, "PUT", p.url+path, "", basic("Bob", "qwerty")).expect(t, 400,
			`{"code":"BadRequest","message":"Mandatory \"newPassword\" parameter is absent/empty."}`)
	})

	t.Run("milvus", func(t *testing.T) {
		a := send(t, "POST", p.url+"/v2/vectordb/users/update_password",
			"{\n    \"newPassword\": \"P@ssw0rd!\",\n    \"userName\": \"milvusAdmin\",\n    \"password\": \"P@ssw0rd\"\n}")
		a.expect(t, 200, `{"code":0,"data":{}}`)
	})

	t.Run("applivery", func(t *testing.T) {
		const path = "/v1/users/507f1f77bcf86cd799439023/change-password"
		const body = `{"oldPassword":"CurrentSecureP@ss123","newPassword":"NewSecureP@ssw0rd!"}`
		login := func(email, password string) string {
			t.Helper()
			a := send(t, "POST", p.url+"/v1/auth/login", `{"provider":"traditional","payload":{"email":"`+email+`","password":"`+password+`"}}`)
			var in struct {
				Data struct{ AccessToken struct{ Token string } }
			}
			if err := json.Unmarshal([]byte(a.body), &in); err != nil || in.Data.AccessToken.Token == "" {
				t.Fatalf("login: %s", a)
			}
			return in.Data.AccessToken.Token
		}
		token := login("john.doe@example.com", "CurrentSecureP@ss123")
		send(t, "POST", p.url+path, body).expect(t, 401, `{"status":false,"error":{"code":4002,"message":"No auth token"}}`)
		send(t, "POST", p.url+path, body, bearer("unknown")).expect(t, 401, `{"status":false,"error":{"code":4001,"message":"Unauthorized"}}`)
		send(t, "POST", p.url+path, strings.Replace(body, "Current", "Former!", 1), bearer(token)).expect(t, 400, `{"status":false,"error":{"code":5023,"message":"Incorrect old password"}}`)
		admin := login("admin@example.com", "AdminSecureP@ss123")
		send(t, "POST", p.url+"/v1/users/507f1f77bcf86cd799439099/change-password", body, bearer(admin)).expect(t, 404, `{"status":false,"error":{"code":3001,"message":"Entity not found"}}`)
		send(t, "POST", p.url+path, body, bearer(token)).expect(t, 200, `{"status":true,"data":{"passwordChanged":"OK"}}`)
	})

	t.Run("fusion", func(t *testing.T) {
		const user = "fe0885f2-8885-4c46-a3ea-8e5d0041c293"
		url := p.url + "/api/users/" + user
		asAdmin, asUser := basic("admin", "Fusion4dmin"), basic("1new-user-test", "password123")
		before := time.Now().UTC().Truncate(time.Second)
		a := send(t, "PUT", url, `{"username":"1new-user-test","realmName":"native","timezone":"Pacific Time (US & Canada)","permissions":[{"methods":["GET","PUT"]}]}`, asAdmin)
		var edited struct{ UpdatedAt time.Time }
		if err := json.Unmarshal([]byte(a.body), &edited); err != nil || edited.UpdatedAt.Before(before) {
			t.Errorf("updatedAt: %v in %s", err, a)
		}
		want := `{"id":"` + user + `","username":"1new-user-test","realmName":"native","createdAt":"2025-10-30T21:59:01Z","updatedAt":"` +
			edited.UpdatedAt.Format(time.RFC3339) + `","roleNames":[],"timezone":"Pacific Time (US & Canada)","permissions":[{"methods":["GET","PUT"]}]}`
		a.expect(t, 200, want)

		patch := func(body string, as func(*http.Request)) answer { return send(t, "PATCH", url, body, as) }
		const own = `{"currentPassword":"password123","password":"password456","passwordConfirm":"password456"}`
		// Neither roles nor a permission that covers it: not even the own password.
		patch(own, asUser).expect(t, 403, `{"code":"forbidden","message":"User is not allowed to make a change"}`)
		if a := send(t, "PUT", url, `{"roleNames":["search","developer"]}`, asAdmin); a.status != 200 {
			t.Fatalf("roles back: %s", a)
		}
		patch(`{"currentPassword":"password123","password":"password456","passwordConfirm":"password457"}`, asUser).expect(t, 400, `{"code":"password-mismatch","message":"password and passwordConfirm must match"}`)
		patch(`{"currentPassword":"password123","password":"short1","passwordConfirm":"short1"}`, asUser).expect(t, 400, `{"code":"password-rule","message":"Passwords must contain alpha+numeric chars and have a length of 8-20"}`)
		if a := patch(own, asUser); a.status != 200 || !strings.Contains(a.body, `"roleNames":["search","developer"]`) {
			t.Errorf("own password: %s", a)
		}
		asUser = basic("1new-user-test", "password456")
		other := strings.Replace(own, `"currentPassword":"password123",`, "", 1)
		send(t, "PATCH", p.url+"/api/users/d8e2f424-73b4-4ef9-a789-497bc56e7975", other, asUser).expect(t, 403, `{"code":"forbidden","message":"User is not allowed to make a change"}`)
		send(t, "PATCH", p.url+"/api/users/nobody", other, asAdmin).expect(t, 404, `{"code":"not-found","message":"User cannot be found"}`)
		if a := patch(`{"password":"password789","passwordConfirm":"password789"}`, asAdmin); a.status != 200 {
			t.Errorf("as the admin: %s", a)
		}
	})
}

// A first start says the administrators' passwords once; they work, and the
// next start has nothing to say.
func TestFirstStart(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, []string{"USHER_MILVUS_ADMIN_PASSWORD=Milvus"})
	said := p.stderr.String()
	passwords := map[string]string{}
	for _, line := range strings.Split(said, "\n") {
		if fields := strings.Fields(line); len(fields) == 3 && !strings.HasPrefix(line, "{") {
			passwords[fields[0]] = fields[2]
		}
	}
	if len(passwords) != 2 || passwords["applivery"] == "" || passwords["saymon"] == "" {
		t.Fatalf("passwords of %v in: %s", passwords, said)
	}
	if a := send(t, "GET", p.url+"/node/api/users/current", "", basic("admin", passwords["saymon"])); a.status != 200 {
		t.Errorf("saymon: %s", a)
	}
	if a := send(t, "POST", p.url+"/v1/auth/login", `{"provider":"traditional","payload":{"email":"admin@example.com","password":"`+passwords["applivery"]+`"}}`); a.status != 200 {
		t.Errorf("applivery: %s", a)
	}
	send(t, "POST", p.url+"/v2/vectordb/users/list", "{}", bearer("root:Milvus")).expect(t, 200, `{"code":0,"data":["root"]}`)
	send(t, "POST", p.url+"/api", `{"password":"password123"}`).expect(t, 201, "")
	if a := send(t, "GET", p.url+"/api/users", "", basic("admin", "password123")); a.status != 200 {
		t.Errorf("fusion: %s", a)
	}
	p.kill()

	again := start(t, dir, nil)
	if strings.Contains(again.stderr.String(), "First start") {
		t.Errorf("the second start said: %s", again.stderr)
	}
	if a := send(t, "GET", again.url+"/node/api/users/current", "", basic("admin", passwords["saymon"])); a.status != 200 {
		t.Errorf("after a restart: %s", a)
	}
	again.kill()
	// A store that is not empty stays as it is.
	demo := start(t, dir, nil, "--demo", "--db", "usher.db")
	if a := send(t, "GET", demo.url+"/node/api/users/current", "", basic("Bob", "qwerty")); a.status != 401 {
		t.Errorf("--demo changed a store that was not empty: %s", a)
	}
	if said := demo.stderr.String(); !strings.Contains(said, "--demo changes nothing") || strings.Contains(said, `"demo":true`) {
		t.Errorf("--demo on a store that was not empty: %s", said)
	}
}

// Fusion's administrator, who has no password after a first start, may be given
// one by a later start; who has one keeps it, and the log says so.
func TestPasswordOfALaterStart(t *testing.T) {
	dir := t.TempDir()
	start(t, dir, nil).kill()
	later := start(t, dir, []string{"USHER_FUSION_ADMIN_PASSWORD=password123"})
	if a := send(t, "GET", later.url+"/api/users", "", basic("admin", "password123")); a.status != 200 {
		t.Errorf("the password of a later start: %s", a)
	}
	send(t, "POST", later.url+"/api", `{"password":"password456"}`).expect(t, 409, `{"code":"exists","message":"The initial admin password is already set"}`)
	if said := later.stderr.String(); strings.Contains(said, "is not used") {
		t.Error(said)
	}
	later.kill()
	last := start(t, dir, []string{"USHER_FUSION_ADMIN_PASSWORD=password456", "USHER_MILVUS_ADMIN_PASSWORD=Milvus"})
	if a := send(t, "GET", last.url+"/api/users", "", basic("admin", "password123")); a.status != 200 {
		t.Errorf("the first password: %s", a)
	}
	if said := last.stderr.String(); strings.Count(said, "is not used") != 2 {
		t.Errorf("of two passwords that are not used: %s", said)
	}
	last.kill()
}

func TestDemoStoreGoesWithTheServer(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, nil, "--demo")
	if found, _ := filepath.Glob(filepath.Join(dir, "usher-demo-*")); len(found) != 1 {
		t.Fatalf("the temporary store: %v", found)
	}
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("%v: %s", err, p.stderr)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A request under way is answered before the server ends.
func TestTermDrains(t *testing.T) {
	p := start(t, t.TempDir(), nil, "--demo")
	connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	const body = `{"userName":"root"}`
	if _, err := fmt.Fprintf(connection, "POST /v2/vectordb/users/describe HTTP/1.1\r\nHost: usher\r\nAuthorization: Bearer root:Milvus\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:5]); err != nil {
		t.Fatal(err)
	}
	// The request is under way once the log has nothing to say of it and the
	// hash of its credentials is through; its body is still missing.
	time.Sleep(300 * time.Millisecond)
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for wait := time.Now(); !strings.Contains(p.stderr.String(), `"draining"`); time.Sleep(5 * time.Millisecond) {
		if time.Since(wait) > 10*time.Second {
			t.Fatalf("it does not drain: %s", p.stderr)
		}
	}
	if _, err := io.WriteString(connection, body[5:]); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK || string(text) != `{"code":0,"data":[],"description":""}` {
		t.Errorf("got %d %s", response.StatusCode, text)
	}
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
}

// An API may have its vendor's own port, where every path is that vendor's; it
// is the same API as on the port of all.
func TestOnePortForOneAPI(t *testing.T) {
	p := start(t, t.TempDir(), nil, "--demo", "--listen", "milvus=127.0.0.1:0", "--listen", "saymon=127.0.0.1:0")
	milvus, saymon := p.next(t), p.next(t)
	root := bearer("root:Milvus")
	send(t, "POST", milvus+"/v2/vectordb/users/create", `{"userName":"claire","password":"P@ssw0rd!"}`, root).expect(t, 200, `{"code":0,"data":{}}`)
	for _, url := range []string{p.url, milvus} {
		send(t, "POST", url+"/v2/vectordb/users/list", "{}", bearer("claire:P@ssw0rd!")).expect(t, 403,
			`{"code":65535,"message":"rpc error: code = PermissionDenied desc = PrivilegeSelectOwnership: permission deny to claire in the `+"`default`"+` database"}`)
	}
	for _, path := range []string{"/", "/api/users", "/node/api/users/current", "/v2"} {
		send(t, "GET", milvus+path, "", root).expect(t, 404, "404 page not found")
		send(t, "GET", milvus+path, "").expect(t, 401, `{"code":1800,"message":"user hasn't authenticated"}`)
	}
	send(t, "GET", saymon+"/elsewhere", "").expect(t, 404, `{"code":"ResourceNotFound","message":"/elsewhere does not exist"}`)
	if a := send(t, "GET", saymon+"/node/api/users/current", "", basic("Bob", "qwerty")); a.status != 200 {
		t.Error(a)
	}
	for _, page := range []string{"healthz", "readyz", "metrics", "openapi/milvus.yaml", ""} {
		for _, url := range []string{p.url, milvus} {
			if a := send(t, "HEAD", url+"/_usher/"+page, ""); a.status != 200 || a.body != "" {
				t.Errorf("HEAD %s: %s", page, a)
			}
		}
	}
	send(t, "GET", milvus+"/_usher/healthz", "").expect(t, 200, "ok\n")
	for _, url := range []string{p.url, milvus} {
		if a := send(t, "GET", url+"/_usher/metrics", ""); !strings.Contains(a.body, `usher_requests_total{api="milvus",operation="listUsers",status="403"} 2`) {
			t.Errorf("the requests on both ports are not counted together: %s", a)
		}
	}
	if a := send(t, "GET", milvus+"/_usher/", ""); strings.Contains(a.body, "fusion") || !strings.Contains(a.body, "milvus.yaml") {
		t.Error(a)
	}
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("%v: %s", err, p.stderr)
	}
}

func TestOwnPages(t *testing.T) {
	p := start(t, t.TempDir(), nil, "--demo")
	for path, want := range map[string]string{
		"/":                              "<title>usher</title>",
		"/_usher":                        "<title>usher</title>",
		"/_usher/":                       "/_usher/openapi/saymon.yaml",
		"/_usher/healthz":                "ok\n",
		"/_usher/readyz":                 "ok\n",
		"/_usher/metrics":                "go_goroutines",
		"/_usher/openapi/fusion.yaml":    "openapi: 3.0.3",
		"/_usher/openapi/applivery.yaml": "openapi: 3.0.3",
		"/_usher/openapi/saymon.yaml":    "openapi: 3.0.3",
		"/_usher/openapi/milvus.yaml":    "openapi: 3.0.3",
	} {
		if a := send(t, "GET", p.url+path, ""); a.status != 200 || !strings.Contains(a.body, want) {
			t.Errorf("%s: %.200s", path, a)
		}
	}
	send(t, "GET", p.url+"/nowhere", "").expect(t, 404, "Not Found; what is served here: /_usher/\n")
	send(t, "POST", p.url+"/_usher/healthz", "").expect(t, 405, "Method Not Allowed; what is served here: /_usher/\n")
}

func TestSettings(t *testing.T) {
	tests := []struct {
		name    string
		environ []string
		args    []string
		want    string
	}{
		{"unknown flag", nil, []string{"serve", "--lisen", "x"}, "unknown flag: --lisen"},
		{"unknown variable", []string{"USHER_LISEN=x", "USHER_DBB=y"}, []string{"serve", "--listen", "127.0.0.1:0"}, "unknown settings: USHER_DBB, USHER_LISEN"},
		{"variable in another spelling", []string{"USHER_LOG-FORMAT=text"}, []string{"serve", "--listen", "127.0.0.1:0"}, "unknown settings: USHER_LOG-FORMAT"},
		{"no API's password", []string{"USHER_ACME_ADMIN_PASSWORD=x"}, []string{"serve", "--listen", "127.0.0.1:0"}, "unknown settings: USHER_ACME_ADMIN_PASSWORD"},
		{"bad value", []string{"USHER_MILVUS_AUTH=perhaps"}, []string{"serve", "--listen", "127.0.0.1:0"}, "USHER_MILVUS_AUTH: "},
		{"log format", nil, []string{"serve", "--log-format", "xml"}, `log format "xml"`},
		{"rules", []string{"USHER_MILVUS_PASSWORD_RULES=none"}, []string{"serve"}, `password rules "none"`},
		{"rate limit", nil, []string{"serve", "--applivery-rate-limit", "-1"}, "-1 is less than none"},
		{"users", nil, []string{"serve", "--milvus-max-users", "0"}, "0 leaves no room for root"},
		{"roles", []string{"USHER_MILVUS_MAX_ROLES=1"}, []string{"serve"}, "1 leaves no room for admin and public"},
		{"no file", nil, []string{"serve", "--db", "", "--listen", "127.0.0.1:0"}, "a store needs a file"},
		{"no file, by variable", []string{"USHER_DB="}, []string{"serve", "--listen", "127.0.0.1:0"}, "a store needs a file"},
		{"no address", []string{"USHER_LISTEN="}, []string{"serve"}, "--listen: no address"},
		{"plain for all", nil, []string{"serve", "--listen", "0.0.0.0:0"}, "0.0.0.0:0 is not loopback, and passwords would cross the network unencrypted"},
		{"plain for all, unnamed", nil, []string{"serve", "--listen", "127.0.0.1:0", "--listen", "milvus=:0"}, ":0 is not loopback, and passwords"},
		{"insecure is no demo", nil, []string{"serve", "--demo", "--insecure", "--listen", "0.0.0.0:0"}, "its passwords are public: 0.0.0.0:0 is not loopback"},
		{"certificate without key", nil, []string{"serve", "--tls-cert", "x.pem", "--listen", "127.0.0.1:0"}, "one does not do without the other"},
		{"key without certificate", []string{"USHER_TLS_KEY=x.pem"}, []string{"serve", "--listen", "127.0.0.1:0"}, "one does not do without the other"},
		{"no such certificate", []string{"USHER_TLS_CERT=x.pem", "USHER_TLS_KEY=y.pem"}, []string{"serve", "--listen", "127.0.0.1:0"}, "open x.pem: no such file"},
		{"encrypted and insecure", nil, []string{"serve", "--tls-cert", "x", "--tls-key", "y", "--insecure"}, "--insecure is for a server without --tls-cert"},
		{"workbench for all", nil, []string{"serve", "--workbench", "--insecure", "--listen", "0.0.0.0:0"}, "--workbench without --workbench-token listens on loopback only: 0.0.0.0:0 is not loopback"},
		{"workbench for all, by name", []string{"USHER_WORKBENCH=true"}, []string{"serve", "--insecure", "--listen", "127.0.0.1:0", "--listen", "milvus=example.invalid:0"}, "example.invalid:0 is not loopback"},
		{"token without workbench", nil, []string{"serve", "--workbench-token", "0123456789abcdef"}, "--workbench-token is for --workbench"},
		{"token that is guessed soon", []string{"USHER_WORKBENCH_TOKEN=short"}, []string{"serve", "--workbench"}, "16 characters or more"},
		{"connections", nil, []string{"serve", "--max-connections", "-1"}, "-1 is less than none"},
		{"proxy", nil, []string{"serve", "--trusted-proxy", "10.0.0"}, "is no network"},
		{"every proxy, mapped", nil, []string{"serve", "--trusted-proxy", "::ffff:0:0/96"}, "is everybody"},
		{"every proxy", []string{"USHER_TRUSTED_PROXY=10.0.0.0/8,::/0"}, []string{"serve"}, "::/0 is everybody"},
		{"no address among others", nil, []string{"serve", "--listen", "127.0.0.1:0,"}, `one of the addresses in "127.0.0.1:0," is empty`},
		{"no port", nil, []string{"serve", "--listen", "localhost"}, "missing port in address"},
		{"no such API", nil, []string{"serve", "--listen", "acme=127.0.0.1:0"}, `no API is called "acme": there are fusion, applivery, saymon, milvus`},
		{"demo for all, one API", nil, []string{"serve", "--demo", "--listen", "127.0.0.1:0", "--listen", "milvus=:0"}, ":0 is not loopback"},
		{"no such address", nil, []string{"serve", "--listen", "127.0.0.1:0,127.0.0.1:99999"}, "address 99999"},
		{"password of the demo world", []string{"USHER_SAYMON_ADMIN_PASSWORD=shorter-one"}, []string{"serve", "--demo", "--listen", "127.0.0.1:0"}, "the demo world has its own administrators"},
		{"demo for all", nil, []string{"serve", "--demo", "--listen", "0.0.0.0:0"}, "0.0.0.0:0 is not loopback"},
		{"demo for all, unnamed", nil, []string{"serve", "--demo", "--listen", ":0"}, ":0 is not loopback"},
		{"demo by variable", []string{"USHER_DEMO=true", "USHER_LISTEN=192.0.2.1:0"}, []string{"serve"}, "192.0.2.1:0 is not loopback"},
		{"weak first password", []string{"USHER_FUSION_ADMIN_PASSWORD=short"}, []string{"serve", "--listen", "127.0.0.1:0"}, "fusion: first start: "},
		{"no such folder", nil, []string{"serve", "--db", "none/usher.db"}, "none/usher.db"},
		{"argument", nil, []string{"serve", "now"}, `unknown command "now"`},
		{"command", nil, []string{"sing"}, `unknown command "sing"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cmd := command(t, t.TempDir(), test.environ, test.args...)
			stop := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
			defer stop.Stop()
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), test.want) || strings.Contains(string(out), "short") {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// A place that cannot be had leaves no store behind, and no other place taken.
func TestPlaceThatCannotBeHad(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for _, address := range []string{taken.Addr().String(), "127.0.0.1:99999"} {
		for _, demo := range []string{"--demo=false", "--demo"} {
			dir := t.TempDir()
			out, err := command(t, dir, nil, "serve", demo, "--listen", "127.0.0.1:0", "--listen", address).CombinedOutput()
			left, _ := os.ReadDir(dir)
			if err == nil || !strings.Contains(string(out), "listen tcp") || len(left) != 0 {
				t.Errorf("%s %s: %v, left behind: %v, said: %s", demo, address, err, left, out)
			}
		}
	}
}

// Milvus has room for as many as it is told.
func TestLimitsOfMilvus(t *testing.T) {
	p := start(t, t.TempDir(), []string{"USHER_MILVUS_MAX_ROLES=3"}, "--demo", "--milvus-max-users", "3")
	root := bearer("root:Milvus")
	for _, step := range []struct{ path, body string }{
		{"users/create", `{"userName":"%s","password":"P@ssw0rd!"}`},
		{"roles/create", `{"roleName":"%s"}`},
	} {
		url := p.url + "/v2/vectordb/" + step.path
		send(t, "POST", url, fmt.Sprintf(step.body, "third"), root).expect(t, 200, `{"code":0,"data":{}}`)
		if a := send(t, "POST", url, fmt.Sprintf(step.body, "fourth"), root); strings.Contains(a.body, `"code":0,`) || a.status != 200 {
			t.Errorf("one too many: %s", a)
		}
	}
}

func TestFlagBeforeVariable(t *testing.T) {
	p := start(t, t.TempDir(), []string{"USHER_LISTEN=192.0.2.1:1", "USHER_DEMO=true", "USHER_MILVUS_AUTH=false"})
	send(t, "POST", p.url+"/v2/vectordb/users/list", "{}").expect(t, 200, `{"code":0,"data":["milvusAdmin","root"]}`)
}

// A first start that is interrupted has said each password that the store has.
func TestInterruptedFirstStart(t *testing.T) {
	dir := t.TempDir()
	for wait := 15 * time.Millisecond; ; wait = wait * 3 / 2 {
		cmd := command(t, dir, nil, "serve", "--listen", "127.0.0.1:0", "--db", fmt.Sprintf("%d.db", wait))
		var stderr lockedBuffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(wait)
		listening := strings.Contains(stderr.String(), `"listening"`)
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if listening {
			return
		}
		if _, err := os.Stat(filepath.Join(dir, cmd.Args[len(cmd.Args)-1])); err != nil {
			continue // not even a store yet
		}
		first := stderr.String()
		again := start(t, dir, nil, "--db", cmd.Args[len(cmd.Args)-1])
		for _, api := range []string{"applivery", "saymon", "milvus"} {
			if said := strings.Count(first+again.stderr.String(), "\n  "+api+" "); said != 1 {
				t.Fatalf("interrupted after %v: the password of %s was said %d times:\n%s\n%s", wait, api, said, first, again.stderr)
			}
		}
		again.kill()
	}
}

// lockedBuffer may be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // not embedded: its ReadFrom would go round the lock
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// addressed is a listener that has an address and nothing else.
type addressed struct {
	net.Listener
	addr net.Addr
}

func (a addressed) Addr() net.Addr { return a.addr }

func TestBanner(t *testing.T) {
	served := []handlers.Summary{
		{Name: "acme", Title: "Acme", Base: "/acme", DemoAccounts: []string{"wile / coyote"}},
		{Name: "bell", Title: "Bell", Base: "/bell"},
	}
	at := func(api, ip string) listening {
		return listening{place{api: api}, addressed{addr: &net.TCPAddr{IP: net.ParseIP(ip), Port: 1}}}
	}
	demo := banner(settings{demo: true, temporary: true, milvusAuth: true}, []listening{at("", "127.0.0.1"), at("bell", "127.0.0.2")}, served)
	for _, want := range []string{
		"http://127.0.0.1:1/acme\n", "http://127.0.0.2:1/bell\n", "wile / coyote", "gone with the server", "curl -u Bob:qwerty http://127.0.0.1:1/",
	} {
		if !strings.Contains(demo, want) {
			t.Errorf("%q is not in %s", want, demo)
		}
	}
	kept := banner(settings{db: "my.db"}, []listening{at("bell", "127.0.0.2")}, served)
	if strings.Contains(kept, "acme") || strings.Contains(kept, "coyote") || !strings.Contains(kept, "my.db") || !strings.Contains(kept, "Milvus asks nobody") {
		t.Error(kept)
	}
}

func TestLogFormats(t *testing.T) {
	for format, want := range map[string]string{"json": `"msg":"x"`, "auto": `"msg":"x"`, "text": "msg=x"} {
		var b bytes.Buffer
		newLogger(format, &b).Info("x")
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s: %s", format, &b)
		}
	}
}

func TestServerIsBounded(t *testing.T) {
	logger := newLogger("json", io.Discard)
	s := newServer(nil, logger, usual, newConnections(1, logger), nil, true)
	if s.TLSConfig != nil || s.MaxHeaderBytes > 16<<10 || s.ReadHeaderTimeout == 0 || s.ReadTimeout == 0 || s.WriteTimeout <= s.ReadTimeout || s.IdleTimeout == 0 {
		t.Errorf("%+v", s)
	}
	p := start(t, t.TempDir(), nil, "--demo")
	large := func(r *http.Request) { r.Header.Set("X-Large", strings.Repeat("x", 70<<10)) }
	if a := send(t, "GET", p.url+"/_usher/healthz", "", large); a.status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a header of 70 KiB: %s", a)
	}
	spoofed := func(r *http.Request) {
		r.Header.Set("X-Forwarded-For", "192.0.2.9")
		r.Header.Set("X-Real-Ip", "192.0.2.9")
	}
	send(t, "GET", p.url+"/node/api/users/current", "", spoofed)
	for wait := time.Now(); !strings.Contains(p.stderr.String(), `"getCurrentUser"`); time.Sleep(time.Millisecond) {
		if time.Since(wait) > 10*time.Second { // the line comes after the answer
			t.Fatalf("no line: %s", p.stderr)
		}
	}
	if log := p.stderr.String(); strings.Contains(log, "192.0.2.9") || !strings.Contains(log, `"source":"127.0.0.1"`) {
		t.Errorf("a caller names his own address: %s", log)
	}
}

func TestVersion(t *testing.T) {
	out, err := command(t, t.TempDir(), nil, "version").Output()
	if err != nil || !strings.HasPrefix(string(out), "usher ") {
		t.Errorf("%v: %s", err, out)
	}
}
