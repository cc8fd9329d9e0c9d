package audit

import (
	"fmt"
	"slices"
)

// Action is what was done, as noun.verb. Every action is a constant of this file and has a rule in
// actionRules.
type Action string

// The actions. Their texts are stored, shown and used in filters, so they never change.
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

	// ActionApplicationRoutes says that the route rules of an application were replaced.
	ActionApplicationRoutes Action = "application.routes"

	// ActionAuditSign says that the heads which versions before schema 11 left unsigned were signed
	// as they were found.
	ActionAuditSign   Action = "audit.sign"
	ActionClockRepair Action = "clock.repair"

	ActionEntryCreate Action = "entry.create"
	ActionEntryEdit   Action = "entry.edit"
	ActionEntryDelete Action = "entry.delete"

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
	// ActionKeySweep says that keys were revoked, or deleted, whose owner had been deleted or had
	// left the tenant.
	ActionKeySweep Action = "key.sweep"

	ActionManagementKeyCreate      Action = "management_key.create"
	ActionManagementKeyEdit        Action = "management_key.edit"
	ActionManagementKeyRefresh     Action = "management_key.refresh"
	ActionManagementKeyEndPrevious Action = "management_key.end_previous"
	ActionManagementKeyRevoke      Action = "management_key.revoke"
	ActionManagementKeyDelete      Action = "management_key.delete"
	ActionManagementKeyForget      Action = "management_key.forget"

	ActionMemberAdd    Action = "member.add"
	ActionMemberInvite Action = "member.invite"
	ActionMemberJoin   Action = "member.join"
	// ActionInvitationResend says that an invitation got a new link. ActionInvitationCancel says
	// that an invitation was cancelled.
	ActionInvitationResend Action = "invitation.resend"
	ActionInvitationCancel Action = "invitation.cancel"
	ActionMemberEdit       Action = "member.edit"
	ActionMemberRemove     Action = "member.remove"

	ActionNoticeRetry Action = "notice.retry"

	ActionPlanCreate Action = "plan.create"
	ActionPlanEdit   Action = "plan.edit"
	ActionPlanDelete Action = "plan.delete"

	ActionPolicyEdit Action = "policy.edit"

	ActionRootKeyRotate Action = "rootkey.rotate"
	ActionRootKeyRewrap Action = "rootkey.rewrap"
	ActionRootKeyRetire Action = "rootkey.retire"

	ActionScopesReplace Action = "scopes.replace"

	// ActionSigningKeyCreate says that a key was created which signs JWTs. ActionSigningKeyDelete
	// says that one was deleted after its last token had expired.
	ActionSigningKeyCreate Action = "signing_key.create"
	ActionSigningKeyDelete Action = "signing_key.delete"

	ActionServiceAccountCreate  Action = "service_account.create"
	ActionServiceAccountEdit    Action = "service_account.edit"
	ActionServiceAccountDisable Action = "service_account.disable"
	ActionServiceAccountEnable  Action = "service_account.enable"
	ActionServiceAccountDelete  Action = "service_account.delete"

	ActionServerCreate  Action = "server.create"
	ActionServerRestore Action = "server.restore"

	ActionSessionBegin Action = "session.begin"
	ActionSessionEnd   Action = "session.end"
	ActionSessionSweep Action = "session.sweep"

	ActionLinkSweep Action = "link.sweep"

	ActionSetupLink Action = "setup.link"

	ActionSubjectCreate  Action = "subject.create"
	ActionSubjectEdit    Action = "subject.edit"
	ActionSubjectDisable Action = "subject.disable"
	ActionSubjectEnable  Action = "subject.enable"
	ActionSubjectDelete  Action = "subject.delete"

	// ActionTokenRevoke says that an access token was revoked before it expired. ActionTokenSweep
	// says that revocations of expired tokens were deleted.
	ActionTokenRevoke Action = "token.revoke"
	ActionTokenSweep  Action = "token.sweep"

	ActionTenantCreate Action = "tenant.create"
	ActionTenantEdit   Action = "tenant.edit"

	ActionUserCreate   Action = "user.create"
	ActionUserEdit     Action = "user.edit"
	ActionUserPassword Action = "user.password"
	// ActionUserResetLink says that a link to set a person's password was created.
	ActionUserResetLink Action = "user.reset_link"
	ActionUserDisable   Action = "user.disable"
	ActionUserEnable    Action = "user.enable"
	ActionUserDelete    Action = "user.delete"
	// ActionUserReplace says that a user who never proved their address was deleted, because
	// another person proved it.
	ActionUserReplace Action = "user.replace"
)

