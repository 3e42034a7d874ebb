package main

import (
	"encoding/json"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"usher/handlers"
)

// told is what a file of --ready-file holds.
type told struct {
	PID     int
	URLs    map[string]string
	Journal string
}

func readReady(t *testing.T, name string) (said told) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &said); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return said
}

// end has a server finish in good order.
func (p *process) end(t *testing.T) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("%v: %s", err, p.stderr)
	}
}

// Whoever starts the server learns from a file that it is ready and where, and no
// longer finds it once the server has ended.
func TestReadyFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "ready.json")
	if err := os.WriteFile(name, []byte("of a server that was killed"), 0o644); err != nil {
		t.Fatal(err)
	}
	p := start(t, dir, nil, "--demo", "--listen", "milvus=127.0.0.1:0", "--ready-file", name)
	milvus := p.next(t)
	said := readReady(t, name)
	want := map[string]string{"all": p.url, "fusion": p.url, "applivery": p.url, "saymon": p.url, "milvus": milvus}
	if said.PID != p.Process.Pid || !maps.Equal(said.URLs, want) || said.Journal != "" {
		t.Errorf("%+v, pid %d, want %v", said, p.Process.Pid, want)
	}
	if is, err := os.Stat(name); err != nil || is.Mode() != 0o600 {
		t.Errorf("%v %v", is.Mode(), err)
	}
	send(t, "POST", said.URLs["milvus"]+"/v2/vectordb/users/list", "{}", bearer("root:Milvus")).expect(t, 200, `{"code":0,"data":["milvusAdmin","root"]}`)

	// A second server takes the file over, and the first then leaves it alone.
	second := start(t, dir, nil, "--demo", "--ready-file", name)
	p.end(t)
	if said := readReady(t, name); said.PID != second.Process.Pid || said.URLs["all"] != second.url {
		t.Errorf("%+v, want pid %d and %s", said, second.Process.Pid, second.url)
	}
	second.end(t)
	left, err := filepath.Glob(name + "*")
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// An API is told with the place where it is reached best, and not at all if nobody
// asked for it.
func TestURLs(t *testing.T) {
	served := []handlers.Summary{{Name: "acme"}, {Name: "bell"}}
	at := func(api string, port int) listening {
		return listening{place{api: api}, addressed{addr: &net.TCPAddr{IP: net.IPv6loopback, Port: port}}}
	}
	for name, c := range map[string]struct {
		s      settings
		places []listening
		want   map[string]string
	}{
		"all, twice":  {settings{}, []listening{at("", 1), at("", 2)}, map[string]string{"all": "http://[::1]:1", "acme": "http://[::1]:1", "bell": "http://[::1]:1"}},
		"one of them": {settings{}, []listening{at("bell", 1)}, map[string]string{"bell": "http://[::1]:1"}},
		"both, TLS":   {settings{tlsCert: "cert.pem"}, []listening{at("bell", 1), at("", 2)}, map[string]string{"all": "https://[::1]:2", "acme": "https://[::1]:2", "bell": "https://[::1]:1"}},
	} {
		if got := urls(c.s, c.places, served); !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// A file that cannot be written is an error before there is a store, whose first
// passwords nobody would read.
func TestReadyFileThatCannotBeWritten(t *testing.T) {
	for name, want := range map[string]string{filepath.Join("none", "ready.json"): "no such file", "folder": "is no file"} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
			t.Fatal(err)
		}
		out, err := command(t, dir, []string{"USHER_READY_FILE=" + name}, "serve", "--listen", "127.0.0.1:0").CombinedOutput()
		if err == nil || !strings.Contains(string(out), "--ready-file") || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v %s", name, err, out)
		}
		if _, err := os.Stat(filepath.Join(dir, "usher.db")); !os.IsNotExist(err) {
			t.Errorf("%s: a store was made", name)
		}
	}
}

// A server that fails once it has asked for the file leaves nothing of it.
func TestReadyFileOfAStartThatFails(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "usher.db"), []byte(strings.Repeat("no store ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := command(t, dir, nil, "serve", "--listen", "127.0.0.1:0", "--ready-file", "ready.json").CombinedOutput()
	if err == nil {
		t.Fatalf("it started: %s", out)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "ready.json*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
