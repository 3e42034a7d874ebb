package sandbox

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/handlers/edge"
	"usher/storage"
)

// imageOf is the image of an empty store.
func imageOf(tb testing.TB) storage.Image {
	tb.Helper()
	store, err := storage.Open(tb.Context(), storage.Options{Path: filepath.Join(tb.TempDir(), "usher.db"), Volatile: true})
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	image, err := store.Image(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return image
}

func packed(content string) string {
	var b bytes.Buffer
	b.WriteString(magic)
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, content)
	_ = z.Close()
	return b.String()
}

func TestSnapshotFile(t *testing.T) {
	s := &Snapshot{
		Taken: time.Date(2026, 1, 1, 0, 0, 0, 1000, time.UTC), Clock: ClockState{Frozen: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)},
		Settings: []byte(`{"milvus":{"maxUsers":2}}`), Image: imageOf(t),
	}
	file, err := s.File()
	if err != nil {
		t.Fatal(err)
	}
	read, err := ReadSnapshot(t.Context(), bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if !read.Taken.Equal(s.Taken) || read.Clock != s.Clock || string(read.Settings) != string(s.Settings) || !bytes.Equal(read.Image.Bytes(), s.Image.Bytes()) {
		t.Errorf("%+v", read)
	}
	if again, err := read.File(); err != nil || !bytes.Equal(again, file) {
		t.Errorf("written again it is another file: %v", err)
	}
	image := string(s.Image.Bytes())
	for name, bad := range map[string]string{
		"nothing":         "",
		"another file":    "SQLite format 3\x00",
		"a newer form":    strings.Replace(string(file), " 1\n", " 2\n", 1),
		"its start":       magic,
		"a half":          string(file[:len(file)/2]),
		"no header":       packed(""),
		"a header only":   packed("{}\n"),
		"no JSON":         packed("{\n" + image),
		"no image":        packed("{}\n" + strings.Repeat("x", 8192)),
		"half an image":   packed("{}\n" + image[:len(image)/2]),
		"a header of any": packed(strings.Repeat(" ", 1<<17) + "{}\n" + image),
		"another time":    packed(`{"clock":{"frozen":"2500-01-01T00:00:00Z"}}` + "\n" + image),
		"far ahead":       packed(`{"clock":{"ahead":9223372036854775807}}` + "\n" + image),
	} {
		if got, err := ReadSnapshot(t.Context(), strings.NewReader(bad)); !errors.Is(err, ErrSnapshot) || got != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	broken := errors.New("broken")
	if _, err := ReadSnapshot(t.Context(), io.MultiReader(strings.NewReader(magic[:3]), &failing{broken})); !errors.Is(err, broken) || errors.Is(err, ErrSnapshot) {
		t.Errorf("a reader that fails: %v", err)
	}

	// That it cannot be looked at says nothing of the file.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ReadSnapshot(ctx, bytes.NewReader(file)); !errors.Is(err, context.Canceled) || errors.Is(err, ErrSnapshot) {
		t.Errorf("nobody waits for it: %v", err)
	}
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "none"))
	if _, err := ReadSnapshot(t.Context(), bytes.NewReader(file)); err == nil || errors.Is(err, ErrSnapshot) {
		t.Errorf("there is no room for it: %v", err)
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// What is unpacked of a file is bounded.
func TestSnapshotIsBounded(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(magic)
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	_, _ = io.WriteString(z, "{}\n")
	for range maxSnapshot>>20 + 1 {
		_, _ = z.Write(zeros)
	}
	_ = z.Close()
	if _, err := ReadSnapshot(t.Context(), &b); !errors.Is(err, ErrSnapshot) || !strings.Contains(err.Error(), "too large") {
		t.Error(err)
	}
}

// testHost is a host whose worlds are empty stores.
func testHost(t *testing.T, maximum int) *Host {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	h := NewHost(Options{
		Fill: func(context.Context, *storage.Store, bool) ([]Administrator, error) { return nil, nil }, Max: maximum,
	})
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func TestHostIsBounded(t *testing.T) {
	h := testHost(t, 2)
	main, err := h.Main(true, true)
	if err != nil {
		t.Fatal(err)
	}
	one, err := h.Create(t.Context(), Spec{Name: "one"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Create(t.Context(), Spec{}); !errors.Is(err, ErrLimit) {
		t.Errorf("one too many: %v", err)
	}
	if err := one.Close(); err != nil {
		t.Error(err)
	}
	if one, err = h.Create(t.Context(), Spec{Name: "one"}); err != nil {
		t.Errorf("after one was closed: %v", err)
	}
	if names := h.List(); len(names) != 2 || names[0] != main || names[1] != one {
		t.Errorf("%v", names)
	}
	for name, want := range map[string]error{"main": ErrExists, "One": ErrName, "-one": ErrName, "one.": ErrName, "a b": ErrName} {
		if _, err := h.Create(t.Context(), Spec{Name: name}); !errors.Is(err, want) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, bad := range []Spec{
		{From: "nothing"},
		{From: Fixture},
		{From: Fixture, Fixture: []byte("{}")},
		{From: OfSandbox},
		{From: OfSnapshot},
		{From: Demo, Source: "one"},
		{From: Demo, Fixture: []byte("{}")},
		{TTL: -1},
		{TTL: MaxTTL + 1},
		{Settings: []byte("{}")},
	} {
		if _, err := h.Create(t.Context(), bad); !errors.Is(err, ErrSpec) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	for what, err := range map[string]error{
		"reset": main.Reset(t.Context()), "close": main.Close(), "ttl": main.Change(Changes{TTL: new(time.Hour)}), "settings": main.Change(Changes{Settings: []byte("{}")}),
	} {
		if !errors.Is(err, ErrMain) {
			t.Errorf("%s main: %v", what, err)
		}
	}
	if err := main.SetClock(Change{Advance: time.Hour}); !errors.Is(err, ErrLasting) {
		t.Errorf("the clock of main: %v", err)
	}
	if _, err := main.Snapshot(t.Context()); !errors.Is(err, ErrSealed) {
		t.Errorf("a snapshot of main: %v", err)
	}
	if _, err := main.Diff(t.Context(), new(Snapshot)); !errors.Is(err, ErrSealed) {
		t.Errorf("what is different in main: %v", err)
	}
	if err := main.View(func(*storage.Store) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("main before it is attached: %v", err)
	}
}

func TestSnapshotsAreBounded(t *testing.T) {
	h := testHost(t, 0)
	one, err := h.Create(t.Context(), Spec{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := one.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	more, err := one.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h.kept = maxKept - len(s.Image.Bytes())
	if err := h.Keep("last", s, false); err != nil {
		t.Error(err)
	}
	if err := h.Keep("last", s, false); !errors.Is(err, ErrExists) {
		t.Error(err)
	}
	if err := h.Keep("last", s, true); err != nil {
		t.Errorf("in place of itself: %v", err)
	}
	if err := h.Keep("again", s, false); err != nil {
		t.Errorf("by another name: %v", err)
	}
	if err := h.Forget("again"); err != nil {
		t.Error(err)
	}
	if err := h.Keep("more", more, false); !errors.Is(err, ErrLimit) {
		t.Error(err)
	}
	if err := h.Forget("last"); err != nil {
		t.Error(err)
	}
	if err := h.Forget("last"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if err := h.Keep("more", more, false); err != nil {
		t.Error(err)
	}
}

// Of changes one of which cannot be none is made.
func TestChangesAreMadeTogether(t *testing.T) {
	h := testHost(t, 0)
	h.o.CheckSettings = func(settings json.RawMessage) error {
		if string(settings) != "{}" {
			return errors.New("no settings")
		}
		return nil
	}
	s, err := h.Create(t.Context(), Spec{TTL: time.Minute, Authentication: edge.Observing})
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []Changes{
		{TTL: new(time.Hour), Authentication: edge.Off, Settings: []byte("[]")},
		{TTL: new(MaxTTL + 1), Authentication: edge.Off, Settings: []byte("{}")},
		{TTL: new(time.Duration(0)), Authentication: edge.Off},
	} {
		if err := s.Change(bad); !errors.Is(err, ErrSpec) || s.TTL() != time.Minute || s.Authentication() != edge.Observing || s.Settings() != nil {
			t.Errorf("%+v: %v; it has %s, %s, %s", bad, err, s.TTL(), s.Authentication(), s.Settings())
		}
	}
	if err := s.Change(Changes{}); err != nil || s.TTL() != time.Minute || s.Authentication() != edge.Observing || s.Settings() != nil {
		t.Errorf("nothing: %v; it has %s, %s, %s", err, s.TTL(), s.Authentication(), s.Settings())
	}
	if err := s.Change(Changes{TTL: new(time.Hour), Authentication: edge.Off, Settings: []byte("{}")}); err != nil || s.TTL() != time.Hour || s.Authentication() != edge.Off || string(s.Settings()) != "{}" {
		t.Errorf("all: %v; it has %s, %s, %s", err, s.TTL(), s.Authentication(), s.Settings())
	}
}

// What sandboxes go back to counts as the snapshots do, and once, whoever else has it.
func TestOriginsAreBounded(t *testing.T) {
	h := testHost(t, 0)
	create := func(spec Spec) *Sandbox {
		t.Helper()
		s, err := h.Create(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	kept := func(when string, want int) {
		t.Helper()
		if h.kept != want {
			t.Errorf("%s: %d bytes are kept, want %d", when, h.kept, want)
		}
	}
	one := create(Spec{Name: "one"})
	image := len(one.origin.Image.Bytes())
	two := create(Spec{})
	kept("two of a kind", image)
	s, err := two.Snapshot(t.Context())
	if err == nil {
		err = h.Keep("two", s, false)
	}
	if err != nil {
		t.Fatal(err)
	}
	size := len(s.Image.Bytes())
	of := create(Spec{From: OfSnapshot, Source: "two"})
	kept("one of a snapshot", image+size)
	if err := h.Forget("two"); err != nil {
		t.Error(err)
	}
	kept("the snapshot has no name any more", image+size)
	if err := of.Close(); err != nil {
		t.Error(err)
	}
	kept("and no sandbox", image)

	h.kept += maxKept
	if _, err := h.Create(t.Context(), Spec{Name: "fork", From: OfSandbox, Source: "one"}); !errors.Is(err, ErrLimit) {
		t.Errorf("a fork that there is no room for: %v", err)
	}
	if _, err := h.Get("fork"); !errors.Is(err, ErrNotFound) {
		t.Errorf("it is there: %v", err)
	}
	create(Spec{Name: "three"})
	h.kept -= maxKept
	kept("three of a kind", image)
	create(Spec{Name: "fork", From: OfSandbox, Source: "one"})
	for _, s := range h.List() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	kept("all are closed", 0)
	if len(h.held) > 0 {
		t.Errorf("held: %v", h.held)
	}
}

// A snapshot that there is no room for leaves the one in whose place it was to be.
func TestKeepLeavesWhatWasThere(t *testing.T) {
	h := testHost(t, 0)
	one, err := h.Create(t.Context(), Spec{})
	if err != nil {
		t.Fatal(err)
	}
	was, err := one.Snapshot(t.Context())
	if err == nil {
		err = h.Keep("s", was, false)
	}
	if err != nil {
		t.Fatal(err)
	}
	err = one.View(func(store *storage.Store) error {
		_, err := store.Directory("acme").Seed(t.Context(), storage.Actor{}, storage.Seed{Records: map[storage.RecordKind][]storage.Record{
			"thing": {{ID: "1", Name: "large", Document: []byte(`{"x":"` + strings.Repeat("x", 100_000) + `"}`)}},
		}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	large, err := one.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h.kept = maxKept
	if err := h.Keep("s", large, true); !errors.Is(err, ErrLimit) {
		t.Errorf("kept: %v", err)
	}
	if is, err := h.Snapshot("s"); is != was || err != nil || h.held[was] != 1 || h.kept != maxKept {
		t.Errorf("%v, %v, held %d, %d bytes", is, err, h.held[was], h.kept)
	}
}

// A host that is closed makes nothing more.
func TestHostCloses(t *testing.T) {
	h := testHost(t, 0)
	one, err := h.Create(t.Context(), Spec{})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Create(t.Context(), Spec{}); !errors.Is(err, ErrClosed) {
		t.Errorf("made: %v", err)
	}
	if _, err := one.Snapshot(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("taken: %v", err)
	}
}
