package picture_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/picture"
)

var (
	red  = color.NRGBA{R: 255, A: 255}
	blue = color.NRGBA{B: 255, A: 255}
)

// plain returns a picture of one colour.
func plain(width, height int, c color.Color) *image.NRGBA {
	p := image.NewNRGBA(image.Rect(0, 0, width, height))
	for x := range width {
		for y := range height {
			p.Set(x, y, c)
		}
	}
	return p
}

// file returns what an encoder writes.
func file(t testing.TB, encode func(*bytes.Buffer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func pngOf(t testing.TB, p image.Image) []byte {
	return file(t, func(b *bytes.Buffer) error { return png.Encode(b, p) })
}

func jpegOf(t testing.TB, p image.Image) []byte {
	return file(t, func(b *bytes.Buffer) error { return jpeg.Encode(b, p, nil) })
}

// gifOf returns a GIF with a frame of each colour.
func gifOf(t testing.TB, width, height int, colors ...color.Color) []byte {
	g := &gif.GIF{}
	for _, c := range colors {
		frame := image.NewPaletted(image.Rect(0, 0, width, height), color.Palette{c})
		g.Image, g.Delay = append(g.Image, frame), append(g.Delay, 10)
	}
	return file(t, func(b *bytes.Buffer) error { return gif.EncodeAll(b, g) })
}

// avatarOf makes an avatar and decodes it.
func avatarOf(t *testing.T, from []byte) image.Image {
	t.Helper()
	made, err := picture.NewMaker().Avatar(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := png.Decode(bytes.NewReader(made))
	if err != nil {
		t.Fatal(err)
	}
	return decoded
}

func TestAnAvatarIsTheMiddleSquareOfAPictureScaledDown(t *testing.T) {
	t.Parallel()
	banner := plain(1000, 400, blue)
	for x := 300; x < 700; x++ {
		for y := range 400 {
			banner.Set(x, y, red)
		}
	}
	for name, c := range map[string]struct {
		file []byte
		side int
	}{
		"a wide PNG":         {pngOf(t, banner), picture.Side},
		"a JPEG":             {jpegOf(t, plain(300, 900, red)), picture.Side},
		"a small one":        {pngOf(t, plain(40, 30, red)), 30},
		"one pixel":          {pngOf(t, plain(1, 1, red)), 1},
		"the largest":        {pngOf(t, plain(picture.MaxSide, picture.MaxSide, red)), picture.Side},
		"the first of a GIF": {gifOf(t, 64, 64, red, blue), 64},
	} {
		got := avatarOf(t, c.file)
		if size := got.Bounds().Size(); size != image.Pt(c.side, c.side) {
			t.Errorf("%s: it has %v", name, size)
		}
		for _, at := range []image.Point{{}, {c.side / 2, c.side / 2}, {c.side - 1, c.side - 1}} {
			r, _, b, a := got.At(at.X, at.Y).RGBA()
			if r < 0xf000 || b > 0x1000 || a != 0xffff {
				t.Errorf("%s: the pixel at %v is %v", name, at, got.At(at.X, at.Y))
			}
		}
	}
}

func TestAnAvatarHasNothingThatTheFileSaidBesideItsPixels(t *testing.T) {
	t.Parallel()
	const secret = "taken at 48.2082, 16.3738"
	whole := pngOf(t, plain(10, 10, red))
	chunk := slices.Concat([]byte("tEXt"), []byte("Comment\x00"+secret))
	text := binary.BigEndian.AppendUint32(nil, uint32(len(chunk)-4))
	text = append(text, chunk...)
	text = binary.BigEndian.AppendUint32(text, crc32.ChecksumIEEE(chunk))
	const header = 33 // the signature and IHDR
	with := slices.Concat(whole[:header], text, whole[header:])
	made, err := picture.NewMaker().Avatar(t.Context(), with)
	if err != nil || bytes.Contains(made, []byte(secret)) {
		t.Errorf("%v, %q", err, made)
	}
	script := append(slices.Clone(whole), "<script>alert(1)</script>"...)
	made, err = picture.NewMaker().Avatar(t.Context(), script)
	if err != nil || bytes.Contains(made, []byte("script")) {
		t.Errorf("what follows the picture: %v, %q", err, made)
	}
}

// claims returns a PNG that says it has this size, and has no pixels.
func claims(t *testing.T, width, height uint32) []byte {
	t.Helper()
	small := slices.Clone(pngOf(t, plain(1, 1, red)))
	binary.BigEndian.PutUint32(small[16:], width)
	binary.BigEndian.PutUint32(small[20:], height)
	binary.BigEndian.PutUint32(small[29:], crc32.ChecksumIEEE(small[12:29]))
	return small
}

func TestAFileThatIsNoFittingPictureIsRefused(t *testing.T) {
	t.Parallel()
	whole := pngOf(t, plain(100, 100, red))
	for name, c := range map[string]struct {
		file []byte
		want fault.Kind
		code string
	}{
		"nothing":            {nil, fault.ValidationFailed, "form"},
		"a text":             {[]byte("a picture"), fault.ValidationFailed, "form"},
		"SVG":                {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), fault.ValidationFailed, "form"},
		"a part of a PNG":    {whole[:len(whole)/2], fault.ValidationFailed, "form"},
		"a beginning alone":  {whole[:8], fault.ValidationFailed, "form"},
		"too wide":           {claims(t, picture.MaxSide+1, 1), fault.ValidationFailed, "too_large"},
		"too high":           {claims(t, 1, picture.MaxSide+1), fault.ValidationFailed, "too_large"},
		"a bomb":             {claims(t, 1<<20, 1<<20), fault.ValidationFailed, "too_large"},
		"without pixels":     {claims(t, 2000, 2000), fault.ValidationFailed, "form"},
		"a wide GIF":         {gifOf(t, 3000, 1, red), fault.ValidationFailed, "too_large"},
		"a file that is big": {make([]byte, picture.MaxBytes+1), fault.TooLarge, ""},
	} {
		_, err := picture.NewMaker().Avatar(t.Context(), c.file)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if fields := fault.Fields(err); c.code != "" && (len(fields) != 1 || fields[0].Code != c.code) {
			t.Errorf("%s: %+v", name, fields)
		}
	}
}

func TestADecodeThatNobodyWaitsForEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m, whole := picture.NewMaker(), pngOf(t, plain(10, 10, red))
	for range 3 { // a turn that is not given back would block the second
		if _, err := m.Avatar(ctx, whole); !errors.Is(err, fault.Unavailable) {
			t.Errorf("%v", err)
		}
	}
	if _, err := m.Avatar(t.Context(), whole); err != nil {
		t.Errorf("the next one: %v", err)
	}
}

func FuzzAvatar(f *testing.F) {
	f.Add(pngOf(f, plain(20, 10, red)))
	f.Add(jpegOf(f, plain(20, 10, red)))
	f.Add(gifOf(f, 20, 10, red, blue))
	f.Add([]byte("GIF89a"))
	m := picture.NewMaker()
	f.Fuzz(func(t *testing.T, from []byte) {
		made, err := m.Avatar(t.Context(), from)
		if err != nil {
			if !errors.Is(err, fault.ValidationFailed) && !errors.Is(err, fault.TooLarge) {
				t.Fatalf("%v", err)
			}
			return
		}
		config, err := png.DecodeConfig(iotest.OneByteReader(bytes.NewReader(made)))
		if err != nil || config.Width != config.Height || config.Width > picture.Side || config.Width < 1 {
			t.Fatalf("%v, %+v", err, config)
		}
	})
}
