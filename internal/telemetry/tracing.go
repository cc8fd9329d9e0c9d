package telemetry

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// TracingRequested reports whether the standard variables of OpenTelemetry switch tracing on: they
// name an endpoint or the exporter otlp, and none of them switches it off.
func TracingRequested(lookup func(name string) (string, bool)) bool {
	is := func(name, value string) bool {
		v, _ := lookup(name)
		return strings.EqualFold(strings.TrimSpace(v), value)
	}
	named := func(name string) bool { return !is(name, "") }
	switch {
	case is("OTEL_SDK_DISABLED", "true"), is("OTEL_TRACES_EXPORTER", "none"):
		return false
	}
	return is("OTEL_TRACES_EXPORTER", "otlp") || named("OTEL_EXPORTER_OTLP_ENDPOINT") ||
		named("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
}

// Tracing sends traces by OTLP over HTTP. A nil *Tracing is off and costs only a comparison.
//
// Like a line of the log, a span holds nothing that a client chose: names and attributes are
// routes, statuses and words of our own.
type Tracing struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
}

// StartTracing starts tracing. The standard variables of OpenTelemetry, which its exporter reads,
// set where to and how much. If a trace cannot be sent, the error is logged and the trace is lost.
func StartTracing(ctx context.Context, version string, log *slog.Logger) (*Tracing, error) {
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, err
	}
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "claviger"),
			attribute.String("service.version", version)),
		resource.WithFromEnv(), resource.WithTelemetrySDK())
	if err != nil {
		return nil, err
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("tracing", "error", err) }))
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(about))
	return &Tracing{provider, provider.Tracer("github.com/claviger-dev/claviger")}, nil
}

// Stop sends the remaining traces and ends tracing.
func (t *Tracing) Stop(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

// StartRequest starts the span of a request. Call end once the request is answered. A trace of the
// client is linked and not continued, because a client must choose neither the ids of our spans nor
// what is sampled.
func (t *Tracing) StartRequest(r *http.Request) (with *http.Request,
	end func(method, route string, status int, requestID string),
) {
	if t == nil {
		return r, func(string, string, int, string) {}
	}
	remote := propagation.TraceContext{}.Extract(context.Background(), propagation.HeaderCarrier(r.Header))
	ctx, span := t.tracer.Start(r.Context(), "request", trace.WithSpanKind(trace.SpanKindServer),
		trace.WithLinks(trace.LinkFromContext(remote)))
	return r.WithContext(ctx), func(method, route string, status int, requestID string) {
		span.SetName(method + " " + route)
		span.SetAttributes(attribute.String("http.request.method", method), attribute.String("http.route", route),
			attribute.Int("http.response.status_code", status), attribute.String("claviger.request_id", requestID))
		finish(span, status >= http.StatusInternalServerError)
	}
}

// StartWrite starts the span of a change in the store. Call end with the result of the change.
func (t *Tracing) StartWrite(ctx context.Context) (with context.Context, end func(result string, failed bool)) {
	if t == nil {
		return ctx, func(string, bool) {}
	}
	ctx, span := t.tracer.Start(ctx, "store.write")
	return ctx, func(result string, failed bool) {
		span.SetAttributes(attribute.String("claviger.result", result))
		finish(span, failed)
	}
}

func finish(span trace.Span, failed bool) {
	if failed {
		span.SetStatus(codes.Error, "")
	}
	span.End()
}
