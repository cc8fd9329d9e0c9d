package api

import "time"

// UsageBy says how the requests of a tenant are added up.
type UsageBy string

// The values of UsageBy.
const (
	UsageByDay         UsageBy = "day"
	UsageByHour        UsageBy = "hour"
	UsageByKey         UsageBy = "key"
	UsageByCode        UsageBy = "code"
	UsageByApplication UsageBy = "application"
	UsageByTransport   UsageBy = "transport"
)

// Values returns all values.
func (UsageBy) Values() []UsageBy {
	return []UsageBy{
		UsageByDay, UsageByHour, UsageByKey, UsageByCode, UsageByApplication, UsageByTransport,
	}
}

// Usage is how many requests with the keys of a tenant were accepted and refused. Days and hours
// are in UTC.
type Usage struct {
	By UsageBy `json:"by"`
	// From and To are the time that is counted: whole hours with `by=hour`, otherwise whole days.
	// To itself does not belong to it.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Total is the sum of all items; null with `by=key`.
	Total *UsageSum   `json:"total"`
	Items []UsageItem `json:"items"`
	// NextCursor is the cursor of the next page; null on the last page.
	NextCursor *string `json:"next_cursor"`
}

// UsageSum is how many requests were accepted and refused.
type UsageSum struct {
	Accepted int64 `json:"accepted"`
	Refused  int64 `json:"refused"`
}

// UsageItem is one sum. Of the members besides accepted and refused, those are null that the
// requests are not added up by.
type UsageItem struct {
	// BeginsAt is the beginning of the day or the hour.
	BeginsAt *time.Time `json:"begins_at"`
	// KeyID and OwnerID are a key and its owner. With `by=key` both are null for keys that were
	// counted together, because a node counted too many at once.
	KeyID   *string `json:"key_id"`
	OwnerID *string `json:"owner_id"`
	// Code is `ok` for accepted requests.
	Code *Code `json:"code"`
	// ApplicationID is "" for requests that named no application of the tenant.
	ApplicationID *string `json:"application_id"`
	// Transport is "" where it is not known, for example because a verifier did not name it.
	Transport *string `json:"transport"`
	UsageSum
}

// Statement is how much the tenants of an account were used in a calendar month, in UTC.
type Statement struct {
	// Month is the year and the month, such as 2026-11.
	Month string `json:"month"`
	// Complete is false while requests of the month can still be counted.
	Complete bool            `json:"complete"`
	Tenants  []StatementItem `json:"tenants"`
	Total    UsageSum        `json:"total"`
}

// StatementItem is the line of a tenant.
type StatementItem struct {
	TenantID string `json:"tenant_id"`
	Name     string `json:"name"`
	UsageSum
}

// UsageEvent is a CloudEvent about a key and a complete hour. Its id is the same whenever it is
// read, and so are its numbers.
type UsageEvent struct {
	SpecVersion string `json:"specversion"`
	// ID is the tenant, the key and the hour.
	ID     string `json:"id"`
	Source string `json:"source"`
	Type   string `json:"type"`
	// Subject is the id of the key; "other" for keys that were counted together.
	Subject string `json:"subject"`
	// Time is the end of the hour.
	Time            time.Time      `json:"time"`
	DataContentType string         `json:"datacontenttype"`
	Data            UsageEventData `json:"data"`
}

// UsageEventData is what happened in the hour.
type UsageEventData struct {
	TenantID string `json:"tenant_id"`
	// KeyID and OwnerID are null for keys that were counted together.
	KeyID    *string   `json:"key_id"`
	OwnerID  *string   `json:"owner_id"`
	BeginsAt time.Time `json:"begins_at"`
	EndsAt   time.Time `json:"ends_at"`
	UsageSum
}
