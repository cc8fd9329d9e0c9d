package hashline_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/claviger-dev/claviger/internal/hashline"
)

var errCut = errors.New("the file is cut off")

// maxLine is small, so that the tests reach it.
const maxLine = 40

func TestLinesComeBackAsTheyWereWrittenWithTheSameHash(t *testing.T) {
	var file bytes.Buffer
	w := hashline.NewWriter(&file)
	for _, v := range []any{map[string]int{"a": 1}, []string{"<&>", "\n"}, nil, strings.Repeat("x", maxLine-3)} {
		if err := w.Write(v); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	want := sha256.Sum256(file.Bytes())
	if !bytes.Equal(w.Sum(), want[:]) {
		t.Errorf("the writer's hash is %x, want %x", w.Sum(), want)
	}
	r := hashline.NewReader(iotest.OneByteReader(bytes.NewReader(file.Bytes())), maxLine, errCut)
	var read []byte
	for range 4 {
		line, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		r.Hash(line)
		read = append(read, line...)
	}
	if !bytes.Equal(read, file.Bytes()) || !bytes.Equal(r.Sum(), want[:]) {
		t.Errorf("read %q with the hash %x, want %q with %x", read, r.Sum(), file.Bytes(), want)
	}
	if end, err := r.AtEnd(); !end || err != nil {
		t.Errorf("after the last line: at the end %t (%v)", end, err)
	}
}

func TestAValueThatJSONCannotHoldIsNotWritten(t *testing.T) {
	var file bytes.Buffer
	w := hashline.NewWriter(&file)
	if err := w.Write(func() {}); err == nil {
		t.Error("a function was written")
	}
	if err := w.Flush(); err != nil || file.Len() > 0 {
		t.Errorf("%d bytes were written (%v)", file.Len(), err)
	}
}

func TestALineThatIsCutOffOrTooLongIsTheErrorOfTheCaller(t *testing.T) {
	whole := strings.Repeat("x", maxLine-1) + "\n"
	for name, c := range map[string]struct {
		file string
		want error
	}{
		"a line of the greatest length":     {whole, nil},
		"a line that is one byte longer":    {"x" + whole, errCut},
		"a file that ends in a line":        {whole[:maxLine-1], errCut},
		"a file without a line":             {"", errCut},
		"a line that fills several reads":   {strings.Repeat("x", 1<<20), errCut},
		"an empty line":                     {"\n", nil},
		"a whole line before one that ends": {"\nx", nil},
	} {
		if _, err := hashline.NewReader(strings.NewReader(c.file), maxLine, errCut).Next(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestAFailureOfTheFileIsReturnedAsItIs(t *testing.T) {
	broken := errors.New("the disk is broken")
	r := hashline.NewReader(io.MultiReader(strings.NewReader("x"), iotest.ErrReader(broken)), maxLine, errCut)
	if _, err := r.Next(); !errors.Is(err, broken) {
		t.Errorf("Next: %v, want %v", err, broken)
	}
	if end, err := hashline.NewReader(iotest.ErrReader(broken), maxLine, errCut).AtEnd(); end || !errors.Is(err,
		broken) {
		t.Errorf("AtEnd: %t, %v, want %v", end, err, broken)
	}
	more := hashline.NewReader(strings.NewReader("x"), maxLine, errCut)
	if end, err := more.AtEnd(); end || err != nil {
		t.Errorf("before the end of the file: at the end %t (%v)", end, err)
	}
}

// FuzzRead checks that the lines which are read are those of the file, up to the first that is cut
// off or too long, and that their hash is the hash of that text.
func FuzzRead(f *testing.F) {
	for _, file := range []string{"", "\n", "{}\n", "{}\n{", strings.Repeat("x", maxLine) + "\n", "a\nb\n"} {
		f.Add([]byte(file))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		r := hashline.NewReader(bytes.NewReader(file), maxLine, errCut)
		var read []byte
		for {
			line, err := r.Next()
			if err != nil {
				if !errors.Is(err, errCut) {
					t.Fatal(err)
				}
				break
			}
			if len(line) > maxLine || bytes.IndexByte(line, '\n') != len(line)-1 {
				t.Fatalf("%q is not one line of at most %d bytes", line, maxLine)
			}
			r.Hash(line)
			read = append(read, line...)
		}
		rest, whole := bytes.CutPrefix(file, read)
		end := bytes.IndexByte(rest, '\n')
		if !whole || end >= 0 && end < maxLine {
			t.Errorf("of %q the lines %q were read", file, read)
		}
		if want := sha256.Sum256(read); !bytes.Equal(r.Sum(), want[:]) {
			t.Errorf("the hash of %q is %x, want %x", read, r.Sum(), want)
		}
	})
}
