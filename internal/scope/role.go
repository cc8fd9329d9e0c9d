package scope

// Role is what a member may do in a tenant. The zero value is no member.
type Role string

// The roles of a tenant.
const (
	Admin   Role = "admin"
	Member  Role = "member"
	Auditor Role = "auditor" // reads all, changes nothing
)

// Valid reports whether the role is one of the three.
func (r Role) Valid() bool { return r == Admin || r == Member || r == Auditor }

// AccountRole is what a person may do in an account. The zero value is no role.
type AccountRole string

// The roles of an account.
const (
	AccountOwner AccountRole = "owner"
	AccountAdmin AccountRole = "admin"
)

// Valid reports whether the role is one of the two.
func (r AccountRole) Valid() bool { return r == AccountOwner || r == AccountAdmin }

// EffectiveRole returns the role that a person has in a tenant, from the membership and the role in
// the account. Owners and admins of the account are admins of all its tenants.
func EffectiveRole(member Role, account AccountRole) Role {
	if account.Valid() {
		return Admin
	}
	return member
}
