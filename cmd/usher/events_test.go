package main

import (
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/storage"
)

func TestParseTime(t *testing.T) {
	now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2026-11-21T10:00:00+02:00": now.Add(-time.Hour),
		"2026-11-20":                time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC),
		"0s":                        now,
		"36h":                       now.Add(-36 * time.Hour),
		"1h30m":                     now.Add(-90 * time.Minute),
		"90d":                       now.AddDate(0, 0, -90),
	} {
		if got, err := parseTime(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "yesterday", "-1h", "-1d", "d", "1.5d", "70000d", "2026-13-01", "2026-11-21 09:00", "12"} {
		if got, err := parseTime(text, now); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// The trail of a running server is shown as it is asked for, and cut.
func TestEventsOfARunningServer(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, nil, "--demo", "--db", "usher.db")
	send(t, "GET", p.url+"/node/api/users/current", "", basic("Bob", "qwerty"))
	send(t, "GET", p.url+"/node/api/users/current", "", basic("Bob", "unmistakable"))
	send(t, "POST", p.url+"/v2/vectordb/users/list", "{}", bearer("root:Milvus"))
	between := time.Now().UTC().Format(time.RFC3339Nano)
	// A name that would turn a terminal red, and look like a line of its own.
	if a := send(t, "POST", p.url+"/node/api/users", `{"login":"eve\u001b[31m\nx","password":"secret"}`, basic("admin", "saymon-admin")); a.status != 200 {
		t.Fatal(a)
	}

	type event struct {
		ID                                                                  int
		At                                                                  time.Time
		API, Kind, ActorID, ActorName, TargetID, TargetName, Source, Result string
		Request                                                             *string
	}
	list := func(args ...string) (es []event) {
		t.Helper()
		said := outputOf(t, dir, 0, append([]string{"events", "--json"}, args...)...)
		if strings.Contains(said, "unmistakable") || strings.Contains(said, "qwerty") || strings.Contains(said, "Milvus") {
			t.Error(said)
		}
		for line := range strings.Lines(said) {
			var e event
			if err := json.Unmarshal([]byte(line), &e); err != nil || e.ID == 0 || e.At.IsZero() || e.Request == nil {
				t.Fatal(err, line)
			}
			es = append(es, e)
		}
		return es
	}
	kinds := func(es []event) (all string) {
		for _, e := range es {
			all += " " + e.API + ":" + e.Kind
		}
		return all
	}
	const seeded = " fusion:seeded applivery:seeded saymon:seeded milvus:seeded"
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, seeded + " saymon:login saymon:login-failed milvus:login saymon:login saymon:user-created"},
		{[]string{"--until", between, "--since", "1h"}, seeded + " saymon:login saymon:login-failed milvus:login"},
		{[]string{"--since", between}, " saymon:login saymon:user-created"},
		{[]string{"--api", "milvus"}, " milvus:seeded milvus:login"},
		{[]string{"--user", "Bob"}, " saymon:login saymon:login-failed"},
		{[]string{"--user", "5e78c51788c61a1fbf34b673", "--kind", "login-failed"}, " saymon:login-failed"},
		{[]string{"--user", "nobody"}, ""},
	} {
		if got := kinds(list(test.args...)); got != test.want {
			t.Errorf("%q: %s, want %s", test.args, got, test.want)
		}
	}
	failed := list("--kind", "login-failed")[0]
	if failed.TargetName != "Bob" || failed.TargetID != "5e78c51788c61a1fbf34b673" || failed.Source != "127.0.0.1" || failed.Result != "wrong password" || *failed.Request == "" {
		t.Errorf("%+v", failed)
	}
	table := outputOf(t, dir, 0, "events", "--since", between)
	if lines := strings.Split(table, "\n"); len(lines) != 4 || !strings.HasPrefix(lines[0], "TIME ") || !strings.Contains(lines[2], `"eve\x1b[31m\nx"`) {
		t.Errorf("%q", table)
	}

	for _, args := range [][]string{{"--prune-before", "1h", "--user", "Bob"}, {"--prune-before", "1h", "--json"}, {"--prune-before", "1h", "--since", "2h"}} {
		if said := outputOf(t, dir, 1, append([]string{"events"}, args...)...); !strings.Contains(said, "goes with --db and --api alone") {
			t.Error(said)
		}
	}
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--api", "acme"}, `--api: no API is called "acme"`},
		{[]string{"--kind", "nonsense"}, `--kind: there is no "nonsense": there are login, login-failed, `},
		{[]string{"--since", "1h", "--until", "2h"}, "--since is not before --until"},
		{[]string{"--since", ""}, `--since: "" is no time`},
		{[]string{"--until="}, `--until: "" is no time`},
		{[]string{"--prune-before", ""}, `--prune-before: "" is no time`},
		{[]string{"--prune-before", "9999-12-31"}, "--prune-before: 9999-12-31 is still to come"},
	} {
		if said := outputOf(t, dir, 1, append([]string{"events"}, test.args...)...); !strings.Contains(said, test.want) || strings.Contains(said, "TIME") {
			t.Errorf("%q: %s, want %s", test.args, said, test.want)
		}
	}
	cmd := command(t, dir, []string{"USHER_PRUNE_BEFORE=1s"}, "events")
	if said, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(said), "USHER_PRUNE_BEFORE: what is deleted is said on the command line alone") {
		t.Errorf("%v: %s", err, said)
	}
	if got := list(); len(got) != 9 {
		t.Errorf("after what was refused there are %d", len(got))
	}
	if got := list("--kind", "role-created"); got != nil {
		t.Error(got)
	}
	if said := outputOf(t, dir, 0, "events", "--prune-before", between, "--api", "saymon"); !strings.HasPrefix(said, "saymon: 3 events of before ") {
		t.Error(said)
	}
	const left = " saymon:login saymon:user-created saymon:events-pruned"
	if got, want := kinds(list()), " fusion:seeded applivery:seeded milvus:seeded milvus:login"+left; got != want {
		t.Errorf("after one was pruned: %s, want %s", got, want)
	}
	if said := outputOf(t, dir, 0, "events", "--prune-before", between); strings.Count(said, "\n") != 4 || !strings.Contains(said, "milvus: 2 events") || !strings.Contains(said, "saymon: 0 events") {
		t.Error(said)
	}
	if got, want := kinds(list()), left+" fusion:events-pruned applivery:events-pruned milvus:events-pruned"; got != want {
		t.Errorf("after all were pruned: %s, want %s", got, want)
	}
	if a := send(t, "GET", p.url+"/node/api/users/current", "", basic("Bob", "qwerty")); a.status != 200 {
		t.Error(a)
	}
}

