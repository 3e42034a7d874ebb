package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"usher/handlers"
	"usher/handlers/edge"
	"usher/storage"
)

var update = flag.Bool("update", false, "rewrite docs/hostile.md")

// victim is one of the four APIs, as those that mean it harm see it.
type victim struct {
	title string
	// read is an operation that needs credentials: verb, path, headers, body.
	read [4]string
	// login is one that takes a body from anybody who knows a password (Milvus,
	// which has no login: another with a body), and right what it takes.
	login, headers, right string
	// twice is right with a member twice: wrong, and then right.
	twice string
	// upper is right with a member in capitals.
	upper string
	// reads is something in the answer to read.
	reads string
	// id is the header of a request's id.
	id string
}

var victims = []victim{
	{
		title: "Fusion", read: [4]string{"GET", "/api/users/d8e2f424-73b4-4ef9-a789-497bc56e7975", "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("admin:Fusion4dmin")), ""},
		login: "/api/session", right: `{"username":"admin","password":"Fusion4dmin"}`,
		twice: `{"username":"nobody","username":"admin","password":"Fusion4dmin"}`, upper: `{"USERNAME":"admin","password":"Fusion4dmin"}`,
		reads: `"username":"admin"`, id: "fusion-request-id",
	},
	{
		title: "Applivery", read: [4]string{"GET", "/v1/users/507f1f77bcf86cd799439023", "Authorization: Bearer TOKEN", ""},
		login: "/v1/auth/login", right: `{"provider":"traditional","payload":{"email":"admin@example.com","password":"AdminSecureP@ss123"}}`,
		twice: `{"provider":"other","provider":"traditional","payload":{"email":"admin@example.com","password":"AdminSecureP@ss123"}}`,
		upper: `{"PROVIDER":"traditional","payload":{"email":"admin@example.com","password":"AdminSecureP@ss123"}}`,
		reads: `"email":"john.doe@example.com"`, id: "X-Request-Id",
	},
	{
		title: "SAYMON", read: [4]string{"GET", "/node/api/users/current", "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("Bob:qwerty")), ""},
		login: "/node/api/users/session", right: `{"login":"Bob","password":"qwerty"}`,
		twice: `{"login":"nobody","login":"Bob","password":"qwerty"}`, upper: `{"LOGIN":"Bob","password":"qwerty"}`,
		reads: `"login":"Bob"`, id: "Request-Id",
	},
	{
		title: "Milvus", read: [4]string{"POST", "/v2/vectordb/users/list", "Authorization: Bearer root:Milvus", "{}"},
		login: "/v2/vectordb/users/describe", headers: "Authorization: Bearer root:Milvus\r\n", right: `{"userName":"root"}`,
		twice: `{"userName":"nobody","userName":"root"}`, upper: `{"USERNAME":"root"}`,
		reads: `"data":["milvusAdmin","root"]`, id: "X-Request-Id",
	},
}

// whole is an HTTP/1.1 request: its line, Host, these headers, and the body's
// length if there is one.
func whole(verb, target, headers, body string) string {
	length := ""
	if body != "" {
		length = "Content-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n"
	}
	if headers != "" && !strings.HasSuffix(headers, "\r\n") {
		headers += "\r\n"
	}
	return verb + " " + target + " HTTP/1.1\r\nHost: usher\r\n" + headers + length + "\r\n" + body
}

// reading is the victim's read operation, with more headers.
func (v victim) reading(more string) string {
	return whole(v.read[0], v.read[1], v.read[2]+"\r\n"+more, v.read[3])
}

// at is read at another target.
func (v victim) at(target string) string {
	return whole(v.read[0], target, v.read[2], v.read[3])
}

// posting is the login operation with another body.
func (v victim) posting(body string) string { return whole("POST", v.login, v.headers, body) }

// framed is the login operation with headers of its own for the body.
func (v victim) framed(headers, body string) string {
	return whole("POST", v.login, v.headers+"Content-Type: application/json\r\n"+headers, "") + body
}

// in replaces a segment of read's path.
func (v victim) in(old, new string) string {
	return v.at(strings.Replace(v.read[1], old, new, 1))
}

// base and last are the first and the last segment of read's path.
func (v victim) base() string { return strings.Split(v.read[1], "/")[1] }
func (v victim) last() string { return v.read[1][strings.LastIndexByte(v.read[1], '/')+1:] }

// attack is one thing that a client may do.
type attack struct {
	what string
	// send gives what is sent at once, or, if it is slow or endless, sends itself.
	send func(v victim) string
	slow func(v victim, c net.Conn)
	// http2 sends frames, over TLS.
	http2 func(v victim, c *framer)
	// lasts: what was sent is not complete, or leaves the connection in no state for
	// another request, so that none is tried.
	lasts bool
}

// group is a section of the page.
type group struct {
	title, about string
	attacks      []attack
}

// slow is the group whose clients a test has no time for: its server has less.
const slow = "Slow clients"

// repeated sends head, and then part again and again, until the other side has
// had enough.
func repeated(c net.Conn, head, part string, pause time.Duration) {
	for _, err := io.WriteString(c, head); err == nil; _, err = io.WriteString(c, part) {
		time.Sleep(pause)
	}
}

// nest puts leaf into n containers, each in the next.
func nest(open, leaf, shut string, n int) string {
	return strings.Repeat(open, n) + leaf + strings.Repeat(shut, n)
}

const slowly = 20 * time.Millisecond

const compared = "For comparison: as it should be"

func hostile() []group {
	plain := func(text string) func(victim) string { return func(victim) string { return text } }
	post := func(change func(v victim) string) func(victim) string {
		return func(v victim) string { return v.posting(change(v)) }
	}
	head := func(more string) func(victim) string {
		return func(v victim) string { return v.reading(more) }
	}
	framed := func(headers string, body func(v victim) string) func(victim) string {
		return func(v victim) string { return v.framed(headers, body(v)) }
	}
	right := func(v victim) string { return v.right }
	chunk := func(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }
	chunks := func(v victim) string { return chunk(v.right[:5]) + chunk(v.right[5:]) + "0\r\n\r\n" }
	hidden := whole("GET", "/_usher/hidden", "", "")
	return []group{
		{slow, "", []attack{
			{what: "Connect, and say nothing", send: plain(""), lasts: true},
			{what: "Half a request line", send: plain("GET /api"), lasts: true},
			{what: "A TLS handshake where there is no TLS", send: plain("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"), lasts: true},
			{what: "A header every moment, and no end of them (slowloris)", lasts: true, slow: func(v victim, c net.Conn) {
				repeated(c, v.read[0]+" "+v.read[1]+" HTTP/1.1\r\nHost: usher\r\n"+v.read[2]+"\r\n", "X-A: b\r\n", slowly)
			}},
			{what: "A body that comes byte by byte", lasts: true, slow: func(v victim, c net.Conn) {
				repeated(c, v.framed("Content-Length: 100000\r\n", v.right[:5]), " ", slowly)
			}},
			{what: "A body in chunks of a byte each", lasts: true, slow: func(v victim, c net.Conn) {
				repeated(c, v.framed("Transfer-Encoding: chunked\r\n", chunk(v.right[:5])), chunk(" "), slowly)
			}},
			{what: "Announce a body, wait to be asked for it (`Expect: 100-continue`), and send none", send: framed("Content-Length: 20\r\nExpect: 100-continue\r\n", plain("")), lasts: true},
			{what: "A body over HTTP/2, byte by byte", http2: func(v victim, f *framer) {
				f.open(1, f.login(v))
				f.until(slowly, func() error { return f.WriteData(1, false, []byte(" ")) })
			}},
			{what: "A body byte by byte that nobody asked for, without credentials", lasts: true, slow: func(v victim, c net.Conn) {
				repeated(c, whole("POST", strings.TrimSuffix(v.read[1], v.last())+"nothing", "Content-Length: 100000\r\n", ""), " ", slowly)
			}},
			{what: "Half of the body, and then the end of the connection", lasts: true, slow: func(v victim, c net.Conn) {
				_, _ = io.WriteString(c, v.framed("Content-Length: 100\r\n", v.right[:5]))
				_ = c.(*net.TCPConn).CloseWrite()
			}},
		}},
		{"Endless requests", "", []attack{
			{what: "10 000 headers", send: head(strings.Repeat("X-A: b\r\n", 10_000)), lasts: true},
			{what: "10 000 different headers, without end", lasts: true, slow: func(_ victim, c net.Conn) {
				repeated(c, "GET / HTTP/1.1\r\nHost: usher\r\n", strings.Repeat("X-A: b\r\n", 100), 0)
			}},
			{what: "A header of 64 KiB", send: head("X-A: " + strings.Repeat("b", 64<<10) + "\r\n"), lasts: true},
			{what: "Credentials of 15 KiB", send: func(v victim) string {
				scheme := strings.Fields(v.read[2])[1]
				return whole(v.read[0], v.read[1], "Authorization: "+scheme+" "+strings.Repeat("YTph", 15<<8), v.read[3])
			}},
			{what: "A path of 15 KiB", send: func(v victim) string { return v.at(v.read[1] + strings.Repeat("x", 15<<10)) }},
			{what: "A path of 64 KiB", send: func(v victim) string { return v.at(v.read[1] + strings.Repeat("x", 64<<10)) }, lasts: true},
			{what: "A query of 5 000 parameters", send: func(v victim) string { return v.at(v.read[1] + "?" + strings.Repeat("a&", 5_000)) }},
			{what: "A line without end, which is no HTTP", lasts: true, slow: func(_ victim, c net.Conn) {
				repeated(c, "", strings.Repeat("\xff", 4<<10), 0)
			}},
			{what: "A body without end, 10 GB announced", lasts: true, slow: func(v victim, c net.Conn) {
				repeated(c, v.framed("Content-Length: 10000000000\r\n", ""), strings.Repeat(" ", 64<<10), 0)
			}},
			{what: "A body in chunks, without end", lasts: true, slow: func(v victim, c net.Conn) {
				repeated(c, v.framed("Transfer-Encoding: chunked\r\n", ""), chunk(strings.Repeat(" ", 64<<10)), 0)
			}},
			{what: "A chunk without end, without credentials", lasts: true, slow: func(v victim, c net.Conn) {
				repeated(c, whole("POST", strings.TrimSuffix(v.read[1], v.last())+"nothing", "Transfer-Encoding: chunked\r\n", "")+"ffffffff\r\n", strings.Repeat(" ", 64<<10), 0)
			}},
			{what: "A chunk's extension without end", lasts: true, slow: func(v victim, c net.Conn) {
				repeated(c, v.framed("Transfer-Encoding: chunked\r\n", "1;a="), strings.Repeat("b", 4<<10), 0)
			}},
			{what: "A body compressed by gzip, which may unfold to anything", send: framed("Content-Encoding: gzip\r\nContent-Length: 4\r\n", plain("\x1f\x8b\x08\x00"))},
		}},
		{"Bodies", "Sent to `POST /api/session`, `/v1/auth/login`, `/node/api/users/session` and, since Milvus has no login, `/v2/vectordb/users/describe`: what they want, but for this.", []attack{
			{what: compared, send: post(right)},
			{what: "100 000 arrays in each other", send: post(plain(nest("[", "", "]", 100_000)))},
			{what: "100 000 objects in each other, as an unknown member", send: post(func(v victim) string {
				return strings.Replace(v.right, "{", `{"x":`+nest(`{"a":`, "1", "}", 100_000)+",", 1)
			})},
			{what: "5 000 objects in each other, as an unknown member", send: post(func(v victim) string {
				return strings.Replace(v.right, "{", `{"x":`+nest(`{"a":`, "1", "}", 5_000)+",", 1)
			})},
			{what: "100 000 arrays opened and none closed", send: post(plain(strings.Repeat("[", 100_000)))},
			{what: "A member twice: first a wrong value, then the right one", send: post(func(v victim) string { return v.twice })},
			{what: "A member's name in capitals", send: post(func(v victim) string { return v.upper })},
			{what: "A member `__proto__`", send: post(func(v victim) string { return strings.Replace(v.right, "{", `{"__proto__":{"admin":true},`, 1) })},
			{what: "Bytes that are not UTF-8 (`FF`)", send: post(func(v victim) string { return strings.Replace(v.right, `:"`, ":\"\xff", 1) })},
			{what: "UTF-8 longer than it needs to be (`C0 AF` for `/`)", send: post(func(v victim) string { return strings.Replace(v.right, `:"`, ":\"\xc0\xaf", 1) })},
			{what: "Half of a pair (`\\ud800`)", send: post(func(v victim) string { return strings.Replace(v.right, `:"`, `:"\ud800`, 1) })},
			{what: "A character that is none (`\\u0000`)", send: post(func(v victim) string { return strings.Replace(v.right, `:"`, `:"\u0000`, 1) })},
			{what: "A line break within a string", send: post(func(v victim) string { return strings.Replace(v.right, `:"`, ":\"\n", 1) })},
			{what: "A byte order mark first", send: post(func(v victim) string { return "\ufeff" + v.right })},
			{what: "UTF-16", send: post(func(v victim) string { return "\xff\xfe" + strings.Join(strings.Split(v.right, ""), "\x00") + "\x00" })},
			{what: "A number that no machine holds, as an unknown member", send: post(func(v victim) string { return strings.Replace(v.right, "{", `{"x":1e999999999,`, 1) })},
			{what: "A number of 100 000 digits, as an unknown member", send: post(func(v victim) string {
				return strings.Replace(v.right, "{", `{"x":`+strings.Repeat("9", 100_000)+",", 1)
			})},
			{what: "`NaN` for a value", send: post(func(v victim) string { return strings.Replace(v.right, "{", `{"x":NaN,`, 1) })},
			{what: "A comma too many", send: post(func(v victim) string { return strings.TrimSuffix(v.right, "}") + ",}" })},
			{what: "Another value behind the first", send: post(func(v victim) string { return v.right + `{"x":1}` })},
			{what: "100 000 empty objects instead of one", send: post(plain("[{}" + strings.Repeat(",{}", 100_000) + "]"))},
			{what: "50 000 unknown members", send: post(func(v victim) string {
				var b strings.Builder
				b.WriteByte('{')
				for i := range 50_000 {
					fmt.Fprintf(&b, `"%d":0,`, i)
				}
				return b.String() + strings.TrimPrefix(v.right, "{")
			})},
			{what: "An operator of a database instead of a text", send: post(func(v victim) string {
				return regexp.MustCompile(`"(root|qwerty|Fusion4dmin|AdminSecureP@ss123)"`).ReplaceAllString(v.right, `{"$$ne":""}`)
			})},
			{what: "A quote that would end a statement of SQL", send: post(func(v victim) string {
				return regexp.MustCompile(`"(root|Bob|admin|admin@example\.com)"`).ReplaceAllString(v.right, `"$1' or '1'='1"`)
			})},
			{what: "XML with an entity", send: framed("Content-Length: 57\r\n", plain(`<!DOCTYPE a [<!ENTITY b SYSTEM "file:///x">]><a>&b;</a>  `))},
			{what: "A form, sent as what it is", send: func(v victim) string {
				return whole("POST", v.login, v.headers+"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n", "") + "login=Bob"
			}},
			{what: "No body at all", send: func(v victim) string { return whole("POST", v.login, v.headers+"Content-Length: 0\r\n", "") }},
		}},
		{"Paths", "Sent with right credentials: the path of a user (Milvus: `/v2/vectordb/users/list`), but for this. What is no API's path at all is answered by usher itself; on a port of its own (`--listen milvus=…`) it is the API's, too.", []attack{
			{what: "Up and back down: `/x/..` before the path", send: func(v victim) string { return v.at("/x/.." + v.read[1]) }},
			{what: "`/..` before the path", send: func(v victim) string { return v.at("/.." + v.read[1]) }},
			{what: "Out of the API: `/../../../../etc/passwd` behind it", send: func(v victim) string { return v.at(v.read[1] + "/../../../../etc/passwd") }},
			{what: "The same, escaped: `%2e%2e%2f`", send: func(v victim) string {
				return v.at(v.read[1] + "%2f" + strings.Repeat("%2e%2e%2f", 4) + "etc%2fpasswd")
			}},
			{what: "The same, escaped twice: `%252e%252e%252f`", send: func(v victim) string { return v.at(v.read[1] + strings.Repeat("%252e%252e%252f", 4) + "etc") }},
			{what: "With backslashes: `\\..\\..\\`", send: func(v victim) string { return v.at(v.read[1] + `\..\..\`) }},
			{what: "The last slash as `%2f`", send: func(v victim) string {
				i := strings.LastIndexByte(v.read[1], '/')
				return v.at(v.read[1][:i] + "%2f" + v.read[1][i+1:])
			}},
			{what: "A letter escaped", send: func(v victim) string { return v.in("users", "%75sers") }},
			{what: "Two slashes at the beginning", send: func(v victim) string { return v.at("/" + v.read[1]) }},
			{what: "Two slashes in the middle", send: func(v victim) string { return v.in("/users", "//users") }},
			{what: "A slash at the end", send: func(v victim) string { return v.at(v.read[1] + "/") }},
			{what: "`/.` in the middle", send: func(v victim) string { return v.in("/users", "/./users") }},
			{what: "In capitals", send: func(v victim) string { return v.in("users", "USERS") }},
			{what: "The first segment in capitals", send: func(v victim) string { return v.in(v.base(), strings.ToUpper(v.base())) }},
			{what: "A parameter of the path: `;a=b`", send: func(v victim) string { return v.in("users", "users;a=b") }},
			{what: "`%00` at the end", send: func(v victim) string { return v.at(v.read[1] + "%00") }},
			{what: "`%ff` at the end, which is not UTF-8", send: func(v victim) string { return v.at(v.read[1] + "%ff") }},
			{what: "`%zz` at the end, which is no escape", send: func(v victim) string { return v.at(v.read[1] + "%zz") }},
			{what: "`%0d%0aSet-Cookie:%20a=b` at the end", send: func(v victim) string { return v.at(v.read[1] + "%0d%0aSet-Cookie:%20a=b") }},
			{what: "The same in the query", send: func(v victim) string { return v.at(v.read[1] + "?a=%0d%0aSet-Cookie:%20a=b") }},
			{what: "`%zz` in the query", send: func(v victim) string { return v.at(v.read[1] + "?a=%zz") }},
			{what: "A space within the path", send: func(v victim) string { return v.at(v.read[1] + " x") }},
			{what: "A fragment: `#a`", send: func(v victim) string { return v.at(v.read[1] + "#a") }},
			{what: "Bytes beyond ASCII as they are", send: func(v victim) string { return v.at(v.read[1] + "é") }},
		}},
		{"Targets, verbs and versions", "The same request, but for this.", []attack{
			{what: "The whole address as the target (as to a proxy)", send: func(v victim) string { return v.at("http://usher" + v.read[1]) }},
			{what: "The whole address of another host", send: func(v victim) string { return v.at("http://other.example" + v.read[1]) }},
			{what: "An address of another scheme", send: func(v victim) string { return v.at("file://" + v.read[1]) }},
			{what: "`CONNECT` to another host", send: plain("CONNECT other.example:443 HTTP/1.1\r\nHost: other.example:443\r\n\r\n")},
			{what: "`OPTIONS *`", send: plain("OPTIONS * HTTP/1.1\r\nHost: usher\r\n\r\n")},
			{what: "No slash first", send: func(v victim) string { return v.at(v.read[1][1:]) }},
			{what: "An empty target", send: plain("GET  HTTP/1.1\r\nHost: usher\r\n\r\n")},
			{what: "`TRACE`", send: func(v victim) string { return whole("TRACE", v.read[1], v.read[2], "") }},
			{what: "The verb in small letters", send: func(v victim) string { return whole(strings.ToLower(v.read[0]), v.read[1], v.read[2], "") }},
			{what: "A verb that there is not", send: func(v victim) string { return whole("JEFF", v.read[1], v.read[2], "") }},
			{what: "A verb that is no word: `G@T`", send: func(v victim) string { return whole("G@T", v.read[1], v.read[2], "") }},
			{what: "A verb of 10 000 letters", send: func(v victim) string { return whole(strings.Repeat("A", 10_000), v.read[1], v.read[2], "") }},
			{what: "`X-HTTP-Method-Override: DELETE`", send: head("X-HTTP-Method-Override: DELETE\r\n")},
			{what: "HTTP/1.0, without Host", send: func(v victim) string {
				return strings.Replace(strings.Replace(v.reading(""), "HTTP/1.1", "HTTP/1.0", 1), "Host: usher\r\n", "", 1)
			}},
			{what: "HTTP/1.0, kept alive", send: func(v victim) string {
				return strings.Replace(v.reading("Connection: keep-alive\r\n"), "HTTP/1.1", "HTTP/1.0", 1)
			}},
			{what: "HTTP/0.9", send: func(v victim) string { return "GET " + v.read[1] + "\r\n\r\n" }},
			{what: "HTTP/1.2", send: func(v victim) string { return strings.Replace(v.reading(""), "HTTP/1.1", "HTTP/1.2", 1) }},
			{what: "HTTP/3.0 over TCP", send: func(v victim) string { return strings.Replace(v.reading(""), "HTTP/1.1", "HTTP/3.0", 1) }},
			{what: "HTTP/2 without TLS", send: plain("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), lasts: true},
			{what: "An upgrade to HTTP/2 without TLS", send: head("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n")},
			{what: "An upgrade to WebSocket", send: head("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n")},
		}},
		{"Headers", "The same request, but for this.", []attack{
			{what: "No Host", send: func(v victim) string { return strings.Replace(v.reading(""), "Host: usher\r\n", "", 1) }},
			{what: "An empty Host", send: func(v victim) string { return strings.Replace(v.reading(""), "Host: usher\r\n", "Host:\r\n", 1) }},
			{what: "Two Hosts", send: head("Host: other.example\r\n")},
			{what: "A Host that is no name", send: func(v victim) string {
				return strings.Replace(v.reading(""), "Host: usher\r\n", "Host: us her/@\r\n", 1)
			}},
			{what: "`X-Forwarded-Host` and `Forwarded`, from nobody who is trusted", send: head("X-Forwarded-Host: other.example\r\nForwarded: for=192.0.2.1;host=other.example\r\n")},
			{what: "A request's id with a line break (CR) and a header in it", send: func(v victim) string { return v.reading(v.id + ": a\rSet-Cookie: a=b\r\n") }},
			{what: "A request's id with an escaped line break in it", send: func(v victim) string { return v.reading(v.id + ": a%0d%0aSet-Cookie: a=b\r\n") }},
			{what: "A request's id with quotes, as would break a line of the log", send: func(v victim) string { return v.reading(v.id + ": a\",\"level\":\"ERROR\"\r\n") }},
			{what: "A header that goes on in the next line", send: head("X-A: b\r\n c\r\n")},
			{what: "A space before the colon", send: head("X-A : b\r\n")},
			{what: "A header without a colon", send: head("X-A\r\n")},
			{what: "A header without a name", send: head(": b\r\n")},
			{what: "A header with a NUL in it", send: head("X-A: b\x00c\r\n")},
			{what: "A header whose name is no word", send: head("X(A): b\r\n")},
			{what: "Lines that end in LF alone", send: func(v victim) string { return strings.ReplaceAll(v.reading(""), "\r\n", "\n") }},
			{what: "Two Authorization headers, the second without worth", send: head("Authorization: Basic bm9ib2R5Om5vYm9keQ==\r\n")},
			{what: "Credentials that are not base64", send: func(v victim) string { return whole(v.read[0], v.read[1], "Authorization: Basic %%%", v.read[3]) }},
			{what: "Credentials with a NUL in them", send: func(v victim) string {
				return whole(v.read[0], v.read[1], "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte("ad\x00min:a")), v.read[3])
			}},
			{what: "Credentials that are not UTF-8", send: func(v victim) string {
				return whole(v.read[0], v.read[1], "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte("\xff\xfe:\xff")), v.read[3])
			}},
			{what: "1 000 cookies", send: head("Cookie: a=b" + strings.Repeat("; a=b", 999) + "\r\n")},
			{what: "`Expect` of something that there is not", send: head("Expect: 200-ok\r\n")},
			{what: "A part of the answer: `Range: bytes=0-1`", send: head("Range: bytes=0-1\r\n")},
		}},
		{"HTTP/2", "Over TLS. What is not an answer is the code by which the server ends the request, or with it the connection.", []attack{
			{what: "As it should be", http2: func(v victim, f *framer) { f.ask(1, f.reading(v), v.read[3]) }},
			{what: "A line break in a header", http2: func(v victim, f *framer) { f.ask(1, f.reading(v, "x-a", "b\r\nSet-Cookie: a=b"), "") }},
			{what: "A header's name in capitals", http2: func(v victim, f *framer) { f.ask(1, f.reading(v, "X-A", "b"), "") }},
			{what: "A header `Transfer-Encoding: chunked`, which only HTTP/1.1 has", http2: func(v victim, f *framer) { f.ask(1, f.reading(v, "transfer-encoding", "chunked"), v.read[3]) }},
			{what: "A path twice", http2: func(v victim, f *framer) {
				f.ask(1, f.fields(":method", "GET", ":scheme", "https", ":path", v.read[1], ":path", "/"), "")
			}},
			{what: "No path", http2: func(_ victim, f *framer) { f.ask(1, f.fields(":method", "GET", ":scheme", "https"), "") }},
			{what: "A path without a slash first, and with a space", http2: func(v victim, f *framer) {
				f.ask(1, f.fields(":method", "GET", ":scheme", "https", ":path", v.read[1][1:]+" x"), "")
			}},
			{what: "A header of 64 KiB, in five frames", http2: func(v victim, f *framer) {
				block := f.reading(v, "x-a", strings.Repeat("~", 64<<10))
				const part = 16 << 10
				_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block[:part], EndStream: true})
				for block = block[part:]; len(block) > part; block = block[part:] {
					_ = f.WriteContinuation(1, false, block[:part])
				}
				_ = f.WriteContinuation(1, true, block)
			}},
			{what: "Headers without end (`CONTINUATION`)", http2: func(v victim, f *framer) {
				_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: f.reading(v)})
				f.until(0, func() error { return f.WriteContinuation(1, false, f.fields("x-a", "b")) })
			}},
			{what: "A body longer than its `Content-Length`", http2: func(v victim, f *framer) {
				f.ask(1, f.login(v, "content-length", "2"), v.right)
			}},
			{what: "A body shorter than its `Content-Length`", http2: func(v victim, f *framer) {
				f.ask(1, f.login(v, "content-length", "2000"), v.right)
			}},
			{what: "101 requests at once, none of which gets its body", http2: func(v victim, f *framer) {
				for i := range uint32(maxStreams + 1) {
					f.open(2*i+1, f.login(v))
				}
			}},
			{what: "A body for a request that there is not", http2: func(_ victim, f *framer) { _ = f.WriteData(7, true, []byte("{}")) }},
			{what: "A request of an even number", http2: func(v victim, f *framer) { f.ask(2, f.reading(v), v.read[3]) }},
			{what: "Headers that are no compressed headers", http2: func(_ victim, f *framer) { f.ask(1, []byte{0xff, 0xff, 0xff, 0xff}, "") }},
			{what: "A frame of a megabyte", http2: func(_ victim, f *framer) { _ = f.WriteRawFrame(http2.FrameData, 0, 1, make([]byte, 1<<20)) }},
		}},
		{"Where a body ends", "What two servers in a row may read differently, so that one takes for a body what is a request to the other (request smuggling). Where a hidden request is spoken of, it is for `/_usher/hidden`, and an answer to it would be a second one, 404.", []attack{
			{what: "Chunks, as they should be", send: framed("Transfer-Encoding: chunked\r\n", chunks)},
			{what: "`Content-Length` and `Transfer-Encoding`, the hidden one within the length", send: func(v victim) string {
				body := chunks(v) + hidden
				return v.framed("Content-Length: "+strconv.Itoa(len(body))+"\r\nTransfer-Encoding: chunked\r\n", body)
			}},
			{what: "`Transfer-Encoding` and `Content-Length`, the hidden one behind the chunks", send: func(v victim) string {
				return v.framed("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", chunks(v)+hidden)
			}},
			{what: "Two lengths that differ", send: func(v victim) string {
				return v.framed(fmt.Sprintf("Content-Length: %d\r\nContent-Length: 0\r\n", len(v.right)), v.right+hidden)
			}},
			{what: "The same length twice", send: func(v victim) string {
				n := strconv.Itoa(len(v.right))
				return v.framed("Content-Length: "+n+"\r\nContent-Length: "+n+"\r\n", v.right)
			}},
			{what: "A list of lengths", send: func(v victim) string {
				return v.framed(fmt.Sprintf("Content-Length: %d, %d\r\n", len(v.right), len(v.right)), v.right+hidden)
			}},
			{what: "A length with a sign", send: func(v victim) string { return v.framed(fmt.Sprintf("Content-Length: +%d\r\n", len(v.right)), v.right) }},
			{what: "A length below zero", send: framed("Content-Length: -1\r\n", right)},
			{what: "A length in another notation (`0x10`)", send: framed("Content-Length: 0x10\r\n", right)},
			{what: "A length beyond 64 bits", send: framed("Content-Length: 99999999999999999999\r\n", right)},
			{what: "No length: the hidden request, where a body would be, is the next one", send: func(v victim) string { return v.framed("", hidden) }},
			{what: "`Transfer-Encoding: identity`", send: framed("Transfer-Encoding: identity\r\n", right)},
			{what: "`Transfer-Encoding: gzip, chunked`", send: framed("Transfer-Encoding: gzip, chunked\r\n", chunks)},
			{what: "`Transfer-Encoding: chunked` twice", send: framed("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", chunks)},
			{what: "`Transfer-Encoding : chunked`, with a space before the colon", send: framed("Transfer-Encoding : chunked\r\n", chunks)},
			{what: "`Transfer-Encoding: xchunked`", send: framed("Transfer-Encoding: xchunked\r\n", chunks)},
			{what: "Chunks in HTTP/1.0", send: func(v victim) string {
				return strings.Replace(v.framed("Transfer-Encoding: chunked\r\n", chunks(v)+hidden), "HTTP/1.1", "HTTP/1.0", 1)
			}},
			{what: "A chunk's size that is no number", send: framed("Transfer-Encoding: chunked\r\n", plain("xyz\r\nabc\r\n0\r\n\r\n"))},
			{what: "A chunk's size with a sign", send: framed("Transfer-Encoding: chunked\r\n", plain("+2\r\n{}\r\n0\r\n\r\n"))},
			{what: "A chunk's size beyond 64 bits", send: framed("Transfer-Encoding: chunked\r\n", plain("fffffffffffffffff\r\n{}\r\n0\r\n\r\n"))},
			{what: "A chunk that is longer than its size", send: framed("Transfer-Encoding: chunked\r\n", plain("2\r\n{}{}\r\n0\r\n\r\n"))},
			{what: "A chunk's line that ends in LF alone", send: framed("Transfer-Encoding: chunked\r\n", plain("2\n{}\r\n0\r\n\r\n"))},
			{what: "A trailer that would be a header (`Authorization`)", send: framed("Transfer-Encoding: chunked\r\n", func(v victim) string {
				return strings.TrimSuffix(chunks(v), "\r\n") + "Authorization: Basic bm9ib2R5Om5vYm9keQ==\r\n\r\n"
			})},
			{what: "A body to a `GET`, and another request behind it", send: func(v victim) string {
				return whole("GET", v.read[1], v.read[2]+"\r\nContent-Length: "+strconv.Itoa(len(hidden))+"\r\n", "") + hidden
			}},
		}},
	}
}

// heard is what a client got.
type heard struct {
	answers []string // status and body
	ends    bool     // no request after it was answered on the connection
}

// briefly are times that a test can wait for.
var briefly = limits{readHeader: time.Second, read: 2 * time.Second, write: 4 * time.Second, idle: time.Second}

const probe = "GET /_usher/healthz HTTP/1.1\r\nHost: usher\r\n\r\n"

// framer speaks HTTP/2 to a server, as badly as it is told.
type framer struct {
	*http2.Framer
	encode   *hpack.Encoder
	block    bytes.Buffer
	answered chan struct{} // closed by the first answer, or when there will be none
}

// reading is the header of the victim's read operation with more pseudo-headers
// and headers, of name and value in turn.
func (f *framer) reading(v victim, more ...string) []byte {
	name, value, _ := strings.Cut(v.read[2], ": ")
	return f.fields(slices.Concat([]string{":method", v.read[0], ":scheme", "https", ":authority", "usher", ":path", v.read[1], strings.ToLower(name), value}, more)...)
}

// login is that of the login operation.
func (f *framer) login(v victim, more ...string) []byte {
	_, authorization, _ := strings.Cut(strings.TrimSuffix(v.headers, "\r\n"), ": ")
	return f.fields(slices.Concat([]string{":method", "POST", ":scheme", "https", ":authority", "usher", ":path", v.login, "authorization", authorization}, more)...)
}

func (f *framer) fields(pairs ...string) []byte {
	f.block.Reset()
	for i := 0; i < len(pairs); i += 2 {
		_ = f.encode.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	return f.block.Bytes()
}

// ask sends a request: its headers, in one frame, and its body, unless it is
// empty.
func (f *framer) ask(stream uint32, headers []byte, body string) {
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: headers, EndHeaders: true, EndStream: body == ""})
	if body != "" {
		_ = f.WriteData(stream, true, []byte(body))
	}
}

// open sends a request's headers, and leaves its body for later.
func (f *framer) open(stream uint32, headers []byte) {
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: headers, EndHeaders: true})
}

// until does something again and again, until there is an answer or an error.
func (f *framer) until(pause time.Duration, do func() error) {
	for do() == nil {
		select {
		case <-f.answered:
			return
		case <-time.After(pause):
		}
	}
}

// strike2 is strike over HTTP/2, but for giving the first answer alone.
func strike2(ctx context.Context, address string, v victim, a attack) (got heard, err error) {
	dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}} //nolint:gosec // the test's own server
	c, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return got, err
	}
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	f := &framer{Framer: http2.NewFramer(c, c), answered: make(chan struct{})}
	f.encode = hpack.NewEncoder(&f.block)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	sent := make(chan struct{})
	defer func() { <-sent }()
	defer func() { _ = c.Close() }() // before waiting for what is being sent
	go func() {
		defer close(sent)
		_, _ = io.WriteString(c, http2.ClientPreface)
		_ = f.WriteSettings()
		a.http2(v, f)
		<-f.answered
		_ = f.WritePing(false, [8]byte{1})
	}()
	answered := sync.OnceFunc(func() { close(f.answered) })
	defer answered()
	hear := func(answer string) {
		if got.answers == nil {
			got.answers = []string{answer}
		}
		answered()
	}
	bodies := map[uint32]*strings.Builder{}
	for {
		frame, err := f.ReadFrame()
		if netErr := net.Error(nil); errors.As(err, &netErr) && netErr.Timeout() {
			return got, fmt.Errorf("hangs after %q", got.answers)
		}
		if err != nil {
			got.ends = true
			return got, nil
		}
		stream, ended := frame.Header().StreamID, false
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			bodies[stream] = new(strings.Builder)
			bodies[stream].WriteString(frame.PseudoValue("status") + " ")
			ended = frame.StreamEnded()
		case *http2.DataFrame:
			bodies[stream].Write(frame.Data())
			ended = frame.StreamEnded()
		case *http2.RSTStreamFrame:
			if frame.ErrCode != http2.ErrCodeNo {
				hear(frame.ErrCode.String())
			}
		case *http2.GoAwayFrame:
			if frame.ErrCode != http2.ErrCodeNo {
				hear(frame.ErrCode.String())
			}
		case *http2.PingFrame:
			if frame.IsAck() {
				return got, nil
			}
		}
		if ended {
			answer := strings.TrimSpace(bodies[stream].String())
			if strings.HasPrefix(answer, "5") {
				return got, errors.New(answer)
			}
			hear(answer)
		}
	}
}

