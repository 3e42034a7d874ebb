package handlers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"usher/handlers/applivery"
	"usher/handlers/edge"
	"usher/handlers/fixture"
	"usher/handlers/milvus"
	"usher/handlers/sandbox"
	"usher/handlers/usher"
	"usher/storage"
	"usher/storage/password"
)

// Settings are the vendors' settings that a sandbox may have of its own, in JSON.
type Settings struct {
	Applivery applivery.Options `json:"applivery"`
	Milvus    milvus.Options    `json:"milvus"`
}

// parseSettings puts settings in the place of the server's own. Errors: they are
// none.
func parseSettings(o Options, settings json.RawMessage) (Options, error) {
	if settings == nil {
		return o, nil
	}
	own := Settings{o.Applivery, o.Milvus} // what is not said stays as it is
	d := json.NewDecoder(bytes.NewReader(settings))
	d.DisallowUnknownFields()
	if err := d.Decode(&own); err != nil {
		return o, fmt.Errorf("settings: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return o, errors.New("settings: there is something after them")
	}
	o.Applivery, o.Milvus = own.Applivery, own.Milvus
	return o, nil
}

// sandboxHash is what the hash of a password costs in a sandbox, the least there is:
// what is in there is thrown away, and a thousand of them share the machine.
var sandboxHash = password.Params{Memory: 8, Time: 1, Threads: 1}

// NewHost makes a host of sandboxes, which have those options but for their metrics,
// and stores of those options but for the path, the time and what a hash costs.
func NewHost(o Options, store storage.Options) *sandbox.Host {
	o.Metrics, o.Workbench = nil, false // the server's own world has these
	store.Hash = sandboxHash
	return sandbox.NewHost(sandbox.Options{
		Build: func(w sandbox.World) (sandbox.Server, error) {
			o, err := parseSettings(o, w.Settings)
			if err != nil {
				return nil, err
			}
			if o.Logger != nil {
				o.Logger = o.Logger.With("sandbox", w.Name)
			}
			return newWorld(w.Store, hooked(o, w.Hooks))
		},
		Fill: func(ctx context.Context, s *storage.Store, demo bool) ([]sandbox.Administrator, error) {
			return fill(ctx, s, World{Demo: demo, HashAnew: true})
		},
		Load: func(ctx context.Context, s *storage.Store, document []byte) ([]sandbox.Administrator, error) {
			f, err := fixture.Parse("fixture", document)
			if err != nil {
				return nil, err
			}
			return fill(ctx, s, World{Fixture: f})
		},
		CheckSettings: func(settings json.RawMessage) error {
			o, err := parseSettings(o, settings)
			if err != nil {
				return err
			}
			for _, v := range apis(o) {
				if _, err := v.api(new(storage.Store)); err != nil { // of which nothing is asked
					return err
				}
			}
			return nil
		},
		Contracts: Contracts,
		Store:     store,
		Header:    safeHeaders,
	})
}

// hooked are options with the ears and hands of a world.
func hooked(o Options, h sandbox.Hooks) Options {
	o.Authentication, o.Intercept, o.Observe = h.Authentication, h.Intercept, h.Observe
	return o
}

// fill seeds a store, and tells the administrators that a password was made for.
func fill(ctx context.Context, store *storage.Store, w World) (made []sandbox.Administrator, err error) {
	w.Made = func(a Administrator) error {
		made = append(made, sandbox.Administrator{API: a.API, Login: a.Login, Password: a.Password})
		return nil
	}
	err = Seed(ctx, store, w)
	return made, err
}

// Workbench puts sandboxes and the control API in front of the APIs. It has the
// server's own world as one of the sandboxes.
type Workbench struct {
	host    *sandbox.Host
	main    *sandbox.Sandbox
	options Options
	token   password.Plain
	control http.Handler
}

// WorkbenchOptions are the settings of a workbench.
type WorkbenchOptions struct {
	// Token is what callers of the control API have to send; empty: they have to be on
	// this machine.
	Token password.Plain
	// Lasting says that the server's own store outlives the server: its clock and its
	// authentication cannot be changed then, and without a token it is not given away.
	Lasting bool
	// Store is what the stores of sandboxes are opened with, see NewHost.
	Store storage.Options
}

// NewWorkbench makes the workbench of a server whose handler will have the options
// that Options gives, and whose store the time that Now gives.
func NewWorkbench(o Options, w WorkbenchOptions) (*Workbench, error) {
	o.Workbench = true
	b := &Workbench{host: NewHost(o, w.Store), options: o, token: w.Token}
	var err error
	b.main, err = b.host.Main(w.Lasting, w.Token == "")
	return b, err
}

// Options are those of the server's handler.
func (b *Workbench) Options() Options { return hooked(b.options, b.main.Hooks()) }

// Now is the time in the server's own world.
func (b *Workbench) Now() time.Time { return b.main.Clock().Now() }

// Attach has the workbench serve the server's own world. Errors: a contract that
// cannot be parsed.
func (b *Workbench) Attach(h *Handler) error {
	control, err := usher.Options{Host: b.host, Token: b.token}.API()
	if err != nil {
		return err
	}
	e := echo.New()
	if err := edge.Mount(e, h.options.edge(), control); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	mountPage(e, "/_usher/openapi/"+usher.Name+".yaml", func(c echo.Context) error {
		return c.Blob(http.StatusOK, "application/yaml", control.OpenAPI)
	})
	mountReference(e, slices.Concat([]edge.API{control}, h.served))
	b.control = e
	b.main.Attach(h.store, h)
	return nil
}

// Close ends every sandbox, and whoever follows a journal.
func (b *Workbench) Close() error { return b.host.Close() }

// Handler serves all APIs, or the one of that name, with the workbench before them.
// Errors: api is no API's name.
func (b *Workbench) Handler(api string) (http.Handler, error) {
	if api != "" && !slices.Contains(Names(), api) {
		return nil, errNoAPI(api)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name, ok := sandboxOfHost(r.Host); ok && name != sandbox.Main {
			b.serve(w, r, name, api)
			return
		}
		path := r.URL.EscapedPath()
		if rest, ok := strings.CutPrefix(path, usher.Within); ok {
			name, _, _ := strings.Cut(rest, "/")
			prefix := usher.Within + name
			b.serve(&prefixed{ResponseWriter: w, prefix: prefix}, below(r, prefix), name, api)
			return
		}
		if isControl(path) { // as the router will read it
			b.control.ServeHTTP(w, r)
			return
		}
		b.serve(w, r, sandbox.Main, api)
	}), nil
}

