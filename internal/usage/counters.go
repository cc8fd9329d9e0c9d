package usage

import (
	"hash/maphash"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
)

// MaxOpenKeys is how many counters of keys a node keeps open at most. The requests of further keys
// of a tenant are counted together, without the id of a key.
const MaxOpenKeys = 200_000

// codes are the codes under which requests are counted. The first is acceptance.
var codes = [...]fault.Kind{
	"", fault.KeyInvalid, fault.KeyExpired, fault.KeyRevoked, fault.KeyDisabled, fault.TokenExpired, fault.TokenInvalid,
	fault.TransportForbidden, fault.AddressForbidden, fault.SessionRequired, fault.InsufficientScope,
	fault.ApplicationForbidden, fault.NotFound, fault.RateLimited, fault.SessionEnded, fault.Forbidden,
}

// codeIndex returns the place of a code in codes. A code that is not listed is counted as
// forbidden, the last one.
func codeIndex(code fault.Kind) int {
	i := slices.Index(codes[:], code)
	if i < 0 {
		return len(codes) - 1
	}
	return i
}

// transports are those by which requests are counted. The first is an unknown one.
var transports = [...]policy.Transport{"", policy.Bearer, policy.Basic, policy.Header, policy.OAuth, policy.Session}

func transportIndex(via policy.Transport) int { return max(0, slices.Index(transports[:], via)) }

// closed is the value of a counter that was read for the last time. A request that adds to it gets
// a negative sum, and is counted again in an open counter.
const closed = math.MinInt64

// Counters count requests in memory, until a job writes the counts with [Counters.Flush]. What one
// request adds is in exactly one flush. Run, Node, Store and Now are required for Flush. It is safe
// for concurrent use.
type Counters struct {
	Store CountStore
	// Run is a text that names this run of the program, and no other.
	Run string
	// Node returns the id of the lease that says that this node is alive.
	Node func() string
	Now  func() time.Time

	seed   maphash.Seed
	once   sync.Once
	shards [64]shard
	// openKeys is the number of open counters of keys.
	openKeys atomic.Int64
	// maxOpenKeys is MaxOpenKeys, apart from tests.
	maxOpenKeys int64
	// overflowed counts the requests that were counted without the id of their key.
	overflowed atomic.Uint64

	flush flushState
}

// shard is a part of the counters, so that few requests wait for the lock.
type shard struct {
	mu      sync.Mutex
	keys    map[keyHour]*keyCount
	tenants map[tenantHour]*tenantCount
}

type keyHour struct {
	tenant ident.TenantID
	key    ident.KeyID // "" for the keys that have no counter
	hour   int64
}

type tenantHour struct {
	tenant ident.TenantID
	hour   int64
}

// LimitOpenKeys sets another limit than MaxOpenKeys. It is for tests, and called before anything is
// counted.
func (c *Counters) LimitOpenKeys(n int) { c.maxOpenKeys = int64(n) }

// OpenKeys returns the number of open counters of keys.
func (c *Counters) OpenKeys() int64 { return c.openKeys.Load() }

// Overflowed returns how many requests were counted without the id of their key.
func (c *Counters) Overflowed() uint64 { return c.overflowed.Load() }

func (c *Counters) init() {
	c.once.Do(func() {
		c.seed = maphash.MakeSeed()
		if c.maxOpenKeys == 0 {
			c.maxOpenKeys = MaxOpenKeys
		}
		for i := range c.shards {
			c.shards[i].keys, c.shards[i].tenants = map[keyHour]*keyCount{}, map[tenantHour]*tenantCount{}
		}
	})
}

func (c *Counters) shard(id string) *shard {
	c.init()
	return &c.shards[maphash.String(c.seed, id)%uint64(len(c.shards))]
}

// hourOf returns the number of the hour, counted from the Unix epoch.
func hourOf(t time.Time) int64 { return t.Unix() / secondsPerHour }

const secondsPerHour = int64(time.Hour / time.Second)

func beginOfHour(hour int64) time.Time { return time.Unix(hour*secondsPerHour, 0).UTC() }

