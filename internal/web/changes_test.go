package web_test

import (
	"testing"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/web"
)

func TestNoKeyOrSessionKeepsItsOwnerFromTakingAuthorityAwayInAnother(t *testing.T) {
	owner := principal.Person{ID: "usr_1"}
	key := func(id ident.KeyID) principal.Principal {
		return principal.OfKey(&principal.Key{ID: id, Owner: owner.Party()})
	}
	session := func(id ident.SessionID) principal.Principal {
		return principal.OfSession(&principal.Session{ID: id, User: owner})
	}
	for name, stolen := range map[string]principal.Principal{"key": key("key_1"), "session": session("ses_1")} {
		t.Run(name, func(t *testing.T) {
			l := web.NewChangeLimit(2)
			for range 20 {
				if err := l.Consume(stolen, true); err != nil {
					t.Fatal(err)
				}
			}
			if err := l.Consume(stolen, true); fault.KindOf(err) != fault.LimitOfChanges || fault.RetryAfter(err) <= 0 {
				t.Errorf("the next one of what was stolen: %v", err)
			}
			if err := l.Consume(session("ses_2"), true); err != nil {
				t.Errorf("the owner's: %v", err)
			}
		})
	}
	t.Run("keys count together", func(t *testing.T) {
		l := web.NewChangeLimit(1)
		for i := range 10 {
			if err := l.Consume(key(ident.KeyID("key_"+string(rune('a'+i)))), true); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Consume(key("key_z"), true); fault.KindOf(err) != fault.LimitOfChanges {
			t.Errorf("one more: %v", err)
		}
	})
}
