package storetest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"time"

	"github.com/claviger-dev/claviger/internal/paging"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/journal"
	"github.com/claviger-dev/claviger/internal/key"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/store"
)

var damageCases = []testCase{
	{
		"a list that breaks off at any of its rows is unavailable, and nothing of it is used",
		aListThatBreaksOffIsUnavailable,
	},
}

// damagedRow is a value that cannot be scanned. Its scan fails before it fills anything, as it does
// if the caller leaves in the middle of a list.
type damagedRow struct{}

// damager counts the rows that queries return, and damages one of them.
type damager struct {
	rows     int
	damageAt int
}

// onRow is called for each row.
func (d *damager) onRow(row []driver.Value) {
	d.rows++
	if d.rows == d.damageAt {
		for i := range row {
			row[i] = damagedRow{}
		}
	}
}

func aListThatBreaksOffIsUnavailable(fx *fixture) {
	runScenario(fx) // so that every table has rows
	d := &damager{}
	b := fx.backend
	for _, pool := range []**sql.DB{&b.Verify, &b.Control, &b.Read, &b.Maintenance} {
		*pool = sql.OpenDB(&connector{inner: *pool, faults: &faults{row: d.onRow}})
		(*pool).SetMaxOpenConns(1)
		defer (*pool).Close()
	}
	s := newStore(b, store.Options{Now: fx.clock.Now, Rand: fx.random})
	for name, read := range fx.listReads(s) {
		d.rows, d.damageAt = 0, 0
		if err := read(fx.Context()); err != nil {
			fx.Errorf("%s: %v", name, err)
		}
		all := d.rows
		if all == 0 {
			fx.Errorf("%s delivers no row", name)
		}
		for n := 1; n <= all; n++ {
			d.rows, d.damageAt = 0, n
			if err := read(fx.Context()); fault.KindOf(err) != fault.Unavailable {
				fx.Errorf("%s that breaks off at row %d of %d says %v, want unavailable", name, n, all, err)
			}
		}
	}
}

// listReads returns the reads of lists, by name.
func (fx *fixture) listReads(s *store.Store) map[string]func(context.Context) error {
	late := fx.after(time.Hour)
	_, err := fx.store.RenewNode(fx.Context(), journal.Node{ID: "aaaa", Name: "host-a"}, fx.clock.Now(), late)
	fx.must(err)
	begin := func(table, column, where string) string {
		return queryValue[string](fx, `SELECT `+column+` FROM `+table+where+` ORDER BY `+column+` LIMIT 1`)
	}
	tenant := ident.TenantID(begin("keys", "tenant_id", ` WHERE revoked_at IS NULL`))
	owner := ident.UserID(begin("keys", "owner_id", ` WHERE revoked_at IS NULL AND tenant_id = '`+string(tenant)+`'`))
	account := ident.AccountID(begin("tenants", "account_id", ` WHERE id = '`+string(tenant)+`'`))
	lookup := begin("key_secrets", "lookup", "")
	member := ident.UserID(begin("members", "user_id", ` WHERE tenant_id = '`+string(tenant)+`'`))
	used := ident.KeyID(queryValue[string](fx, `SELECT id FROM keys ORDER BY id LIMIT 1`))
	fx.exec(`INSERT INTO key_scope_uses (key_id, scope, last_used_on) VALUES ($1, 'films:read', $2)`, used,
		late.UnixMicro())
	signedIn := fx.person()
	fx.insertSession(signedIn)
	ago := fx.clock.Now().Add(-time.Hour)
	live := session.Bounds{EndsAfter: ago, SeenAfter: ago, BegunAfter: ago}
	fx.exec(`INSERT INTO scopes (tenant_id, name, description) VALUES ($1, 'films:read', '')`, tenant)
	fx.exec(`INSERT INTO scope_roles (tenant_id, name, role) VALUES ($1, 'films:read', 'admin')`, tenant)
	page := paging.Page{BeforeTime: late, BeforeID: "~", Limit: 5}
	return map[string]func(context.Context) error{
		"Keys": func(ctx context.Context) error {
			_, _, err := s.Keys(ctx, tenant, key.Filter{}, key.Page{BeforeTime: late, BeforeID: "~", Limit: 5})
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
			_, err := s.AccountsOf(ctx, owner, nil, page)
			return err
		},
		"AllAccounts": func(ctx context.Context) error {
			_, err := s.AllAccounts(ctx)
			return err
		},
		"Officers": func(ctx context.Context) error {
			_, err := s.AccountMembers(ctx, account, page)
			return err
		},
		"Members": func(ctx context.Context) error {
			_, err := s.Members(ctx, tenant, page)
			return err
		},
		"MembersWithoutFactor": func(ctx context.Context) error {
			_, err := s.MembersWithoutFactor(ctx, tenant, page)
			return err
		},
		"TenantsNamed": func(ctx context.Context) error {
			_, err := s.TenantsNamed(ctx, "first", 5)
			return err
		},
		"TenantsFor": func(ctx context.Context) error {
			_, err := s.TenantsFor(ctx, member, nil, page)
			return err
		},
		"Sessions": func(ctx context.Context) error {
			_, err := s.Sessions(ctx, signedIn.ID, live, paging.Page{BeforeTime: late, BeforeID: "~", Limit: 5})
			return err
		},
		"Policies": func(ctx context.Context) error {
			_, err := s.Policies(ctx)
			return err
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
		"Nodes": func(ctx context.Context) error {
			_, err := s.Nodes(ctx, fx.clock.Now())
			return err
		},
		"ServerKeys": func(ctx context.Context) error {
			_, err := s.ServerKeys(ctx)
			return err
		},
		"AccountNotices": func(ctx context.Context) error {
			_, err := s.AccountNotices(ctx, account, page)
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
			_, err := s.ScopesUsed(ctx, []ident.KeyID{used}, fx.clock.Now())
			return err
		},
	}
}
