package usage

import (
	"container/heap"
	"math"
	"strings"
	"sync/atomic"
	"time"

	"github.com/claviger-dev/claviger/internal/ident"
)

// lastUse is the last use of a key, as far as this node knows it. Requests change it without a
// lock.
type lastUse struct {
	// current is the latest use of the key, in microseconds; removed once the recorder has
	// forgotten this lastUse. previous is that of the secret from before a refresh, 0 for none, and
	// serial that secret's.
	current, previous, serial atomic.Int64
	// ip is the last known address; nil for none.
	ip     atomic.Pointer[string]
	key    ident.KeyID
	tenant ident.TenantID

	// hurried is set if the secret from before a refresh was used since the last row.
	hurried atomic.Bool

	// What follows belongs to the recorder. written and writtenPrevious are current and previous as
	// they are on record. due is when the next row is written, and index the place in the queue; -1
	// while the row is being written.
	written, writtenPrevious, due int64
	index                         int
}

// removed is the time of a lastUse that the recorder has forgotten. A request that finds it gets
// another lastUse.
const removed = math.MaxInt64

// add adds a use. It is false if the recorder has forgotten u; then another must be used.
func (u *lastUse) add(use *Use) bool {
	at := use.At.UnixMicro()
	last := u.current.Load()
	if use.IP != "" {
		known := u.ip.Load()
		if known == nil || at >= last && *known != use.IP {
			ip := strings.Clone(use.IP) // it may be part of the request's buffer
			u.ip.Store(&ip)
		}
	}
	if previous := use.PreviousAt.UnixMicro(); !use.PreviousAt.IsZero() && previous > u.previous.Load() {
		u.previous.Store(previous)
		u.serial.Store(int64(use.PreviousSerial))
	}
	// Last, because it says whether all of it counts. It is also set if it stays as it is: the
	// recorder may be forgetting u.
	for last != removed {
		if u.current.CompareAndSwap(last, max(last, at)) {
			return true
		}
		last = u.current.Load()
	}
	return false
}

// use returns the last use. ok is false if the recorder has forgotten u.
func (u *lastUse) use() (use Use, ok bool) {
	at := u.current.Load()
	if at == removed {
		return Use{}, false
	}
	use = Use{Key: u.key, Tenant: u.tenant, At: time.UnixMicro(at).UTC()}
	if previous := u.previous.Load(); previous != 0 {
		use.PreviousAt, use.PreviousSerial = time.UnixMicro(previous).UTC(), int(u.serial.Load())
	}
	if ip := u.ip.Load(); ip != nil {
		use.IP = *ip
	}
	return use, true
}

// wrote notes that a use is on record. The next row is due a minute after the time, unless the
// secret from before a refresh was used meanwhile.
func (u *lastUse) wrote(use *Use, at int64) {
	u.written, u.writtenPrevious = use.At.UnixMicro(), 0
	if !use.PreviousAt.IsZero() {
		u.writtenPrevious = use.PreviousAt.UnixMicro()
	}
	u.due = max(u.written, at) + keyEvery.Microseconds()
	u.hurried.Store(false)
	if u.previous.Load() != u.writtenPrevious {
		u.due = u.written
	}
}

// unwritten reports whether a use is not on record.
func (u *lastUse) unwritten() bool {
	return u.current.Load() != u.written || u.previous.Load() != u.writtenPrevious
}

// forget makes u unusable, unless a use of it is not on record.
func (u *lastUse) forget() bool {
	return !u.unwritten() && u.current.CompareAndSwap(u.written, removed)
}

// clamp moves what is later than now to now.
func (u *lastUse) clamp(now int64) {
	for _, at := range []*atomic.Int64{&u.current, &u.previous} {
		if later := at.Load(); later > now {
			at.CompareAndSwap(later, now) // a use in between is one of the corrected clock
		}
	}
	u.written, u.writtenPrevious = min(u.written, now), min(u.writtenPrevious, now)
	u.due = min(u.due, now+keyEvery.Microseconds())
}

// Tracker records the uses of one key. It is kept beside the cached facts of the key. Call Init
// before any other method. It is safe for concurrent use.
type Tracker struct {
	open atomic.Pointer[lastUse]
	// onRecord is the last use of the key when its facts were read, in microseconds.
	onRecord int64
	// scopes are the last recorded days of the key's scopes, in the order of the scopes.
	scopes []atomic.Int32
}

// Init sets the last use on record and the number of the key's scopes. None of the scopes counts as
// recorded.
func (t *Tracker) Init(lastUsedAt time.Time, scopes int) {
	if !lastUsedAt.IsZero() {
		t.onRecord = lastUsedAt.UnixMicro()
	}
	t.scopes = make([]atomic.Int32, scopes)
}

// Record records a use of the key. It allocates nothing, unless the recorder has forgotten the key
// or the address is a new one.
func (t *Tracker) Record(r *Recorder, use Use) {
	for {
		open := t.open.Load()
		if open == nil {
			open = r.open(&use, t.onRecord)
			t.open.Store(open)
		}
		if open.add(&use) {
			if !use.PreviousAt.IsZero() && open.hurried.CompareAndSwap(false, true) {
				r.hurry(open, use.PreviousAt.UnixMicro())
			}
			return
		}
		t.open.CompareAndSwap(open, nil)
	}
}

// ScopeDue reports whether a use of the scope with this index must be recorded, and on which day:
// it is the scope's first use of the day. The caller must record it then, because no other call
// returns true for it.
func (t *Tracker) ScopeDue(index int, at time.Time) (on time.Time, due bool) {
	last := &t.scopes[index]
	today := dayOf(at)
	recorded := last.Load()
	if recorded >= today || !last.CompareAndSwap(recorded, today) {
		return time.Time{}, false
	}
	return firstMoment(today), true
}

// queue has last uses in the order in which they are due. It implements [heap.Interface].
type queue []*lastUse

var _ heap.Interface = &queue{}

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due < q[j].due }

func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push implements [heap.Interface].
func (q *queue) Push(x any) {
	u := x.(*lastUse)
	u.index = len(*q)
	*q = append(*q, u)
}

// Pop implements [heap.Interface].
func (q *queue) Pop() any {
	last := len(*q) - 1
	u := (*q)[last]
	(*q)[last] = nil
	*q, u.index = (*q)[:last], -1
	return u
}
