package main

import (
	"path/filepath"
	"runtime"
	"testing"
)

// What a server that was killed has left among the temporary files, passwords' hashes
// included, goes when the next one starts; what a running one has there stays.
func TestLeftovers(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // nothing goes there, see storage.TempFolder
	}
	dir := t.TempDir()
	folders := func() (all []string) {
		t.Helper()
		for _, kind := range []string{"demo", "sandboxes"} {
			found, err := filepath.Glob(filepath.Join(dir, "usher-"+kind+"-*"))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, found...)
		}
		return all
	}
	serve := func() *process {
		p := start(t, dir, nil, "--demo")
		if a := send(t, "POST", p.url+"/_usher/sandboxes", "{}"); a.status != 201 {
			t.Fatal(a)
		}
		return p
	}
	first := serve()
	serve()
	if n := len(folders()); n != 4 {
		t.Fatalf("two servers have %d folders", n)
	}
	first.kill()
	third := serve()
	if n := len(folders()); n != 4 {
		t.Errorf("the one that was killed has left %d", n-4)
	}
	third.end(t)
	if n := len(folders()); n != 2 {
		t.Errorf("the one that still runs has %d", n)
	}
}