// strike does what an attack says, and gives what came back.
func strike(ctx context.Context, address string, v victim, a attack) (got heard, err error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return got, err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	sent := make(chan struct{})
	defer func() { <-sent }()
	defer func() { _ = c.Close() }() // before waiting for what is being sent
	go func() {
		defer close(sent)
		if a.slow != nil {
			a.slow(v, c)
			return
		}
		text := a.send(v)
		if !a.lasts {
			text += probe
		}
		_, _ = io.WriteString(c, text)
	}()
	for r := bufio.NewReader(c); ; {
		response, err := http.ReadResponse(r, nil)
		if netErr := net.Error(nil); errors.As(err, &netErr) && netErr.Timeout() {
			return got, fmt.Errorf("hangs after %q", got.answers)
		}
		if err != nil {
			got.ends = true
			return got, nil
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		switch {
		case err != nil:
			return got, err
		case response.StatusCode == http.StatusContinue:
			continue
		case !a.lasts && response.StatusCode == http.StatusOK && string(body) == "ok\n": // the probe's
			return got, nil
		case response.StatusCode == http.StatusNotImplemented, response.StatusCode == http.StatusHTTPVersionNotSupported: // of HTTP itself; see the page
		case response.StatusCode >= http.StatusInternalServerError:
			return got, fmt.Errorf("%s: %s", response.Status, body)
		case strings.Contains(fmt.Sprint(response.Header), "a=b"):
			return got, fmt.Errorf("a header of the caller's: %v", response.Header)
		}
		got.answers = append(got.answers, strings.TrimSpace(strconv.Itoa(response.StatusCode)+" "+string(body)))
	}
}

// target is a server with the demo world, and its places.
type target struct {
	open      *connections
	log       lines
	addresses map[way]string
	token     string // of Applivery
}

// way is a place that a target is reached at: with little time for anything, over
// TLS.
type way struct{ brief, tls bool }

func newTarget(t *testing.T) *target {
	t.Helper()
	x := &target{addresses: map[way]string{}}
	logger := newLogger("json", &x.log)
	store, err := storage.Open(t.Context(), storage.Options{Path: filepath.Join(t.TempDir(), "usher.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	handler, err := handlers.New(store, handlers.Options{Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	if err := handlers.Seed(t.Context(), store, handlers.World{Demo: true}); err != nil {
		t.Fatal(err)
	}
	cert, err := loadCertificate(newAuthority(t).files(t, t.TempDir(), 1, time.Now().Add(time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	x.open = newConnections(1000, logger)
	for _, w := range []way{{}, {brief: true}, {tls: true}, {brief: true, tls: true}} {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		times, encryption := usual, (*certificate)(nil)
		if w.brief {
			times = briefly
		}
		if w.tls {
			encryption = cert
		}
		server := newServer(handler, logger, times, x.open, encryption, false)
		go func() { _ = serveOn(server, counted{l, x.open, w.tls}) }()
		t.Cleanup(func() { _ = server.Close() })
		x.addresses[w] = l.Addr().String()
	}
	_, token, _ := strings.Cut(send(t, "POST", "http://"+x.addresses[way{}]+"/v1/auth/login", victims[1].right).body, `"token":"`)
	x.token, _, _ = strings.Cut(token, `"`)
	send(t, "GET", "http://"+x.addresses[way{}]+victims[1].read[1], "", bearer(x.token)) // which a later login's answer tells of
	http.DefaultClient.CloseIdleConnections()
	x.left(t)
	return x
}

// left waits until no connection is.
func (x *target) left(t *testing.T) {
	t.Helper()
	eventually(t, "all connections are closed", func() bool {
		x.open.mu.Lock()
		defer x.open.mu.Unlock()
		return len(x.open.open) == 0
	})
}

// unharmed fails the test if a connection or a goroutine is left, or a line of
// the log that is no line, or tells of a fault.
func (x *target) unharmed(t *testing.T, goroutines int) {
	t.Helper()
	x.left(t)
	for wait := time.Now(); runtime.NumGoroutine() > goroutines; time.Sleep(time.Millisecond) {
		if time.Since(wait) > 20*time.Second {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, and were %d: %s", runtime.NumGoroutine(), goroutines, stacks[:runtime.Stack(stacks, true)])
		}
	}
	for line := range strings.Lines(x.log.String()) {
		var entry struct{ Level string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.Level == "ERROR" || strings.Contains(line, "panic") {
			t.Errorf("in the log: %v: %s", err, line)
		}
	}
}

// Whoever sends more than is answered, or asks for more than he reads, is cut
// off, and others are served meanwhile.
func TestFloods(t *testing.T) {
	x := newTarget(t)
	before := runtime.NumGoroutine()
	h, err := strike2(t.Context(), x.addresses[way{tls: true}], victims[3], attack{http2: func(v victim, f *framer) {
		const requests = 10_000
		for i := range uint32(requests) {
			f.open(2*i+1, f.login(v))
			if f.WriteRSTStream(2*i+1, http2.ErrCodeCancel) != nil {
				return
			}
		}
		f.ask(2*requests+1, f.reading(v), v.read[3])
	}})
	// Who sends them faster than they can be done is cut off; whether that comes about
	// is a matter of the machine. Otherwise all are done, and so is the next one.
	cut := h.ends && slices.Equal(h.answers, []string{http2.ErrCodeEnhanceYourCalm.String()})
	kept := !h.ends && len(h.answers) == 1 && strings.HasPrefix(h.answers[0], "200 ")
	if err != nil || !cut && !kept {
		t.Errorf("requests that are taken back at once: %v %v", h, err)
	}

	if heard := closed(t, dial(t, x.addresses[way{brief: true, tls: true}], "")); heard != "" {
		t.Errorf("no handshake: %q", heard)
	}

	reads := dial(t, x.addresses[way{brief: true}], "")
	_ = reads.(*net.TCPConn).SetReadBuffer(4 << 10)
	asked := strings.Repeat(whole("GET", "/_usher/openapi/fusion.yaml", "", ""), 100)
	for err = nil; err == nil; _, err = io.WriteString(reads, asked) {
		send(t, "GET", "http://"+x.addresses[way{}]+"/_usher/healthz", "")
	}
	if errors.Is(err, os.ErrDeadlineExceeded) { // the test's own
		t.Error("who asks and does not read is not cut off")
	}
	_ = reads.Close()
	http.DefaultClient.CloseIdleConnections()
	x.unharmed(t, before)
}

// What hostile clients get is what the page says; nothing of it is the server's
// fault, and nothing of it stays.
func TestHostileClients(t *testing.T) {
	x := newTarget(t)
	all := slices.Clone(victims)
	all[1].read[2] = strings.Replace(all[1].read[2], "TOKEN", x.token, 1)
	before := runtime.NumGoroutine()

	groups := hostile()
	got := map[string][]heard{} // by attack: each victim's
	type result struct {
		what string
		i    int
		heard
		err error
	}
	results, places := make(chan result), make(chan struct{}, 24)
	n := 0
	for _, g := range groups {
		for _, a := range g.attacks {
			if got[a.what] != nil {
				t.Fatalf("%s: twice", a.what)
			}
			got[a.what] = make([]heard, len(all))
			for i, v := range all {
				n++
				go func() {
					places <- struct{}{}
					defer func() { <-places }()
					how, by := strike, way{brief: g.title == slow, tls: a.http2 != nil}
					if by.tls {
						how = strike2
					}
					h, err := how(t.Context(), x.addresses[by], v, a)
					results <- result{a.what, i, h, err}
				}()
			}
		}
	}
	for range n {
		r := <-results
		if r.err != nil {
			t.Errorf("%s: %s: %v", all[r.i].title, r.what, r.err)
		}
		got[r.what][r.i] = r.heard
	}

	x.unharmed(t, before)

	path, page := filepath.Join("..", "..", "docs", "hostile.md"), hostilePage(groups, all, got)
	if *update && !t.Failed() {
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	said, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	was, is := strings.Split(string(said), "\n"), strings.Split(page, "\n")
	for i, line := range is {
		if i >= len(was) || was[i] != line {
			t.Fatalf("docs/hostile.md does not say, or says otherwise (-update writes it): %s", line)
		}
	}
	if len(was) > len(is) {
		t.Fatalf("docs/hostile.md says more: %s", was[len(is)])
	}
}

// hostilePage writes it all down.
func hostilePage(groups []group, all []victim, got map[string][]heard) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# What hostile clients get

Made by a test (%[1]sgo test ./cmd/usher -run TestHostileClients -update%[1]s), which
sends all of this to a server over plain TCP and fails if an answer is another
than it says here, if the server has anything to say of a fault of its own, or if
a connection or a goroutine is left afterwards.

What each request may take:

| | at most | then |
|---|---|---|
| the time from connecting, TLS included, to the end of the headers | %[2]s | no answer, or 400; the connection ends |
| the time to the end of the body | %[3]s | as below; the connection ends |
| the time to the end of the answer | %[4]s | the connection ends |
| the time between two requests | %[5]s | the connection ends |
| request line and headers | %[6]d KiB | 431; the connection ends |
| a body | %[7]d MiB | as below; the connection ends |
| bodies of %[10]d KiB and more, being decoded and answered at once | %[11]d | others of that size wait |
| bodies of %[14]d KiB and more, being read at once | %[15]d, each for %[16]s | others of that size wait; as below; the connection ends |
| what an HTTP/2 connection may send before it is read | %[12]d KiB | the client is to wait |
| connections, and requests, at once | %[1]s--max-connections%[1]s (1000) | one that has said nothing for %[8]s makes room, else the one longest idle, else the one whose request has taken longest, if that is more than %[13]s; else 503 with Retry-After (over TLS: closed) |
| requests at once on a connection, over HTTP/2 | %[9]d | the client is to wait |

In the tables below, %[1]s…%[1]s stands for the rest of a long answer, and "the usual"
for what the same request gets without the change. "Stays" means that the next
request on the connection was answered, "ends" that it was not: the server has
closed it. An answer in plain text that all four share comes from the server's
reading of HTTP, before any API is asked. Milvus answers most failures with 200
and a code. No answer is a 5xx, but for 501 and 505, by which HTTP names what of
it a server does not speak (RFC 9112, 6.1; RFC 9110, 15.6.6). Every HTTP/1 request
whose body comes in chunks ends its connection; "Where a body ends" is why.
`, "`", usual.readHeader, usual.read, usual.write, usual.idle, (maxHeaderBytes+4096)>>10, edge.DefaultBodyLimit>>20, silence, maxStreams, edge.LargeBody>>10, edge.MaxLargeBodies,
		maxUnread>>10, longRequest, edge.HugeBody>>10, edge.MaxHugeBodies, edge.HugeTime)
	for _, g := range groups {
		fmt.Fprintf(&b, "\n## %s\n", g.title)
		if g.about != "" {
			fmt.Fprintf(&b, "\n%s\n", g.about)
		}
		for _, a := range g.attacks {
			fmt.Fprintf(&b, "\n**%s**\n\n| | answer | connection |\n|---|---|---|\n", a.what)
			var rows []string
			who := map[string][]string{}
			for i, h := range got[a.what] {
				row := h.row(all[i], got[compared][i], a.what == compared)
				if who[row] == nil {
					rows = append(rows, row)
				}
				who[row] = append(who[row], all[i].title)
			}
			for _, row := range rows {
				names := strings.Join(who[row], ", ")
				if len(who[row]) == len(all) {
					names = "all four"
				}
				fmt.Fprintf(&b, "| %s | %s |\n", names, row)
			}
		}
	}
	return b.String()
}

// What differs from one run to the next.
var (
	tokens = regexp.MustCompile(`"[A-Za-z0-9_-]{43}"|"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"$`)
	moment = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
)

func (h heard) row(v victim, login heard, whole bool) string {
	steady := func(answer string) string {
		return moment.ReplaceAllString(tokens.ReplaceAllString(answer, `"<token>"`), "<time>")
	}
	var cells []string
	for _, answer := range h.answers {
		answer = steady(answer)
		status, body, _ := strings.Cut(answer, " ")
		switch {
		case !whole && (answer == steady(login.answers[0]) || status == "200" && strings.Contains(body, v.reads)):
			cells = append(cells, status+", the usual")
			continue
		case status[0] > '9': // a code of HTTP/2
			cells = append(cells, status)
			continue
		case body == "":
			cells = append(cells, status+", empty")
			continue
		}
		const most = 200
		if runes := []rune(body); len(runes) > most {
			body = string(runes[:most]) + "…"
		}
		cells = append(cells, status+" "+cell(body))
	}
	if cells == nil {
		cells = []string{"none"}
	}
	connection := "stays"
	if h.ends {
		connection = "ends"
	}
	return strings.Join(cells, "<br>then ") + " | " + connection
}

// cell is text as a cell of a table shows it.
func cell(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '|':
			b.WriteString(`\|`)
		case unicode.IsGraphic(r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return "`" + b.String() + "`"
}
