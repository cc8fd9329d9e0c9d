package usage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/scope"
)

// How long counts are kept.
const (
	// HoursKept is how many days the counts of single hours are kept.
	HoursKept = 35
	// KeyDaysKept is how many days the counts of a key and a day are kept.
	KeyDaysKept = 400
	// TenantDaysKept is how many days the counts of a tenant and a day are kept.
	TenantDaysKept = 1100
)

// Retention is from when on counts are kept.
type Retention struct{ Hours, KeyDays, TenantDays, Transports time.Time }

// retention returns from when on counts are kept at a time.
func retention(now time.Time) Retention {
	today := now.UTC().Truncate(policy.Day)
	return Retention{
		Hours:      today.Add(-HoursKept * policy.Day),
		KeyDays:    today.Add(-KeyDaysKept * policy.Day),
		TenantDays: today.Add(-TenantDaysKept * policy.Day),
		Transports: today.Add(-KeyDaysKept * policy.Day),
	}
}

// Unit is the length of the periods that counts are read by.
type Unit string

// The units.
const (
	Days  Unit = "day"
	Hours Unit = "hour"
)

// length returns the length of a period.
func (u Unit) length() time.Duration {
	if u == Hours {
		return time.Hour
	}
	return policy.Day
}

// Span is a time that begins at From and ends before To. Both are in UTC, at the beginning of a
// period.
type Span struct {
	Unit     Unit
	From, To time.Time
}

// NewSpan returns the periods that the time from one moment to another touches.
func NewSpan(u Unit, from, to time.Time) Span {
	s := Span{u, from.UTC().Truncate(u.length()), to.UTC().Truncate(u.length())}
	if s.To.Before(to) {
		s.To = s.To.Add(u.length())
	}
	return s
}

// Periods returns the beginnings of the periods.
func (s Span) Periods() (list []time.Time) {
	for at := s.From; at.Before(s.To); at = at.Add(s.Unit.length()) {
		list = append(list, at)
	}
	return list
}

// Before returns the span of the same length that ends where this one begins.
func (s Span) Before() Span { return Span{s.Unit, s.From.Add(s.From.Sub(s.To)), s.From} }

// Sum is how many requests were accepted and refused.
type Sum struct{ Accepted, Refused int64 }

// All returns the number of requests.
func (s Sum) All() int64 { return s.Accepted + s.Refused }

func (s Sum) plus(o Sum) Sum { return Sum{s.Accepted + o.Accepted, s.Refused + o.Refused} }

// PeriodSum is the sum of a period.
type PeriodSum struct {
	Begin time.Time
	Sum
}

// KeySum is the sum of a key.
type KeySum struct {
	// Owner and Key are "" for keys that are counted together.
	Owner ident.PartyID
	Key   ident.KeyID
	Sum
}

// KeyPage asks for a part of the sums of keys, by owner and key.
type KeyPage struct {
	AfterOwner ident.PartyID
	AfterKey   ident.KeyID
	Limit      int
}

// KeysUsed says how many keys were used.
type KeysUsed struct {
	// Accepted are those that were accepted at least once, and Refused those that were refused.
	Accepted, Refused int64
}

// TransportUsed says how many keys used a transport.
type TransportUsed struct {
	Transport policy.Transport
	Keys      int64
}

