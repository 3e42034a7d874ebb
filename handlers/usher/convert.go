package usher

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"slices"
	"time"

	gen "usher/gen/usher"
	"usher/handlers/edge"
	"usher/handlers/exchange"
	"usher/handlers/journal"
	"usher/handlers/sandbox"
	"usher/storage"
)

// badf is a refusal of a request whose text is for the caller.
func badf(format string, args ...any) error { return requestError{fmt.Errorf(format, args...)} }

// given is what a member that may be left out holds, zero if it was.
func given[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// unless leaves out a member that is zero.
func unless[T comparable](v T) *T {
	if v == *new(T) {
		return nil
	}
	return &v
}

// duration reads a member that may be left out.
func duration(member string, text *string) (time.Duration, error) {
	if text == nil {
		return 0, nil
	}
	d, err := time.ParseDuration(*text)
	if err != nil {
		return 0, badf("%s is longer than a duration can be", member) // its form is the contract's
	}
	return d, nil
}

func specOf(s gen.SandboxSpec) (sandbox.Spec, error) {
	spec := sandbox.Spec{
		Name: given(s.Name), From: sandbox.From(given(s.From)), Source: given(s.Source), Authentication: edge.Authentication(given(s.Authentication)),
	}
	var err error
	if spec.TTL, err = duration("ttl", s.TTL); err != nil {
		return spec, err
	}
	if s.TTL != nil && spec.TTL == 0 {
		return spec, badf("ttl: a sandbox is kept for some time")
	}
	if spec.Clock, err = changeOf(given(s.Clock)); err != nil {
		return spec, err
	}
	// Clients generated in Java send an empty fixture where none is given.
	if s.Fixture != nil && (len(*s.Fixture) > 0 || spec.From == sandbox.Fixture) {
		if spec.Fixture, err = json.Marshal(s.Fixture); err != nil {
			return spec, err
		}
	}
	if s.Settings != nil {
		if spec.Settings, err = json.Marshal(s.Settings); err != nil {
			return spec, err
		}
	}
	return spec, nil
}

func changeOf(c gen.ClockChange) (sandbox.Change, error) {
	advance, err := duration("advance", c.Advance)
	return sandbox.Change{Time: given(c.Time), Advance: advance, Frozen: c.Frozen}, err
}

func clockOf(c *sandbox.Clock) gen.Clock {
	return gen.Clock{Time: c.Now(), Frozen: !c.State().Frozen.IsZero(), Real: c.Real()}
}

// sandboxOf is a sandbox as the request can reach it.
func sandboxOf(ctx context.Context, b *sandbox.Sandbox) (gen.Sandbox, error) {
	answer := gen.Sandbox{
		Name: b.Name(), From: b.From(), Urls: urlsOf(ctx, b.Name()), CreatedAt: b.Created(),
		Authentication: gen.Authentication(b.Authentication()), Clock: clockOf(b.Clock()),
		ExpiresAt: unless(b.Expires()),
	}
	if ttl := b.TTL(); ttl > 0 {
		answer.TTL = unless(ttl.String())
	}
	if settings := b.Settings(); settings != nil {
		if err := json.Unmarshal(settings, &answer.Settings); err != nil {
			return gen.Sandbox{}, err
		}
	}
	return answer, nil
}

// urlsOf says where a sandbox is reached by whoever sent the request.
func urlsOf(ctx context.Context, name string) gen.URLs {
	call := edge.CallFrom(ctx)
	scheme := "http"
	if call.Encrypted {
		scheme = "https"
	}
	host := call.Request.Host
	return gen.URLs{Host: scheme + "://" + name + Domain + portOf(host), Path: scheme + "://" + host + Within + name}
}

// portOf is a Host header's port with the colon before it; empty: there is none.
func portOf(host string) string {
	_, port, err := net.SplitHostPort(host)
	if err != nil || port == "" {
		return ""
	}
	return ":" + port
}

func administratorsOf(as []sandbox.Administrator) []gen.Administrator {
	all := make([]gen.Administrator, len(as))
	for i, a := range as {
		all[i] = gen.Administrator{API: a.API, Login: a.Login, Password: a.Password}
	}
	return all
}

func differencesOf(ds []storage.Difference) []gen.Difference {
	all := []gen.Difference{}
	for _, d := range ds {
		one := gen.Difference{API: d.Directory, Kind: d.Kind, ID: unless(d.ID), Name: unless(d.Name), Change: gen.DifferenceChange(d.Change)}
		var members []gen.MemberDifference
		for _, m := range d.Members {
			members = append(members, gen.MemberDifference{Member: m.Path, From: unless(string(m.Before)), To: unless(string(m.After))})
		}
		if members != nil {
			one.Members = &members
		}
		all = append(all, one)
	}
	return all
}

func faultSpecOf(s gen.FaultSpec) (sandbox.FaultSpec, error) {
	delay, err := duration("delay", s.Delay)
	cuts := map[gen.FaultSpecCut]edge.Cut{gen.FaultSpecCutBefore: edge.CutBefore, gen.FaultSpecCutAfter: edge.CutAfter}
	return sandbox.FaultSpec{
		API: given(s.API), Operation: given(s.Operation), Method: given(s.Method),
		Status: given(s.Status), Example: given(s.Example), Delay: delay, Cut: cuts[given(s.Cut)], Rate: given(s.Rate),
		First: given(s.First), Every: given(s.Every), Probability: s.Probability, Seed: given(s.Seed),
	}, err
}

func faultOf(f sandbox.Fault) gen.Fault {
	s := f.Spec
	answer := gen.Fault{ID: f.ID, Calls: f.Calls, Applied: f.Applied, Spec: gen.FaultSpec{
		API: unless(s.API), Operation: unless(s.Operation), Method: unless(s.Method),
		Status: unless(s.Status), Example: unless(s.Example), Rate: unless(s.Rate),
		First: unless(s.First), Every: unless(s.Every), Probability: s.Probability, Seed: unless(s.Seed),
	}}
	if s.Delay > 0 {
		answer.Spec.Delay = unless(s.Delay.String())
	}
	switch s.Cut {
	case edge.CutBefore:
		answer.Spec.Cut = unless(gen.FaultSpecCutBefore)
	case edge.CutAfter:
		answer.Spec.Cut = unless(gen.FaultSpecCutAfter)
	case edge.NoCut:
	}
	return answer
}

func entriesOf(entries []journal.Entry, base string) []gen.JournalEntry {
	all := []gen.JournalEntry{}
	for _, e := range entries {
		all = append(all, entryOf(e, base))
	}
	return all
}

// entryOf is an entry, with its request as a command for the base that the APIs are
// below.
func entryOf(e journal.Entry, base string) gen.JournalEntry {
	answer := gen.JournalEntry{
		ID: int64(e.ID), At: e.At, Duration: e.Duration.Round(time.Microsecond).String(), //nolint:gosec // G115: a journal has fewer entries than that
		API: unless(e.API), Operation: unless(e.Operation), Principal: unless(e.Principal), Code: unless(e.Code), RequestID: unless(e.RequestID),
		Request: gen.RequestMessage{
			Method: e.Request.Method, URL: e.Request.URL, Header: headerOf(e.Request.Header),
			Body: unless(string(e.Request.Body)), Truncated: unless(e.Request.Truncated),
		},
		Answer: gen.AnswerMessage{
			Status: e.Answer.Status, Header: headerOf(e.Answer.Header), Body: unless(string(e.Answer.Body)), Truncated: unless(e.Answer.Truncated),
		},
		Violations: []gen.Violation{},
		Fault:      unless(e.Fault), Cut: unless(gen.JournalEntryCut(e.Cut)),
		Curl: exchange.Curl(e.Request, base),
	}
	for _, v := range e.Violations {
		answer.Violations = append(answer.Violations, gen.Violation{In: gen.ViolationIn(v.In), Path: v.Path, Rule: v.Rule, Message: v.Message, Contract: v.Contract})
	}
	if e.Passed != nil {
		answer.Passed = &gen.Refusal{Status: e.Passed.Status, Code: unless(e.Passed.Code)}
	}
	return answer
}

// headerOf is never nil, which would be null.
func headerOf(h map[string][]string) map[string][]string {
	if h == nil {
		return map[string][]string{}
	}
	return h
}

func expectationsOf(xs []gen.Expectation) []journal.Expectation {
	all := make([]journal.Expectation, len(xs))
	for i, x := range xs {
		all[i] = journal.Expectation{
			API: given(x.API), Operation: given(x.Operation), Method: given(x.Method), Path: given(x.Path), Principal: given(x.Principal),
			Status: given(x.Status), Query: given(x.Query), Header: given(x.Header), Body: x.Body,
			Exactly: x.Exactly, AtLeast: x.AtLeast, AtMost: x.AtMost,
		}
	}
	return all
}

func verdictOf(v journal.Verdict) gen.Verdict {
	answer := gen.Verdict{Met: v.Met, Requests: []gen.Outcome{}}
	for _, o := range v.Requests {
		outcome := gen.Outcome{Met: o.Met, Matched: []int64{}, Reason: unless(o.Reason)}
		for _, id := range o.Matched {
			outcome.Matched = append(outcome.Matched, int64(id)) //nolint:gosec // G115: as above
		}
		if o.Nearest != nil {
			miss := gen.Miss{ID: int64(o.Nearest.ID)} //nolint:gosec // G115: as above
			for _, d := range o.Nearest.Differences {
				miss.Differences = append(miss.Differences, gen.MissDifference{Member: d.Member, Expected: d.Expected, Actual: d.Actual})
			}
			outcome.Nearest = &miss
		}
		answer.Requests = append(answer.Requests, outcome)
	}
	return answer
}

func snapshotOf(name string, s *sandbox.Snapshot) gen.Snapshot {
	return gen.Snapshot{Name: name, TakenAt: s.Taken, Size: int64(len(s.Image.Bytes()))}
}

func snapshotsOf(all map[string]*sandbox.Snapshot) []gen.Snapshot {
	answer := []gen.Snapshot{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		answer = append(answer, snapshotOf(name, all[name]))
	}
	return answer
}
