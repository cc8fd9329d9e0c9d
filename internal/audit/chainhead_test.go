package audit_test

import (
	"crypto/sha256"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/audit"
)

// keyOf returns an audit key that comes from a text in the place of a root secret.
func keyOf(root string) *audit.Key {
	return audit.NewKey(func(int) []byte { sum := sha256.Sum256([]byte(root)); return sum[:] })
}

func TestAHeadIsSignedByTheRootSecretAndForItsChainAlone(t *testing.T) {
	key, other := keyOf("one"), keyOf("another")
	head := key.Sign("ten_1", audit.Head{Seq: 3, Hash: audit.Hash{1}, Change: 7})
	if !key.Signed("ten_1", head) {
		t.Fatal("a head that was just signed is not")
	}
	if !key.Signed("ten_1", audit.Head{}) {
		t.Error("an empty chain needs a signature")
	}
	for what, signed := range map[string]bool{
		"under another root secret": other.Signed("ten_1", head),
		"for another chain":         key.Signed("ten_2", head),
		"without the root secret":   (*audit.Key)(nil).Signed("ten_1", head),
	} {
		if signed {
			t.Error("signed " + what)
		}
	}
	for what, alter := range map[string]func(h *audit.Head){
		"number":    func(h *audit.Head) { h.Seq++ },
		"hash":      func(h *audit.Head) { h.Hash[0]++ },
		"change":    func(h *audit.Head) { h.Change++ },
		"unproven":  func(h *audit.Head) { h.Unproven++ },
		"version":   func(h *audit.Head) { h.MAC.Version++ },
		"signature": func(h *audit.Head) { h.MAC.Sum[31]++ },
	} {
		altered := head
		alter(&altered)
		if key.Signed("ten_1", altered) {
			t.Errorf("a head with another %s counts as signed", what)
		}
	}
}

func TestAStateComesBackAsItWasWrittenAndNothingElseIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := audit.State{Change: rapid.Int64Min(0).Draw(t, "change")}
		copy(want.Sum[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "sum"))
		got, err := audit.ParseState(want.String())
		if err != nil || got != want {
			t.Fatalf("%s is read as %v, %v", want, got, err)
		}
	})
}

func FuzzParseState(f *testing.F) {
	good := audit.State{Change: 12}.String()
	for _, text := range []string{
		good, "", ":", "1:", "-1:" + strings.Repeat("A", 43), "01:" + strings.Repeat("A", 43),
		"1:" + strings.Repeat("A", 42) + "B", good + "=", good + "\n", good[:9] + "\r\n" + good[9:],
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := audit.ParseState(text); err == nil && s.String() != text {
			t.Errorf("%q is read as %s", text, s)
		}
	})
}
