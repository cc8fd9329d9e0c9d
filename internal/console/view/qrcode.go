package view

import (
	"fmt"
	"image/color"
	"strings"

	"github.com/boombuler/barcode/qr"
)

// QRCode is a QR code as the path of an SVG, in units of its smallest squares.
type QRCode struct {
	Path string
	// Size is the length of a side, with the quiet zone.
	Size int
}

// quietZone is how wide the margin of a QR code is at least (ISO/IEC 18004 section 6.3.8).
const quietZone = 4

// NewQRCode returns the QR code of a text.
func NewQRCode(text string) (QRCode, error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return QRCode{}, err
	}
	size := code.Bounds().Dx()
	var path strings.Builder
	for y := range size {
		for x := 0; x < size; x++ {
			run := 0
			for x+run < size && code.At(x+run, y) == color.Black {
				run++
			}
			if run > 0 {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", x+quietZone, y+quietZone, run, run)
				x += run
			}
		}
	}
	return QRCode{path.String(), size + 2*quietZone}, nil
}
