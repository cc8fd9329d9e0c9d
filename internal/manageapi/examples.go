package manageapi

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/claviger-dev/claviger/api"
)

// The examples are about one person, who has one key in one tenant.
const (
	exampleAccount        = "acc_01m8k6w12gkm5p2z"
	exampleTenant         = "ten_01m8k6w12gqa7r4t"
	exampleUser           = "usr_01m8k6w12g3bn9cd"
	exampleApplication    = "app_01m8k6w12gxe5fgh"
	exampleServiceAccount = "sva_01m8k6w12gsv3c7d"
	exampleKey            = "key_01m8k6w12grm4a1x"
	exampleEmail          = "ada@example.com"
	examplePassword       = "a long sentence that only Ada knows"
	examplePublicID       = "clv_ak_01m8k6w12grm4a1x"
	exampleVersion        = "TfX2cB9mQz4LkE7a"
)

// examples returns an example of each body. URLs in it begin with baseURL.
func examples(baseURL string) []any {
	at := time.Date(2026, time.November, 2, 9, 30, 0, 0, time.UTC)
	later := at.AddDate(0, 3, 0)
	owner := api.Party{
		Type: api.PartyUser, ID: exampleUser, Email: new(exampleEmail), Name: new("Ada Lovelace"),
	}
	person := api.Person{ID: exampleUser, Email: new(exampleEmail), Name: new("Ada Lovelace")}
	membership := api.Membership{TenantID: exampleTenant, AccountID: exampleAccount, Role: api.RoleAdmin}
	role := api.AccountMembership{AccountID: exampleAccount, Role: api.RoleOwner}
	summary := api.KeySummary{
		ID: exampleKey, PublicID: examplePublicID, Name: "Nightly export", Description: "Used by the batch server",
		Owner: owner, CreatedAt: at, Status: api.KeyActive,
	}
	key := api.Key{KeySummary: summary, KeyDetails: &api.KeyDetails{
		CreatedBy: owner, Style: api.StyleToken, Last4: "x7Qd", Scopes: []string{"orders:read"},
		AllApplications: true, ApplicationIDs: []string{}, Delivery: api.DeliveryDirect, UpdatedAt: at,
		SecretSetAt: &at,
		ExpiresAt:   &later, EffectiveExpiresAt: &later, ExpiryReason: new(api.ExpiryByKey),
		LastUsedAt: &at, LastUsedIP: new("192.0.2.7"), Version: exampleVersion,
	}}
	event := api.Event{
		ID: "evt_01m8k6w12gk2l3mn", At: at, Action: "key.create",
		Actor:  api.Actor{Type: "user", ID: new(exampleUser), Email: new(exampleEmail)},
		Target: api.Target{Type: "key", ID: new(exampleKey), Name: new("Nightly export")},
		IP:     new("192.0.2.7"), RequestID: new("req_K2L3MN4P00000017"),
		Details: map[string]string{"style": "token"},
	}
	self := api.Me{
		ID: exampleUser, Number: 1, Email: exampleEmail, EmailProven: true, Name: "Ada Lovelace",
		Status: api.StatusActive, Notices: api.Notices{
			KeyExpiring: true, KeyExpired: true, KeyIdle: true, KeyCreated: true, KeyRefreshed: true,
			KeyRevealed: true, KeyDisabled: true, KeyRevoked: true, NewSignIn: true,
		}, CreatedAt: at, UpdatedAt: at, Version: exampleVersion,
	}
	signIn := api.SessionInfo{
		ID: "ses_01m8k6w12gt8u9vw", CreatedAt: at, SignedInAt: at, LastSeenAt: at, ExpiresAt: at.AddDate(0, 0, 7),
		IP: "192.0.2.7", UserAgent: "Mozilla/5.0", Kind: api.SessionOfConsole, Current: true,
	}
	credential := api.Credential{
		Style: api.StyleToken, ID: examplePublicID, Secret: "…", Value: examplePublicID + "_…",
		Example: "curl -H 'Authorization: Bearer " + examplePublicID +
			"_…' '" + baseURL + "/api/v1/whoami'",
	}
	settings := api.Settings{
		Style: api.StyleToken, Prefix: new("clv"), Label: new("ak"), KeyHeader: new("X-API-Key"),
		Transports: []api.Transport{api.TransportBearer, api.TransportHeader}, KeysPerUser: new(20),
		Owners:   []api.PartyType{api.PartyUser, api.PartyServiceAccount, api.PartySubject},
		Creators: []api.Creator{api.CreatorSelf, api.CreatorAdmin}, Visibility: api.VisibilityAll,
		DefaultScopes: []string{}, RevokeMode: api.RevokeTombstone, Disclosure: api.DisclosureOnce,
		Dialect: api.DialectProblem, TokenSeconds: 3600, TokenFormat: api.TokenOpaque, TokenAlgorithm: api.TokenRS256,
		RequestsPerMinute: new(600), VerifyRequires: []api.VerifyMember{api.VerifyScopes},
	}
	ordersScope := api.Scope{
		Name: "orders:read", Description: "Read orders", Roles: []api.Role{api.RoleAdmin, api.RoleMember},
		Version: exampleVersion,
	}
	session := api.Session{
		User: person, Accounts: []api.AccountMembership{role}, Memberships: []api.Membership{membership},
		EndedAccounts: []string{}, ExpiresAt: at.AddDate(0, 0, 7),
	}
	decision := api.Decision{
		Active: true, Code: api.OK, KeyID: exampleKey, PublicID: examplePublicID, TenantID: exampleTenant,
		AccountID: exampleAccount, Owner: api.VerifiedOwner{Party: owner}, Scopes: []string{"orders:read"},
		AllApplications: true,
		ApplicationIDs:  []string{}, Transport: new(api.TransportBearer), EffectiveExpiresAt: &later,
	}
	return []any{
		api.AccessTokenResponse{AccessToken: "clv_at_…", TokenType: "Bearer", ExpiresIn: 3600, Scope: "orders:read"},
		api.AuthorizationServer{
			Issuer: baseURL, TokenEndpoint: baseURL + "/oauth2/token", JWKSURI: baseURL + "/oauth2/jwks",
			IntrospectionEndpoint: baseURL + "/oauth2/introspect", RevocationEndpoint: baseURL + "/oauth2/revoke",
			ResponseTypes: []string{}, GrantTypes: []string{"client_credentials"},
			TokenAuthMethods:         []string{"client_secret_basic", "client_secret_post"},
			IntrospectionAuthMethods: []string{"client_secret_basic", "client_secret_post"},
			RevocationAuthMethods:    []string{"client_secret_basic", "client_secret_post"},
			SubjectTypes:             []string{"public"}, SigningAlgorithms: []string{"RS256", "ES256", "EdDSA"},
			ServiceDocumentation: baseURL + "/docs",
		},
		api.IntrospectionResponse{
			Active: true, Scope: "orders:read", ClientID: examplePublicID, TokenType: "Bearer", Expires: later.Unix(),
			IssuedAt: at.Unix(), Subject: exampleUser, Issuer: baseURL, TokenID: "5f1c…", TenantID: exampleTenant,
			AccountID: exampleAccount, KeyID: exampleKey,
		},
		api.KeySet{Keys: []map[string]any{{
			"kty": "OKP", "crv": "Ed25519", "kid": "NzbLsXh8…", "alg": "EdDSA", "use": "sig", "x": "11qYAYKxCrfV…",
		}}},
		api.TwoFactor{Enabled: true, EnabledAt: &at, RecoveryCodesLeft: 10},
		api.SetTwoFactorRequest{Setup: "1.Zm9v…", Code: "492039"},
		api.SetTwoFactorResponse{
			Secret: new("JBSWY3DPEHPK3PXP…"), OTPAuthURI: new("otpauth://totp/Claviger:ada@example.com?secret=…"),
			Setup: new("1.Zm9v…"), ExpiresAt: &later,
		},
		api.RecoveryCodes{RecoveryCodes: []string{"ABCD-EFGH-IJKL-MNOP", "…"}},
		api.AcceptInvitationRequest{Name: "Ada Lovelace", Password: examplePassword},
		api.Account{
			ID: exampleAccount, Number: 1, Name: "Example Ltd", Status: api.StatusActive, Role: new(api.RoleOwner),
			CreatedAt: at, UpdatedAt: at, Version: exampleVersion,
		},
		api.Application{
			ID: exampleApplication, Number: 1, Name: "Orders", Description: "The orders API",
			Status: api.StatusActive, CreatedAt: at, UpdatedAt: at, Version: exampleVersion,
		},
		api.BulkKeysRequest{IDs: []string{exampleKey}, Reason: "The management key has leaked"},
		api.BulkKeysResponse{Results: []api.BulkKeyResult{{ID: exampleKey, Code: api.OK}}},
		exampleManagementKey(at),
		api.IssuedManagementKey{ManagementKey: exampleManagementKey(at), Value: new("clv_mk_…")},
		api.CreateManagementKeyRequest{
			Name: "Terraform", Permissions: []api.Permission{api.PermissionKeysRead, api.PermissionKeysCreate},
			Owners: []api.PartyType{api.PartyServiceAccount},
			Ceilings: api.ManagementCeilingsRequest{
				Scopes: []string{"orders:read"}, AllApplications: true, MaxLifetimeDays: new(90),
			},
		},
		api.UpdateManagementKeyRequest{Permissions: api.To([]api.Permission{api.PermissionKeysRead})},
		api.RefreshManagementKeyRequest{OverlapSeconds: 3600},
		api.RevokeManagementKeyRequest{Reason: "It has leaked"},
		api.ChangePasswordRequest{
			CurrentPassword: examplePassword,
			NewPassword:     "another sentence that only Ada knows",
		},
		api.ChangeEmailRequest{Email: "ada@example.org"},
		api.EmailChange{Email: "ada@example.org", ConfirmPresent: true, ExpiresAt: at.Add(time.Hour)},
		api.EmailConfirmation{Changed: true},
		api.PersonalData{
			User: self, Accounts: []api.AccountMembership{role}, Memberships: []api.Membership{membership},
			Sessions: []api.SessionInfo{signIn}, Keys: []api.OwnKey{{Key: key, TenantID: exampleTenant}},
			Events: []api.Event{event}, Complete: true,
		},
		api.CreateApplicationRequest{Name: "Orders", Description: "The orders API"},
		api.CreateInvitationRequest{Email: "grace@example.com", Role: api.RoleMember},
		api.CreateKeyRequest{
			Name: "Nightly export", Description: "Used by the batch server", Scopes: []string{"orders:read"},
			AllApplications: true, ExpiresAt: &later,
		},
		api.CreatePlanRequest{Name: "free", Scopes: []string{"orders:read"}, AllApplications: true},
		api.CreateSubjectRequest{
			ExternalID: "cus_1029", Name: "Grace Hopper Ltd", Plan: "free",
			Metadata: json.RawMessage(`{"region":"eu"}`),
		},
		api.CreateServiceAccountRequest{
			Name: "Nightly build", Description: "Reads orders for the reports", Role: api.RoleMember,
			Stewards: []string{exampleUser},
		},
		api.CreateTenantRequest{AccountID: exampleAccount, Name: "Production", Preset: api.PresetStandard},
		decision,
		api.VerifyBatchResponse{Items: []api.VerifyBatchItem{
			{Decision: decision}, {Decision: api.Decision{Code: "api_key_invalid"}},
		}},
		event,
		api.Invitation{
			ID: "lnk_01m8k6w12gp6q7rs", Email: "grace@example.com", Role: api.RoleMember,
			URL:       new(baseURL + "/invitations/…"),
			ExpiresAt: at.AddDate(0, 0, 7),
		},
		api.IssuedKey{Key: key, Credential: &credential},
		key,
		api.Usage{
			By: api.UsageByDay, From: at.Truncate(24 * time.Hour), To: at.Truncate(24*time.Hour).AddDate(0, 0, 1),
			Total: &api.UsageSum{Accepted: 48210, Refused: 31}, Items: []api.UsageItem{{
				BeginsAt: new(at.Truncate(24 * time.Hour)), UsageSum: api.UsageSum{Accepted: 48210, Refused: 31},
			}},
		},
		api.UsageEvent{
			SpecVersion: "1.0", ID: exampleTenant + "/" + exampleKey + "/2026-11-02T09Z",
			Source: baseURL + "/api/v1/tenants/" + exampleTenant, Type: "dev.claviger.usage.key.v1",
			Subject: exampleKey,
			Time:    at.Truncate(time.Hour).Add(time.Hour), DataContentType: "application/json",
			Data: api.UsageEventData{
				TenantID: exampleTenant, KeyID: new(exampleKey), OwnerID: new(exampleUser),
				BeginsAt: at.Truncate(time.Hour), EndsAt: at.Truncate(time.Hour).Add(time.Hour),
				UsageSum: api.UsageSum{Accepted: 4821, Refused: 3},
			},
		},
		api.Statement{
			Month: "2026-11", Tenants: []api.StatementItem{{
				TenantID: exampleTenant, Name: "Shipping API",
				UsageSum: api.UsageSum{Accepted: 1506241, Refused: 13230},
			}},
			Total: api.UsageSum{Accepted: 1506241, Refused: 13230},
		},
		api.KeyHealthList{
			Items: []api.KeyHealth{{
				Key: summary, AgeDays: 120, LastUsedAt: &at, Findings: []api.Finding{api.FindingOlderThan90Days},
				UnusedScopes: []string{},
			}},
			Summary: &api.KeyHealthSummary{Keys: 1, Findings: []api.FindingCount{{
				Finding: api.FindingOlderThan90Days, Keys: 1, Guidance: "Refresh the key.",
			}}},
			ManagementKeys: &api.ManagementKeyHealthList{
				Items: []api.ManagementKeyHealth{{
					ManagementKey: api.ManagementKeySummary{
						ID: "mgk_01m8k6w12gpt6v8y", PublicID: "mk_7Hq2mZ0aBcDtTtTt", Name: "Terraform",
						ServiceAccount: exampleManagementKey(at).ServiceAccount, CreatedAt: at,
					},
					AgeDays: 80, DaysToExpiry: 10, LastUsedAt: &at, Findings: []api.Finding{api.FindingExpiresSoon},
				}},
				Findings: []api.FindingCount{{
					Finding: api.FindingExpiresSoon, Keys: 1, Guidance: "Refresh the management key.",
				}},
			},
		},
		self,
		api.Member{
			User: person, Role: api.RoleAdmin, Status: api.StatusActive, CreatedAt: at, Version: exampleVersion,
		},
		api.OwnKey{Key: key, TenantID: exampleTenant},
		api.PendingInvitation{
			ID: "lnk_01m8k6w12gp6q7rs", Email: "grace@example.com", Role: api.RoleMember, CreatedBy: &person,
			CreatedAt: at, ExpiresAt: at.AddDate(0, 0, 7),
		},
		api.Plan{
			Name: "free", Scopes: []string{"orders:read"}, AllApplications: true, ApplicationIDs: []string{},
			CreatedAt: at, UpdatedAt: at, Version: exampleVersion,
		},
		api.Policy{
			AutoExpiry:         api.AutoExpiry{Enabled: true, Days: new(90), InForceSince: &at},
			SessionIdleMinutes: 720, SessionAbsoluteHours: 168, RequireSecondFactor: api.FactorOff,
			Version: exampleVersion,
		},
		api.Problem{
			Type: "/docs/errors/not_found", Title: "Not found", Status: 404,
			Detail: "Not found, or you do not have access to it.", Code: api.NotFound,
			RequestID: "req_K2L3MN4P00000017",
		},
		api.RefreshKeyRequest{OverlapSeconds: 3600},
		api.ReplaceScopesRequest{Items: []api.NewScope{{Name: "orders:read", Description: "Read orders"}}},
		api.RequestPasswordResetRequest{Email: exampleEmail},
		api.ResetPasswordRequest{Password: examplePassword},
		api.RevealedKey{Credential: credential},
		api.RevokeKeyRequest{Reason: "The batch server was replaced"},
		ordersScope,
		api.List[api.Scope]{Items: []api.Scope{ordersScope}, Version: exampleVersion},
		api.PutScopeRequest{Description: "Read orders", Roles: []api.Role{api.RoleAdmin, api.RoleMember}},
		api.RouteRules{
			Items: []api.RouteRule{{
				Methods: []string{"GET"}, Path: "/orders/{id}", Scopes: &api.RouteScopes{All: []string{"orders:read"}},
			}},
			Version: exampleVersion,
		},
		session,
		signIn,
		api.Subject{
			ID: "sub_01m8k6w12gw4x5yz", Number: 1, ExternalID: "cus_1029", Name: new("Grace Hopper Ltd"),
			Plan: new("free"), Metadata: json.RawMessage(`{"region":"eu"}`), Status: api.StatusActive,
			CreatedAt: at, UpdatedAt: at, Version: exampleVersion,
		},
		api.UpdatePlanRequest{Scopes: api.To([]string{"orders:read", "orders:export"})},
		api.UpdateSubjectRequest{Plan: api.To("pro")},
		api.ServiceAccount{
			ID: exampleServiceAccount, Number: 1, Name: "Nightly build", Description: "Reads orders for the reports",
			Role: api.RoleMember, Stewards: []api.Person{person}, Status: api.StatusActive, CreatedBy: owner,
			CreatedAt: at, UpdatedAt: at, Version: exampleVersion,
		},
		api.SetAccountMemberRequest{Role: api.RoleAdmin},
		api.SetUpRequest{
			Token: "…", Account: "Example Ltd", Email: exampleEmail, Name: "Ada Lovelace", Password: examplePassword,
		},
		api.SignInRequest{Email: exampleEmail, Password: examplePassword},
		api.Tenant{
			ID: exampleTenant, Number: 1, AccountID: exampleAccount, Name: "Production", Preset: api.PresetStandard,
			Status: api.StatusActive, Settings: settings, CreatedAt: at, UpdatedAt: at,
			Version: exampleVersion,
		},
		api.UpdateAccountRequest{Name: api.To("Example GmbH")},
		api.UpdateApplicationRequest{Description: api.To("The orders API, version 2")},
		api.UpdateKeyRequest{Name: api.To("Hourly export"), Scopes: api.To([]string{"orders:read", "orders:write"})},
		api.UpdateMeRequest{Name: api.To("Ada King"), Notices: &api.NoticesPatch{KeyCreated: api.To(false)}},
		api.UpdateMemberRequest{Role: api.To(api.RoleAuditor)},
		api.UpdatePolicyRequest{AutoExpiry: &api.AutoExpiryPatch{Enabled: api.To(true), Days: api.To(90)}},
		api.UpdatePolicyResponse{Policy: &api.Policy{
			AutoExpiry:         api.AutoExpiry{Enabled: true, Days: new(90), InForceSince: &at},
			SessionIdleMinutes: 720, SessionAbsoluteHours: 168, RequireSecondFactor: api.FactorOff,
			Version: exampleVersion,
		}},
		api.UpdateServiceAccountRequest{Role: api.To(api.RoleAuditor), Stewards: api.To([]string{})},
		api.UpdateTenantRequest{Settings: &api.SettingsPatch{RequestsPerMinute: api.To(600)}},
		api.VerifyBatchRequest{Items: []api.VerifyRequest{
			{Credential: examplePublicID + "_…", Scopes: []string{"orders:read"}}, {Credential: "unknown"},
		}},
		api.VerifyRequest{
			Credential: examplePublicID + "_…", Scopes: []string{"orders:read"}, ApplicationID: exampleApplication,
		},
		api.Whoami{
			Principal: api.PrincipalSession, User: &person, Transport: new(api.TransportSession),
			Memberships: []api.Membership{membership}, Accounts: []api.AccountMembership{role},
		},
	}
}

