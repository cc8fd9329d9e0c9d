package telemetry

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/claviger-dev/claviger/internal/metric"
)

// Family is a metric with all its label values, made by Counter, Gauge or Histogram. It is read at a scrape and at no other time.
//
// Names keep the conventions of Prometheus: base units, and _total for what only goes up. Help is one sentence for whoever looks at a graph.
type Family struct {
	desc    *prometheus.Desc
	collect func(*prometheus.Desc, chan<- prometheus.Metric)
}

// number is what can be shown.
type number interface{ int | int64 | uint64 | float64 }

// Counter is a family of values that only go up. read gives each with its label values, in the order of the labels.
func Counter[N number](name, help string, labels []string, read func(give func(value N, labels ...string))) Family {
	return single(name, help, labels, prometheus.CounterValue, read)
}

// Gauge is a family of values that go up and down.
func Gauge[N number](name, help string, labels []string, read func(give func(value N, labels ...string))) Family {
	return single(name, help, labels, prometheus.GaugeValue, read)
}

func single[N number](name, help string, labels []string, kind prometheus.ValueType, read func(func(N, ...string))) Family {
	return Family{prometheus.NewDesc(name, help, labels, nil), func(d *prometheus.Desc, to chan<- prometheus.Metric) {
		read(func(v N, labels ...string) { to <- prometheus.MustNewConstMetric(d, kind, float64(v), labels...) })
	}}
}

// Histogram is a family of durations, in seconds.
func Histogram(name, help string, labels []string, read func(give func(d metric.Durations, labels ...string))) Family {
	return Family{prometheus.NewDesc(name, help, labels, nil), func(d *prometheus.Desc, to chan<- prometheus.Metric) {
		read(func(v metric.Durations, labels ...string) {
			to <- prometheus.MustNewConstHistogram(d, v.Count, v.Sum.Seconds(), v.Within, labels...)
		})
	}}
}

// One reads a family that has no labels.
func One[T any](value func() T) func(give func(value T, labels ...string)) {
	return func(give func(T, ...string)) { give(value()) }
}

// Metrics serves the families, and those of the Go runtime and the process, in the text format of Prometheus.
func Metrics(families []Family) http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(collector(families), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
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
