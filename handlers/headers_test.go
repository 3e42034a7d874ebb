package handlers_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// safe is what every answer carries, whoever gives it.
var safe = map[string]string{
	"Cache-Control":           "no-store",
	"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
	"Referrer-Policy":         "no-referrer",
	"X-Content-Type-Options":  "nosniff",
}

func expectSafe(t *testing.T, what string, header http.Header) {
	t.Helper()
	for name, want := range safe {
		if got := header[name]; !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %s: %q", what, name, got)
		}
	}
}

// Every answer of an API has the headers that keep it from being stored, run or
// framed, and its vendor's own as they are.
func TestSafeHeadersOfAPIs(t *testing.T) {
	own := map[string]string{"fusion": "Set-Cookie", "milvus": "Access-Control-Allow-Origin", "applivery": "X-RateLimit-Limit"}
	for api, d := range dialects {
		w := serveAPI(t, api)
		done := w.do(t, d.create(t, w, "eve", "Str0ng-Passw0rd!"))
		if done.status >= http.StatusBadRequest {
			t.Fatalf("%s: %d %s", api, done.status, done.body)
		}
		expectSafe(t, api, done.header)
		if name := own[api]; name != "" && done.header[name] == nil && done.header.Get(name) == "" {
			t.Errorf("%s: no %s: %v", api, name, done.header)
		}
		nobody := d.create(t, w, "mallory", "Str0ng-Passw0rd!")
		nobody.Header.Del("Authorization")
		expectSafe(t, api+", refused", w.do(t, nobody).header)
		nowhere := d.create(t, w, "mallory", "Str0ng-Passw0rd!")
		nowhere.URL.Path += "/x/y/z"
		expectSafe(t, api+", no path", w.do(t, nowhere).header)
	}
}

// So do usher's own pages; the index page may have the one style sheet that is
// in it, and has nothing else that it would need leave for.
func TestSafeHeadersOfPages(t *testing.T) {
	w := serveAPI(t, "fusion")
	w.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for _, path := range []string{"/", "/_usher", "/_usher/healthz", "/_usher/readyz", "/_usher/metrics", "/_usher/openapi/fusion.yaml", "/nothing"} {
		for _, verb := range []string{http.MethodGet, http.MethodHead, http.MethodOptions} {
			expectSafe(t, verb+" "+path, w.do(t, w.request(t, verb, path, "")).header)
		}
	}
	index := w.do(t, w.request(t, http.MethodGet, "/_usher/", ""))
	styles := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindAllStringSubmatch(index.body, -1)
	if len(styles) != 1 || regexp.MustCompile(`<script|<link|<img|<form|<base|style=| on[a-z]+=`).MatchString(index.body) {
		t.Errorf("more than one style sheet: %s", index.body)
	}
	sum := sha256.Sum256([]byte(styles[0][1]))
	policy := index.header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") {
		t.Errorf("the style sheet is not let in: %s", policy)
	}
	index.header.Set("Content-Security-Policy", safe["Content-Security-Policy"])
	expectSafe(t, "/_usher/", index.header)
}
