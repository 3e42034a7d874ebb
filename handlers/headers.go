package handlers

import (
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// safeHeaders go onto every answer, the vendors' included. No vendor's document
// prints one of these names, so no client can count on their absence, and they
// leave status, Content-Type and body as they are. They are for what stands
// between server and caller:
//
//   - no-store: Fusion gives a session's cookie with every answer to Basic, and
//     its access tokens are not to be stored (RFC 6749, 5.1); Applivery and SAYMON
//     answer a login with tokens; SAYMON takes a token in the query, and Milvus'
//     users come without a login, so that the rule about Authorization (RFC 9111,
//     3.5) does not cover them all. Every API has it on every answer.
//   - nosniff and a policy that allows nothing: JSON, and the plain text of
//     Milvus' 404, hold what callers have sent, and are not to be run or framed.
//   - no-referrer: a SAYMON token may stand in the address.
//
// Milvus' own Access-Control-Allow-Origin stays: its server sends it. A further
// vendor that sends one of these in its own way sets it in edge.API.Header.
var safeHeaders = http.Header{
	"Cache-Control":           {"no-store"},
	"Content-Security-Policy": {"default-src 'none'; frame-ancestors 'none'"},
	"Referrer-Policy":         {"no-referrer"},
	"X-Content-Type-Options":  {"nosniff"},
}

// pageHeaders let a page have the one style sheet that is in it.
func pageHeaders(page string) http.Header {
	return http.Header{
		"Content-Security-Policy": {"default-src 'none'; style-src 'sha256-" + styleHash(page) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
	}
}

var indexHeaders = pageHeaders(indexHTML)

func styleHash(page string) string {
	_, style, _ := strings.Cut(page, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Safe puts the headers of every answer onto one that is given before any API is
// asked.
func Safe(header http.Header) { maps.Copy(header, safeHeaders) }

func safe(c echo.Context, headers http.Header) {
	for name, values := range headers {
		c.Response().Header()[name] = values
	}
}
