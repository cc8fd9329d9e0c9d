package mcp

import (
	"context"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
)

const usageSchema = `{"type":"object","additionalProperties":false,"properties":{` +
	`"tenant":{"type":"string","description":"id or name of a tenant"},` +
	`"by":{"type":"string","enum":["day","hour","key","code","application","transport"]},` +
	`"since":{"type":"string","format":"date-time","description":"the first day or hour, such as ` +
	`2026-11-01T00:00:00Z"},` +
	`"until":{"type":"string","format":"date-time","description":"the end; now is the default"},` +
	`"key_id":{"type":"string","description":"counts only requests of this key, by day or hour"},` +
	`"application_id":{"type":"string","description":"counts only requests for this application"},` +
	`"cursor":{"type":"string","description":"next_cursor of the answer before"}}}`

// usageReport is a page of sums, without the members that do not apply.
type usageReport struct {
	TenantID   string        `json:"tenant_id"`
	By         api.UsageBy   `json:"by"`
	From       time.Time     `json:"from"`
	To         time.Time     `json:"to"`
	Total      *api.UsageSum `json:"total,omitempty"`
	Items      []usageItem   `json:"items"`
	NextCursor *string       `json:"next_cursor"`
	Note       string        `json:"note"`
}

type usageItem struct {
	BeginsAt      *time.Time `json:"begins_at,omitempty"`
	KeyID         *string    `json:"key_id,omitempty"`
	OwnerID       *string    `json:"owner_id,omitempty"`
	Code          *api.Code  `json:"code,omitempty"`
	ApplicationID *string    `json:"application_id,omitempty"`
	Transport     *string    `json:"transport,omitempty"`
	api.UsageSum
}

func readUsage(ctx context.Context, from API, arguments []byte) ([]string, error) {
	var a struct {
		Tenant      string      `json:"tenant"`
		By          api.UsageBy `json:"by"`
		Since       string      `json:"since"`
		Until       string      `json:"until"`
		Key         string      `json:"key_id"`
		Application string      `json:"application_id"`
		Cursor      string      `json:"cursor"`
	}
	err := readArguments(arguments, &a, "The arguments are `tenant`, `by`, `since`, `until`, `key_id`, "+
		"`application_id` and `cursor`.")
	if err != nil {
		return nil, err
	}
	if a.By == "" {
		a.By = api.UsageByDay
	}
	if !slices.Contains(a.By.Values(), a.By) {
		return nil, refusef("`by` is one of %s.", quoted(a.By.Values()))
	}
	filter := client.UsageFilter{By: a.By, Application: a.Application, Key: a.Key}
	filter.Since, err = readTime("since", a.Since)
	if err == nil {
		filter.Until, err = readTime("until", a.Until)
	}
	if err != nil {
		return nil, err
	}
	tenant, err := from.TenantID(ctx, a.Tenant)
	if err != nil {
		return nil, err
	}
	found, err := from.Usage(ctx, tenant, filter, client.Page{Limit: pageSize, Cursor: a.Cursor})
	if err != nil {
		return nil, err
	}
	report := usageReport{
		TenantID: tenant, By: found.By, From: found.From, To: found.To, Total: found.Total, Items: []usageItem{},
		NextCursor: found.NextCursor, Note: "This is the whole report.",
	}
	if found.NextCursor != nil {
		report.Note = readOn(found.NextCursor)
	}
	for _, i := range found.Items {
		report.Items = append(report.Items, usageItem(i))
	}
	return toJSON(report)
}

// readTime reads an optional time of the arguments.
func readTime(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, refusef("`%s` is a time such as 2026-11-01T00:00:00Z.", name)
	}
	return t, nil
}
