package session

import (
	"context"
	"regexp"
	"slices"

	"github.com/claviger-dev/claviger/internal/notice"
	"github.com/claviger-dev/claviger/internal/policy"
)

// rememberFor is how long an address and a device are known since they were last signed in from. Sessions themselves end too soon to tell.
const rememberFor = 90 * policy.Day

// versions change with every update of a browser.
var versions = regexp.MustCompile(`[0-9]+([._][0-9]+)*`)

// places are what a sign-in is recognised by: the address, and the device as its browser names itself, versions aside.
func (s Session) places() []string {
	return []string{"address " + s.IP, "device " + versions.ReplaceAllString(s.Agent, "")}
}

// tellPlace remembers where a person signs in from, and tells them of an address or a device that is not known. The first sign-in of all is of their own making.
func (s Session) tellPlace(ctx context.Context, tx Tx) error {
	places := s.places()
	known, err := tx.SeePlaces(ctx, s.User.ID, places, s.CreatedAt, s.CreatedAt.Add(-rememberFor))
	if err != nil || len(known) == 0 {
		return err
	}
	if !slices.ContainsFunc(places, func(place string) bool { return !slices.Contains(known, place) }) {
		return nil
	}
	f := notice.Facts{Address: s.IP, Agent: s.Agent}
	return tx.PlanNotice(ctx, notice.New(notice.NewSignIn, s.User.ID, s.CreatedAt, f, string(s.ID)))
}
