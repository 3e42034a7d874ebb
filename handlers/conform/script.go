package conform

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// Suite is all that says what an API does.
type Suite struct {
	API     string
	Scripts []*Script
	// cleanup says how what scripts have made goes again; nil: it stays.
	cleanup *Script
}

// Script is one behaviour of an API: prose, requests, whole answers.
type Script struct {
	Name  string
	Prose string   // its first comment
	Needs []string // what it asks of a server, beside being reached
	// Passing is how much time the script wants to pass, all in all.
	Passing time.Duration
	// Faulty says whether it wants a fault put in below the API.
	Faulty bool

	steps   []step
	archive *txtar.Archive
}

// step is a line of a script that does something.
type step struct {
	line   int
	text   string // as it stands there
	prose  string // the comment that it follows
	negate bool
	name   string
	args   []word
}

// word is an argument, in pieces: of those in quotes nothing is expanded.
type word []piece

type piece struct {
	text   string
	quoted bool
}

// cleanupName is the script that is none: it says how things go again.
const cleanupName = "cleanup"

// usages are the commands, and how each is used.
var usages = map[string]struct {
	usage    string
	min, max int // arguments
}{
	"needs":   {"needs WORD…", 1, 99},
	"unique":  {"unique NAME PREFIX", 2, 2},
	"send":    {"send METHOD PATH [flags] [FILE]", 2, 99},
	"defer":   {"defer METHOD PATH [flags] [FILE]", 2, 99},
	"capture": {"capture NAME PATH, or capture NAME -header HEADER PATTERN", 2, 4},
	"shows":   {"shows OPERATION ASPECT[,ASPECT…] TEXT", 3, 3},
	"cmp":     {"cmp stdout FILE", 2, 2},
	"stdout":  {"[!] stdout PATTERN", 1, 1},
	"advance": {"advance DURATION", 1, 1},
	"fault":   {"fault KIND", 1, 1},
	"undo":    {"undo OPERATION [-when PATH=VALUE] [-made PATH] [-done PATTERN] METHOD PATH [flags] [FILE]", 3, 99},
}

// Read reads an API's scripts: the files *.txtar of a folder. Errors: a folder
// without any, or a script with a line that is none of the commands'.
func Read(api string, folder fs.FS) (*Suite, error) {
	suite := &Suite{API: api}
	names, err := fs.Glob(folder, "*.txtar")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := fs.ReadFile(folder, name)
		if err != nil {
			return nil, err
		}
		s, err := Parse(strings.TrimSuffix(path.Base(name), ".txtar"), text)
		if err != nil {
			return nil, err
		}
		if s.Name == cleanupName {
			suite.cleanup = s
			continue
		}
		suite.Scripts = append(suite.Scripts, s)
	}
	if len(suite.Scripts) == 0 {
		return nil, errors.New("no script: there is no file *.txtar")
	}
	return suite, nil
}

// Parse reads a script. Errors: a line that is none of the commands', with the
// script's name and the line's number.
func Parse(name string, text []byte) (*Script, error) {
	s := &Script{Name: name, archive: txtar.Parse(text)}
	prose, commenting := "", false // the last comment so far, and whether it goes on
	for i, line := range strings.Split(string(s.archive.Comment), "\n") {
		line = strings.TrimSpace(line)
		if comment, is := strings.CutPrefix(line, "#"); is {
			if !commenting {
				prose, commenting = "", true
			}
			prose = strings.TrimPrefix(prose+"\n"+strings.TrimSpace(comment), "\n")
			continue
		}
		commenting = false
		if s.Prose == "" {
			s.Prose = prose
		}
		if line == "" {
			continue
		}
		st, err := parseStep(line)
		if err == nil {
			err = s.check(st)
		}
		if err != nil {
			return nil, fmt.Errorf("%s.txtar:%d: %w", name, i+1, err)
		}
		st.line, st.prose = i+1, prose
		s.steps = append(s.steps, st)
	}
	if len(s.steps) == 0 {
		return nil, fmt.Errorf("%s.txtar: nothing is done", name)
	}
	return s, nil
}

func parseStep(line string) (step, error) {
	st := step{text: line}
	words, err := split(line)
	if err != nil {
		return st, err
	}
	if words[0].plain() == "!" {
		st.negate, words = true, words[1:]
	}
	if len(words) == 0 {
		return st, errors.New("! of what?")
	}
	st.name, st.args = words[0].plain(), words[1:]
	command, known := usages[st.name]
	switch {
	case !known:
		return st, fmt.Errorf("no command %q", st.name)
	case st.negate && st.name != "stdout", len(st.args) < command.min, len(st.args) > command.max:
		return st, errors.New("usage: " + command.usage)
	}
	return st, nil
}