// TenantCounter counts the requests that are decided for a tenant. It is kept beside the cached
// facts of the tenant. The zero value counts nothing.
type TenantCounter struct {
	counters *Counters
	id       ident.TenantID
	// applications has the ids of the tenant's applications.
	applications map[string]bool
	open         atomic.Pointer[tenantCount]
}

// Init sets what is counted. The keys of applications are the ids of the tenant's applications.
// With nil counters nothing is counted.
func (t *TenantCounter) Init(c *Counters, id ident.TenantID, applications map[string]bool) {
	t.counters, t.id = c, id
	t.applications = applications
}

// Count adds a request with its code, where "" is acceptance. An application that is not one of the
// tenant's counts as none.
func (t *TenantCounter) Count(at time.Time, code fault.Kind, application string, via policy.Transport) {
	if t.counters == nil {
		return
	}
	if application != "" {
		if _, own := t.applications[application]; !own {
			application = ""
		}
	}
	hour := hourOf(at)
	row, column := codeIndex(code), transportIndex(via)
	for {
		open := t.open.Load()
		if open == nil || open.hour != hour {
			open = t.counters.tenant(t.id, hour)
			t.open.Store(open)
		}
		if open.add(application, row, column) {
			return
		}
		t.open.CompareAndSwap(open, nil)
	}
}

// tenant returns the open counts of a tenant and an hour.
func (c *Counters) tenant(id ident.TenantID, hour int64) *tenantCount {
	s := c.shard(string(id))
	s.mu.Lock()
	defer s.mu.Unlock()
	of := tenantHour{id, hour}
	open := s.tenants[of]
	if open == nil {
		open = &tenantCount{tenant: id, hour: hour}
		s.tenants[of] = open
	}
	return open
}

// tenantCount are the counts of a tenant in an hour.
type tenantCount struct {
	tenant ident.TenantID
	hour   int64
	// none has the requests that name no application.
	none grid
	// apps has the others. The map does not change once it is published.
	apps atomic.Pointer[map[string]*grid]
	// mu orders the writers of apps. closed is set when no grid can be added any more.
	mu     sync.Mutex
	closed bool
}

// grid counts by code and transport. Most of its rows are never used.
type grid [len(codes)]atomic.Pointer[row]

type row [len(transports)]atomic.Int64

// closedRow is the row of every code of a closed grid that had none.
var closedRow = newClosedRow()

func newClosedRow() *row {
	r := &row{}
	for i := range r {
		r[i].Store(closed)
	}
	return r
}

// add adds a request. It is false if the counts are closed; then nothing was added.
func (t *tenantCount) add(application string, code, via int) bool {
	g := &t.none
	if application != "" {
		g = t.grid(application)
		if g == nil {
			return false
		}
	}
	r := g[code].Load()
	for r == nil {
		g[code].CompareAndSwap(nil, new(row))
		r = g[code].Load()
	}
	return r[via].Add(1) > 0
}

