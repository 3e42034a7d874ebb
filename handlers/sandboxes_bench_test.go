package handlers_test

import (
	"net/http"
	"runtime"
	"testing"
	"time"

	"usher/handlers"
	"usher/handlers/sandbox"
	"usher/storage"
)

// askOften sends requests that read little, SAYMON's own user, and gives what one
// takes, in nanoseconds.
func askOften(tb testing.TB, s *sandbox.Sandbox, n int) float64 {
	tb.Helper()
	start := time.Now()
	for range n {
		if w := ask(s, "GET", "/node/api/users/current", "", basicAuth("admin", "saymon-admin")); w.Code != http.StatusOK {
			tb.Fatal(w.Code, w.Body)
		}
	}
	return float64(time.Since(start).Nanoseconds()) / float64(n)
}

// BenchmarkSandbox is what a sandbox costs: making one, making one and asking it
// something, which has its handlers and its connections made, and closing it; and a
// request in one of 1 000, each of which was asked something, next to one in the only
// one.
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
			askOften(b, s, 1)
			b.StopTimer()
			stop(b, s)
			b.StartTimer()
		}
	})
	b.Run("close", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			s := newSandbox(b, host, sandbox.Spec{})
			askOften(b, s, 1)
			b.StartTimer()
			stop(b, s)
		}
	})
	b.Run("one of 1000", func(b *testing.B) {
		heap := func() float64 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return float64(m.HeapAlloc)
		}
		var each float64
		inOneOf := func(n int) func() float64 {
			return func() float64 {
				before := heap()
				all := make([]*sandbox.Sandbox, n)
				for i := range all {
					all[i] = newSandbox(b, host, sandbox.Spec{})
					askOften(b, all[i], 1)
				}
				each = (heap() - before) / float64(n) / 1024
				askOften(b, all[n/2], 500)
				took := askOften(b, all[n/2], 5000)
				for _, s := range all {
					stop(b, s)
				}
				return took
			}
		}
		pairs(b, "ns/request", inOneOf(1000), inOneOf(1))
		inOneOf(1000)()
		b.ReportMetric(each, "KiB/sandbox")
	})
}
