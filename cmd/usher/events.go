package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf16"

	"github.com/spf13/cobra"

	"usher/handlers"
	"usher/storage"
)

// eventsAtOnce is how many events are read in one go: a reader who takes his time
// must not keep the server's log from being cleared.
const eventsAtOnce = 1000

func newEvents(environ []string) *cobra.Command {
	var (
		db, since, until, before string
		q                        storage.EventQuery
		asJSON                   bool
	)
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Show or prune the trail of events",
		Long: `Show who did what to whom, when, from where and with which result: logins,
failures, changes of passwords, users, roles and policies. No secret is among it.
The oldest come first.

A TIME is one of RFC 3339 (2026-11-21T09:00:00Z), a day, which begins at 00:00 UTC
(2026-11-21), or how long ago it was (90d, 36h, 10m).

The store may be in use, be one that cannot be written, such as a backup, and be of
an older version; it is not changed.

With --prune-before, which has no variable, nothing is shown: the events of before
that time are deleted, of all APIs or of --api alone. That this was done is an event
itself.`,
		Example: "  usher events --since 24h --kind login-failed\n" +
			"  usher events --api milvus --user root --json\n" +
			"  usher events --prune-before 90d",
		Args: cobra.NoArgs,
		RunE: onStore(environ, func(cmd *cobra.Command, _ []string) (err error) {
			if q.Directory != "" && !slices.Contains(handlers.Names(), q.Directory) {
				return fmt.Errorf("--api: no API is called %q: there are %s", q.Directory, strings.Join(handlers.Names(), ", "))
			}
			if slices.ContainsFunc(environ, func(v string) bool { return strings.HasPrefix(v, variable("prune-before")+"=") }) {
				return fmt.Errorf("%s: what is deleted is said on the command line alone", variable("prune-before"))
			}
			now := time.Now()
			var prune time.Time
			for _, t := range []struct {
				flag, text string
				time       *time.Time
			}{{"since", since, &q.Since}, {"until", until, &q.Until}, {"prune-before", before, &prune}} {
				if !cmd.Flags().Changed(t.flag) {
					continue
				}
				if *t.time, err = parseTime(t.text, now); err != nil {
					return fmt.Errorf("--%s: %w", t.flag, err)
				}
			}
			if cmd.Flags().Changed("prune-before") {
				switch {
				case asJSON || q != storage.EventQuery{Directory: q.Directory}:
					return errors.New("--prune-before goes with --db and --api alone: a trail with chosen events missing is none")
				case prune.After(now):
					return fmt.Errorf("--prune-before: %s is still to come", before)
				}
				return pruneEvents(cmd, db, q.Directory, prune)
			}
			if err := checkQuery(q); err != nil {
				return err
			}
			return showEvents(cmd, db, q, asJSON)
		}),
	}
	flags := cmd.Flags()
	addStore(flags, &db)
	flags.StringVar(&since, "since", "", "only events at that `TIME` or later")
	flags.StringVar(&until, "until", "", "only events before that `TIME`")
	flags.StringVar(&q.Directory, "api", "", "only events of that `API`")
	flags.StringVar(&q.User, "user", "", "only what the user of that `name` or id did, or what was done to him")
	flags.StringVar((*string)(&q.Kind), "kind", "", "only events of that `kind`, such as login-failed")
	flags.BoolVar(&asJSON, "json", false, "a JSON object for each event, in a line of its own")
	flags.StringVar(&before, "prune-before", "", "delete the events of before that `TIME`")
	return cmd
}

// checkQuery refuses what no event can ever be an answer to, which looks like a
// trail without such events.
func checkQuery(q storage.EventQuery) error {
	if !q.Since.IsZero() && !q.Until.IsZero() && !q.Since.Before(q.Until) {
		return errors.New("--since is not before --until")
	}
	var kinds []string
	for _, k := range storage.EventKinds() {
		kinds = append(kinds, string(k))
	}
	if q.Kind == "" || slices.Contains(kinds, string(q.Kind)) {
		return nil
	}
	for _, ending := range []string{"-created", "-updated", "-deleted", "-ended", "-refused"} { // of records and tokens
		if strings.HasSuffix(string(q.Kind), ending) {
			return nil
		}
	}
	return fmt.Errorf("--kind: there is no %q: there are %s, and those of what the APIs have, such as role-updated and session-ended",
		string(q.Kind), strings.Join(kinds, ", "))
}

