package app_test

// The table says how the server answers, for every route, every kind of object, and every caller.
// It is written from the product's definition, not from the code. authz_test.go makes a request of
// each cell, authz_world_test.go creates the callers, authz_objects_test.go the objects.
//
// A rule is one line: the outcome for each column, as a word of outcomes, and the object. Three
// things hold for whole routes and are not repeated in the lines:
//
//   - an invalid credential is refused before anything else, as the table refused says;
//   - a route for sessions only answers session_required to every good key, so that its lines have
//     the six columns of people alone;
//   - a route that needs no credential does not look at one, so that its lines have one column;
//   - a route for clients of OAuth reads no session, so that its lines have the columns of keys. A
//     client sends its key by HTTP Basic, and gets errors of RFC 6749.
//
// A key is sent by all transports. One of them is an access token that was issued for the key: its
// outcomes are those of the key.
//
// A new route needs a row here, or TestEveryRouteHasItsRow fails.

// columns are the callers. Bars only help the eye.
const columns = `owner officer | admin member auditor | foreigner | ` +
	`owner's-key key key-without member's-key bound-key | subject's-key`

// The columns: owner and off (an account admin) manage the account and are plain members of our
// tenant. admin, member and auditor have that role in our tenant. The foreigner manages another
// account and its tenant. The keys are of our tenant, all but bound-key for all applications:
//
//	owner's-key   every scope (*), of an owner of the account
//	key           every scope, of an admin; and one that has just the scope which the route needs
//	key-without   every scope but that one, of an admin; and one without any that counts
//	member's-key  every scope, of a member
//	bound-key     every scope, of an admin, restricted to one application
//	subject's-key every scope, of a subject: it can call whoami and nothing else

// outcomes are the meanings of the words of the table: status and code. A success shows the object
// where the route refers to one.
var outcomes = map[string]outcome{
	"200": {status: 200, shows: true},
	"201": {status: 201},
	"ok":  {status: 200}, // without the object's id
	"202": {status: 202},
	"204": {status: 204},
	"in":  {status: 200, shows: true},                 // a list with the object
	"out": {status: 200, hides: true},                 // a list without it
	"few": {status: 200, shows: true, lacks: "last4"}, // what members see of another's key
	"yes": {status: 200, says: `{"active":true,"code":"ok",`},
	"no":  {status: 200, says: `{"active":false,"code":"api_key_invalid"}`},
	// The same in a batch of one.
	"y":  {status: 200, says: `{"items":[{"active":true,"code":"ok",`},
	"n":  {status: 200, says: `{"items":[{"active":false,"code":"api_key_invalid"}]}`},
	"ap": {status: 200, says: `{"items":[{"type":"/docs/errors/application_forbidden",`},

	"live": {status: 200, says: `{"active":true,`}, // introspection of RFC 7662
	"dead": {status: 200, says: `{"active":false}`},

	"invalid":  {status: 401, code: "api_key_invalid"},
	"expired":  {status: 401, code: "api_key_expired"},
	"revoked":  {status: 401, code: "api_key_revoked"},
	"disabled": {status: 401, code: "api_key_disabled"},
	"ended":    {status: 401, code: "session_ended"},
	"failed":   {status: 401, code: "sign_in_failed"},
	"403":      {status: 403, code: "forbidden"},
	"session":  {status: 403, code: "session_required"},
	"scope":    {status: 403, code: "insufficient_scope"},
	"app":      {status: 403, code: "application_forbidden"},
	"again":    {status: 403, code: "sign_in_again"},
	"404":      {status: 404, code: "not_found"},
	"link":     {status: 404, code: "link_invalid"},
	"409":      {status: 409, code: "conflict"},
	"other":    {status: 400, protocol: "unauthorized_client"}, // a token of another client
	"once":     {status: 409, code: "not_recoverable"},
	"422":      {status: 422, code: "validation_failed"},
}

// refused are the invalid credentials, and how every route that needs a credential answers them.
var refused = map[string]string{
	"nobody":                     "invalid",
	"a session that was ended":   "ended",
	"a wrong secret":             "invalid",
	"a deleted key":              "invalid",
	"an expired key":             "expired",
	"a revoked key":              "revoked",
	"a disabled key":             "disabled",
	"a key of a disabled owner":  "disabled",
	"a key of a disabled member": "disabled",
}

