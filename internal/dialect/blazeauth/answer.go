package blazeauth

import (
	"net/http"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/web"
)

// envelope is the body of every answer that is not an error.
type envelope struct {
	Success bool   `json:"success"`
	Message string `json:"message"`
	Data    any    `json:"data"`
}

// answer writes an answer with the data, a JSON object or array; nil for null. The vendor answers
// 200 also where something was created.
func answer(w http.ResponseWriter, message string, data any) error {
	return web.WriteJSON(w, http.StatusOK, envelope{Success: true, Message: message, Data: data})
}

// vendorNames replaces the names of members of Claviger's own API by those of the vendor's.
var vendorNames = strings.NewReplacer(
	"all_applications", "allApplications", "application_ids", "applicationIds", "expires_at", "expiresAt",
)

// inVendorNames returns the error with the vendor's names of members.
func inVendorNames(err error) error {
	fields := fault.Fields(err)
	if len(fields) == 0 {
		return err
	}
	renamed := make([]fault.Field, len(fields))
	for i, f := range fields {
		renamed[i] = fault.Field{
			Name: vendorNames.Replace(f.Name), Code: f.Code, Message: vendorNames.Replace(f.Message),
		}
	}
	return fault.Refuse(renamed...)
}

// timeOrNil returns the time in UTC; nil for the zero time.
func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// textOrNil returns nil for "".
func textOrNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
