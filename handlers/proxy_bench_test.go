package handlers_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"testing"
	"time"

	"usher/handlers/conform"
	"usher/handlers/exchange"
	"usher/handlers/journal"
	"usher/handlers/proxy"
)

// BenchmarkProxy is usher's proxy, with its log and its tally, next to the
// ReverseProxy of Go's library as it comes, over the same kind of transport; and
// with a journal, which is there when it is asked for. The target does nothing but
// answer, so that the proxies' own work is what shows; judging is part of that.
func BenchmarkProxy(b *testing.B) {
	const user = `{"id":"fe0885f2-8885-4c46-a3ea-8e5d0041c293","username":"1new-user-test","realmName":"native","createdAt":"2025-10-30T21:59:01Z","roleNames":["search"],"permissions":[]}`
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, user)
	}))
	b.Cleanup(target.Close)
	at, err := url.Parse(target.URL)
	if err != nil {
		b.Fatal(err)
	}
	log, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0) // written to, as a log is
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = log.Close() })
	transport := func() *http.Transport {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost, t.DisableCompression = 1000, true
		b.Cleanup(t.CloseIdleConnections)
		return t
	}
	plain := httputil.NewSingleHostReverseProxy(at)
	plain.Transport = transport()
	requests := map[string][]byte{
		"get":   rawRequest(http.MethodGet, "/api/users/d8e2f424-73b4-4ef9-a789-497bc56e7975", "Authorization", "Basic YWRtaW46RnVzaW9uNGRtaW4=", ""),
		"patch": rawRequest(http.MethodPatch, "/api/users/fe0885f2-8885-4c46-a3ea-8e5d0041c293", "Content-Type", "application/json", patchBody),
	}
	for _, name := range []string{"get", "patch"} {
		run := func(b *testing.B, connections, each int, kept *journal.Journal) {
			b.Helper()
			tally := conform.NewTally(contracts()["fusion"].Contract)
			judged := make(chan struct{}, connections*each)
			p := proxy.New(proxy.Options{
				Judged: func(e *exchange.Exchange) {
					tally.Add(e, conform.Passed)
					judged <- struct{}{}
				},
				Target: at, Contract: contracts()["fusion"].Contract, Transport: transport(),
				Logger: slog.New(slog.NewJSONHandler(log, nil)), Journal: kept,
			})
			through, baseline := load(b, p, requests[name], connections, each), load(b, plain, requests[name], connections, each)
			pairs(b, "requests/s", func() float64 {
				start := time.Now()
				through()
				for range connections * each { // what is left to be judged is not to burden the other
					<-judged
				}
				return float64(connections*each) / time.Since(start).Seconds()
			}, baseline)
			b.ReportMetric(float64(p.Close(context.Background())), "unjudged")
		}
		b.Run(name+"/throughput", func(b *testing.B) { run(b, 32, 100, nil) })
		b.Run(name+"/latency", func(b *testing.B) { run(b, 1, 500, nil) })
		b.Run(name+"/journal", func(b *testing.B) { run(b, 32, 100, journal.New(journal.Options{})) })
	}
}