// authorization is the table.
var authorization = []row{
	// Session and links

	{"POST /api/v1/session", noCredential, `{"email":"{email}","password":"` + password + `"}`, []rule{
		{"201", oneself},
		{"failed", strangersAddress},
	}},
	{"GET /api/v1/session", sessionOnly, ``, []rule{
		// own off | adm mem aud | for
		{"200 200 | 200 200 200 | 200", ownSession},
	}},
	{"DELETE /api/v1/session", sessionOnly, ``, []rule{
		{"204 204 | 204 204 204 | 204", ownSession},
	}},
	{
		"POST /api/v1/setup", noCredential,
		`{"token":"{token}","account":"Account {fresh}","email":"owner{fresh}@claviger.example",` +
			`"name":"New Owner","password":"` + password + `"}`,
		[]rule{
			{"201", firstSetUpLink},
			{"link", setUpLink},
			{"link", invitation},
			{"link", noLink},
		},
	},
	{"POST /api/v1/invitations/{token}", noCredential, `{"name":"New Member","password":"` + password + `"}`, []rule{
		{"201", invitation},
		{"link", setUpLink},
		{"link", noLink},
	}},

	{"POST /api/v1/password-resets", noCredential, `{"email":"{email}"}`, []rule{
		{"202", oneself},
		{"202", strangersAddress},
	}},
	{"POST /api/v1/password-resets/{token}", noCredential, `{"password":"` + password + ` {fresh}"}`, []rule{
		{"204", resetLink},
		{"link", setUpLink},
		{"link", invitation},
		{"link", noLink},
	}},

	// Oneself

	{"GET /api/v1/me", sessionOnly, ``, []rule{
		// own off | adm mem aud | for
		{"200 200 | 200 200 200 | 200", oneself},
	}},
	{"PATCH /api/v1/me", sessionOnly, `{"name":"Person {fresh}"}`, []rule{
		{"200 200 | 200 200 200 | 200", aTwin},
	}},
	{"DELETE /api/v1/me", sessionOnly, ``, []rule{
		{"204   204   | 204   204   204   | 204  ", aTwin},
		{"again again | again again again | again", oneself.signedInLongAgo()},
	}},
	{
		"POST /api/v1/me/password", sessionOnly,
		`{"current_password":"{password}","new_password":"a password of {fresh} twins"}`,
		[]rule{
			{"200    200    | 200    200    200    | 200   ", aTwin},
			{
				"failed failed | failed failed failed | failed",
				aTwin.and("with a wrong password", func(c *cell) { c.names["password"] = "not the password" }),
			},
		},
	},
	{"GET /api/v1/me/two-factor", sessionOnly, ``, []rule{
		{"ok ok | ok ok ok | ok", oneself},
	}},
	{"PUT /api/v1/me/two-factor", sessionOnly, `{}`, []rule{
		{"ok ok | ok ok ok | ok", aTwin},
	}},
	{"DELETE /api/v1/me/two-factor", sessionOnly, ``, []rule{
		{"204   204   | 204   204   204   | 204  ", aTwinWithFactor},
		{"again again | again again again | again", oneself.signedInLongAgo()},
	}},
	{"POST /api/v1/me/two-factor/recovery-codes", sessionOnly, ``, []rule{
		{"ok ok | ok ok ok | ok", aTwinWithFactor},
	}},
	{"POST /api/v1/me/email", sessionOnly, `{"email":"next{fresh}@claviger.example"}`, []rule{
		{"409   409   | 409   409   409   | 409  ", recently}, // without mail
		{"again again | again again again | again", oneself.signedInLongAgo()},
	}},
	{"POST /api/v1/email-changes/{token}", noCredential, ``, []rule{
		{"ok", emailLink},
		{"link", resetLink},
		{"link", invitation},
		{"link", noLink},
	}},
	{"GET /api/v1/me/data", sessionOnly, ``, []rule{
		{"ok    ok    | ok    ok    ok    | ok   ", recently},
		{"again again | again again again | again", oneself.signedInLongAgo()},
	}},
	{"PUT /api/v1/me/avatar", sessionOnly, dotGIF, []rule{
		{"204   204   | 204   204   204   | 204  ", recently},
		{"again again | again again again | again", oneself.signedInLongAgo()},
	}},
	{"DELETE /api/v1/me/avatar", sessionOnly, ``, []rule{
		{"204   204   | 204   204   204   | 204  ", recently.withAvatar()},
		{"again again | again again again | again", oneself.signedInLongAgo()},
	}},
	{"GET /api/v1/users/{user}/avatar", sessionOnly, ``, []rule{
		// own off | adm mem aud | for
		{"ok  ok  | ok  ok  ok  | ok ", oneself.withAvatar()},
		{"ok  ok  | ok  ok  ok  | 404", aMember.withAvatar()},
		{"ok  ok  | ok  ok  ok  | 404", anotherOfficer.withAvatar()},
		{"ok  ok  | 404 404 404 | 404", siblingMember.withAvatar()},
		{"404 404 | 404 404 404 | ok ", theirMember.withAvatar()},
		{"404 404 | 404 404 404 | 404", noPerson},
	}},
	{"GET /api/v1/me/sessions", sessionOnly, ``, []rule{
		{"in  in  | in  in  in  | in ", sessionOfOnes},
		{"out out | out out out | out", anothersSession},
	}},
	{"DELETE /api/v1/me/sessions/{session}", sessionOnly, ``, []rule{
		{"204 204 | 204 204 204 | 204", sessionOfOnes},
		{"404 404 | 404 404 404 | 404", anothersSession},
		{"404 404 | 404 404 404 | 404", noSession},
	}},
	{"GET /api/v1/me/keys", sessionOnly, ``, []rule{
		{"in  in  | in  in  in  | out", ownKey},
		{"in  in  | in  in  in  | out", ownKey.where(membersSeeTheirOwn)},
		{"out out | out out out | out", anothersKey},
		{"out out | out out out | out", siblingKey},
	}},

	// Accounts

	{"GET /api/v1/accounts", sessionOnly, ``, []rule{
		// own off | adm mem aud | for
		{"in  in  | in  in  in  | out", ourAccount},
		{"out out | out out out | in ", theirAccount},
	}},
	{"GET /api/v1/accounts/{account}", sessionOnly, ``, []rule{
		{"200 200 | 200 200 200 | 404", ourAccount},
		{"404 404 | 404 404 404 | 200", theirAccount},
		{"404 404 | 404 404 404 | 404", noAccount},
	}},
	{"PATCH /api/v1/accounts/{account}", sessionOnly, `{"name":"Account {fresh}"}`, []rule{
		{"200 200 | 403 403 403 | 404", ourAccount},
		{"404 404 | 404 404 404 | 200", theirAccount},
		{"404 404 | 404 404 404 | 404", noAccount},
	}},
	{"GET /api/v1/accounts/{account}/members", sessionOnly, ``, []rule{
		{"in  in  | 403 403 403 | 404", anotherOwner},
		{"in  in  | 403 403 403 | 404", anotherOfficer},
		{"out out | 403 403 403 | 404", aMember},
		{"404 404 | 404 404 404 | in ", theirOwner},
		{"404 404 | 404 404 404 | 404", noAccount},
	}},
	{"PUT /api/v1/accounts/{account}/members/{user}", sessionOnly, `{"role":"{role}"}`, []rule{
		{"200 200 | 403 403 403 | 404", aMember.as("admin")},
		{"200 403 | 403 403 403 | 404", aMember.as("owner")},
		{"200 403 | 403 403 403 | 404", anotherOwner.as("admin")},
		{"200 403 | 403 403 403 | 404", anotherOfficer.as("owner")},
		{"200 200 | 403 403 403 | 404", oneself.as("admin")},
		{"200 403 | 403 403 403 | 404", oneself.as("owner")},
		{"404 404 | 403 403 403 | 404", theirMemberHere.as("admin")},
		{"404 404 | 403 403 403 | 404", noPerson.as("admin")},
		{"404 404 | 404 404 404 | 200", theirMember.as("admin")},
		{"404 404 | 404 404 404 | 409", theirOwner.as("admin")}, // the last
		{"404 404 | 404 404 404 | 404", noAccount.as("admin")},
	}},
	{"DELETE /api/v1/accounts/{account}/members/{user}", sessionOnly, ``, []rule{
		{"204 403 | 403 403 403 | 404", anotherOwner},
		{"204 204 | 403 403 403 | 404", anotherOfficer},
		{"204 204 | 403 403 403 | 404", oneself},
		{"404 404 | 403 403 403 | 404", aMember}, // without a role to take away
		{"404 404 | 403 403 403 | 404", theirMemberHere},
		{"404 404 | 403 403 403 | 404", noPerson},
		{"404 404 | 404 404 404 | 409", theirOwner}, // the last
		{"404 404 | 404 404 404 | 404", noAccount},
	}},
	{"GET /api/v1/accounts/{account}/audit", sessionOnly, ``, []rule{
		{"200 200 | 403 403 403 | 404", ourAccount},
		{"404 404 | 404 404 404 | 200", theirAccount},
		{"404 404 | 404 404 404 | 404", noAccount},
	}},

	{"GET /api/v1/accounts/{account}/usage", sessionOnly, ``, []rule{
		{"200 200 | 403 403 403 | 404", ourAccount},
		{"404 404 | 404 404 404 | 200", theirAccount},
		{"404 404 | 404 404 404 | 404", noAccount},
	}},
	{"GET /api/v1/accounts/{account}/policy", sessionOnly, ``, []rule{
		{"200 200 | 200 200 200 | 404", ourAccount},
		{"404 404 | 404 404 404 | 200", theirAccount},
		{"404 404 | 404 404 404 | 404", noAccount},
	}},
	{"PATCH /api/v1/accounts/{account}/policy", sessionOnly, `{"max_lifetime_days":3650,"dry_run":{dry}}`, []rule{
		{"200 200 | 403 403 403 | 404", ourAccount.dry("false")},
		{"200 200 | 403 403 403 | 404", ourAccount.dry("true")},
		{"404 404 | 404 404 404 | 200", theirAccount.dry("false")},
		{"404 404 | 404 404 404 | 200", theirAccount.dry("true")},
		{"404 404 | 404 404 404 | 404", noAccount.dry("false")},
		{"404 404 | 404 404 404 | 404", noAccount.dry("true")},
	}},

	// Tenants

	{"GET /api/v1/tenants", "tenants:read", ``, []rule{
		// own off | adm mem aud | for | own key lacks mem   bound | subject
		{"in  in  | in  in  in  | out | in  in  scope in    in | scope", ourTenant},
		{"in  in  | out out out | out | out out scope out   out | scope", siblingTenant},
		{"out out | out out out | in  | out out scope out   out | scope", theirTenant},
	}},
	{
		"POST /api/v1/tenants", sessionOnly, `{"account_id":"{account}","name":"Tenant {fresh}","preset":"standard"}`,
		[]rule{
			{"201 201 | 403 403 403 | 404", ourAccount},
			{"201 201 | 403 403 403 | 201", onlyAccount},
			{"404 404 | 404 404 404 | 201", theirAccount},
			{"404 404 | 404 404 404 | 404", noAccount},
		},
	},
	{"GET /api/v1/tenants/{tenant}", "tenants:read", ``, []rule{
		{"200 200 | 200 200 200 | 404 | 200 200 scope 200   200 | scope", ourTenant},
		{"200 200 | 404 404 404 | 404 | 404 404 404   404   404 | 404", siblingTenant},
		{"404 404 | 404 404 404 | 200 | 404 404 404   404   404 | 404", theirTenant},
		{"404 404 | 404 404 404 | 404 | 404 404 404   404   404 | 404", noTenant},
	}},
	{"PATCH /api/v1/tenants/{tenant}", sessionOnly, `{"name":"Tenant {fresh}"}`, []rule{
		{"200 200 | 403 403 403 | 404", ourTenant},
		{"200 200 | 404 404 404 | 404", siblingTenant},
		{"404 404 | 404 404 404 | 200", theirTenant},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},
	{"GET /api/v1/tenants/{tenant}/audit", "audit:read", ``, []rule{
		{"200 200 | 200 403 200 | 404 | 200 200 scope scope 200 | scope", ourTenant},
		{"200 200 | 404 404 404 | 404 | 404 404 404   404   404 | 404", siblingTenant},
		{"404 404 | 404 404 404 | 200 | 404 404 404   404   404 | 404", theirTenant},
		{"404 404 | 404 404 404 | 404 | 404 404 404   404   404 | 404", noTenant},
	}},

	// Members

	{"GET /api/v1/tenants/{tenant}/members", "members:read", ``, []rule{
		// own off | adm mem aud | for | own key lacks mem   bound | subject
		{"in  in  | in  in  in  | 404 | in  in  scope in    in | scope", aMember},
		{"out out | out out out | 404 | out out scope out   out | scope", siblingMemberHere},
		{"in  in  | 404 404 404 | 404 | 404 404 404   404   404 | 404", siblingMember},
		{"404 404 | 404 404 404 | in  | 404 404 404   404   404 | 404", theirMember},
		{"404 404 | 404 404 404 | 404 | 404 404 404   404   404 | 404", noTenant},
	}},
	{
		"POST /api/v1/tenants/{tenant}/members", sessionOnly, `{"email":"new{fresh}@claviger.example","role":"admin"}`,
		[]rule{
			{"201 201 | 201 403 403 | 404", ourTenant},
			{"201 201 | 404 404 404 | 404", siblingTenant},
			{"404 404 | 404 404 404 | 201", theirTenant},
			{"404 404 | 404 404 404 | 404", noTenant},
		},
	},
	{"GET /api/v1/tenants/{tenant}/invitations", sessionOnly, ``, []rule{
		{"in  in  | in  403 403 | 404", pendingInvitation},
		{"out out | out 403 403 | 404", siblingInvitationHere},
		{"in  in  | 404 404 404 | 404", pendingInvitation.where(sibling)},
		{"404 404 | 404 404 404 | in ", pendingInvitation.where(theirs)},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},
	{"POST /api/v1/tenants/{tenant}/invitations/{invitation}/resend", sessionOnly, ``, []rule{
		{"200 200 | 200 403 403 | 404", pendingInvitation},
		{"200 403 | 403 403 403 | 404", ownersInvitation},
		{"404 404 | 404 403 403 | 404", siblingInvitationHere},
		{"404 404 | 404 403 403 | 404", noInvitation},
		{"200 200 | 404 404 404 | 404", pendingInvitation.where(sibling)},
		{"404 404 | 404 404 404 | 200", pendingInvitation.where(theirs)},
	}},
	{"DELETE /api/v1/tenants/{tenant}/invitations/{invitation}", sessionOnly, ``, []rule{
		{"204 204 | 204 403 403 | 404", pendingInvitation},
		{"204 403 | 403 403 403 | 404", ownersInvitation},
		{"404 404 | 404 403 403 | 404", siblingInvitationHere},
		{"404 404 | 404 403 403 | 404", noInvitation},
		{"204 204 | 404 404 404 | 404", pendingInvitation.where(sibling)},
		{"404 404 | 404 404 404 | 204", pendingInvitation.where(theirs)},
	}},
	{"PATCH /api/v1/tenants/{tenant}/members/{user}", sessionOnly, `{"role":"{role}"}`, []rule{
		{"200 200 | 200 403 403 | 404", aMember.as("auditor")},
		{"200 200 | 200 403 403 | 404", oneself.as("admin")},
		{"409 409 | 409 403 403 | 404", theLastAdmin.as("member")},
		{"404 404 | 404 403 403 | 404", siblingMemberHere.as("auditor")},
		{"404 404 | 404 403 403 | 404", noPerson.as("auditor")},
		{"200 200 | 404 404 404 | 404", siblingMember.as("auditor")},
		{"404 404 | 404 404 404 | 200", theirMember.as("auditor")},
		{"404 404 | 404 404 404 | 404", noTenant.as("auditor")},
	}},
	{"DELETE /api/v1/tenants/{tenant}/members/{user}", sessionOnly, ``, []rule{
		{"204 204 | 204 403 403 | 404", aMember},
		{"204 204 | 204 204 204 | 404", aTwin.and("by id", func(c *cell) { c.names["user"] = string(c.by.person.ID) })},
		{"409 409 | 409 403 403 | 404", theLastAdmin},
		{"404 404 | 404 403 403 | 404", siblingMemberHere},
		{"404 404 | 404 403 403 | 404", noPerson},
		{"204 204 | 404 404 404 | 404", siblingMember},
		{"404 404 | 404 404 404 | 204", theirMember},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},

	// Scopes

	{"GET /api/v1/tenants/{tenant}/scopes", "scopes:read", ``, []rule{
		// own off | adm mem aud | for | own key lacks mem   bound | subject
		{"200 200 | 200 200 200 | 404 | 200 200 scope 200   200 | scope", ourTenant},
		{"200 200 | 404 404 404 | 404 | 404 404 404   404   404 | 404", siblingTenant},
		{"404 404 | 404 404 404 | 200 | 404 404 404   404   404 | 404", theirTenant},
		{"404 404 | 404 404 404 | 404 | 404 404 404   404   404 | 404", noTenant},
	}},
	{"PUT /api/v1/tenants/{tenant}/scopes", sessionOnly, `{"items":[{"name":"reports:export{fresh}"}]}`, []rule{
		{"200 200 | 200 403 403 | 404", ourTenant},
		{"200 200 | 404 404 404 | 404", siblingTenant},
		{"404 404 | 404 404 404 | 200", theirTenant},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},

	{"PUT /api/v1/tenants/{tenant}/scopes/{name}", sessionOnly, `{"description":"Of the table"}`, []rule{
		{"200 200 | 200 403 403 | 404", aScope},
		{"200 200 | 200 403 403 | 404", aNewScope},
		{"200 200 | 404 404 404 | 404", siblingNewScope},
		{"404 404 | 404 404 404 | 200", theirNewScope},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},
	{"DELETE /api/v1/tenants/{tenant}/scopes/{name}", sessionOnly, ``, []rule{
		{"204 204 | 204 403 403 | 404", aScope},
		{"404 404 | 404 403 403 | 404", aNewScope},
		{"204 204 | 404 404 404 | 404", siblingScope},
		{"404 404 | 404 404 404 | 204", theirScope},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},

	// Applications

	{"GET /api/v1/tenants/{tenant}/applications", "applications:read", ``, []rule{
		// own off | adm mem aud | for | own key lacks mem   bound | subject
		{"in  in  | in  in  in  | 404 | in  in  scope in    in | scope", boundApplication},
		{"in  in  | in  in  in  | 404 | in  in  scope in    out | scope", otherApplication},
		{"in  in  | 404 404 404 | 404 | 404 404 404   404   404 | 404", siblingApplication},
		{"404 404 | 404 404 404 | in  | 404 404 404   404   404 | 404", theirApplication},
		{"404 404 | 404 404 404 | 404 | 404 404 404   404   404 | 404", noTenant},
	}},
	{"POST /api/v1/tenants/{tenant}/applications", "applications:create", `{"name":"Application {fresh}"}`, []rule{
		{"201 201 | 201 403 403 | 404 | 201 201 scope scope app | scope", ourTenant},
		{"201 201 | 404 404 404 | 404 | 404 404 404   404   404 | 404", siblingTenant},
		{"404 404 | 404 404 404 | 201 | 404 404 404   404   404 | 404", theirTenant},
		{"404 404 | 404 404 404 | 404 | 404 404 404   404   404 | 404", noTenant},
	}},
	{"GET /api/v1/tenants/{tenant}/applications/{application}", "applications:read", ``, []rule{
		{"200 200 | 200 200 200 | 404 | 200 200 scope 200   200 | scope", boundApplication},
		{"200 200 | 200 200 200 | 404 | 200 200 scope 200   app | scope", otherApplication},
		{"200 200 | 200 200 200 | 404 | app app scope app   app | scope", disabledApplication},
		{"404 404 | 404 404 404 | 404 | 404 404 scope 404   app | scope", siblingApplicationHere},
		{"404 404 | 404 404 404 | 404 | 404 404 scope 404   app | scope", noApplication},
		{"200 200 | 404 404 404 | 404 | 404 404 404   404   404 | 404", siblingApplication},
		{"404 404 | 404 404 404 | 200 | 404 404 404   404   404 | 404", theirApplication},
		{"404 404 | 404 404 404 | 404 | 404 404 404   404   404 | 404", noTenant},
	}},
	{
		"PATCH /api/v1/tenants/{tenant}/applications/{application}", "applications:update",
		`{"name":"Application {fresh}"}`,
		[]rule{
			{"200 200 | 200 403 403 | 404 | 200 200 scope scope 200 | scope", boundApplication},
			{"200 200 | 200 403 403 | 404 | 200 200 scope scope app | scope", otherApplication},
			{"200 200 | 200 403 403 | 404 | app app scope scope app | scope", disabledApplication},
			{"404 404 | 404 403 403 | 404 | 404 404 scope scope app | scope", siblingApplicationHere},
			{"404 404 | 404 403 403 | 404 | 404 404 scope scope app | scope", noApplication},
			{"200 200 | 404 404 404 | 404 | 404 404 404   404   404 | 404", siblingApplication},
			{"404 404 | 404 404 404 | 200 | 404 404 404   404   404 | 404", theirApplication},
			{"404 404 | 404 404 404 | 404 | 404 404 404   404   404 | 404", noTenant},
		},
	},
	{"DELETE /api/v1/tenants/{tenant}/applications/{application}", "applications:delete", ``, []rule{
		{"204 204 | 204 403 403 | 404 | 204 204 scope scope 204 | scope", boundApplication},
		{"204 204 | 204 403 403 | 404 | 204 204 scope scope app | scope", otherApplication},
		{"204 204 | 204 403 403 | 404 | app app scope scope app | scope", disabledApplication},
		{"404 404 | 404 403 403 | 404 | 404 404 scope scope app | scope", siblingApplicationHere},
		{"404 404 | 404 403 403 | 404 | 404 404 scope scope app | scope", noApplication},
		{"204 204 | 404 404 404 | 404 | 404 404 404   404   404 | 404", siblingApplication},
		{"404 404 | 404 404 404 | 204 | 404 404 404   404   404 | 404", theirApplication},
		{"404 404 | 404 404 404 | 404 | 404 404 404   404   404 | 404", noTenant},
	}},

	{"GET /api/v1/tenants/{tenant}/applications/{application}/routes", "applications:read", ``, []rule{
		{"200 200 | 200 200 200 | 404 | 200 200 scope 200   200 | scope", boundApplication},
		{"200 200 | 200 200 200 | 404 | 200 200 scope 200   app | scope", otherApplication},
		{"200 200 | 200 200 200 | 404 | app app scope app   app | scope", disabledApplication},
		{"404 404 | 404 404 404 | 404 | 404 404 scope 404   app | scope", siblingApplicationHere},
		{"404 404 | 404 404 404 | 404 | 404 404 scope 404   app | scope", noApplication},
		{"200 200 | 404 404 404 | 404 | 404 404 404   404   404 | 404", siblingApplication},
		{"404 404 | 404 404 404 | 200 | 404 404 404   404   404 | 404", theirApplication},
		{"404 404 | 404 404 404 | 404 | 404 404 404   404   404 | 404", noTenant},
	}},
	{
		"PUT /api/v1/tenants/{tenant}/applications/{application}/routes", sessionOnly,
		`{"items":[{"path":"/{fresh}"}]}`,
		[]rule{
			// own off | adm mem aud | for
			{"200 200 | 200 403 403 | 404", boundApplication},
			{"200 200 | 200 403 403 | 404", disabledApplication},
			{"404 404 | 404 403 403 | 404", siblingApplicationHere},
			{"404 404 | 404 403 403 | 404", noApplication},
			{"200 200 | 404 404 404 | 404", siblingApplication},
			{"404 404 | 404 404 404 | 200", theirApplication},
			{"404 404 | 404 404 404 | 404", noTenant},
		},
	},

	// Service accounts

	{"GET /api/v1/tenants/{tenant}/service-accounts", sessionOnly, ``, []rule{
		// own off | adm mem aud | for
		{"in  in  | in  403 in  | 404", aServiceAccount},
		{"out out | out 403 out | 404", deletedServiceAccount},
		{"in  in  | 404 404 404 | 404", siblingServiceAccount},
		{"404 404 | 404 404 404 | in ", theirServiceAccount},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},
	{
		"POST /api/v1/tenants/{tenant}/service-accounts", sessionOnly,
		`{"name":"Robot {fresh}","role":"member","stewards":[]}`,
		[]rule{
			{"201 201 | 201 403 403 | 404", ourTenant},
			{"201 201 | 404 404 404 | 404", siblingTenant},
			{"404 404 | 404 404 404 | 201", theirTenant},
			{"404 404 | 404 404 404 | 404", noTenant},
		},
	},
	{"GET /api/v1/tenants/{tenant}/service-accounts/{service_account}", sessionOnly, ``, []rule{
		{"200 200 | 200 403 200 | 404", aServiceAccount},
		{"404 404 | 404 403 404 | 404", deletedServiceAccount},
		{"404 404 | 404 403 404 | 404", siblingServiceAccountHere},
		{"404 404 | 404 403 404 | 404", noServiceAccount},
		{"200 200 | 404 404 404 | 404", siblingServiceAccount},
		{"404 404 | 404 404 404 | 200", theirServiceAccount},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},
	{
		"PATCH /api/v1/tenants/{tenant}/service-accounts/{service_account}", sessionOnly,
		`{"name":"Robot {fresh}"}`,
		[]rule{
			{"200 200 | 200 403 403 | 404", aServiceAccount},
			{"404 404 | 404 403 403 | 404", deletedServiceAccount},
			{"404 404 | 404 403 403 | 404", siblingServiceAccountHere},
			{"404 404 | 404 403 403 | 404", noServiceAccount},
			{"200 200 | 404 404 404 | 404", siblingServiceAccount},
			{"404 404 | 404 404 404 | 200", theirServiceAccount},
			{"404 404 | 404 404 404 | 404", noTenant},
		},
	},
	{"DELETE /api/v1/tenants/{tenant}/service-accounts/{service_account}", sessionOnly, ``, []rule{
		{"204 204 | 204 403 403 | 404", aServiceAccount},
		{"404 404 | 404 403 403 | 404", deletedServiceAccount},
		{"404 404 | 404 403 403 | 404", siblingServiceAccountHere},
		{"404 404 | 404 403 403 | 404", noServiceAccount},
		{"204 204 | 404 404 404 | 404", siblingServiceAccount},
		{"404 404 | 404 404 404 | 204", theirServiceAccount},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},
	{"POST /api/v1/tenants/{tenant}/service-accounts/{service_account}/disable", sessionOnly, ``, []rule{
		{"200 200 | 200 403 403 | 404", aServiceAccount},
		{"404 404 | 404 403 403 | 404", deletedServiceAccount},
		{"404 404 | 404 403 403 | 404", siblingServiceAccountHere},
		{"404 404 | 404 403 403 | 404", noServiceAccount},
		{"200 200 | 404 404 404 | 404", siblingServiceAccount},
		{"404 404 | 404 404 404 | 200", theirServiceAccount},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},
	{"POST /api/v1/tenants/{tenant}/service-accounts/{service_account}/enable", sessionOnly, ``, []rule{
		{"200 200 | 200 403 403 | 404", aServiceAccount},
		{"404 404 | 404 403 403 | 404", deletedServiceAccount},
		{"404 404 | 404 403 403 | 404", siblingServiceAccountHere},
		{"404 404 | 404 403 403 | 404", noServiceAccount},
		{"200 200 | 404 404 404 | 404", siblingServiceAccount},
		{"404 404 | 404 404 404 | 200", theirServiceAccount},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},

	// Management keys

	{
		"GET /api/v1/tenants/{tenant}/service-accounts/{service_account}/management-keys", sessionOnly,
		``,
		[]rule{
			{"in in | in 403 in | 404", aManagementKey},
			{"404 404 | 404 403 404 | 404", noServiceAccount},
			{"404 404 | 404 404 404 | 404", noTenant},
		},
	},
	{
		"POST /api/v1/tenants/{tenant}/service-accounts/{service_account}/management-keys", sessionOnly,
		`{"name":"Program {fresh}","permissions":["keys:read"],"owners":["subject"]}`,
		[]rule{
			{"201 201 | 201 403 403 | 404", aServiceAccount.justSignedIn()},
			{"404 404 | 404 403 403 | 404", noServiceAccount.justSignedIn()},
			{"404 404 | 404 404 404 | 404", noTenant},
		},
	},
	{
		"GET /api/v1/tenants/{tenant}/service-accounts/{service_account}/management-keys/{management_key}",
		sessionOnly,
		``,
		[]rule{
			{"200 200 | 200 403 200 | 404", aManagementKey},
			{"404 404 | 404 403 404 | 404", noManagementKey},
			{"404 404 | 404 404 404 | 404", noTenant},
		},
	},
	{
		"PATCH /api/v1/tenants/{tenant}/service-accounts/{service_account}/management-keys/{management_key}",
		sessionOnly,
		`{"name":"Program {fresh}"}`,
		[]rule{
			{"200 200 | 200 403 403 | 404", aManagementKey},
			{"404 404 | 404 403 403 | 404", noManagementKey},
			{"404 404 | 404 404 404 | 404", noTenant},
		},
	},
	{
		"DELETE /api/v1/tenants/{tenant}/service-accounts/{service_account}/management-keys/{management_key}",
		sessionOnly,
		``,
		[]rule{
			{"204 204 | 204 403 403 | 404", aManagementKey},
			{"404 404 | 404 403 403 | 404", noManagementKey},
			{"404 404 | 404 404 404 | 404", noTenant},
		},
	},
	{
		"POST /api/v1/tenants/{tenant}/service-accounts/{service_account}/management-keys/{management_key}/refresh",
		sessionOnly,
		``,
		[]rule{
			{"200 200 | 200 403 403 | 404", aManagementKey.justSignedIn()},
			{"404 404 | 404 403 403 | 404", noManagementKey.justSignedIn()},
			{"404 404 | 404 404 404 | 404", noTenant},
		},
	},
	{
		"POST /api/v1/tenants/{tenant}/service-accounts/{service_account}/management-keys/{management_key}/revoke",
		sessionOnly,
		``,
		[]rule{
			{"200 200 | 200 403 403 | 404", aManagementKey},
			{"404 404 | 404 403 403 | 404", noManagementKey},
			{"404 404 | 404 404 404 | 404", noTenant},
		},
	},
	{
		"DELETE /api/v1/tenants/{tenant}/service-accounts/{service_account}/management-keys/{management_key}/previous",
		sessionOnly,
		``,
		[]rule{
			{"204 204 | 204 403 403 | 404", aManagementKey.and("with a previous value", refreshManagementKey)},
			{"404 404 | 404 403 403 | 404", noManagementKey},
			{"404 404 | 404 404 404 | 404", noTenant},
		},
	},
	{"GET /api/v1/management/self", managementOnly, ``, []rule{
		{"403 403 | 403 403 403 | 403", nothing},
	}},

	// Subjects

	{"GET /api/v1/tenants/{tenant}/subjects", sessionOnly, ``, []rule{
		// own off | adm mem aud | for
		{"in  in  | in  403 in  | 404", aSubject},
		{"out out | out 403 out | 404", deletedSubject},
		{"in  in  | 404 404 404 | 404", siblingSubject},
		{"404 404 | 404 404 404 | in ", theirSubject},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},
	{
		"POST /api/v1/tenants/{tenant}/subjects", sessionOnly,
		`{"external_id":"customer-{fresh}"}`,
		[]rule{
			{"201 201 | 201 403 403 | 404", ourTenant},
			{"201 201 | 404 404 404 | 404", siblingTenant},
			{"404 404 | 404 404 404 | 201", theirTenant},
			{"404 404 | 404 404 404 | 404", noTenant},
		},
	},
	{"GET /api/v1/tenants/{tenant}/subjects/{subject}", sessionOnly, ``, []rule{
		{"200 200 | 200 403 200 | 404", aSubject},
		{"404 404 | 404 403 404 | 404", deletedSubject},
		{"404 404 | 404 403 404 | 404", siblingSubjectHere},
		{"404 404 | 404 403 404 | 404", noSubject},
		{"200 200 | 404 404 404 | 404", siblingSubject},
		{"404 404 | 404 404 404 | 200", theirSubject},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},
	{
		"PATCH /api/v1/tenants/{tenant}/subjects/{subject}", sessionOnly,
		`{"name":"Customer {fresh}"}`,
		[]rule{
			{"200 200 | 200 403 403 | 404", aSubject},
			{"404 404 | 404 403 403 | 404", deletedSubject},
			{"404 404 | 404 403 403 | 404", siblingSubjectHere},
			{"404 404 | 404 403 403 | 404", noSubject},
			{"200 200 | 404 404 404 | 404", siblingSubject},
			{"404 404 | 404 404 404 | 200", theirSubject},
			{"404 404 | 404 404 404 | 404", noTenant},
		},
	},
	{"DELETE /api/v1/tenants/{tenant}/subjects/{subject}", sessionOnly, ``, []rule{
		{"204 204 | 204 403 403 | 404", aSubject},
		{"404 404 | 404 403 403 | 404", deletedSubject},
		{"404 404 | 404 403 403 | 404", siblingSubjectHere},
		{"404 404 | 404 403 403 | 404", noSubject},
		{"204 204 | 404 404 404 | 404", siblingSubject},
		{"404 404 | 404 404 404 | 204", theirSubject},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},
	{"POST /api/v1/tenants/{tenant}/subjects/{subject}/disable", sessionOnly, ``, []rule{
		{"200 200 | 200 403 403 | 404", aSubject},
		{"404 404 | 404 403 403 | 404", deletedSubject},
		{"404 404 | 404 403 403 | 404", siblingSubjectHere},
		{"404 404 | 404 403 403 | 404", noSubject},
		{"200 200 | 404 404 404 | 404", siblingSubject},
		{"404 404 | 404 404 404 | 200", theirSubject},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},
	{"POST /api/v1/tenants/{tenant}/subjects/{subject}/enable", sessionOnly, ``, []rule{
		{"200 200 | 200 403 403 | 404", aSubject},
		{"404 404 | 404 403 403 | 404", deletedSubject},
		{"404 404 | 404 403 403 | 404", siblingSubjectHere},
		{"404 404 | 404 403 403 | 404", noSubject},
		{"200 200 | 404 404 404 | 404", siblingSubject},
		{"404 404 | 404 404 404 | 200", theirSubject},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},

	// Plans

	{"GET /api/v1/tenants/{tenant}/plans", sessionOnly, ``, []rule{
		// own off | adm mem aud | for
		{"in  in  | in  403 in  | 404", aPlan},
		{"out out | out 403 out | 404", deletedPlan},
		{"in  in  | 404 404 404 | 404", siblingPlan},
		{"404 404 | 404 404 404 | in ", theirPlan},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},
	{
		"POST /api/v1/tenants/{tenant}/plans", sessionOnly,
		`{"name":"plan-{fresh}","scopes":["*"],"all_applications":true}`,
		[]rule{
			{"201 201 | 201 403 403 | 404", ourTenant},
			{"201 201 | 404 404 404 | 404", siblingTenant},
			{"404 404 | 404 404 404 | 201", theirTenant},
			{"404 404 | 404 404 404 | 404", noTenant},
		},
	},
	{"GET /api/v1/tenants/{tenant}/plans/{plan}", sessionOnly, ``, []rule{
		{"200 200 | 200 403 200 | 404", aPlan},
		{"404 404 | 404 403 404 | 404", deletedPlan},
		{"404 404 | 404 403 404 | 404", siblingPlanHere},
		{"404 404 | 404 403 404 | 404", noPlan},
		{"200 200 | 404 404 404 | 404", siblingPlan},
		{"404 404 | 404 404 404 | 200", theirPlan},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},
	{
		"PATCH /api/v1/tenants/{tenant}/plans/{plan}", sessionOnly,
		`{"scopes":["*"]}`,
		[]rule{
			{"200 200 | 200 403 403 | 404", aPlan},
			{"404 404 | 404 403 403 | 404", deletedPlan},
			{"404 404 | 404 403 403 | 404", siblingPlanHere},
			{"404 404 | 404 403 403 | 404", noPlan},
			{"200 200 | 404 404 404 | 404", siblingPlan},
			{"404 404 | 404 404 404 | 200", theirPlan},
			{"404 404 | 404 404 404 | 404", noTenant},
		},
	},
	{"DELETE /api/v1/tenants/{tenant}/plans/{plan}", sessionOnly, ``, []rule{
		{"204 204 | 204 403 403 | 404", aPlan},
		{"404 404 | 404 403 403 | 404", deletedPlan},
		{"404 404 | 404 403 403 | 404", siblingPlanHere},
		{"404 404 | 404 403 403 | 404", noPlan},
		{"204 204 | 404 404 404 | 404", siblingPlan},
		{"404 404 | 404 404 404 | 204", theirPlan},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},

	// Keys

	{"POST /api/v1/tenants/{tenant}/keys/revoke", sessionOnly, `{"ids":["{key}"]}`, []rule{
		{"ok  ok  | ok  ok  ok  | 404", ownKey},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},
	{"POST /api/v1/tenants/{tenant}/keys/disable", sessionOnly, `{"ids":["{key}"]}`, []rule{
		{"ok  ok  | ok  ok  ok  | 404", ownKey},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},
	{
		"POST /api/v1/tenants/{tenant}/keys", sessionOnly,
		`{"name":"New key","scopes":["applications:read"],"all_applications":true,"owner_id":"{user}"}`,
		[]rule{
			// own off | adm mem aud | for
			{"201 201 | 201 201 403 | 404", oneself},
			{"201 201 | 201 403 403 | 404", aMember},
			{"201 201 | 201 403 403 | 404", anAuditor},
			{"422 422 | 422 403 403 | 404", theirMemberHere},
			{"201 201 | 201 403 403 | 404", oneself.where(adminsCreate)},
			{"201 201 | 201 403 403 | 404", aMember.where(adminsCreate)},
			{"201 201 | 201 201 403 | 404", oneself.where(eachCreatesTheirOwn)},
			{"403 403 | 403 403 403 | 404", aMember.where(eachCreatesTheirOwn)},
			{"422 422 | 404 404 404 | 404", oneself.where(sibling)},
			{"201 201 | 404 404 404 | 404", siblingMember},
			{"404 404 | 404 404 404 | 201", theirMember},
			{"404 404 | 404 404 404 | 404", noTenant},
		},
	},
	{"GET /api/v1/tenants/{tenant}/keys", sessionOnly, ``, []rule{
		{"in  in  | in  in  in  | 404", ownKey},
		{"in  in  | in  in  in  | 404", anothersKey},
		{"in  in  | in  in  in  | 404", ownKey.where(membersSeeTheirOwn)},
		{"in  in  | in  out in  | 404", anothersKey.where(membersSeeTheirOwn)},
		{"in  in  | 404 404 404 | 404", siblingKey},
		{"404 404 | 404 404 404 | in ", theirKey},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},
	{"GET /api/v1/tenants/{tenant}/key-health", sessionOnly, ``, []rule{
		{"in  in  | in  in  in  | 404", ownKey},
		{"in  in  | in  out in  | 404", anothersKey},
		{"in  in  | in  in  in  | 404", ownKey.where(membersSeeTheirOwn)},
		{"in  in  | in  out in  | 404", anothersKey.where(membersSeeTheirOwn)},
		{"in  in  | 404 404 404 | 404", siblingKey},
		{"404 404 | 404 404 404 | in ", theirKey},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},
	{"GET /api/v1/tenants/{tenant}/usage", sessionOnly, ``, []rule{
		{"200 200 | 200 200 200 | 404", ourTenant},
		{"200 200 | 404 404 404 | 404", siblingTenant},
		{"404 404 | 404 404 404 | 200", theirTenant},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},
	{"GET /api/v1/tenants/{tenant}/usage/events", sessionOnly, ``, []rule{
		{"200 200 | 200 403 200 | 404", ourTenant},
		{"200 200 | 404 404 404 | 404", siblingTenant},
		{"404 404 | 404 404 404 | 200", theirTenant},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},
	{"GET /api/v1/tenants/{tenant}/keys/{key}", sessionOnly, ``, []rule{
		{"200 200 | 200 200 200 | 404", ownKey},
		{"200 200 | 200 few 200 | 404", anothersKey},
		{"200 200 | 200 200 200 | 404", ownKey.where(membersSeeTheirOwn)},
		{"200 200 | 200 404 200 | 404", anothersKey.where(membersSeeTheirOwn)},
		{"404 404 | 404 404 404 | 404", siblingKeyHere},
		{"404 404 | 404 404 404 | 404", noKey},
		{"200 200 | 404 404 404 | 404", siblingKey},
		{"404 404 | 404 404 404 | 200", theirKey},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},
	{"PATCH /api/v1/tenants/{tenant}/keys/{key}", sessionOnly, `{"name":"Key {fresh}"}`, []rule{
		{"200 200 | 200 200 200 | 404", ownKey},
		{"200 200 | 200 403 403 | 404", anothersKey},
		{"200 200 | 200 404 403 | 404", anothersKey.where(membersSeeTheirOwn)},
		{"404 404 | 404 404 404 | 404", siblingKeyHere},
		{"404 404 | 404 404 404 | 404", noKey},
		{"200 200 | 404 404 404 | 404", siblingKey},
		{"404 404 | 404 404 404 | 200", theirKey},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},
	{"POST /api/v1/tenants/{tenant}/keys/{key}/refresh", sessionOnly, ``, []rule{
		{"200 200 | 200 200 200 | 404", ownKey},
		{"403 403 | 403 403 403 | 404", anothersKey},
		{"200 200 | 200 200 200 | 404", ownKey.where(adminsRefresh)},
		{"200 200 | 200 403 403 | 404", anothersKey.where(adminsRefresh)},
		{"403 403 | 403 404 403 | 404", anothersKey.where(membersSeeTheirOwn)},
		{"404 404 | 404 404 404 | 404", siblingKeyHere},
		{"404 404 | 404 404 404 | 404", noKey},
		{"403 403 | 404 404 404 | 404", siblingKey},
		{"404 404 | 404 404 404 | 403", theirKey},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},
	{"DELETE /api/v1/tenants/{tenant}/keys/{key}/previous", sessionOnly, ``, []rule{
		{"204 204 | 204 204 204 | 404", ownKey.overlapping()},
		{"404 404 | 404 404 404 | 404", ownKey},
		{"204 204 | 204 403 403 | 404", anothersKey.overlapping()},
		{"204 204 | 204 404 403 | 404", anothersKey.where(membersSeeTheirOwn).overlapping()},
		{"404 404 | 404 404 404 | 404", siblingKeyHere},
		{"404 404 | 404 404 404 | 404", noKey},
		{"204 204 | 404 404 404 | 404", siblingKey.overlapping()},
		{"404 404 | 404 404 404 | 204", theirKey.overlapping()},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},
	{"POST /api/v1/tenants/{tenant}/keys/{key}/reveal", sessionOnly, ``, []rule{
		{"ok    ok    | ok    ok    ok    | 404", ownKey.where(recoverable).justSignedIn()},
		{"again again | again again again | 404", ownKey.where(recoverable).signedInLongAgo()},
		{"403   403   | 403   403   403   | 404", anothersKey.where(recoverable).justSignedIn()},
		{"once  once  | once  once  once  | 404", ownKey.justSignedIn()},
		{"403   403   | 403   404   403   | 404", anothersKey.where(membersSeeTheirOwn)},
		{"404   404   | 404   404   404   | 404", siblingKeyHere},
		{"404   404   | 404   404   404   | 404", noKey},
		{"403   403   | 404   404   404   | 404", siblingKey},
		{"404   404   | 404   404   404   | 403", theirKey},
		{"404   404   | 404   404   404   | 404", noTenant},
	}},
	{"POST /api/v1/tenants/{tenant}/keys/{key}/claim-link", sessionOnly, ``, []rule{
		{"403 403 | 403 403 403 | 404", ownWaiting},
		{"200 200 | 200 403 403 | 404", anothersWaiting},
		{"200 200 | 200 404 403 | 404", anothersWaiting.where(membersSeeTheirOwn)},
		{"403 403 | 403 403 403 | 404", ownKey},
		{"409 409 | 409 403 403 | 404", anothersKey},
		{"404 404 | 404 404 404 | 404", siblingKeyHere},
		{"404 404 | 404 404 404 | 404", noKey},
		{"409 409 | 404 404 404 | 404", siblingKey},
		{"404 404 | 404 404 404 | 409", theirKey},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},
	{"POST /api/v1/claims/{token}", sessionOnly, ``, []rule{
		{"200  200  | 200  200  200  | link", ownClaim},
		{"link link | link link link | link", anothersClaim},
		{"link link | link link link | link", noLink},
	}},
	{"DELETE /api/v1/tenants/{tenant}/keys/{key}", sessionOnly, ``, []rule{
		{"204 204 | 204 204 204 | 404", ownKey},
		{"204 204 | 204 403 403 | 404", anothersKey},
		{"204 204 | 204 404 403 | 404", anothersKey.where(membersSeeTheirOwn)},
		{"404 404 | 404 404 404 | 404", siblingKeyHere},
		{"404 404 | 404 404 404 | 404", noKey},
		{"204 204 | 404 404 404 | 404", siblingKey},
		{"404 404 | 404 404 404 | 204", theirKey},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},
	{"POST /api/v1/tenants/{tenant}/keys/{key}/revoke", sessionOnly, ``, []rule{
		{"200 200 | 200 200 200 | 404", ownKey},
		{"200 200 | 200 403 403 | 404", anothersKey},
		{"200 200 | 200 404 403 | 404", anothersKey.where(membersSeeTheirOwn)},
		{"404 404 | 404 404 404 | 404", siblingKeyHere},
		{"404 404 | 404 404 404 | 404", noKey},
		{"200 200 | 404 404 404 | 404", siblingKey},
		{"404 404 | 404 404 404 | 200", theirKey},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},
	{"POST /api/v1/tenants/{tenant}/keys/{key}/disable", sessionOnly, ``, []rule{
		{"200 200 | 200 200 200 | 404", ownKey},
		{"200 200 | 200 403 403 | 404", anothersKey},
		{"200 200 | 200 404 403 | 404", anothersKey.where(membersSeeTheirOwn)},
		{"404 404 | 404 404 404 | 404", siblingKeyHere},
		{"404 404 | 404 404 404 | 404", noKey},
		{"200 200 | 404 404 404 | 404", siblingKey},
		{"404 404 | 404 404 404 | 200", theirKey},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},
	{"POST /api/v1/tenants/{tenant}/keys/{key}/enable", sessionOnly, ``, []rule{
		{"200 200 | 200 200 200 | 404", ownKey.disabledBy(itsOwner)},
		{"200 200 | 200 403 403 | 404", ownKey.disabledBy(anAdmin)},
		{"200 200 | 200 403 403 | 404", anothersKey.disabledBy(itsOwner)},
		{"200 200 | 200 403 403 | 404", anothersKey.disabledBy(anAdmin)},
		{"200 200 | 200 404 403 | 404", anothersKey.where(membersSeeTheirOwn).disabledBy(itsOwner)},
		{"404 404 | 404 404 404 | 404", siblingKeyHere},
		{"404 404 | 404 404 404 | 404", noKey},
		{"200 200 | 404 404 404 | 404", siblingKey.disabledBy(itsOwner)},
		{"404 404 | 404 404 404 | 200", theirKey.disabledBy(itsOwner)},
		{"404 404 | 404 404 404 | 404", noTenant},
	}},

	// Decisions

	{"GET /api/v1/whoami", anyCredential, ``, []rule{
		// own off | adm mem aud | for | own key lacks mem   bound | subject
		{"200 200 | 200 200 200 | 200 | 200 200 200   200   200 | 200", nothing},
	}},
	{"POST /api/v1/verify", "keys:verify", `{"credential":"{credential}","application_id":"{application}"}`, []rule{
		{"yes yes | yes 403 403 | no  | yes yes scope scope app | scope", anothersKey.verifiedFor(unnamed)},
		{"yes yes | yes 403 403 | no  | yes yes scope scope yes | scope", anothersKey.verifiedFor(boundApplication)},
		{"yes yes | yes 403 403 | no  | yes yes scope scope app | scope", anothersKey.verifiedFor(otherApplication)},
		{"yes yes | no  403 403 | no  | yes no  scope scope app | scope", siblingKey.verifiedFor(unnamed)},
		{"no  no  | no  403 403 | yes | no  no  scope scope app | scope", theirKey.verifiedFor(unnamed)},
		{"no  no  | no  403 403 | no  | no  no  scope scope app | scope", noKey.verifiedFor(unnamed)},
	}},
	{
		"POST /api/v1/verify/batch", "keys:verify",
		`{"items":[{"credential":"{credential}","application_id":"{application}"}]}`,
		[]rule{
			{"y y | y 403 403 | n  | y y scope scope ap | scope", anothersKey.verifiedFor(unnamed)},
			{"y y | y 403 403 | n  | y y scope scope y | scope", anothersKey.verifiedFor(boundApplication)},
			{"y y | y 403 403 | n  | y y scope scope ap | scope", anothersKey.verifiedFor(otherApplication)},
			{"y y | n  403 403 | n  | y n  scope scope ap | scope", siblingKey.verifiedFor(unnamed)},
			{"n  n  | n  403 403 | y | n  n  scope scope ap | scope", theirKey.verifiedFor(unnamed)},
			{"n  n  | n  403 403 | n  | n  n  scope scope ap | scope", noKey.verifiedFor(unnamed)},
		},
	},

	// Forward-auth accepts no client but trusted proxies. internal/dataplane tests what it decides.

	{"GET /api/v1/authz", noCredential, ``, []rule{{"403", nothing}}},
	{"GET /api/v1/authz-refusal", noCredential, ``, []rule{{"403", nothing}}},

	// OAuth

	{"POST /oauth2/token", oauthClient, `grant_type=client_credentials`, []rule{
		// own key lacks mem bound | subject
		{"ok ok ok ok ok | ok", nothing},
	}},
	{"POST /oauth2/introspect", oauthClient, `token={access_token}`, []rule{
		{"live live live  live  live | live ", ownToken},
		{"live live scope scope app  | scope", anothersToken},
		{"dead dead scope scope app  | scope", noToken},
	}},
	{"POST /oauth2/revoke", oauthClient, `token={access_token}`, []rule{
		{"ok    ok    ok    ok    ok    | ok   ", ownToken},
		{"other other other other other | other", anothersToken},
		{"ok    ok    ok    ok    ok    | ok   ", noToken},
	}},
	{"GET /oauth2/jwks", noCredential, ``, []rule{{"200", nothing}}},
	{"GET /.well-known/oauth-authorization-server", noCredential, ``, []rule{{"200", nothing}}},
	{"GET /.well-known/openid-configuration", noCredential, ``, []rule{{"200", nothing}}},

	// Health

	{"GET /healthz", noCredential, ``, []rule{{"200", nothing}}},
	{"GET /readyz", noCredential, ``, []rule{{"200", nothing}}},
}