// An actionRule lists the effects of an action, or the reason why it has none.
type actionRule struct {
	// always are effects that every event of the action has. may are effects that some events have.
	always, may []EffectKind
	// none is the reason why the action has no effect.
	none string
}

// Reasons why an action has no effect.
const (
	reasonOnlyGrants  = "It gives authority that did not exist before. A restored backup lacks it, which is safe."
	reasonNoAuthority = "It changes no authority: names, descriptions or mail only."
	reasonOwnerEnded  = "The end of the owner, whose event has the effect, revoked the keys already."
	reasonEndsByAge   = "It follows from the age of the key, which the restored data says as well."
	reasonNoSessions  = "Sessions are not part of a backup: nobody is signed in after a restore."
	reasonTokensVoid  = "A restore makes every access token of before void."
	reasonLinksExpire = "A restore makes every unused link void."
	reasonServerKeys  = "It concerns the server's own keys, which no caller has. What a retired one sealed was " +
		"sealed again " +
		"under the next before, so no credential lost its authority with it; what a backup holds still needs it."
)

// actionRules has every action. The ledger refuses an event that breaks its rule, so no change that
// takes authority away is committed without its effect.
var actionRules = map[Action]actionRule{
	ActionAccountCreate:       {none: reasonOnlyGrants},
	ActionAccountEdit:         {none: reasonNoAuthority},
	ActionAccountDisable:      {always: []EffectKind{EffectAccountDisabled}},
	ActionAccountEnable:       {always: []EffectKind{EffectAccountEnabled}},
	ActionAccountMember:       {always: []EffectKind{EffectAccountRoleSet}},
	ActionAccountMemberRemove: {always: []EffectKind{EffectAccountRoleRemoved}},

	ActionApplicationCreate: {none: reasonOnlyGrants},
	ActionApplicationEdit:   {may: []EffectKind{EffectApplicationDisabled, EffectApplicationEnabled}},
	ActionApplicationDelete: {always: []EffectKind{EffectApplicationDeleted}},
	ActionApplicationRoutes: {always: []EffectKind{EffectRoutesSet}},

	ActionEntryCreate: {none: reasonOnlyGrants},
	ActionEntryEdit:   {always: []EffectKind{EffectEntryOtherwiseSet}},
	ActionEntryDelete: {always: []EffectKind{EffectEntryDeleted}},

	ActionKeyCreate: {none: reasonOnlyGrants},
	ActionKeyClaim:  {none: reasonOnlyGrants},
	ActionKeyEdit: {may: []EffectKind{
		EffectKeyExpirySet, EffectKeyScopesSet, EffectKeyApplicationsSet, EffectKeyAddressesSet,
	}},
	ActionKeyReveal:         {none: reasonNoAuthority},
	ActionKeyRefresh:        {always: []EffectKind{EffectKeyRefreshed}},
	ActionKeyEndPrevious:    {always: []EffectKind{EffectKeyPreviousEnded}},
	ActionKeyDisable:        {always: []EffectKind{EffectKeyDisabled}},
	ActionKeyEnable:         {always: []EffectKind{EffectKeyEnabled}},
	ActionKeyRevoke:         {always: []EffectKind{EffectKeyRevoked}},
	ActionKeyDelete:         {always: []EffectKind{EffectKeyRevoked}},
	ActionKeyForget:         {none: reasonEndsByAge},
	ActionKeyForgetPrevious: {none: reasonEndsByAge},
	ActionKeySweep:          {none: reasonOwnerEnded},

	ActionManagementKeyCreate:      {none: reasonOnlyGrants},
	ActionManagementKeyEdit:        {may: []EffectKind{EffectManagementKeyNarrowed}},
	ActionManagementKeyRefresh:     {always: []EffectKind{EffectManagementKeyRefreshed}},
	ActionManagementKeyEndPrevious: {always: []EffectKind{EffectManagementKeyPreviousEnded}},
	ActionManagementKeyRevoke:      {always: []EffectKind{EffectManagementKeyRevoked}},
	ActionManagementKeyDelete:      {always: []EffectKind{EffectManagementKeyRevoked}},
	ActionManagementKeyForget:      {none: reasonEndsByAge},

	ActionMemberAdd:        {always: []EffectKind{EffectMemberEnabled}},
	ActionMemberInvite:     {none: reasonLinksExpire},
	ActionInvitationResend: {none: reasonLinksExpire},
	ActionInvitationCancel: {none: reasonLinksExpire},
	ActionMemberJoin:       {always: []EffectKind{EffectMemberEnabled}, may: []EffectKind{EffectAccountRoleSet}},
	ActionMemberEdit:       {may: []EffectKind{EffectMemberDisabled, EffectMemberEnabled, EffectMemberRoleSet}},
	ActionMemberRemove:     {always: []EffectKind{EffectMemberRemoved}},

	ActionNoticeRetry: {none: reasonNoAuthority},

	ActionPlanCreate: {none: reasonOnlyGrants},
	ActionPlanEdit:   {always: []EffectKind{EffectPlanSet}},
	ActionPlanDelete: {always: []EffectKind{EffectPlanDeleted}},

	ActionPolicyEdit: {may: []EffectKind{EffectLifetimeSet, EffectSessionBoundsSet}},

	ActionRootKeyRotate: {none: reasonServerKeys},
	ActionRootKeyRewrap: {none: reasonServerKeys},
	ActionRootKeyRetire: {none: reasonServerKeys},

	ActionScopesReplace: {always: []EffectKind{EffectCatalogueSet}},

	ActionSigningKeyCreate: {none: reasonServerKeys},
	ActionSigningKeyDelete: {none: reasonServerKeys},

	ActionTokenRevoke: {none: reasonTokensVoid},
	ActionTokenSweep:  {none: reasonTokensVoid},

	ActionAuditSign:             {none: reasonNoAuthority},
	ActionClockRepair:           {always: []EffectKind{EffectTimeRepaired}},
	ActionServiceAccountCreate:  {none: reasonOnlyGrants},
	ActionServiceAccountEdit:    {may: []EffectKind{EffectServiceAccountRoleSet}},
	ActionServiceAccountDisable: {always: []EffectKind{EffectServiceAccountDisabled}},
	ActionServiceAccountEnable:  {always: []EffectKind{EffectServiceAccountEnabled}},
	ActionServiceAccountDelete:  {always: []EffectKind{EffectServiceAccountDeleted}},

	ActionServerCreate:  {none: reasonOnlyGrants},
	ActionServerRestore: {always: []EffectKind{EffectDatabaseRestored}},

	ActionSessionBegin: {none: reasonNoSessions},
	ActionSessionEnd:   {none: reasonNoSessions},
	ActionSessionSweep: {none: reasonNoSessions},

	ActionLinkSweep: {none: reasonLinksExpire},

	ActionSetupLink: {none: reasonLinksExpire},

	ActionSubjectCreate:  {none: reasonOnlyGrants},
	ActionSubjectEdit:    {may: []EffectKind{EffectSubjectPlanSet}},
	ActionSubjectDisable: {always: []EffectKind{EffectSubjectDisabled}},
	ActionSubjectEnable:  {always: []EffectKind{EffectSubjectEnabled}},
	ActionSubjectDelete:  {always: []EffectKind{EffectSubjectDeleted}},

	ActionTenantCreate: {none: reasonOnlyGrants},
	ActionTenantEdit: {may: []EffectKind{
		EffectTenantDisabled, EffectTenantEnabled, EffectSettingsSet, EffectCopiesForgotten,
	}},

	ActionUserCreate:    {none: reasonOnlyGrants},
	ActionUserEdit:      {none: reasonNoAuthority},
	ActionUserPassword:  {always: []EffectKind{EffectPasswordSet}},
	ActionUserResetLink: {none: reasonLinksExpire},
	ActionUserDisable:   {always: []EffectKind{EffectUserDisabled}},
	ActionUserEnable:    {always: []EffectKind{EffectUserEnabled}},
	ActionUserDelete:    {always: []EffectKind{EffectUserDeleted}},
	ActionUserReplace:   {always: []EffectKind{EffectUserDeleted}},
}

// Known reports whether the action has a rule.
func (a Action) Known() bool {
	_, known := actionRules[a]
	return known
}

// Check returns an error for an event that must not be committed: its action is unknown, or its
// effects do not match the action.
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
