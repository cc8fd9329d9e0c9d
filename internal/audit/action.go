package audit

import (
	"fmt"
	"slices"
)

// Action is what was done, as noun.verb. Every action is a constant of this file and has a rule in actionRules.
type Action string

// The actions. Their text is stored, filtered by and shown: it never changes.
const (
	ActionAccountCreate       Action = "account.create"
	ActionAccountEdit         Action = "account.edit"
	ActionAccountDisable      Action = "account.disable"
	ActionAccountEnable       Action = "account.enable"
	ActionAccountMember       Action = "account.member"
	ActionAccountMemberRemove Action = "account.member_remove"

	ActionApplicationCreate Action = "application.create"
	ActionApplicationEdit   Action = "application.edit"
	ActionApplicationDelete Action = "application.delete"

	ActionClockRepair Action = "clock.repair"

	ActionKeyCreate         Action = "key.create"
	ActionKeyClaim          Action = "key.claim"
	ActionKeyEdit           Action = "key.edit"
	ActionKeyReveal         Action = "key.reveal"
	ActionKeyRefresh        Action = "key.refresh"
	ActionKeyEndPrevious    Action = "key.end_previous"
	ActionKeyDisable        Action = "key.disable"
	ActionKeyEnable         Action = "key.enable"
	ActionKeyRevoke         Action = "key.revoke"
	ActionKeyDelete         Action = "key.delete"
	ActionKeyForget         Action = "key.forget"
	ActionKeyForgetPrevious Action = "key.forget_previous"

	ActionMemberAdd    Action = "member.add"
	ActionMemberInvite Action = "member.invite"
	ActionMemberJoin   Action = "member.join"
	ActionMemberEdit   Action = "member.edit"
	ActionMemberRemove Action = "member.remove"

	ActionNoticeRetry Action = "notice.retry"

	ActionPolicyEdit Action = "policy.edit"

	ActionRootKeyRotate Action = "rootkey.rotate"
	ActionRootKeyRewrap Action = "rootkey.rewrap"
	ActionRootKeyRetire Action = "rootkey.retire"

	ActionScopesReplace Action = "scopes.replace"

	ActionServerCreate  Action = "server.create"
	ActionServerRestore Action = "server.restore"

	ActionSessionBegin Action = "session.begin"
	ActionSessionEnd   Action = "session.end"
	ActionSessionSweep Action = "session.sweep"

	ActionSetupLink Action = "setup.link"

	ActionTenantCreate Action = "tenant.create"
	ActionTenantEdit   Action = "tenant.edit"

	ActionUserCreate   Action = "user.create"
	ActionUserEdit     Action = "user.edit"
	ActionUserPassword Action = "user.password"
	ActionUserDisable  Action = "user.disable"
	ActionUserEnable   Action = "user.enable"
	ActionUserDelete   Action = "user.delete"
)

// An actionRule lists the effects of an action, or says why it has none.
type actionRule struct {
	// always are effects that every event of the action has, may those that some have.
	always, may []EffectKind
	// none is why the action has no effect.
	none string
}

// Why an action has no effect.
const (
	onlyGives     = "It gives authority that did not exist before. A restored backup lacks it, which is safe."
	changesNoSay  = "It changes no authority: names, descriptions or mail only."
	endsByAge     = "It follows from the age of the key, which the restored data says as well."
	noSessions    = "Sessions are not part of a backup."
	linksAreVoid  = "A restore makes every unused link void."
	ofServerKeys  = "It concerns the server's own keys, under which nothing is left when one is retired."
	notYetCovered = "ADR 20: a restore may bring back wider scopes, settings, roles and passwords. The operator is told to review them."
)

