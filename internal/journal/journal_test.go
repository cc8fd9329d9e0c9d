package journal_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/journal"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

// at is the time of the changes in these tests.
var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// revoked returns the line of a change that revokes a key.
func revoked(change int64) journal.Line {
	return journal.Line{
		Change: change, At: at,
		Effects: []audit.Effect{{Kind: audit.EffectKeyRevoked, Tenant: "ten_1", Key: "key_1"}},
	}
}

// file returns the text of a journal.
func file(lines ...journal.Line) []byte {
	var text []byte
	for _, l := range lines {
		text = append(text, l.Encode()...)
	}
	return text
}

// read reads a journal.
func read(t *testing.T, text string) *journal.State {
	t.Helper()
	s, err := journal.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// states compares states with their unexported fields.
var states = cmp.Exporter(func(reflect.Type) bool { return true })

func TestChangesThatARestoreUndidDoNotCountAsLaterThanThoseAfterIt(t *testing.T) {
	s := read(t, string(file(revoked(90), journal.Checkpoint(95), journal.RestoreMarker(41), journal.Checkpoint(50))))
	if s.Checkpoint != 50 || s.Latest != at || s.Lines != 4 {
		t.Errorf("%+v", s)
	}
}

// sampleEffects has an effect of every kind.
var sampleEffects = map[audit.EffectKind]audit.Effect{
	audit.EffectKeyRevoked:             {Tenant: "ten_1", Key: "key_1"},
	audit.EffectKeyDisabled:            {Tenant: "ten_1", Key: "key_1"},
	audit.EffectKeyEnabled:             {Tenant: "ten_1", Key: "key_1"},
	audit.EffectKeyRefreshed:           {Tenant: "ten_1", Key: "key_1", Serial: 2},
	audit.EffectKeyPreviousEnded:       {Tenant: "ten_1", Key: "key_1", Serial: 2},
	audit.EffectKeyExpirySet:           {Tenant: "ten_1", Key: "key_1", Expires: at},
	audit.EffectKeyScopesSet:           {Tenant: "ten_1", Key: "key_1", Scopes: []string{"applications:read"}},
	audit.EffectKeyApplicationsSet:     {Tenant: "ten_1", Key: "key_1", Applications: []string{"app_1"}},
	audit.EffectKeyAddressesSet:        {Tenant: "ten_1", Key: "key_1"},
	audit.EffectMemberDisabled:         {Tenant: "ten_1", User: "usr_1"},
	audit.EffectMemberEnabled:          {Tenant: "ten_1", User: "usr_1"},
	audit.EffectMemberRemoved:          {Tenant: "ten_1", User: "usr_1"},
	audit.EffectMemberRoleSet:          {Tenant: "ten_1", User: "usr_1", Role: "member"},
	audit.EffectUserDisabled:           {User: "usr_1"},
	audit.EffectUserEnabled:            {User: "usr_1"},
	audit.EffectUserDeleted:            {User: "usr_1"},
	audit.EffectPasswordSet:            {User: "usr_1", Since: at},
	audit.EffectEmailSet:               {User: "usr_1"},
	audit.EffectSecondFactorSet:        {User: "usr_1", Since: at},
	audit.EffectSecondFactorRemoved:    {User: "usr_1"},
	audit.EffectRecoveryCodesEnded:     {User: "usr_1"},
	audit.EffectSecondFactorRequired:   {Account: "acc_1", Require: policy.FactorAll},
	audit.EffectTenantDisabled:         {Tenant: "ten_1"},
	audit.EffectTenantEnabled:          {Tenant: "ten_1"},
	audit.EffectSettingsSet:            {Tenant: "ten_1", Settings: &policy.Settings{KeysPerUser: 2}},
	audit.EffectCopiesForgotten:        {Tenant: "ten_1"},
	audit.EffectCatalogueSet:           {Tenant: "ten_1", Catalogue: map[string][]string{"reports:export": {"admin"}}},
	audit.EffectApplicationDisabled:    {Tenant: "ten_1", Application: "app_1"},
	audit.EffectApplicationEnabled:     {Tenant: "ten_1", Application: "app_1"},
	audit.EffectApplicationDeleted:     {Tenant: "ten_1", Application: "app_1"},
	audit.EffectRoutesSet:              {Tenant: "ten_1", Application: "app_1", Routes: `[{"path":"/a"}]`},
	audit.EffectEntryOtherwiseSet:      {Entry: "default", Otherwise: "refuse"},
	audit.EffectEntryDeleted:           {Entry: "default"},
	audit.EffectSubjectDisabled:        {Tenant: "ten_1", Owner: "sub_1"},
	audit.EffectSubjectEnabled:         {Tenant: "ten_1", Owner: "sub_1"},
	audit.EffectSubjectDeleted:         {Tenant: "ten_1", Owner: "sub_1"},
	audit.EffectSubjectPlanSet:         {Tenant: "ten_1", Owner: "sub_1"},
	audit.EffectPlanSet:                {Tenant: "ten_1", Plan: "free", AllApplications: true},
	audit.EffectPlanDeleted:            {Tenant: "ten_1", Plan: "free"},
	audit.EffectServiceAccountDisabled: {Tenant: "ten_1", Owner: "sva_1"},
	audit.EffectServiceAccountEnabled:  {Tenant: "ten_1", Owner: "sva_1"},
	audit.EffectServiceAccountRoleSet:  {Tenant: "ten_1", Owner: "sva_1", Role: "member"},
	audit.EffectServiceAccountDeleted:  {Tenant: "ten_1", Owner: "sva_1"},
	audit.EffectAccountDisabled:        {Account: "acc_1"},
	audit.EffectAccountEnabled:         {Account: "acc_1"},
	audit.EffectAccountRoleRemoved:     {Account: "acc_1", User: "usr_1"},
	audit.EffectAccountRoleSet:         {Account: "acc_1", User: "usr_1", Role: "admin"},
	audit.EffectSessionBoundsSet:       {Account: "acc_1", IdleMinutes: 5, AbsoluteHours: 1},
	audit.EffectLifetimeSet:            {Account: "acc_1", Reason: policy.ByAutoExpiry, Days: 90},
	audit.EffectDatabaseRestored:       {},
	audit.EffectTimeRepaired:           {},

	audit.EffectManagementKeyRevoked:       {Tenant: "ten_1", ManagementKey: "mgk_1"},
	audit.EffectManagementKeyRefreshed:     {Tenant: "ten_1", ManagementKey: "mgk_1", Serial: 2},
	audit.EffectManagementKeyPreviousEnded: {Tenant: "ten_1", ManagementKey: "mgk_1", Serial: 2},
	audit.EffectManagementKeyNarrowed: {
		Tenant: "ten_1", ManagementKey: "mgk_1", Expires: at,
		Rights: &policy.ManagementRights{Permissions: []policy.Permission{policy.MayReadKeys}},
	},
}

func TestTheJournalRemembersEveryEffect(t *testing.T) {
	nothing := read(t, "")
	for _, kind := range audit.EffectKinds() {
		f, ok := sampleEffects[kind]
		if !ok {
			t.Errorf("there is no sample of %s", kind)
			continue
		}
		f.Kind = kind
		l, ok := journal.LineOf(journal.Change{Number: 7, At: at, Effects: []audit.Effect{f}})
		if !ok {
			t.Errorf("%s has no line", kind)
			continue
		}
		got := read(t, string(l.Encode()))
		got.Lines, got.Latest = 0, time.Time{}
		if cmp.Diff(nothing, got, states) == "" {
			t.Errorf("of %s nothing is remembered: %s", kind, l.Encode())
		}
	}
	if _, ok := journal.LineOf(journal.Change{Number: 7, At: at}); ok {
		t.Error("a change without effects has a line")
	}
}

// changes lists the fields that each kind of change can change, and the effect that records it; ""
// if it neither grants nor removes authority.
var changes = []struct {
	change  any
	effects map[string]audit.EffectKind
}{
	{key.Edit{}, map[string]audit.EffectKind{
		"Name": "", "Description": "", "Scopes": audit.EffectKeyScopesSet,
		"AllApplications": audit.EffectKeyApplicationsSet,
		"ApplicationIDs":  audit.EffectKeyApplicationsSet, "ExpiresAt": audit.EffectKeyExpirySet,
		"Addresses": audit.EffectKeyAddressesSet, "addresses": audit.EffectKeyAddressesSet,
		"Metadata": "", "metadata": "", "WholeMetadata": "",
	}},
	{machine.ManagementKeyEdit{}, map[string]audit.EffectKind{
		"Name": "", "Rights": audit.EffectManagementKeyNarrowed, "ExpiresAt": audit.EffectManagementKeyNarrowed,
	}},
	{machine.ServiceAccountChange{}, map[string]audit.EffectKind{
		"Name": "", "Description": "", "Stewards": "", "Role": audit.EffectServiceAccountRoleSet,
	}},
	{application.Change{}, map[string]audit.EffectKind{
		"Name": "", "Description": "", "Disabled": audit.EffectApplicationDisabled,
	}},
	{
		tenancy.MemberChange{},
		map[string]audit.EffectKind{"Role": audit.EffectMemberRoleSet, "Disabled": audit.EffectMemberDisabled},
	},
	{tenancy.TenantChange{}, map[string]audit.EffectKind{
		"Name": "", "Settings": audit.EffectSettingsSet, "Disabled": audit.EffectTenantDisabled,
	}},
	{policy.Change{}, map[string]audit.EffectKind{
		"AutoExpiry": audit.EffectLifetimeSet, "AutoExpiryDays": audit.EffectLifetimeSet,
		"MaxLifetimeDays":    audit.EffectLifetimeSet,
		"SessionIdleMinutes": audit.EffectSessionBoundsSet, "SessionAbsoluteHours": audit.EffectSessionBoundsSet,
		"AcknowledgeRisk": "", "SecondFactor": audit.EffectSecondFactorRequired,
	}},
	{identity.Change{}, map[string]audit.EffectKind{"Name": "", "Notices": ""}},
}

func TestWhateverAChangeCanChangeHasAnEffectOrNoAuthority(t *testing.T) {
	for _, c := range changes {
		of := reflect.TypeOf(c.change)
		for _, f := range reflect.VisibleFields(of) {
			kind, listed := c.effects[f.Name]
			if f.Name == "Expected" {
				continue // the version that the object must have changes nothing
			}
			if !listed {
				t.Errorf("%s.%s is in no list: say which effect tells of it, or that it is about no authority", of,
					f.Name)
			}
			if _, known := sampleEffects[kind]; kind != "" && !known {
				t.Errorf("%s.%s has the effect %s, which is no kind", of, f.Name, kind)
			}
		}
	}
}

func TestALineThatThisVersionDoesNotUnderstandStopsTheReading(t *testing.T) {
	good := string(revoked(1).Encode())
	for _, line := range []string{
		`{"change":2,"effects":[{"kind":"key_stolen","tenant":"ten_1","key":"key_1"}]}`,
		`{"change":2,"effects":[{"kind":"key_revoked","tenant":"ten_1","key":"key_1","until":7}]}`,
		`{"change":2,"effects":[{"kind":"key_revoked","tenant":"ten_1"}]}`,
		`{"change":2,"effects":[{"kind":"key_revoked","tenant":"ten_1","key":"key_1"}],"until":7}`,
		`{"action":"journal.other","change":2}`,
		`{"action":"key.steal","change":2,"tenant":"ten_1","key":"key_1"}`,
		`{"action":"key.create","change":2,"tenant":"ten_1","key":"key_1"}`,
		`{"change":2}`,
		`no journal`,
	} {
		_, err := journal.Read(strings.NewReader(good + line + "\n" + good))
		if err == nil || !strings.Contains(err.Error(), "line 2 ") {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// earlierVersions has what versions before schema 8 wrote, in lines and in the audit trail, and its
// meaning.
var earlierVersions = []struct {
	line   string // without change and time; "" if there was no line
	event  audit.Event
	effect audit.Effect // the zero value if there is no effect
}{
	{
		`"action":"key.revoke","tenant":"ten_1","key":"key_1"`,
		audit.Event{Action: audit.ActionKeyRevoke},
		audit.Effect{Kind: audit.EffectKeyRevoked, Tenant: "ten_1", Key: "key_1"},
	},
	{
		`"action":"key.delete","tenant":"ten_1","key":"key_1"`,
		audit.Event{Action: audit.ActionKeyDelete},
		audit.Effect{Kind: audit.EffectKeyRevoked, Tenant: "ten_1", Key: "key_1"},
	},
	{
		`"action":"key.disable","tenant":"ten_1","key":"key_1"`,
		audit.Event{Action: audit.ActionKeyDisable},
		audit.Effect{Kind: audit.EffectKeyDisabled, Tenant: "ten_1", Key: "key_1"},
	},
	{
		`"action":"key.enable","tenant":"ten_1","key":"key_1"`,
		audit.Event{Action: audit.ActionKeyEnable},
		audit.Effect{Kind: audit.EffectKeyEnabled, Tenant: "ten_1", Key: "key_1"},
	},
	{
		`"action":"key.refresh","tenant":"ten_1","key":"key_1","serial":3`,
		audit.Event{Action: audit.ActionKeyRefresh, Details: map[string]string{"serial": "3"}},
		audit.Effect{Kind: audit.EffectKeyRefreshed, Tenant: "ten_1", Key: "key_1", Serial: 3},
	},
	{
		`"action":"key.end_previous","tenant":"ten_1","key":"key_1","serial":3`,
		audit.Event{Action: audit.ActionKeyEndPrevious, Details: map[string]string{"serial": "3"}},
		audit.Effect{Kind: audit.EffectKeyPreviousEnded, Tenant: "ten_1", Key: "key_1", Serial: 3},
	},
	{
		`"action":"key.edit","tenant":"ten_1","key":"key_1","expires":"2026-03-01T12:00:00Z"`,
		audit.Event{
			Action:  audit.ActionKeyEdit,
			Details: map[string]string{"changed": "name expires_at", "expires_at": "2026-03-01T12:00:00Z"},
		},
		audit.Effect{Kind: audit.EffectKeyExpirySet, Tenant: "ten_1", Key: "key_1", Expires: at},
	},
	{
		`"action":"key.edit","tenant":"ten_1","key":"key_1"`,
		audit.Event{Action: audit.ActionKeyEdit, Details: map[string]string{"changed": "expires_at"}},
		audit.Effect{Kind: audit.EffectKeyExpirySet, Tenant: "ten_1", Key: "key_1"},
	},
	{"", audit.Event{Action: audit.ActionKeyEdit, Details: map[string]string{"changed": "name"}}, audit.Effect{}},
	{"", audit.Event{Action: audit.ActionKeyCreate}, audit.Effect{}},
	{
		`"action":"user.disable","user":"key_1"`,
		audit.Event{Action: audit.ActionUserDisable},
		audit.Effect{Kind: audit.EffectUserDisabled, User: "key_1"},
	},
	{
		`"action":"user.enable","user":"key_1"`,
		audit.Event{Action: audit.ActionUserEnable},
		audit.Effect{Kind: audit.EffectUserEnabled, User: "key_1"},
	},
	{
		`"action":"user.delete","user":"key_1"`,
		audit.Event{Action: audit.ActionUserDelete},
		audit.Effect{Kind: audit.EffectUserDeleted, User: "key_1"},
	},
	{"", audit.Event{Action: audit.ActionUserEdit}, audit.Effect{}},
	{
		`"action":"member.add","tenant":"ten_1","user":"key_1"`,
		audit.Event{Action: audit.ActionMemberAdd},
		audit.Effect{Kind: audit.EffectMemberEnabled, Tenant: "ten_1", User: "key_1"},
	},
	{
		`"action":"member.join","tenant":"ten_1","user":"key_1"`,
		audit.Event{Action: audit.ActionMemberJoin},
		audit.Effect{Kind: audit.EffectMemberEnabled, Tenant: "ten_1", User: "key_1"},
	},
	{
		`"action":"member.edit","tenant":"ten_1","user":"key_1","disabled":true`,
		audit.Event{Action: audit.ActionMemberEdit, Details: map[string]string{"status": "disabled"}},
		audit.Effect{Kind: audit.EffectMemberDisabled, Tenant: "ten_1", User: "key_1"},
	},
	{
		`"action":"member.edit","tenant":"ten_1","user":"key_1"`,
		audit.Event{Action: audit.ActionMemberEdit, Details: map[string]string{"status": "active"}},
		audit.Effect{Kind: audit.EffectMemberEnabled, Tenant: "ten_1", User: "key_1"},
	},
	{
		`"action":"member.remove","tenant":"ten_1","user":"key_1"`,
		audit.Event{Action: audit.ActionMemberRemove},
		audit.Effect{Kind: audit.EffectMemberRemoved, Tenant: "ten_1", User: "key_1"},
	},
	{
		`"action":"tenant.edit","tenant":"ten_1","disabled":true`,
		audit.Event{Action: audit.ActionTenantEdit, Details: map[string]string{"changed": "disabled"}},
		audit.Effect{Kind: audit.EffectTenantDisabled, Tenant: "ten_1"},
	},
	{
		`"action":"tenant.edit","tenant":"ten_1"`,
		audit.Event{Action: audit.ActionTenantEdit, Details: map[string]string{"changed": "name active"}},
		audit.Effect{Kind: audit.EffectTenantEnabled, Tenant: "ten_1"},
	},
	{"", audit.Event{Action: audit.ActionTenantEdit, Details: map[string]string{"changed": "name"}}, audit.Effect{}},
	{
		`"action":"account.disable","account":"acc_1"`,
		audit.Event{Action: audit.ActionAccountDisable},
		audit.Effect{Kind: audit.EffectAccountDisabled, Account: "acc_1"},
	},
	{
		`"action":"account.enable","account":"acc_1"`,
		audit.Event{Action: audit.ActionAccountEnable},
		audit.Effect{Kind: audit.EffectAccountEnabled, Account: "acc_1"},
	},
	{
		`"action":"account.member_remove","account":"acc_1","user":"key_1"`,
		audit.Event{Action: audit.ActionAccountMemberRemove},
		audit.Effect{Kind: audit.EffectAccountRoleRemoved, Account: "acc_1", User: "key_1"},
	},
	{
		`"action":"policy.edit","account":"acc_1","days":{"max_lifetime":2}`,
		audit.Event{Action: audit.ActionPolicyEdit, Details: map[string]string{"max_lifetime_days": "2"}},
		audit.Effect{Kind: audit.EffectLifetimeSet, Account: "acc_1", Reason: policy.ByMaxLifetime, Days: 2},
	},
	{
		`"action":"policy.edit","account":"acc_1","days":{"auto_expiry":0}`,
		audit.Event{Action: audit.ActionPolicyEdit, Details: map[string]string{"auto_expiry_days": "off"}},
		audit.Effect{Kind: audit.EffectLifetimeSet, Account: "acc_1", Reason: policy.ByAutoExpiry},
	},
	{"", audit.Event{Action: audit.ActionServerRestore}, audit.Effect{Kind: audit.EffectDatabaseRestored}},
}

func TestALineOfAnEarlierVersionSaysTheSame(t *testing.T) {
	for _, c := range earlierVersions {
		if c.line == "" {
			continue
		}
		got := read(t, `{`+c.line+`,"change":7,"at":"2026-03-01T12:00:00Z"}`+"\n")
		want := read(t, string(journal.Line{Change: 7, At: at, Effects: []audit.Effect{c.effect}}.Encode()))
		if diff := cmp.Diff(want, got, states); diff != "" {
			t.Errorf("%s:\n%s", c.line, diff)
		}
	}
}

func TestAnEventOfAnEarlierVersionHasTheEffectsThatItsTextSays(t *testing.T) {
	for _, c := range earlierVersions {
		e := c.event
		e.Account = "acc_1"
		e.Tenant = "ten_1"
		e.Target.ID = "key_1"
		got, err := journal.LegacyEffects(e)
		var want []audit.Effect
		if c.effect.Kind != "" {
			want = []audit.Effect{c.effect}
		}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s %v: %v\n%s", e.Action, e.Details, err, diff)
		}
	}
	if _, err := journal.LegacyEffects(audit.Event{Action: "key.steal"}); err == nil {
		t.Error("an unknown action is passed over")
	}
}
