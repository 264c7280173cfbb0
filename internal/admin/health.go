package admin

import (
	"fmt"
	"net/http"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
)

// Health answers the health checks of supervisors and passes all other requests to next:
// /healthz is 200 while the process answers requests; /readyz is 200, or 503 while ready
// returns an error. Both also answer below prefix, for proxies that add one. Only loopback
// clients see the error, because it may name folders.
func Health(prefix string, ready func() error, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/healthz", prefix + "/healthz":
			answer(w, nil, r)
		case "/readyz", prefix + "/readyz":
			answer(w, ready(), r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func answer(w http.ResponseWriter, err error, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
	case err == nil:
		fmt.Fprintln(w, "ok")
	case IsLoopback(r.RemoteAddr):
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, "not ready: "+human.OneLine(err))
	default:
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, "not ready")
	}
}
