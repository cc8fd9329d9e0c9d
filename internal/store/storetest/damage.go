package storetest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/tenancy"
)

var damageGuarantees = []guarantee{
	{"a list that breaks off at any of its rows is unavailable, and nothing of it is used", aListThatBreaksOffIsUnavailable},
}

// damagedRow is a value that no column is scanned into. A scan of it fails before it has filled anything, as it does
// where the caller has left in the middle of a list.
type damagedRow struct{}

// damaging counts the rows that queries deliver, and damages one of them.
type damaging struct {
	rows   int
	damage int
}

// next is called for each row.
func (d *damaging) next(row []driver.Value) {
	if d.rows++; d.rows == d.damage {
		for i := range row {
			row[i] = damagedRow{}
		}
	}
}

func aListThatBreaksOffIsUnavailable(h *house) {
	play(h) // so that every table has rows
	d := &damaging{}
	b := h.backend
	for _, pool := range []**sql.DB{&b.Verify, &b.Control, &b.Read, &b.Maintenance} {
		*pool = sql.OpenDB(&connector{inner: *pool, faults: &faults{row: d.next}})
		(*pool).SetMaxOpenConns(1)
		defer (*pool).Close()
	}
	s := store.New(b, store.Options{Now: h.clock.Now, Rand: h.random})
	for name, read := range h.lists(s) {
		d.rows, d.damage = 0, 0
		if err := read(h.Context()); err != nil {
			h.Errorf("%s: %v", name, err)
		}
		all := d.rows
		if all == 0 {
			h.Errorf("%s delivers no row", name)
		}
		for n := 1; n <= all; n++ {
			d.rows, d.damage = 0, n
			if err := read(h.Context()); fault.KindOf(err) != fault.Unavailable {
				h.Errorf("%s that breaks off at row %d of %d says %v, want unavailable", name, n, all, err)
			}
		}
	}
}

// lists returns what reads lists of the store, by name.
func (h *house) lists(s *store.Store) map[string]func(context.Context) error {
	late := h.later(time.Hour)
	begin := func(table, column, where string) string {
		return ask[string](h, `SELECT `+column+` FROM `+table+where+` ORDER BY `+column+` LIMIT 1`)
	}
	tenant := ident.TenantID(begin("keys", "tenant_id", ` WHERE revoked_at IS NULL`))
	owner := ident.UserID(begin("keys", "owner_id", ` WHERE revoked_at IS NULL AND tenant_id = '`+string(tenant)+`'`))
	account := ident.AccountID(begin("tenants", "account_id", ` WHERE id = '`+string(tenant)+`'`))
	lookup := begin("key_secrets", "lookup", "")
	member := ident.UserID(begin("members", "user_id", ` WHERE tenant_id = '`+string(tenant)+`'`))
	used := ident.KeyID(ask[string](h, `SELECT id FROM keys ORDER BY id LIMIT 1`))
	h.sql(`INSERT INTO key_scope_uses (key_id, scope, last_used_on) VALUES ($1, 'films:read', $2)`, used, late.UnixMicro())
	signedIn := h.person()
	h.begun(signedIn)
	ago := h.clock.Now().Add(-time.Hour)
	live := session.Bounds{EndsAfter: ago, SeenAfter: ago, BegunAfter: ago}
	h.sql(`INSERT INTO scopes (tenant_id, name, description) VALUES ($1, 'films:read', '')`, tenant)
	h.sql(`INSERT INTO scope_roles (tenant_id, name, role) VALUES ($1, 'films:read', 'admin')`, tenant)
	page := tenancy.Page{BeforeTime: late, BeforeID: "~", Limit: 5}
	return map[string]func(context.Context) error{
		"Keys": func(ctx context.Context) error {
			_, err := s.Keys(ctx, tenant, key.Filter{}, key.Page{BeforeTime: late, BeforeID: "~", Limit: 5})
			return err
		},
		"KeyFacts": func(ctx context.Context) error {
			_, err := s.KeyFacts(ctx, lookup)
			return err
		},
		"TenantFacts": func(ctx context.Context) error {
			_, err := s.TenantFacts(ctx, tenant)
			return err
		},
		"AccountsOf": func(ctx context.Context) error {
			_, err := s.AccountsOf(ctx, owner, page)
			return err
		},
		"AllAccounts": func(ctx context.Context) error {
			_, err := s.AllAccounts(ctx)
			return err
		},
		"Officers": func(ctx context.Context) error {
			_, err := s.Officers(ctx, account, page)
			return err
		},
		"Members": func(ctx context.Context) error {
			_, err := s.Members(ctx, tenant, page)
			return err
		},
		"TenantsFor": func(ctx context.Context) error {
			_, err := s.TenantsFor(ctx, member, page)
			return err
		},
		"Sessions": func(ctx context.Context) error {
			_, err := s.Sessions(ctx, signedIn.ID, live, session.Page{BeforeTime: late, BeforeID: "~", Limit: 5})
			return err
		},
		"Policies": func(ctx context.Context) error {
			_, err := s.Policies(ctx)
			return err
		},
		"LivingKeys": func(ctx context.Context) error {
			return s.LivingKeys(ctx, account, func(own, secretSetAt time.Time) {
				if secretSetAt.IsZero() {
					h.Error("LivingKeys passes on a row that could not be read")
				}
			})
		},
		"Chains": func(ctx context.Context) error {
			_, err := s.Chains(ctx)
			return err
		},
		"Chain": func(ctx context.Context) error {
			return s.Chain(ctx, "server", func(audit.Record) error { return nil })
		},
		"ChainNames": func(ctx context.Context) error {
			_, err := s.ChainNames(ctx)
			return err
		},
		"EffectsAfter": func(ctx context.Context) error {
			_, err := s.EffectsAfter(ctx, 0, 5)
			return err
		},
		"ServerKeys": func(ctx context.Context) error {
			_, err := s.ServerKeys(ctx)
			return err
		},
		"Notices": func(ctx context.Context) error {
			_, err := s.Notices(ctx, "", 5)
			return err
		},
		"Backlog": func(ctx context.Context) error {
			_, err := s.Backlog(ctx)
			return err
		},
		"KeyHeaders": func(ctx context.Context) error {
			_, err := s.KeyHeaders(ctx)
			return err
		},
		"Catalogue": func(ctx context.Context) error {
			_, err := s.Catalogue(ctx, tenant)
			return err
		},
		"ScopesUsed": func(ctx context.Context) error {
			_, err := s.ScopesUsed(ctx, []ident.KeyID{used}, h.clock.Now())
			return err
		},
	}
}
