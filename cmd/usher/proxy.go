package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"usher/handlers"
	"usher/handlers/conform"
	"usher/handlers/exchange"
	"usher/handlers/journal"
	"usher/handlers/proxy"
)

// proxySettings are what proxy can be told.
type proxySettings struct {
	listening settings // of these what addListening has
	api       string
	target    string
	reach     targetSettings
	enforce   bool
	journal   string // where the journal is served; empty: nowhere
	reporting reporting
}

func newProxy(environ []string) *cobra.Command {
	var s proxySettings
	cmd := &cobra.Command{
		Use:   "proxy --api API --target URL",
		Short: "Stand between a client and a server, and say where either breaks the contract",
		Long: `Pass on to a server, the vendor's or another, what a client sends, and its answers
back, unchanged, and hold each exchange against the API's contract.

Every exchange is a line of the log, with what of the request or the answer breaks
the contract. The header ` + proxy.Header + ` of an answer, which is all that is added, names the
line. When the proxy ends (Ctrl-C) it says what it has seen.

Bodies go through as they come; those of more than 64 KiB are judged by their
status and headers alone. With --enforce both sides are held back until they are
judged, up to 1 MiB: a request that breaks the contract is refused in the vendor's
words and does not reach the server, and an answer that breaks it becomes the
vendor's internal error.

The exit code is 0 if nothing broke the contract, 2 if something did or --fail-under
is not reached, and 1 if the proxy could not do its work.`,
		Example: "  usher proxy --api fusion --target https://fusion.example --listen 127.0.0.1:8081\n" +
			"  usher proxy --api milvus --target http://127.0.0.1:19530 --report html=milvus.html --coverage",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := fromEnvironment(cmd.Flags(), environ, settingsOfServe(cmd.Flags())...); err != nil {
				return err
			}
			return s.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&s.api, "api", "", "`API` that the server speaks")
	flags.StringVar(&s.target, "target", "", "`URL` of the server, without the API's path")
	s.listening.addListening(flags, "127.0.0.1:8081", "`address` to listen on; may be repeated; port 0 takes a free one")
	s.reach.addTo(flags)
	flags.BoolVar(&s.enforce, "enforce", false, "refuse what breaks the contract")
	flags.StringVar(&s.journal, "journal", "", "loopback `address` to serve the journal of the last exchanges at, as the workbench serves that of main")
	s.reporting.addTo(flags)
	return cmd
}

// options makes the proxy's, without what it tells of an exchange, and gives the
// API's title.
func (s *proxySettings) options() (o proxy.Options, title string, err error) {
	if s.api == "" {
		return o, "", fmt.Errorf("--api: which one? There are %s", strings.Join(handlers.Names(), ", "))
	}
	if o.Contract, title, err = handlers.ContractOf(s.api); err != nil {
		return o, "", fmt.Errorf("--api: %w", err)
	}
	if o.Target, err = parseServer("--target", s.target, "each request"); err != nil {
		return o, "", err
	}
	transport, err := s.reach.transport()
	if err != nil {
		return o, "", err
	}
	transport.DisableCompression = true // or it would ask for it, and undo it
	transport.ResponseHeaderTimeout = s.reach.timeout
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 0, max(s.listening.maxConnections, http.DefaultMaxIdleConnsPerHost)
	o.Transport = transport
	if s.enforce {
		o.Checker, err = handlers.Checker(s.api)
	}
	return o, title, err
}

// parseServer reads the URL of a server, which a flag gives: scheme and host, and a
// path that the server is below. Credentials go elsewhere.
func parseServer(flag, text, elsewhere string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return nil, fmt.Errorf("%s: where is the server?", flag)
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.RawQuery != "", u.Fragment != "":
		return nil, fmt.Errorf("%s: it begins with http:// or https://, and ends with the host, or with a path that the server is below", flag)
	case u.User != nil:
		return nil, fmt.Errorf("%s: credentials go into %s", flag, elsewhere)
	}
	return u, nil
}

