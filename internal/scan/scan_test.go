package scan_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf16"

	"pgregory.net/rapid"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/scan"
)

var (
	standard   = credential.Shape{Style: credential.Token, Prefix: "clv", Label: "ak"}
	blazeauth  = credential.Shape{Style: credential.Token, Prefix: "blz_mgmt", Label: "bak"}
	pair       = credential.Shape{Style: credential.Pair}
	client     = credential.Shape{Style: credential.Client, Domain: "microfocus.com"}
	uuid       = credential.Shape{Style: credential.UUID}
	findable   = []credential.Shape{standard, blazeauth, pair, client}
	everyShape = append(slices.Clone(findable), uuid)
)

func keyring(t testing.TB) *credential.Keyring {
	t.Helper()
	k, err := credential.NewKeyring(credential.NewRoot(rand.Reader), credential.FirstVersions(), rand.Reader, time.Now)
	must(t, err)
	return k
}

// shapes draws any shape that a key can be found of.
func shapes() *rapid.Generator[credential.Shape] {
	words := rapid.StringMatching(`[a-z]{1,5}(_[a-z]{1,5}){0,3}`)
	return rapid.Custom(func(t *rapid.T) credential.Shape {
		token := credential.Shape{
			Style: credential.Token, Prefix: words.Draw(t, "prefix"),
			Label: words.Draw(t, "label"),
		}
		domain := credential.Shape{Style: credential.Client}
		domain.Domain = rapid.StringMatching(`[a-z0-9.-]{12,64}`).Draw(t, "domain")
		return rapid.SampledFrom([]credential.Shape{token, domain, pair}).Draw(t, "shape")
	})
}

// found returns what is found in a text.
func found(t testing.TB, r io.Reader) (all []scan.Finding) {
	t.Helper()
	must(t, scan.Read(r, func(f scan.Finding) error {
		all = append(all, f)
		return nil
	}))
	return all
}

func inText(t testing.TB, text string) []scan.Finding {
	t.Helper()
	return found(t, strings.NewReader(text))
}

func TestEveryKeyIsFoundInAnyText(t *testing.T) {
	t.Parallel()
	k := keyring(t)
	rapid.Check(t, func(r *rapid.T) {
		m := k.Issue(shapes().Draw(r, "shape"))
		value := m.Value.Reveal()
		before := rapid.StringMatching(`([ -~]{0,90}\n){0,5}([ -~]{0,50}[ ="'])?`).Draw(r, "before")
		after := rapid.StringMatching(`(["',;\n \\][ -~\n]{0,90})?`).Draw(r, "after")
		all := inText(t, before+value+after)
		line := strings.Count(before, "\n") + 1
		want := scan.Finding{
			Line: line, Column: len(before) - strings.LastIndex(before, "\n"), Style: m.Shape.Style,
			Checksum: m.Shape.Style == credential.Token, Masked: strings.TrimSuffix(value, m.Secret.Reveal()) + "…",
		}
		if !slices.Contains(all, want) {
			r.Fatalf("found %+v, not %+v", all, want)
		}
		for _, f := range all {
			if strings.Contains(f.Masked, m.Secret.Reveal()) {
				r.Fatal("it tells the secret")
			}
		}
	})
}

func TestHowAKeyIsWrittenDoesNotHideIt(t *testing.T) {
	t.Parallel()
	k := keyring(t)
	for _, shape := range everyShape {
		m := k.Issue(shape)
		id, value := m.PublicID, m.Value.Reveal()
		if id == "" {
			id = "key_01m7zjf0gjb6wpf7nycn"
		}
		pair := id + ":" + m.Secret.Reveal()
		basic := base64.StdEncoding.EncodeToString([]byte(pair))
		ways := map[string]struct {
			text     string
			checksum bool
		}{
			"base64":             {"Authorization: Basic " + basic, false},
			"base64 in JSON":     {`{"Authorization":"basic ` + basic + `"}`, false},
			"base64, unpadded":   {"Authorization: BASIC " + strings.TrimRight(basic, "="), false},
			"curl's -u":          {"curl -u " + pair + " http://127.0.0.1", false},
			"an address":         {"https://" + pair + "@api.example/", false},
			"a variable":         {"KEY=" + value, true},
			"an escaped line":    {`{"log":"one\n` + value + `\ntwo"}`, true},
			"between letters":    {"é" + value + "é", true},
			"bytes":              {"\x00\xff" + value + "\x00\x00", true},
			"the end of a line":  {value + "\r\n", true},
			"the query":          {"?key=" + value + "&a=b", true},
			"two lines of words": {"words_of_a_prefix\n" + value, true},
		}
		for name, way := range ways {
			all := inText(t, way.text)
			whole := way.checksum || name == "curl's -u" || name == "an address"
			if shape.Style == credential.UUID && whole {
				if len(all) != 0 {
					t.Errorf("uuid, %s: it is taken for a key", name)
				}
				continue
			}
			checked := way.checksum && shape.Style == credential.Token
			if len(all) != 1 || all[0].Style != shape.Style || all[0].Checksum != checked {
				t.Errorf("%s, %s: found %+v", shape.Style, name, all)
			}
		}
	}
}