func (b *Workbench) serve(w http.ResponseWriter, r *http.Request, name, api string) {
	s, err := b.host.Get(name)
	switch {
	case err != nil:
		Safe(w.Header())
		http.Error(w, fmt.Sprintf("no sandbox is called %q; those that there are: /_usher/sandboxes", name), http.StatusNotFound)
	case api == "":
		s.ServeHTTP(w, r)
	default:
		s.Only(api).ServeHTTP(w, r)
	}
}

// isControl says whether a path is one of the workbench's own; the other pages below
// /_usher are there without it, too.
func isControl(path string) bool {
	rest, ok := strings.CutPrefix(path, "/_usher/")
	if !ok {
		return false
	}
	first, _, _ := strings.Cut(rest, "/")
	return slices.Contains([]string{"sandboxes", "snapshots", "reference"}, first) || rest == "openapi/"+usher.Name+".yaml"
}

// sandboxOfHost is the sandbox that a Host header names.
func sandboxOfHost(host string) (name string, ok bool) {
	if i := strings.LastIndexByte(host, ':'); i >= 0 {
		host = host[:i]
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	return strings.CutSuffix(host, usher.Domain)
}

// below is a request as it is without the prefix of its path.
func below(r *http.Request, prefix string) *http.Request {
	u := *r.URL
	path := strings.TrimPrefix(r.URL.EscapedPath(), prefix)
	if path == "" {
		path = "/"
	}
	if unescaped, err := url.PathUnescape(path); err == nil { // it was parsed before
		u.Path, u.RawPath = unescaped, ""
		if u.EscapedPath() != path { // as url.Parse leaves it
			u.RawPath = path
		}
	}
	inner := *r
	inner.URL = &u
	inner.RequestURI = u.RequestURI()
	return &inner
}

// prefixed is an answer of a sandbox that is found by a prefix: where it says a path
// of the server, the prefix comes before it.
type prefixed struct {
	http.ResponseWriter
	prefix string
	done   bool
}

// Unwrap gives the answer itself to http.ResponseController.
func (p *prefixed) Unwrap() http.ResponseWriter { return p.ResponseWriter }

func (p *prefixed) WriteHeader(status int) {
	if !p.done && status >= http.StatusOK {
		p.done = true
		p.settle(p.Header())
	}
	p.ResponseWriter.WriteHeader(status)
}

func (p *prefixed) Write(b []byte) (int, error) {
	if !p.done {
		p.WriteHeader(http.StatusOK)
	}
	return p.ResponseWriter.Write(b)
}

func (p *prefixed) settle(header http.Header) {
	if location := header.Get("Location"); strings.HasPrefix(location, "/") && !strings.HasPrefix(location, "//") {
		header.Set("Location", p.prefix+location)
	}
	cookies := slices.Clone(header["Set-Cookie"])
	for i, cookie := range cookies {
		parts := strings.Split(cookie, ";")
		for j, part := range parts[1:] {
			if name, path, ok := strings.Cut(strings.TrimSpace(part), "="); ok && strings.EqualFold(name, "Path") && strings.HasPrefix(path, "/") {
				parts[j+1] = strings.Replace(part, path, p.prefix+path, 1) // and spelt as the vendor does
			}
		}
		cookies[i] = strings.Join(parts, ";")
	}
	if len(cookies) > 0 {
		header["Set-Cookie"] = cookies
	}
}
