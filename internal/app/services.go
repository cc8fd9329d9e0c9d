package app

import (
	"crypto/rand"
	"runtime"
	"time"

	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/admission"
	"github.com/claviger-dev/claviger/internal/application"
	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/console"
	"github.com/claviger-dev/claviger/internal/dataplane"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/machine"
	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/picture"
	"github.com/claviger-dev/claviger/internal/ratelimit"
	"github.com/claviger-dev/claviger/internal/secondfactor"
	"github.com/claviger-dev/claviger/internal/serverkey"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/token"
	"github.com/claviger-dev/claviger/internal/usage"
	"github.com/claviger-dev/claviger/internal/verify"
)

// services are the services of the domain. The entry points and the jobs call them.
type services struct {
	Identity        *identity.Service
	Sessions        *session.Service
	SecondFactors   *secondfactor.Service
	Accounts        *account.Service
	Tenancy         *tenancy.Service
	Applications    *application.Service
	ServiceAccounts *machine.ServiceAccounts
	// EndedOwners revokes the keys of owners that ended.
	EndedOwners *tenancy.EndedOwners
	Subjects    *machine.Subjects
	Plans       *machine.Plans
	Keys        *key.Service
	// ManagementKeys are the credentials of programs that manage keys.
	ManagementKeys *machine.ManagementKeys
	// KeySweeper changes keys because of their age.
	KeySweeper *key.Sweeper
	Notices    *notice.Service
	// ServerKeys rotates the keys of the server itself.
	ServerKeys *serverkey.Service
	// Tokens issues and reads access tokens.
	Tokens *token.Service
	Engine *verify.Engine
	// Watches are the keys whose secrets were shown a moment ago.
	Watches *usage.Watches
	// ConsoleNumbers computes what pages show of whole tenants.
	ConsoleNumbers *console.Background
	// Counters count the requests of keys and tenants, and Reports reads the counts.
	Counters *usage.Counters
	Reports  *usage.Reports
	// Limiter limits the requests of keys, VerifierLimiter those by which a key verifies others.
	Limiter, VerifierLimiter *ratelimit.InMemory[ident.KeyID]
}

// factorIssuer names the server in people's authenticator apps.
const factorIssuer = "Claviger"

// serverKeyDelay is how long a version of a server key is on record before it is used, so that all
// nodes know it by then.
const serverKeyDelay = 2 * time.Minute

// newServices builds all services. Notices are sent by the sender.
func newServices(st *storage, c config.Config, o Options, sender notice.Sender, issuer string) *services {
	var (
		s       = st.Store
		now     = st.clock.Now
		horizon = st.clock.Horizon
		mails   = c.Mail.SMTP != ""
		scans   = admission.NewGate(scanLimits)
		search  = admission.NewGate(searchLimits())
	)
	v := services{
		Limiter:         &ratelimit.InMemory[ident.KeyID]{},
		VerifierLimiter: &ratelimit.InMemory[ident.KeyID]{},
	}
	v.Tokens = &token.Service{
		Ledger: store.NewLedger(s, func(t *store.Tx) token.Tx { return t }), Store: s, Keyring: st.keyring, Now: now,
		Horizon: horizon, Rand: rand.Reader, Issuer: issuer, PropagationDelay: propagationDelay(s),
		SignGate: admission.NewGate(signLimits()),
	}
	v.ConsoleNumbers = &console.Background{Now: now}
	v.Watches = &usage.Watches{Store: s, Now: now, Shared: s.Shared()}
	v.Counters = &usage.Counters{
		Store: s, Run: rand.Text(), Node: func() string { return st.journal.Node().ID }, Now: now,
	}
	v.Reports = &usage.Reports{Store: s, Now: now, RequireAdmin: account.RequireAdmin, Gate: scans}
	v.Engine = verify.New(verify.Options{
		Source: s, Keyring: st.keyring, Generations: st.generations, Now: now, Fresh: st.fresh,
		RenderGrant: dataplane.RenderGrant, RenderOwner: dataplane.RenderOwner,
		Limiter: v.Limiter, VerifierLimiter: v.VerifierLimiter, Recorder: st.Usage, Watches: v.Watches,
		Counters: v.Counters,
		Tokens:   v.Tokens,
	})
	v.Identity = &identity.Service{
		Ledgers: identityLedgers(s), Store: s, Now: now, Rand: rand.Reader,
		Keyring: st.keyring, Horizon: horizon, Mails: mails,
		Passwords: identity.NewHasher(o.PasswordCost, runtime.GOMAXPROCS(0)), Pictures: picture.NewMaker(),
	}
	v.SecondFactors = &secondfactor.Service{
		Ledger: store.NewLedger(s, func(t *store.Tx) secondfactor.Tx { return t }), Store: s, Keyring: st.keyring,
		Now: now, Rand: rand.Reader, Issuer: factorIssuer,
	}
	v.Sessions = &session.Service{
		Ledger: store.NewLedger(s, func(t *store.Tx) session.Tx { return t }), Store: s, Now: now, Rand: rand.Reader,
		Keyring: st.keyring,
		Horizon: horizon, Doubt: st.clock.Check, Factors: v.SecondFactors, Attempts: v.Identity,
	}
	v.Accounts = &account.Service{
		Ledger: store.NewLedger(s, func(t *store.Tx) account.Tx { return t }), Store: s, Now: now, Rand: rand.Reader,
		Scans: scans,
	}
	v.Tenancy = &tenancy.Service{
		Ledgers: tenancyLedgers(s), Store: s, People: v.Identity, Keyring: st.keyring, Now: now, Rand: rand.Reader,
		Horizon: horizon, Mails: mails, LegacyBefore: c.LegacyPasswordBefore.Begin(),
	}
	v.Applications = &application.Service{
		Ledger: store.NewLedger(s, func(t *store.Tx) application.Tx { return t }), Store: s, Tenants: v.Tenancy,
		Now: now, Rand: rand.Reader,
	}
	v.Subjects = &machine.Subjects{
		Ledger: store.NewLedger(s, func(t *store.Tx) machine.SubjectTx { return t }), Store: s, Tenants: v.Tenancy,
		Now: now, Rand: rand.Reader, SearchGate: search,
	}
	v.Plans = &machine.Plans{
		Ledger: store.NewLedger(
			s,
			func(t *store.Tx) machine.PlanTx { return t },
		),
		Store:   s,
		Tenants: v.Tenancy,
		Now:     now,
	}
	v.ServiceAccounts = &machine.ServiceAccounts{
		Ledger: store.NewLedger(s, func(t *store.Tx) machine.ServiceAccountTx { return t }), Store: s,
		Tenants: v.Tenancy, Now: now, Rand: rand.Reader,
	}
	v.EndedOwners = &tenancy.EndedOwners{
		Ledger: store.NewLedger(s, func(t *store.Tx) tenancy.EndedOwnersTx { return t }), Store: s,
	}
	v.Keys = &key.Service{
		Creates: store.NewLedger(s, func(t *store.Tx) key.CreateTx { return t }),
		Changes: store.NewLedger(s, func(t *store.Tx) key.ChangeTx { return t }),
		Store:   s, Keyring: st.keyring, Now: now, Rand: rand.Reader, Mails: mails,
		ScanGate: scans, SearchGate: search,
	}
	v.ManagementKeys = &machine.ManagementKeys{
		Ledger: store.NewLedger(s, func(t *store.Tx) machine.ManagementKeyTx { return t }), Store: s,
		Tenants: v.Tenancy,
		Keyring: st.keyring, Now: now, Rand: rand.Reader, Doubt: st.clock.Check, Horizon: horizon,
		ExpiredRetention: c.Keys.ExpiredRetentionDays.Duration(),
	}
	v.KeySweeper = &key.Sweeper{
		Ledger: store.NewLedger(s, func(t *store.Tx) key.SweepTx { return t }), Store: s, Now: now, Horizon: horizon,
		ExpiredRetention: c.Keys.ExpiredRetentionDays.Duration(),
	}
	v.ServerKeys = &serverkey.Service{
		Ledger: store.NewLedger(s, func(t *store.Tx) serverkey.Tx { return t }), Store: s, Keyring: st.keyring,
		Now:     now,
		Horizon: horizon, PropagationDelay: propagationDelay(s),
	}
	v.Notices = &notice.Service{
		Ledger: store.NewLedger(s, func(t *store.Tx) notice.Tx { return t }), Store: s, Now: now, Horizon: horizon,
		Rand: rand.Reader,
		// The lease is longer than a mail server may take.
		Log: o.Log, Holder: rand.Text(), Lease: time.Duration(c.Mail.Timeout) + time.Minute,
		Keyring: st.keyring, Mails: mails, Sender: sender,
	}
	return &v
}

