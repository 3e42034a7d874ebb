package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/storage"
)

func TestParseTime(t *testing.T) {
	now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"":                          {},
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
	for _, text := range []string{"yesterday", "-1h", "-1d", "d", "1.5d", "70000d", "2026-13-01", "2026-11-21 09:00", "12"} {
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
	if said := outputOf(t, dir, 1, "events", "--api", "acme"); !strings.Contains(said, `--api: no API is called "acme"`) {
		t.Error(said)
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
