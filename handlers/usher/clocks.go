package usher

import (
	"context"

	gen "usher/gen/usher"
)

// GetClock answers a sandbox' clock.
func (s *server) GetClock(_ context.Context, r gen.GetClockRequestObject) (gen.GetClockResponseObject, error) {
	b, err := s.host.Get(r.Name)
	if err != nil {
		return nil, err
	}
	return gen.GetClock200JSONResponse(clockOf(b.Clock())), nil
}

// ChangeClock sets, advances, stops or resumes a sandbox' clock.
func (s *server) ChangeClock(_ context.Context, r gen.ChangeClockRequestObject) (gen.ChangeClockResponseObject, error) {
	b, err := s.host.Get(r.Name)
	if err != nil {
		return nil, err
	}
	change, err := changeOf(*r.Body)
	if err == nil {
		err = b.SetClock(change)
	}
	if err != nil {
		return nil, err
	}
	return gen.ChangeClock200JSONResponse(clockOf(b.Clock())), nil
}

// ResetClock has a sandbox' clock tell the real time.
func (s *server) ResetClock(_ context.Context, r gen.ResetClockRequestObject) (gen.ResetClockResponseObject, error) {
	b, err := s.host.Get(r.Name)
	if err != nil {
		return nil, err
	}
	b.Clock().Reset()
	return gen.ResetClock200JSONResponse(clockOf(b.Clock())), nil
}