// grid returns the counts of an application; nil if the counts are closed and have none.
func (t *tenantCount) grid(application string) *grid {
	published := t.apps.Load()
	if published != nil {
		if g := (*published)[application]; g != nil {
			return g
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	more := map[string]*grid{}
	published = t.apps.Load()
	if published != nil {
		if g := (*published)[application]; g != nil {
			return g
		}
		more = maps.Clone(*published)
	}
	if t.closed {
		return nil
	}
	g := &grid{}
	more[strings.Clone(application)] = g // it may be part of the request's buffer
	t.apps.Store(&more)
	return g
}

// drain calls emit with every count since the last drain. With last it closes the counts.
func (t *tenantCount) drain(last bool, emit func(application string, code, via int, n int64)) {
	if last {
		t.mu.Lock()
		t.closed = true
		t.mu.Unlock()
	}
	t.none.drain(last, func(code, via int, n int64) { emit("", code, via, n) })
	if apps := t.apps.Load(); apps != nil {
		for application, g := range *apps {
			g.drain(last, func(code, via int, n int64) { emit(application, code, via, n) })
		}
	}
}

func (g *grid) drain(last bool, emit func(code, via int, n int64)) {
	rest := int64(0)
	if last {
		rest = closed
	}
	for code := range g {
		if last {
			g[code].CompareAndSwap(nil, closedRow)
		}
		r := g[code].Load()
		if r == nil || r == closedRow {
			continue
		}
		for via := range r {
			if !last && r[via].Load() == 0 {
				continue
			}
			if n := r[via].Swap(rest); n > 0 {
				emit(code, via, n)
			}
		}
	}
}

// KeyCounter counts the requests of one key. It is kept beside the cached facts of the key; when
// they are read anew, the new one continues. The zero value counts nothing.
type KeyCounter struct {
	counters *Counters
	tenant   ident.TenantID
	owner    ident.PartyID
	key      ident.KeyID
	open     atomic.Pointer[keyCount]
}

// Init sets what is counted. With nil counters nothing is counted.
func (k *KeyCounter) Init(c *Counters, tenant ident.TenantID, owner ident.PartyID, key ident.KeyID) {
	k.counters, k.tenant = c, tenant
	k.owner, k.key = owner, key
}

// Count adds a request, which was accepted or refused.
func (k *KeyCounter) Count(at time.Time, accepted bool, via policy.Transport) {
	if k.counters == nil {
		return
	}
	hour, n := hourOf(at), int64(oneRefused)
	bit := uint32(0)
	if accepted {
		n, bit = oneAccepted, 1<<transportIndex(via)
	}
	for {
		open := k.open.Load()
		if open == nil || open.hour != hour {
			open = k.counters.key(k, hour)
			k.open.Store(open)
		}
		if open.add(n, bit) {
			if open.key == "" {
				k.counters.overflowed.Add(1)
			}
			return
		}
		k.open.CompareAndSwap(open, nil)
	}
}

// key returns the open count of a key and an hour, or that of all keys without one.
func (c *Counters) key(k *KeyCounter, hour int64) *keyCount {
	of := keyHour{k.tenant, k.key, hour}
	s := c.shard(string(k.key))
	s.mu.Lock()
	open := s.keys[of]
	if open == nil && c.openKeys.Add(1) <= c.maxOpenKeys {
		open = &keyCount{tenant: k.tenant, owner: k.owner, key: k.key, hour: hour}
		s.keys[of] = open
	} else if open == nil {
		c.openKeys.Add(-1)
	}
	s.mu.Unlock()
	if open != nil {
		return open
	}
	s = c.shard(string(k.tenant))
	s.mu.Lock()
	defer s.mu.Unlock()
	of.key = ""
	open = s.keys[of]
	if open == nil {
		open = &keyCount{tenant: k.tenant, hour: hour}
		s.keys[of] = open
	}
	return open
}

// keyCount is the count of a key in an hour. Both numbers are in one, so that they are read and
// closed at once: 32 bits for accepted requests and 31 for refused ones. No node makes half a
// million decisions a second about one key, so neither overflows in an hour.
type keyCount struct {
	tenant ident.TenantID
	owner  ident.PartyID
	key    ident.KeyID
	hour   int64
	n      atomic.Int64
	// via has a bit for each transport by which a request was accepted, and written those that are
	// drained.
	via     atomic.Uint32
	written uint32
}

const (
	oneAccepted = 1
	oneRefused  = 1 << 32
)

// add adds n, accepted by the transport of the bit. It is false if the count is closed; then
// nothing was added.
func (k *keyCount) add(n int64, bit uint32) bool {
	if k.via.Load()&bit != bit {
		k.via.Or(bit) // before the count, so that a flush of the count sees the transport
	}
	return k.n.Add(n) > 0
}

// drain returns what was added since the last drain, and the transports that are new. With last it
// closes the count. open is false if the count is closed now, because nothing was added.
func (k *keyCount) drain(last bool) (n int64, via uint32, open bool) {
	if last {
		n = k.n.Swap(closed)
	} else {
		n = k.n.Swap(0)
		open = n != 0 || !k.n.CompareAndSwap(0, closed)
	}
	if n == 0 {
		return n, 0, open
	}
	via = k.via.Load() &^ k.written
	k.written |= via
	return n, via, open
}
