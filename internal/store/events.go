package store

import (
	"context"
	"math"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/ident"
)

// eventColumns are scanned by scanEvent, in this order.
const eventColumns = `change_number, id, at, actor_type, actor_id, actor_email, action, target_type, target_id,
	target_name, ip, request_id, details, account_id, tenant_id`

const (
	listTenantEvents query = `SELECT ` + eventColumns +
		` FROM audit_events WHERE tenant_id = $1 AND change_number < $2 ORDER BY change_number DESC LIMIT $3`
	listAccountEvents query = `SELECT ` + eventColumns +
		` FROM audit_events WHERE account_id = $1 AND change_number < $2 ORDER BY change_number DESC LIMIT $3`
	listTenantEventsOf query = `SELECT ` + eventColumns + ` FROM audit_events
		WHERE tenant_id = $1 AND change_number < $2 AND target_id = $4 ORDER BY change_number DESC LIMIT $3`
	listAccountEventsOf query = `SELECT ` + eventColumns + ` FROM audit_events
		WHERE account_id = $1 AND change_number < $2 AND target_id = $4 ORDER BY change_number DESC LIMIT $3`
	listEventsBy query = `SELECT ` + eventColumns +
		` FROM audit_events WHERE actor_id = $1 AND change_number < $2 ORDER BY change_number DESC LIMIT $3`
)

// Events implements audit.TrailStore.
func (s *Store) Events(ctx context.Context, of audit.Trail, before int64,
	limit int,
) (list []audit.TrailEvent, err error) {
	if before == 0 {
		before = math.MaxInt64
	}
	args := []any{string(of.Account), before, pageLimit(limit)}
	if of.Tenant != "" {
		args[0] = string(of.Tenant)
	}
	if of.Actor != "" {
		list, err = collect(ctx, s.reading, listEventsBy, scanEvent, string(of.Actor), before, pageLimit(limit))
		return list, s.fault(err)
	}
	if of.Target != "" {
		args = append(args, of.Target)
	}
	q := listAccountEvents
	switch {
	case of.Tenant != "" && of.Target != "":
		q = listTenantEventsOf
	case of.Tenant != "":
		q = listTenantEvents
	case of.Target != "":
		q = listAccountEventsOf
	}
	list, err = collect(ctx, s.reading, q, scanEvent, args...)
	return list, s.fault(err)
}

func scanEvent(row scanner) (e audit.TrailEvent, err error) {
	var id ident.EventID
	var details detailsJSON
	err = row.Scan(&e.Number, &id, nullTime{&e.At}, &e.Actor.Type, &e.Actor.ID, &e.Actor.Email, &e.Action,
		&e.Target.Type, &e.Target.ID, &e.Target.Name, &e.IP, &e.RequestID, &details, nullString(&e.Account),
		nullString(&e.Tenant))
	if err != nil {
		return e, err
	}
	e.ID, e.Details = id, details
	return e, nil
}
