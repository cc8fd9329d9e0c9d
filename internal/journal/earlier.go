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

// What follows reads what versions before schema 8 wrote: events without effects, and lines of a journal with an action in their place. Nothing writes them any
// more. Events of that kind are read where a journal was lost or its node was stopped before the upgrade; lines, where a journal is older than the upgrade. The
// file can go when no server is upgraded from such a version any more, and no backup is restored that was made before.

// earlier are the members of a line of an earlier version, besides those of [Line].
type earlier struct {
	Account  ident.AccountID       `json:"account"`
	Tenant   ident.TenantID        `json:"tenant"`
	User     ident.UserID          `json:"user"`
	Key      ident.KeyID           `json:"key"`
	Serial   int                   `json:"serial"`
	Disabled bool                  `json:"disabled"`
	Days     map[policy.Reason]int `json:"days"`
	Expires  time.Time             `json:"expires"`
}

// effects returns what the line says.
func (l earlier) effects(action audit.Action) (effects []audit.Effect, err error) {
	f := audit.Effect{Account: l.Account, Tenant: l.Tenant, User: l.User, Key: l.Key, Serial: l.Serial, Expires: l.Expires}
	switch action {
	case audit.ActionPolicyEdit:
		return lifetimes(f.Account, l.Days)
	case audit.ActionTenantEdit:
		f.Kind = either(l.Disabled, audit.EffectTenantDisabled, audit.EffectTenantEnabled)
	case audit.ActionMemberAdd, audit.ActionMemberJoin, audit.ActionMemberEdit:
		f.Kind = either(l.Disabled, audit.EffectMemberDisabled, audit.EffectMemberEnabled)
	default:
		f.Kind = sameEffect[action]
	}
	if err := f.Check(); err != nil {
		return nil, fmt.Errorf("the action %q: %w", action, err)
	}
	return []audit.Effect{f}, nil
}

// sameEffect has the actions that had one effect, whatever their details.
var sameEffect = map[audit.Action]audit.EffectKind{
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

func either(disabled bool, yes, no audit.EffectKind) audit.EffectKind {
	if disabled {
		return yes
	}
	return no
}

func lifetimes(account ident.AccountID, days map[policy.Reason]int) (effects []audit.Effect, err error) {
	for _, reason := range []policy.Reason{policy.ByAutoExpiry, policy.ByMaxLifetime} {
		if n, said := days[reason]; said {
			effects = append(effects, audit.Effect{Kind: audit.EffectLifetimeSet, Account: account, Reason: reason, Days: n})
		}
	}
	return effects, nil
}

// EarlierEffects returns the effects of an event of an earlier version, which are in its action and details. An action that is in no list is an error.
func EarlierEffects(e audit.Event) (effects []audit.Effect, err error) {
	if !e.Action.Known() {
		return nil, fmt.Errorf("the action %q is in no list: a newer version of claviger wrote it; run that version", e.Action)
	}
	user, key := ident.UserID(e.Target.ID), ident.KeyID(e.Target.ID)
	changed := strings.Fields(e.Details["changed"])
	l := earlier{}
	switch e.Action {
	case audit.ActionKeyRevoke, audit.ActionKeyDelete, audit.ActionKeyDisable, audit.ActionKeyEnable:
		l = earlier{Tenant: e.Tenant, Key: key}
	case audit.ActionKeyRefresh, audit.ActionKeyEndPrevious:
		l = earlier{Tenant: e.Tenant, Key: key}
		if l.Serial, err = strconv.Atoi(e.Details["serial"]); err != nil {
			return nil, nil // the first versions did not say, and wrote no line of it
		}
	case audit.ActionKeyEdit:
		if !slices.Contains(changed, "expires_at") {
			return nil, nil
		}
		expires, _ := time.Parse(time.RFC3339Nano, e.Details["expires_at"]) // none where it was taken away
		l = earlier{Tenant: e.Tenant, Key: key, Expires: expires}
	case audit.ActionMemberAdd, audit.ActionMemberJoin, audit.ActionMemberEdit, audit.ActionMemberRemove:
		l = earlier{Tenant: e.Tenant, User: user, Disabled: e.Details["status"] == "disabled"}
	case audit.ActionUserDisable, audit.ActionUserEnable, audit.ActionUserDelete:
		l = earlier{User: user}
	case audit.ActionTenantEdit:
		l = earlier{Tenant: e.Tenant, Disabled: slices.Contains(changed, "disabled")}
		if !l.Disabled && !slices.Contains(changed, "active") {
			return nil, nil
		}
	case audit.ActionAccountDisable, audit.ActionAccountEnable:
		l = earlier{Account: e.Account}
	case audit.ActionAccountMemberRemove:
		l = earlier{Account: e.Account, User: user}
	case audit.ActionPolicyEdit:
		l = earlier{Account: e.Account, Days: earlierDays(e.Details)}
	case audit.ActionServerRestore:
	default:
		return nil, nil
	}
	return l.effects(e.Action)
}

// earlierDays returns how many days a policy counts since an event. A policy that is off ends no keys.
func earlierDays(details map[string]string) map[policy.Reason]int {
	days := map[policy.Reason]int{}
	for name, reason := range map[string]policy.Reason{"auto_expiry_days": policy.ByAutoExpiry, "max_lifetime_days": policy.ByMaxLifetime} {
		if text := details[name]; text != "" {
			days[reason], _ = strconv.Atoi(text) // "off" and "none" are no number, and no bound
		}
	}
	return days
}
