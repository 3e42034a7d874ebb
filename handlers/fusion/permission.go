package fusion

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	gen "usher/gen/fusion"
)

// permission allows some verbs on the paths that a template fits. Lucidworks
// writes {"methods":["PATCH"],"path":"/users/{id}","params":{"id":["#ID"]}} as
// PATCH:/users/{id}:id=#ID, too. Paths are relative to /api.
type permission struct {
	path     string // the template, as written
	methods  []gen.HTTPMethod
	segments []segment
}

// segment is what stands between two slashes of a template.
type segment struct {
	kind   segmentKind
	text   string   // of a literal
	values []string // of a choice
}

type segmentKind uint8

const (
	literal segmentKind = iota
	single              // *, or a {name} that params do not name: one segment, whatever it is
	choice              // a {name} that params name: one of the values
	many                // **: any number of segments, none included
)

// ownID is the value that stands for the caller's own id.
const ownID = "#ID"

// compile makes a permission of its JSON. No path is "/", and no methods allow
// nothing. A * or {name} that is not a whole segment is nothing but itself:
// none is documented.
func compile(w gen.GlobPermissionPublicView) permission {
	p := permission{path: "/"}
	if w.Path != nil {
		p.path += strings.TrimPrefix(*w.Path, "/") // users is /users
	}
	if w.Methods != nil {
		p.methods = *w.Methods
	}
	for _, text := range split(p.path) {
		s := segment{text: text}
		switch {
		case text == "**":
			s.kind = many
		case text == "*":
			s.kind = single
		case strings.HasPrefix(text, "{") && strings.HasSuffix(text, "}"):
			s.kind = single
			if w.Params != nil {
				if values, named := (*w.Params)[text[1:len(text)-1]]; named {
					s.kind, s.values = choice, values
				}
			}
		}
		p.segments = append(p.segments, s)
	}
	return p
}

func split(path string) []string { return strings.Split(strings.TrimPrefix(path, "/"), "/") }

// allows says whether the permission lets the user with the id self do method
// on a path, given in segments.
func (p permission) allows(method string, path []string, self string) bool {
	return slices.Contains(p.methods, gen.HTTPMethod(method)) && p.fits(path, self)
}

// fits holds a path against the template. Only the last ** met ever has to be
// tried at more places, since what precedes it fits already: the work is at
// most one length times the other.
func (p permission) fits(path []string, self string) bool {
	at, i := 0, 0
	back, resume := -1, 0 // the last ** met, and where in the path what follows it was tried
	for i < len(path) {
		switch {
		case at < len(p.segments) && p.segments[at].kind == many:
			back, resume = at, i
			at++
		case at < len(p.segments) && p.segments[at].fits(path[i], self):
			at++
			i++
		case back >= 0:
			resume++
			at, i = back+1, resume
		default:
			return false
		}
	}
	for at < len(p.segments) && p.segments[at].kind == many {
		at++
	}
	return at == len(p.segments)
}

func (s segment) fits(text, self string) bool {
	switch s.kind {
	case literal:
		return s.text == text
	case single:
		return text != ""
	case choice:
		return slices.ContainsFunc(s.values, func(v string) bool {
			if v == ownID {
				return text == self
			}
			return v == text
		})
	default: // many, which permission.fits deals with
		return false
	}
}

// may says whether any of the caller's permissions allows method on path, which
// is relative to /api.
//
// Permissions only ever add up, but for one rule of the vendor's: "If an API
// permission for a specific endpoint is specified in both a role and in the
// user definition", the user's are the ones that count. The same endpoint is
// the same template, letter for letter [ours]: a permission of the user's on
// /users/{id} puts every role's on /users/{id} out of force, for all verbs and
// whatever their params, and leaves a role's on /users/* or /** as it is.
func (c *caller) may(method, path string) bool {
	if c.free {
		return true
	}
	segments := split(path)
	for _, p := range c.own {
		if p.allows(method, segments, c.user.ID) {
			return true
		}
	}
	for _, role := range c.roles {
		for _, p := range role {
			if p.allows(method, segments, c.user.ID) && !c.overrides(p) {
				return true
			}
		}
	}
	return false
}

func (c *caller) overrides(p permission) bool {
	return slices.ContainsFunc(c.own, func(own permission) bool { return own.path == p.path })
}

// compiled remembers the permissions of documents, users' and roles' alike, by
// the documents' text: decoding JSON on every request would cost more than the
// rest of the check. It is safe for concurrent use.
type compiled struct {
	mu sync.RWMutex
	of map[string][]permission
}

// What compiled may hold: 16 MiB at the very most, since a longer document is
// not kept. A thousand documents are every role, and those users who have
// permissions of their own; when there are more it starts afresh.
const (
	maxDocuments = 1024
	maxDocument  = 16 << 10 // bytes
)

// permissions gives those in a user's or a role's document.
func (c *compiled) permissions(doc json.RawMessage) ([]permission, error) {
	if string(doc) == "{}" { // a user with nothing of its own
		return nil, nil
	}
	c.mu.RLock()
	known, ok := c.of[string(doc)]
	c.mu.RUnlock()
	if ok {
		return known, nil
	}
	var parsed document
	if err := json.Unmarshal(doc, &parsed); err != nil {
		return nil, fmt.Errorf("permissions: %w", err)
	}
	ps := make([]permission, len(parsed.Permissions))
	for i, w := range parsed.Permissions {
		ps[i] = compile(w)
	}
	if len(doc) > maxDocument {
		return ps, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil || len(c.of) >= maxDocuments {
		c.of = map[string][]permission{}
	}
	c.of[string(doc)] = ps
	return ps, nil
}