// split takes a line apart at spaces outside of single quotes; two within them are
// one.
func split(line string) (words []word, err error) {
	var current word
	var text strings.Builder
	inWord, quoted := false, false
	end := func() {
		if text.Len() > 0 || quoted {
			current = append(current, piece{text.String(), quoted})
			text.Reset()
		}
	}
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quoted && c == '\'' && i+1 < len(line) && line[i+1] == '\'':
			text.WriteByte(c)
			i++
		case c == '\'':
			end()
			inWord, quoted = true, !quoted
		case !quoted && (c == ' ' || c == '\t'):
			if inWord {
				end()
				words, current, inWord = append(words, current), nil, false
			}
		case !quoted && !inWord && c == '#':
			line = line[:i]
		default:
			text.WriteByte(c)
			inWord = true
		}
	}
	if quoted {
		return nil, errors.New("a quote without its end")
	}
	if inWord {
		end()
		words = append(words, current)
	}
	return words, nil
}

// plain is the word as it stands.
func (w word) plain() string {
	var b strings.Builder
	for _, p := range w {
		b.WriteString(p.text)
	}
	return b.String()
}

// check notes what a step asks for, and refuses what cannot be done.
func (s *Script) check(st step) error {
	arg := func(i int) string { return st.args[i].plain() }
	switch st.name {
	case "needs":
		if len(s.Needs) > 0 || len(s.steps) > 0 {
			return errors.New("what a script needs is its first line")
		}
		for _, w := range st.args {
			s.Needs = append(s.Needs, w.plain())
		}
		return nil
	case "capture":
		if len(st.args) == 3 || len(st.args) == 4 && arg(1) != "-header" {
			return errors.New("usage: " + usages[st.name].usage)
		}
		if len(st.args) == 4 {
			_, err := regexp.Compile(arg(3))
			return err
		}
	case "stdout":
		_, err := regexp.Compile(arg(0))
		return err
	case "cmp":
		if arg(0) != "stdout" {
			return errors.New("usage: " + usages[st.name].usage)
		}
		return s.has(arg(1))
	case "advance":
		d, err := time.ParseDuration(arg(0))
		s.Passing += d
		return err
	case "fault":
		s.Faulty = true
	case "send", "defer":
		r, err := parseSend(st.args)
		if err == nil && r.file != "" {
			err = s.has(r.file)
		}
		return err
	case "undo":
		u, err := parseUndo(st.args)
		if err == nil && u.send.file != "" {
			err = s.has(u.send.file)
		}
		return err
	}
	return nil
}

func (s *Script) has(file string) error {
	if s.file(file) == nil {
		return fmt.Errorf("there is no file %q in the script", file)
	}
	return nil
}

func (s *Script) file(name string) *txtar.File {
	for i := range s.archive.Files {
		if s.archive.Files[i].Name == name {
			return &s.archive.Files[i]
		}
	}
	return nil
}

// sends are the script's requests.
func (s *Script) sends() (sends []step) {
	for _, st := range s.steps {
		if st.name == "send" {
			sends = append(sends, st)
		}
	}
	return sends
}

// Requests is how many requests the script sends.
func (s *Script) Requests() int { return len(s.sends()) }

// Needs are all that scripts of the suite ask of a server.
func (s *Suite) Needs() (needs []string) {
	for _, script := range s.Scripts {
		needs = append(needs, script.Needs...)
	}
	slices.Sort(needs)
	return slices.Compact(needs)
}

// Asks is what the script needs, in words.
func (s *Script) Asks() string {
	needs := slices.Clone(s.Needs)
	if i := slices.Index(needs, needsClock); i >= 0 {
		needs[i] = fmt.Sprintf("%s (%s)", needsClock, inWords(s.Passing))
	}
	if s.Faulty {
		needs = append(needs, "a fault put in")
	}
	return strings.Join(needs, ", ")
}

// Shows is what the script says first of itself, on one line.
func (s *Script) Shows() string { return firstSentence(s.Prose) }

// Bytes is the script as it stands in its file, with the answers that an update
// has put in.
func (s *Script) Bytes() []byte { return txtar.Format(s.archive) }

// Missing says why a server that grants these words cannot run the script; empty:
// it can. A script that wants more time to pass than may is run as far as that, and
// one that puts in a fault below the API never is.
func (s *Script) Missing(grants []string) string {
	var missing []string
	for _, need := range s.Needs {
		if need != needsClock && !slices.Contains(grants, need) {
			missing = append(missing, need)
		}
	}
	switch {
	case s.Faulty:
		return "needs a fault below the API, which nothing outside of a server puts in"
	case len(missing) > 0:
		return "needs " + strings.Join(missing, ", ")
	}
	return ""
}

// inWords is a duration as people write it: 24h and not 24h0m0s.
func inWords(d time.Duration) string {
	text := d.String()
	for _, nothing := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, nothing) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// needsClock is the need of a script that wants time to pass.
const needsClock = "clock"
