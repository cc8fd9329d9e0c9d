package key

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
)

// The rules in this file hold for the fields of new and of edited keys.

// The maximum lengths of a key's lists.
const (
	maxScopes       = 200
	maxApplications = 500
)

// The fields whose values other packages read.
const (
	addressField  = "allowed_cidrs"
	metadataField = "metadata"
)

// lastYear is the last year that RFC 3339 can write.
const lastYear = 9999

// expiryFaults checks a key's own expiry; nil is none.
func expiryFaults(at *time.Time, now time.Time) []fault.Field {
	switch {
	case at == nil:
		return nil
	case !at.After(now):
		return []fault.Field{{Name: "expires_at", Code: "past", Message: "Use a time in the future."}}
	case at.UTC().Year() > lastYear:
		return []fault.Field{{Name: "expires_at", Code: "range", Message: "Use a time before the year 10000 in UTC."}}
	}
	return nil
}

// scopeFaults checks the form of a list of scopes; nil is no list.
func scopeFaults(scopes []scope.Scope) (faults []fault.Field) {
	if scopes == nil {
		return nil
	}
	if len(scopes) == 0 || len(scopes) > maxScopes {
		return []fault.Field{{Name: "scopes", Code: "length", Message: fmt.Sprintf("List 1 to %d scopes.", maxScopes)}}
	}
	if slices.Contains(scopes, scope.Every) {
		if len(scopes) > 1 {
			return []fault.Field{{
				Name: "scopes", Code: "every",
				Message: "* means every scope. List it alone, or list single scopes.",
			}}
		}
		return nil
	}
	for i, name := range scopes {
		if !name.Valid() {
			faults = append(faults, itemFault("scopes", i, "form", "Use the form resource:action, in lower case."))
		}
	}
	return faults
}

// applicationFaults checks the form of a restriction to applications.
func applicationFaults(all bool, ids []string) (faults []fault.Field) {
	if all && len(ids) > 0 {
		return []fault.Field{{
			Name: "application_ids", Code: "exclusive",
			Message: "Send all_applications: true or application_ids, not both.",
		}}
	}
	if len(ids) > maxApplications {
		return []fault.Field{{
			Name: "application_ids", Code: "length",
			Message: fmt.Sprintf("List at most %d applications.", maxApplications),
		}}
	}
	for i, id := range ids {
		if _, err := ident.Parse[ident.ApplicationID](id); err != nil {
			faults = append(faults,
				itemFault("application_ids", i, "form", "Use the id of an application, which begins with app_."))
		}
	}
	return faults
}

var noApplications = fault.Field{
	Name: "application_ids", Code: "required",
	Message: "Send all_applications: true or at least one id in application_ids.",
}

// checkApplications refuses ids that are not applications of the tenant.
func checkApplications(ctx context.Context, tx ApplicationTx, tenant ident.TenantID, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	missing, err := tx.MissingApplications(ctx, tenant, ids)
	if err != nil {
		return err
	}
	var faults []fault.Field
	for _, i := range missing {
		faults = append(faults,
			itemFault("application_ids", i, "unknown", "The tenant has no such application. Use one of its own."))
	}
	return fault.Refuse(faults...)
}

// grantMessages explain the codes of policy.OwnerRights.GrantFault.
var grantMessages = map[string]string{
	"unknown":     "The tenant's catalogue has no such scope. Use one of its scopes.",
	"beyond_role": "The role of the key's owner may not hold this scope. Leave it out.",
	"built_in":    "A subject's key never holds a scope of Claviger's own API. Leave it out.",
	"beyond_plan": "The subject may not hold this scope now. Leave it out, or change the subject's plan first.",
}

// scopeGrantFaults returns which scopes the owner may not give to its keys.
func scopeGrantFaults(t policy.Tenant, owner policy.OwnerRights, scopes []scope.Scope) (faults []fault.Field) {
	for i, name := range scopes {
		if code := owner.GrantFault(t.Catalogue, name); code != "" {
			faults = append(faults, itemFault("scopes", i, code, grantMessages[code]))
		}
	}
	return faults
}

// lifetimeFaults refuses an expiry after the maximum lifetime of the account, for a secret that was
// set at the given time.
func lifetimeFaults(rules []policy.Rule, at *time.Time, secretSetAt time.Time) []fault.Field {
	limit := latestExpiry(rules, secretSetAt)
	if at == nil || limit.IsZero() || !at.After(limit) {
		return nil
	}
	return []fault.Field{{
		Name: "expires_at", Code: "beyond_policy",
		Message: "The account limits the lifetime of keys. Use a time not later than " +
			limit.UTC().Format(time.RFC3339) + ".",
	}}
}

// latestExpiry returns the latest expiry that the account's maximum lifetime allows, for a secret
// that was set at the given time; zero for no limit.
func latestExpiry(rules []policy.Rule, secretSetAt time.Time) time.Time {
	var limits []policy.Rule
	for _, r := range rules {
		if r.Reason == policy.ByMaxLifetime && r.Until.IsZero() {
			limits = append(limits, r)
		}
	}
	return policy.EffectiveExpiry(time.Time{}, secretSetAt, limits).At
}

// storedTime returns an expiry as it is stored, in microseconds; zero for none.
func storedTime(at *time.Time) time.Time {
	if at == nil {
		return time.Time{}
	}
	return at.UTC().Truncate(time.Microsecond)
}

// itemFault is a fault of the item with the index i in a list.
func itemFault(list string, i int, code, message string) fault.Field {
	return fault.Field{Name: list + "." + strconv.Itoa(i), Code: code, Message: message}
}

// sortedUnique returns the ids in order, each once.
func sortedUnique(ids []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(ids)))
}
