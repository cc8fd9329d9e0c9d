package account

import (
	"context"
	"fmt"

	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/policy"
)

// The limits of an account. Each is counted in the transaction that adds one more, with the account
// locked. They bind operators too, since they protect the database.
const (
	maxMembers = 1_000 // owners and admins of an account
	// maxPolicyRules bounds the rules of an account's policy, including those that have ended:
	// every decision about a key reads all of them.
	maxPolicyRules = 100
)

// CheckLimit refuses one more where n reaches the limit. counted is a format for n and limit, such
// as "This tenant has %d of %d members.", and remedy says what to do. err is that of the count.
func CheckLimit(n int, err error, limit int, counted, remedy string) error {
	if err != nil || n < limit {
		return err
	}
	return fault.New(fault.Conflict, fmt.Sprintf(counted, n, limit)+" "+remedy)
}

// CheckMemberLimit refuses an owner or admin more than an account may have. The account is locked.
func CheckMemberLimit(ctx context.Context, tx MemberLimitTx, account ident.AccountID) error {
	n, err := tx.CountAccountMembers(ctx, account, maxMembers)
	return CheckLimit(n, err, maxMembers, "This account has %d of %d owners and admins.",
		"Remove the role of one first.")
}

// checkRuleLimit refuses a policy with more rules than an account may have. A policy with no more
// rules than before passes, so that it can always be loosened or switched off.
func checkRuleLimit(before, after policy.Policy) error {
	if len(after.Rules) <= max(len(before.Rules), maxPolicyRules) {
		return nil
	}
	return fault.New(fault.Conflict, fmt.Sprintf(
		"The policy of this account has %d of %d rules, because it was changed often. Rules that no longer apply are "+
			"removed after a day. Wait, or switch the limit off first (`auto_expiry.enabled`, `max_lifetime_days`).",
		len(before.Rules), maxPolicyRules))
}
