package policy

import (
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/scope"
)

// loose are settings that allow as much as possible, tight are settings that allow as little as
// possible.
var (
	loose = Settings{
		KeyHeader: "X-API-Key", Transports: keyTransports(), SessionTransport: true,
		Creators:   []Creator{BySelf, ByAdmin},
		Visibility: SeeAll, DefaultScopes: []scope.Scope{scope.Every}, Disclosure: Recoverable, AdminRefresh: true,
		TokenSeconds: 3600,
		TokenFormat:  JWT, LegacyPassword: true, MembersManageApplications: true, Dialect: problemDialect,
	}
	tight = Settings{
		KeyHeader: "x-api-key", Transports: []Transport{Bearer}, Creators: []Creator{ByAdmin}, Visibility: SeeOwn,
		DefaultScopes: []scope.Scope{"applications:read"}, Disclosure: Once, TokenSeconds: 60, TokenFormat: Opaque,
		KeysPerUser: 1, KeysPerServiceAccount: 1, KeysPerSubject: 1, Owners: []ident.PartyType{ident.UserParty},
		Dialect:  problemDialect,
		IdleDays: 1, RequestsPerMinute: 1, VerifyRequestsPerMinute: 1,
		VerifyRequires: []VerifyField{verifyFields()[0]},
	}
)

func TestNarrowedSettingsAllowOnlyWhatBothAllow(t *testing.T) {
	want := tight
	want.KeyHeader = loose.KeyHeader
	if diff := cmp.Diff(want, loose.Narrowed(tight)); diff != "" {
		t.Errorf("loose settings that were narrowed:\n%s", diff)
	}
	if diff := cmp.Diff(tight, tight.Narrowed(loose)); diff != "" {
		t.Errorf("tight settings that were loosened:\n%s", diff)
	}
	other := loose
	other.KeyHeader = "X-Other-Key"
	if got := loose.Narrowed(other); got.KeyHeader != "" || slices.Contains(got.Transports, Header) ||
		len(got.Transports) != 3 {
		t.Errorf("with another key header: %q, %v", got.KeyHeader, got.Transports)
	}
	loose.Narrowed(tight)
	if len(loose.Transports) != 4 {
		t.Errorf("narrowing altered what it was given: %v", loose.Transports)
	}
}

// A setting that allows something and is in neither list would be undone by a restore.
func TestEverySettingIsABoundOrAllowsNothing(t *testing.T) {
	allowNothing := []string{
		"Style", "Prefix", "Label", "ClientDomain", "RevokeMode", "Dialect", "TokenAudience",
		"TokenAlgorithm",
	}
	tightened, bounds := reflect.ValueOf(loose.Narrowed(tight)), reflect.ValueOf(fullSettings(t).Bounds())
	for i, f := range reflect.VisibleFields(reflect.TypeFor[Settings]()) {
		zero := bounds.Field(i).IsZero()
		switch {
		case slices.Contains(allowNothing, f.Name) != zero:
			t.Errorf("%s is a bound: %t", f.Name, !zero)
		case !zero && f.Name != "KeyHeader" && reflect.DeepEqual(tightened.Field(i).Interface(),
			reflect.ValueOf(loose).Field(i).Interface()):
			t.Errorf("%s is not narrowed: it stays %v", f.Name, tightened.Field(i))
		}
	}
}

// fullSettings returns settings of which none is zero.
func fullSettings(t *testing.T) (s Settings) {
	t.Helper()
	v := reflect.ValueOf(&s).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.String:
			f.SetString("x")
		case reflect.Int:
			f.SetInt(1)
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Slice:
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
		default:
			t.Fatalf("a setting of kind %s", f.Kind())
		}
	}
	return s
}

func TestNarrowedSessionsLastNoLongerThanEither(t *testing.T) {
	short := Sessions{Idle: DefaultSessions.Idle / 2}
	if got := (Sessions{}).Narrowed(short); got != short {
		t.Errorf("%+v", got)
	}
	if got := short.Narrowed(MaxSessions); got != short {
		t.Errorf("loosened: %+v", got)
	}
}
