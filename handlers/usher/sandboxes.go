package usher

import (
	"context"
	"encoding/json"

	gen "usher/gen/usher"
	"usher/handlers/edge"
	"usher/handlers/fixture"
	"usher/handlers/sandbox"
)

// ListSandboxes answers every sandbox.
func (s *server) ListSandboxes(ctx context.Context, _ gen.ListSandboxesRequestObject) (gen.ListSandboxesResponseObject, error) {
	all := []gen.Sandbox{}
	for _, b := range s.host.List() {
		one, err := sandboxOf(ctx, b)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return gen.ListSandboxes200JSONResponse{Sandboxes: all}, nil
}

// CreateSandbox makes a sandbox.
func (s *server) CreateSandbox(ctx context.Context, r gen.CreateSandboxRequestObject) (gen.CreateSandboxResponseObject, error) {
	spec, err := specOf(*r.Body)
	if err != nil {
		return nil, err
	}
	b, err := s.host.Create(ctx, spec)
	if err != nil {
		return nil, err
	}
	answer, err := sandboxOf(ctx, b)
	if err != nil {
		return nil, err
	}
	if as := administratorsOf(b.Administrators()); len(as) > 0 {
		answer.Administrators = &as
	}
	return gen.CreateSandbox201JSONResponse(answer), nil
}

// GetSandbox answers one sandbox.
func (s *server) GetSandbox(ctx context.Context, r gen.GetSandboxRequestObject) (gen.GetSandboxResponseObject, error) {
	b, err := s.host.Get(r.Name)
	if err != nil {
		return nil, err
	}
	answer, err := sandboxOf(ctx, b)
	return gen.GetSandbox200JSONResponse(answer), err
}

// ChangeSandbox changes a sandbox' time to live, authentication and settings.
func (s *server) ChangeSandbox(ctx context.Context, r gen.ChangeSandboxRequestObject) (gen.ChangeSandboxResponseObject, error) {
	b, err := s.host.Get(r.Name)
	if err != nil {
		return nil, err
	}
	c := sandbox.Changes{Authentication: edge.Authentication(given(r.Body.Authentication))}
	if r.Body.TTL != nil {
		ttl, err := duration("ttl", r.Body.TTL)
		if err != nil {
			return nil, err
		}
		c.TTL = &ttl
	}
	if r.Body.Settings != nil {
		if c.Settings, err = json.Marshal(r.Body.Settings); err != nil {
			return nil, err
		}
	}
	if err := b.Change(c); err != nil {
		return nil, err
	}
	answer, err := sandboxOf(ctx, b)
	return gen.ChangeSandbox200JSONResponse(answer), err
}

// DeleteSandbox ends a sandbox.
func (s *server) DeleteSandbox(_ context.Context, r gen.DeleteSandboxRequestObject) (gen.DeleteSandboxResponseObject, error) {
	b, err := s.host.Get(r.Name)
	if err == nil {
		err = b.Close()
	}
	if err != nil {
		return nil, err
	}
	return gen.DeleteSandbox204Response{}, nil
}

// ResetSandbox has a sandbox be what it was created as.
func (s *server) ResetSandbox(ctx context.Context, r gen.ResetSandboxRequestObject) (gen.ResetSandboxResponseObject, error) {
	b, err := s.host.Get(r.Name)
	if err == nil {
		err = b.Reset(ctx)
	}
	if err != nil {
		return nil, err
	}
	answer, err := sandboxOf(ctx, b)
	return gen.ResetSandbox200JSONResponse(answer), err
}

// DiffSandbox says what is different in a sandbox.
func (s *server) DiffSandbox(ctx context.Context, r gen.DiffSandboxRequestObject) (gen.DiffSandboxResponseObject, error) {
	b, err := s.host.Get(r.Name)
	if err != nil {
		return nil, err
	}
	from, err := s.other(ctx, r.Params)
	if err != nil {
		return nil, err
	}
	differences, err := b.Diff(ctx, from)
	if err != nil {
		return nil, err
	}
	return gen.DiffSandbox200JSONResponse{Differences: differencesOf(differences)}, nil
}

// other is what a sandbox is to be compared with; nil: what it was created as.
func (s *server) other(ctx context.Context, p gen.DiffSandboxParams) (*sandbox.Snapshot, error) {
	switch {
	case p.Sandbox != nil && p.Snapshot != nil:
		return nil, badf("compare with a sandbox or with a snapshot, not with both")
	case p.Snapshot != nil:
		return s.host.Snapshot(*p.Snapshot)
	case p.Sandbox != nil:
		b, err := s.host.Get(*p.Sandbox)
		if err != nil {
			return nil, err
		}
		return b.Snapshot(ctx)
	}
	return nil, nil
}

// ExportFixture answers a sandbox' users, roles and settings.
func (s *server) ExportFixture(ctx context.Context, r gen.ExportFixtureRequestObject) (gen.ExportFixtureResponseObject, error) {
	b, err := s.host.Get(r.Name)
	if err != nil {
		return nil, err
	}
	seeds, err := b.Dump(ctx)
	if err != nil {
		return nil, err
	}
	text, err := fixture.From(seeds).JSON()
	if err != nil {
		return nil, err
	}
	var document gen.Fixture
	if err := json.Unmarshal(text, &document); err != nil {
		return nil, err
	}
	return gen.ExportFixture200JSONResponse(document), nil
}
