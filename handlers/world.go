package handlers

import (
	"net/http"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"

	"usher/handlers/sandbox"
	"usher/storage"
)

// world serves what Handler does, and makes each API's share of it when it is first
// asked for: most sandboxes are for one API, and the routes of all of them are some
// thousand objects, a thousand times.
type world struct {
	h     *Handler // whose Echo is nil
	parts []part
	pages func() (*echo.Echo, error)
}

// part is one API's share.
type part struct {
	roots []string
	serve func() (*echo.Echo, error)
}

var _ sandbox.Server = (*world)(nil)

func newWorld(store *storage.Store, o Options) (sandbox.Server, error) {
	h, err := newHandler(store, o)
	if err != nil {
		return nil, err
	}
	w := &world{h: h}
	for i, a := range h.served {
		w.parts = append(w.parts, part{a.Roots, sync.OnceValues(func() (*echo.Echo, error) {
			e := echo.New()
			return e, h.mountAPIs(e, h.served[i:i+1], false)
		})})
	}
	w.pages = sync.OnceValues(func() (*echo.Echo, error) {
		e := echo.New()
		h.mountOwn(e, h.vendors, h.served, false)
		return e, nil
	})
	return w, nil
}

// ServeHTTP has the API answer whose path it is.
func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	serve := w.pages
	path := echo.GetPath(r) // what the router would go by
	for _, p := range w.parts {
		for _, root := range p.roots {
			if rest, ok := strings.CutPrefix(path, root); ok && (rest == "" || rest[0] == '/') {
				serve = p.serve
			}
		}
	}
	e, err := serve()
	if err != nil { // which would have ended the server when it started
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	e.ServeHTTP(rw, r)
}

// Only serves one API alone, as Handler.Only does.
func (w *world) Only(api string) (http.Handler, error) { return w.h.Only(api) }
