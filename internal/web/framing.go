package web

import "net/http"

// closeUnclear ends the connection after a request whose length another server on the way may have
// understood differently, so that it may have put somebody else's request behind it: a request in
// chunks, and one of HTTP/1.0. net/http drops a Content-Length beside Transfer-Encoding, where RFC
// 9112 section 6.3 makes the server end the connection, and a Transfer-Encoding of HTTP/1.0
// (section 6.1). Handlers cannot see what was dropped. So every request that may have had one ends
// its connection; clients of this API send bodies of a known length.
func closeUnclear(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 && (len(r.TransferEncoding) > 0 || r.ProtoMinor == 0) {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
