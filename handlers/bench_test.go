package handlers_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"gopkg.in/yaml.v3"

	gen "usher/gen/fusion"
	"usher/handlers"
	"usher/handlers/edge"
	"usher/storage"
	"usher/storage/password"
)

// The benchmarks measure usher and a baseline in turn, many times, and report
// the median of the ratios: these hold on a machine whose speed drifts, where
// single figures do not. "make bench" runs them.

// pairs runs usher and its baseline in turn until the benchmark's time is over,
// and reports the median of the first's cost in terms of the second's.
func pairs(b *testing.B, unit string, usher, baseline func() float64) {
	b.Helper()
	usher() // warm
	baseline()
	var ratios, absolute []float64
	for b.Loop() {
		of := usher()
		ratios = append(ratios, of/baseline())
		absolute = append(absolute, of)
	}
	slices.Sort(ratios)
	slices.Sort(absolute)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ratios[len(ratios)/2], "x-baseline")
	b.ReportMetric(absolute[len(absolute)/2], unit)
}

const patchBody = `{"currentPassword":"password123","password":"password456","passwordConfirm":"password456"}`

// BenchmarkValidation is what holding the body of Fusion's PATCH against its
// contract costs: the edge and the generated code around a handler that does
// nothing, next to the same without the contract's body.
func BenchmarkValidation(b *testing.B) {
	with, without := validating(b, true), validating(b, false)
	request := func(h http.Handler) {
		r := httptest.NewRequest(http.MethodPatch, "/api/users/fe0885f2-8885-4c46-a3ea-8e5d0041c293", strings.NewReader(patchBody))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Code, w.Body)
		}
	}
	b.Run("time", func(b *testing.B) {
		timed := func(h http.Handler) func() float64 {
			return func() float64 {
				const n = 500
				start := time.Now()
				for range n {
					request(h)
				}
				return float64(time.Since(start).Nanoseconds()) / n
			}
		}
		pairs(b, "ns/request", timed(with), timed(without))
	})
	b.Run("allocations", func(b *testing.B) {
		counted := func(h http.Handler) func() float64 {
			return func() float64 { return testing.AllocsPerRun(100, func() { request(h) }) }
		}
		pairs(b, "allocs/request", counted(with), counted(without))
	})
	b.Run("loopback", func(b *testing.B) {
		raw := rawRequest(http.MethodPatch, "/api/users/fe0885f2-8885-4c46-a3ea-8e5d0041c293", "Content-Type", "application/json", patchBody)
		per := func(h http.Handler) func() float64 {
			rate := throughput(b, h, raw)
			return func() float64 { return 1e9 / rate() }
		}
		pairs(b, "ns/request", per(with), per(without))
	})
}

// validating is the edge around a handler that does nothing, with or without
// the body in the contract.
func validating(b *testing.B, validate bool) http.Handler {
	b.Helper()
	document := gen.Requests
	if !validate {
		var doc map[string]any
		if err := yaml.Unmarshal(document, &doc); err != nil {
			b.Fatal(err)
		}
		path := doc["paths"].(map[string]any)["/users/{id}"].(map[string]any)
		delete(path["patch"].(map[string]any), "requestBody")
		var err error
		if document, err = yaml.Marshal(doc); err != nil {
			b.Fatal(err)
		}
	}
	contract, err := edge.ParseContract(document)
	if err != nil {
		b.Fatal(err)
	}
	e := echo.New()
	err = edge.Mount(e, edge.Options{}, edge.API{
		Name: "fusion", Roots: []string{"/api"}, Contract: contract, RequestID: "fusion-request-id",
		JSON:         edge.JSONStyle{ContentType: "application/json"},
		Authenticate: func(ctx context.Context, _ *edge.Call) (context.Context, error) { return ctx, nil },
		Anyone:       func(ctx context.Context, _ *edge.Call) (context.Context, error) { return ctx, nil },
		Denied:       func(error) bool { return false },
		Fail:         func(_ *edge.Call, err error) edge.Answer { return edge.Answer{Status: 500, Value: err.Error()} },
		Register:     func(r edge.Router) { gen.RegisterHandlers(r, gen.NewStrictHandler(idle{}, nil)) },
	})
	if err != nil {
		b.Fatal(err)
	}
	return e
}

// idle answers a change of a password, and changes none.
type idle struct{ gen.StrictServerInterface }

func (idle) UpdatePassword(_ context.Context, r gen.UpdatePasswordRequestObject) (gen.UpdatePasswordResponseObject, error) {
	if r.Body.Password != "password456" {
		return nil, fmt.Errorf("bound to something else")
	}
	return gen.UpdatePassword200JSONResponse{Body: gen.UserPublicView{
		ID: r.ID, Username: "1new-user-test", RealmName: "native", RoleNames: []string{"search", "developer"},
		Permissions: []gen.GlobPermissionPublicView{},
	}}, nil
}

