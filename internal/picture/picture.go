// Package picture makes avatars of the pictures that people upload.
//
// A picture is not trusted: its size is read before it is decoded, what it is follows from its
// content and not from what the client says, and what is kept is encoded anew. So an avatar is a
// small PNG without metadata, whatever was sent. SVG is not accepted, because it is a document that
// can hold script.
package picture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"time"

	"golang.org/x/image/draw"

	"github.com/claviger-dev/claviger/internal/fault"
)

const (
	// MaxBytes is the size of the largest file that is accepted.
	MaxBytes = 2 << 20
	// MaxSide is the largest width and height that are accepted, in pixels.
	MaxSide = 2048
	// Side is the width and height of an avatar. A smaller picture is not enlarged.
	Side = 256
	// maxTime bounds how long a picture is decoded. A JPEG of 2 MB can ask for minutes of work, and
	// an honest one needs a tenth of a second.
	maxTime = 2 * time.Second
)

// Maker makes avatars, one at a time: a decoded picture needs up to 100 MB for a moment.
type Maker struct{ turn chan struct{} }

// NewMaker returns a maker.
func NewMaker() *Maker { return &Maker{turn: make(chan struct{}, 1)} }

// format is a kind of file that is accepted. Its files begin with the prefix.
type format struct {
	prefix string
	size   func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
}

// formats are those that browsers show. Of a GIF, the first frame is decoded and no other.
var formats = []format{
	{"\x89PNG\r\n\x1a\n", png.DecodeConfig, png.Decode},
	{"\xff\xd8\xff", jpeg.DecodeConfig, jpeg.Decode},
	{"GIF87a", gif.DecodeConfig, gif.Decode},
	{"GIF89a", gif.DecodeConfig, gif.Decode},
}

func formatOf(file []byte) (format, bool) {
	for _, f := range formats {
		if bytes.HasPrefix(file, []byte(f.prefix)) {
			return f, true
		}
	}
	return format{}, false
}

var (
	errTooLarge = fault.New(fault.TooLarge, fmt.Sprintf("The picture has more than %d MB.", MaxBytes>>20))
	errUnknown  = refuse("form", "Send a PNG, JPEG or GIF picture.")
	errDamaged  = refuse("form", "The picture cannot be read: it is damaged, or not complete.")
	errTooWide  = refuse("too_large", fmt.Sprintf("Send a picture of at most %d × %d pixels.", MaxSide, MaxSide))
	errTooSlow  = refuse("form", "The picture takes too long to read. Save it again with another program.")
)

func refuse(code, message string) error {
	return fault.Refuse(fault.Field{Name: "avatar", Code: code, Message: message})
}

// Avatar returns the avatar that is made of a file, as PNG. It waits until no other picture is
// decoded, or ctx ends. It returns fault.TooLarge for a file of more than MaxBytes, and
// fault.ValidationFailed for one that is no picture of at most MaxSide pixels a side.
func (m *Maker) Avatar(ctx context.Context, file []byte) ([]byte, error) {
	if len(file) > MaxBytes {
		return nil, errTooLarge
	}
	f, ok := formatOf(file)
	if !ok {
		return nil, errUnknown
	}
	size, err := f.size(bytes.NewReader(file))
	switch {
	case err != nil || size.Width < 1 || size.Height < 1:
		return nil, errDamaged
	case size.Width > MaxSide || size.Height > MaxSide:
		return nil, errTooWide
	}
	select {
	case m.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, fault.Wrap(fault.Unavailable, ctx.Err(), "")
	}
	defer func() { <-m.turn }()
	limited, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	decoded, err := f.decode(untilDone{limited, bytes.NewReader(file)})
	switch {
	case ctx.Err() != nil:
		return nil, fault.Wrap(fault.Unavailable, ctx.Err(), "")
	case errors.Is(limited.Err(), context.DeadlineExceeded):
		return nil, errTooSlow
	case err != nil || decoded.Bounds().Empty():
		return nil, errDamaged
	}
	return encode(decoded)
}

// untilDone is a file that ends with an error once the context is done. Decoders read a few
// kilobytes at a time.
type untilDone struct {
	ctx  context.Context
	file io.Reader
}

// Read implements io.Reader.
func (r untilDone) Read(into []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.file.Read(into)
}

// encode returns the middle square of a picture, scaled down to an avatar.
func encode(from image.Image) ([]byte, error) {
	square := middle(from.Bounds())
	side := min(square.Dx(), Side)
	to := image.NewNRGBA(image.Rect(0, 0, side, side))
	draw.CatmullRom.Scale(to, to.Bounds(), from, square, draw.Src, nil)
	var file bytes.Buffer
	err := png.Encode(&file, to)
	return file.Bytes(), err
}

// middle returns the largest square in the middle of a rectangle.
func middle(of image.Rectangle) image.Rectangle {
	side := min(of.Dx(), of.Dy())
	from := of.Min.Add(image.Pt((of.Dx()-side)/2, (of.Dy()-side)/2))
	return image.Rectangle{Min: from, Max: from.Add(image.Pt(side, side))}
}