// parseTime reads a time as the help describes it.
func parseTime(text string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return now.AddDate(0, 0, -int(n)), nil
		}
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	return time.Time{}, fmt.Errorf("%q is no time: they look like 2026-11-21T09:00:00Z, 2026-11-21, 90d or 36h", text)
}

func pruneEvents(cmd *cobra.Command, db, api string, before time.Time) (err error) {
	store, err := openStore(cmd, db, storage.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	apis := handlers.Names()
	if api != "" {
		apis = []string{api}
	}
	for _, api := range apis {
		n, failed := store.Directory(api).PruneEvents(cmd.Context(), operator(), before)
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: %d events of before %s deleted\n", api, n, before.UTC().Format(time.RFC3339))
		if err := errors.Join(explain(failed, db), err); err != nil {
			return err
		}
	}
	return nil
}

func showEvents(cmd *cobra.Command, db string, q storage.EventQuery, asJSON bool) (err error) {
	trail, err := storage.OpenTrail(cmd.Context(), db)
	if err != nil {
		return explain(err, db)
	}
	defer func() { err = errors.Join(err, trail.Close()) }()
	show := printTable
	if asJSON {
		show = printJSON
	}
	q.Limit = eventsAtOnce
	for {
		es, err := trail.Events(cmd.Context(), q)
		if err != nil {
			return err
		}
		if err := show(cmd.OutOrStdout(), es, q.After == 0); err != nil || len(es) < q.Limit {
			return err
		}
		q.After = es[len(es)-1].ID
	}
}

// printJSON writes events in the way that programs read them, and terminals do no harm
// with: names are whoever's who has made them.
func printJSON(w io.Writer, es []storage.Event, _ bool) error {
	var b bytes.Buffer
	lines := json.NewEncoder(&b)
	lines.SetEscapeHTML(false)
	for _, e := range es {
		err := lines.Encode(struct {
			ID         int64             `json:"id"`
			At         time.Time         `json:"at"`
			API        string            `json:"api"`
			Kind       storage.EventKind `json:"kind"`
			ActorID    string            `json:"actorId"`
			ActorName  string            `json:"actorName"`
			TargetID   string            `json:"targetId"`
			TargetName string            `json:"targetName"`
			Source     string            `json:"source"`
			Request    string            `json:"request"`
			Result     string            `json:"result"`
		}{e.ID, e.At, e.Directory, e.Kind, e.ActorID, e.ActorName, e.TargetID, e.TargetName, e.Source, e.Request, e.Result})
		if err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, escapeJSON(b.String()))
	return err
}

// escapeJSON writes what is beyond ASCII in JSON, and DEL, as JSON's escapes, unless it
// is a letter, a digit or a sign. The encoder has escaped the rest.
func escapeJSON(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r < 0x7f || strconv.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			_, _ = fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			_, _ = fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// printTable writes events in the way that people read them; head: with a line
// that says what is what.
func printTable(w io.Writer, es []storage.Event, head bool) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if head {
		_, _ = fmt.Fprintln(t, "TIME\tAPI\tEVENT\tBY\tABOUT\tFROM\tRESULT") // Flush says what went wrong
	}
	cell := func(texts ...string) string {
		text := cmp.Or(texts...)
		if text == "" {
			return "-"
		}
		return printable(text)
	}
	for _, e := range es {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.At.Format("2006-01-02T15:04:05.000Z"), e.Directory, e.Kind,
			cell(e.ActorName, e.ActorID), cell(e.TargetName, e.TargetID), cell(e.Source), e.Result)
	}
	return t.Flush()
}
