package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"usher/storage"
)

// A rate as a flag, as it is read and as the help shows it.
func TestRate(t *testing.T) {
	for value, want := range map[string]struct {
		storage.Rate
		shown string
	}{
		"100/30s":   {storage.Rate{Burst: 100, Every: 30 * time.Second}, "100/30s"},
		"1/5m":      {storage.Rate{Burst: 1, Every: 5 * time.Minute}, "1/5m"},
		"5/2h":      {storage.Rate{Burst: 5, Every: 2 * time.Hour}, "5/2h"},
		"5/90m":     {storage.Rate{Burst: 5, Every: 90 * time.Minute}, "5/1h30m"},
		"5/1h0m10s": {storage.Rate{Burst: 5, Every: time.Hour + 10*time.Second}, "5/1h0m10s"},
		"9/1.5s":    {storage.Rate{Burst: 9, Every: 1500 * time.Millisecond}, "9/1.5s"},
		"0":         {storage.Rate{Burst: -1}, "0"},
	} {
		var r rate
		if err := r.Set(value); err != nil || storage.Rate(r) != want.Rate || r.String() != want.shown {
			t.Errorf("%s: %+v, shown as %s, %v", value, r, r.String(), err)
		}
		if again := r; again.Set(r.String()) != nil || again != r {
			t.Errorf("%s: %s is read as %+v", value, r.String(), again)
		}
	}
	for _, value := range []string{"", "5", "/5s", "5/", "5/s", "5/5", "5/0s", "5/-1s", "0/1s", "-1/1s", "x/1s", "1.5/1s", "5/1s/2", "100/87600h", "99999999999999999999/1s"} {
		if r := rate(storage.DefaultAccountRate); r.Set(value) == nil {
			t.Errorf("%q is read as %+v", value, r)
		}
	}
}

func TestThrottleDefaults(t *testing.T) {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	var s throttleSettings
	s.addTo(flags)
	for flag, value := range map[string]string{"throttle-account": "100/30s", "throttle-source": "1000/1s"} {
		if f := flags.Lookup(flag); f.DefValue != value || !strings.Contains(f.Usage, "`failures/time`") {
			t.Errorf("--%s is %s: %s", flag, f.DefValue, f.Usage)
		}
	}
	var o storage.Options
	if s.set(&o); o.Account != storage.DefaultAccountRate || o.Source != storage.DefaultSourceRate {
		t.Errorf("%+v, %+v", o.Account, o.Source)
	}
}

// A server slows down guessing as it is told to, and who guesses from one address
// says in vain that he is at many.
func TestThrottleSettings(t *testing.T) {
	for _, test := range []struct {
		account, source string
		name            func(attempt int) string
		fails           int // then none is made
		retryAfter      int // seconds, less those that the test takes
	}{
		{"2/1h", "0", func(int) string { return "admin" }, 2, 3600},
		{"2/90m", "0", func(int) string { return "nobody" }, 2, 5400},
		{"0", "3/2h", func(n int) string { return fmt.Sprint("name", n) }, 3, 7200},
		{"2/1h", "3/2h", func(n int) string { return fmt.Sprint("name", n) }, 3, 7200},
		{"0", "0", func(int) string { return "admin" }, 5, 0},
	} {
		t.Run(test.account+" "+test.source, func(t *testing.T) {
			p := start(t, t.TempDir(), []string{"USHER_THROTTLE_SOURCE=" + test.source}, "--demo", "--throttle-account", test.account)
			for n := range 5 {
				status, retryAfter := http.StatusUnauthorized, 0
				if n >= test.fails {
					status, retryAfter = http.StatusTooManyRequests, test.retryAfter
				}
				a := send(t, "GET", p.url+"/api/users", "", basic(test.name(n), "guess-Number1"), func(r *http.Request) {
					r.Header.Set("X-Forwarded-For", fmt.Sprint("192.0.2.", n))
				})
				got, _ := strconv.Atoi(a.header.Get("Retry-After"))
				if a.status != status || got > retryAfter || got < retryAfter-600 {
					t.Errorf("attempt %d: %s, Retry-After %q", n, a, a.header.Get("Retry-After"))
				}
			}
		})
	}
	out, err := command(t, t.TempDir(), []string{"USHER_THROTTLE_ACCOUNT=100"}, "serve", "--listen", "127.0.0.1:0").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "USHER_THROTTLE_ACCOUNT: ") || !strings.Contains(string(out), "want failures/time, as 100/30s, or 0") {
		t.Errorf("%v: %s", err, out)
	}
}
