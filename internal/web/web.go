// Package web is the base of every entry point that speaks HTTP. It knows no domain rule.
//
//   - An [Authenticator] reads the one credential of a request and authenticates the caller.
//   - A [Middleware] is around every route except the verification path: request ids, security
//     headers, access log, tracing, recovery from panics, and limits on changes and on requests
//     without a credential.
//   - A [Router] has one [Surface] for each path prefix that an entry point mounts. The surface has
//     an [ErrorWriter] and a Content-Security-Policy of its own.
//
// # Where refusals are written
//
// [Surface.Refuse] writes the response to every request that fails, and nothing else does: for the
// error of a handler, of the verification path and of huma (manageapi/refusal.go), for an unknown
// path (404) and another method (405), and for a path, query string or Host that is refused. Refuse
// turns the error into a [Failure] by the one table of kinds (failure.go), logs it if the server
// itself failed, and lets the surface's ErrorWriter write it. After a panic, the middleware logs
// the stack and lets the same ErrorWriter write fault.Internal. Today there is one form, the
// problem document of RFC 9457 ([ProblemWriter]).
//
// A decision of verify about a credential is no refusal: package dataplane answers with status 200,
// even if the credential is not accepted.
package web