func TestWhatIsNoKeyIsNotFound(t *testing.T) {
	t.Parallel()
	k := keyring(t)
	token, hexes := k.Issue(standard).Value.Reveal(), k.Issue(pair).Value.Reveal()
	oauth, one := k.Issue(client).Value.Reveal(), k.Issue(uuid).Value.Reveal()
	swapped := token[:len(token)-2] + token[len(token)-1:] + token[len(token)-2:len(token)-1]
	if swapped == token {
		swapped = token[:len(token)-1] + "-"
	}
	for name, text := range map[string]string{
		"nothing":                     "",
		"a token, cut":                token[:len(token)-1],
		"a token in capitals":         strings.ToUpper(token),
		"a token with a wrong sum":    swapped,
		"a token's secret alone":      token[len(token)-48:],
		"a token without a label":     "clv" + token[len("clv_ak"):],
		"a pair, cut":                 hexes[:len(hexes)-1],
		"a pair, longer":              hexes + "0",
		"a pair behind another digit": "0" + hexes,
		"a pair in capitals":          strings.ToUpper(hexes),
		"a client, cut":               oauth[:len(oauth)-1],
		"a client of no domain":       strings.Replace(oauth, "microfocus.com", "com", 1),
		"a UUID":                      one,
		"a UUID as somebody's password": "Authorization: Basic " +
			base64.StdEncoding.EncodeToString([]byte("ann:"+one)),
		"another's password": "Authorization: Basic " +
			base64.StdEncoding.EncodeToString([]byte("ann:secret")),
		"no base64":  "Authorization: Basic realm=claviger",
		"a digest":   "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		"an example": "clv_ak_7Hq2mZ0aBcDtTtTt_…",
	} {
		if all := inText(t, text); len(all) != 0 {
			t.Errorf("%s: found %+v", name, all)
		}
	}
}

func TestAKeyIsFoundWhereverReadsAreCut(t *testing.T) {
	t.Parallel()
	k := keyring(t)
	const chunk = 64 << 10
	for _, shape := range findable {
		value := k.Issue(shape).Value.Reveal()
		for _, at := range []int{
			0, 1, 200, chunk - 300, chunk - 256, chunk - 100, chunk - 1, chunk, chunk + 255, chunk + 256, 3*chunk + 400,
		} {
			text := []byte(strings.Repeat("-", at) + value)
			for name, r := range map[string]io.Reader{
				"whole": bytes.NewReader(text), "halves": iotest.HalfReader(bytes.NewReader(text)),
				"with its end": iotest.DataErrReader(bytes.NewReader(text)),
			} {
				if all := found(t, r); len(all) != 1 || all[0].Column != at+1 || all[0].Line != 1 {
					t.Errorf("%s at %d, %s: found %+v", shape.Style, at, name, all)
				}
			}
		}
	}
}

// manyLines is a text without end, that is not kept anywhere.
type manyLines struct{ left int }

func (m *manyLines) Read(into []byte) (int, error) {
	if m.left == 0 {
		return 0, io.EOF
	}
	n := min(len(into), m.left)
	for i := range n {
		into[i] = "abcdefghijklmnop_:"[i%18]
	}
	m.left -= n
	return n, nil
}

func TestALineOfAnyLengthTakesLittleMemory(t *testing.T) {
	value := keyring(t).Issue(standard).Value.Reveal()
	const long = 64 << 20
	most := testing.AllocsPerRun(1, func() {
		all := found(t, io.MultiReader(&manyLines{long}, strings.NewReader(" "+value)))
		if len(all) != 1 || all[0].Column != long+2 {
			t.Errorf("found %+v", all)
		}
	})
	if most > 1000 {
		t.Errorf("it allocates %.0f times", most)
	}
}

