// Package conform holds a server against what an API does: scripts of requests
// and whole answers, and the API's contract. It judges usher in its own tests, and
// any other server by usher conform; it knows no vendor and no store, and never
// answers a request.
//
// A script is a text file (txtar): prose, commands, and after them the files that
// they name. It speaks HTTP alone and leans on no account that it did not make
// itself, but for an administrator's.
//
//	needs WORD…          what the script asks of its server, in its first line
//	unique NAME PREFIX   sets $NAME to PREFIX and some letters that no other run has;
//	                     with -uuid for PREFIX to a UUID, partly in capitals
//	send METHOD PATH     sends a request and prints status, Content-Type and body
//	     [-basic USER:PASSWORD] [-bearer TOKEN] [-header 'NAME: VALUE'] [-type MEDIA]
//	     [-show HEADER]  prints this header of the answer too
//	     [-pad BYTES]  the body, followed by spaces up to that length
//	     [FILE]          the body, $NAME and ${NAME} in it replaced where NAME is set by the script
//	defer METHOD PATH    has a request sent when the script ends, to remove what it
//	     [flags] [FILE]  has made; its answer is not judged
//	capture NAME PATH    sets $NAME to a member of the last answer: data.id, [0].id;
//	                     a dot alone is the whole of an answer that is a string
//	capture NAME -header HEADER PATTERN
//	                     sets $NAME to what a regular expression finds in a header
//	                     of the last answer, or to its first group
//	cmp stdout FILE      the answer is this; an update writes FILE
//	[!] stdout PATTERN   a regular expression that the answer fits, or does not
//	shows OPERATION ASPECT[,ASPECT…] TEXT
//	                     says what the answers so far have shown of an operation
//	advance DURATION     lets time pass (needs clock); where it cannot, the script
//	                     ends here
//	fault KIND           puts a fault in below the API, where the server can
//
// $ADMIN and $ADMIN_PASSWORD are the administrator's. A word in single quotes is
// taken as it stands. In what send prints, each value that unique or capture has
// set stands as $NAME, and other ids, times and tokens as <id>, <time> and <token>.
//
// A script called cleanup is none of a behaviour: it says how what the others make
// goes again. What is before its first undo runs once, if there is anything to do.
//
//	undo OPERATION [-when PATH=VALUE] [-made PATH] [-done PATTERN] METHOD PATH [flags] [FILE]
//	                     after each script, for each request of OPERATION that was
//	                     answered with 2xx (and VALUE at PATH), the last one first,
//	                     sends this; {answer.PATH} and {request.PATH} are taken
//	                     from the bodies of that answer and its request, {request}
//	                     is the whole. With -made it is for what is the script's
//	                     own alone: what is at PATH (request.a.b, answer.a.b, or
//	                     both) holds a value that unique has set. It has succeeded
//	                     with 404, or with 2xx and a body that PATTERN finds
//
// The commands are those of rogpeppe's testscript, as far as they are needed. It is
// not testscript itself since that keeps each script's files, passwords included,
// in a folder, runs any program that a script names, and says what differs as a log
// for people only.
package conform

import (
	"context"
	"regexp"
	"time"

	"usher/handlers/exchange"
)

// Options say how a suite is run.
type Options struct {
	Contract *exchange.Contract
	Title    string // of the API, for people
	Server   Server
	// Grants are the needs that the server grants. Scripts that need another are
	// skipped.
	Grants []string
	// Only picks scripts by name; nil: all.
	Only *regexp.Regexp
	// Product is the vendor's product and its version, if the server is the
	// vendor's own.
	Product string
	// Progress is told before each script, and once after the last; nil: nobody is.
	Progress func(Progress)
}

// Progress is how far a run has come.
type Progress struct {
	Done, Of int           // scripts
	Next     string        // the script that begins; empty: there is none any more
	Last     *Case         // the script that has ended; nil: there is none yet
	Left     time.Duration // as it looks; 0: it cannot be said yet
}

// Pick is the scripts that are to be run, and why each of the others is skipped.
func (s *Suite) Pick(o Options) (run []*Script, skipped map[string]string) {
	skipped = map[string]string{}
	for _, script := range s.Scripts {
		if o.Only != nil && !o.Only.MatchString(script.Name) {
			continue
		}
		if reason := script.Missing(o.Grants); reason != "" {
			skipped[script.Name] = reason
		}
		run = append(run, script)
	}
	return run, skipped
}

// Run runs the scripts one after another against one server, and removes what
// they have made. When ctx is done, the rest is skipped, and so it is if the server
// refuses the administrator from the beginning, or does not answer any more.
func (s *Suite) Run(ctx context.Context, o Options) *Report {
	report := &Report{
		Command: "conform", API: s.API, Title: o.Title, Target: o.Server.URL, Product: o.Product,
		Began: time.Now().UTC().Truncate(time.Second),
	}
	began := time.Now()
	r := &Runner{Contract: o.Contract, Tally: NewTally(o.Contract), stop: new(stop)}
	scripts, skipped := s.Pick(o)
	todo, done := 0, 0
	for _, script := range scripts {
		if skipped[script.Name] == "" {
			todo += script.Requests()
		}
	}
	progress := Progress{Of: len(scripts)}
	tell := func(next string) {
		progress.Next = next
		if done > 0 {
			progress.Left = time.Duration(float64(time.Since(began)) / float64(done) * float64(todo-done)).Round(time.Second)
		}
		if o.Progress != nil {
			o.Progress(progress)
		}
	}
	for _, script := range scripts {
		tell(script.Name)
		var c Case
		switch reason := skipped[script.Name]; {
		case reason != "":
			c = r.Skip(script, reason)
		case ctx.Err() != nil:
			c = r.Skip(script, interruptedReason)
		case r.stop.over() != "":
			c = r.Skip(script, r.stop.over())
		default:
			c = r.Run(ctx, script, s.cleanup, o.Server)
			done += script.Requests()
		}
		report.Cases = append(report.Cases, c)
		progress.Done, progress.Last = progress.Done+1, &report.Cases[len(report.Cases)-1]
	}
	progress.Left = 0
	tell("")
	for i := range report.Cases {
		report.Cases[i].settle(r.stop.over(), r.Tally)
	}
	report.Interrupted = r.stop.over()
	if ctx.Err() != nil {
		report.Interrupted = "the run was interrupted: what had not begun by then is skipped"
	}
	report.Seconds = time.Since(began).Seconds()
	report.Operations, report.Coverage = r.Tally.Rows(), r.Tally.Coverage()
	return report
}
