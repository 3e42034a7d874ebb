package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"usher/handlers"
	"usher/handlers/conform"
)

// conformPassword is the variable of the administrator's password.
var conformPassword = variable("conform-password")

// conformSettings are what conform can be told.
type conformSettings struct {
	api, url, user, product, scripts string
	target                           targetSettings
	headers, grants                  []string
	passing                          time.Duration
	only                             string
	list                             bool
	reporting                        reporting
}

func newConform(environ []string) *cobra.Command {
	var s conformSettings
	cmd := &cobra.Command{
		Use:   "conform --api API --url URL",
		Short: "Hold a server, the vendor's or another, against what an API does",
		Long: `Hold a server against the scripts that judge usher itself, and each of its answers
against the API's contract.

Scripts make users, roles and whatever else they need under names of their own, and
remove them. Those that need what the server does not grant are skipped, with the
reason: an administrator is granted by --user, anything else by --grant, as --list
shows. A script that wants time to pass (clock) is run up to there, or waits, with
--wait. One that looks at all that is there, or changes what cannot be changed back,
wants a server as it was installed, to be thrown away afterwards (pristine).

The password of --user NAME:PASSWORD can be read by every user of this machine. With
--user NAME alone it is taken from ` + conformPassword + `, or asked for.

A run ends early if the server refuses the administrator twice, whom more attempts
might lock out, or does not answer the first request of three scripts in a row, nor
one after them.

The exit code is 0 if nothing failed, 2 if something did or --fail-under is not
reached, and 1 if nothing could be said, or not all because the run has ended early.`,
		Example: "  usher conform --api milvus --url http://127.0.0.1:19530 --user root\n" +
			"  usher conform --api fusion --url https://fusion.example --user admin --report html=fusion.html --coverage\n" +
			"  usher conform --api saymon --list",
		Args: noSecretAsArgument,
		RunE: func(cmd *cobra.Command, _ []string) error {
			values, err := fromEnvironment(cmd.Flags(), environ, append(settingsOfServe(cmd.Flags()), conformPassword)...)
			if err != nil {
				return err
			}
			return runConform(cmd, s, values[conformPassword])
		},
	}
	cmd.SetFlagErrorFunc(noSecretAsFlag)
	flags := cmd.Flags()
	flags.StringVar(&s.api, "api", "", "`API` that the server speaks")
	flags.StringVar(&s.url, "url", "", "`URL` of the server, without the API's path")
	flags.StringVar(&s.user, "user", "", "`name` of an administrator, or name:password")
	s.target.addTo(flags)
	flags.StringArrayVar(&s.headers, "header", nil, "`header` of each request besides its own, as 'Name: value'; may be repeated")
	flags.StringSliceVar(&s.grants, "grant", nil, "`need` of scripts that the server grants; may be repeated")
	flags.DurationVar(&s.passing, "wait", 0, "how `long` a script may wait for time to pass, before it is left where it is")
	flags.StringVar(&s.only, "only", "", "run the scripts alone whose name this `expression` finds")
	flags.BoolVar(&s.list, "list", false, "list the scripts, with what each needs, and run none")
	flags.StringVar(&s.scripts, "scripts", "", "`folder` of scripts of your own, to be run in place of usher's")
	flags.StringVar(&s.product, "product", "", "`name` and version of the vendor's product, where the server is the vendor's own: the report is evidence then")
	s.reporting.addTo(flags)
	return cmd
}

// targetSettings say how a server is reached that is somebody else's.
type targetSettings struct {
	ca       string
	insecure bool
	timeout  time.Duration
}

func (s *targetSettings) addTo(flags *pflag.FlagSet) {
	flags.StringVar(&s.ca, "ca", "", "PEM `file` of authorities that the server's certificate may be from, besides the system's")
	flags.BoolVar(&s.insecure, "insecure-skip-verify", false, "take whatever certificate the server has")
	flags.DurationVar(&s.timeout, "timeout", conform.DefaultTimeout, "how `long` an answer may take")
}

// transport is what requests go through.
func (s targetSettings) transport() (*http.Transport, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: s.insecure} //nolint:gosec // G402: only if the user asks for it by its name
	// Whose answers they are is not known.
	t.MaxResponseHeaderBytes = 1 << 20
	if s.ca != "" {
		pem, err := os.ReadFile(s.ca)
		if err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--ca: no certificate in %s", s.ca)
		}
		t.TLSClientConfig.RootCAs = pool
	}
	return t, nil
}

func runConform(cmd *cobra.Command, s conformSettings, secret string) error {
	suite, o, err := s.prepare()
	if err != nil {
		return err
	}
	if s.list {
		return listScripts(cmd.OutOrStdout(), suite, o)
	}
	if o.Server, err = s.server(cmd, secret); err != nil {
		return err
	}
	if o.Server.Admin != "" {
		o.Grants = append(o.Grants, "admin")
	}
	if err := conform.Reach(cmd.Context(), o.Server); err != nil {
		return fmt.Errorf("%s: %w", o.Server.URL, err)
	}
	progress := newProgress(cmd.ErrOrStderr())
	o.Progress = progress.tell
	report := runSuite(cmd.Context(), cmd.ErrOrStderr(), suite, o)
	if err := writeConform(cmd.OutOrStdout(), report); err != nil {
		return err
	}
	err = s.reporting.finish(cmd.OutOrStdout(), report)
	switch {
	case err != nil && !errors.As(err, new(foundError)), report.Count(conform.Failed) > 0:
		return err
	case report.Interrupted != "":
		return errors.New(report.Interrupted)
	case report.Count(conform.Passed) == 0:
		return errors.New("no script was run")
	}
	return err
}

