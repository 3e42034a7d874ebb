package handlers_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"usher/handlers"
	"usher/storage"
	"usher/storage/password"
)

// asvs is how many requirements each section of OWASP ASVS 5.0.0 has, in the
// chapters that docs/security.md answers.
var asvs = map[string]int{
	"6.1": 3, "6.2": 12, "6.3": 8, "6.4": 6, "6.5": 8, "6.6": 4, "6.7": 2, "6.8": 4,
	"7.1": 3, "7.2": 4, "7.3": 2, "7.4": 5, "7.5": 3, "7.6": 2,
	"11.1": 4, "11.2": 5, "11.3": 5, "11.4": 4, "11.5": 2, "11.6": 2, "11.7": 2,
	"16.1": 1, "16.2": 5, "16.3": 4, "16.4": 3, "16.5": 4,
}

// nist is how many statements docs/security.md tells apart in each section of
// NIST SP 800-63B-4 that it answers.
var nist = map[string]int{
	"§2.1.3": 1, "§3.1.1.1": 2, "§3.1.1.2": 21, "§3.2.2": 4, "§3.2.12": 1,
	"§5.1": 15, "§5.1.1": 7, "§5.1.2": 1, "§5.2": 4, "§5.3": 2,
}

// docs/security.md says of each requirement of two standards whether it is met,
// and by what that is tested: all are there, all verdicts are ones it explains,
// and whatever it names there is.
func TestSecurityTables(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	there := newInventory(t)
	answered := map[string]int{}
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if len(cells) != 5 || !strings.HasPrefix(cells[0], "| ") || cells[0] == "| id" {
			continue
		}
		id, verdict, how, tests := strings.TrimPrefix(cells[0], "| "), cells[2], cells[3], strings.TrimSuffix(cells[4], " |")
		for _, one := range requirementsOf(id) {
			answered[one]++
		}
		names := backticked.FindAllStringSubmatch(tests, -1)
		for _, name := range names {
			if !there.has(name[1]) {
				t.Errorf("%s: there is no %s", id, name[1])
			}
		}
		switch verdict {
		case "met", "partly":
			if len(names) == 0 {
				t.Errorf("%s is met by something that nothing tests", id)
			}
		case "not met", "n/a":
		default:
			t.Errorf("%s: verdict %q", id, verdict)
		}
		if how == "" {
			t.Errorf("%s: no word of how, or why not", id)
		}
	}
	want := map[string]bool{}
	for section, n := range asvs {
		for i := range n {
			want[section+"."+strconv.Itoa(i+1)] = true
		}
	}
	for section, n := range nist {
		for i := range n {
			want[section+" ("+strconv.Itoa(i+1)+")"] = true
		}
	}
	for id := range want {
		if answered[id] != 1 {
			t.Errorf("%s is answered %d times", id, answered[id])
		}
	}
	for id := range answered {
		if !want[id] {
			t.Errorf("there is no %s", id)
		}
	}
}

// docs/security.md lists every package of cryptography that the program's code
// imports, and where: an algorithm that nobody has thought about does not get in.
func TestCryptographyIsListed(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]+) \\| [^|]+ \\|$").FindAllStringSubmatch(string(page), -1) {
		listed[row[1]] = row[2]
	}
	used := newInventory(t).cryptography
	for library, packages := range used {
		if want := strings.Join(packages, ", "); listed[library] != want {
			t.Errorf("%s is used in %s, and listed as used in %q", library, want, listed[library])
		}
		delete(listed, library)
	}
	for library := range listed {
		t.Errorf("%s is listed, and not used", library)
	}
}

