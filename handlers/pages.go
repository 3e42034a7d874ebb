package handlers

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"usher/handlers/edge"
	"usher/storage"
)

//go:embed index.html
var indexHTML string

var indexPage = template.Must(template.New("index").Parse(indexHTML))

// mountPage serves a page, and says which verbs it takes.
func mountPage(e *echo.Echo, path string, h echo.HandlerFunc) {
	e.Match([]string{http.MethodGet, http.MethodHead}, path, func(c echo.Context) error {
		safe(c, safeHeaders)
		return h(c)
	})
	e.OPTIONS(path, func(c echo.Context) error {
		safe(c, safeHeaders)
		c.Response().Header().Set(echo.HeaderAllow, "OPTIONS, GET, HEAD")
		return c.NoContent(http.StatusNoContent)
	})
}

// mountPages serves usher's own pages, below /_usher. They answer HEAD, too: on
// a port where every path is a vendor's, that of a page is not.
func mountPages(e *echo.Echo, store *storage.Store, o Options, vendors []vendor, served []edge.API) {
	get := func(path string, h echo.HandlerFunc) { mountPage(e, path, h) }
	type entry struct{ Name, Title, Base string }
	page := struct {
		Version string
		APIs    []entry
		Metrics bool
		// Workbench says that there are its pages, too.
		Workbench bool
	}{Version: o.Version, Metrics: o.Metrics != nil, Workbench: o.Workbench}
	for i, a := range served {
		page.APIs = append(page.APIs, entry{a.Name, vendors[i].title, a.Roots[0]})
		get("/_usher/openapi/"+a.Name+".yaml", func(c echo.Context) error {
			return c.Blob(http.StatusOK, "application/yaml", a.OpenAPI)
		})
	}
	get("/_usher", func(c echo.Context) error { return c.Redirect(http.StatusFound, "/_usher/") })
	get("/_usher/", func(c echo.Context) error {
		var b bytes.Buffer
		if err := indexPage.Execute(&b, page); err != nil {
			return err
		}
		safe(c, indexHeaders)
		return c.HTMLBlob(http.StatusOK, b.Bytes())
	})
	get("/_usher/healthz", func(c echo.Context) error { return c.String(http.StatusOK, "ok\n") })
	get("/_usher/readyz", func(c echo.Context) error {
		if err := store.Ping(c.Request().Context()); err != nil {
			if o.Logger != nil {
				o.Logger.ErrorContext(c.Request().Context(), "store not ready", "error", err)
			}
			return c.String(http.StatusServiceUnavailable, "the store does not answer\n")
		}
		return c.String(http.StatusOK, "ok\n")
	})
	if o.Metrics != nil {
		get("/_usher/metrics", echo.WrapHandler(promhttp.HandlerFor(o.Metrics, promhttp.HandlerOpts{})))
	}
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		status := http.StatusInternalServerError
		if httpError, ok := err.(*echo.HTTPError); ok { //nolint:errorlint // echo hands over its own, unwrapped
			status = httpError.Code
		}
		if c.Response().Committed {
			return
		}
		safe(c, safeHeaders)
		text := http.StatusText(status) + "; what is served here: /_usher/\n"
		if r := c.Request(); o.Observe != nil && !isOwn(r.URL.Path) { // somebody looks for an API where there is none
			c.Response().Header().Set(echo.HeaderContentType, echo.MIMETextPlainCharsetUTF8)
			o.Observe(&edge.Call{Request: r}, edge.Observed{
				Start: time.Now(), RequestTruncated: r.ContentLength != 0, Status: status, Header: c.Response().Header(), Body: []byte(text),
			})
		}
		_ = c.String(status, text)
	}
}

// isOwn says whether a path is one of usher's own.
func isOwn(path string) bool {
	return path == "/" || path == "/_usher" || strings.HasPrefix(path, "/_usher/")
}