// throughput bounds a client's idleness alone: how long a body may take is for the
// two ends to say.
var throughput = limits{readHeader: usual.readHeader, idle: usual.idle}

// run serves until ctx is done, and then reports.
func (s *proxySettings) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	if err := errors.Join(s.listening.checkListening(), s.reporting.check()); err != nil {
		return err
	}
	for _, p := range s.listening.places {
		if p.api != "" {
			return fmt.Errorf("--listen: %s=%s: a proxy has one API, that of --api", p.api, p.address)
		}
	}
	if err := s.listening.checkPublic(); err != nil {
		return err
	}
	o, title, err := s.options()
	if err != nil {
		return err
	}
	o.Logger = newLogger(s.listening.logFormat, stderr)
	listeners, err := listen(ctx, s.listening)
	if err != nil {
		return err
	}
	defer func() { _ = closeAll(listeners) }()
	ready, err := prepareReady(s.listening.readyFile) // after it: the file may be that of who has the address
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ready.remove()) }()
	var cert *certificate
	if s.listening.encrypted() {
		if cert, err = loadCertificate(s.listening.tlsCert, s.listening.tlsKey); err != nil {
			return err
		}
		go cert.watch(ctx, reloadInterval, o.Logger)
	}

	var journalAt string
	if o.Journal, journalAt, err = s.serveJournal(ctx, o.Logger); err != nil {
		return err
	}
	seen := newVerdicts(s.api, title, o)
	o.Judged = seen.add
	p := proxy.New(o)
	open := newConnections(s.listening.maxConnections, o.Logger)
	open.register(prometheus.NewRegistry())
	servers := make([]*http.Server, len(listeners))
	for i, l := range listeners {
		servers[i] = newServer(p, o.Logger, throughput, open, cert, false) // whatever a browser is to remember, the target says
		servers[i].DisableGeneralOptionsHandler = true                     // and answers OPTIONS *
		listeners[i].Listener = counted{l.Listener, open, s.listening.encrypted()}
	}
	if err := ready.write(urls(s.listening, listeners, []handlers.Summary{{Name: s.api}}), journalAt); err != nil {
		return err
	}
	for _, l := range listeners {
		if isTerminal(stdout) {
			_, _ = fmt.Fprintf(stdout, "usher %s\n\n  %s → %s\n\n", version(), s.listening.url(l), o.Target)
		}
		o.Logger.Info("listening", "address", l.Addr().String(), "api", s.api, "target", o.Target.String(), "tls", s.listening.encrypted(), "enforce", s.enforce)
	}
	if err := serveUntil(ctx, servers, listeners, o.Logger); err != nil {
		return err
	}
	return s.report(ctx, stdout, p, seen, o.Logger)
}

