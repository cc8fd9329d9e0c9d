package storetest

import (
	"context"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/account"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/identity"
	"github.com/claviger-dev/claviger/internal/policy"
	"github.com/claviger-dev/claviger/internal/principal"
	"github.com/claviger-dev/claviger/internal/secondfactor"
	"github.com/claviger-dev/claviger/internal/session"
	"github.com/claviger-dev/claviger/internal/store"
	"github.com/claviger-dev/claviger/internal/testkit/totp"
)

// secondFactorsCome lets people set up second factors, sign in with them, and lose them.
func (sc *scenario) secondFactorsCome(owner principal.Principal, a account.Account, p principal.Person) {
	who := sc.signIn(p)
	from := principal.Origin{IP: "192.0.2.1", UserAgent: "a browser"}
	set := func(begin func(secondfactor.Setup) (credential.Secret, error)) (string, []credential.Secret) {
		started, err := sc.secondFactors.Start(p)
		record(sc, "start", started.ExpiresAt, err)
		secret := strings.TrimSpace(started.Secret.Reveal())
		code := credential.NewSecret(totp.Code(secret, sc.clock.Now()))
		setup, err := sc.secondFactors.Prepare(p.ID, started.Token, code)
		record(sc, "prepare", len(setup.Codes), err)
		_, err = begin(setup)
		record(sc, "set up", "", err)
		return secret, setup.Codes
	}
	secret, codes := set(func(setup secondfactor.Setup) (credential.Secret, error) {
		return sc.sessions.SetFactor(sc.Context(), who, setup)
	})
	begin := func(code string) session.SignIn {
		u, err := sc.store.User(sc.Context(), p.ID)
		sc.must(err)
		return session.SignIn{
			User: p, PasswordSetAt: u.PasswordSetAt, Code: credential.NewSecret(code), From: from,
		}
	}
	var begun session.Session
	var err error
	for _, code := range []string{"", "000000", codes[0].Reveal(), codes[0].Reveal(), "app", "app"} {
		if code == "app" {
			code = totp.Code(secret, sc.clock.Now().Add(30*time.Second))
		}
		begun, _, err = sc.sessions.Begin(sc.Context(), begin(code))
		record(sc, "sign in", begun.ID, err)
		sc.clock.move(time.Hour)
	}
	begun, token, err := sc.sessions.Begin(sc.Context(), begin(totp.Code(secret, sc.clock.Now())))
	record(sc, "sign in by the app", begun, err)
	who, err = sc.sessions.Resume(sc.Context(), credential.SessionToken, token.Reveal())
	record(sc, "resume", "", err)
	_, err = sc.secondFactors.Regenerate(sc.Context(), who)
	record(sc, "new codes", "", err)
	sc.halfSessions(begin, secret, from)
	record(sc, "a short password", "", sc.identity.SetPassword(sc.Context(), sc.operator,
		sc.userOf(p), credential.NewSecret("ten-letter")))
	record(sc, "the operator removes it", "", sc.secondFactors.RemoveLost(sc.Context(), sc.operator, p.ID))
	record(sc, "nothing is left", "", sc.secondFactors.RemoveLost(sc.Context(), sc.operator, p.ID))
	record(sc, "a long password", "", sc.identity.SetPassword(sc.Context(), sc.operator,
		sc.userOf(p), credential.NewSecret(longPassword)))
	rule := policy.FactorAll
	earlier, plain, err := sc.sessions.Begin(sc.Context(), begin(""))
	record(sc, "sign in without", earlier.ID, err)
	_, err = sc.accounts.ChangePolicy(sc.Context(), owner, a.ID, policy.Change{SecondFactor: &rule}, "")
	record(sc, "require", "", err)
	h, _, err := sc.sessions.Restrict(sc.Context(), plain.Reveal(), from)
	record(sc, "restrict", h, err)
	set(func(setup secondfactor.Setup) (credential.Secret, error) {
		return sc.sessions.SetUp(sc.Context(), h, setup, from)
	})
	rule = policy.FactorOff
	_, err = sc.accounts.ChangePolicy(sc.Context(), owner, a.ID, policy.Change{SecondFactor: &rule}, "")
	record(sc, "require no more", "", err)
	// as a restore does
	sc.mustWrite(func(ctx context.Context, tx *store.Tx) error {
		return tx.VoidSecondFactor(ctx, p.ID, sc.clock.Now())
	})
	record(sc, "the operator removes the void one", "", sc.secondFactors.RemoveLost(sc.Context(), sc.operator, p.ID))
	who = sc.signIn(p)
	set(func(setup secondfactor.Setup) (credential.Secret, error) {
		token, err := sc.sessions.SetFactor(sc.Context(), who, setup)
		if err != nil {
			return token, err
		}
		own, err := sc.sessions.Resume(sc.Context(), credential.SessionToken, token.Reveal())
		sc.must(err)
		_, removed := sc.sessions.RemoveFactor(sc.Context(), own)
		record(sc, "turn off", "", removed)
		return token, nil
	})
	record(sc, "sweep", "", sc.sessions.Sweep(sc.Context()))
}

// halfSessions finishes one half-session, and lets another one fail.
func (sc *scenario) halfSessions(begin func(string) session.SignIn, secret string,
	from principal.Origin,
) {
	for _, right := range []bool{true, false} {
		sc.clock.move(time.Hour)
		h, token, err := sc.sessions.BeginHalf(sc.Context(), begin(""))
		record(sc, "half", h, err)
		for range session.MaxTries + 1 {
			h, err = sc.sessions.Half(sc.Context(), token.Reveal())
			record(sc, "read it", h, err)
			if err != nil {
				break
			}
			code := "000000"
			if right && h.Tries == 1 {
				code = totp.Code(secret, sc.clock.Now())
			}
			done, err := sc.sessions.Finish(sc.Context(), h, credential.NewSecret(code), from)
			record(sc, "finish", done.TriesLeft, err)
			if err == nil || done.Token.IsZero() {
				break
			}
			token = done.Token
		}
	}
}

func (sc *scenario) userOf(p principal.Person) identity.User {
	u, err := sc.store.User(sc.Context(), p.ID)
	sc.must(err)
	return u
}