func TestTextOfUTF16IsRead(t *testing.T) {
	t.Parallel()
	for _, shape := range findable {
		value := keyring(t).Issue(shape).Value.Reveal()
		for name, order := range map[string][2]int{"little": {0, 8}, "big": {8, 0}} {
			var text []byte
			for _, unit := range utf16.Encode([]rune("\ufeffé€\nKEY " + value + " é")) {
				text = append(text, byte(unit>>order[0]), byte(unit>>order[1]))
			}
			text = append(text, 0) // half a unit
			all := found(t, iotest.OneByteReader(bytes.NewReader(text)))
			if len(all) != 1 || all[0].Line != 2 || all[0].Column != 5 {
				t.Errorf("%s, %s endian: found %+v", shape.Style, name, all)
			}
		}
	}
}

func TestReadingEndsWithTheFirstError(t *testing.T) {
	t.Parallel()
	value := keyring(t).Issue(standard).Value.Reveal()
	broken := errors.New("broken")
	if err := scan.Read(iotest.ErrReader(broken), nil); !errors.Is(err, broken) {
		t.Errorf("a reader's error became %v", err)
	}
	times := 0
	err := scan.Read(strings.NewReader(value+"\n"+value), func(scan.Finding) error { times++; return broken })
	if !errors.Is(err, broken) || times != 1 {
		t.Errorf("after the error of %d calls: %v", times, err)
	}
}

func TestFilesAreReadInOrderWithoutFollowingLinks(t *testing.T) {
	t.Parallel()
	value := keyring(t).Issue(standard).Value.Reveal()
	folder, outside := t.TempDir(), t.TempDir()
	write := func(parts ...string) {
		t.Helper()
		path := filepath.Join(parts...)
		must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		must(t, os.WriteFile(path, []byte("\n "+value), 0o600))
	}
	write(outside, "key")
	write(folder, "b", "deep", "key.txt")
	write(folder, "a.bin")
	write(folder, ".git", "config")
	must(t, os.Symlink(filepath.Join(outside, "key"), filepath.Join(folder, "c")))
	must(t, os.Symlink(outside, filepath.Join(folder, "d")))
	must(t, os.Symlink(folder, filepath.Join(folder, "b", "again")))
	must(t, os.Symlink(folder, filepath.Join(outside, "named")))
	read := func(path string) (files []string, failed []error) {
		must(t, scan.Files(path, func(file string, f scan.Finding) error {
			if f.Line != 2 || f.Column != 2 {
				t.Errorf("%s: %+v", file, f)
			}
			files = append(files, file)
			return nil
		}, func(err error) { failed = append(failed, err) }))
		return files, failed
	}
	all := func(base string) []string {
		return []string{
			filepath.Join(base, ".git", "config"), filepath.Join(base, "a.bin"),
			filepath.Join(base, "b", "deep", "key.txt"),
		}
	}
	for path, want := range map[string][]string{
		folder:                          all(folder),
		filepath.Join(folder, "a.bin"):  {filepath.Join(folder, "a.bin")},
		filepath.Join(outside, "named"): all(filepath.Join(outside, "named")),
		filepath.Join(folder, "c"):      {filepath.Join(folder, "c")},
	} {
		if files, failed := read(path); !slices.Equal(files, want) || failed != nil {
			t.Errorf("%s: read %v (%v), not %v", path, files, failed, want)
		}
	}
	if files, failed := read(filepath.Join(folder, "missing")); files != nil || len(failed) != 1 {
		t.Errorf("of what is missing: %v, %v", files, failed)
	}
}

// What is read in pieces is what is read whole, and nothing that is found is a secret.
func FuzzRead(f *testing.F) {
	k := keyring(f)
	for _, shape := range everyShape {
		m := k.Issue(shape)
		f.Add([]byte("a\n " + m.Value.Reveal()))
		f.Add([]byte("Basic " + base64.StdEncoding.EncodeToString([]byte(m.PublicID+":"+m.Secret.Reveal()))))
	}
	f.Add([]byte("\xff\xfea\x00_\x00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		whole := found(t, bytes.NewReader(text))
		if pieces := found(t, iotest.OneByteReader(bytes.NewReader(text))); !slices.Equal(whole, pieces) {
			t.Fatalf("whole %+v, in pieces %+v", whole, pieces)
		}
		for _, one := range whole {
			if one.Line < 1 || one.Column < 1 || !strings.HasSuffix(one.Masked, "…") {
				t.Fatalf("found %+v", one)
			}
		}
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
