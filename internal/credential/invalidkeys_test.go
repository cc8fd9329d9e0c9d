package credential

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"
)

// invalidToken returns a token with these words and a right checksum that no server issued.
func invalidToken(words string) string {
	value := words + "_" + strings.Repeat("A", tokenIDLen) + "_" + strings.Repeat("B", tokenSecretLen-checksumLen)
	sum := checksum(value)
	return value + string(sum[:])
}

// invalidKeys returns the invalid texts that take longest to refuse, by name.
func invalidKeys() map[string]string {
	all := map[string]string{
		"one word each": invalidToken("clv_ak"), "12 words each": invalidToken(strings.Repeat("a_", 24) + "a"),
		"12 words in all": invalidToken(strings.Repeat("a_", 12) + "a"),
	}
	for _, c := range "_:.-=; a" {
		all["60 KiB of "+string(c)] = strings.Repeat(string(c), 60<<10)
	}
	return all
}

func newTestKeyring(t testing.TB) *Keyring {
	k, err := NewKeyring(NewRoot(rand.Reader), FirstVersions(), rand.Reader, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Under the race detector a sync.Pool drops some of its items, so tags cost a few allocations then.
func TestAnInvalidKeyIsRecognisedWithoutAnAllocation(t *testing.T) {
	k := newTestKeyring(t)
	for name, value := range invalidKeys() {
		most := 0.0
		if raceDetector && strings.Contains(name, "word") {
			most = 4 * 12
		}
		if n := testing.AllocsPerRun(100, func() {
			if p, ok := Parse(value); ok && k.Tagged(p) {
				t.Errorf("%s is a key", name)
			}
			if p, ok := ParsePair(value, value); ok && k.Tagged(p) {
				t.Errorf("%s is a pair", name)
			}
		}); n > most {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestATokensWordsAreSplitWhereverPrefixAndLabelCanMeet(t *testing.T) {
	k := newTestKeyring(t)
	long, words := strings.Repeat("a", MaxWordLength), strings.Repeat("a_", 11)+"ab"
	for _, shape := range []Shape{
		{Style: Token, Prefix: "a", Label: "b"},
		{Style: Token, Prefix: long, Label: long},
		{Style: Token, Prefix: words, Label: words},
		{Style: Token, Prefix: "a", Label: words},
		{Style: Token, Prefix: words, Label: "a"},
		{Style: Token, Prefix: "a", Label: long},
		{Style: Token, Prefix: long, Label: "a"},
	} {
		p, ok := Parse(k.Issue(shape).Value.Reveal())
		if !ok || !k.Tagged(p) {
			t.Errorf("%+v: parsed %t", shape, ok)
		}
	}
}

func BenchmarkInvalidKey(b *testing.B) {
	k := newTestKeyring(b)
	for name, value := range invalidKeys() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if p, ok := Parse(value); ok {
					k.Tagged(p)
				}
			}
		})
	}
}
