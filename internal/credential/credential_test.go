package credential

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"html/template"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/ident"
)

var (
	standard   = Shape{Style: Token, Prefix: "clv", Label: "ak"}
	blazeauth  = Shape{Style: Token, Prefix: "blz_mgmt", Label: "bak"}
	blazemeter = Shape{Style: Pair}
	loadrunner = Shape{Style: Client, Domain: "microfocus.com"}
	blancco    = Shape{Style: UUID}
	everyShape = []Shape{standard, blazeauth, blazemeter, loadrunner, blancco}
)

// publicID of a minted credential as its row has it: in style uuid the key's id stands in.
func (m Minted) publicID(key ident.KeyID) string {
	if m.PublicID == "" {
		return string(key)
	}
	return m.PublicID
}

func keyring(t testing.TB, versions ...Version) *Keyring {
	t.Helper()
	return keyringOf(t, NewRoot(rand.Reader), versions...)
}

func keyringOf(t testing.TB, root Root, versions ...Version) *Keyring {
	t.Helper()
	if versions == nil {
		versions = FirstVersions()
	}
	k, err := NewKeyring(root, versions, rand.Reader, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func shapes() *rapid.Generator[Shape] {
	words := rapid.StringMatching(`[a-z]{1,5}(_[a-z]{1,5}){0,3}`)
	return rapid.Custom(func(t *rapid.T) Shape {
		token := Shape{Style: Token, Prefix: words.Draw(t, "prefix"), Label: words.Draw(t, "label")}
		client := Shape{Style: Client, Domain: rapid.StringMatching(`[a-z0-9.-]{12,64}`).Draw(t, "domain")}
		return rapid.SampledFrom([]Shape{token, client, {Style: Pair}, {Style: UUID}}).Draw(t, "style")
	})
}

func TestWhatMintsParses(t *testing.T) {
	k := keyring(t)
	rapid.Check(t, func(t *rapid.T) {
		shape := shapes().Draw(t, "shape")
		m := k.Mint(shape)
		whole, ok := Parse(m.Value.Reveal())
		if !ok {
			t.Fatalf("a minted value of %+v does not parse", shape)
		}
		publicID := m.publicID("key_1")
		pair, ok := ParsePair(publicID, m.Secret.Reveal())
		if !ok {
			t.Fatalf("a minted pair of %+v does not parse", shape)
		}
		for name, p := range map[string]Presented{"whole": whole, "pair": pair} {
			if p.Lookup() != m.Lookup || !p.Fits(shape, publicID) || !k.Tagged(p) {
				t.Fatalf("%s: lookup %q (minted %q), fits %t, tagged %t", name, p.Lookup(), m.Lookup, p.Fits(shape, publicID), k.Tagged(p))
			}
			if !p.Proves("key_1", DigestOf("key_1", m.Secret)) {
				t.Fatalf("%s: the minted secret does not prove itself", name)
			}
		}
	})
}

func TestATokenHasTheLengthsOfTheSeed(t *testing.T) {
	m := keyring(t).Mint(blazeauth)
	id, _ := strings.CutPrefix(m.PublicID, "bak_")
	if len(id) != 16 || len(m.Secret.Reveal()) != 48 {
		t.Errorf("public id has %d characters after the label, the secret %d; the seed says 16 and 48", len(id), len(m.Secret.Reveal()))
	}
	if want := "blz_mgmt_" + m.PublicID + "_" + m.Secret.Reveal(); m.Value.Reveal() != want {
		t.Error("the value is not prefix, public id and secret joined by underscores")
	}
	if !strings.HasSuffix(m.Secret.Reveal(), m.Last4) || len(m.Last4) != 4 {
		t.Errorf("last four = %q", m.Last4)
	}
}

// accepts is the whole question: would this text be accepted in place of the minted key?
func accepts(k *Keyring, m Minted, key ident.KeyID, text string) bool {
	p, ok := Parse(text)
	return ok && p.Lookup() == m.Lookup && k.Tagged(p) && p.Fits(m.Shape, m.publicID(key)) && p.Proves(key, DigestOf(key, m.Secret))
}

func TestNoOneEditNeighbourOfALiveCredentialIsAccepted(t *testing.T) {
	k := keyring(t)
	const key = ident.KeyID("key_1")
	letters := base62 + "_ -:\x00\n"
	for _, shape := range everyShape {
		m := k.Mint(shape)
		value := m.Value.Reveal()
		if !accepts(k, m, key, value) {
			t.Fatal("the credential itself is refused: the test proves nothing")
		}
		for at := range len(value) + 1 {
			for _, c := range letters {
				neighbours := []string{value[:at] + string(c) + value[at:]} // insertion
				if at < len(value) {
					neighbours = append(neighbours, value[:at]+string(c)+value[at+1:], value[:at]+value[at+1:]) // substitution, deletion
				}
				if at+1 < len(value) {
					neighbours = append(neighbours, value[:at]+value[at+1:at+2]+value[at:at+1]+value[at+2:]) // transposition
				}
				for _, n := range neighbours {
					if n != value && accepts(k, m, key, n) {
						t.Fatalf("a neighbour edited at %d is accepted", at)
					}
				}
			}
		}
	}
}

func TestAnIDThisServerNeverMadeIsUntagged(t *testing.T) {
	ours, theirs := keyring(t), keyring(t)
	for range 1000 {
		for _, shape := range []Shape{standard, blazeauth, blazemeter, loadrunner} {
			p, _ := Parse(theirs.Mint(shape).Value.Reveal())
			if ours.Tagged(p) {
				t.Fatalf("an id of another server carries our tag in style %s", shape.Style)
			}
		}
	}
}

func TestAllButOneInAThousandUnknownUUIDsAreUntagged(t *testing.T) {
	ours, theirs := keyring(t), keyring(t)
	const tries = 20_000
	tagged := 0
	for range tries {
		p, _ := Parse(theirs.Mint(blancco).Value.Reveal())
		if ours.Tagged(p) {
			tagged++
		}
	}
	if tagged > 3*tries/1024 { // 20 are expected
		t.Errorf("%d of %d pass", tagged, tries)
	}
}

func TestTheStylesLookAsTheSeedsShow(t *testing.T) {
	k := keyring(t)
	looks := map[Style]string{
		Token:  `^blz_mgmt_bak_[0-9A-Za-z]{16}_[0-9A-Za-z]{48}$`,
		Pair:   `^[0-9a-f]{24}:[0-9a-f]{72}$`,
		Client: `^oauth2-[0-9A-Za-z]{22}@microfocus\.com:[0-9A-Za-z]{43}$`,
		UUID:   `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`,
	}
	for _, shape := range everyShape[1:] {
		for range 100 {
			m := k.Mint(shape)
			if !regexp.MustCompile(looks[shape.Style]).MatchString(m.Value.Reveal()) {
				t.Fatalf("style %s: %s", shape.Style, m.Value.Reveal())
			}
			if !strings.HasSuffix(m.Secret.Reveal(), m.Last4) || len(m.Last4) != 4 {
				t.Errorf("style %s: last four %q", shape.Style, m.Last4)
			}
		}
	}
}

func TestATicketThisServerNeverMadeIsTold(t *testing.T) {
	ours, theirs := keyring(t), keyring(t)
	token := ours.MintTicket(SessionTicket).Reveal()
	if !ours.OwnTicket(SessionTicket, token) {
		t.Fatal("a token of ours is not known")
	}
	for name, sent := range map[string]string{
		"another kind": ours.MintTicket(ClaimTicket).Reveal(), "another server's": theirs.MintTicket(SessionTicket).Reveal(), "none": "", "cut": token[:len(token)-1], "longer": token + "0",
		"edited": token[:20] + string(token[20]^1) + token[21:], "edited tag": token[:len(token)-1] + string(token[len(token)-1]^1),
	} {
		if ours.OwnTicket(SessionTicket, sent) {
			t.Errorf("%s: taken for ours", name)
		}
	}
}

func TestARenewedSecretKeepsItsIDAndIsAnother(t *testing.T) {
	k := keyring(t)
	for _, shape := range everyShape {
		old := k.Mint(shape)
		m := k.Renew(shape, old.PublicID, old.TagVersion)
		if m.Secret.Reveal() == old.Secret.Reveal() || m.Shape != shape {
			t.Errorf("style %s: not another secret of the shape", shape.Style)
		}
		if m.PublicID != old.PublicID || shape.Style != UUID && m.Lookup != old.Lookup {
			t.Errorf("style %s: id %s became %s", shape.Style, old.PublicID, m.PublicID)
		}
		p, ok := Parse(m.Value.Reveal())
		if !ok || !k.Tagged(p) || !p.Fits(shape, m.PublicID) || p.Lookup() != m.Lookup {
			t.Errorf("style %s: what was renewed does not parse", shape.Style)
		}
	}
}

func TestAPairUnderAnotherPublicIDDoesNotFit(t *testing.T) {
	k := keyring(t)
	for _, shape := range everyShape {
		m, other := k.Mint(shape), k.Mint(shape)
		p, ok := ParsePair(m.publicID("key_1"), m.Secret.Reveal())
		if !ok || !p.Fits(shape, m.publicID("key_1")) {
			t.Fatalf("style %s: its own public id does not fit", shape.Style)
		}
		if p.Fits(shape, other.publicID("key_2")) {
			t.Errorf("style %s: another's public id fits", shape.Style)
		}
	}
}

func TestAnOldTagVersionStaysGoodUntilItIsRetired(t *testing.T) {
	root := NewRoot(rand.Reader)
	first := keyringOf(t, root, FirstVersions()...)
	both := append([]Version{{Purpose: TagPurpose, Number: 2}}, FirstVersions()...)
	rotated := keyringOf(t, root, both...)
	retired := keyringOf(t, root, slices.DeleteFunc(both, func(v Version) bool { return v == Version{Purpose: TagPurpose, Number: 1} })...)
	old, _ := Parse(first.Mint(standard).Value.Reveal())
	fresh, _ := Parse(rotated.Mint(standard).Value.Reveal())
	if !rotated.Tagged(old) || !rotated.Tagged(fresh) || !retired.Tagged(fresh) {
		t.Error("a live version is refused, or new ids carry an old version")
	}
	if retired.Tagged(old) || first.Tagged(fresh) {
		t.Error("a version that is not kept is accepted")
	}
}

func TestASealedDigestOpensOnlyInItsOwnRow(t *testing.T) {
	k := keyring(t)
	row := Row{Key: "key_1", Serial: 1}
	d := DigestOf(row.Key, NewSecret("s"))
	sealed := k.SealDigest(d, row)
	if back, err := k.OpenDigest(sealed, row); err != nil || back != d {
		t.Fatalf("does not open in its own row: %v", err)
	}
	if bytes.Contains(sealed.Bytes, d[:8]) {
		t.Error("the digest can be read in the sealed text")
	}
	flipped := Sealed{Version: 1, Bytes: bytes.Clone(sealed.Bytes)}
	flipped.Bytes[20] ^= 1
	for name, attempt := range map[string]struct {
		sealed Sealed
		row    Row
	}{
		"another key":             {sealed, Row{Key: "key_2", Serial: 1}},
		"another secret":          {sealed, Row{Key: "key_1", Serial: 2}},
		"a flipped bit":           {flipped, row},
		"cut short":               {Sealed{Version: 1, Bytes: sealed.Bytes[:5]}, row},
		"a version never derived": {Sealed{Version: 9, Bytes: sealed.Bytes}, row},
	} {
		if _, err := k.OpenDigest(attempt.sealed, attempt.row); err == nil {
			t.Errorf("%s: opens", name)
		}
	}
}

func TestADigestBelongsToOneKey(t *testing.T) {
	s := NewSecret("same secret")
	if DigestOf("key_1", s) == DigestOf("key_2", s) {
		t.Error("two keys with the same secret have the same digest")
	}
}

func TestARootSecretSurvivesItsFile(t *testing.T) {
	root := NewRoot(rand.Reader)
	back, err := ParseRoot(root.Text().Reveal() + "\n")
	if err != nil || back.Check() != root.Check() {
		t.Fatalf("ParseRoot: %v", err)
	}
	if NewRoot(rand.Reader).Check() == root.Check() {
		t.Error("two roots have one fingerprint")
	}
	for _, bad := range []string{"", "short", root.Text().Reveal() + "A", root.Text().Reveal()[1:], strings.Repeat("!", 43)} {
		if _, err := ParseRoot(bad); err == nil || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("a bad root secret gives %v", err)
		}
	}
}

func TestASecretIsNeverPrinted(t *testing.T) {
	const canary = "canary-7f3a"
	type holder struct {
		Open   Secret
		hidden Secret
		Root   Root
		Part   Presented
	}
	h := holder{Open: NewSecret(canary), hidden: NewSecret(canary), Root: Root{NewSecret(canary)}, Part: Presented{secret: canary, lookup: canary}}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		for _, v := range []any{h.Open, &h.Open, h, &h, []Secret{h.Open}, map[string]Secret{"k": h.Open}, h.hidden} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		for _, v := range []any{h.Part, &h.Part, h.Root} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	for _, v := range []any{h, h.Open, []any{h.Open}} {
		text, err := json.Marshal(v)
		out.Write(text)
		if err != nil {
			t.Fatal(err)
		}
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "secret", h.Open, "any", h, "part", h.Part)
	slog.New(slog.NewTextHandler(&out, nil)).Info("m", "secret", h.Open, "part", h.Part)
	fmt.Fprint(&out, fmt.Errorf("wrapped: %w", errors.Join(fmt.Errorf("%v", h.Open), fmt.Errorf("%v", h.Open))))
	page := template.Must(template.New("").Parse(`<a title="{{.Open}}" href="?q={{.Open}}">{{.Open}}</a><script>var x = {{.Open}}</script>`))
	if err := page.Execute(&out, h); err != nil {
		t.Fatal(err)
	}
	for _, trace := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary)} {
		if strings.Contains(strings.ReplaceAll(out.String(), "-0x", ""), trace) {
			at := strings.Index(out.String(), trace)
			t.Errorf("the secret is printed: …%s…", out.String()[max(0, at-80):at+40])
		}
	}
	if !strings.Contains(out.String(), redacted) {
		t.Error("nothing was printed at all: the test proves nothing")
	}
}

