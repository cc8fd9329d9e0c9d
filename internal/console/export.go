package console

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/web"
)

const (
	// exportWithin bounds an export, and pageWithin each part of it.
	exportWithin = 30 * time.Minute
	pageWithin   = time.Minute
)

// export is a list as a file, which is sent while it is read.
type export struct {
	// name is that of the file. A name that ends with .jsonl has one JSON object a line, any other
	// is CSV.
	name string
	// columns are the first row, or the members of each object.
	columns []string
	// objects is the column whose cells are JSON objects; "" for none.
	objects string
	// read passes each row on, and calls part after each part of the list.
	read func(ctx context.Context, row func(...string), part func() error) error
}

var errExporting = fault.New(fault.Conflict, "An export of yours is running. Wait until it has ended.")

// exportFormat writes the rows of an export. Its errors come with flush.
type exportFormat interface {
	row(cells []string)
	flush() error
	// end writes what follows the last row; err is why the export is incomplete.
	end(err error)
}

// stream writes an export. It ends with its session: each part is read with the rights that the
// person has by then.
func (c *Console) stream(w http.ResponseWriter, k *call, e *export) error {
	return c.streamWhile(w, k, e, func() error {
		who, err := c.Middleware.Authenticator.StillSignedIn(w, k.Request)
		if err == nil {
			k.who = who
		}
		return err
	})
}

// streamWhile writes an export, until allowed returns an error, which is asked after each part. A
// person has one export at a time. What fails after the first part is said in the last row, because
// the status was sent before.
func (c *Console) streamWhile(w http.ResponseWriter, k *call, e *export, allowed func() error) error {
	person := k.session.User.ID
	if _, running := c.exporting.LoadOrStore(person, true); running {
		return errExporting
	}
	defer c.exporting.Delete(person)
	ctx, cancel := context.WithTimeout(k.Context(), exportWithin)
	defer cancel()
	h := w.Header()
	web.SetPrivate(h)
	kind, file := "text/csv; charset=utf-8", newCSVRows(w, e)
	if strings.HasSuffix(e.name, ".jsonl") {
		kind, file = "application/x-ndjson", newJSONRows(w, e)
	}
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", `attachment; filename="`+e.name+`"`)
	control := http.NewResponseController(w)
	sent := false
	err := e.read(ctx, func(cells ...string) { file.row(cells) }, func() error {
		sent = true
		_ = control.SetWriteDeadline(time.Now().Add(pageWithin))
		if err := file.flush(); err != nil {
			return err
		}
		return allowed()
	})
	if err != nil && !sent {
		h.Del("Content-Disposition")
		return err
	}
	file.end(err)
	_ = file.flush() // the browser may be gone
	return nil
}

// csvRows is an export as CSV.
type csvRows struct{ *csv.Writer }

func newCSVRows(w io.Writer, e *export) exportFormat {
	f := csvRows{csv.NewWriter(w)}
	_ = f.Write(e.columns)
	return f
}

func (f csvRows) row(cells []string) {
	for i := range cells {
		cells[i] = plainCell(cells[i])
	}
	_ = f.Write(cells)
}

func (f csvRows) flush() error {
	f.Flush()
	return f.Error()
}

func (f csvRows) end(err error) {
	if err != nil {
		_ = f.Write([]string{"This export is incomplete: " + fault.Message(err)})
	}
}

// plainCell returns a text so that no program takes it for a formula.
func plainCell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r\n", rune(text[0])) {
		return "'" + text
	}
	return text
}

// jsonRows is an export as JSON, one object a line. The last line says whether it is complete.
type jsonRows struct {
	*export
	to   io.Writer
	part bytes.Buffer
	rows int
}

func newJSONRows(w io.Writer, e *export) exportFormat { return &jsonRows{export: e, to: w} }

func (f *jsonRows) row(cells []string) {
	f.rows++
	f.part.WriteByte('{')
	for i, name := range f.columns {
		if i > 0 {
			f.part.WriteByte(',')
		}
		f.value(name)
		f.part.WriteByte(':')
		if name == f.objects {
			f.part.WriteString(cells[i])
		} else {
			f.value(cells[i])
		}
	}
	f.part.WriteString("}\n")
}

// value writes a text as JSON.
func (f *jsonRows) value(text string) {
	encoded, _ := json.Marshal(text) // a text can be encoded
	f.part.Write(encoded)
}

func (f *jsonRows) flush() error {
	_, err := f.part.WriteTo(f.to)
	return err
}

func (f *jsonRows) end(err error) {
	last := struct {
		Complete bool   `json:"complete"`
		Rows     int    `json:"rows"`
		Error    string `json:"error,omitempty"`
	}{Complete: err == nil, Rows: f.rows}
	if err != nil {
		last.Error = fault.Message(err)
	}
	_ = json.NewEncoder(&f.part).Encode(last) // a buffer takes everything
}

// stamp returns a time for a file; "" for none.
func stamp(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}
