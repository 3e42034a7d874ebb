package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"usher/handlers"
	"usher/handlers/applivery"
	"usher/handlers/edge"
	"usher/handlers/milvus"
	"usher/storage"
	"usher/storage/password"
)

// settings are what serve can be told.
type settings struct {
	listen    []string
	db        string
	demo      bool
	fixture   fixtureSetting
	logFormat string
	readyFile string
	rateLimit int
	password  passwordSettings
	throttle  throttleSettings
	workbench workbenchSettings

	tlsCert, tlsKey string
	insecure        bool
	maxConnections  int
	trustedProxies  networks

	milvusAuth  bool
	milvusRules string
	milvusUsers int
	milvusRoles int

	places    []place                   // what listen says
	temporary bool                      // the store goes with the server
	passwords map[string]password.Plain // of first administrators, by API; from the environment only
}

// encrypted says whether every place speaks TLS, and nothing else.
func (s settings) encrypted() bool { return s.tlsCert != "" }

// url is the place's, without a path.
func (s settings) url(l listening) string {
	scheme := "http"
	if s.encrypted() {
		scheme = "https"
	}
	return scheme + "://" + l.Addr().String()
}

func newServe(environ []string) *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the four APIs",
		Long: `Serve the four APIs over one SQLite file.

Every flag is a variable too: --log-format is USHER_LOG_FORMAT. On a first start
each API gets an administrator; its password is printed once, unless it is given
as USHER_<API>_ADMIN_PASSWORD. Fusion's is set by the first POST /api instead.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.complete(cmd, environ); err != nil {
				return err
			}
			return serve(cmd.Context(), s, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	s.addListening(flags, "127.0.0.1:8080", "`address` to listen on, for all APIs or, as milvus=127.0.0.1:19530, for one alone; may be repeated; port 0 takes a free one")
	flags.StringVar(&s.db, "db", "usher.db", "`file` of the store, made if it is missing")
	flags.BoolVar(&s.demo, "demo", false, "fill an empty store with the demo accounts; without --db the store goes when the server does")
	flags.Var(&s.fixture, "fixture", "YAML or JSON `file` of users, roles and settings to fill an empty store with; without --db the store goes when the server does")
	flags.Var(&s.trustedProxies, "trusted-proxy", "`network` (192.0.2.0/24) or address of proxies whose X-Forwarded-For says who calls, and X-Forwarded-Proto, by https as its last entry, that they end TLS; may be repeated")
	s.password.addTo(flags)
	s.throttle.addTo(flags)
	s.workbench.addTo(flags)
	flags.IntVar(&s.rateLimit, "applivery-rate-limit", 10_000, "how many `requests` an hour Applivery takes from one address; 0: any number")
	flags.BoolVar(&s.milvusAuth, "milvus-auth", true, "whether Milvus asks who calls (its authorizationEnabled)")
	addMilvusRules(flags, &s.milvusRules)
	flags.IntVar(&s.milvusUsers, "milvus-max-users", 100, "how many `users` Milvus takes, root included (its maxUserNum)")
	flags.IntVar(&s.milvusRoles, "milvus-max-roles", 10, "how many `roles` Milvus takes, admin and public included (its maxRoleNum)")
	return cmd
}

// addMilvusRules makes the flag of Milvus' rules.
func addMilvusRules(flags *pflag.FlagSet, rules *string) {
	flags.StringVar(rules, "milvus-password-rules", string(milvus.Documented), "`rules` for Milvus' names and passwords: documented or server")
}

func checkMilvusRules(rules string) error {
	switch milvus.Rules(rules) {
	case milvus.Documented, milvus.Server:
		return nil
	}
	return fmt.Errorf("password rules %q of Milvus: they are documented or server", rules)
}

// complete takes the rest of the settings from the environment and refuses
// what does not fit together.
func (s *settings) complete(cmd *cobra.Command, environ []string) error {
	var names []string
	for _, api := range handlers.Names() {
		names = append(names, adminPassword(api))
	}
	values, err := fromEnvironment(cmd.Flags(), environ, names...)
	if err != nil {
		return err
	}
	s.passwords = map[string]password.Plain{}
	for _, api := range handlers.Names() {
		s.passwords[api] = password.Plain(values[adminPassword(api)])
	}
	if err := s.checkListening(); err != nil {
		return err
	}
	if err := checkHash(s.password.hash); err != nil {
		return err
	}
	if err := s.workbench.complete(s.demo); err != nil {
		return err
	}
	if s.rateLimit < 0 {
		return fmt.Errorf("--applivery-rate-limit: %d is less than none", s.rateLimit)
	}
	if err := checkMilvusRules(s.milvusRules); err != nil {
		return err
	}
	if s.milvusUsers < 1 {
		return fmt.Errorf("--milvus-max-users: %d leaves no room for root", s.milvusUsers)
	}
	if s.milvusRoles < 2 {
		return fmt.Errorf("--milvus-max-roles: %d leaves no room for admin and public", s.milvusRoles)
	}
	for _, network := range s.trustedProxies {
		ones, bits := network.Mask.Size()
		if bits == 8*net.IPv6len && network.IP.To4() != nil {
			ones -= 8 * (net.IPv6len - net.IPv4len) // ::ffff:0:0/96 is all of IPv4
		}
		if ones <= 0 {
			return fmt.Errorf("--trusted-proxy: %s is everybody, who could then name any address", network.String())
		}
	}
	s.temporary = (s.demo || s.fixture.file != "") && !cmd.Flags().Changed("db")
	if !s.demo {
		if s.db == "" {
			return errors.New("--db: a store needs a file")
		}
		return s.checkPublic()
	}
	for name, given := range values {
		if given != "" {
			return fmt.Errorf("%s: the demo world has its own administrators", name)
		}
	}
	for _, p := range s.places {
		if p.public() {
			return errPublicDemo(p.address)
		}
	}
	return nil
}

// limits bound what one connection can take of the server's time.
type limits struct {
	readHeader, read, write, idle time.Duration
}

// The longest request is a password change behind a full queue of hashes, which
// the edge ends after 30 s.
var usual = limits{readHeader: 5 * time.Second, read: edge.DefaultTimeout, write: 60 * time.Second, idle: 2 * time.Minute}

const (
	// maxHeaderBytes is of a request's line and headers together; net/http adds
	// 4 KiB. It is what Node has, which two of the vendors build on; Fusion's Jetty
	// has half of that.
	maxHeaderBytes = 16 << 10
	// maxStreams is how many requests one HTTP/2 connection has at once: the least
	// that RFC 9113 (6.5.2) recommends.
	maxStreams = 100
	// maxUnread is how much of its requests' bodies an HTTP/2 connection may send
	// before it is read, in bytes; RFC 9113 (6.9.2) begins with that.
	maxUnread    = 64 << 10
	drainTimeout = 10 * time.Second
)

// serve runs the server until ctx is done, and then lets the requests under way
// finish. What it makes on a first start goes to stderr, outside the log.
func serve(ctx context.Context, s settings, stdout, stderr io.Writer) (err error) {
	logger := newLogger(s.logFormat, stderr)

	// Listening comes first: before the store, so that an address that cannot be
	// had leaves no file behind, and before the first administrators' hashes, so
	// that a client that connects meanwhile waits instead of being refused.
	listeners, err := listen(ctx, s)
	if err != nil {
		return err
	}
	defer func() { _ = closeAll(listeners) }() // a server has closed its own before
	ready, err := prepareReady(s.readyFile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ready.remove()) }()

	var cert *certificate
	if s.encrypted() {
		if cert, err = loadCertificate(s.tlsCert, s.tlsKey); err != nil {
			return err
		}
		go cert.watch(ctx, reloadInterval, logger)
	}

	path := s.db
	if s.temporary {
		dir, remove, err := storage.TempFolder("demo")
		if err != nil {
			return err
		}
		defer func() { _ = remove() }()
		path = filepath.Join(dir, "usher.db")
	}
	options := s.password.options()
	options.Path, options.Unrecorded = path, unrecorded(logger)
	s.throttle.set(&options)
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	served := handlers.Options{
		Logger: logger, Metrics: metrics, Version: version(),
		TrustedProxies: pointers(s.trustedProxies),
		Applivery:      applivery.Options{RateLimit: cmp.Or(s.rateLimit, -1)},
		Milvus: milvus.Options{
			AuthenticationOff: !s.milvusAuth, Rules: milvus.Rules(s.milvusRules),
			MaxUsers: s.milvusUsers, MaxRoles: s.milvusRoles,
		},
	}
	bench, err := s.workbench.open(!s.temporary, &options, &served)
	if err != nil {
		return err
	}
	store, err := storage.Open(ctx, options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	handler, err := handlers.New(store, served)
	if err != nil {
		return err
	}
	if bench != nil {
		defer func() { err = errors.Join(err, bench.Close()) }() // before the store, which it has a sandbox of
		if err := bench.Attach(handler); err != nil {
			return err
		}
	}

	err = handlers.Seed(ctx, store, handlers.World{
		Demo: s.demo, Fixture: s.fixture.content, Passwords: s.passwords, Made: printAdministrator(stderr), Kept: func(api string, ignored bool) {
			if s.demo { // its accounts are not told of then: who knows what has become of them
				s.demo = false
				logger.Warn("the store was filled before: --demo changes nothing")
			}
			if ignored {
				logger.Warn("the first administrator's password is not used: the store was filled before", "api", api)
			}
		},
	})
	if errors.Is(err, handlers.ErrFilled) {
		err = fmt.Errorf("--fixture %s: %s: %w", s.fixture.file, s.db, err)
	}
	if err != nil {
		return err
	}
	if err := checkDemoStore(ctx, store, s.db, listeners); err != nil {
		return err
	}
	open := newConnections(s.maxConnections, logger)
	open.register(metrics)
	servers := make([]*http.Server, len(listeners))
	for i, l := range listeners {
		h, err := l.handler(handler, bench)
		if err != nil {
			return err
		}
		servers[i] = newServer(h, logger, usual, open, cert, !isLoopback(l.Addr()))
		if bench != nil {
			// Who follows a journal would not go by himself. What is left to close fails
			// when all of it is closed.
			servers[i].RegisterOnShutdown(func() { _ = bench.Close() })
		}
		listeners[i].Listener = counted{l.Listener, open, s.encrypted()}
	}

	if err := ready.write(urls(s, listeners, handler.Summaries), ""); err != nil {
		return err
	}
	if isTerminal(stdout) {
		_, _ = io.WriteString(stdout, banner(s, listeners, handler.Summaries))
	}
	if !isTerminal(stdout) || !isTerminal(stderr) { // what reads the log wants to know, whoever watches the rest
		if !s.milvusAuth {
			logger.Warn("Milvus asks nobody who they are", "flag", "--milvus-auth=false")
		}
		for _, l := range listeners {
			logger.Info("listening", "address", l.Addr().String(), "api", cmp.Or(l.api, "all"), "demo", s.demo, "tls", s.encrypted())
		}
	}
	return serveUntil(ctx, servers, listeners, logger)
}

// checkDemoStore refuses to serve the demo world where others can reach it, though
// --demo was given to an earlier start.
func checkDemoStore(ctx context.Context, store *storage.Store, db string, listeners []listening) error {
	for _, l := range listeners {
		if isLoopback(l.Addr()) {
			continue
		}
		demo, err := handlers.FilledWithDemo(ctx, store)
		if err == nil && demo {
			err = errDemoStore(db, l.Addr().String())
		}
		return err
	}
	return nil
}

// unrecorded has the log tell what the trail of events has no room for.
func unrecorded(logger *slog.Logger) func(storage.Event, error) {
	return func(e storage.Event, err error) {
		logger.Warn("event not recorded", "api", e.Directory, "event", string(e.Kind), "target_id", e.TargetID, "target_name", e.TargetName,
			"source", e.Source, "request_id", e.Request, "result", e.Result, "error", err.Error())
	}
}

// serveUntil serves until ctx is done or a server fails, and then lets the
// requests under way finish.
func serveUntil(ctx context.Context, servers []*http.Server, listeners []listening, logger *slog.Logger) error {
	group, failed := errgroup.WithContext(ctx)
	for i, server := range servers {
		group.Go(func() error {
			if err := serveOn(server, listeners[i]); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
	}
	<-failed.Done()
	logger.Info("draining")
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	for _, server := range servers {
		group.Go(func() error {
			if server.Shutdown(drain) == nil {
				return nil
			}
			logger.Warn("requests cut off", "after", drainTimeout.String())
			return server.Close()
		})
	}
	return group.Wait()
}

// serveOn serves over TLS if the server has what it needs for that.
func serveOn(server *http.Server, l net.Listener) error {
	if server.TLSConfig != nil {
		return server.ServeTLS(l, "", "")
	}
	return server.Serve(l)
}

// newServer bounds what a client can take of the server's time and memory. With
// a certificate it speaks TLS; public: others than this machine reach it.
func newServer(handler http.Handler, logger *slog.Logger, l limits, open *connections, cert *certificate, public bool) *http.Server {
	server := &http.Server{
		// On loopback the host's name is that of all the servers a developer has,
		// and most of them have no TLS that a browser could come back over.
		Handler:  open.bound(handler, cert != nil && public),
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn), ConnState: open.state,
		ReadHeaderTimeout: l.readHeader, ReadTimeout: l.read, WriteTimeout: l.write,
		IdleTimeout: l.idle, MaxHeaderBytes: maxHeaderBytes,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams, SendPingTimeout: l.read, WriteByteTimeout: l.write,
			// What arrives is held whether or not anybody reads it.
			MaxReceiveBufferPerConnection: maxUnread, MaxReceiveBufferPerStream: maxUnread,
		},
	}
	if cert != nil {
		server.TLSConfig = cert.config()
	}
	return server
}

func pointers(networks []net.IPNet) []*net.IPNet {
	all := make([]*net.IPNet, len(networks))
	for i := range networks {
		all[i] = &networks[i]
	}
	return all
}