func TestTheFaultsOfAShapeNameTheField(t *testing.T) {
	cases := []struct {
		shape Shape
		want  string
	}{
		{standard, ""},
		{Shape{Style: Token, Prefix: strings.Repeat("a", 24), Label: "b"}, ""},
		{Shape{Style: Token, Prefix: strings.Repeat("a", 25), Label: "b"}, "prefix"},
		{Shape{Style: Token, Prefix: "a__b", Label: "b"}, "prefix"},
		{Shape{Style: Token, Prefix: "a", Label: "B"}, "label"},
		{Shape{Style: Token, Prefix: "a", Label: ""}, "label"},
		{Shape{Style: Client, Domain: "microfocus.com"}, ""},
		{Shape{Style: Client, Domain: "short.com"}, "client_domain"},
		{Shape{Style: Pair}, ""},
		{Shape{Style: UUID}, ""},
		{Shape{Style: "jwt"}, "style"},
	}
	for _, c := range cases {
		got := ""
		for _, f := range c.shape.Faults() {
			got += f.Name
		}
		if got != c.want {
			t.Errorf("%+v: fault in %q, want %q", c.shape, got, c.want)
		}
	}
}

func TestTheChecksumIsTheStandardOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		var want [checksumLen]byte
		writeBase62(want[:], uint64(crc32.ChecksumIEEE([]byte(text))))
		if got := checksum(text); got != want {
			t.Fatalf("checksum(%q) = %s, want %s", text, got, want)
		}
	})
}

