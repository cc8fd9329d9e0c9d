package web_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/web"
)

func TestAFloodOfFailuresLeavesAFewLinesASecondAndHidesNoOtherKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged strings.Builder
		log := slog.New(slog.NewTextHandler(&logged, nil))
		router := web.NewRouter(web.NewMiddleware(authenticator(), log, web.Options{}))
		refuse := func(err error) {
			router.Refuse(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/api/v1/verify", nil), err)
		}
		const seconds = 4
		for range seconds {
			for range 1000 {
				refuse(fault.Wrap(fault.Unavailable, errors.New("the clock stepped back"), ""))
			}
			<-time.After(time.Second)
		}
		if n := strings.Count(logged.String(), "request failed"); n != 3*seconds {
			t.Errorf("%d lines in %d seconds", n, seconds)
		}
		first, _, _ := strings.Cut(logged.String(), "\n")
		if !strings.Contains(first, "code=unavailable") || !strings.Contains(first, "the clock stepped back") {
			t.Errorf("the first line is %q", first)
		}
		refuse(fault.Unavailable)
		refuse(errors.New("a bug"))
		if !strings.Contains(logged.String(), "a bug") {
			t.Error("a failure of another kind left no line")
		}
	})
}
