package view_test

import (
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/console/view"
)

// Three corners of a QR code have a pattern of 7 by 7 (ISO/IEC 18004 section 6.3.3), and a margin
// of 4 is around it.
func TestAQRCodeHasItsPatternsAndItsMargin(t *testing.T) {
	t.Parallel()
	code, err := view.NewQRCode("otpauth://totp/Claviger:ada@example.com?secret=JBSWY3DPEHPK3PXP")
	if err != nil {
		t.Fatal(err)
	}
	if side := code.Size - 8; side < 21 || (side-17)%4 != 0 {
		t.Errorf("a side of %d", side)
	}
	for _, square := range []string{"M4 4h7v1h-7z", "M4 5h1v1h-1z", "M6 6h3v1h-3z", "M4 10h7v1h-7z"} {
		if !strings.Contains(code.Path, square) {
			t.Errorf("no %s in %s", square, code.Path)
		}
	}
	if strings.Contains(code.Path, "M3 ") || strings.Contains(code.Path, " 3h") {
		t.Errorf("the margin is not empty: %s", code.Path)
	}
}
