package blazemeter

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/dialect"
	"github.com/claviger-dev/claviger/internal/ident"
)

// userWire is a user. Clients expect that no member is missing or null. Times are in Unix seconds.
type userWire struct {
	ID          int64  `json:"id"`
	Email       string `json:"email"`
	DisplayName string `json:"displayName"`
	FirstName   string `json:"firstName"`
	LastName    string `json:"lastName"`
	Enabled     bool   `json:"enabled"`
	// Access is the time of this request. Login is when the person signed in; for a key, when its
	// owner was created.
	Access  int64 `json:"access"`
	Login   int64 `json:"login"`
	Created int64 `json:"created"`
	Updated int64 `json:"updated"`
	// Timezone is the difference to UTC. Claviger knows none.
	Timezone         int            `json:"timezone"`
	DefaultProjectID int64          `json:"defaultProjectId"`
	DefaultProject   defaultProject `json:"defaultProject"`
}

// defaultProject says where Taurus works if its configuration does not say it. The id is 0 if there
// is no project; Taurus then takes none.
type defaultProject struct {
	ID          int64  `json:"id"`
	Name        string `json:"name"`
	WorkspaceID int64  `json:"workspaceId"`
	AccountID   int64  `json:"accountId"`
}

// Users, service accounts and subjects are numbered separately. The ids of service accounts and
// subjects begin here, so that no two owners have the same id. All of them fit into 32 bits.
const (
	firstServiceAccount = 1_000_000_000
	firstSubject        = 2_000_000_000
)

// user returns the caller as a user. The default project is the oldest one that they may use.
func (a *API) user(ctx context.Context, c *dialect.Call) (userWire, error) {
	u, err := a.owner(ctx, c)
	if err != nil {
		return userWire{}, err
	}
	in, err := a.Accounts.Account(ctx, c.Who, c.Account)
	if err != nil {
		return userWire{}, err
	}
	workspace, err := a.Tenancy.Tenant(ctx, c.Who, c.Tenant)
	if err != nil {
		return userWire{}, err
	}
	projects, err := a.projects(ctx, c, workspace)
	if err != nil {
		return userWire{}, err
	}
	u.DefaultProject = defaultProject{WorkspaceID: workspace.Number, AccountID: in.Number}
	if len(projects) > 0 {
		oldest := projects[len(projects)-1]
		u.DefaultProject.ID = oldest.ID
		u.DefaultProject.Name = oldest.Name
	}
	u.DefaultProjectID = u.DefaultProject.ID
	u.FirstName, u.LastName, _ = strings.Cut(u.DisplayName, " ")
	u.Enabled = true // else the credential would have been refused
	u.Access = a.Now().Unix()
	return u, nil
}

// owner returns what the record of the caller says.
func (a *API) owner(ctx context.Context, c *dialect.Call) (userWire, error) {
	k, _ := c.Who.Key()
	switch k.Owner.Type() {
	case ident.ServiceAccountParty:
		s, err := a.ServiceAccounts.Owner(ctx, c.Who)
		u := newUser(firstServiceAccount+s.Number, s.Name, s.CreatedAt, s.UpdatedAt)
		u.Email = syntheticEmail(k.Owner.ID)
		return u, err
	case ident.SubjectParty:
		s, err := a.Subjects.Owner(ctx, c.Who)
		u := newUser(firstSubject+s.Number, cmp.Or(s.Name, s.ExternalID), s.CreatedAt, s.UpdatedAt)
		u.Email = syntheticEmail(k.Owner.ID)
		return u, err
	}
	person, err := a.Identity.Owner(ctx, c.Who)
	u := newUser(person.Number, person.Name, person.CreatedAt, person.UpdatedAt)
	u.Email = person.Email
	if s, ok := c.Who.Session(); ok {
		u.Login = s.SignedInAt.Unix()
	}
	return u, err
}

// newUser returns a user with what all types of owners have.
func newUser(id int64, name string, created, updated time.Time) userWire {
	return userWire{
		ID: id, DisplayName: name, Created: created.Unix(), Updated: updated.Unix(), Login: created.Unix(),
	}
}

// syntheticEmail returns the address of an owner who has none. No mail can be sent to it: the
// domain invalid never exists (RFC 2606).
func syntheticEmail(id ident.PartyID) string { return string(id) + "@claviger.invalid" }