// serveJournal makes the journal and serves it at a URL until ctx is done; without an
// address there is none.
func (s *proxySettings) serveJournal(ctx context.Context, logger *slog.Logger) (j *journal.Journal, at string, err error) {
	if s.journal == "" {
		return nil, "", nil
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", s.journal)
	if err != nil {
		return nil, "", fmt.Errorf("--journal: %w", err)
	}
	if !isLoopback(l.Addr()) {
		return nil, "", errors.Join(fmt.Errorf("--journal: %s is not loopback", l.Addr()), l.Close())
	}
	j = journal.New(journal.Options{})
	h, err := handlers.JournalOf(j, strings.TrimSuffix(s.target, "/"))
	if err != nil {
		return nil, "", errors.Join(err, l.Close())
	}
	server := newServer(h, logger, usual, newConnections(s.listening.maxConnections, logger), nil, false)
	context.AfterFunc(ctx, func() {
		j.Close()
		_ = server.Close()
	})
	go func() { _ = server.Serve(l) }()
	at = "http://" + l.Addr().String() + "/_usher/sandboxes/main/journal"
	logger.Info("journal", "url", at)
	return j, at, nil
}

// report says what was seen, once the proxy has judged it.
func (s *proxySettings) report(ctx context.Context, stdout io.Writer, p *proxy.Proxy, seen *verdicts, logger *slog.Logger) error {
	finish, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	unjudged := p.Close(finish)
	if unjudged > 0 {
		logger.Warn("exchanges not judged: there were too many at once", "unjudged", unjudged)
	}
	r := seen.report()
	var b strings.Builder
	for _, c := range r.Cases {
		if c.Outcome == conform.Failed {
			fmt.Fprintf(&b, "\nBROKEN %s\n%s", c.Name, c.Text())
		}
	}
	b.WriteString("\n")
	if err := r.WriteTable(&b); err != nil {
		return err
	}
	fmt.Fprintf(&b, "\nexchanges: %d kept to the contract, %d broke it, %d not judged\n", seen.kept, seen.broken, unjudged)
	if _, err := io.WriteString(stdout, b.String()); err != nil {
		return err
	}
	return s.reporting.finish(stdout, r)
}

// maxBreaches is how many breaches of the contract are told of one by one.
const maxBreaches = 200

// verdicts is what has become of the exchanges so far: a case for each operation,
// and in it a failure for each way in which the contract was broken, with the first
// exchange that did so.
type verdicts struct {
	api, title, target string
	began              time.Time
	tally              *conform.Tally

	mu           sync.Mutex
	kept, broken int
	cases        map[string]*conform.Case
	breaches     map[string]*breach
	order        []*breach
}

// breach is one way to break the contract.
type breach struct {
	operation string
	failure   conform.Failure
	times     int
}

func newVerdicts(api, title string, o proxy.Options) *verdicts {
	return &verdicts{
		api: api, title: title, target: strings.TrimSuffix(o.Target.String(), "/"), began: time.Now(), tally: conform.NewTally(o.Contract),
		cases: map[string]*conform.Case{}, breaches: map[string]*breach{},
	}
}

// add counts an exchange that was judged.
func (v *verdicts) add(e *exchange.Exchange) {
	v.mu.Lock()
	defer v.mu.Unlock()
	c := v.cases[e.Operation]
	if c == nil {
		c = &conform.Case{Name: cmp.Or(e.Operation, "other paths and verbs"), Outcome: conform.Passed}
		v.cases[e.Operation] = c
	}
	c.Requests++
	c.Seconds += e.Duration.Seconds()
	if len(e.Violations) == 0 {
		v.kept++
		v.tally.Add(e, conform.Passed)
		return
	}
	v.broken++
	v.tally.Add(e, conform.Failed)
	c.Outcome = conform.Failed
	key := e.Operation
	for _, violation := range e.Violations {
		key += "\n" + violation.In + " " + withoutIndices(violation.Path) + " " + violation.Rule
	}
	b := v.breaches[key]
	if b == nil {
		if len(v.order) == maxBreaches {
			return
		}
		b = &breach{operation: e.Operation, failure: conform.FailureOf(e, v.target)}
		v.breaches[key] = b
		v.order = append(v.order, b)
	}
	b.times++
}

// withoutIndices is a place with every item of a list being the same.
func withoutIndices(path string) string {
	steps := strings.Split(path, "/")
	for i, step := range steps {
		if step != "" && strings.Trim(step, "0123456789") == "" {
			steps[i] = "*"
		}
	}
	return strings.Join(steps, "/")
}

// report makes the report. Nothing is to be added any more.
func (v *verdicts) report() *conform.Report {
	v.mu.Lock()
	defer v.mu.Unlock()
	r := &conform.Report{
		Command: "proxy", API: v.api, Title: v.title, Target: v.target, Began: v.began.UTC(), Seconds: time.Since(v.began).Seconds(),
		Operations: v.tally.Rows(), Coverage: v.tally.Coverage(),
	}
	for _, operation := range slices.Sorted(maps.Keys(v.cases)) {
		c := *v.cases[operation]
		for _, b := range v.order {
			if b.operation != operation {
				continue
			}
			f := b.failure
			if b.times > 1 {
				f.Message += fmt.Sprintf(", %d times alike", b.times)
			}
			c.Failures = append(c.Failures, f)
		}
		r.Cases = append(r.Cases, c)
	}
	return r
}