// addExamples adds an example to every body of the document.
func addExamples(doc *huma.OpenAPI, baseURL string) {
	byType := map[reflect.Type]any{}
	for _, example := range examples(baseURL) {
		byType[reflect.TypeOf(example)] = wireForm(example)
	}
	schemas := doc.Components.Schemas
	add := func(content map[string]*huma.MediaType) {
		for _, media := range content {
			ref := media.Schema.Ref
			if len(media.Schema.OneOf) > 0 {
				ref = media.Schema.OneOf[0].Ref
			}
			if ref != "" && media.Example == nil {
				media.Example = exampleOf(schemas.TypeFromRef(ref), byType)
			}
		}
	}
	for _, item := range doc.Paths {
		for _, op := range operations(item) {
			if op.RequestBody != nil {
				add(op.RequestBody.Content)
			}
			for status, answer := range op.Responses {
				if strings.HasPrefix(status, "2") {
					add(answer.Content)
				}
			}
		}
	}
}

// exampleOf returns the example of a type, or a list with the example of its items; nil if there is
// none.
func exampleOf(t reflect.Type, byType map[reflect.Type]any) any {
	if example, ok := byType[t]; ok {
		return example
	}
	items, ok := t.FieldByName("Items")
	if !ok {
		return nil
	}
	return map[string]any{"items": []any{byType[items.Type.Elem()]}, "next_cursor": nil}
}