func FuzzParse(f *testing.F) {
	k := keyring(f)
	for _, shape := range append(everyShape, Shape{Style: Token, Prefix: "a", Label: "b"}) {
		value := k.Mint(shape).Value.Reveal()
		f.Add(value)
		f.Add(value[1:])
		f.Add(value + "0")
		f.Add(strings.ToUpper(value))
	}
	f.Add("")
	f.Add("clv_ak_" + strings.Repeat("_", 65))
	f.Fuzz(func(t *testing.T, value string) {
		p, ok := Parse(value)
		if ok && p.encode() != value {
			t.Errorf("%q parses but re-encodes to %q", value, p.encode())
		}
		if ok {
			k.Tagged(p) // whatever parses can be checked
		}
	})
}

func FuzzParsePair(f *testing.F) {
	k := keyring(f)
	for _, shape := range everyShape {
		m := k.Mint(shape)
		f.Add(m.publicID("key_1"), m.Secret.Reveal())
		f.Add("_"+m.Lookup, m.Secret.Reveal())
	}
	f.Add("", "")
	f.Fuzz(func(t *testing.T, id, secret string) {
		p, ok := ParsePair(id, secret)
		if ok && (p.publicID != id || p.secret != secret) {
			t.Errorf("%q, %q parse but do not re-encode", id, secret)
		}
		if ok {
			k.Tagged(p)
		}
	})
}

func BenchmarkParseAndProve(b *testing.B) {
	m := keyring(b).Mint(standard)
	value, d := m.Value.Reveal(), DigestOf("key_1", m.Secret)
	b.ReportAllocs()
	for b.Loop() {
		if p, ok := Parse(value); !ok || !p.Proves("key_1", d) {
			b.Fatal("refused")
		}
	}
}

func BenchmarkTag(b *testing.B) {
	k := keyring(b)
	p, _ := Parse(k.Mint(blazeauth).Value.Reveal())
	b.ReportAllocs()
	for b.Loop() {
		k.Tagged(p)
	}
}