// runSuite runs the scripts, and tells who interrupts it why it has not ended yet.
func runSuite(ctx context.Context, stderr io.Writer, suite *conform.Suite, o conform.Options) *conform.Report {
	told := make(chan struct{})
	goesOn := context.AfterFunc(ctx, func() {
		_, _ = io.WriteString(stderr, "\ninterrupted: what was made is removed; interrupt once more to leave it\n")
		close(told)
	})
	report := suite.Run(ctx, o)
	if !goesOn() {
		<-told
	}
	return report
}

// prepare finds the scripts and what they are held against.
func (s conformSettings) prepare() (suite *conform.Suite, o conform.Options, err error) {
	if s.api == "" {
		return nil, o, fmt.Errorf("--api: which one? There are %s", strings.Join(handlers.Names(), ", "))
	}
	if suite, err = handlers.Suite(s.api); err != nil {
		return nil, o, fmt.Errorf("--api: %w", err)
	}
	known := suite.Needs()
	if s.scripts != "" {
		if suite, err = conform.Read(s.api, os.DirFS(s.scripts)); err != nil {
			return nil, o, fmt.Errorf("--scripts: %w", err)
		}
		known = append(known, suite.Needs()...)
	}
	for _, grant := range s.grants {
		switch grant {
		case "clock":
			return nil, o, errors.New("--grant: time passes by waiting: --wait")
		case "admin":
			return nil, o, errors.New("--grant: an administrator is granted by --user")
		}
		if !slices.Contains(known, grant) {
			slices.Sort(known)
			return nil, o, fmt.Errorf("--grant: no script needs %q; there are %s", grant, strings.Join(slices.Compact(known), ", "))
		}
	}
	o = conform.Options{Grants: s.grants, Product: s.product}
	if o.Contract, o.Title, err = handlers.ContractOf(s.api); err != nil {
		return nil, o, err
	}
	if s.only != "" {
		if o.Only, err = regexp.Compile(s.only); err != nil {
			return nil, o, fmt.Errorf("--only: %w", err)
		}
	}
	if scripts, _ := suite.Pick(o); len(scripts) == 0 {
		return nil, o, fmt.Errorf("--only: no script is called like %q", s.only)
	}
	return suite, o, s.reporting.check()
}

// server is what the scripts are to speak to. Of its URL no more than scheme and
// host counts, and a path that it is served below.
func (s conformSettings) server(cmd *cobra.Command, secret string) (server conform.Server, err error) {
	u, err := parseServer("--url", s.url, "--user")
	if err != nil {
		return server, err
	}
	server = conform.Server{URL: strings.TrimSuffix(u.String(), "/"), Timeout: s.target.timeout, Patience: s.passing, Header: http.Header{}}
	if server.Transport, err = s.target.transport(); err != nil {
		return server, err
	}
	for _, h := range s.headers {
		name, value, found := strings.Cut(h, ":")
		if !found || name == "" || strings.ContainsAny(h, "\r\n") {
			return server, errors.New("--header: it is 'Name: value'")
		}
		server.Header.Add(name, strings.TrimSpace(value))
	}
	if s.user == "" {
		return server, nil
	}
	var given bool
	server.Admin, server.Password, given = strings.Cut(s.user, ":")
	switch {
	case server.Admin == "":
		return server, errors.New("--user: it is name, or name:password")
	case given:
	case secret != "":
		server.Password = secret
	default:
		if server.Password, err = askPassword(cmd.Context(), cmd.InOrStdin(), cmd.ErrOrStderr(), "Password of "+printable(server.Admin)+": "); err != nil {
			return server, err
		}
	}
	return server, nil
}

// listScripts lists the scripts that would run, and why others would not.
func listScripts(w io.Writer, suite *conform.Suite, o conform.Options) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "script\trequests\tneeds\tshows") // its error comes with Flush
	scripts, _ := suite.Pick(o)
	for _, script := range scripts {
		_, _ = fmt.Fprintf(t, "%s\t%d\t%s\t%s\n", script.Name, script.Requests(), script.Asks(), script.Shows())
	}
	return t.Flush()
}

