package exchange

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
)

// Curl writes a request, masked or not, as a line for curl. base is where its URL
// is below: http://127.0.0.1:8080. A Basic password that is masked stands as ***,
// for whoever runs the line to put in.
func Curl(m Message, base string) string {
	line := []string{"curl", "--globoff", "--path-as-is"}
	switch {
	case m.Method == http.MethodHead:
		line = append(line, "--head")
	case m.Method != http.MethodGet || len(m.Body) > 0:
		line = append(line, "--request", quote(m.Method))
	}
	line = append(line, quote(strings.TrimSuffix(base, "/")+m.URL))
	names := make([]string, 0, len(m.Header))
	for name := range m.Header {
		if !slices.Contains(leftToCurl, http.CanonicalHeaderKey(name)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range m.Header[name] {
			user, basic := strings.CutPrefix(value, "Basic ")
			switch {
			case name == "Authorization" && basic && strings.HasSuffix(user, ":"+hidden):
				line = append(line, "--user", quote(user))
			case value == "":
				line = append(line, "--header", quote(name+";"))
			default:
				line = append(line, "--header", quote(name+": "+value))
			}
		}
	}
	if len(m.Body) > 0 {
		if m.Header.Get("Content-Type") == "" { // curl would name one
			line = append(line, "--header", quote("Content-Type:"))
		}
		// No argument can hold a NUL.
		line = append(line, "--data-raw", quote(string(bytes.ReplaceAll(m.Body, []byte{0}, nil))))
	}
	if m.Truncated {
		line = append(line, "# the body is not whole")
	}
	return strings.Join(line, " ")
}

// leftToCurl are headers that curl makes itself.
var leftToCurl = []string{"Accept-Encoding", "Connection", "Content-Length", "Expect", "Host", "Transfer-Encoding", "User-Agent"}

// quote makes one word of a shell's.
func quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.,/:=@%+") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