// wireForm returns a value as it is in JSON.
func wireForm(value any) (form any) {
	text, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(text, &form)
	}
	if err != nil {
		panic("manageapi: an example is not JSON: " + err.Error())
	}
	return form
}

// exampleManagementKey returns a management key of a service account.
func exampleManagementKey(at time.Time) api.ManagementKey {
	return api.ManagementKey{
		ID: "mgk_01m8k6w12gpt6v8y", TenantID: exampleTenant, Name: "Terraform",
		PublicID: "mk_7Hq2mZ0aBcDtTtTt", Last4: "a2B3",
		ServiceAccount: api.Party{
			Type: api.PartyServiceAccount, ID: "sva_01m8k6w12gh7j9kq", Name: new("Infrastructure"),
		},
		Permissions: []api.Permission{api.PermissionKeysCreate, api.PermissionKeysRead},
		Owners:      []api.PartyType{api.PartyServiceAccount},
		Ceilings: api.ManagementCeilings{
			Scopes: []string{"orders:read"}, AllApplications: true, ApplicationIDs: []string{}, Plans: []*string{},
			MaxLifetimeDays: new(90), CreatesPerHour: 1000,
		},
		Status: api.KeyActive, ExpiresAt: at.AddDate(0, 0, 90), EffectiveExpiresAt: at.AddDate(0, 0, 90),
		CreatedBy: api.Party{Type: api.PartyUser, ID: exampleUser, Email: new(exampleEmail), Name: new("Ada Lovelace")},
		CreatedAt: at, UpdatedAt: at, SecretSetAt: at, Version: exampleVersion,
	}
}
