package usher

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	gen "usher/gen/usher"
	"usher/handlers/edge"
	"usher/handlers/journal"
	"usher/handlers/sandbox"
)

// journal gives the journal of that name, and the URL that its exchanges' paths are
// below.
func (s *server) journal(ctx context.Context, name string) (j *journal.Journal, base string, err error) {
	if s.alone != nil {
		if name != sandbox.Main {
			return nil, "", sandbox.ErrNotFound
		}
		return s.alone, s.base, nil
	}
	b, err := s.host.Get(name)
	if err != nil {
		return nil, "", err
	}
	return b.Journal(), urlsOf(ctx, name).Path, nil
}

// ListJournal answers a sandbox' last exchanges.
func (s *server) ListJournal(ctx context.Context, r gen.ListJournalRequestObject) (gen.ListJournalResponseObject, error) {
	j, base, err := s.journal(ctx, r.Name)
	if err != nil {
		return nil, err
	}
	p := r.Params
	last := 1000 // the contract's
	if p.Limit != nil {
		last = *p.Limit
	}
	entries, forgotten := j.List(journal.Query{
		API: given(p.API), Operation: given(p.Operation), Principal: given(p.Principal), Status: given(p.Status),
		Violations: p.Violations, Since: given(p.Since), Text: given(p.Text), Last: last,
	})
	return gen.ListJournal200JSONResponse{
		Entries: entriesOf(entries, base), Forgotten: int64(forgotten), //nolint:gosec // G115: as above
	}, nil
}

// ClearJournal forgets a sandbox' exchanges.
func (s *server) ClearJournal(ctx context.Context, r gen.ClearJournalRequestObject) (gen.ClearJournalResponseObject, error) {
	j, _, err := s.journal(ctx, r.Name)
	if err != nil {
		return nil, err
	}
	j.Clear()
	return gen.ClearJournal204Response{}, nil
}

// AssertJournal holds a sandbox' exchanges against what is expected.
func (s *server) AssertJournal(ctx context.Context, r gen.AssertJournalRequestObject) (gen.AssertJournalResponseObject, error) {
	j, _, err := s.journal(ctx, r.Name)
	if err != nil {
		return nil, err
	}
	v, err := j.Assert(journal.Assertion{
		Requests: expectationsOf(r.Body.Requests), Ordered: given(r.Body.Ordered), After: uint64(given(r.Body.After)), //nolint:gosec // G115: the contract's least is 0
	})
	if err != nil {
		return nil, requestError{err}
	}
	return gen.AssertJournal200JSONResponse(verdictOf(v)), nil
}

// StreamJournal sends a sandbox' exchanges as they happen.
func (s *server) StreamJournal(ctx context.Context, r gen.StreamJournalRequestObject) (gen.StreamJournalResponseObject, error) {
	j, base, err := s.journal(ctx, r.Name)
	if err != nil {
		return nil, err
	}
	p := r.Params
	last := j.LastID()
	after, err := strconv.ParseUint(given(p.LastEventID), 10, 64)
	switch {
	case err != nil:
		after = last
	case after > last: // of a journal before this one, whose reader has seen nothing of it
		after = 0
	}
	return &stream{
		ctx: ctx, journal: j, after: after, base: base,
		query: journal.Query{
			API: given(p.API), Operation: given(p.Operation), Principal: given(p.Principal), Status: given(p.Status),
			Violations: p.Violations, Text: given(p.Text),
		},
	}, nil
}

// heartbeat is how often a stream says that it is still there: more often than
// what stands between it and its reader gives up.
const heartbeat = 15 * time.Second

// stream is a journal that is being followed, as server-sent events.
type stream struct {
	ctx     context.Context //nolint:containedctx // the answer's own: it is written after the handler has returned
	journal *journal.Journal
	query   journal.Query
	after   uint64
	base    string
}

// VisitStreamJournalResponse writes events until the reader, the sandbox or the
// server goes.
func (s *stream) VisitStreamJournalResponse(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	connection := http.NewResponseController(w)
	for {
		if err := connection.Flush(); err != nil {
			return err
		}
		if edge.CallFrom(s.ctx).Request.Method == http.MethodHead { // who asks for the head alone waits for no event
			return nil
		}
		text, err := s.next()
		if err != nil {
			return nil //nolint:nilerr // that it ends is how a stream ends
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
	}
}

// next is what there is to send next. An error says that there is nothing more.
func (s *stream) next() ([]byte, error) {
	ctx, cancel := context.WithTimeout(s.ctx, heartbeat)
	defer cancel()
	for {
		entries, last, err := s.journal.Follow(ctx, s.after, s.query)
		switch {
		case errors.Is(err, context.DeadlineExceeded) && s.ctx.Err() == nil:
			return []byte(":\n\n"), nil
		case err != nil:
			return nil, err
		}
		s.after = last
		if len(entries) == 0 {
			continue
		}
		var text []byte
		for _, e := range entriesOf(entries, s.base) {
			data, err := json.Marshal(e)
			if err != nil {
				return nil, err
			}
			text = fmt.Appendf(text, "id: %d\nevent: exchange\ndata: %s\n\n", e.ID, data)
		}
		return text, nil
	}
}
