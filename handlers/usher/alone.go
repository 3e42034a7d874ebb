package usher

import (
	"encoding/json"
	"strings"
	"sync"

	gen "usher/gen/usher"
	"usher/handlers/edge"
	"usher/handlers/journal"
)

// ofJournals is what of the contract speaks of journals.
var ofJournals = sync.OnceValues(func() (*edge.Contract, error) {
	var document map[string]any
	if err := json.Unmarshal(gen.Requests, &document); err != nil {
		return nil, err
	}
	paths := document["paths"].(map[string]any)
	for path := range paths {
		if !strings.HasPrefix(path, "/sandboxes/{name}/journal") {
			delete(paths, path)
		}
	}
	text, err := json.Marshal(document)
	if err != nil {
		return nil, err
	}
	return edge.ParseContract(text)
})

// JournalAPI serves the part of the control API that reads a journal, as that of
// main, for a program that has one and no sandboxes. base is the URL that the paths
// in it are below. Callers have to be on this machine. It fails only if the
// contract cannot be parsed.
func JournalAPI(j *journal.Journal, base string) (edge.API, error) {
	c, err := ofJournals()
	if err != nil {
		return edge.API{}, err
	}
	s := &server{alone: j, base: base}
	serve := gen.ServerInterfaceWrapper{Handler: gen.NewStrictHandler(s, nil)}
	return s.api("", c, func(r edge.Router) {
		r.GET("/sandboxes/:name/journal", serve.ListJournal)
		r.DELETE("/sandboxes/:name/journal", serve.ClearJournal)
		r.GET("/sandboxes/:name/journal/stream", serve.StreamJournal)
		r.POST("/sandboxes/:name/journal/assert", serve.AssertJournal)
	}), nil
}
