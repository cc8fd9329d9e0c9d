package secondfactor

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/credential"
	"github.com/claviger-dev/claviger/internal/fault"
	"github.com/claviger-dev/claviger/internal/ident"
	"github.com/claviger-dev/claviger/internal/principal"
)

// SetupLifetime is how long a person may take from the secret to the first code.
const SetupLifetime = 10 * time.Minute

// Started is the first step of setting up a factor.
type Started struct {
	// Secret is the secret as people type it into an app. URI is what a QR code shows.
	Secret, URI credential.Secret
	// Token is the sealed secret, which the second step sends back.
	Token     credential.Secret
	ExpiresAt time.Time
}

// setupBinding binds the sealed secret of a setup to its person.
func setupBinding(user ident.UserID) []string { return []string{"second factor", string(user)} }

// Start returns a new secret for a person's app. It stores nothing.
func (s *Service) Start(person principal.Person) (Started, error) {
	secret := make([]byte, secretBytes)
	if _, err := io.ReadFull(s.Rand, secret); err != nil {
		return Started{}, err
	}
	return s.started(person, secret, s.Now().Add(SetupLifetime)), nil
}

func (s *Service) started(person principal.Person, secret []byte, expires time.Time) Started {
	text := strconv.FormatInt(expires.UnixMicro(), 10) + " " + base64.RawURLEncoding.EncodeToString(secret)
	return Started{
		Secret:    credential.NewSecret(secretText(secret)),
		URI:       credential.NewSecret(keyURI(secret, s.Issuer, person.Email)),
		Token:     credential.NewSecret(s.Keyring.SealCursor([]byte(text), setupBinding(person.ID)...)),
		ExpiresAt: expires,
	}
}

// Resume returns the setup of a token again, for a form with a mistake. It fails as Prepare does.
func (s *Service) Resume(person principal.Person, token credential.Secret) (Started, error) {
	secret, expires, err := s.openSetup(person.ID, token)
	if err != nil {
		return Started{}, err
	}
	return s.started(person, secret, expires), nil
}

// errSetup says that a setup cannot be finished.
var errSetup = fault.Refuse(fault.Field{
	Name: "setup", Code: "expired",
	Message: "This setup has expired or is not yours. Start again without `setup`, and scan the new QR code.",
})

func (s *Service) openSetup(user ident.UserID, token credential.Secret) (secret []byte, expires time.Time, err error) {
	plain, ok := s.Keyring.OpenCursor(token.Reveal(), setupBinding(user)...)
	at, text, _ := strings.Cut(string(plain), " ")
	micros, numberErr := strconv.ParseInt(at, 10, 64)
	secret, textErr := base64.RawURLEncoding.DecodeString(text)
	expires = time.UnixMicro(micros)
	if !ok || errors.Join(numberErr, textErr) != nil || len(secret) != secretBytes || !s.Now().Before(expires) {
		return nil, time.Time{}, errSetup
	}
	return secret, expires, nil
}

// Setup is a factor that a person has proven to have, and that is not stored yet.
type Setup struct {
	factor Factor
	hashes []RecoveryHash
	// Codes are the recovery codes, which are shown once.
	Codes []credential.Secret
}

// Prepare checks that the app of a person has the secret of a setup. Nothing is stored before
// [Setup.Store].
func (s *Service) Prepare(user ident.UserID, token, code credential.Secret) (Setup, error) {
	secret, _, err := s.openSetup(user, token)
	if err != nil {
		return Setup{}, err
	}
	now := s.Now()
	step, found := findStep(secret, parseCode(code).app, now, 0)
	if !found {
		return Setup{}, fault.Refuse(fault.Field{
			Name: "code", Code: "wrong",
			Message: "This is not the code that your app shows now. Check the time of the device, and send the next " +
				"code.",
		})
	}
	codes, hashes, err := newRecoveryCodes(user, s.Rand)
	if err != nil {
		return Setup{}, err
	}
	sealed := s.Keyring.SealSecondFactor(secret, credential.SecondFactorRow(user))
	return Setup{
		factor: Factor{User: user, Secret: sealed, LastStep: step, SetAt: now.Truncate(time.Microsecond)},
		hashes: hashes, Codes: codes,
	}, nil
}

// Store stores the factor with its recovery codes, in place of an earlier factor. It returns the
// effect for the event of the transaction.
func (p Setup) Store(ctx context.Context, tx StoreTx) (audit.Effect, error) {
	if err := tx.RequireUpgrade(ctx); err != nil {
		return audit.Effect{}, err
	}
	if err := tx.SetSecondFactor(ctx, p.factor); err != nil {
		return audit.Effect{}, err
	}
	effect := audit.Effect{Kind: audit.EffectSecondFactorSet, User: p.factor.User, Since: p.factor.SetAt}
	return effect, tx.SetRecoveryCodes(ctx, p.factor.User, p.hashes)
}

// errFactorAgain is the answer to a change of the factor by a session that has not proven it.
var errFactorAgain = fault.New(fault.SignInAgain,
	"Sign in again with the code of your authenticator app, then repeat this within five minutes. A recovery code "+
		"does not allow changes of the second factor.")

// errOldSignIn is the answer to a person without a factor who signed in long ago.
var errOldSignIn = fault.New(fault.SignInAgain,
	"You signed in more than five minutes ago. Sign in again, then repeat this.")

// Allow reports whether a session may change the factor of its person: it signed in within the last
// five minutes, and if the person has a factor, by the code of their app.
func Allow(me principal.Session, has bool, now time.Time) error {
	switch {
	case has && !me.ProvedFactor(now):
		return errFactorAgain
	case !me.Recent(now):
		return errOldSignIn
	}
	return nil
}

// Regenerate replaces the recovery codes of the caller, and returns the new ones once.
func (s *Service) Regenerate(ctx context.Context, who principal.Principal) (codes []credential.Secret, err error) {
	me, ok := who.Session()
	if !ok {
		return nil, fault.SessionRequired
	}
	codes, hashes, err := newRecoveryCodes(me.User.ID, s.Rand)
	if err != nil {
		return nil, err
	}
	err = s.Ledger.Write(ctx, who, func(ctx context.Context, tx Tx) (audit.Event, error) {
		target, err := tx.PersonTarget(ctx, me.User.ID)
		if err != nil {
			return audit.Event{}, err
		}
		_, err = tx.SecondFactor(ctx, me.User.ID)
		if errors.Is(err, fault.NotFound) {
			err = ErrNone
		}
		if err == nil {
			err = Allow(me, true, s.Now())
		}
		if err != nil {
			return audit.Event{}, err
		}
		e := audit.By(who, audit.ActionUserRecoveryCodes, target).WithEffects(codesEnded(me.User.ID)...)
		return e, tx.SetRecoveryCodes(ctx, me.User.ID, hashes)
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}

// ErrNone is the answer where there is no factor to change.
var ErrNone = fault.New(fault.Conflict, "You have no second factor. Set one up first.")