func identityLedgers(s *store.Store) identity.Ledgers {
	return identity.Ledgers{
		Users:     store.NewLedger(s, func(t *store.Tx) identity.UserTx { return t }),
		Passwords: store.NewLedger(s, func(t *store.Tx) identity.PasswordTx { return t }),
		Deletions: store.NewLedger(s, func(t *store.Tx) identity.DeleteTx { return t }),
		Avatars:   store.NewLedger(s, func(t *store.Tx) identity.AvatarTx { return t }),
		Emails:    store.NewLedger(s, func(t *store.Tx) identity.EmailTx { return t }),
	}
}

func tenancyLedgers(s *store.Store) tenancy.Ledgers {
	return tenancy.Ledgers{
		Tenants:     store.NewLedger(s, func(t *store.Tx) tenancy.TenantTx { return t }),
		Members:     store.NewLedger(s, func(t *store.Tx) tenancy.MemberTx { return t }),
		Invitations: store.NewLedger(s, func(t *store.Tx) tenancy.InvitationTx { return t }),
		Acceptances: store.NewLedger(s, func(t *store.Tx) tenancy.AcceptTx { return t }),
		Openings:    store.NewLedger(s, func(t *store.Tx) tenancy.OpenTx { return t }),
	}
}

// scanLimits bound what reads all keys of a tenant or an account: two at a time, one of each.
var scanLimits = admission.Limits{Concurrency: 2, PerCaller: 1, Queue: 64, QueuePerCaller: 4, Wait: 10 * time.Second}

// searchLimits bound what folds and compares texts: half of the cores, one search of each tenant.
func searchLimits() admission.Limits {
	return admission.Limits{
		Concurrency: max(1, runtime.GOMAXPROCS(0)/2), PerCaller: 1, Queue: 64, QueuePerCaller: 16,
		Wait: 10 * time.Second,
	}
}

// signLimits bound what signs JWTs: half of the cores, one token of each tenant at a time. So the
// other cores are left to decisions.
func signLimits() admission.Limits {
	return admission.Limits{
		Concurrency: max(1, runtime.GOMAXPROCS(0)/2), PerCaller: 1, Queue: 256, QueuePerCaller: 32,
		Wait: 5 * time.Second,
	}
}

// propagationDelay returns how long a new version of a server key waits; 0 on SQLite, where there
// are no other nodes.
func propagationDelay(s *store.Store) time.Duration {
	if s.Engine() == "sqlite" {
		return 0
	}
	return serverKeyDelay
}
