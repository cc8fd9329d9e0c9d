package telemetry

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/claviger-dev/claviger/internal/metric"
)

// Family is a metric with all its label values, made by Counter, Gauge or Histogram. It is read
// only at a scrape.
//
// Names follow the conventions of Prometheus: base units, and _total for counters. The help text is
// one sentence for the reader of a graph.
type Family struct {
	desc    *prometheus.Desc
	collect func(*prometheus.Desc, chan<- prometheus.Metric)
}

// number is a type of value that a metric can have.
type number interface{ int | int64 | uint64 | float64 }

// Counter returns a family of values that only go up. read must call emit with each value and its
// label values, in the order of the labels.
func Counter[N number](name, help string, labels []string, read func(emit func(value N, labels ...string))) Family {
	return single(name, help, labels, prometheus.CounterValue, read)
}

// Gauge returns a family of values that go up and down.
func Gauge[N number](name, help string, labels []string, read func(emit func(value N, labels ...string))) Family {
	return single(name, help, labels, prometheus.GaugeValue, read)
}

func single[N number](name, help string, labels []string, kind prometheus.ValueType,
	read func(func(N, ...string)),
) Family {
	return Family{prometheus.NewDesc(name, help, labels, nil), func(d *prometheus.Desc, to chan<- prometheus.Metric) {
		read(func(v N, labels ...string) { to <- prometheus.MustNewConstMetric(d, kind, float64(v), labels...) })
	}}
}

// Histogram returns a family of durations, in seconds.
func Histogram(name, help string, labels []string, read func(emit func(d metric.Durations, labels ...string))) Family {
	return Family{prometheus.NewDesc(name, help, labels, nil), func(d *prometheus.Desc, to chan<- prometheus.Metric) {
		read(func(v metric.Durations, labels ...string) {
			to <- prometheus.MustNewConstHistogram(d, v.Count, v.Sum.Seconds(), v.Within, labels...)
		})
	}}
}

// Unlabeled returns the read function of a family without labels.
func Unlabeled[T any](value func() T) func(emit func(value T, labels ...string)) {
	return func(emit func(T, ...string)) { emit(value()) }
}

// Metrics returns a handler that serves the families, and those of the Go runtime and the process,
// in the text format of Prometheus.
func Metrics(families []Family) http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(collector(families), collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

// collector is a prometheus.Collector of families.
type collector []Family

// Describe implements prometheus.Collector.
func (c collector) Describe(to chan<- *prometheus.Desc) {
	for _, f := range c {
		to <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(to chan<- prometheus.Metric) {
	for _, f := range c {
		f.collect(f.desc, to)
	}
}