// A pruning that fails half way says what is gone.
func TestPruningThatFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "usher.db")
	store, err := storage.Open(t.Context(), storage.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	_, err = db.Exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
		INSERT INTO event (directory, at, kind, actor_id, actor_name, target_id, target_name, source, request, result)
		SELECT 'saymon', i, 'login', '', '', '', '', '', '', 'ok' FROM n;
		CREATE TRIGGER keep BEFORE DELETE ON event WHEN old.id > 1200 BEGIN SELECT RAISE(ABORT, 'kept'); END`)
	if err != nil {
		t.Fatal(err)
	}
	said := outputOf(t, dir, 1, "events", "--prune-before", "1h", "--api", "saymon")
	if !strings.HasPrefix(said, "saymon: 1000 events of before ") || !strings.Contains(said, "kept") {
		t.Error(said)
	}
}

// A backup's trail is shown, and the backup left as it is. A restored store says
// that it is one.
func TestEventsOfABackup(t *testing.T) {
	dir := t.TempDir()
	start(t, dir, nil, "--demo", "--db", "usher.db").kill()
	outputOf(t, dir, 0, "backup", "saved.db")
	before, err := os.ReadFile(filepath.Join(dir, "saved.db"))
	if err != nil {
		t.Fatal(err)
	}
	if said := outputOf(t, dir, 0, "events", "--db", "saved.db"); strings.Count(said, " seeded ") != 4 {
		t.Error(said)
	}
	if after, err := os.ReadFile(filepath.Join(dir, "saved.db")); err != nil || sha256.Sum256(after) != sha256.Sum256(before) {
		t.Error("it has changed", err)
	}
	outputOf(t, dir, 0, "restore", "saved.db")
	if said := outputOf(t, dir, 0, "events", "--kind", "restored"); strings.Count(said, "  restored  usher  20") != 4 || !strings.Contains(said, "  local:") {
		t.Error(said)
	}
}

// What a terminal might obey, or show as something else, is escaped, and read as it was.
func TestEventsAsJSON(t *testing.T) {
	const name = "\"\\<&>é€中😀\ufffd\x00\n\x1b[31m\x7f\u0080\u009b31m\u00a0\u200b\u202e\u2028\U000e0001"
	var b strings.Builder
	if err := printJSON(&b, []storage.Event{{ActorName: name}}, false); err != nil {
		t.Fatal(err)
	}
	const want = `"actorName":"\"\\<&>é€中😀` + "\ufffd" + `\u0000\n\u001b[31m\u007f\u0080\u009b31m\u00a0\u200b\u202e\u2028\udb40\udc01"`
	if !strings.Contains(b.String(), want) {
		t.Errorf("%s, want %s", b.String(), want)
	}
	var e struct{ ActorName string }
	if err := json.Unmarshal([]byte(b.String()), &e); err != nil || e.ActorName != name {
		t.Errorf("%q, %v", e.ActorName, err)
	}
}

// A trail is read in pieces, and shown whole.
func TestManyEvents(t *testing.T) {
	dir := t.TempDir()
	store, err := storage.Open(t.Context(), storage.Options{Path: filepath.Join(dir, "usher.db")})
	if err != nil {
		t.Fatal(err)
	}
	const many = 2*eventsAtOnce + 1
	for i := range many {
		if _, err := store.Directory("saymon").CreateUser(t.Context(), storage.Actor{}, storage.NewUser{ID: fmt.Sprint(i), Name: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"--json=true", "--json=false"} {
		said := outputOf(t, dir, 0, "events", format)
		if n := strings.Count(said, "user-created"); n != many || strings.Count(said, "TIME") > 1 {
			t.Errorf("%s: %d events", format, n)
		}
	}
}
