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
	"math"
	"os"
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

// publicID returns the public id as the database has it: in style uuid it is the key's id.
func (m Issued) publicID(key ident.KeyID) string {
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

func TestWhatIsIssuedParses(t *testing.T) {
	k := keyring(t)
	rapid.Check(t, func(t *rapid.T) {
		shape := shapes().Draw(t, "shape")
		m := k.Issue(shape)
		whole, ok := Parse(m.Value.Reveal())
		if !ok {
			t.Fatalf("an issued value of %+v does not parse", shape)
		}
		publicID := m.publicID("key_1")
		pair, ok := ParsePair(publicID, m.Secret.Reveal())
		if !ok {
			t.Fatalf("an issued pair of %+v does not parse", shape)
		}
		for name, p := range map[string]Parsed{"whole": whole, "pair": pair} {
			if p.Lookup() != m.Lookup || !p.MatchesShape(shape, publicID) || !k.Tagged(p) {
				t.Fatalf("%s: lookup %q (issued %q), matches the shape %t, tagged %t", name, p.Lookup(), m.Lookup,
					p.MatchesShape(shape, publicID), k.Tagged(p))
			}
			if !p.Matches("key_1", DigestOf("key_1", m.Secret)) {
				t.Fatalf("%s: the issued secret does not match its own digest", name)
			}
		}
	})
}

func TestATokenHasTheLengthsOfTheSeed(t *testing.T) {
	m := keyring(t).Issue(blazeauth)
	id, _ := strings.CutPrefix(m.PublicID, "bak_")
	if len(id) != 16 || len(m.Secret.Reveal()) != 48 {
		t.Errorf("public id has %d characters after the label, the secret %d; the seed says 16 and 48", len(id),
			len(m.Secret.Reveal()))
	}
	if want := "blz_mgmt_" + m.PublicID + "_" + m.Secret.Reveal(); m.Value.Reveal() != want {
		t.Error("the value is not prefix, public id and secret joined by underscores")
	}
	if !strings.HasSuffix(m.Secret.Reveal(), m.Last4) || len(m.Last4) != 4 {
		t.Errorf("last four = %q", m.Last4)
	}
}

// accepts reports whether the text would be accepted in place of the issued key.
func accepts(k *Keyring, m Issued, key ident.KeyID, text string) bool {
	p, ok := Parse(text)
	return ok && p.Lookup() == m.Lookup && k.Tagged(p) && p.MatchesShape(m.Shape, m.publicID(key)) && p.Matches(key,
		DigestOf(key, m.Secret))
}

func TestNoOneEditNeighbourOfALiveCredentialIsAccepted(t *testing.T) {
	k := keyring(t)
	const key = ident.KeyID("key_1")
	letters := base62 + "_ -:\x00\n"
	for _, shape := range everyShape {
		m := k.Issue(shape)
		value := m.Value.Reveal()
		if !accepts(k, m, key, value) {
			t.Fatal("the credential itself is refused: the test proves nothing")
		}
		for at := range len(value) + 1 {
			for _, c := range letters {
				neighbours := []string{value[:at] + string(c) + value[at:]} // insertion
				if at < len(value) {
					// substitution, deletion
					neighbours = append(neighbours, value[:at]+string(c)+value[at+1:], value[:at]+value[at+1:])
				}
				if at+1 < len(value) {
					// transposition
					neighbours = append(neighbours, value[:at]+value[at+1:at+2]+value[at:at+1]+value[at+2:])
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

func TestAnIDThatThisServerNeverIssuedIsUntagged(t *testing.T) {
	ours, theirs := keyring(t), keyring(t)
	for range 1000 {
		for _, shape := range []Shape{standard, blazeauth, blazemeter, loadrunner} {
			p, _ := Parse(theirs.Issue(shape).Value.Reveal())
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
		p, _ := Parse(theirs.Issue(blancco).Value.Reveal())
		if ours.Tagged(p) {
			tagged++
		}
	}
	if tagged > 3*tries/1024 { // 20 are expected
		t.Errorf("%d of %d pass", tagged, tries)
	}
}

func TestTheREADMESaysHowRandomASecretIs(t *testing.T) {
	t.Parallel()
	base62Bits := math.Log2(float64(len(base62)))
	token, client := math.Floor((tokenSecretLen-checksumLen)*base62Bits), math.Floor(clientSecretLen*base62Bits)
	want := fmt.Sprintf(
		"The secret is random (%.0f bits in style `token`, %d in `pair`, %.0f in `client`, %d in `uuid`)",
		token, pairSecretLen*4, client, 122-uuidTagBits)
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(strings.Fields(string(text)), " "), want) { // whatever its line breaks
		t.Errorf("it does not say: %s", want)
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
			m := k.Issue(shape)
			if !regexp.MustCompile(looks[shape.Style]).MatchString(m.Value.Reveal()) {
				t.Fatalf("style %s: %s", shape.Style, m.Value.Reveal())
			}
			if !strings.HasSuffix(m.Secret.Reveal(), m.Last4) || len(m.Last4) != 4 {
				t.Errorf("style %s: last four %q", shape.Style, m.Last4)
			}
		}
	}
}

func TestATokenThatThisServerNeverIssuedIsRecognised(t *testing.T) {
	ours, theirs := keyring(t), keyring(t)
	token := ours.IssueToken(SessionToken).Reveal()
	if !ours.TokenTagged(SessionToken, token) {
		t.Fatal("a token of ours is not known")
	}
	for name, sent := range map[string]string{
		"another kind":     ours.IssueToken(ClaimToken).Reveal(),
		"another server's": theirs.IssueToken(SessionToken).Reveal(), "none": "", "cut": token[:len(token)-1],
		"longer":     token + "0",
		"edited":     token[:20] + string(token[20]^1) + token[21:],
		"edited tag": token[:len(token)-1] + string(token[len(token)-1]^1),
	} {
		if ours.TokenTagged(SessionToken, sent) {
			t.Errorf("%s: taken for ours", name)
		}
	}
}

func TestAReissuedSecretKeepsItsIDAndDiffers(t *testing.T) {
	k := keyring(t)
	for _, shape := range everyShape {
		old := k.Issue(shape)
		m := k.Reissue(shape, old.PublicID, old.TagVersion)
		if m.Secret.Reveal() == old.Secret.Reveal() || m.Shape != shape {
			t.Errorf("style %s: not another secret of the shape", shape.Style)
		}
		if m.PublicID != old.PublicID || shape.Style != UUID && m.Lookup != old.Lookup {
			t.Errorf("style %s: id %s became %s", shape.Style, old.PublicID, m.PublicID)
		}
		p, ok := Parse(m.Value.Reveal())
		if !ok || !k.Tagged(p) || !p.MatchesShape(shape, m.PublicID) || p.Lookup() != m.Lookup {
			t.Errorf("style %s: what was reissued does not parse", shape.Style)
		}
	}
}

func TestAPairUnderAnotherPublicIDDoesNotMatch(t *testing.T) {
	k := keyring(t)
	for _, shape := range everyShape {
		m, other := k.Issue(shape), k.Issue(shape)
		p, ok := ParsePair(m.publicID("key_1"), m.Secret.Reveal())
		if !ok || !p.MatchesShape(shape, m.publicID("key_1")) {
			t.Fatalf("style %s: its own public id does not match", shape.Style)
		}
		if p.MatchesShape(shape, other.publicID("key_2")) {
			t.Errorf("style %s: another's public id matches", shape.Style)
		}
	}
}

func TestAnOldTagVersionStaysGoodUntilItIsRetired(t *testing.T) {
	root := NewRoot(rand.Reader)
	first := keyringOf(t, root, FirstVersions()...)
	both := append([]Version{{Purpose: TagPurpose, Number: 2}}, FirstVersions()...)
	rotated := keyringOf(t, root, both...)
	retired := keyringOf(t, root,
		slices.DeleteFunc(both, func(v Version) bool { return v == Version{Purpose: TagPurpose, Number: 1} })...)
	old, _ := Parse(first.Issue(standard).Value.Reveal())
	fresh, _ := Parse(rotated.Issue(standard).Value.Reveal())
	if !rotated.Tagged(old) || !rotated.Tagged(fresh) || !retired.Tagged(fresh) {
		t.Error("a live version is refused, or new ids carry an old version")
	}
	if retired.Tagged(old) || first.Tagged(fresh) {
		t.Error("a version that is not in the keyring is accepted")
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
	if err != nil || back.Fingerprint() != root.Fingerprint() {
		t.Fatalf("ParseRoot: %v", err)
	}
	if NewRoot(rand.Reader).Fingerprint() == root.Fingerprint() {
		t.Error("two roots have one fingerprint")
	}
	for _, bad := range []string{
		"", "short", root.Text().Reveal() + "A", root.Text().Reveal()[1:],
		strings.Repeat("!", 43), root.Text().Reveal()[:9] + "\n" + root.Text().Reveal()[9:],
	} {
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
		Part   Parsed
	}
	h := holder{
		Open: NewSecret(canary), hidden: NewSecret(canary), Root: Root{NewSecret(canary)},
		Part: Parsed{secret: canary, lookup: canary},
	}
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
	page := template.Must(template.New("").Parse(
		`<a title="{{.Open}}" href="?q={{.Open}}">{{.Open}}</a><script>var x = {{.Open}}</script>`))
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
		value := k.Issue(shape).Value.Reveal()
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
			k.Tagged(p) // it must not panic
		}
	})
}

// A cursor has one spelling: nothing else opens, whatever it decodes to.
func FuzzOpenCursor(f *testing.F) {
	k := keyring(f)
	const position = `{"t":"2026-11-29T00:00:00Z","i":"key_1"}`
	good := k.SealCursor([]byte(position), "list")
	f.Add(strings.TrimPrefix(good, "1."))
	f.Fuzz(func(t *testing.T, text string) {
		made := k.SealCursor([]byte(text), "list")
		if plain, ok := k.OpenCursor(made, "list"); !ok || string(plain) != text {
			t.Errorf("%q is read as %q, %t", text, plain, ok)
		}
		for _, other := range []string{
			text, text + made, made + text, text + "." + good, made[:5] + text + made[5:], "+" + made, "0" + made,
			made + "\n", made + "=",
			made[:4] + "\r\n" + made[4:],
		} {
			if _, ok := k.OpenCursor(other, "list"); ok && other != made {
				t.Errorf("%q opens, which nothing sealed", other)
			}
		}
	})
}

func FuzzParsePair(f *testing.F) {
	k := keyring(f)
	for _, shape := range everyShape {
		m := k.Issue(shape)
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

func BenchmarkParseAndMatch(b *testing.B) {
	m := keyring(b).Issue(standard)
	value, d := m.Value.Reveal(), DigestOf("key_1", m.Secret)
	b.ReportAllocs()
	for b.Loop() {
		if p, ok := Parse(value); !ok || !p.Matches("key_1", d) {
			b.Fatal("refused")
		}
	}
}

func BenchmarkTag(b *testing.B) {
	k := keyring(b)
	p, _ := Parse(k.Issue(blazeauth).Value.Reveal())
	b.ReportAllocs()
	for b.Loop() {
		k.Tagged(p)
	}
}
