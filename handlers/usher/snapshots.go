package usher

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"regexp"
	"strings"

	gen "usher/gen/usher"
	"usher/handlers/edge"
	"usher/handlers/sandbox"
)

// snapshotName is the contract's pattern: that of a path's parameter is no limit for
// a name that is asked for, only for one that is given.
var snapshotName = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?$`)

// TakeSnapshot keeps a sandbox as it is now.
func (s *server) TakeSnapshot(ctx context.Context, r gen.TakeSnapshotRequestObject) (gen.TakeSnapshotResponseObject, error) {
	b, err := s.host.Get(r.Name)
	if err != nil {
		return nil, err
	}
	name := given(r.Body.Name)
	if name == "" {
		name = strings.ToLower(rand.Text()[:10])
	}
	snapshot, err := b.Snapshot(ctx)
	if err == nil {
		err = s.host.Keep(name, snapshot, false)
	}
	if err != nil {
		return nil, err
	}
	return gen.TakeSnapshot201JSONResponse(snapshotOf(name, snapshot)), nil
}

// ListSnapshots answers every snapshot that is kept.
func (s *server) ListSnapshots(context.Context, gen.ListSnapshotsRequestObject) (gen.ListSnapshotsResponseObject, error) {
	return gen.ListSnapshots200JSONResponse{Snapshots: snapshotsOf(s.host.Snapshots())}, nil
}

// DownloadSnapshot answers a snapshot's file.
func (s *server) DownloadSnapshot(_ context.Context, r gen.DownloadSnapshotRequestObject) (gen.DownloadSnapshotResponseObject, error) {
	snapshot, err := s.host.Snapshot(r.Name)
	if err != nil {
		return nil, err
	}
	file, err := snapshot.File()
	if err != nil {
		return nil, err
	}
	return gen.DownloadSnapshot200ApplicationOctetStreamResponse{Body: bytes.NewReader(file), ContentLength: int64(len(file))}, nil
}

// UploadSnapshot keeps a file.
func (s *server) UploadSnapshot(ctx context.Context, r gen.UploadSnapshotRequestObject) (gen.UploadSnapshotResponseObject, error) {
	if !snapshotName.MatchString(r.Name) {
		return nil, badf("%q is not what a snapshot is called", r.Name)
	}
	snapshot, err := sandbox.ReadSnapshot(ctx, r.Body)
	if tooLarge := (*edge.BodyError)(nil); errors.As(err, &tooLarge) {
		return nil, tooLarge
	}
	if err == nil {
		err = s.host.Keep(r.Name, snapshot, true)
	}
	if err != nil {
		return nil, err
	}
	return gen.UploadSnapshot201JSONResponse(snapshotOf(r.Name, snapshot)), nil
}

// DeleteSnapshot forgets a snapshot.
func (s *server) DeleteSnapshot(_ context.Context, r gen.DeleteSnapshotRequestObject) (gen.DeleteSnapshotResponseObject, error) {
	if err := s.host.Forget(r.Name); err != nil {
		return nil, err
	}
	return gen.DeleteSnapshot204Response{}, nil
}
