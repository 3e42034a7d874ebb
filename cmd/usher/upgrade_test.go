package main

import (
	"compress/gzip"
	"database/sql"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// With -make-store TestStoresOfEarlierVersions writes storage/testdata/version-N
// anew, N being the version of the program that -with names; without that it is
// this one. Version 1 was written by commit e70cfd1, version 2 by fcabffc.
var (
	makeStore = flag.Bool("make-store", false, "write the store of a version to storage/testdata")
	with      = flag.String("with", "", "the program of an older version")
)

// upgrader is the user whom each API has in a store of an earlier version, beside
// its demo accounts, and the passwords before and after a change.
const (
	upgrader              = "upgrader"
	firstWord, secondWord = "Pass-00000001", "Pass-00000002"
)

// demoUser is the one of an API's demo accounts who is not the administrator.
var demoUser = map[string]struct{ name, password string }{
	"fusion":    {"1new-user-test", "password123"},
	"applivery": {"john.doe", "CurrentSecureP@ss123"},
	"saymon":    {"Bob", "qwerty"},
	"milvus":    {"milvusAdmin", "P@ssw0rd"},
}

// A store that an earlier version has left, there is one for each, opens and
// works: everybody logs in, and what the vendors' worlds have had since is there.
func TestStoresOfEarlierVersions(t *testing.T) {
	testdata := filepath.Join("..", "..", "storage", "testdata")
	if *makeStore {
		writeStore(t, testdata)
	}
	migrations, err := filepath.Glob(filepath.Join("..", "..", "storage", "migrations", "*.sql"))
	if err != nil || migrations == nil {
		t.Fatal(migrations, err)
	}
	for i := range migrations {
		version, newest := i+1, len(migrations)
		t.Run(fmt.Sprint("version ", version), func(t *testing.T) {
			dir := t.TempDir()
			unpack(t, filepath.Join(testdata, fmt.Sprintf("version-%d.db.gz", version)), filepath.Join(dir, "usher.db"))
			said := outputOf(t, dir, 0, "check")
			if !strings.Contains(said, fmt.Sprintf("is sound: schema %d", version)) || strings.Contains(said, "brings it up") != (version < newest) {
				t.Error(said)
			}
			if version < newest {
				if said := outputOf(t, dir, 1, "events", "--prune-before", "1s"); !strings.Contains(said, "usher serve brings it up to date") {
					t.Error(said)
				}
				if said := outputOf(t, dir, 0, "events", "--kind", "password-changed"); strings.Count(said, "  password-changed  ") != len(dialects) {
					t.Error(said)
				}
			}
			p := start(t, dir, nil)
			worksAsBefore(t, p.url)
			hasSeedOfToday(t, p.url)
			if said := outputOf(t, dir, 0, "check"); !strings.Contains(said, fmt.Sprintf("is sound: schema %d, ", newest)) {
				t.Error(said)
			}
			if said := outputOf(t, dir, 0, "events", "--kind", "password-changed", "--user", upgrader); strings.Count(said, upgrader) != 2*3 {
				t.Error(said)
			}
			p.kill()
			worksAsBefore(t, start(t, dir, nil).url)
		})
	}
}

// A store of an earlier version is not brought up to date while somebody has it
// open: that is a server of that version.
func TestUpgradeOfAStoreInUse(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "usher.db")
	unpack(t, filepath.Join("..", "..", "storage", "testdata", "version-1.db.gz"), path)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	version := func() (n int) {
		t.Helper()
		if err := db.QueryRowContext(t.Context(), "PRAGMA user_version").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := version(); n != 1 {
		t.Fatal(n)
	}
	if said := outputOf(t, dir, 1, "serve", "--listen", "127.0.0.1:0"); !strings.Contains(said, "the store is in use by an older version") {
		t.Error(said)
	}
	if n := version(); n != 1 {
		t.Errorf("brought up to %d all the same", n)
	}
	// Who goes while the new one waits is not in the way.
	time.AfterFunc(time.Second, func() { _ = db.Close() })
	worksAsBefore(t, start(t, dir, nil).url)
}

// worksAsBefore logs in as who was there when the store was of another version.
func worksAsBefore(t *testing.T, url string) {
	t.Helper()
	by := administrators(t, url, dialects...)
	for _, d := range dialects {
		demo := demoUser[d.name]
		for _, login := range []struct {
			name, password string
			want           verdict
		}{
			{demo.name, demo.password, yes},
			{upgrader, secondWord, yes},
			{upgrader, firstWord, no},
		} {
			if got, said := d.put(url, d.login(who{name: login.name}, login.password), by[d]); said != login.want {
				t.Errorf("%s: %s with %s: %s", d.name, login.name, login.password, got)
			}
		}
	}
}

// hasSeedOfToday looks for what the first version's stores lacked.
func hasSeedOfToday(t *testing.T, url string) {
	t.Helper()
	for _, part := range []struct{ method, path, body, want string }{
		{"GET", "/api/realm-configs", "", `"realmType":"native"`},
		{"GET", "/api/realm-configs", "", `"realmType":"apikey"`},
		{"GET", "/api/roles?name=developer", "", `"desc":"Developer access`},
		{"POST", "/v2/vectordb/roles/describe", `{"roleName":"public"}`, `"privilege":"IndexDetail"`},
	} {
		as := basic("admin", "Fusion4dmin")
		if part.method == "POST" {
			as = bearer("root:Milvus")
		}
		if a := send(t, part.method, url+part.path, part.body, as); a.status != 200 || !strings.Contains(a.body, part.want) {
			t.Errorf("%s: %s, want %s in it", part.path, a, part.want)
		}
	}
}

// outputOf runs the program to its end and returns all that it wrote.
func outputOf(tb testing.TB, dir string, code int, args ...string) string {
	tb.Helper()
	cmd := command(tb, dir, nil, args...)
	said, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != code {
		tb.Fatalf("usher %s: %v, want code %d: %s", strings.Join(args, " "), err, code, said)
	}
	return string(said)
}

func unpack(t *testing.T, packed, path string) {
	t.Helper()
	f, err := os.Open(packed)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(unpacked)
	if err == nil {
		err = os.WriteFile(path, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// writeStore fills a store with a program of some version, and packs it.
func writeStore(t *testing.T, testdata string) {
	t.Helper()
	dir := t.TempDir()
	program := *with
	if program == "" {
		var err error
		if program, err = os.Executable(); err != nil {
			t.Fatal(err)
		}
	}
	p := startOf(t, program, dir, nil, "--demo", "--db", "usher.db")
	by := administrators(t, p.url, dialects...)
	for _, d := range dialects {
		got, said := d.put(p.url, d.create(upgrader, firstWord), by[d])
		if said != yes {
			t.Fatalf("%s: %s", d.name, got)
		}
		u := who{name: upgrader, id: d.id(upgrader, got)}
		if got, said = d.put(p.url, d.change(u, firstWord, secondWord), by[d]); said != yes {
			t.Fatalf("%s: %s", d.name, got)
		}
	}
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "usher.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var version int
	if err := db.QueryRowContext(t.Context(), "PRAGMA user_version").Scan(&version); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(testdata, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(testdata, fmt.Sprintf("version-%d.db.gz", version)))
	if err != nil {
		t.Fatal(err)
	}
	packed, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err == nil {
		_, err = packed.Write(content)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := packed.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
