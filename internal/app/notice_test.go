package app_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/client"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/scope"
	"github.com/claviger-dev/claviger/internal/tenancy"
	"github.com/claviger-dev/claviger/internal/testkit"
)

// postbox is a House whose mail becomes files, with a tenant and somebody in it.
type postbox struct {
	*testing.T
	*testkit.House
	tenant tenancy.Tenant
	owner  *client.Client
	email  string
	seen   map[string]bool
}

func newPostbox(t *testing.T, e testkit.Engine) *postbox {
	t.Helper()
	h := testkit.Start(t, e)
	p := &postbox{T: t, House: h, seen: map[string]bool{}}
	p.tenant = h.Tenant("Main", nil)
	owner := h.Member(p.tenant, "Key Owner", scope.Member)
	p.owner, p.email = h.As(owner), owner.Email
	return p
}

// must be no error.
func (p *postbox) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// pass plans and sends once, and gives the subjects of what is new in the directory, sorted.
func (p *postbox) pass() []string {
	p.Helper()
	p.must(p.Notices.Plan(p.Context()))
	p.must(p.Notices.Send(p.Context()))
	subjects := []string{}
	for name, m := range p.mails() {
		if !p.seen[name] {
			p.seen[name] = true
			subjects = append(subjects, subjectOf(p.T, m))
		}
	}
	slices.Sort(subjects)
	return subjects
}

// mails gives the files in the directory.
func (p *postbox) mails() map[string]string {
	p.Helper()
	all := map[string]string{}
	dir := p.File("mail")
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return all
	}
	p.must(err)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".eml") { // and not one that is being written
			content, err := os.ReadFile(filepath.Join(dir, e.Name()))
			p.must(err)
			all[e.Name()] = string(content)
		}
	}
	return all
}

// expect demands that a pass sends just these.
func (p *postbox) expect(when string, want ...string) {
	p.Helper()
	slices.Sort(want)
	if diff := cmp.Diff(append([]string{}, want...), p.pass()); diff != "" {
		p.Errorf("%s (- wanted, + sent):\n%s", when, diff)
	}
}

func (p *postbox) key(name string, expires time.Duration) api.IssuedKey {
	p.Helper()
	n := api.NewKey{Name: name, Scopes: []string{"applications:read"}, AllApplications: true}
	if expires != 0 {
		at := p.Clock.Now().Add(expires)
		n.ExpiresAt = &at
	}
	k, err := p.owner.CreateKey(p.Context(), string(p.tenant.ID), n)
	p.must(err)
	return k
}

func TestTheOwnerIsToldThirtySevenAndOneDayBeforeAKeyExpiresAndWhenItHas(t *testing.T) {
	testkit.OnEachEngine(t, func(t *testing.T, e testkit.Engine) {
		p := newPostbox(t, e)
		p.expect("first of all")
		p.key("Build", 80*policy.Day) // the account's policy would end it on day 90
		for _, step := range []struct {
			days float64
			want []string
		}{
			{0, nil},
			{49.9, nil},
			{0.2, []string{`Your API key "Build" expires in 30 days`}},
			{22.8, nil},
			{0.2, []string{`Your API key "Build" expires in 7 days`}},
			{0, nil},
			{5.8, nil},
			{0.2, []string{`Your API key "Build" expires within a day`}},
			{0.8, nil},
			{0.2, []string{`Your API key "Build" has expired`}},
			{400, nil},
		} {
			p.Clock.Move(time.Duration(step.days * float64(policy.Day)))
			p.expect(p.Clock.Now().String(), step.want...)
		}
	})
}
