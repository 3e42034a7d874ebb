package handlers_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"usher/handlers"
	"usher/storage"
	"usher/storage/password"
)

// way is one to prove who one is: NAME and PASSWORD stand for both in a body, or
// they come with Basic, or after Bearer.
type way struct{ what, method, path, scheme, body string }

// ways are all there are, by API.
var ways = map[string][]way{
	"fusion": {
		{"Basic", "GET", "/api/session", "Basic", ""},
		{"a session", "POST", "/api/session", "", `{"username":"NAME","password":"PASSWORD"}`},
		{"a token", "POST", "/oauth2/token", "Basic", ""},
	},
	"applivery": {
		{"a login", "POST", "/v1/auth/login", "", `{"provider":"traditional","payload":{"email":"NAME@example.com","password":"PASSWORD"}}`},
	},
	"saymon": {
		{"Basic", "GET", "/node/api/users/current", "Basic", ""},
		{"a session", "POST", "/node/api/users/session", "", `{"login":"NAME","password":"PASSWORD"}`},
		{"a session by email", "POST", "/node/api/users/session", "", `{"login":"NAME@example.com","password":"PASSWORD"}`},
	},
	"milvus": {
		{"Basic", "POST", "/v2/vectordb/users/describe", "Basic", `{"userName":"NAME"}`},
		{"Bearer", "POST", "/v2/vectordb/users/describe", "Bearer", `{"userName":"NAME"}`},
		{"the old password", "POST", "/v2/vectordb/users/update_password", "", `{"userName":"NAME","password":"PASSWORD","newPassword":"Second-Passw0rd"}`},
	},
}

func (y way) request(tb testing.TB, url, name, secret string) *http.Request {
	tb.Helper()
	body := strings.NewReplacer("NAME", name, "PASSWORD", secret).Replace(y.body)
	r, err := http.NewRequestWithContext(tb.Context(), y.method, url+y.path, strings.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	switch y.scheme {
	case "Basic":
		r.SetBasicAuth(name, secret)
	case "Bearer":
		r.Header.Set("Authorization", "Bearer "+name+":"+secret)
	}
	return r
}

// In every way a wrong password, whether or not the right one was used lately, and
// a name that nobody has, or whose user may not log in, are answered with the same
// bytes after one hash. What is one is told by the memory that it takes; that it has
// the store's parameters is shown where they can be seen, in package storage.
func TestNamesAreNotTold(t *testing.T) {
	const secret, memory = "First-Passw0rd", 16 << 10 // KiB
	bar := map[string]func(t *testing.T, w *world, id string) reply{
		"applivery": func(t *testing.T, w *world, id string) reply {
			t.Helper()
			admin := w.token(t, handlers.FirstAdministrator("applivery"), adminPassword)
			return w.do(t, w.bearer(t, "PUT", "/v1/users/"+id, `{"role":"serviceAccount"}`, admin))
		},
		"saymon": func(t *testing.T, w *world, id string) reply {
			t.Helper()
			return w.do(t, w.basic(t, "PATCH", "/node/api/users/"+id, `{"status":0}`, "admin", adminPassword))
		},
	}
	for _, api := range handlers.Names() {
		t.Run(api, func(t *testing.T) {
			w, err := newWorld(t.TempDir(), api, []string{"admin"}, func(o *storage.Options) {
				o.Hash = password.Params{Memory: memory, Time: 1, Threads: 1}
			})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				for _, problem := range w.close() {
					t.Error(problem)
				}
			}()
			names := []string{"known", "other"} // the second is nobody's
			create := dialects[api].create
			made := []reply{w.do(t, create(t, w, "known", secret))}
			if api == "saymon" {
				id := w.member(t, made[0].body, "id")
				made = append(made, w.do(t, w.basic(t, "PATCH", "/node/api/users/"+id, `{"email":"known@example.com"}`, "admin", adminPassword)))
			}
			if bar[api] != nil {
				names = append(names, "there")
				there := w.do(t, create(t, w, "there", secret))
				made = append(made, there, bar[api](t, w, w.member(t, there.body, dialects[api].id)))
			}
			for _, a := range made {
				if a.status >= 300 {
					t.Fatal(a)
				}
			}
			for _, y := range ways[api] {
				heard := map[string]string{}
				ask := func(what, name, secret string, hashes int) {
					r := y.request(t, w.url, name, secret)
					var before, after runtime.MemStats
					runtime.ReadMemStats(&before)
					a := w.do(t, r)
					runtime.ReadMemStats(&after)
					took := float64(after.TotalAlloc-before.TotalAlloc) / (memory << 10)
					if math.Abs(took-float64(hashes)) > 0.2 {
						t.Errorf("%s, %s: the memory of %.2f hashes, want %d", y.what, what, took, hashes)
					}
					for h := range a.header {
						if h == "Date" || strings.HasSuffix(strings.ToLower(h), "request-id") || strings.HasPrefix(h, "X-Ratelimit-") {
							delete(a.header, h)
						}
					}
					heard[what] = strings.ReplaceAll(fmt.Sprint(a.status, " ", a.header, " ", a.body), name, "NAME")
				}
				for _, name := range names {
					ask(name, name, "Wrong-Passw0rd", 1)
				}
				if y.what != "the old password" { // which would be none thereafter
					if a := w.do(t, y.request(t, w.url, "known", secret)); a.status >= 300 {
						t.Fatalf("%s: %s", y.what, a)
					}
					ask("known, and used lately", "known", "Wrong-Passw0rd", 1)
				}
				for what, answer := range heard {
					if answer != heard["other"] {
						t.Errorf("%s, %s: %s\nwant %s", y.what, what, answer, heard["other"])
					}
				}
			}
		})
	}
}

