package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"

	"usher/handlers"
	"usher/handlers/edge"
	"usher/handlers/milvus"
	"usher/storage"
	"usher/storage/password"
)

// settings are what serve can be told.
type settings struct {
	listen      string
	db          string
	demo        bool
	logFormat   string
	milvusAuth  bool
	milvusRules string

	temporary bool                      // the store goes with the server
	passwords map[string]password.Plain // of first administrators, by API; from the environment only
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
	flags.StringVar(&s.listen, "listen", "127.0.0.1:8080", "`address` to listen on; port 0 takes a free one")
	flags.StringVar(&s.db, "db", "usher.db", "`file` of the store, made if it is missing")
	flags.BoolVar(&s.demo, "demo", false, "fill an empty store with the demo accounts; without --db the store goes when the server does")
	flags.StringVar(&s.logFormat, "log-format", "auto", "`format` of the log: text, json, or auto for text on a terminal and json elsewhere")
	flags.BoolVar(&s.milvusAuth, "milvus-auth", true, "whether Milvus asks who calls (its authorizationEnabled)")
	flags.StringVar(&s.milvusRules, "milvus-password-rules", string(milvus.Documented), "`rules` for Milvus' names and passwords: documented or server")
	return cmd
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
	switch s.logFormat {
	case "auto", "text", "json":
	default:
		return fmt.Errorf("log format %q: it is text, json or auto", s.logFormat)
	}
	switch milvus.Rules(s.milvusRules) {
	case milvus.Documented, milvus.Server:
	default:
		return fmt.Errorf("password rules %q of Milvus: they are documented or server", s.milvusRules)
	}
	host, _, err := net.SplitHostPort(s.listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	if !s.demo {
		if s.db == "" {
			return errors.New("--db: a store needs a file")
		}
		return nil
	}
	s.temporary = !cmd.Flags().Changed("db")
	for name, given := range values {
		if given != "" {
			return fmt.Errorf("%s: the demo world has its own administrators", name)
		}
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return errPublicDemo(s.listen)
	}
	return nil
}

// errPublicDemo refuses an address that others can reach: the demo accounts'
// passwords are public.
func errPublicDemo(address string) error {
	return fmt.Errorf("--demo listens on loopback only, since its passwords are public: %s is not loopback", address)
}

func isLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// Limits of a connection. The longest request is a password change behind a
// full queue of hashes, which the edge ends after 30 s.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = edge.DefaultTimeout
	writeTimeout      = 60 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
	drainTimeout      = 10 * time.Second
)

// serve runs the server until ctx is done, and then lets the requests under way
// finish. What it makes on a first start goes to stderr, outside the log.
func serve(ctx context.Context, s settings, stdout, stderr io.Writer) (err error) {
	logger := newLogger(s.logFormat, stderr)

	path := s.db
	if s.temporary {
		dir, err := os.MkdirTemp("", "usher-demo-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		path = filepath.Join(dir, "usher.db")
	}
	store, err := storage.Open(ctx, storage.Options{Path: path})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()

	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	handler, err := handlers.New(store, handlers.Options{
		Logger: logger, Metrics: metrics, Version: version(),
		Milvus: milvus.Options{AuthenticationOff: !s.milvusAuth, Rules: milvus.Rules(s.milvusRules)},
	})
	if err != nil {
		return err
	}

	// Listening comes before the first administrators' hashes: a client that
	// connects meanwhile waits instead of being refused.
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.listen)
	if err != nil {
		return err
	}
	if s.demo && !isLoopback(listener.Addr()) { // a name may lead anywhere
		return errors.Join(errPublicDemo(listener.Addr().String()), listener.Close())
	}
	err = handlers.Seed(ctx, store, handlers.World{Demo: s.demo, Passwords: s.passwords, Made: printAdministrator(stderr)})
	if err != nil {
		return errors.Join(err, listener.Close())
	}

	server := newServer(handler, logger)
	address := listener.Addr().String()
	if isTerminal(stdout) {
		_, _ = io.WriteString(stdout, banner(s, address, handler.Summaries))
	}
	if !isTerminal(stdout) || !isTerminal(stderr) { // what reads the log wants to know, whoever watches the rest
		if !s.milvusAuth {
			logger.Warn("Milvus asks nobody who they are", "flag", "--milvus-auth=false")
		}
		logger.Info("listening", "address", address, "demo", s.demo)
	}

	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	logger.Info("draining")
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		logger.Warn("requests cut off", "after", drainTimeout.String())
		return server.Close()
	}
	return nil
}

// newServer bounds what a client can take of the server's time and memory.
func newServer(handler http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler: handler, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
		ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
	}
}
