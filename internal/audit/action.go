package audit

import (
	"fmt"
	"maps"
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

	ActionKeyCreate Action = "key.create"
	ActionKeyClaim  Action = "key.claim"
	// ActionKeyClaimLink says that a key that waits for its owner got a new link.
	ActionKeyClaimLink      Action = "key.claim_link"
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
	// ActionManagementKeyForgetPrevious says that a previous secret was removed, because it had
	// ended long ago.
	ActionManagementKeyForgetPrevious Action = "management_key.forget_previous"

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
	// ActionNoticeTest says that a person sent a test message to their own address.
	ActionNoticeTest Action = "notice.test"

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
	// ActionSessionChallenge says that a person gave their password, and was asked for a code or to
	// set up a second factor. ActionSessionCodeRefused says that their code was wrong.
	ActionSessionChallenge   Action = "session.challenge"
	ActionSessionCodeRefused Action = "session.code_refused"
	ActionSessionEnd         Action = "session.end"
	ActionSessionSweep       Action = "session.sweep"

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
	// ActionUserEmailRequest says that a person asked for another e-mail address, and
	// ActionUserEmailConfirm that one of the two addresses confirmed it. ActionUserEmail says that
	// it was changed.
	ActionUserEmailRequest Action = "user.email_request"
	ActionUserEmailConfirm Action = "user.email_confirm"
	ActionUserEmail        Action = "user.email"
	// ActionUserAvatarSet says that a person uploaded a picture of themselves.
	ActionUserAvatarSet    Action = "user.avatar_set"
	ActionUserAvatarRemove Action = "user.avatar_remove"
	// ActionUserResetLink says that a link to set a person's password was created.
	ActionUserResetLink Action = "user.reset_link"
	// ActionUserFactorSet says that a person set up a second factor, or replaced it.
	// ActionUserRecoveryCodes says that they made new recovery codes.
	ActionUserFactorSet     Action = "user.factor_set"
	ActionUserFactorRemove  Action = "user.factor_remove"
	ActionUserRecoveryCodes Action = "user.recovery_codes"
	ActionUserDisable       Action = "user.disable"
	ActionUserEnable        Action = "user.enable"
	ActionUserDelete        Action = "user.delete"
	// ActionUserReplace says that a user who never proved their address was deleted, because
	// another person proved it.
	ActionUserReplace Action = "user.replace"
)

// A Rule lists the effects of an action, or the reason why it has none.
type Rule struct {
	// Always are effects that every event of the action has. May are effects that some events have.
	Always, May []EffectKind
	// None is the reason why the action has no effect.
	None string
}

