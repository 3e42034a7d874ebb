package conform

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"

	"usher/handlers/exchange"
)

// Tally counts requests by operation, and what of a contract they have met. It is
// safe for concurrent use, and grows with the contract, not with the requests.
type Tally struct {
	mu       sync.Mutex
	source   *exchange.Contract
	contract []exchange.Operation
	rows     map[string]*Row
	statuses map[string]map[int]bool
	members  map[string]map[string]bool
}

// Row is what became of an operation's requests.
type Row struct {
	// Operation is empty for requests of paths and verbs that the contract has not.
	Operation string `json:"operation"`
	Method    string `json:"method,omitempty"`
	Path      string `json:"path,omitempty"`
	Passed    int    `json:"passed"`
	Failed    int    `json:"failed"`
	Skipped   int    `json:"skipped"`
	// Undeclared are the statuses that were answered and that the contract has not.
	Undeclared []int `json:"undeclared,omitempty"`
}

// Coverage is how much of a contract was met.
type Coverage struct {
	Operations Share `json:"operations"`
	Statuses   Share `json:"statuses"` // "createUser 409"
	Members    Share `json:"members"`  // that requests may have: "createUser body /username"
}

// Share is a part of a whole.
type Share struct {
	Seen    int      `json:"seen"`
	Of      int      `json:"of"`
	Missing []string `json:"missing,omitempty"`
}

// NewTally counts what is asked of the API of a contract.
func NewTally(c *exchange.Contract) *Tally {
	t := &Tally{source: c, contract: c.Operations(), rows: map[string]*Row{}, statuses: map[string]map[int]bool{}, members: map[string]map[string]bool{}}
	for _, op := range t.contract {
		t.rows[op.ID] = &Row{Operation: op.ID, Method: op.Method, Path: op.Path}
		t.statuses[op.ID], t.members[op.ID] = map[int]bool{}, map[string]bool{}
	}
	t.rows[""] = &Row{}
	return t
}

// Add counts a request that was judged.
func (t *Tally) Add(e *exchange.Exchange, o Outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	row := t.rows[e.Operation]
	if row == nil {
		row = t.rows[""]
	}
	switch o {
	case Passed:
		row.Passed++
	case Failed:
		row.Failed++
	case Skipped:
		row.Skipped++
	}
	for _, v := range e.Violations {
		if v.Rule == exchange.UndeclaredStatus && !slices.Contains(row.Undeclared, e.Answer.Status) {
			row.Undeclared = append(row.Undeclared, e.Answer.Status)
			slices.Sort(row.Undeclared)
		}
	}
	if e.Operation == "" || t.statuses[e.Operation] == nil {
		return
	}
	if e.Answer.Status == 0 { // nobody has answered
		return
	}
	t.statuses[e.Operation][e.Answer.Status] = true
	for _, member := range t.source.Members(*e) {
		t.members[e.Operation][member] = true
	}
}

// skip counts a request that a script would have sent.
func (t *Tally) skip(c *exchange.Contract, method, path string) {
	path, _, _ = strings.Cut(path, "?")
	operation, _ := c.Find(method, variable.ReplaceAllString(path, "x"))
	t.mu.Lock()
	defer t.mu.Unlock()
	if row := t.rows[operation]; row != nil {
		row.Skipped++
	}
}

// Rows are the operations in the contract's order, and last what no operation has
// got, if there was any.
func (t *Tally) Rows() (rows []Row) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, op := range t.contract {
		rows = append(rows, t.rows[op.ID].copy())
	}
	if other := t.rows[""]; other.Passed+other.Failed+other.Skipped > 0 {
		rows = append(rows, other.copy())
	}
	return rows
}

func (r *Row) copy() Row {
	row := *r
	row.Undeclared = slices.Clone(r.Undeclared)
	return row
}

// Coverage is how much was met so far.
func (t *Tally) Coverage() (c Coverage) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, op := range t.contract {
		c.Operations.add(op.ID, len(t.statuses[op.ID]) > 0)
		for _, status := range op.Statuses {
			c.Statuses.add(fmt.Sprintf("%s %d", op.ID, status), t.statuses[op.ID][status])
		}
		for _, member := range op.RequestMembers {
			c.Members.add(op.ID+" "+member, t.members[op.ID][member])
		}
	}
	return c
}

func (s *Share) add(name string, seen bool) {
	s.Of++
	if seen {
		s.Seen++
	} else {
		s.Missing = append(s.Missing, name)
	}
}

// Percent is the share in percent; of nothing it is all.
func (s Share) Percent() float64 {
	if s.Of == 0 {
		return 100
	}
	return 100 * float64(s.Seen) / float64(s.Of)
}

// Percent is the share of operations, statuses and members together.
func (c Coverage) Percent() float64 {
	return Share{
		Seen: c.Operations.Seen + c.Statuses.Seen + c.Members.Seen,
		Of:   c.Operations.Of + c.Statuses.Of + c.Members.Of,
	}.Percent()
}

// Write writes the coverage as text, with what is missing.
func (c Coverage) Write(w io.Writer) error {
	var b strings.Builder
	for _, s := range []struct {
		of string
		Share
	}{{"operations", c.Operations}, {"statuses", c.Statuses}, {"request members", c.Members}} {
		fmt.Fprintf(&b, "%-16s %d of %d (%.0f %%)\n", s.of, s.Seen, s.Of, s.Percent())
		for _, missing := range s.Missing {
			fmt.Fprintf(&b, "  not seen: %s\n", missing)
		}
	}
	fmt.Fprintf(&b, "%-16s %.1f %%\n", "together", c.Percent())
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteTable writes the operations as a table: how many requests passed, failed
// and were skipped, and which statuses were answered that none declares.
func (r *Report) WriteTable(w io.Writer) error {
	var b strings.Builder
	b.WriteString("operation\tpassed\tfailed\tskipped\tundeclared statuses\n")
	line := func(name string, row Row) {
		fmt.Fprintf(&b, "%s\t%d\t%d\t%d\t%s\n", name, row.Passed, row.Failed, row.Skipped, numbers(row.Undeclared))
	}
	for _, row := range r.Operations {
		line(cmp.Or(row.Operation, "(other paths and verbs)"), row)
	}
	line("together", r.Sum())
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if _, err := io.WriteString(t, b.String()); err != nil {
		return err
	}
	return t.Flush()
}

// Sum is all operations together.
func (r *Report) Sum() (sum Row) {
	for _, row := range r.Operations {
		sum.Passed, sum.Failed, sum.Skipped = sum.Passed+row.Passed, sum.Failed+row.Failed, sum.Skipped+row.Skipped
		sum.Undeclared = append(sum.Undeclared, row.Undeclared...)
	}
	slices.Sort(sum.Undeclared)
	sum.Undeclared = slices.Compact(sum.Undeclared)
	return sum
}

func numbers(of []int) string {
	return strings.Trim(fmt.Sprint(of), "[]")
}
