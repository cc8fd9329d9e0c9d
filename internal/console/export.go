package console

import (
	"context"
	"encoding/csv"
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
	// name is that of the file, and columns are its first row.
	name    string
	columns []string
	// read passes each row on, and calls part after each part of the list.
	read func(ctx context.Context, row func(...string), part func() error) error
}

var errExporting = fault.New(fault.Conflict, "An export of yours is running. Wait until it has ended.")

// stream writes an export. A person has one at a time. What fails after the first part is said in
// the last row, because the status was sent before.
func (c *Console) stream(w http.ResponseWriter, k *call, e *export) error {
	person := k.session.User.ID
	if _, running := c.exporting.LoadOrStore(person, true); running {
		return errExporting
	}
	defer c.exporting.Delete(person)
	ctx, cancel := context.WithTimeout(k.Context(), exportWithin)
	defer cancel()
	h := w.Header()
	web.SetPrivate(h)
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="`+e.name+`"`)
	file := csv.NewWriter(w)
	_ = file.Write(e.columns) // its errors come with the first Flush
	control := http.NewResponseController(w)
	sent := false
	err := e.read(ctx, func(cells ...string) {
		for i := range cells {
			cells[i] = plainCell(cells[i])
		}
		_ = file.Write(cells)
	}, func() error {
		sent = true
		_ = control.SetWriteDeadline(time.Now().Add(pageWithin))
		file.Flush()
		return file.Error()
	})
	if err != nil && !sent {
		h.Del("Content-Disposition")
		return err
	}
	if err != nil {
		_ = file.Write([]string{"This export is incomplete: " + fault.Message(err)})
	}
	file.Flush()
	return nil
}

// plainCell returns a text so that no program takes it for a formula.
func plainCell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r\n", rune(text[0])) {
		return "'" + text
	}
	return text
}

// stamp returns a time for a file; "" for none.
func stamp(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}
