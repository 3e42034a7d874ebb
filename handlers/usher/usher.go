// Package usher serves usher's own control API, the workbench: sandboxes, their
// clocks, faults, journals and snapshots. gen/usher is its contract, and it passes
// the edge like the vendors' APIs do.
//
// It is thin: what it does is done by packages sandbox, journal and fixture. Look
// next into guard.go for who may call it, errors.go for what is answered when
// something fails, and sandboxes.go for the operations.
package usher

import (
	"context"
	"sync"

	gen "usher/gen/usher"
	"usher/handlers/edge"
	"usher/handlers/journal"
	"usher/handlers/sandbox"
	"usher/storage/password"
)

// Name is the API's name.
const Name = "usher"

// Roots are the paths that belong to it.
var Roots = []string{"/_usher"}

// Within is where a sandbox is found by path: its name follows, and then the path of
// the API in it.
const Within = "/_usher/in/"

// Domain is what a sandbox' name stands before in the host name that it has.
const Domain = ".localhost"

var contract = sync.OnceValues(func() (*edge.Contract, error) { return edge.ParseContract(gen.Requests) })

// Options are what the API needs.
type Options struct {
	Host *sandbox.Host
	// Token is what callers have to send; empty: they have to be on this machine.
	Token password.Plain
}

// API serves the control API. It fails only if the contract cannot be parsed.
func (o Options) API() (edge.API, error) {
	c, err := contract()
	if err != nil {
		return edge.API{}, err
	}
	s := &server{host: o.Host}
	return s.api(o.Token, c, func(r edge.Router) { gen.RegisterHandlers(r, gen.NewStrictHandler(s, nil)) }), nil
}

func (s *server) api(token password.Plain, c *edge.Contract, register func(edge.Router)) edge.API {
	nobody := func(ctx context.Context, _ *edge.Call) (context.Context, error) { return ctx, nil }
	return edge.API{
		Name:     Name,
		Roots:    Roots,
		Contract: c,
		OpenAPI:  gen.OpenAPI,
		Register: register,
		// Who may call it at all is all that there is to ask.
		Admit:        newGuard(token).admit,
		Authenticate: nobody,
		Anyone:       nobody,
		Denied:       func(error) bool { return false },
		Fail:         fail,
		HeadIsGet:    true,
		JSON:         edge.JSONStyle{ContentType: "application/json"},
		RequestID:    "X-Request-Id",
	}
}

// server answers the operations.
type server struct {
	host  *sandbox.Host
	alone *journal.Journal // of a program that has no sandboxes, as that of main
	base  string           // what the paths in it are below
}

var _ gen.StrictServerInterface = (*server)(nil)