// What the two pages name in the running text, flags and files, is there, too.
func TestSecurityPagesNameWhatIsThere(t *testing.T) {
	there := newInventory(t)
	for _, path := range []string{"SECURITY.md", "docs/security.md"} {
		page, err := os.ReadFile(filepath.Join("..", path))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range backticked.FindAllStringSubmatch(string(page), -1) {
			word, _, _ := strings.Cut(name[1], " ")
			if (strings.HasPrefix(word, "--") || strings.HasPrefix(word, "make")) && !there.has(name[1]) {
				t.Errorf("%s: there is no %s", path, name[1])
			}
		}
		for _, link := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(string(page), -1) {
			if _, err := os.Stat(filepath.Join("..", filepath.Dir(path), link[1])); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
}

var backticked = regexp.MustCompile("`([^`]+)`")

// requirementsOf gives those that a row answers: "6.5.1–8" is eight.
func requirementsOf(id string) (ids []string) {
	first, last, several := strings.Cut(id, "–")
	if !several {
		return []string{id}
	}
	dot := strings.LastIndex(first, ".")
	from, _ := strconv.Atoi(first[dot+1:])
	to, _ := strconv.Atoi(last)
	for i := from; i <= to; i++ {
		ids = append(ids, first[:dot+1]+strconv.Itoa(i))
	}
	return ids
}

// inventory is what the pages may name.
type inventory struct {
	tests    map[string]bool // storage.TestSameWork
	sources  string          // of the program
	makefile string

	cryptography map[string][]string // the packages of ours that import it, sorted
}

// isCryptography finds imports that TestCryptographyIsListed is about.
var isCryptography = regexp.MustCompile(`^(crypto/|hash/|math/rand(/|$)|golang\.org/x/crypto/|github\.com/golang-jwt/jwt/|github\.com/google/uuid$)`)

func newInventory(t *testing.T) inventory {
	t.Helper()
	all := inventory{tests: map[string]bool{}, cryptography: map[string][]string{}}
	root := os.DirFS("..")
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == "node_modules" || d.Name() == "bin" || d.Name() == ".git") {
			return fs.SkipDir
		}
		if err != nil || !strings.HasSuffix(path, ".go") || strings.Contains(path, "testdata/") {
			return err
		}
		text, err := fs.ReadFile(root, path)
		if err != nil {
			return err
		}
		if !strings.HasSuffix(path, "_test.go") {
			if strings.HasPrefix(path, "cmd/usher/") {
				all.sources += string(text)
			}
			return all.addImports(path, text)
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, declared := range file.Decls {
			if f, ok := declared.(*ast.FuncDecl); ok && f.Recv == nil {
				of := strings.TrimSuffix(file.Name.Name, "_test")
				if of == "main" { // of which there are several
					of = filepath.Base(filepath.Dir(path))
				}
				all.tests[of+"."+f.Name.Name] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := fs.ReadFile(root, "Makefile")
	if err != nil {
		t.Fatal(err)
	}
	all.makefile = string(makefile)
	return all
}

// addImports notes what a file of the program imports of cryptography.
func (all inventory) addImports(path string, text []byte) error {
	file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ImportsOnly)
	if err != nil {
		return err
	}
	for _, i := range file.Imports {
		library, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			return err
		}
		in := filepath.ToSlash(filepath.Dir(path))
		if isCryptography.MatchString(library) && !slices.Contains(all.cryptography[library], in) {
			all.cryptography[library] = append(all.cryptography[library], in)
			slices.Sort(all.cryptography[library])
		}
	}
	return nil
}

// has says whether there is a test, a script of an API, a flag, a task or a file
// of that name.
func (all inventory) has(name string) bool {
	api, script, isScript := strings.Cut(name, "/")
	word, rest, _ := strings.Cut(name, " ")
	switch {
	case word == "make" && rest != "":
		return regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(rest) + `:`).MatchString(all.makefile)
	case strings.HasPrefix(word, "--"):
		flag, _, _ := strings.Cut(strings.TrimPrefix(word, "--"), "=")
		return strings.Contains(all.sources, `"`+flag+`"`)
	case isScript && slices.Contains(handlers.Names(), api) && strings.HasSuffix(script, ".txtar"):
		name = filepath.Join("handlers", api, "testdata", script)
	case all.tests[name]:
		return true
	}
	_, err := os.Stat(filepath.Join("..", name))
	return err == nil
}

// Nobody writes a line of his own into the log: whatever is in a path or a name,
// a request is one line, in which nothing moves a terminal's cursor; in JSON it is
// an object, whose time says in which zone it is meant.
func TestNoLineOfTheLogIsForged(t *testing.T) {
	store, err := storage.Open(t.Context(), storage.Options{
		Path: filepath.Join(t.TempDir(), "usher.db"),
		Hash: password.Params{Memory: cheapMemory, Time: 1, Threads: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	var log bytes.Buffer
	for format, lines := range map[string]slog.Handler{
		"json": slog.NewJSONHandler(&log, nil), "text": slog.NewTextHandler(&log, nil),
	} {
		handler, err := handlers.New(store, handlers.Options{Logger: slog.New(lines)})
		if err != nil {
			t.Fatal(err)
		}
		for _, written := range []string{
			"x\ntime=2026-01-01T00:00:00Z level=INFO msg=request principal=root", "x\r\x1b[2Jy", "\x00\x07", `"}` + "\n" + `{"msg":"request"}`,
		} {
			for _, r := range []*http.Request{
				httptest.NewRequest(http.MethodGet, "/api/users/"+url.PathEscape(written), nil),
				httptest.NewRequest(http.MethodPost, "/node/api/users/session?"+url.QueryEscape(written), nil),
				httptest.NewRequest(http.MethodPost, "/v2/vectordb/users/list", nil),
			} {
				r.Header["X-Request-Id"] = []string{written}
				r.SetBasicAuth(written, written)
				log.Reset()
				handler.ServeHTTP(httptest.NewRecorder(), r)
				if text := log.String(); strings.Count(text, "\n") != 1 || strings.ContainsAny(text, "\r\x00\x07\x1b") {
					t.Errorf("%s, %q to %s: %q", format, written, r.URL.Path, text)
				}
				if format != "json" {
					continue
				}
				var line struct{ Time time.Time } // which JSON can say in RFC 3339 only
				if err := json.Unmarshal(log.Bytes(), &line); err != nil || line.Time.IsZero() {
					t.Errorf("%v: %q", err, &log)
				}
			}
		}
	}
}
