package console

import (
	"maps"
	"slices"
	"strings"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/key"
)

// sentence says what an action did, after its actor. What was changed follows the text.
type sentence struct {
	icon, text string
	// details are the names of the details that people want to know first.
	details string
	// alone is set if the text says what was changed.
	alone bool
}

// detail returns the details of an event that people want to know first.
func (s sentence) detail(e audit.Event) string {
	var words []string
	for name := range strings.FieldsSeq(s.details) {
		if value := e.Details[name]; value != "" {
			words = append(words, detailWords(name, value))
		}
	}
	// What changed of a policy, as it was and as it is.
	for _, name := range slices.Sorted(maps.Keys(e.Details)) {
		is, changed := strings.CutSuffix(name, "_before")
		if changed {
			words = append(words, strings.ReplaceAll(is, "_", " ")+" "+e.Details[name]+" → "+e.Details[is])
		}
	}
	return strings.Join(words, ", ")
}

// detailWords returns a detail in words.
func detailWords(name, value string) string {
	switch name {
	case "owner":
		return "for " + value
	case "delivery":
		if key.Delivery(value) == key.ByLink {
			return "by link"
		}
		return "secret shown once"
	}
	return strings.ReplaceAll(name, "_", " ") + " " + value
}

// sentences are those of all actions.
var sentences = map[audit.Action]sentence{
	audit.ActionAccountCreate:       {icon: "building", text: "created the account"},
	audit.ActionAccountEdit:         {icon: "edit", text: "renamed the account, now"},
	audit.ActionAccountDisable:      {icon: "pause", text: "disabled the account"},
	audit.ActionAccountEnable:       {icon: "check", text: "enabled the account"},
	audit.ActionAccountMember:       {icon: "people", text: "set the role in the account of", details: "role"},
	audit.ActionAccountMemberRemove: {icon: "people", text: "took the role in the account from", details: "role"},

	audit.ActionApplicationCreate: {icon: "grid", text: "added the application"},
	audit.ActionApplicationEdit:   {icon: "grid", text: "changed the application", details: "status"},
	audit.ActionApplicationDelete: {icon: "bin", text: "deleted the application"},
	audit.ActionApplicationRoutes: {icon: "grid", text: "replaced the route rules of", details: "rules"},

	audit.ActionAuditSign:   {icon: "shield", text: "signed the ends of the audit trails as they were", alone: true},
	audit.ActionClockRepair: {icon: "clock", text: "repaired the time on record", alone: true},

	audit.ActionEntryCreate: {icon: "link", text: "added the entry for proxies"},
	audit.ActionEntryEdit:   {icon: "link", text: "changed the entry for proxies"},
	audit.ActionEntryDelete: {icon: "bin", text: "deleted the entry for proxies"},

	audit.ActionKeyCreate:         {icon: "plus", text: "created the key", details: "owner delivery"},
	audit.ActionKeyClaim:          {icon: "link", text: "claimed the key and saw its secret:"},
	audit.ActionKeyClaimLink:      {icon: "link", text: "created another claim link for", details: "owner"},
	audit.ActionKeyEdit:           {icon: "edit", text: "changed the key", details: "changed"},
	audit.ActionKeyReveal:         {icon: "copy", text: "was shown the secret again of"},
	audit.ActionKeyRefresh:        {icon: "turn", text: "regenerated the secret of", details: "previous_until"},
	audit.ActionKeyEndPrevious:    {icon: "cross", text: "ended the old secret of"},
	audit.ActionKeyDisable:        {icon: "pause", text: "disabled the key"},
	audit.ActionKeyEnable:         {icon: "check", text: "enabled the key"},
	audit.ActionKeyRevoke:         {icon: "cross", text: "revoked the key", details: "reason"},
	audit.ActionKeyDelete:         {icon: "bin", text: "deleted the key"},
	audit.ActionKeyForget:         {icon: "bin", text: "deleted what was left of the expired secret of"},
	audit.ActionKeyForgetPrevious: {icon: "bin", text: "deleted what was left of the old secret of"},
	audit.ActionKeySweep:          {icon: "bin", text: "revoked the keys of an owner who had gone:", details: "keys"},

	audit.ActionManagementKeyCreate:      {icon: "key", text: "created the management key", details: "permissions"},
	audit.ActionManagementKeyEdit:        {icon: "key", text: "narrowed the management key", details: "changed"},
	audit.ActionManagementKeyRefresh:     {icon: "turn", text: "regenerated the secret of the management key"},
	audit.ActionManagementKeyEndPrevious: {icon: "cross", text: "ended the old secret of the management key"},
	audit.ActionManagementKeyRevoke:      {icon: "cross", text: "revoked the management key", details: "reason"},
	audit.ActionManagementKeyDelete:      {icon: "bin", text: "deleted the management key"},
	audit.ActionManagementKeyForget: {
		icon: "bin", text: "deleted what was left of the expired management key",
	},
	audit.ActionManagementKeyForgetPrevious: {
		icon: "bin", text: "deleted what was left of the old secret of the management key",
	},

	audit.ActionMemberAdd:        {icon: "people", text: "added the member", details: "role"},
	audit.ActionMemberInvite:     {icon: "mail", text: "invited", details: "role"},
	audit.ActionMemberJoin:       {icon: "people", text: "joined the tenant", details: "role", alone: true},
	audit.ActionInvitationResend: {icon: "mail", text: "created another link for the invitation of", details: "role"},
	audit.ActionInvitationCancel: {icon: "cross", text: "cancelled the invitation of"},
	audit.ActionMemberEdit:       {icon: "people", text: "changed the membership of", details: "role status"},
	audit.ActionMemberRemove:     {icon: "bin", text: "ended the membership of", details: "keys_revoked"},

	audit.ActionNoticeRetry: {icon: "mail", text: "sent failed messages again", details: "notices", alone: true},
	audit.ActionNoticeTest:  {icon: "mail", text: "sent a test message to their own address", alone: true},

	audit.ActionPlanCreate: {icon: "layers", text: "created the plan"},
	audit.ActionPlanEdit:   {icon: "layers", text: "changed the plan"},
	audit.ActionPlanDelete: {icon: "bin", text: "deleted the plan"},

	audit.ActionPolicyEdit: {icon: "gear", text: "changed the policy of"},

	audit.ActionRootKeyRotate: {icon: "shield", text: "rotated a key of the server", details: "version", alone: true},
	audit.ActionRootKeyRewrap: {icon: "shield", text: "encrypted what a server key had sealed again", alone: true},
	audit.ActionRootKeyRetire: {icon: "shield", text: "retired a key of the server", details: "version", alone: true},

	audit.ActionScopesReplace: {icon: "tag", text: "changed the scopes of", details: "scopes"},

	audit.ActionSigningKeyCreate: {icon: "shield", text: "created a key that signs JWTs", details: "kid", alone: true},
	audit.ActionSigningKeyDelete: {icon: "shield", text: "deleted a key that signed JWTs", details: "kid", alone: true},

	audit.ActionServiceAccountCreate:  {icon: "machine", text: "created the service account", details: "role"},
	audit.ActionServiceAccountEdit:    {icon: "machine", text: "changed the service account", details: "changed role"},
	audit.ActionServiceAccountDisable: {icon: "pause", text: "disabled the service account"},
	audit.ActionServiceAccountEnable:  {icon: "check", text: "enabled the service account"},
	audit.ActionServiceAccountDelete:  {icon: "bin", text: "deleted the service account", details: "keys"},

	audit.ActionServerCreate:  {icon: "building", text: "created the database of this server", alone: true},
	audit.ActionServerRestore: {icon: "save", text: "restored the database of this server from a backup", alone: true},

	audit.ActionSessionBegin: {icon: "lock", text: "signed in", alone: true},
	audit.ActionSessionChallenge: {
		icon: "lock", text: "gave the password, and was asked for the second factor", details: "step", alone: true,
	},
	audit.ActionSessionCodeRefused: {icon: "lock", text: "sent a wrong code of the second factor", alone: true},
	audit.ActionSessionEnd:         {icon: "out", text: "ended a session", alone: true},
	audit.ActionSessionSweep: {
		icon: "out", text: "deleted sessions that had ended", details: "sessions", alone: true,
	},

	audit.ActionLinkSweep: {icon: "link", text: "deleted old links", details: "links", alone: true},
	audit.ActionSetupLink: {icon: "link", text: "created a link to set the server up", alone: true},

	audit.ActionSubjectCreate:  {icon: "house", text: "created the subject", details: "plan"},
	audit.ActionSubjectEdit:    {icon: "house", text: "changed the subject", details: "changed plan"},
	audit.ActionSubjectDisable: {icon: "pause", text: "disabled the subject"},
	audit.ActionSubjectEnable:  {icon: "check", text: "enabled the subject"},
	audit.ActionSubjectDelete:  {icon: "bin", text: "deleted the subject", details: "keys"},

	audit.ActionTokenRevoke: {icon: "cross", text: "revoked an access token", details: "key_id", alone: true},
	audit.ActionTokenSweep:  {icon: "bin", text: "forgot expired tokens", details: "tokens", alone: true},

	audit.ActionTenantCreate: {icon: "grid", text: "created the tenant", details: "preset"},
	audit.ActionTenantEdit:   {icon: "gear", text: "changed the settings of", details: "changed"},

	audit.ActionUserCreate:       {icon: "person", text: "created the person"},
	audit.ActionUserEdit:         {icon: "person", text: "changed the person", details: "changed"},
	audit.ActionUserPassword:     {icon: "lock", text: "set the password of"},
	audit.ActionUserEmailRequest: {icon: "mail", text: "asked for another e-mail address", alone: true},
	audit.ActionUserEmailConfirm: {
		icon: "mail", text: "confirmed another e-mail address", details: "address", alone: true,
	},
	audit.ActionUserEmail:         {icon: "mail", text: "changed the e-mail address of", details: "by"},
	audit.ActionUserAvatarSet:     {icon: "person", text: "changed the picture of"},
	audit.ActionUserAvatarRemove:  {icon: "bin", text: "removed the picture of"},
	audit.ActionUserResetLink:     {icon: "link", text: "created a link to set the password of"},
	audit.ActionUserFactorSet:     {icon: "shield", text: "set up the second factor of"},
	audit.ActionUserFactorRemove:  {icon: "shield", text: "removed the second factor of"},
	audit.ActionUserRecoveryCodes: {icon: "shield", text: "created new recovery codes for"},
	audit.ActionUserDisable:       {icon: "pause", text: "disabled the person"},
	audit.ActionUserEnable:        {icon: "check", text: "enabled the person"},
	audit.ActionUserDelete:        {icon: "bin", text: "deleted the person"},
	audit.ActionUserReplace:       {icon: "person", text: "replaced a person who had never proven their address:"},
}