// Reader reads counts.
type Reader interface {
	TenantRules(ctx context.Context, id ident.TenantID) (policy.Tenant, error)
	// KeyOwner returns the owner of a key of the tenant, or fault.NotFound.
	KeyOwner(ctx context.Context, tenant ident.TenantID, id ident.KeyID) (ident.PartyID, error)
	// EachTenantCount calls each with every count of a tenant.
	EachTenantCount(ctx context.Context, tenant ident.TenantID, s Span, each func(TenantCount)) error
	// EachKeyCount calls each with every count of the keys of an owner, or of one of them.
	EachKeyCount(ctx context.Context, tenant ident.TenantID, owner ident.PartyID, key ident.KeyID, s Span,
		each func(KeyCount)) error
	// KeySums returns a page of the sums of the keys of a tenant, or of one owner.
	KeySums(ctx context.Context, tenant ident.TenantID, owner ident.PartyID, s Span, page KeyPage) ([]KeySum, error)
	// BusiestKeys returns the keys with the most accepted requests, and how many keys were used, of
	// a tenant or of one owner.
	BusiestKeys(ctx context.Context, tenant ident.TenantID, owner ident.PartyID, s Span, n int) (
		[]KeySum, KeysUsed, error)
	// TransportsUsed returns how many keys of a tenant used each transport since a day.
	TransportsUsed(ctx context.Context, tenant ident.TenantID, since time.Time) ([]TransportUsed, error)
	// KeyTransports returns the last day of each transport of a key.
	KeyTransports(ctx context.Context, id ident.KeyID) ([]TransportUse, error)
	// TenantSums returns the sums of the tenants of an account, by name.
	TenantSums(ctx context.Context, account ident.AccountID, s Span) ([]TenantSum, error)
	// CompleteUntil returns until when hours are complete.
	CompleteUntil(ctx context.Context) (time.Time, error)
	// HourCounts returns the counts of the keys of a tenant in an hour, after a key, by owner and
	// key.
	HourCounts(ctx context.Context, tenant ident.TenantID, hour time.Time, page KeyPage) ([]KeyCount, error)
	// NextHour returns the first hour from a time on in which requests of a tenant were counted. It
	// returns fault.NotFound if there is none.
	NextHour(ctx context.Context, tenant ident.TenantID, from time.Time) (time.Time, error)
}

// TenantSum is the sum of a tenant.
type TenantSum struct {
	Tenant ident.TenantID
	Name   string
	Sum
}

// Reports says how much keys were used, to those who may know. It decides who may:
//
//	owners and admins of the account   the statement of the account, and what tenant admins see
//	tenant admin, auditor              everything in the tenant
//	tenant member                      their own keys
//	management key with usage:read     the totals of the tenant, and the keys of its owner types
type Reports struct {
	Store Reader
	Now   func() time.Time
	// RequireAdmin refuses everybody but owners and admins of an account.
	RequireAdmin func(who principal.Principal, account ident.AccountID) error
	// Gate bounds the reports that read many counts.
	Gate *admission.Gate
}

// View is what a caller may see of the counts of a tenant.
type View struct {
	tenant policy.Tenant
	// owner is the only owner whose keys are seen; "" for all.
	owner ident.PartyID
	// program is set for a management key.
	program *principal.ManagementKey
}

// Own reports whether only the caller's own keys are seen.
func (v View) Own() bool { return v.owner != "" }

// sees reports whether the caller sees the counts of the keys of an owner.
func (v View) sees(owner ident.PartyID) bool {
	return v.program == nil || owner == "" || v.program.Rights.ActsFor(owner.Type(), policy.MayReadUsage)
}

// View returns what the caller may see of a tenant. It returns fault.NotFound for nothing.
func (r *Reports) View(ctx context.Context, who principal.Principal, tenant ident.TenantID) (v View, err error) {
	v.tenant, err = r.Store.TenantRules(ctx, tenant)
	if err != nil {
		return v, err
	}
	if err := who.RequireSessionIn(v.tenant.Account); err != nil {
		return v, err
	}
	if m, ok := who.ManagementKey(); ok {
		if m.Tenant != tenant {
			return v, fault.NotFound
		}
		v.program = &m
		return v, nil
	}
	s, ok := who.Session()
	role := who.RoleIn(tenant, v.tenant.Account)
	switch {
	case !ok || role == "":
		return v, fault.NotFound
	case role == scope.Member:
		v.owner = ident.PartyID(s.User.ID)
	}
	return v, nil
}

