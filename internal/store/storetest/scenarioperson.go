package storetest

import (
	"context"

	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/store"
)

// dotGIF is a picture of one pixel.
const dotGIF = "GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00" +
	"\x00\x02\x02D\x01\x00;"

// peopleChangeThemselves lets a person have a picture, and another address that somebody else holds
// without having proven it.
func (sc *scenario) peopleChangeThemselves() {
	const next = "next@claviger.example"
	create := func(who principal.Principal, name, email string) identity.User {
		u, err := sc.identity.Create(sc.Context(), who,
			identity.NewUser{Name: name, Email: email, Password: credential.NewSecret(longPassword)})
		return record(sc, "create "+name, u, err)
	}
	p := create(sc.operator, "Cleo", "cleo@claviger.example")
	create(principal.System(), "Squatter", next)
	who := sc.signIn(p.Person())
	record(sc, "a picture", "", sc.identity.SetAvatar(sc.Context(), who, []byte(dotGIF)))
	record(sc, "another picture", "", sc.identity.SetAvatar(sc.Context(), who, []byte(dotGIF)))
	record(sc, "no picture", "", sc.identity.RemoveAvatar(sc.Context(), who))
	record(sc, "no picture again", "", sc.identity.RemoveAvatar(sc.Context(), who))
	for range 2 {
		asked, err := sc.identity.RequestEmailChange(sc.Context(), who, next)
		record(sc, "ask for another address", asked, err)
	}
	links, err := sc.store.EmailLinks(sc.Context(), p.ID, sc.clock.Now())
	record(sc, "links", len(links), err)
	for _, l := range links {
		token := sc.identity.Keyring.DeriveLinkToken(credential.EmailChangeToken, l.ID, l.CreatedAt)
		for range 2 {
			changed, err := sc.identity.ConfirmEmail(sc.Context(), principal.Origin{IP: "192.0.2.1"}, token.Reveal())
			record(sc, "confirm", changed, err)
		}
	}
	for range 2 {
		u, err := sc.identity.SetEmail(sc.Context(), sc.operator, p.ID, "third@claviger.example")
		record(sc, "the operator sets an address", u, err)
	}
	// as a restore does
	sc.mustWrite(func(ctx context.Context, tx *store.Tx) error { return tx.VoidEmail(ctx, p.ID, sc.clock.Now()) })
}
