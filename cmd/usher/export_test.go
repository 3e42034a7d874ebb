package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// expectBob has the demo world's Bob log in.
func expectBob(t *testing.T, p *process) {
	t.Helper()
	if a := send(t, "GET", p.url+"/node/api/users/current", "", basic("Bob", "qwerty")); a.status != 200 {
		t.Error(a)
	}
}

// A world that is changed by requests is exported while the server runs, and is the
// same when another server is started with that.
func TestExportAndServe(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, nil, "--demo", "--db", "usher.db")
	send(t, "POST", p.url+"/v2/vectordb/users/create", `{"userName":"claire","password":"P@ssw0rd1"}`, bearer("root:Milvus")).expect(t, 200, `{"code":0,"data":{}}`)
	outputOf(t, dir, 1, "export", "--schema", "schema/fixture.json", "elsewhere.yaml") // where no folder is
	if err := os.Mkdir(filepath.Join(dir, "schema"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"export", "--schema", "schema/fixture.json", "world.yaml"},
		{"export", "--schema", "schema/fixture.json", "--replace", "world.yaml"},
		{"export", "--api", "milvus", "milvus.yaml"},
	} {
		if said := outputOf(t, dir, 0, args...); said != "" {
			t.Errorf("%s: %s", args, said)
		}
		is, err := os.Stat(filepath.Join(dir, args[len(args)-1]))
		if err != nil {
			t.Fatal(err)
		}
		if is.Mode() != fs.FileMode(0o600) {
			t.Errorf("%s: %v", args, is.Mode())
		}
	}
	world, err := os.ReadFile(filepath.Join(dir, "world.yaml"))
	const first = "# yaml-language-server: $schema=schema/fixture.json\n"
	if err != nil || !bytes.HasPrefix(world, []byte(first)) {
		t.Fatalf("%.100s, %v", world, err)
	}
	if said := outputOf(t, dir, 1, "export", "world.yaml"); !strings.Contains(said, "there is a file world.yaml already; --replace takes its place") {
		t.Errorf("a file that is there: %s", said)
	}
	for _, tt := range [][2]string{
		{"--replace usher.db", "usher.db is the store itself"},
		{"--schema usher.db other.yaml", "usher.db is the store itself"},
		{"--schema other.yaml ./other.yaml", "the users go there"},
		{"--schema - other.yaml", "it names a file"},
		{"--schema milvus.yaml other.yaml", "there is another file milvus.yaml already; --replace takes its place"},
		{"--replace schema", "schema is no file"},
	} {
		if said := outputOf(t, dir, 1, append([]string{"export"}, strings.Fields(tt[0])...)...); !strings.Contains(said, tt[1]) {
			t.Errorf("%s: %s", tt[0], said)
		}
	}
	if said := outputOf(t, dir, 1, "serve", "--listen", "127.0.0.1:0", "--fixture", "world.yaml", "--db", "usher.db"); !strings.Contains(said, "--fixture world.yaml: usher.db: the store was filled before") {
		t.Errorf("a store that there is: %s", said)
	}

	elsewhere := t.TempDir()
	q := start(t, elsewhere, nil, "--fixture", filepath.Join(dir, "world.yaml"), "--db", "usher.db")
	if said := q.stderr.String(); strings.Contains(said, "First start") {
		t.Errorf("passwords were made: %s", said)
	}
	send(t, "POST", q.url+"/v2/vectordb/users/describe", `{"userName":"claire"}`, bearer("claire:P@ssw0rd1")).expect(t, 200, `{"code":0,"data":[],"description":""}`)
	expectBob(t, q)
	if err := os.Mkdir(filepath.Join(elsewhere, "schema"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		text string
		args []string
	}{
		{strings.TrimPrefix(string(world), first), []string{"export", "-"}},
		{string(world), []string{"export", "--schema", "schema/fixture.json", "-"}},
	} {
		if said := outputOf(t, elsewhere, 0, want.args...); said != want.text {
			t.Errorf("%s\nis not what was exported first:\n%s", said, want.text)
		}
	}
}

// Without --db the store of a fixture goes with the server, so that each start has it
// as the file does; the demo world is that of the other APIs.
func TestServeFixture(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "users.yaml"), []byte("milvus:\n  users:\n    - {name: root, password: Other}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		p := start(t, dir, nil, "--fixture", "users.yaml", "--demo")
		send(t, "POST", p.url+"/v2/vectordb/users/create", `{"userName":"claire","password":"P@ssw0rd1"}`, bearer("root:Other")).expect(t, 200, `{"code":0,"data":{}}`)
		expectBob(t, p)
		p.kill()
	}
	p := start(t, dir, []string{"USHER_FIXTURE=users.yaml"})
	if said := p.stderr.String(); !strings.Contains(said, "saymon ") || strings.Contains(said, "milvus ") {
		t.Errorf("the other APIs have administrators of their own: %s", said)
	}
	if _, err := os.Stat(filepath.Join(dir, "usher.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a store is left: %v", err)
	}
}

func TestExportRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "wrong.yaml"), []byte("milvus:\n  users:\n    - nick: secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ args, want string }{
		{"export x.yaml", "there is no store usher.db"},
		{"export --api nobody x.yaml", "--api nobody: there are fusion, applivery, saymon, milvus"},
		{"export", "accepts 1 arg(s)"},
		{"serve --listen 127.0.0.1:0 --fixture none.yaml", "none.yaml: no such file"},
		{"serve --listen 127.0.0.1:0 --fixture wrong.yaml", "wrong.yaml:3: /milvus/users/0/nick: there is no such member"},
	} {
		said := outputOf(t, dir, 1, strings.Fields(tt.args)...)
		if !strings.Contains(said, tt.want) || strings.Contains(said, "secret") {
			t.Errorf("%s: %s", tt.args, said)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Error(fmt.Sprint(left), err)
	}
}
