package sandbox

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"usher/storage"
)

// Snapshot is a world at a moment: its store, its clock and its settings. It is
// not changed once it is made.
type Snapshot struct {
	Taken    time.Time       // by the clock of the world
	Clock    ClockState      // as the world had it
	Settings json.RawMessage // as the world had them; nil: the vendors' own
	Image    storage.Image
}

// A snapshot's file is one line that says so, and what follows is gzip: a line of
// JSON, and the image of the store. The same snapshot gives the same bytes, so that
// the file can be kept under version control.
const (
	magic = "usher snapshot 1\n"
	// maxSnapshot bounds what is unpacked of a file, in bytes: some 100 000 users.
	maxSnapshot = 64 << 20
	maxHeader   = 64 << 10
)

// ErrSnapshot says that a file is no snapshot, or none that this version can read.
var ErrSnapshot = errors.New("the file is no snapshot that this version of usher can read")

// header is the line of JSON.
type header struct {
	Taken    time.Time       `json:"taken"`
	Clock    ClockState      `json:"clock"`
	Settings json.RawMessage `json:"settings,omitempty"`
}

// File is the snapshot as one file.
func (s *Snapshot) File() ([]byte, error) {
	line, err := json.Marshal(header{s.Taken, s.Clock, s.Settings})
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	var file bytes.Buffer
	file.WriteString(magic)
	z := gzip.NewWriter(&file)
	for _, part := range [][]byte{line, []byte("\n"), s.Image.Bytes()} {
		if _, err := z.Write(part); err != nil {
			return nil, fmt.Errorf("snapshot: %w", err)
		}
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	return file.Bytes(), nil
}

// ReadSnapshot reads what File gave. Errors: ErrSnapshot; r's; ctx's; those of a disk
// that has no room for it.
func ReadSnapshot(ctx context.Context, r io.Reader) (*Snapshot, error) {
	start := make([]byte, len(magic))
	if _, err := io.ReadFull(r, start); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	if string(start) != magic {
		return nil, ErrSnapshot
	}
	packed, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	z := bufio.NewReaderSize(io.LimitReader(packed, maxSnapshot+1), maxHeader)
	line, err := z.ReadSlice('\n')
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	var h header
	if err := json.Unmarshal(line, &h); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	if tells := h.Clock.at(time.Now()); tells.Before(earliest) || !tells.Before(latest) {
		return nil, fmt.Errorf("%w: %w", ErrSnapshot, ErrTime)
	}
	content, err := io.ReadAll(z)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	if len(line)+len(content) > maxSnapshot {
		return nil, fmt.Errorf("%w: it is too large", ErrSnapshot)
	}
	image, err := storage.ReadImage(ctx, content)
	switch {
	case err == nil:
	case ctx.Err() != nil, storage.CannotWrite(err), errors.As(err, new(*fs.PathError)): // nobody knows yet what it is
		return nil, fmt.Errorf("snapshot: %w", err)
	default:
		return nil, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	return &Snapshot{Taken: h.Taken, Clock: h.Clock, Settings: h.Settings, Image: image}, nil
}