// BenchmarkGetUser is Fusion's GET of a user over loopback HTTP on 32
// connections, with a log and metrics, next to bare echo and the same SELECT: by
// each of the ways to say who calls, with credentials that have been proven.
func BenchmarkGetUser(b *testing.B) {
	path := filepath.Join(b.TempDir(), "usher.db")
	store := openStore(b, storage.Options{Path: path})
	if err := handlers.Seed(b.Context(), store, handlers.World{Demo: true}); err != nil {
		b.Fatal(err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	usher, err := handlers.New(store, handlers.Options{Logger: slog.New(slog.NewJSONHandler(null, nil)), Metrics: prometheus.NewRegistry()})
	if err != nil {
		b.Fatal(err)
	}
	type credentials struct {
		Token string `json:"access_token"`
		Key   string
	}
	// ask has the administrator ask for credentials of another kind.
	ask := func(path, body string) (answer credentials, cookie string) {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.SetBasicAuth("admin", "Fusion4dmin")
		w := httptest.NewRecorder()
		usher.ServeHTTP(w, r)
		if body := w.Body.Bytes(); w.Code >= http.StatusMultipleChoices || len(body) > 0 && json.Unmarshal(body, &answer) != nil {
			b.Fatal(path, w.Code)
		}
		cookie, _, _ = strings.Cut(w.Header().Get("Set-Cookie"), ";")
		return answer, cookie
	}
	token, _ := ask("/oauth2/token", "")
	key, _ := ask("/api/api-key", `{"id":"bench","name":"bench","roles":["admin"]}`)
	_, session := ask("/api/session", `{"username":"admin","password":"Fusion4dmin"}`)
	for _, way := range []struct{ name, header, value string }{
		{"basic", "Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("admin:Fusion4dmin"))},
		{"session", "Cookie", session},
		{"bearer", "Authorization", "Bearer " + token.Token},
		{"api-key", "x-api-key", key.Key},
	} {
		b.Run(way.name, func(b *testing.B) {
			raw := rawRequest(http.MethodGet, "/api/users/fe0885f2-8885-4c46-a3ea-8e5d0041c293", way.header, way.value, "")
			pairs(b, "requests/s", throughput(b, usher, raw), throughput(b, bareEcho(b, path), raw))
		})
	}
}

// selectLogin reads a caller with the roles, and the user asked for, as
// storage.Directory.Authenticate does: what is compared is what comes on top.
const (
	userColumns = `u.id AS user_id, u.realm, u.name, u.email, u.password_hash, u.password_version,
		u.created_at, u.updated_at, u.document, ur.role`
	userRoles   = ` LEFT JOIN user_role ur ON ur.directory = u.directory AND ur.user_id = u.id`
	selectLogin = `SELECT ` + userColumns + `, r.id, r.created_at, r.updated_at, r.document, ur.position
		FROM "user" u` + userRoles + ` LEFT JOIN record r ON r.directory = ur.directory AND r.kind = 'role' AND r.name = ur.role
		WHERE u.directory = $1 AND u.realm = $3 AND u.name = $4
		UNION ALL SELECT ` + userColumns + `, NULL, NULL, NULL, NULL, ur.position
		FROM "user" u` + userRoles + `
		WHERE u.directory = $1 AND u.id = $2 AND NOT (u.realm = $3 AND u.name = $4)
		ORDER BY user_id, position`
)

// bareEcho reads the caller and the user asked for, and answers the latter.
func bareEcho(b *testing.B, path string) http.Handler {
	b.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)&_pragma=query_only(on)")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(max(4, runtime.GOMAXPROCS(0)))
	db.SetMaxIdleConns(max(4, runtime.GOMAXPROCS(0)))
	read, err := db.PrepareContext(b.Context(), selectLogin)
	if err != nil {
		b.Fatal(err)
	}
	e := echo.New()
	e.GET("/api/users/:id", func(c echo.Context) error {
		rows, err := read.QueryContext(c.Request().Context(), "fusion", c.Param("id"), "native", "admin")
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		var user struct {
			ID        string          `json:"id"`
			Username  string          `json:"username"`
			Realm     string          `json:"realmName"`
			CreatedAt time.Time       `json:"createdAt"`
			Roles     []string        `json:"roleNames"`
			Document  json.RawMessage `json:"document"`
		}
		var id, realm, name, email, hash, document string
		var version, created int64
		var updated, roleCreated, roleUpdated sql.NullInt64
		var role, roleID, roleDocument sql.NullString
		for rows.Next() {
			if err := rows.Scan(&id, &realm, &name, &email, &hash, &version, &created, &updated, &document,
				&role, &roleID, &roleCreated, &roleUpdated, &roleDocument, new(any)); err != nil {
				return err
			}
			if id == c.Param("id") {
				user.ID, user.Username, user.Realm = id, name, realm
				user.CreatedAt, user.Document = time.UnixMicro(created), json.RawMessage(document)
				user.Roles = append(user.Roles, role.String)
			}
		}
		if err := rows.Err(); err != nil {
			return err
		}
		return c.JSON(http.StatusOK, user)
	})
	return e
}

// BenchmarkChangePassword is an owner's change with credentials not yet proven,
// one verification and one hash, over loopback HTTP, next to the bare hash
// function at the same parameters on all cores: in hashes a second.
func BenchmarkChangePassword(b *testing.B) {
	const each = 24 // changes in a round, of a user each
	store := openStore(b, storage.Options{Path: filepath.Join(b.TempDir(), "usher.db")})
	if err := handlers.Seed(b.Context(), store, handlers.World{Demo: true}); err != nil {
		b.Fatal(err)
	}
	handler, err := handlers.New(store, handlers.Options{})
	if err != nil {
		b.Fatal(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	encoded, err := password.Hash("password123", password.DefaultParams)
	if err != nil {
		b.Fatal(err)
	}
	workers := 2 * runtime.GOMAXPROCS(0) // so that a core has work while a client waits for its answer
	users := 0
	usher := func() float64 {
		ids := make([]string, each)
		for i := range ids {
			users++
			ids[i] = fmt.Sprintf("00000000-0000-4000-8000-%012d", users)
			_, err := store.Directory("fusion").CreateUser(b.Context(), storage.Actor{}, storage.NewUser{
				ID: ids[i], Realm: "native", Name: ids[i], Roles: []string{"search"}, Hash: encoded,
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		return rate(workers, each, func(i int) {
			r, err := http.NewRequestWithContext(b.Context(), http.MethodPatch, server.URL+"/api/users/"+ids[i], strings.NewReader(patchBody))
			if err != nil {
				b.Error(err)
				return
			}
			r.Header.Set("Content-Type", "application/json")
			r.SetBasicAuth(ids[i], "password123")
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
			if response.StatusCode != http.StatusOK {
				b.Error(response.Status)
			}
		}) * 2
	}
	baseline := func() float64 {
		return rate(runtime.GOMAXPROCS(0), 2*each, func(int) {
			if _, err := password.Hash("password123", password.DefaultParams); err != nil {
				b.Error(err)
			}
		})
	}
	pairs(b, "hashes/s", usher, baseline)
}

// rate is how many of n calls are done in a second by so many workers.
func rate(workers, n int, call func(i int)) float64 {
	var next atomic.Int64
	var done sync.WaitGroup
	start := time.Now()
	for range workers {
		done.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				call(int(i) - 1)
			}
		})
	}
	done.Wait()
	return float64(n) / time.Since(start).Seconds()
}

func openStore(b *testing.B, o storage.Options) *storage.Store {
	b.Helper()
	store, err := storage.Open(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	return store
}

// rawRequest is a request with one header, as its bytes.
func rawRequest(method, path, header, value, body string) []byte {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set(header, value)
	var raw bytes.Buffer
	if err := r.Write(&raw); err != nil {
		panic(err)
	}
	return raw.Bytes()
}

// throughput measures how many requests a second a handler answers over
// loopback HTTP on 32 connections. The client writes bytes and looks for the
// answer's end, and no more: what it costs is taken from the server's cores.
func throughput(b *testing.B, h http.Handler, raw []byte) func() float64 {
	b.Helper()
	return load(b, h, raw, 32, 100)
}

// load is throughput on so many connections, with so many requests on each.
func load(b *testing.B, h http.Handler, raw []byte, connections, each int) func() float64 {
	b.Helper()
	server := httptest.NewServer(h)
	b.Cleanup(server.Close)
	address := strings.TrimPrefix(server.URL, "http://")
	type client struct {
		net.Conn
		in *bufio.Reader
	}
	clients := make([]client, connections)
	for i := range clients {
		c, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", address)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = c.Close() })
		clients[i] = client{c, bufio.NewReader(c)}
	}
	return func() float64 {
		var done sync.WaitGroup
		start := time.Now()
		for _, c := range clients {
			done.Go(func() {
				for range each {
					if _, err := c.Write(raw); err != nil {
						b.Error(err)
						return
					}
					if err := skipAnswer(c.in); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		done.Wait()
		return float64(connections*each) / time.Since(start).Seconds()
	}
}

// skipAnswer reads an answer that has to be a 200.
func skipAnswer(in *bufio.Reader) error {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 200")) {
		return fmt.Errorf("answered %s", line)
	}
	length := 0
	for {
		if line, err = in.ReadSlice('\n'); err != nil {
			return err
		}
		if len(line) <= 2 {
			break
		}
		if rest, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(rest))); err != nil {
				return err
			}
		}
	}
	_, err = in.Discard(length)
	return err
}