// BenchmarkNames asks with a wrong password for a user and for a name that nobody
// has, one after the other in random order, and reports what can be told from the
// times: the median of the first, that of how much longer it took than the other, and
// the probability of times at least as unlike if there is no difference (Wilcoxon's
// signed-rank test).
//
// With the usual hashes, by each way, there is nothing to be told. With hashes that
// cost nothing the rest is seen: the microseconds for reading the user and writing
// an event about somebody. For users whose hash is an older one there is a difference,
// on the safe side, which shows that the test finds what there is.
func BenchmarkNames(b *testing.B) {
	apis := slices.Sorted(maps.Keys(ways))
	usual := serveNames(b, password.DefaultParams)
	for _, api := range apis {
		for _, y := range ways[api] {
			b.Run("usual/"+api+"/"+strings.ReplaceAll(y.what, " ", "-"), func(b *testing.B) { usual.compare(b, y, "known") })
		}
	}
	b.Run("usual/older-hash", func(b *testing.B) { usual.compare(b, ways["fusion"][0], "older") })
	cheap := serveNames(b, password.Params{Memory: 64, Time: 1, Threads: 1})
	for _, api := range apis {
		b.Run("cheap/"+api, func(b *testing.B) { cheap.compare(b, ways[api][0], "known") })
	}
}

// names is a server where anyone may guess, with users called "known" and one at
// Fusion, "older", with an older hash.
type names struct{ handler http.Handler }

func serveNames(b *testing.B, hash password.Params) names {
	b.Helper()
	free := storage.Rate{Burst: -1}
	store := openStore(b, storage.Options{Path: filepath.Join(b.TempDir(), "usher.db"), Hash: hash, Account: free, Source: free})
	if err := handlers.Seed(b.Context(), store, handlers.World{Demo: true}); err != nil {
		b.Fatal(err)
	}
	old, err := bcrypt.GenerateFromPassword([]byte("First-Passw0rd"), bcrypt.DefaultCost)
	if err != nil {
		b.Fatal(err)
	}
	for _, u := range []struct {
		api string
		storage.NewUser
	}{
		{"fusion", storage.NewUser{Realm: "native", Name: "known"}},
		{"fusion", storage.NewUser{Realm: "native", Name: "older", Hash: string(old)}},
		{"applivery", storage.NewUser{Name: "known@example.com"}},
		{"saymon", storage.NewUser{Name: "known", Email: "known@example.com", Document: json.RawMessage(`{"status":2}`)}},
		{"milvus", storage.NewUser{Name: "known"}},
	} {
		u.ID = u.Name
		if u.Hash == "" {
			u.Hash = password.Dummy(hash)
		}
		if _, err := store.Directory(u.api).CreateUser(b.Context(), storage.Actor{}, u.NewUser); err != nil {
			b.Fatal(err)
		}
	}
	handler, err := handlers.New(store, handlers.Options{})
	if err != nil {
		b.Fatal(err)
	}
	return names{handler}
}

// took is how long it took to refuse somebody.
func (n names) took(b *testing.B, y way, name string) time.Duration {
	b.Helper()
	r, w := y.request(b, "http://usher.test", name, "Wrong-Passw0rd"), httptest.NewRecorder()
	start := time.Now()
	n.handler.ServeHTTP(w, r)
	elapsed := time.Since(start)
	if w.Code != http.StatusUnauthorized && w.Code != http.StatusForbidden && !strings.Contains(w.Body.String(), `"code":1400,`) {
		b.Fatalf("%s: %d %s", y.what, w.Code, w.Body)
	}
	return elapsed
}

func (n names) compare(b *testing.B, y way, known string) {
	b.Helper()
	var times, longer []float64
	for b.Loop() {
		var of [2]time.Duration
		for _, i := range rand.Perm(2) {
			of[i] = n.took(b, y, [2]string{known, "other"}[i])
		}
		times, longer = append(times, of[0].Seconds()), append(longer, (of[0]-of[1]).Seconds())
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(signedRank(longer), "p-value")
	slices.Sort(times)
	slices.Sort(longer)
	b.ReportMetric(times[len(times)/2]*1e6, "us")
	b.ReportMetric(longer[len(longer)/2]*1e6, "us-longer")
}

// signedRank is Wilcoxon's: how probable differences at least as lopsided are, if
// those above zero and those below are as likely and as large.
func signedRank(differences []float64) float64 {
	d := slices.DeleteFunc(slices.Clone(differences), func(x float64) bool { return x == 0 })
	slices.SortFunc(d, func(x, y float64) int { return cmp.Compare(math.Abs(x), math.Abs(y)) })
	n, positive := float64(len(d)), 0.0
	for i, x := range d {
		if x > 0 {
			positive += float64(i + 1)
		}
	}
	if n == 0 {
		return 1
	}
	z := (positive - n*(n+1)/4) / math.Sqrt(n*(n+1)*(2*n+1)/24)
	return math.Erfc(math.Abs(z) / math.Sqrt2)
}

func TestSignedRank(t *testing.T) {
	for _, test := range []struct {
		differences []float64
		want        float64
	}{
		{[]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 0.00506},
		{[]float64{-3, -1, -2, -5, -4, -7, -6, -8, -10, -9}, 0.00506},
		{[]float64{4, -1, 2, -3, 0}, 0.7150},
		{[]float64{1, -2, -3, 4}, 1},
		{[]float64{0, 0}, 1},
	} {
		if p := signedRank(test.differences); math.Abs(p-test.want) > 1e-4 {
			t.Errorf("%v: %.5f, want %.5f", test.differences, p, test.want)
		}
	}
}
