package manageapi

import (
	"slices"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/notice"
)

// noticesOf says which notices somebody gets who does not want these.
func noticesOf(muted []notice.Kind) api.Notices {
	gets := func(k notice.Kind) bool { return !slices.Contains(muted, k) }
	return api.Notices{
		KeyExpiring: gets(notice.KeyExpiring), KeyExpired: gets(notice.KeyExpired), KeyIdle: gets(notice.KeyIdle), KeyCreated: gets(notice.KeyCreated),
		KeyRefreshed: gets(notice.KeyRefreshed), KeyRevealed: gets(notice.KeyRevealed), KeyDisabled: gets(notice.KeyDisabled),
		KeyRevoked: gets(notice.KeyRevoked), NewSignIn: gets(notice.NewSignIn),
	}
}

// wantedOf gives what a patch says of each kind of notice.
func wantedOf(p *api.NoticesPatch) map[notice.Kind]bool {
	if p == nil {
		return nil
	}
	wanted := map[notice.Kind]bool{}
	for kind, choice := range map[notice.Kind]api.Optional[bool]{
		notice.KeyExpiring: p.KeyExpiring, notice.KeyExpired: p.KeyExpired, notice.KeyIdle: p.KeyIdle, notice.KeyCreated: p.KeyCreated,
		notice.KeyRefreshed: p.KeyRefreshed, notice.KeyRevealed: p.KeyRevealed, notice.KeyDisabled: p.KeyDisabled,
		notice.KeyRevoked: p.KeyRevoked, notice.NewSignIn: p.NewSignIn,
	} {
		if choice.Set {
			wanted[kind] = choice.Null || choice.Value
		}
	}
	return wanted
}
