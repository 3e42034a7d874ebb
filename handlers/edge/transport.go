package edge

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// sourceOf finds out the address that a request came from. Without proxies that
// may speak for others it is the connection's: a caller must not choose the
// address that he is counted, slowed and logged under. A proxy's word that is no
// address leaves the proxy's own.
func sourceOf(proxies []*net.IPNet) echo.IPExtractor {
	if len(proxies) == 0 {
		return echo.ExtractIPDirect()
	}
	// echo trusts machines near by if it is not told otherwise.
	trust := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, network := range proxies {
		trust = append(trust, echo.TrustIPRange(network))
	}
	extract := echo.ExtractIPFromXFFHeader(trust...)
	return func(r *http.Request) string {
		lines := r.Header[echo.HeaderXForwardedFor]
		if !slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, ":") }) {
			return extract(r)
		}
		return extract(&http.Request{RemoteAddr: r.RemoteAddr, Header: http.Header{echo.HeaderXForwardedFor: {withoutPorts(lines)}}})
	}
}

// withoutPorts is X-Forwarded-For without the ports that some proxies give.
func withoutPorts(lines []string) string {
	hops := strings.Split(strings.Join(lines, ","), ",")
	for i, hop := range hops {
		if a, err := netip.ParseAddrPort(strings.TrimSpace(hop)); err == nil {
			hops[i] = a.Addr().String()
		}
	}
	return strings.Join(hops, ",")
}

// overTLS says whether the caller's own connection is encrypted: because this one
// is, or because a proxy that may speak for him says so. The last entry of the last
// X-Forwarded-Proto counts, which is that proxy's own; what stands before it may be
// the caller's.
func overTLS(r *http.Request, proxies []*net.IPNet) bool {
	said := r.Header[echo.HeaderXForwardedProto]
	if r.TLS != nil || len(proxies) == 0 || len(said) == 0 {
		return r.TLS != nil
	}
	last := said[len(said)-1]
	if !strings.EqualFold(strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:]), "https") {
		return false
	}
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	ip := net.ParseIP(host)
	return slices.ContainsFunc(proxies, func(network *net.IPNet) bool { return network.Contains(ip) })
}

// secureCookies has cookies that were given over TLS come back over TLS only.
func secureCookies(header http.Header) {
	const name = "Set-Cookie"
	cookies := slices.Clone(header[name]) // a vendor's table may share them
	for i := range cookies {
		cookies[i] += "; Secure"
	}
	if len(cookies) > 0 {
		header[name] = cookies
	}
}