// checkSpan refuses a span that is empty, too long or too old for its unit.
func (r *Reports) checkSpan(s Span) error {
	periods := int(s.To.Sub(s.From) / s.Unit.length())
	most := KeyDaysKept
	if s.Unit == Hours {
		most = HoursKept * 24
	}
	switch {
	case periods <= 0:
		return fault.Refuse(fault.Field{Name: "until", Code: "order", Message: "Send a time after `since`."})
	case periods > most:
		return fault.Refuse(fault.Field{
			Name: "since", Code: "range", Message: fmt.Sprintf("Ask for at most %d %ss at once.", most, s.Unit),
		})
	}
	return nil
}

// errOwnOnly refuses what is only counted for a whole tenant.
var errOwnOnly = fault.New(fault.Forbidden,
	"You see the usage of your own keys, which is counted by day, by hour and by key. Ask an administrator or an "+
		"auditor of the tenant for the rest.")

// Totals are the requests of a tenant, or of the keys that the caller sees.
type Totals struct {
	Span
	Sum
	// Periods has every period of the span.
	Periods []PeriodSum
	// Codes, Applications and Transports are empty where only keys are counted. Each has the sums
	// of its periods. The code "" is acceptance, and the application "" none.
	Codes        []Part[fault.Kind]
	Applications []Part[string]
	Transports   []Part[policy.Transport]
}

// Part is what the requests with one code, application or transport were.
type Part[T cmp.Ordered] struct {
	Of T
	Sum
	// Periods has every period of the span.
	Periods []Sum
}

// Totals counts the requests in a span: those for an application, if it is not "", or those of a
// key. Who sees only their own keys gets the sum over these.
func (r *Reports) Totals(ctx context.Context, v View, s Span, application string, key ident.KeyID) (Totals, error) {
	if err := r.checkSpan(s); err != nil {
		return Totals{}, err
	}
	pass, err := r.Gate.Acquire(ctx, admission.Caller(v.tenant.ID))
	if err != nil {
		return Totals{}, err
	}
	defer pass.Release()
	sums := newSummer(s)
	switch {
	case key != "" || v.Own():
		if application != "" {
			return Totals{}, fault.Refuse(fault.Field{
				Name: "application_id", Code: "exclusive",
				Message: "The requests of a key are not counted by application. Leave this out.",
			})
		}
		err = r.sumKeys(ctx, v, s, key, sums)
	default:
		err = r.Store.EachTenantCount(ctx, v.tenant.ID, s, func(c TenantCount) {
			if application == "" || c.Application == application {
				sums.addTenant(c)
			}
		})
	}
	return sums.totals(), err
}

func (r *Reports) sumKeys(ctx context.Context, v View, s Span, key ident.KeyID, sums *summer) error {
	owner := v.owner
	if key != "" {
		var err error
		owner, err = r.Store.KeyOwner(ctx, v.tenant.ID, key)
		if err != nil {
			return err
		}
		if v.Own() && owner != v.owner || !v.sees(owner) {
			return fault.NotFound
		}
	}
	return r.Store.EachKeyCount(ctx, v.tenant.ID, owner, key, s, func(c KeyCount) {
		sums.add(c.Hour, Sum{c.Accepted, c.Refused})
	})
}

// summer adds counts up.
type summer struct {
	span    Span
	periods []PeriodSum
	codes   map[fault.Kind]*Part[fault.Kind]
	apps    map[string]*Part[string]
	vias    map[policy.Transport]*Part[policy.Transport]
}

func newSummer(s Span) *summer {
	m := &summer{
		span: s, codes: map[fault.Kind]*Part[fault.Kind]{}, apps: map[string]*Part[string]{},
		vias: map[policy.Transport]*Part[policy.Transport]{},
	}
	for _, begin := range s.Periods() {
		m.periods = append(m.periods, PeriodSum{Begin: begin})
	}
	return m
}

// add adds to a period, and returns its number.
func (m *summer) add(at time.Time, n Sum) int {
	i := int(at.Sub(m.span.From) / m.span.Unit.length())
	m.periods[i].Sum = m.periods[i].plus(n)
	return i
}

