package usher

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"

	"usher/handlers/edge"
	"usher/storage/password"
)

// What the guard refuses with.
var (
	errToken  = errors.New("send the server's token: Authorization: Bearer …")
	errRemote = errors.New("without a token the server is driven from its own machine only")
	errHost   = errors.New("without a token the server is to be called by an address of loopback, or as localhost")
	errSite   = errors.New("a page in a browser may not drive the server")
)

// guard says who may call the API.
type guard struct {
	token [sha256.Size]byte
	open  bool // there is none
}

func newGuard(token password.Plain) guard {
	return guard{token: sha256.Sum256([]byte(token)), open: token == ""}
}

// admit refuses whoever has no token; without one, whoever is not on this machine,
// or calls the server by a name that somebody else may have chosen to lead here (a
// page could reach it by that: DNS rebinding). A browser that says that another
// page is behind a request is believed in either case.
func (g guard) admit(call *edge.Call) error {
	r := call.Request
	if fromElsewhere(r) {
		return errSite
	}
	if g.open {
		remote, _, err := net.SplitHostPort(r.RemoteAddr)
		switch {
		case err != nil || !isLoopback(remote) || !isLoopback(call.Source) || isForwarded(r):
			return errRemote
		case !isLocalName(r.Host):
			return errHost
		}
		return nil
	}
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(strings.TrimSpace(given)))
	if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(sum[:], g.token[:]) != 1 {
		return errToken
	}
	return nil
}

// fromElsewhere says whether a browser sends the request for a page that is not the
// server's own.
func fromElsewhere(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
	default:
		return true
	}
	for _, origin := range r.Header["Origin"] {
		u, err := url.Parse(origin)
		if err != nil || !strings.EqualFold(u.Host, r.Host) || u.Host == "" {
			return true
		}
	}
	return false
}

// isForwarded says whether something on this machine passes on what comes from
// another one, as far as it tells. That nobody vouches for what it says is no matter:
// it is held against the caller.
func isForwarded(r *http.Request) bool {
	for _, name := range []string{"X-Forwarded-For", "X-Real-Ip"} {
		for _, line := range r.Header[name] {
			for hop := range strings.SplitSeq(line, ",") {
				hop = strings.TrimSpace(hop)
				if host, _, err := net.SplitHostPort(hop); err == nil {
					hop = host
				}
				if !isLoopback(strings.Trim(hop, "[]")) {
					return true
				}
			}
		}
	}
	return len(r.Header["Forwarded"]) > 0 // whose form is another, and which nobody sends for himself
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// isLocalName says whether a Host header names this machine, whoever resolves it.
func isLocalName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	return host == strings.TrimPrefix(Domain, ".") || strings.HasSuffix(host, Domain) || isLoopback(host)
}
