package conform

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"usher/handlers/exchange"
)

// Server is what scripts speak to.
type Server struct {
	URL       string            // http://127.0.0.1:8080, and a path that all is below, if there is one
	Transport http.RoundTripper // nil: http.DefaultTransport
	Header    http.Header       // that each request gets, besides its own
	Timeout   time.Duration     // of a request; 0: DefaultTimeout
	// Admin and Password are an administrator's.
	Admin, Password string
	// Advance lets time pass; nil: by waiting, up to Patience for each script.
	Advance  func(context.Context, time.Duration) error
	Patience time.Duration
	// Fault puts in a fault of that kind; nil: there is none.
	Fault func(kind string) error
}

// DefaultTimeout is how long an answer may take.
const DefaultTimeout = 30 * time.Second

// interruptedReason is why a script is skipped that an interrupt has ended.
const interruptedReason = "interrupted"

// cleanupTimeout is how long it may take to remove what a script has made.
const cleanupTimeout = 30 * time.Second

// Runner runs scripts.
type Runner struct {
	Contract *exchange.Contract
	// Tally is told of each request; nil: nobody is.
	Tally *Tally
	// Update writes answers into the scripts instead of comparing them.
	Update bool

	stop *stop // nil: the scripts are no run
}

// Run runs one script against a server, and cleanup after it, unless that is nil.
// What it gives back holds no secrets.
func (r *Runner) Run(ctx context.Context, s, cleanup *Script, server Server) Case {
	began := time.Now()
	x := newExecution(r, s, server)
	interrupted := false
	for i, st := range s.steps {
		if ctx.Err() != nil {
			interrupted = true
			x.skip(s.steps[i:])
			break
		}
		if err := x.do(ctx, st); err != nil {
			if ctx.Err() != nil {
				interrupted = true
				x.judged = x.judged || st.name == "send" // that has no answer
				x.skip(s.steps[i:])
				break
			}
			switch {
			case errors.Is(err, errStopped):
				x.skip(s.steps[i:])
			case errors.Is(err, errImpatient):
				x.result.Reason = fmt.Sprintf("from line %d on: %v", st.line, err)
				x.skip(s.steps[i+1:])
			default:
				x.fail(st, err.Error())
				x.skip(s.steps[i+1:])
				if x.stop != nil && x.silent && x.result.Requests == 0 {
					x.result.doubt = new(doubt)
					x.stop.silent(x.result.doubt, func() error { return Reach(ctx, server) })
				}
			}
			break
		}
	}
	x.settle()
	switch {
	case len(x.result.Failures) > 0:
		x.result.Outcome = Failed
	case interrupted:
		x.result.Outcome, x.result.Reason = Skipped, interruptedReason
	case x.result.Requests == 0:
		x.result.Outcome, x.result.Reason = Skipped, cmp.Or(x.result.Reason, "it sends no request")
	default:
		x.result.Outcome = Passed
	}
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	for _, last := range slices.Backward(x.deferred) {
		if err := last(after); err != nil {
			x.left(s.Name, err)
		}
	}
	if cleanup != nil {
		x.clean(after, cleanup)
	}
	x.result.Seconds = time.Since(began).Seconds()
	return x.result
}

// Reach asks a server for anything, to know that it is there. Errors: it does not
// answer.
func Reach(ctx context.Context, server Server) error {
	x := newExecution(&Runner{}, new(Script), server)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
	if err != nil {
		return err
	}
	response, err := x.client.Do(r)
	if err != nil {
		return plainly(err)
	}
	return response.Body.Close()
}

// Skip is what becomes of a script that is not run, for a reason.
func (r *Runner) Skip(s *Script, reason string) Case {
	x := newExecution(r, s, Server{})
	x.skip(s.steps)
	x.result.Outcome, x.result.Reason = Skipped, reason
	return x.result
}

