// Package handlers puts the APIs onto one handler: New lists them, a line
// each. A further API is one more line.
//
// It holds nothing of a vendor's and nothing of a store's: look into the
// packages below it for the one, into storage for the other.
package handlers

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"usher/handlers/applivery"
	"usher/handlers/edge"
	"usher/handlers/fusion"
	"usher/handlers/milvus"
	"usher/handlers/saymon"
	"usher/storage"
	"usher/storage/password"
)

// Options are the settings of a handler; the zero value is the vendors' own
// behaviour, unobserved.
type Options struct {
	Logger  *slog.Logger         // one line per request; nil: none
	Metrics *prometheus.Registry // counts and durations, served at /_usher/metrics; nil: none
	Version string               // shown on the index page
	Timeout time.Duration        // of a request; 0: edge.DefaultTimeout
	// TrustedProxies are the networks whose X-Forwarded-For and X-Forwarded-Proto are
	// believed; nil: nobody's.
	TrustedProxies []*net.IPNet

	// Those of edge.Options.
	Authentication func() edge.Authentication
	Intercept      func(*edge.Call) *edge.Fault
	Observe        func(*edge.Call, edge.Observed)

	// Workbench has the index page lead to what a Workbench in front of the handler
	// serves.
	Workbench bool

	Applivery applivery.Options
	Milvus    milvus.Options
}

// apis is the list of all that usher serves.
func apis(o Options) []vendor {
	return []vendor{
		{fusion.Name, "Lucidworks Fusion", fusion.API, fusion.FirstStart, fusion.Administrator, fusion.GivePassword, fusion.Demo, fusion.DemoAccounts, fusion.PasswordRule, fusion.Scripts, fusion.Form},
		{applivery.Name, "Applivery", o.Applivery.API, applivery.FirstStart, applivery.Administrator, nil, applivery.Demo, applivery.DemoAccounts, applivery.PasswordRule, applivery.Scripts, applivery.Form},
		{saymon.Name, "SAYMON", saymon.API, saymon.FirstStart, saymon.Administrator, nil, saymon.Demo, saymon.DemoAccounts, saymon.PasswordRule, saymon.Scripts, saymon.Form},
		{milvus.Name, "Milvus", o.Milvus.API, milvus.FirstStart, milvus.Administrator, nil, milvus.Demo, milvus.DemoAccounts, o.Milvus.PasswordRule, milvus.Scripts, milvus.Form},
	}
}

// vendor is what a package of a vendor's gives.
type vendor struct {
	name, title string
	api         func(*storage.Store) (edge.API, error)
	// firstStart is what the vendor ships with, and the first administrator
	// with this password. With givePassword it may be empty: the first caller
	// sets it, or a later start, which givePassword is for.
	firstStart    func(admin password.Plain) storage.Seed
	administrator string // the first one's login
	givePassword  func(ctx context.Context, store *storage.Store, admin password.Plain) (given bool, err error)
	demo          func() storage.Seed
	demoAccounts  func() []string // "login / password", of demo
	// rule is what a new password of that user must be like now, or why there can
	// be none.
	rule func(context.Context, *storage.Directory, storage.User) (password.Policy, error)
	// scripts say what the API does: testdata/*.txtar.
	scripts fs.FS
	// form is how what a fixture gives is kept.
	form func() storage.SeedForm
}

// Names lists the APIs, in the order that they are shown in.
func Names() []string {
	var names []string
	for _, v := range apis(Options{}) {
		names = append(names, v.name)
	}
	return names
}

// FirstAdministrator is the login of an API's first administrator; empty for an
// API that there is not.
func FirstAdministrator(api string) string {
	for _, v := range apis(Options{}) {
		if v.name == api {
			return v.administrator
		}
	}
	return ""
}

// Handler is all that usher serves.
type Handler struct {
	*echo.Echo
	Summaries []Summary

	store   *storage.Store
	options Options
	vendors []vendor
	served  []edge.API
}

// Summary is what there is to say of an API to a person who starts the server.
type Summary struct {
	Name         string
	Title        string
	Base         string   // the path that it is served below
	DemoAccounts []string // "login / password"; their passwords are public
}

// New serves every API over the store, and usher's own pages.
func New(store *storage.Store, o Options) (*Handler, error) {
	h, err := newHandler(store, o)
	if err != nil {
		return nil, err
	}
	if h.Echo, err = h.mount(h.vendors, h.served, false); err != nil {
		return nil, err
	}
	return h, nil
}

// newHandler makes a handler that serves nothing yet.
func newHandler(store *storage.Store, o Options) (*Handler, error) {
	vendors := apis(o)
	served := make([]edge.API, len(vendors))
	var parsing errgroup.Group // a process' first contracts take milliseconds each to parse
	for i, v := range vendors {
		parsing.Go(func() (err error) {
			served[i], err = v.api(store)
			return err
		})
	}
	if err := parsing.Wait(); err != nil {
		return nil, err
	}
	h := &Handler{store: store, options: o, vendors: vendors, served: served}
	for i, a := range served {
		h.Summaries = append(h.Summaries, Summary{vendors[i].name, vendors[i].title, a.Roots[0], vendors[i].demoAccounts()})
	}
	return h, nil
}

// Only serves one API alone, and usher's own pages: every other path is
// answered as that API's vendor does. It shares all that the API remembers with
// h. Errors: name is no API's.
func (h *Handler) Only(name string) (http.Handler, error) {
	for i, v := range h.vendors {
		if v.name == name {
			return h.mount(h.vendors[i:i+1], h.served[i:i+1], true)
		}
	}
	return nil, errNoAPI(name)
}

// edge are the options of the edge that no world has of its own.
func (o Options) edge() edge.Options {
	e := edge.Options{
		Logger: o.Logger, Timeout: o.Timeout, Header: safeHeaders, TrustedProxies: o.TrustedProxies, Busy: &storage.Error{Kind: storage.Busy},
	}
	if o.Metrics != nil {
		e.Metrics = o.Metrics
	}
	return e
}

// mount serves some of the APIs, and usher's own pages.
func (h *Handler) mount(vendors []vendor, served []edge.API, everyPath bool) (*echo.Echo, error) {
	e := echo.New()
	if err := h.mountAPIs(e, served, everyPath); err != nil {
		return nil, err
	}
	h.mountOwn(e, vendors, served, everyPath)
	return e, nil
}

// mountOwn serves usher's own pages.
func (h *Handler) mountOwn(e *echo.Echo, vendors []vendor, served []edge.API, everyPath bool) {
	mountPages(e, h.store, h.options, vendors, served)
	if !everyPath {
		mountPage(e, "/", func(c echo.Context) error { return c.Redirect(http.StatusFound, "/_usher/") })
	}
}

func (h *Handler) mountAPIs(e *echo.Echo, served []edge.API, everyPath bool) error {
	o := h.options.edge()
	o.EveryPath = everyPath
	o.Authentication, o.Intercept, o.Observe = h.options.Authentication, h.options.Intercept, h.options.Observe
	if err := edge.Mount(e, o, served...); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	return nil
}
