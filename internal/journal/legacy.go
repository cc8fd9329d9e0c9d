package journal

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
)

// This file reads what versions before schema 8 wrote: events without effects, and lines of a
// journal with an action instead of effects. Nothing writes them any more. Such events are read if
// a journal was lost or its node was stopped before the upgrade; such lines, if a journal is older
// than the upgrade. The file can be deleted when no server upgrades from such a version any more
// and no backup from before is restored.

// legacyLine has the members of an earlier version's line, in addition to those of [Line].
type legacyLine struct {
	Account  ident.AccountID       `json:"account"`
	Tenant   ident.TenantID        `json:"tenant"`
	User     ident.UserID          `json:"user"`
	Key      ident.KeyID           `json:"key"`
	Serial   int                   `json:"serial"`
	Disabled bool                  `json:"disabled"`
	Days     map[policy.Reason]int `json:"days"`
	Expires  time.Time             `json:"expires"`
}

// effects returns the effects of the line.
func (l legacyLine) effects(action audit.Action) (effects []audit.Effect, err error) {
	f := audit.Effect{
		Account: l.Account, Tenant: l.Tenant, User: l.User, Key: l.Key, Serial: l.Serial,
		Expires: l.Expires,
	}
	switch action {
	case audit.ActionPolicyEdit:
		return lifetimes(f.Account, l.Days)
	case audit.ActionTenantEdit:
		f.Kind = kindIf(l.Disabled, audit.EffectTenantDisabled, audit.EffectTenantEnabled)
	case audit.ActionMemberAdd, audit.ActionMemberJoin, audit.ActionMemberEdit:
		f.Kind = kindIf(l.Disabled, audit.EffectMemberDisabled, audit.EffectMemberEnabled)
	default:
		f.Kind = effectOfAction[action]
	}
	if err := f.Check(); err != nil {
		return nil, fmt.Errorf("the action %q: %w", action, err)
	}
	return []audit.Effect{f}, nil
}

// effectOfAction maps the actions that had one effect, independent of their details.
var effectOfAction = map[audit.Action]audit.EffectKind{
	audit.ActionKeyRevoke:           audit.EffectKeyRevoked,
	audit.ActionKeyDelete:           audit.EffectKeyRevoked,
	audit.ActionKeyDisable:          audit.EffectKeyDisabled,
	audit.ActionKeyEnable:           audit.EffectKeyEnabled,
	audit.ActionKeyRefresh:          audit.EffectKeyRefreshed,
	audit.ActionKeyEndPrevious:      audit.EffectKeyPreviousEnded,
	audit.ActionKeyEdit:             audit.EffectKeyExpirySet,
	audit.ActionUserDisable:         audit.EffectUserDisabled,
	audit.ActionUserEnable:          audit.EffectUserEnabled,
	audit.ActionUserDelete:          audit.EffectUserDeleted,
	audit.ActionMemberAdd:           audit.EffectMemberEnabled,
	audit.ActionMemberJoin:          audit.EffectMemberEnabled,
	audit.ActionMemberRemove:        audit.EffectMemberRemoved,
	audit.ActionAccountMemberRemove: audit.EffectAccountRoleRemoved,
	audit.ActionAccountDisable:      audit.EffectAccountDisabled,
	audit.ActionAccountEnable:       audit.EffectAccountEnabled,
	audit.ActionServerRestore:       audit.EffectDatabaseRestored,
}

func kindIf(disabled bool, yes, no audit.EffectKind) audit.EffectKind {
	if disabled {
		return yes
	}
	return no
}

func lifetimes(account ident.AccountID, days map[policy.Reason]int) (effects []audit.Effect, err error) {
	for _, reason := range []policy.Reason{policy.ByAutoExpiry, policy.ByMaxLifetime} {
		if n, said := days[reason]; said {
			effects = append(effects,
				audit.Effect{Kind: audit.EffectLifetimeSet, Account: account, Reason: reason, Days: n})
		}
	}
	return effects, nil
}

// LegacyEffects returns the effects of an event of an earlier version. They follow from its action
// and details. It returns an error for an unknown action.
func LegacyEffects(e audit.Event) (effects []audit.Effect, err error) {
	if !e.Action.Known() {
		return nil, fmt.Errorf("the action %q is unknown: a newer version of claviger wrote it; run that version",
			e.Action)
	}
	user, key := ident.UserID(e.Target.ID), ident.KeyID(e.Target.ID)
	changed := strings.Fields(e.Details["changed"])
	l := legacyLine{}
	switch e.Action {
	case audit.ActionKeyRevoke, audit.ActionKeyDelete, audit.ActionKeyDisable, audit.ActionKeyEnable:
		l = legacyLine{Tenant: e.Tenant, Key: key}
	case audit.ActionKeyRefresh, audit.ActionKeyEndPrevious:
		l = legacyLine{Tenant: e.Tenant, Key: key}
		l.Serial, err = strconv.Atoi(e.Details["serial"])
		if err != nil {
			return nil, nil // the first versions recorded no serial, and wrote no line
		}
	case audit.ActionKeyEdit:
		if !slices.Contains(changed, "expires_at") {
			return nil, nil
		}
		expires, _ := time.Parse(time.RFC3339Nano, e.Details["expires_at"]) // no expiry if it was removed
		l = legacyLine{Tenant: e.Tenant, Key: key, Expires: expires}
	case audit.ActionMemberAdd, audit.ActionMemberJoin, audit.ActionMemberEdit, audit.ActionMemberRemove:
		l = legacyLine{Tenant: e.Tenant, User: user, Disabled: e.Details["status"] == "disabled"}
	case audit.ActionUserDisable, audit.ActionUserEnable, audit.ActionUserDelete:
		l = legacyLine{User: user}
	case audit.ActionTenantEdit:
		l = legacyLine{Tenant: e.Tenant, Disabled: slices.Contains(changed, "disabled")}
		if !l.Disabled && !slices.Contains(changed, "active") {
			return nil, nil
		}
	case audit.ActionAccountDisable, audit.ActionAccountEnable:
		l = legacyLine{Account: e.Account}
	case audit.ActionAccountMemberRemove:
		l = legacyLine{Account: e.Account, User: user}
	case audit.ActionPolicyEdit:
		l = legacyLine{Account: e.Account, Days: legacyDays(e.Details)}
	case audit.ActionServerRestore:
	default:
		return nil, nil
	}
	return l.effects(e.Action)
}

// legacyDays returns the bounds that a policy has since an event, in days. A policy that is off
// expires no keys.
func legacyDays(details map[string]string) map[policy.Reason]int {
	days := map[policy.Reason]int{}
	for name, reason := range map[string]policy.Reason{
		"auto_expiry_days":  policy.ByAutoExpiry,
		"max_lifetime_days": policy.ByMaxLifetime,
	} {
		if text := details[name]; text != "" {
			days[reason], _ = strconv.Atoi(text) // "off" and "none" are no numbers and mean no bound
		}
	}
	return days
}