// Reasons why an action has no effect.
const (
	reasonOnlyGrants  = "It gives authority that did not exist before. A restored backup lacks it, which is safe."
	reasonNoAuthority = "It changes no authority: names, descriptions, pictures or mail only."
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
var actionRules = map[Action]Rule{
	ActionAccountCreate:       {None: reasonOnlyGrants},
	ActionAccountEdit:         {None: reasonNoAuthority},
	ActionAccountDisable:      {Always: []EffectKind{EffectAccountDisabled}},
	ActionAccountEnable:       {Always: []EffectKind{EffectAccountEnabled}},
	ActionAccountMember:       {Always: []EffectKind{EffectAccountRoleSet}},
	ActionAccountMemberRemove: {Always: []EffectKind{EffectAccountRoleRemoved}},

	ActionApplicationCreate: {None: reasonOnlyGrants},
	ActionApplicationEdit:   {May: []EffectKind{EffectApplicationDisabled, EffectApplicationEnabled}},
	ActionApplicationDelete: {Always: []EffectKind{EffectApplicationDeleted}},
	ActionApplicationRoutes: {Always: []EffectKind{EffectRoutesSet}},

	ActionEntryCreate: {None: reasonOnlyGrants},
	ActionEntryEdit:   {Always: []EffectKind{EffectEntryOtherwiseSet}},
	ActionEntryDelete: {Always: []EffectKind{EffectEntryDeleted}},

	ActionKeyCreate:    {None: reasonOnlyGrants},
	ActionKeyClaim:     {None: reasonOnlyGrants},
	ActionKeyClaimLink: {None: reasonLinksExpire},
	ActionKeyEdit: {May: []EffectKind{
		EffectKeyExpirySet, EffectKeyScopesSet, EffectKeyApplicationsSet, EffectKeyAddressesSet,
	}},
	ActionKeyReveal:         {None: reasonNoAuthority},
	ActionKeyRefresh:        {Always: []EffectKind{EffectKeyRefreshed}},
	ActionKeyEndPrevious:    {Always: []EffectKind{EffectKeyPreviousEnded}},
	ActionKeyDisable:        {Always: []EffectKind{EffectKeyDisabled}},
	ActionKeyEnable:         {Always: []EffectKind{EffectKeyEnabled}},
	ActionKeyRevoke:         {Always: []EffectKind{EffectKeyRevoked}},
	ActionKeyDelete:         {Always: []EffectKind{EffectKeyRevoked}},
	ActionKeyForget:         {None: reasonEndsByAge},
	ActionKeyForgetPrevious: {None: reasonEndsByAge},
	ActionKeySweep:          {None: reasonOwnerEnded},

	ActionManagementKeyCreate:      {None: reasonOnlyGrants},
	ActionManagementKeyEdit:        {May: []EffectKind{EffectManagementKeyNarrowed}},
	ActionManagementKeyRefresh:     {Always: []EffectKind{EffectManagementKeyRefreshed}},
	ActionManagementKeyEndPrevious: {Always: []EffectKind{EffectManagementKeyPreviousEnded}},
	ActionManagementKeyRevoke:      {Always: []EffectKind{EffectManagementKeyRevoked}},
	ActionManagementKeyDelete:      {Always: []EffectKind{EffectManagementKeyRevoked}},
	ActionManagementKeyForget:      {None: reasonEndsByAge},

	ActionManagementKeyForgetPrevious: {None: reasonEndsByAge},

	ActionMemberAdd:        {Always: []EffectKind{EffectMemberEnabled}},
	ActionMemberInvite:     {None: reasonLinksExpire},
	ActionInvitationResend: {None: reasonLinksExpire},
	ActionInvitationCancel: {None: reasonLinksExpire},
	ActionMemberJoin:       {Always: []EffectKind{EffectMemberEnabled}, May: []EffectKind{EffectAccountRoleSet}},
	ActionMemberEdit:       {May: []EffectKind{EffectMemberDisabled, EffectMemberEnabled, EffectMemberRoleSet}},
	ActionMemberRemove:     {Always: []EffectKind{EffectMemberRemoved}},

	ActionNoticeRetry: {None: reasonNoAuthority},
	ActionNoticeTest:  {None: reasonNoAuthority},

	ActionPlanCreate: {None: reasonOnlyGrants},
	ActionPlanEdit:   {Always: []EffectKind{EffectPlanSet}},
	ActionPlanDelete: {Always: []EffectKind{EffectPlanDeleted}},

	ActionPolicyEdit: {May: []EffectKind{EffectLifetimeSet, EffectSessionBoundsSet, EffectSecondFactorRequired}},

	ActionRootKeyRotate: {None: reasonServerKeys},
	ActionRootKeyRewrap: {None: reasonServerKeys},
	ActionRootKeyRetire: {None: reasonServerKeys},

	ActionScopesReplace: {Always: []EffectKind{EffectCatalogueSet}},

	ActionSigningKeyCreate: {None: reasonServerKeys},
	ActionSigningKeyDelete: {None: reasonServerKeys},

	ActionTokenRevoke: {None: reasonTokensVoid},
	ActionTokenSweep:  {None: reasonTokensVoid},

	ActionAuditSign:             {None: reasonNoAuthority},
	ActionClockRepair:           {Always: []EffectKind{EffectTimeRepaired}},
	ActionServiceAccountCreate:  {None: reasonOnlyGrants},
	ActionServiceAccountEdit:    {May: []EffectKind{EffectServiceAccountRoleSet}},
	ActionServiceAccountDisable: {Always: []EffectKind{EffectServiceAccountDisabled}},
	ActionServiceAccountEnable:  {Always: []EffectKind{EffectServiceAccountEnabled}},
	ActionServiceAccountDelete:  {Always: []EffectKind{EffectServiceAccountDeleted}},

	ActionServerCreate:  {None: reasonOnlyGrants},
	ActionServerRestore: {Always: []EffectKind{EffectDatabaseRestored}},

	ActionSessionBegin:       {May: []EffectKind{EffectRecoveryCodesEnded}},
	ActionSessionChallenge:   {None: reasonNoSessions},
	ActionSessionCodeRefused: {None: reasonNoSessions},
	ActionSessionEnd:         {None: reasonNoSessions},
	ActionSessionSweep:       {None: reasonNoSessions},

	ActionLinkSweep: {None: reasonLinksExpire},

	ActionSetupLink: {None: reasonLinksExpire},

	ActionSubjectCreate:  {None: reasonOnlyGrants},
	ActionSubjectEdit:    {May: []EffectKind{EffectSubjectPlanSet}},
	ActionSubjectDisable: {Always: []EffectKind{EffectSubjectDisabled}},
	ActionSubjectEnable:  {Always: []EffectKind{EffectSubjectEnabled}},
	ActionSubjectDelete:  {Always: []EffectKind{EffectSubjectDeleted}},

	ActionTenantCreate: {None: reasonOnlyGrants},
	ActionTenantEdit: {May: []EffectKind{
		EffectTenantDisabled, EffectTenantEnabled, EffectSettingsSet, EffectCopiesForgotten,
	}},

	ActionUserCreate:        {None: reasonOnlyGrants},
	ActionUserEdit:          {None: reasonNoAuthority},
	ActionUserPassword:      {Always: []EffectKind{EffectPasswordSet}},
	ActionUserEmailRequest:  {None: reasonLinksExpire},
	ActionUserEmailConfirm:  {None: reasonLinksExpire},
	ActionUserEmail:         {Always: []EffectKind{EffectEmailSet}},
	ActionUserAvatarSet:     {None: reasonNoAuthority},
	ActionUserAvatarRemove:  {None: reasonNoAuthority},
	ActionUserResetLink:     {None: reasonLinksExpire},
	ActionUserFactorSet:     {Always: []EffectKind{EffectSecondFactorSet}},
	ActionUserFactorRemove:  {Always: []EffectKind{EffectSecondFactorRemoved}},
	ActionUserRecoveryCodes: {Always: []EffectKind{EffectRecoveryCodesEnded}},
	ActionUserDisable:       {Always: []EffectKind{EffectUserDisabled}},
	ActionUserEnable:        {Always: []EffectKind{EffectUserEnabled}},
	ActionUserDelete:        {Always: []EffectKind{EffectUserDeleted}},
	ActionUserReplace:       {Always: []EffectKind{EffectUserDeleted}},
}

// Actions returns all actions, in the order of their texts.
func Actions() []Action { return slices.Sorted(maps.Keys(actionRules)) }

// Known reports whether the action has a rule.
func (a Action) Known() bool {
	_, known := actionRules[a]
	return known
}

// Rule returns the rule of the action; the zero value if it is unknown.
func (a Action) Rule() Rule { return actionRules[a] }

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
		if !slices.Contains(rule.Always, f.Kind) && !slices.Contains(rule.May, f.Kind) {
			return fmt.Errorf("audit: %s must not have the effect %s", e.Action, f.Kind)
		}
	}
	for _, kind := range rule.Always {
		if !slices.ContainsFunc(e.Effects, func(f Effect) bool { return f.Kind == kind }) {
			return fmt.Errorf("audit: %s must have the effect %s", e.Action, kind)
		}
	}
	return nil
}