func (m *summer) addTenant(c TenantCount) {
	n := Sum{Accepted: c.Requests}
	if c.Code != "" {
		n = Sum{Refused: c.Requests}
	}
	i := m.add(c.Hour, n)
	addPart(m.codes, c.Code, i, len(m.periods), n)
	addPart(m.apps, c.Application, i, len(m.periods), n)
	addPart(m.vias, c.Transport, i, len(m.periods), n)
}

func addPart[T cmp.Ordered](parts map[T]*Part[T], of T, period, periods int, n Sum) {
	p := parts[of]
	if p == nil {
		p = &Part[T]{Of: of, Periods: make([]Sum, periods)}
		parts[of] = p
	}
	p.Sum = p.plus(n)
	p.Periods[period] = p.Periods[period].plus(n)
}

func (m *summer) totals() Totals {
	t := Totals{
		Span: m.span, Periods: m.periods, Codes: sortedParts(m.codes), Applications: sortedParts(m.apps),
		Transports: sortedParts(m.vias),
	}
	for _, p := range m.periods {
		t.Sum = t.plus(p.Sum)
	}
	return t
}

// sortedParts returns the parts with the most requests first.
func sortedParts[T cmp.Ordered](parts map[T]*Part[T]) (list []Part[T]) {
	for _, p := range parts {
		list = append(list, *p)
	}
	slices.SortFunc(list, func(a, b Part[T]) int {
		return cmp.Or(cmp.Compare(b.All(), a.All()), cmp.Compare(a.Of, b.Of))
	})
	return list
}

// RequireTenant refuses a caller who sees only their own keys.
func (v View) RequireTenant() error {
	if v.Own() {
		return errOwnOnly
	}
	return nil
}

// Keys returns a page of the sums of keys. A page can be shorter than asked, even if it is not the
// last; next is nil on the last.
func (r *Reports) Keys(ctx context.Context, v View, s Span, page KeyPage) (list []KeySum, next *KeyPage, err error) {
	if err := r.checkSpan(s); err != nil {
		return nil, nil, err
	}
	list, err = r.Store.KeySums(ctx, v.tenant.ID, v.owner, s, page)
	if err != nil {
		return nil, nil, err
	}
	if len(list) == page.Limit && page.Limit > 0 {
		last := list[len(list)-1]
		next = &KeyPage{AfterOwner: last.Owner, AfterKey: last.Key, Limit: page.Limit}
	}
	return slices.DeleteFunc(list, func(k KeySum) bool { return !v.sees(k.Owner) }), next, nil
}

// BusyKey is one of the keys with the most requests.
type BusyKey struct {
	KeySum
	// Periods has every period of the span.
	Periods []Sum
}

// Busiest returns the keys with the most accepted requests, and how many keys were used.
func (r *Reports) Busiest(ctx context.Context, v View, s Span, n int) (list []BusyKey, used KeysUsed, err error) {
	if err := r.checkSpan(s); err != nil {
		return nil, used, err
	}
	pass, err := r.Gate.Acquire(ctx, admission.Caller(v.tenant.ID))
	if err != nil {
		return nil, used, err
	}
	defer pass.Release()
	found, used, err := r.Store.BusiestKeys(ctx, v.tenant.ID, v.owner, s, n)
	if err != nil {
		return nil, used, err
	}
	for _, k := range found {
		sums := newSummer(s)
		if err := r.Store.EachKeyCount(ctx, v.tenant.ID, k.Owner, k.Key, s, func(c KeyCount) {
			sums.add(c.Hour, Sum{c.Accepted, c.Refused})
		}); err != nil {
			return nil, used, err
		}
		busy := BusyKey{KeySum: k}
		for _, p := range sums.periods {
			busy.Periods = append(busy.Periods, p.Sum)
		}
		list = append(list, busy)
	}
	return list, used, nil
}

// TransportsUsed returns how many keys of a tenant used each transport in the last 30 days.
func (r *Reports) TransportsUsed(ctx context.Context, v View) ([]TransportUsed, error) {
	if err := v.RequireTenant(); err != nil {
		return nil, err
	}
	return r.Store.TransportsUsed(ctx, v.tenant.ID, r.Now().Add(-30*policy.Day).Truncate(policy.Day))
}

