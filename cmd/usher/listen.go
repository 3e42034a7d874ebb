package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"usher/handlers"
)

// addListening makes the flags of every command that listens.
func (s *settings) addListening(flags *pflag.FlagSet, address, usage string) {
	flags.StringSliceVar(&s.listen, "listen", []string{address}, usage)
	flags.StringVar(&s.logFormat, "log-format", "auto", "`format` of the log: text, json, or auto for text on a terminal and json elsewhere")
	flags.StringVar(&s.readyFile, "ready-file", "", "`file` that is written once the server is ready, in JSON: its pid, and its urls by API; removed when it ends")
	flags.StringVar(&s.tlsCert, "tls-cert", "", "PEM `file` of the certificate, its chain behind it; every place speaks TLS then; read again when it changes, without a signal (SIGHUP ends the server)")
	flags.StringVar(&s.tlsKey, "tls-key", "", "PEM `file` of the certificate's key")
	flags.BoolVar(&s.insecure, "insecure", false, "listen without TLS where other machines can reach it, because something else encrypts")
	flags.IntVar(&s.maxConnections, "max-connections", 1000, "how many `connections` there may be at once; 0: any number")
}

// checkListening refuses what does not fit together of the flags of addListening.
func (s *settings) checkListening() error {
	switch s.logFormat {
	case "auto", "text", "json":
	default:
		return fmt.Errorf("log format %q: it is text, json or auto", s.logFormat)
	}
	if (s.tlsCert == "") != (s.tlsKey == "") {
		return errors.New("--tls-cert and --tls-key: one does not do without the other")
	}
	if s.encrypted() && s.insecure {
		return errors.New("--insecure is for a server without --tls-cert")
	}
	if s.maxConnections < 0 {
		return fmt.Errorf("--max-connections: %d is less than none", s.maxConnections)
	}
	if len(s.listen) == 0 {
		return errors.New("--listen: no address")
	}
	for _, l := range s.listen {
		if l == "" {
			return fmt.Errorf("--listen: one of the addresses in %q is empty", strings.Join(s.listen, ","))
		}
		p, err := parsePlace(l)
		if err != nil {
			return fmt.Errorf("--listen: %w", err)
		}
		s.places = append(s.places, p)
	}
	return nil
}

// checkPublic refuses addresses that others can reach, if nothing encrypts, or nothing
// keeps them from the workbench.
func (s *settings) checkPublic() error {
	for _, p := range s.places {
		if p.public() && !s.encrypted() && !s.insecure {
			return errPlain(p.address)
		}
		if p.public() && !s.workbench.public() {
			return errPublicWorkbench(p.address)
		}
	}
	return nil
}

// place is an address to listen on, for all APIs or for one.
type place struct {
	api     string // empty: all
	address string
}

// parsePlace reads host:port or API=host:port.
func parsePlace(s string) (place, error) {
	p := place{address: s}
	if api, address, named := strings.Cut(s, "="); named {
		p = place{api, address}
		if !slices.Contains(handlers.Names(), api) {
			return place{}, fmt.Errorf("no API is called %q: there are %s", api, strings.Join(handlers.Names(), ", "))
		}
	}
	_, _, err := net.SplitHostPort(p.address)
	return p, err
}

// public says whether others than this machine may reach the address, as far as
// that shows: every name but localhost counts as one that they reach, wherever it
// leads.
func (p place) public() bool {
	host, _, _ := net.SplitHostPort(p.address)
	ip := net.ParseIP(host)
	return host != "localhost" && (ip == nil || !ip.IsLoopback())
}

// errPublicDemo refuses an address that others can reach: the demo accounts'
// passwords are public.
func errPublicDemo(address string) error {
	return fmt.Errorf("--demo listens on loopback only, since its passwords are public: %s is not loopback", address)
}

// errDemoStore refuses an address that others can reach: whoever has the public
// passwords of the demo accounts would have the store.
func errDemoStore(db, address string) error {
	return fmt.Errorf("%s was filled by --demo, whose passwords are public, and is served on loopback only: %s is not loopback; give --db another file", db, address)
}

// errPlain refuses an address that others can reach, if what they send would
// cross the network for everybody to read.
func errPlain(address string) error {
	return fmt.Errorf("%s is not loopback, and passwords would cross the network unencrypted: give --tls-cert and --tls-key, or --insecure if something else encrypts", address)
}

func isLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// listening is a place where connections are taken.
type listening struct {
	place
	net.Listener
}

// listen takes all the places, or none.
func listen(ctx context.Context, s settings) (ls []listening, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, closeAll(ls))
			ls = nil
		}
	}()
	for _, p := range s.places {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", p.address)
		if err != nil {
			return ls, err
		}
		ls = append(ls, listening{p, l})
		if isLoopback(l.Addr()) { // localhost, too, may lead anywhere
			continue
		}
		if s.demo {
			return ls, errPublicDemo(l.Addr().String())
		}
		if !s.workbench.public() {
			return ls, errPublicWorkbench(l.Addr().String())
		}
		if !s.encrypted() && !s.insecure {
			return ls, errPlain(l.Addr().String())
		}
	}
	return ls, nil
}

func closeAll(ls []listening) error {
	var errs []error
	for _, l := range ls {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// handler is what is served at the place, behind the workbench if there is one.
func (p place) handler(all *handlers.Handler, bench *handlers.Workbench) (http.Handler, error) {
	if bench != nil {
		return bench.Handler(p.api)
	}
	if p.api == "" {
		return all, nil
	}
	return all.Only(p.api)
}

// networks are those of a flag, which may be repeated: in CIDR notation, or single
// addresses.
type networks []net.IPNet

// Set reads a flag's value: some of them, with commas between.
func (n *networks) Set(value string) error {
	if value == "" {
		return nil
	}
	for s := range strings.SplitSeq(value, ",") {
		s = strings.TrimSpace(s)
		if a, err := netip.ParseAddr(s); err == nil {
			s = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()).String()
		}
		_, network, err := net.ParseCIDR(s)
		if err != nil {
			return fmt.Errorf("%q is no network, as 192.0.2.0/24, and no address", s)
		}
		*n = append(*n, *network)
	}
	return nil
}

// String is the value that Set would read.
func (n *networks) String() string {
	all := make([]string, len(*n))
	for i, network := range *n {
		all[i] = network.String()
	}
	return strings.Join(all, ",")
}

// Type names the value in the help, where no other name is given.
func (n *networks) Type() string { return "networks" }
