package handlers_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"runtime"
	"testing"

	"usher/handlers"
	"usher/handlers/sandbox"
	"usher/handlers/usher"
	"usher/storage"
)

// askOwn asks for SAYMON's own user, which reads little.
func askOwn(tb testing.TB, s *sandbox.Sandbox) {
	tb.Helper()
	if w := ask(s, "GET", "/node/api/users/current", "", basicAuth("admin", "saymon-admin")); w.Code != http.StatusOK {
		tb.Fatal(w.Code, w.Body)
	}
}

// BenchmarkSandbox is what a sandbox costs: making one, making one and asking it
// something, which has its handlers and its connections made, and closing it; and what
// Go's heap holds of one of 1 000, each of which was asked something.
func BenchmarkSandbox(b *testing.B) {
	host := handlers.NewHost(handlers.Options{}, storage.Options{})
	b.Cleanup(func() { _ = host.Close() })
	stop := func(b *testing.B, s *sandbox.Sandbox) {
		b.Helper()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
	stop(b, newSandbox(b, host, sandbox.Spec{})) // the first has the demo world made
	b.Run("create", func(b *testing.B) {
		for b.Loop() {
			s := newSandbox(b, host, sandbox.Spec{})
			b.StopTimer()
			stop(b, s)
			b.StartTimer()
		}
	})
	b.Run("create and ask", func(b *testing.B) {
		for b.Loop() {
			s := newSandbox(b, host, sandbox.Spec{})
			askOwn(b, s)
			b.StopTimer()
			stop(b, s)
			b.StartTimer()
		}
	})
	b.Run("close", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			s := newSandbox(b, host, sandbox.Spec{})
			askOwn(b, s)
			b.StartTimer()
			stop(b, s)
		}
	})
	b.Run("memory", func(b *testing.B) {
		heap := func() float64 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return float64(m.HeapAlloc)
		}
		all := make([]*sandbox.Sandbox, 1000)
		for b.Loop() {
			before := heap()
			for i := range all {
				all[i] = newSandbox(b, host, sandbox.Spec{})
				askOwn(b, all[i])
			}
			b.ReportMetric((heap()-before)/float64(len(all))/1024, "KiB/sandbox")
			for _, s := range all {
				stop(b, s)
			}
		}
		b.ReportMetric(0, "ns/op")
	})
}

// BenchmarkOneOfThousand is a request over loopback HTTP to one of 1 000 sandboxes,
// each of which was asked something, next to one to the only one.
func BenchmarkOneOfThousand(b *testing.B) {
	w := newWorkbench(b, handlers.WorkbenchOptions{})
	front, err := w.bench.Handler("")
	if err != nil {
		b.Fatal(err)
	}
	const own, login, secret = "/node/api/users/current", "admin", "saymon-admin"
	within := func(i int) string { return fmt.Sprintf("%sworld-%d", usher.Within, i) }
	inOneOf := func(n int) func() float64 {
		raw := rawRequest(http.MethodGet, within(n/2)+own, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(login+":"+secret)), "")
		warm, timed := load(b, front, raw, 1, 500), load(b, front, raw, 1, 5000)
		return func() float64 {
			for i := range n {
				w.want(http.StatusCreated, "POST", "/sandboxes", fmt.Sprintf(`{"name":"world-%d"}`, i))
				if a := w.send("GET", within(i)+own, "", basicAuth(login, secret)); a.status != http.StatusOK {
					b.Fatal(a.status, string(a.body))
				}
			}
			warm()
			took := 1e9 / timed()
			for i := range n {
				w.want(http.StatusNoContent, "DELETE", fmt.Sprintf("/sandboxes/world-%d", i), "")
			}
			return took
		}
	}
	pairs(b, "ns/request", inOneOf(1000), inOneOf(1))
}
