package telemetry_test

import (
	"testing"

	"github.com/claviger-dev/claviger/internal/telemetry"
)

func TestTracesAreOffUnlessTheStandardVariablesAskForThem(t *testing.T) {
	const (
		endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
		traces   = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
		exporter = "OTEL_TRACES_EXPORTER"
		disabled = "OTEL_SDK_DISABLED"
	)
	for _, c := range []struct {
		set  map[string]string
		want bool
	}{
		{nil, false},
		{map[string]string{endpoint: ""}, false},
		{map[string]string{endpoint: "http://127.0.0.1:4318"}, true},
		{map[string]string{traces: "http://127.0.0.1:4318/v1/traces"}, true},
		{map[string]string{exporter: "otlp"}, true},
		{map[string]string{exporter: "none", endpoint: "http://127.0.0.1:4318"}, false},
		{map[string]string{disabled: "TRUE", endpoint: "http://127.0.0.1:4318"}, false},
		{map[string]string{disabled: "false", endpoint: "http://127.0.0.1:4318"}, true},
		{map[string]string{"OTEL_SERVICE_NAME": "claviger"}, false},
	} {
		if got := telemetry.TracingRequested(func(name string) (string, bool) {
			v, ok := c.set[name]
			return v, ok
		}); got != c.want {
			t.Errorf("%v: %v", c.set, got)
		}
	}
}