// actionRules has every action. The ledger refuses an event that breaks its rule, so that nothing that takes authority away is committed unnoticed.
var actionRules = map[Action]actionRule{
	ActionAccountCreate:       {none: onlyGives},
	ActionAccountEdit:         {none: changesNoSay},
	ActionAccountDisable:      {always: []EffectKind{EffectAccountDisabled}},
	ActionAccountEnable:       {always: []EffectKind{EffectAccountEnabled}},
	ActionAccountMember:       {none: notYetCovered},
	ActionAccountMemberRemove: {always: []EffectKind{EffectAccountRoleRemoved}},

	ActionApplicationCreate: {none: onlyGives},
	ActionApplicationEdit:   {none: notYetCovered},
	ActionApplicationDelete: {none: notYetCovered},

	ActionKeyCreate:         {none: onlyGives},
	ActionKeyClaim:          {none: onlyGives},
	ActionKeyEdit:           {may: []EffectKind{EffectKeyExpirySet}},
	ActionKeyReveal:         {none: changesNoSay},
	ActionKeyRefresh:        {always: []EffectKind{EffectKeyRefreshed}},
	ActionKeyEndPrevious:    {always: []EffectKind{EffectKeyPreviousEnded}},
	ActionKeyDisable:        {always: []EffectKind{EffectKeyDisabled}},
	ActionKeyEnable:         {always: []EffectKind{EffectKeyEnabled}},
	ActionKeyRevoke:         {always: []EffectKind{EffectKeyRevoked}},
	ActionKeyDelete:         {always: []EffectKind{EffectKeyRevoked}},
	ActionKeyForget:         {none: endsByAge},
	ActionKeyForgetPrevious: {none: endsByAge},

	ActionMemberAdd:    {always: []EffectKind{EffectMemberEnabled}},
	ActionMemberInvite: {none: linksAreVoid},
	ActionMemberJoin:   {always: []EffectKind{EffectMemberEnabled}},
	ActionMemberEdit:   {may: []EffectKind{EffectMemberDisabled, EffectMemberEnabled}},
	ActionMemberRemove: {always: []EffectKind{EffectMemberRemoved}},

	ActionNoticeRetry: {none: changesNoSay},

	ActionPolicyEdit: {may: []EffectKind{EffectLifetimeSet}},

	ActionRootKeyRotate: {none: ofServerKeys},
	ActionRootKeyRewrap: {none: ofServerKeys},
	ActionRootKeyRetire: {none: ofServerKeys},

	ActionScopesReplace: {none: notYetCovered},

	ActionClockRepair:   {none: onlyGives},
	ActionServerCreate:  {none: onlyGives},
	ActionServerRestore: {always: []EffectKind{EffectDatabaseRestored}},

	ActionSessionBegin: {none: noSessions},
	ActionSessionEnd:   {none: noSessions},
	ActionSessionSweep: {none: noSessions},

	ActionSetupLink: {none: linksAreVoid},

	ActionTenantCreate: {none: onlyGives},
	ActionTenantEdit:   {may: []EffectKind{EffectTenantDisabled, EffectTenantEnabled}},

	ActionUserCreate:   {none: onlyGives},
	ActionUserEdit:     {none: changesNoSay},
	ActionUserPassword: {none: notYetCovered},
	ActionUserDisable:  {always: []EffectKind{EffectUserDisabled}},
	ActionUserEnable:   {always: []EffectKind{EffectUserEnabled}},
	ActionUserDelete:   {always: []EffectKind{EffectUserDeleted}},
}

// Known reports whether the action is in the list.
func (a Action) Known() bool {
	_, known := actionRules[a]
	return known
}

// Check reports an event that must not be committed: one of an unknown action, or with effects that do not belong to its action.
func (e Event) Check() error {
	rule, known := actionRules[e.Action]
	if !known {
		return fmt.Errorf("audit: the action %q is not in the list of actions", e.Action)
	}
	for _, f := range e.Effects {
		if err := f.Check(); err != nil {
			return fmt.Errorf("audit: %s: %w", e.Action, err)
		}
		if !slices.Contains(rule.always, f.Kind) && !slices.Contains(rule.may, f.Kind) {
			return fmt.Errorf("audit: %s must not have the effect %s", e.Action, f.Kind)
		}
	}
	for _, kind := range rule.always {
		if !slices.ContainsFunc(e.Effects, func(f Effect) bool { return f.Kind == kind }) {
			return fmt.Errorf("audit: %s must have the effect %s", e.Action, kind)
		}
	}
	return nil
}
