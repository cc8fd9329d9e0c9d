package key

import (
	"context"

	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
)

// noticeFacts returns what a notice to the owner says about the key and about who changed it.
func (k Key) noticeFacts(rules []policy.Rule, by principal.Party) notice.Facts {
	f := notice.Facts{
		Tenant: k.Tenant, KeyName: k.Name, PublicID: k.PublicID, Last4: k.Last4,
		Expiry: k.Life(rules).Expiry, By: notice.Self,
	}
	if by.ID != k.Owner.ID {
		f.By = notice.Named(by.Name, by.Email)
	}
	return f
}

// notifyCreated notifies the owner of a key that another person created. The notice brings the link
// to claim the key, if links are mailed.
func notifyCreated(ctx context.Context, tx notice.LinkWriter, k Key, rules []policy.Rule, c Claim) error {
	if k.CreatedBy.ID == k.Owner.ID || !notice.Reaches(k.Owner.Type()) {
		return nil
	}
	f := k.noticeFacts(rules, k.CreatedBy)
	f.ByLink = k.Delivery == ByLink
	if !c.MailedAt.IsZero() {
		return k.mailClaim(ctx, tx, f, c)
	}
	return tx.PlanNotice(ctx, notice.OfOwnersKey(notice.KeyCreated, k.Owner, k.ID, k.CreatedAt, f))
}

// mailClaim plans the notice that brings the link of a claim.
func (k Key) mailClaim(ctx context.Context, tx notice.LinkWriter, f notice.Facts, c Claim) error {
	f.ByLink, f.Until = true, c.ExpiresAt
	n := notice.OfTenant(notice.KeyClaim, k.Owner.User(), k.Owner.Email, c.ID, c.MailedAt, f)
	n.Key = k.ID
	return notice.PlanLink(ctx, tx, n)
}

// notifyRenewed mails the new link of a claim to the owner, if links are mailed.
func (c *keyTx) notifyRenewed(ctx context.Context, tx notice.LinkWriter, next Claim) error {
	if next.MailedAt.IsZero() {
		return nil
	}
	return c.mailClaim(ctx, tx, c.noticeFacts(c.tenant.Rules, c.by.party()), next)
}

// planNotice plans a notice to the owner of the key, unless that is a subject.
func (c *keyTx) planNotice(ctx context.Context, tx notice.Writer, n notice.Notice) error {
	if !notice.Reaches(c.Owner.Type()) {
		return nil
	}
	return tx.PlanNotice(ctx, n)
}

// notifyRefreshed notifies the owner of a refresh, even of their own: somebody else may have used
// their session.
func (c *keyTx) notifyRefreshed(ctx context.Context, tx notice.Writer) error {
	f := c.noticeFacts(c.tenant.Rules, c.by.party())
	return c.planNotice(ctx, tx, notice.OfOwnersKey(notice.KeyRefreshed, c.Owner, c.ID, c.now, f, c.Serial))
}

// notifyRevealed notifies the owner, who is the only one who can reveal a secret, for the same
// reason.
func (c *keyTx) notifyRevealed(ctx context.Context, tx notice.Writer, address string) error {
	f := c.noticeFacts(c.tenant.Rules, c.by.party())
	f.Address = address
	return c.planNotice(ctx, tx, notice.OfOwnersKey(notice.KeyRevealed, c.Owner, c.ID, c.now, f, c.now.UnixMicro()))
}

// notifyDisabled notifies the owner of a key that another person or idleness disabled.
func (c *keyTx) notifyDisabled(ctx context.Context, tx notice.Writer) error {
	if c.DisabledBy == c.Owner.ID {
		return nil
	}
	f := c.noticeFacts(c.tenant.Rules, c.by.party())
	if c.DisabledBy == "" {
		f.LastUsedAt, f.IdleDays = c.LastUsedAt, c.tenant.Settings.IdleDays
	}
	return c.planNotice(ctx, tx, notice.OfOwnersKey(notice.KeyDisabled, c.Owner, c.ID, c.now, f, c.now.UnixMicro()))
}

// notifyRevoked notifies the owner, even of what they did themselves, of a key that is revoked or
// deleted. A revoked key that is deleted later gets no second notice.
func (c *keyTx) notifyRevoked(ctx context.Context, tx notice.Writer, why string, deleted bool) error {
	if c.revoked() {
		return nil
	}
	f := c.noticeFacts(c.tenant.Rules, c.by.party())
	f.Why, f.Deleted = why, deleted
	return c.planNotice(ctx, tx, notice.OfOwnersKey(notice.KeyRevoked, c.Owner, c.ID, c.now, f))
}

// notifyExpiring notifies the owner at once if a new expiry is nearer than the first warning, even
// if the secret is young.
func (c *keyTx) notifyExpiring(ctx context.Context, tx notice.Writer) error {
	n, near := c.noticeSubject().Stage(c.tenant.Rules, c.now)
	if !near {
		return nil
	}
	return tx.PlanNotice(ctx, n)
}

// noticeSubject returns the facts by which package notice decides what is due because of time.
func (c *keyTx) noticeSubject() notice.Subject {
	return notice.Subject{
		Key: c.ID, Tenant: c.Tenant, Account: c.tenant.Account, Owner: c.Owner, Name: c.Name, PublicID: c.PublicID,
		Last4: c.Last4, Serial: c.Serial,
		SetAt: c.SecretSetAt, ExpiresAt: c.ExpiresAt, RevokedAt: c.RevokedAt, DisabledAt: c.DisabledAt,
		LastUsedAt: c.LastUsedAt, EnabledAt: c.EnabledAt,
	}
}