// writeConform says to a person what has come out.
func writeConform(w io.Writer, r *conform.Report) error {
	var b strings.Builder
	for _, c := range r.Cases {
		if c.Outcome == conform.Failed {
			fmt.Fprintf(&b, "\nFAILED %s\n%s", c.Name, c.Text())
		}
	}
	skipped := map[string][]string{} // by the reason
	for _, c := range r.Cases {
		switch {
		case c.Outcome == conform.Skipped:
			skipped[c.Reason] = append(skipped[c.Reason], c.Name)
		case c.Reason != "":
			fmt.Fprintf(&b, "\nskipped of %s, %s\n", c.Name, c.Reason)
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(skipped)) {
		fmt.Fprintf(&b, "\nskipped (%s): %s\n", reason, strings.Join(skipped[reason], ", "))
	}
	for _, left := range r.Left() {
		fmt.Fprintf(&b, "\nmay be left on the server: %s\n", left)
	}
	b.WriteString("\n")
	if err := r.WriteTable(&b); err != nil {
		return err
	}
	if r.Interrupted != "" {
		fmt.Fprintf(&b, "\nended early: %s\n", r.Interrupted)
	}
	fmt.Fprintf(&b, "\nscripts: %d passed, %d failed, %d skipped in %.1f s\n", r.Count(conform.Passed), r.Count(conform.Failed), r.Count(conform.Skipped), r.Seconds)
	_, err := io.WriteString(w, onTerminal(b.String()))
	return err
}

// onTerminal is a text that may go to a terminal: a server's answer is not to move
// its cursor, or worse.
func onTerminal(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || strconv.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, text)
}

// runProgress tells a person how far a run has come: on a terminal in one line that
// changes, elsewhere in a line for each script that did not pass.
type runProgress struct {
	w        io.Writer
	terminal bool
}

func newProgress(w io.Writer) *runProgress { return &runProgress{w, isTerminal(w)} }

// clearLine is what a terminal takes for: back to the line's beginning, and clear
// it.
const clearLine = "\r\x1b[K"

// tell writes what there is to say. Nothing is done about a terminal that is gone.
func (p *runProgress) tell(at conform.Progress) {
	if p.terminal {
		line := clearLine
		if at.Next != "" {
			line += fmt.Sprintf("[%d/%d] %s", at.Done+1, at.Of, at.Next)
			if at.Left > 0 {
				line += fmt.Sprintf(", %s left", at.Left)
			}
		}
		_, _ = io.WriteString(p.w, line)
		return
	}
	if c := at.Last; c != nil {
		_, _ = fmt.Fprintf(p.w, "[%d/%d] %s %s\n", at.Done, at.Of, c.Outcome, c.Name)
	}
}

// reporting are the flags of commands that judge: which reports are written, and
// what is too little.
type reporting struct {
	reports   []string
	coverage  bool
	failUnder float64
}

func (s *reporting) addTo(flags *pflag.FlagSet) {
	flags.StringArrayVar(&s.reports, "report", nil, "write a report, as `form=file` with the forms "+strings.Join(conform.Formats(), ", ")+"; may be repeated")
	flags.BoolVar(&s.coverage, "coverage", false, "say which of the contract's operations, statuses and request members were not seen")
	flags.Float64Var(&s.failUnder, "fail-under", 0, "fail if less of these was seen, in `percent`")
}

// check refuses reports that cannot be written.
func (s reporting) check() error {
	for _, r := range s.reports {
		form, file, found := strings.Cut(r, "=")
		if !found || file == "" || !slices.Contains(conform.Formats(), form) {
			return fmt.Errorf("--report %q: it is form=file, the form being one of %s", r, strings.Join(conform.Formats(), ", "))
		}
		if _, err := os.Stat(filepath.Dir(file)); err != nil { // and not after a run of minutes
			return fmt.Errorf("--report: %w", err)
		}
		if is, err := os.Stat(file); err == nil && is.IsDir() {
			return fmt.Errorf("--report: %s is a folder", file)
		}
	}
	if !(s.failUnder >= 0 && s.failUnder <= 100) { // not a number is neither
		return errors.New("--fail-under: it is in percent")
	}
	return nil
}

// finish writes the reports. Errors: one cannot be written; a foundError of the
// failures; less was seen than was asked for.
func (s reporting) finish(w io.Writer, r *conform.Report) error {
	for _, report := range s.reports {
		form, file, _ := strings.Cut(report, "=")
		if err := writeReport(r, form, file); err != nil {
			return fmt.Errorf("--report: %w", err)
		}
	}
	if s.coverage {
		if err := r.Coverage.Write(w); err != nil {
			return err
		}
	}
	failures := 0
	for _, c := range r.Cases {
		failures += len(c.Failures)
	}
	if failures == 0 && r.Coverage.Percent() < s.failUnder {
		_, err := fmt.Fprintf(w, "\n%.1f %% of the contract was seen: less than %g %%\n", r.Coverage.Percent(), s.failUnder)
		return errors.Join(err, foundError(1))
	}
	if failures > 0 {
		return foundError(failures)
	}
	return nil
}

func writeReport(r *conform.Report, form, file string) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return r.Write(form, f)
}

// askPassword asks for a password, once: that of an account that there is.
func askPassword(ctx context.Context, in io.Reader, prompts io.Writer, prompt string) (string, error) {
	if f, ok := in.(*os.File); ok && isTerminal(f) {
		text, err := readHidden(ctx, f, prompts, prompt)
		return string(text), err
	}
	text, err := readLine(in)
	return string(text), err
}
