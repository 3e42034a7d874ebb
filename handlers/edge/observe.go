package edge

import (
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// log writes the request's one line.
func (a *api) log(call *Call, rec *recorder, elapsed time.Duration, sent error) {
	attrs := make([]slog.Attr, 0, 12)
	attrs = append(attrs,
		slog.String("api", a.Name),
		slog.String("operation", call.Operation),
		slog.String("method", call.Request.Method),
		slog.String("path", call.Request.URL.Path),
		slog.Int("status", rec.status),
		slog.Float64("duration_ms", float64(elapsed.Microseconds())/1000),
		slog.String("source", call.Source),
		slog.String("request_id", call.ID),
	)
	if call.Code != "" {
		attrs = append(attrs, slog.String("code", call.Code))
	}
	if call.Principal != "" {
		attrs = append(attrs, slog.String("principal", call.Principal))
	}
	if f := call.fault; f != nil {
		attrs = append(attrs, slog.String("fault", f.Rule))
		if f.Cut != NoCut {
			attrs = append(attrs, slog.String("cut", f.Cut.String()))
		}
	}
	if call.passed != nil {
		attrs = append(attrs, slog.Int("refusal", call.passed.Status))
	}
	if sent != nil {
		attrs = append(attrs, slog.String("send_error", sent.Error()))
	}
	a.options.Logger.LogAttrs(call.Request.Context(), slog.LevelInfo, "request", attrs...)
}

// metrics are labelled by API and operation, never by path: paths are the
// callers' to invent.
type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

func newMetrics(registry prometheus.Registerer) (*metrics, error) {
	if registry == nil {
		return nil, nil
	}
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "usher_requests_total", Help: "Requests answered.",
		}, []string{"api", "operation", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "usher_request_duration_seconds", Help: "Time from a request's headers to its answer.",
			// From a read out of the page cache to a password hash behind a queue.
			Buckets: []float64{.0001, .00025, .001, .0025, .01, .025, .05, .1, .25, 1, 2.5, 10},
		}, []string{"api", "operation"}),
	}
	return m, errors.Join(register(registry, &m.requests), register(registry, &m.duration))
}

// register has c count for the registry, or makes it the collector of that name
// that does: an API may be mounted more than once.
func register[C prometheus.Collector](registry prometheus.Registerer, c *C) error {
	err := registry.Register(*c)
	var there prometheus.AlreadyRegisteredError
	if errors.As(err, &there) {
		*c, err = there.ExistingCollector.(C), nil
	}
	return err
}

// cutStatus counts what was cut, see Fault.
const cutStatus = -1

// of gives what observes the requests of one operation; an empty operation is
// all that an API does not know.
func (m *metrics) of(api, operation string) func(status int, elapsed time.Duration) {
	if m == nil {
		return func(int, time.Duration) {}
	}
	if operation == "" {
		operation = "unknown"
	}
	duration := m.duration.WithLabelValues(api, operation)
	var counters sync.Map // status → prometheus.Counter: looking a label up costs more than counting
	return func(status int, elapsed time.Duration) {
		duration.Observe(elapsed.Seconds())
		counter, ok := counters.Load(status)
		if !ok {
			label := "cut"
			if status != cutStatus {
				label = strconv.Itoa(status)
			}
			counter, _ = counters.LoadOrStore(status, m.requests.WithLabelValues(api, operation, label))
		}
		counter.(prometheus.Counter).Inc()
	}
}
