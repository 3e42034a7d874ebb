package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkStart is the time from starting the program to its first healthy
// answer, on a new --demo store, and the memory that it takes: ten seconds
// later, before a first login, and a minute after a hundred logins.
func BenchmarkStart(b *testing.B) {
	dir := b.TempDir()
	program := filepath.Join(dir, "usher")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	const runs = 11
	var took []float64
	for range runs {
		_, _, elapsed := startProgram(b, program)
		took = append(took, float64(elapsed.Microseconds())/1000)
	}
	slices.Sort(took)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(took[runs/2], "ms-to-healthy")

	p, url, _ := startProgram(b, program)
	time.Sleep(10 * time.Second)
	b.ReportMetric(memory(b, p, "VmRSS"), "MiB-idle")
	for i := range 100 {
		body := `{"provider":"traditional","payload":{"email":"john.doe@example.com","password":"CurrentSecureP@ss123"}}`
		if i%2 == 1 { // half of them by a password that is wrong, which is never remembered
			body = strings.Replace(body, "Current", "Another", 1)
		}
		if a := send(b, "POST", url+"/v1/auth/login", body); a.status != http.StatusOK && a.status != http.StatusForbidden {
			b.Fatal(a)
		}
	}
	time.Sleep(time.Minute)
	b.ReportMetric(memory(b, p, "VmRSS"), "MiB-after-100-logins")
}

// startProgram starts the program on a port that was free a moment ago: waiting
// to be told which one it took would be part of the time.
func startProgram(b *testing.B, program string) (cmd *exec.Cmd, url string, took time.Duration) {
	b.Helper()
	probe, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	address := probe.Addr().String()
	if err := probe.Close(); err != nil {
		b.Fatal(err)
	}
	cmd = exec.CommandContext(context.WithoutCancel(b.Context()), program, "serve", "--demo", "--listen", address)
	cmd.Env = []string{"TMPDIR=" + b.TempDir()}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for {
		response, err := http.Get("http://" + address + "/_usher/healthz")
		if err == nil {
			_ = response.Body.Close()
			return cmd, "http://" + address, time.Since(start)
		}
		if time.Since(start) > 10*time.Second {
			b.Fatal(err)
		}
		time.Sleep(200 * time.Microsecond)
	}
}

// memory is a process' memory in MiB as Linux counts it: VmRSS at the moment,
// VmHWM the most that ever was. Elsewhere it is 0.
func memory(tb testing.TB, cmd *exec.Cmd, what string) float64 {
	tb.Helper()
	if runtime.GOOS != "linux" {
		return 0
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil {
		tb.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), what+":")
	kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	if err != nil {
		tb.Fatal(err)
	}
	return kib / 1024
}
