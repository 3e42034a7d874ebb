package storage

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

// What a process that was killed has left goes with the next one; what another uses,
// and what is no folder of ours, stays.
func TestTempFolder(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("TMP", temp) // as Windows calls it
	put := func(path string) {
		t.Helper()
		path = filepath.Join(temp, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("usher-demo-1/" + lockName)
	put("usher-demo-1/usher.db")
	put("usher-sandboxes-2/" + lockName)
	put("usher-3/usher.db")
	put("usher-4")
	put("other-5/" + lockName)
	put("usher-6/lock") // somebody else's
	live, remove, err := TempFolder("demo")
	if err != nil {
		t.Fatal(err)
	}
	is, err := os.Stat(live)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && is.Mode().Perm() != 0o700 {
		t.Error(is.Mode())
	}
	sweep(temp)
	want := []string{"other-5", "usher-3", "usher-4", "usher-6", filepath.Base(live)}
	if runtime.GOOS == "windows" {
		want = append(want, "usher-demo-1", "usher-sandboxes-2")
	}
	slices.Sort(want)
	if got := namesIn(t, temp); !slices.Equal(got, want) {
		t.Errorf("there are %q, want %q", got, want)
	}
	if err := remove(); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(namesIn(t, temp), filepath.Base(live)) {
		t.Error("it was not removed")
	}
}

// Of a process that did not come to lock its folder nothing can be said.
func TestTempFolderWithoutLocks(t *testing.T) {
	temp := t.TempDir()
	folder := filepath.Join(temp, "usher-demo-1")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	sweep(temp)
	sweep(filepath.Join(temp, "nowhere"))
	if got := namesIn(t, temp); !slices.Equal(got, []string{"usher-demo-1"}) {
		t.Errorf("there are %q", got)
	}
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if unlock, err := lockFolder(folder); err == nil {
		t.Error("a folder that is not there was locked", unlock())
	}
}

func namesIn(t *testing.T, folder string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
