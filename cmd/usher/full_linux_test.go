package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A server that finds no room to write refuses what it would have to write, in
// each API's envelope, and goes on answering what it can read: who proves to be
// who, with a password for the first time, too. With room it works again, without
// a restart, and nothing that was acknowledged is lost. It starts on a full disk,
// too, if it was killed there.
//
// Who may not mount a small disk here does it in a namespace of his own, where the
// kernel lets him have one.
func TestNoRoomToWrite(t *testing.T) {
	t.Run("files that may not grow", func(t *testing.T) {
		dir := t.TempDir()
		var pid int
		noRoom(t, dir, func(p *process) {
			pid = p.Process.Pid
			log, err := os.Stat(filepath.Join(dir, "usher.db-wal"))
			if err != nil {
				t.Fatal(err)
			}
			limitFiles(t, pid, uint64(log.Size()))
		}, func() { limitFiles(t, pid, unix.RLIM_INFINITY) }, false)
	})
	t.Run("full disk", func(t *testing.T) {
		dir := t.TempDir()
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=6m"); err != nil {
			if !errors.Is(err, os.ErrPermission) {
				t.Fatal(err)
			}
			inNamespace(t, err)
			return
		}
		t.Cleanup(func() {
			if err := unix.Unmount(dir, 0); err != nil {
				t.Error(err)
			}
		})
		ballast := filepath.Join(dir, "ballast")
		noRoom(t, dir, func(*process) {
			f, err := os.Create(ballast)
			if err != nil {
				t.Fatal(err)
			}
			for err == nil {
				_, err = f.Write(make([]byte, 4<<10))
			}
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}, func() {
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
		}, true)
	})
}

// namespaced is set for the test binary when it runs in a namespace of its own.
const namespaced = "TEST_NAMESPACED"

// inNamespace runs the test that it is called by once more, as root in a namespace
// where that may mount. Where the kernel has none for us it says so: files that may
// not grow have been tested, at least.
func inNamespace(t *testing.T, err error) {
	t.Helper()
	program, failed := os.Executable()
	if failed != nil {
		t.Fatal(failed)
	}
	cmd := exec.CommandContext(t.Context(), program, "-test.v", "-test.run", "^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", fmt.Sprint("-seed=", *seed))
	cmd.Env = append(os.Environ(), namespaced+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	var said []byte
	if os.Getenv(namespaced) == "" {
		if said, failed = cmd.CombinedOutput(); cmd.Process != nil {
			t.Logf("in a namespace: %s", said)
			if failed != nil {
				t.Error(failed)
			}
			return
		}
		err = failed
	}
	t.Logf("NOT TESTED: a small disk takes the right to mount one: %v", err)
}

// limitFiles has no file of a process be written beyond size.
func limitFiles(t *testing.T, pid int, size uint64) {
	t.Helper()
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: size, Max: unix.RLIM_INFINITY}, nil); err != nil {
		t.Fatal(err)
	}
}

// noRoom fills what a server has, and empties it. lasting: a server started
// meanwhile finds it full, too.
func noRoom(t *testing.T, dir string, fill func(*process), empty func(), lasting bool) {
	t.Helper()
	random := chance(t)
	p := startUnbounded(t, dir)
	clients := newClients(t, random, p.url, 16)
	for _, c := range clients {
		if !c.work(t, p.url) {
			t.FailNow()
		}
		c.mayFail = true
	}
	// One user of each API is not known to the server yet, once it is started
	// again; a session of one is.
	p.kill()
	p = startUnbounded(t, dir)
	session := send(t, "POST", p.url+"/node/api/users/session", `{"login":"admin","password":"saymon-admin"}`)
	if session.status != http.StatusOK {
		t.Fatal(session)
	}
	asSession := func(r *http.Request) { r.Header.Set("Cookie", "sid="+strings.Trim(session.body, `"`)) }

	var acknowledged progress
	working, newcomers := sync.WaitGroup{}, clients[:len(dialects)]
	for _, c := range clients[len(dialects):] {
		working.Go(func() { c.workUntilKilled(t, p.url, &acknowledged) }) // or until there is no more room
	}
	acknowledged.more(40, nil)
	fill(p)
	full := make(chan struct{})
	go func() {
		working.Wait()
		close(full)
	}()
	select {
	case <-full:
	case <-time.After(30 * time.Second):
		t.Fatal("the server goes on as if there were room")
	}

	for _, c := range newcomers {
		a := c.current()
		for _, request := range []ask{c.api.change(a.who, a.password, secret(0)), c.api.create("another", secret(0))} {
			if got, _ := c.api.put(p.url, request, c.by); got.String() != c.api.internal {
				t.Errorf("%s: %s %s: %s", c.api.name, request.method, request.path, got)
			}
		}
		for password, want := range map[string]verdict{secret(0): no, a.password: yes} {
			if c.api.name == "applivery" && want == yes {
				want = failed // it would have to make tokens
			}
			if got, said := c.api.put(p.url, c.api.login(a.who, password), c.by); said != want || want == failed && got.status == 0 {
				t.Errorf("%s: a login: %s, want %s", c.api.name, got, want)
			}
		}
	}
	for _, path := range []string{"/node/api/users", "/_usher/healthz", "/_usher/readyz"} {
		if a := send(t, "GET", p.url+path, "", asSession); a.status != http.StatusOK {
			t.Errorf("%s: %s", path, a)
		}
	}
	if a := send(t, "GET", p.url+"/api/users", "", basic("admin", "Fusion4dmin")); a.status != http.StatusOK {
		t.Errorf("a list: %s", a)
	}
	if a := send(t, "GET", p.url+"/v1/users", "", clients[1].by); a.status != http.StatusOK {
		t.Errorf("a list: %s", a)
	}
	intact(t, filepath.Join(dir, "usher.db"))
	for _, line := range []string{`"msg":"request failed"`, `"msg":"event not recorded"`} {
		if said := p.stderr.String(); !strings.Contains(said, line) {
			t.Errorf("the log has no %s: %s", line, said)
		}
	}
	if lasting {
		p.kill()
		p = startUnbounded(t, dir)
		for _, c := range newcomers {
			if c.api.name != "applivery" {
				c.check(t, p.url, c.current())
			}
		}
	}

	empty()
	for _, c := range clients {
		c.mayFail = false
		c.settle(t, p.url)
		if !c.work(t, p.url) {
			t.Errorf("%s: it does not work again", c.api.name)
		}
		c.check(t, p.url, c.accounts...)
	}
	p.kill()
	intact(t, filepath.Join(dir, "usher.db"))
	p = startUnbounded(t, dir)
	for _, c := range clients {
		c.check(t, p.url, c.accounts...)
	}
	p.kill()
	sumUp(t, filepath.Join(dir, "usher.db"), clients)
}
