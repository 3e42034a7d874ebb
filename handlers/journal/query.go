package journal

import (
	"bytes"
	"strings"
	"time"
)

// Query says which entries are wanted: those that all of it fits. The zero value
// fits every one.
type Query struct {
	API, Operation, Principal string
	// Status is one status, or with two x in its place a class: 404, 4xx.
	Status     string
	Violations *bool     // whether there are any
	Since      time.Time // by the clock of the world
	Text       string    // in the URL or a body, whatever its case
	Last       int       // how many at most, the last ones; 0: any number. Follow does not look at it
}

func (q Query) fits(e Entry) bool {
	switch {
	case q.API != "" && q.API != e.API,
		q.Operation != "" && q.Operation != e.Operation,
		q.Principal != "" && q.Principal != e.Principal,
		q.Status != "" && !statusFits(q.Status, e.Answer.Status),
		q.Violations != nil && *q.Violations != (len(e.Violations) > 0),
		e.At.Before(q.Since):
		return false
	}
	return q.Text == "" || holds([]byte(e.Request.URL), q.Text) || holds(e.Request.Body, q.Text) || holds(e.Answer.Body, q.Text)
}

func holds(b []byte, text string) bool {
	return bytes.Contains(bytes.ToLower(b), []byte(strings.ToLower(text)))
}

func statusFits(wanted string, status int) bool {
	if len(wanted) != 3 || status < 100 || status > 599 {
		return false
	}
	for i, digit := range [3]int{status / 100, status / 10 % 10, status % 10} {
		if wanted[i] != 'x' && int(wanted[i]-'0') != digit {
			return false
		}
	}
	return true
}