// execution is a script under way.
type execution struct {
	*Runner
	script *Script
	server Server
	client *http.Client
	below  string // the path of the server's URL
	result Case

	values  map[string]string
	names   []string // of values that are masked, in order
	unique  []string // values that no other run has
	secrets []string // that went by
	hushed  []string // values of headers that are the caller's own

	last    *exchange.Exchange
	out     string               // what the last send printed
	failed  bool                 // something is wrong with the last answer
	looked  bool                 // the script says what the last answer is to be
	admin   bool                 // the last request had the administrator's credentials
	sound   int                  // failures before the last request
	judged  bool                 // the last exchange has been told to Tally
	history []*exchange.Exchange // that may have made something
	unsure  []*exchange.Exchange // that were sent, and of which no answer tells what they have made
	sent    bool                 // the last request has got a connection
	silent  bool                 // the last request has got no answer
	met     map[string]bool      // operations that have answered
	updated map[string]bool      // files

	deferred []func(context.Context) error
}

func newExecution(r *Runner, s *Script, server Server) *execution {
	timeout := server.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	x := &execution{
		Runner: r, script: s, server: server,
		client: &http.Client{
			Transport: server.Transport, Timeout: timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		result:  Case{Name: s.Name, Prose: s.Prose},
		values:  map[string]string{adminName: server.Admin, adminPassword: server.Password},
		met:     map[string]bool{},
		updated: map[string]bool{},
		judged:  true,
	}
	for _, values := range server.Header {
		x.hushed = append(x.hushed, values...)
	}
	if u, err := url.Parse(server.URL); err == nil {
		x.below = strings.TrimSuffix(u.EscapedPath(), "/")
	}
	return x
}

// do does a step. Errors: those after which the script cannot go on.
func (x *execution) do(ctx context.Context, st step) error {
	arg := func(i int) (string, error) { return x.expand(st.args[i]) }
	switch st.name {
	case "needs": // has been looked at
	case "unique":
		prefix, err := arg(1)
		if err != nil {
			return err
		}
		value := prefix + strings.ToLower(rand.Text()[:8])
		if prefix == "-uuid" {
			value = uuid.NewString()
			value = strings.ToUpper(value[:8]) + value[8:]
		}
		x.set(st.args[0].plain(), value)
		x.unique = append(x.unique, value)
	case "send":
		x.settle()
		if x.stop.over() != "" {
			return errStopped
		}
		r, err := parseSend(st.args)
		if err != nil {
			return err
		}
		return x.send(ctx, st, r)
	case "defer":
		return x.atEnd(st)
	case "capture":
		x.looked = true
		return x.capture(st)
	case "shows":
		return x.shows(st)
	case "cmp":
		x.looked = true
		return x.compare(st)
	case "stdout":
		x.looked = true
		pattern, err := arg(0)
		if err != nil {
			return err
		}
		wanted, err := regexp.Compile("(?m)" + pattern) // a value in it may be anything
		if err != nil {
			return err
		}
		if wanted.MatchString(x.out) == st.negate {
			x.fail(st, "the answer does not fit")
		}
	case "advance":
		d, err := time.ParseDuration(st.args[0].plain())
		if err != nil {
			return err
		}
		return x.advance(ctx, d)
	case "fault":
		if x.server.Fault == nil {
			return errors.New("nobody here can put in a fault")
		}
		return x.server.Fault(st.args[0].plain())
	}
	return nil
}

func (x *execution) advance(ctx context.Context, d time.Duration) error {
	if x.server.Advance != nil {
		return x.server.Advance(ctx, d)
	}
	if x.script.Passing > x.server.Patience {
		return fmt.Errorf("needs %s to pass%w", inWords(x.script.Passing), errImpatient)
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// errImpatient is why a script ends that would have to wait.
var errImpatient = errors.New("")

func (x *execution) set(name, value string) {
	if !slices.Contains(x.names, name) {
		x.names = append(x.names, name)
	}
	x.values[name] = value
}

// send sends a request and prints its answer.
func (x *execution) send(ctx context.Context, st step, r request) error {
	method, path, body, err := x.words(r)
	if err != nil {
		return err
	}
	e, err := x.exchange(ctx, method, path, r, body)
	x.last, x.failed, x.judged, x.looked = e, false, false, false
	x.admin, x.sound = x.bears(r), len(x.result.Failures)
	if err != nil {
		x.out = ""
		if x.sent {
			x.unsure = append(x.unsure, e)
		}
		return err
	}
	x.stop.answered()
	x.result.Requests++
	x.met[e.Operation] = true
	x.history = append(x.history, e)
	x.print(e, r.shown)
	x.hold(st, e)
	return nil
}

// words are what a request is made of, with the values of its names.
func (x *execution) words(r request) (method, path string, body []byte, err error) {
	if method, err = x.expand(r.method); err != nil {
		return "", "", nil, err
	}
	if path, err = x.expand(r.path); err != nil {
		return "", "", nil, err
	}
	if r.file != "" {
		text := x.expandText(strings.TrimSuffix(string(x.script.file(r.file).Data), "\n"))
		body = append([]byte(text), bytes.Repeat([]byte(" "), max(0, r.pad-len(text)))...)
	}
	return method, path, body, nil
}

// exchange sends a request as r says, and waits for its answer.
func (x *execution) exchange(ctx context.Context, method, path string, r request, body []byte) (*exchange.Exchange, error) {
	// The path goes out as the script writes it.
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	e := &exchange.Exchange{At: time.Now(), API: x.Contract.Name(), Request: exchange.Message{Method: method, URL: path, Body: body}}
	e.Operation, _ = x.Contract.Find(method, path) // should there be no answer that could be held against it
	x.sent, x.silent = false, false
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { x.sent = true }})
	q, err := http.NewRequestWithContext(traced, method, strings.TrimSuffix(x.server.URL, "/")+path, reader)
	if err != nil {
		return e, fmt.Errorf("no request can be made of %s %s", method, path)
	}
	for name, values := range x.server.Header {
		q.Header[name] = slices.Clone(values)
	}
	switch {
	case r.media == "" && body != nil:
		q.Header.Set("Content-Type", "application/json")
	case r.media != "" && r.media != "none":
		q.Header.Set("Content-Type", r.media)
	}
	for _, h := range r.headers {
		name, value, err := h.line(x.expand)
		if err != nil {
			return e, err
		}
		q.Header.Add(name, value)
	}
	e.Request.Header = q.Header.Clone()
	for name := range x.server.Header { // which may well be a secret
		e.Request.Header[name] = []string{"***"}
	}
	response, err := x.client.Do(q)
	if err != nil {
		x.silent = true
		return e, plainly(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, mostAnswered+1))
	e.Duration = time.Since(e.At)
	e.Answer = exchange.Message{Status: response.StatusCode, Header: response.Header, Body: answer}
	switch {
	case err != nil:
		return e, fmt.Errorf("the answer breaks off: %w", err)
	case len(answer) > mostAnswered:
		e.Answer.Body, e.Answer.Truncated = nil, true
		return e, fmt.Errorf("the answer has more than %d bytes", mostAnswered)
	}
	x.Contract.Check(e) //nolint:contextcheck // it judges what is there, and waits for nothing
	return e, nil
}

// mostAnswered is how large an answer may be.
const mostAnswered = 16 << 20

// plainly is the reason why there is no answer, without the URL, which may hold a
// secret.
func plainly(err error) error {
	if os.IsTimeout(err) {
		return errors.New("no answer in time")
	}
	for {
		cause := errors.Unwrap(err)
		if cause == nil {
			return fmt.Errorf("no answer: %w", err)
		}
		err = cause
	}
}

// print keeps what a script sees of an answer.
func (x *execution) print(e *exchange.Exchange, shown []string) {
	var out strings.Builder
	fmt.Fprintln(&out, e.Answer.Status)
	for _, name := range append([]string{"Content-Type"}, shown...) {
		for _, value := range e.Answer.Header.Values(name) {
			fmt.Fprintf(&out, "%s: %s\n", name, x.home(value))
		}
	}
	if len(e.Answer.Body) > 0 {
		fmt.Fprintf(&out, "\n%s\n", e.Answer.Body)
	}
	x.out = x.mask(out.String())
}

// home is a header's value as a server has it that is not below a path: what a cookie
// is for, or another place on the server.
func (x *execution) home(value string) string {
	if x.below == "" {
		return value
	}
	if place, found := strings.CutPrefix(value, x.below+"/"); found {
		return "/" + place
	}
	return strings.ReplaceAll(value, "="+x.below+"/", "=/")
}

// hold holds an answer against the contract, and against the secrets that went by.
func (x *execution) hold(st step, e *exchange.Exchange) {
	var broken []exchange.Violation
	for _, v := range e.Violations {
		if v.In == exchange.Answer {
			broken = append(broken, v)
		}
	}
	x.remember(exchange.Secrets(exchange.Exchange{Request: e.Request}))
	if len(broken) > 0 {
		x.fail(st, "the answer breaks the contract", broken...)
	}
	for _, secret := range x.secrets {
		// Milvus' own first password is a word that its server may well say.
		if bytes.Contains(e.Answer.Body, []byte(secret)) && !strings.EqualFold(secret, x.Contract.Name()) {
			x.fail(st, "the answer repeats a secret that it was sent, or that an earlier answer had")
			break
		}
	}
	x.remember(exchange.Secrets(exchange.Exchange{Answer: e.Answer}))
}

// mostSecrets is how many secrets of a script are looked for in its answers: more than
// any has that a server did not make up.
const mostSecrets = 1000

func (x *execution) remember(secrets []string) {
	for _, s := range secrets {
		if len(x.secrets) < mostSecrets && !slices.Contains(x.secrets, s) {
			x.secrets = append(x.secrets, s)
		}
	}
}

func (x *execution) capture(st step) error {
	if x.last == nil {
		return errors.New("no answer yet")
	}
	var found string
	var err error
	if len(st.args) == 4 {
		name := st.args[2].plain()
		match := regexp.MustCompile(st.args[3].plain()).FindStringSubmatch(strings.Join(x.last.Answer.Header.Values(name), "\n"))
		if match == nil {
			return fmt.Errorf("no %s in header %s of the last answer", st.args[3].plain(), name)
		}
		found = match[len(match)-1]
	} else if found, err = Member(x.last.Answer.Body, st.args[1].plain()); err != nil {
		return err
	}
	x.set(st.args[0].plain(), found)
	return nil
}

func (x *execution) shows(st step) error {
	s := Shown{Operation: st.args[0].plain(), Aspects: strings.Split(st.args[1].plain(), ","), Text: st.args[2].plain()}
	if !x.met[s.Operation] {
		return fmt.Errorf("no answer of %s yet that could show anything", s.Operation)
	}
	x.result.Shown = append(x.result.Shown, s)
	return nil
}

func (x *execution) compare(st step) error {
	name, err := x.expand(st.args[1])
	if err != nil {
		return err
	}
	f := x.script.file(name)
	if f == nil {
		return fmt.Errorf("there is no file %q in the script", name)
	}
	if string(f.Data) == x.out {
		return nil
	}
	if x.Update && !x.updated[name] {
		x.updated[name] = true
		f.Data = []byte(x.out)
		x.result.Updated = true
		return nil
	}
	x.differs(st, string(f.Data))
	return nil
}

// settle says what has become of the last request, now that all is known of it.
func (x *execution) settle() {
	if x.judged {
		return
	}
	x.judged = true
	if x.admin && x.stop.called(x.Contract, x.last, x.looked && !x.failed) {
		if x.result.doubt == nil {
			x.result.doubt = &doubt{sound: x.sound}
		}
		x.stop.refuse(x.last, x.result.doubt)
	}
	outcome := Passed
	if x.failed {
		outcome = Failed
	}
	switch {
	case x.Tally == nil:
	case x.result.doubt != nil:
		x.result.doubt.held = append(x.result.doubt.held, verdict{x.last, outcome})
	default:
		x.Tally.Add(x.last, outcome)
	}
}

// skip tells Tally of requests that are not sent.
func (x *execution) skip(steps []step) {
	if x.Tally == nil {
		return
	}
	for _, st := range steps {
		if st.name == "send" {
			x.Tally.skip(x.Contract, st.args[0].plain(), st.args[1].plain())
		}
	}
}
