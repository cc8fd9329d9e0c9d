package manageapi

import (
	"slices"

	"github.com/claviger-dev/claviger/api"
	"github.com/claviger-dev/claviger/internal/notice"
)

// noticesOf returns which notices a person gets who has turned these off.
func noticesOf(muted []notice.Kind) api.Notices {
	gets := func(k notice.Kind) bool { return !slices.Contains(muted, k) }
	return api.Notices{
		KeyExpiring: gets(notice.KeyExpiring), KeyExpired: gets(notice.KeyExpired), KeyIdle: gets(notice.KeyIdle),
		KeyCreated:   gets(notice.KeyCreated),
		KeyRefreshed: gets(notice.KeyRefreshed), KeyRevealed: gets(notice.KeyRevealed),
		KeyDisabled: gets(notice.KeyDisabled),
		KeyRevoked:  gets(notice.KeyRevoked), NewSignIn: gets(notice.NewSignIn),
	}
}

// noticeChoices returns the kinds of notices that a patch turns on or off. null turns one on.
func noticeChoices(p *api.NoticesPatch) map[notice.Kind]bool {
	if p == nil {
		return nil
	}
	choices := map[notice.Kind]bool{}
	for kind, choice := range map[notice.Kind]api.Optional[bool]{
		notice.KeyExpiring: p.KeyExpiring, notice.KeyExpired: p.KeyExpired, notice.KeyIdle: p.KeyIdle,
		notice.KeyCreated:   p.KeyCreated,
		notice.KeyRefreshed: p.KeyRefreshed, notice.KeyRevealed: p.KeyRevealed, notice.KeyDisabled: p.KeyDisabled,
		notice.KeyRevoked: p.KeyRevoked, notice.NewSignIn: p.NewSignIn,
	} {
		if choice.Set {
			choices[kind] = choice.Null || choice.Value
		}
	}
	return choices
}