// KeyTransports returns the last day of each transport of a key that the caller sees already.
func (r *Reports) KeyTransports(ctx context.Context, id ident.KeyID) ([]TransportUse, error) {
	return r.Store.KeyTransports(ctx, id)
}

// Statement is what the tenants of an account were used in a month.
type Statement struct {
	Month Span
	// Complete is false while requests of the month can still be counted.
	Complete bool
	Tenants  []TenantSum
	Sum
}

// Statement returns the statement of a month, for owners and admins of the account. The month is a
// calendar month in UTC: any time in it.
func (r *Reports) Statement(ctx context.Context, who principal.Principal, account ident.AccountID,
	month time.Time,
) (st Statement, err error) {
	if err := r.RequireAdmin(who, account); err != nil {
		return st, err
	}
	month = month.UTC()
	st.Month.Unit = Days
	st.Month.From = time.Date(month.Year(), month.Month(), 1, 0, 0, 0, 0, time.UTC)
	st.Month.To = st.Month.From.AddDate(0, 1, 0)
	pass, err := r.Gate.Acquire(ctx, admission.Caller(account))
	if err != nil {
		return st, err
	}
	defer pass.Release()
	st.Tenants, err = r.Store.TenantSums(ctx, account, st.Month)
	for _, t := range st.Tenants {
		st.Sum = st.plus(t.Sum)
	}
	if err != nil {
		return st, err
	}
	complete, err := r.Store.CompleteUntil(ctx)
	st.Complete = !complete.Before(st.Month.To)
	return st, err
}

// EventPage asks for counts of complete hours, by hour, owner and key.
type EventPage struct {
	// After is the hour from which on counts are asked for. In the hour itself, those after the
	// owner and the key.
	After time.Time
	KeyPage
}

// from returns the page that begins with an hour.
func (p EventPage) from(hour time.Time) EventPage {
	return EventPage{After: hour, KeyPage: KeyPage{Limit: p.Limit}}
}

// Events returns counts of complete hours, which do not change any more, and where the next page
// begins. A page can be shorter than asked. An hour that is not complete is not returned; ask again
// from next later.
func (r *Reports) Events(ctx context.Context, v View, page EventPage) (list []KeyCount, next EventPage, err error) {
	if err := v.RequireTenant(); err != nil {
		return nil, page, err
	}
	complete, err := r.Store.CompleteUntil(ctx)
	if err != nil {
		return nil, page, err
	}
	if oldest := retention(r.Now()).Hours; page.After.Before(oldest) {
		page = page.from(oldest)
	}
	next = page
	next.After = page.After.UTC().Truncate(time.Hour)
	for len(list) < page.Limit {
		hour, err := r.Store.NextHour(ctx, v.tenant.ID, next.After)
		if errors.Is(err, fault.NotFound) || err == nil && !hour.Before(complete) {
			return list, next, nil
		}
		if err != nil {
			return nil, page, err
		}
		if hour.After(next.After) {
			next = next.from(hour)
		}
		next.Limit = page.Limit - len(list)
		found, err := r.Store.HourCounts(ctx, v.tenant.ID, hour, next.KeyPage)
		if err != nil {
			return nil, page, err
		}
		if len(found) < next.Limit {
			next = next.from(hour.Add(time.Hour))
		} else {
			last := found[len(found)-1]
			next.AfterOwner, next.AfterKey = last.Owner, last.Key
		}
		for _, c := range found {
			if v.sees(c.Owner) {
				list = append(list, c)
			}
		}
		if len(found) == next.Limit {
			break
		}
	}
	return list, next, nil
}

// RemoveOld deletes counts that are older than they are kept. It is a job.
func (c *Counters) RemoveOld(ctx context.Context, horizon time.Time) error {
	return c.Store.DeleteOldCounts(ctx, retention(horizon))
}
