package fault_test

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
)

func TestAKindIsFoundThroughAnyWrapping(t *testing.T) {
	cases := []struct {
		name string
		err  error
		want fault.Kind
	}{
		{"a bare kind", fault.NotFound, fault.NotFound},
		{"a message", fault.New(fault.Conflict, "taken"), fault.Conflict},
		{"a wrapped message", fmt.Errorf("key: %w", fault.New(fault.Conflict, "taken")), fault.Conflict},
		{"a joined error", errors.Join(io.EOF, fault.Unavailable), fault.Unavailable},
		{"the outer of two", fault.Wrap(fault.Unavailable, fault.NotFound, "try later"), fault.Unavailable},
		{"fields", fault.Refuse(fault.Field{Name: "name", Code: "required"}), fault.ValidationFailed},
		{"anything else", io.ErrUnexpectedEOF, fault.Internal},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := fault.KindOf(c.err); got != c.want {
				t.Errorf("KindOf = %s, want %s", got, c.want)
			}
			if c.want != fault.Internal && !errors.Is(c.err, c.want) {
				t.Errorf("errors.Is(%v, %s) is false", c.err, c.want)
			}
		})
	}
}

func TestTheCauseIsLoggedButNeverShown(t *testing.T) {
	err := fault.Wrap(fault.Unavailable, errors.New("dial tcp: refused"), "The database cannot be reached.")
	if got := fault.Message(err); got != "The database cannot be reached." {
		t.Errorf("Message = %q", got)
	}
	if got := fault.Message(errors.New("pq: syntax error")); got != "" {
		t.Errorf("Message of an unknown error = %q, want none", got)
	}
}

func TestOnlyAFailureThatNamesADelayHasOne(t *testing.T) {
	limited := fault.Retry(fault.RateLimited, time.Second, "Wait.")
	if !errors.Is(limited, fault.RateLimited) || fault.Message(limited) != "Wait." {
		t.Errorf("Retry = %v", limited)
	}
	for _, c := range []struct {
		err  error
		want time.Duration
	}{
		{limited, time.Second},
		{fmt.Errorf("key: %w", limited), time.Second},
		{fault.Wrap(fault.Internal, limited, ""), 0}, // the outer error counts
		{fault.RateLimited, 0},
		{nil, 0},
	} {
		if got := fault.RetryAfter(c.err); got != c.want {
			t.Errorf("RetryAfter(%v) = %v, want %v", c.err, got, c.want)
		}
	}
}

func TestNoFieldsIsNoFault(t *testing.T) {
	if err := fault.Refuse(); err != nil {
		t.Errorf("Refuse() = %v, want nil", err)
	}
}
