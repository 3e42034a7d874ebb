package edge

import (
	"net"
	"net/http"
	"testing"
)

// The last address that is no trusted proxy's is who calls, with a port or
// without; nobody chooses it by what he sends himself.
func TestSource(t *testing.T) {
	_, proxies, _ := net.ParseCIDR("10.0.0.0/8")
	source := sourceOf([]*net.IPNet{proxies})
	for _, c := range []struct {
		from  string
		lines []string
		want  string
	}{
		{"10.0.0.1:5", []string{"192.0.2.9"}, "192.0.2.9"},
		{"10.0.0.1:5", []string{"192.0.2.9:1234"}, "192.0.2.9"},
		{"10.0.0.1:5", []string{"192.0.2.7:1, 192.0.2.9:1234 ,10.0.0.2:443"}, "192.0.2.9"},
		{"10.0.0.1:5", []string{"192.0.2.7", "192.0.2.9:1"}, "192.0.2.9"},
		{"10.0.0.1:5", []string{"[2001:db8::9]:443"}, "2001:db8::9"},
		{"10.0.0.1:5", []string{"2001:db8::9"}, "2001:db8::9"},
		{"10.0.0.1:5", []string{"[2001:db8::9]"}, "2001:db8::9"},
		{"10.0.0.1:5", []string{"nobody:1"}, "10.0.0.1"},
		{"192.0.2.1:5", []string{"192.0.2.9:1234"}, "192.0.2.1"},
	} {
		r := &http.Request{RemoteAddr: c.from, Header: http.Header{"X-Forwarded-For": c.lines}}
		if got := source(r); got != c.want {
			t.Errorf("from %s, %q: %s, want %s", c.from, c.lines, got, c.want)
		}
	}
}
