package usher

import (
	"context"

	gen "usher/gen/usher"
	"usher/handlers/sandbox"
)

// ListFaults answers a sandbox' faults.
func (s *server) ListFaults(_ context.Context, r gen.ListFaultsRequestObject) (gen.ListFaultsResponseObject, error) {
	b, err := s.host.Get(r.Name)
	if err != nil {
		return nil, err
	}
	all := []gen.Fault{}
	for _, f := range b.Faults().List() {
		all = append(all, faultOf(f))
	}
	return gen.ListFaults200JSONResponse{Faults: all}, nil
}

// AddFault has requests go wrong.
func (s *server) AddFault(_ context.Context, r gen.AddFaultRequestObject) (gen.AddFaultResponseObject, error) {
	b, err := s.host.Get(r.Name)
	if err != nil {
		return nil, err
	}
	spec, err := faultSpecOf(*r.Body)
	if err != nil {
		return nil, err
	}
	f, err := b.Faults().Add(spec) //nolint:contextcheck // an example is made of the contract, in no time
	if err != nil {
		return nil, err
	}
	return gen.AddFault201JSONResponse(faultOf(f)), nil
}

// DeleteFaults takes every fault away.
func (s *server) DeleteFaults(_ context.Context, r gen.DeleteFaultsRequestObject) (gen.DeleteFaultsResponseObject, error) {
	b, err := s.host.Get(r.Name)
	if err != nil {
		return nil, err
	}
	b.Faults().Clear()
	return gen.DeleteFaults204Response{}, nil
}

// DeleteFault takes a fault away.
func (s *server) DeleteFault(_ context.Context, r gen.DeleteFaultRequestObject) (gen.DeleteFaultResponseObject, error) {
	b, err := s.host.Get(r.Name)
	if err != nil {
		return nil, err
	}
	if !b.Faults().Delete(r.ID) {
		return nil, sandbox.NotFound("no fault is called %q", r.ID)
	}
	return gen.DeleteFault204Response{}, nil
}
