package console

import "github.com/claviger-dev/claviger/internal/console/view"

// messages are the sentences about what was done, by the word in the query string.
var messages = map[string]*view.Message{
	"welcome": {Tone: "ok", Icon: "check", Text: "Welcome. You are signed in."},
	"set-up": {
		Tone: "ok", Icon: "check",
		Text: "Your account is set up. You are its owner and signed in. The set-up link no longer works.",
	},
	"service-account.new":  {Tone: "ok", Icon: "check", Text: "The service account is created."},
	"service-account.edit": {Tone: "ok", Icon: "check", Text: "The service account was saved."},
	"service-account.enable": {
		Tone: "ok", Icon: "check", Text: "The service account is enabled. Its keys are what they were.",
	},
	"service-account.delete": {Tone: "ok", Icon: "bin", Text: "The service account is deleted. Its keys are revoked."},
	"service-account.disable": {
		Tone: "ok", Icon: "pause",
		Text: "The service account is disabled. Its keys are refused until it is enabled again.",
	},
	"management-key.edit":     {Tone: "ok", Icon: "check", Text: "The management key was saved."},
	"management-key.previous": {Tone: "ok", Icon: "check", Text: "The old secret has ended."},
	"management-key.revoke": {
		Tone: "ok", Icon: "cross", Text: "The management key is revoked. Requests with it are refused.",
	},
	"management-key.delete": {Tone: "ok", Icon: "bin", Text: "The management key is deleted."},

	"subject.new":    {Tone: "ok", Icon: "check", Text: "The subject is created."},
	"subject.edit":   {Tone: "ok", Icon: "check", Text: "The subject was saved."},
	"subject.plan":   {Tone: "ok", Icon: "check", Text: "The subject has the plan. Its keys are limited to it now."},
	"subject.enable": {Tone: "ok", Icon: "check", Text: "The subject is enabled. Its keys are what they were."},
	"subject.delete": {Tone: "ok", Icon: "bin", Text: "The subject is deleted. Its keys are revoked."},
	"subject.disable": {
		Tone: "ok", Icon: "pause",
		Text: "The subject is disabled. Its keys are refused until an admin enables it again.",
	},
	"plan.new":    {Tone: "ok", Icon: "check", Text: "The plan is created."},
	"plan.edit":   {Tone: "ok", Icon: "check", Text: "The plan was saved. Keys of its subjects are limited to it now."},
	"plan.delete": {Tone: "ok", Icon: "bin", Text: "The plan is deleted."},
	"mailed": {
		Tone: "ok", Icon: "mail",
		Text: "The key is created. Its owner gets an e-mail with a link to its secret, which works for 7 days.",
	},
	"claim-link": {
		Tone: "ok", Icon: "mail",
		Text: "A new link is mailed to the owner. It works for 7 days, and the old one no longer.",
	},
	"two-factor.off": {
		Tone: "ok", Icon: "check", Text: "Two-factor codes are off. Your password alone signs you in.",
	},
	"key.edit": {Tone: "ok", Icon: "check", Text: "The key was saved."},
	"key.disable": {
		Tone: "ok", Icon: "pause", Text: "The key is disabled. Requests with it are refused until it is enabled again.",
	},
	"key.enable":         {Tone: "ok", Icon: "check", Text: "The key is enabled."},
	"key.revoke":         {Tone: "ok", Icon: "cross", Text: "The key is revoked. Requests with it are refused."},
	"key.delete":         {Tone: "ok", Icon: "bin", Text: "The key is deleted."},
	"application.delete": {Tone: "ok", Icon: "bin", Text: "The application is deleted."},
	"application.disable": {
		Tone: "ok", Icon: "pause", Text: "The application is disabled. Requests for it are refused.",
	},
	"application.edit":   {Tone: "ok", Icon: "check", Text: "The application was saved."},
	"application.enable": {Tone: "ok", Icon: "check", Text: "The application is enabled."},
	"application.new":    {Tone: "ok", Icon: "check", Text: "The application was added."},

	"invitation.cancel": {Tone: "ok", Icon: "check", Text: "The invitation is cancelled. Its link works no more."},
	"member.disable": {
		Tone: "ok", Icon: "pause",
		Text: "The member is disabled here. Their keys of this tenant are refused until you enable them again.",
	},
	"member.enable": {Tone: "ok", Icon: "check", Text: "The member is enabled. Their keys work as before."},
	"member.invite": {Tone: "ok", Icon: "mail", Text: "The invitation was mailed. Its link works once, for 7 days."},
	"member.known":  {Tone: "ok", Icon: "cross", Text: "The keys are revoked. Requests with them are refused."},
	"member.leave":  {Tone: "ok", Icon: "out", Text: "You left the tenant. Your keys there are revoked."},
	"member.remove": {Tone: "ok", Icon: "bin", Text: "The member was removed. Their keys in this tenant are revoked."},
	"member.role":   {Tone: "ok", Icon: "check", Text: "The role was changed. It applies from the next request on."},

	"owner.new":    {Tone: "ok", Icon: "check", Text: "The person has the role from the next request on."},
	"owner.remove": {Tone: "ok", Icon: "bin", Text: "The person has no role in the account any more."},
	"owner.role":   {Tone: "ok", Icon: "check", Text: "The role was changed. It applies from the next request on."},
	"tenant.new":   {Tone: "ok", Icon: "check", Text: "The tenant was created. You are its first admin."},

	"mail.retry": {Tone: "ok", Icon: "mail", Text: "The message is sent again within a minute."},
	"mail.test": {
		Tone: "ok", Icon: "mail", Text: "A test message to your address is sent within a minute. Its state is below.",
	},

	"policy.edit": {Tone: "ok", Icon: "check", Text: "The policy was saved. It binds every key and session at once."},

	"tenant.disable": {
		Tone: "ok", Icon: "pause", Text: "The tenant is disabled. Its keys are refused until you enable it again.",
	},
	"tenant.edit":   {Tone: "ok", Icon: "check", Text: "The settings were saved. They apply from the next request on."},
	"tenant.enable": {Tone: "ok", Icon: "check", Text: "The tenant is enabled. Its keys work as before."},
	"tenant.preset": {Tone: "ok", Icon: "check", Text: "The preset applies from the next request on."},

	"scope.edit":   {Tone: "ok", Icon: "check", Text: "The scope was saved. It applies from the next request on."},
	"scope.new":    {Tone: "ok", Icon: "check", Text: "The scope was added. Keys can have it now."},
	"scope.remove": {Tone: "ok", Icon: "bin", Text: "The scope was removed. Requests that need it are refused."},

	"notifications.edit": {Tone: "ok", Icon: "check", Text: "Your notifications were saved."},
	"password.edit":      {Tone: "ok", Icon: "check", Text: "Your password is changed. All other sessions have ended."},
	"email.both": {
		Tone: "ok", Icon: "mail",
		Text: "Two e-mails are on their way. Open the link in each, within an hour. Your address changes after the " +
			"second.",
	},
	"email.new": {
		Tone: "ok", Icon: "mail",
		Text: "An e-mail is on its way to the new address. Open its link within an hour: then your address changes.",
	},
	"avatar.set":    {Tone: "ok", Icon: "check", Text: "Your picture was saved."},
	"avatar.remove": {Tone: "ok", Icon: "bin", Text: "Your picture is removed."},
	"profile.edit":  {Tone: "ok", Icon: "check", Text: "Your profile was saved."},
	"session.end":   {Tone: "ok", Icon: "check", Text: "The session has ended."},

	"key.previous": {Tone: "ok", Icon: "check", Text: "The old secret has ended."},
}
