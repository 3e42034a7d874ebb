package handlers

import (
	"net/http"
	"sync"

	"github.com/labstack/echo/v4"

	"usher/handlers/edge"
	"usher/handlers/exchange"
	"usher/handlers/journal"
	"usher/handlers/usher"
	"usher/storage"
)

// Contracts are the effective contracts of every API, in the order of Names. They
// are parsed when they are first asked for, once per process, and shared.
func Contracts() ([]*exchange.Contract, error) { return contracts() }

var contracts = sync.OnceValues(func() ([]*exchange.Contract, error) {
	var parsed []*exchange.Contract
	for _, v := range apis(Options{}) {
		api, err := v.api(new(storage.Store)) // of which nothing is asked
		if err != nil {
			return nil, err
		}
		c, err := exchange.Parse(api.Name, api.Roots, api.OpenAPI)
		if err != nil {
			return nil, err
		}
		parsed = append(parsed, c)
	}
	return parsed, nil
})

// Checker is what holds requests against an API's contract and refuses them in its
// vendor's words, without serving the API. Errors: api is no API's name.
func Checker(api string) (*edge.Checker, error) {
	v, err := vendorNamed(api, Options{})
	if err != nil {
		return nil, err
	}
	served, err := v.api(new(storage.Store)) // of which nothing is asked
	if err != nil {
		return nil, err
	}
	return edge.NewChecker(served)
}

// JournalOf serves a journal alone, as the control API serves that of main. base is
// the URL that the paths in it are below. Callers have to be on this machine.
func JournalOf(j *journal.Journal, base string) (http.Handler, error) {
	api, err := usher.JournalAPI(j, base)
	if err != nil {
		return nil, err
	}
	e := echo.New()
	return e, edge.Mount(e, edge.Options{EveryPath: true, Header: safeHeaders}, api)
}
