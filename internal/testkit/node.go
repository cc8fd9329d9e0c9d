package testkit

import (
	"os"

	"github.com/claviger-dev/claviger/internal/credential"
)

// Node starts one more node on the House's PostgreSQL database, reached by the URL, with a clock of its own that tells the same time; it is stopped with the test.
func (h *House) Node(databaseURL string) *House {
	h.t.Helper()
	c := SQLite.Config(h.t)
	root, err := os.ReadFile(h.File("root.key"))
	h.check(err)
	c.RootSecret, c.Database = credential.NewSecret(string(root)), h.Config.Database
	c.Database.URL = credential.NewSecret(databaseURL)
	n := &House{
		Config: c, Account: h.Account, Owner: h.Owner, Clock: NewClock(h.Clock.Now()), Log: &Log{}, t: h.t, change: h.change, people: 1000,
	}
	n.boot()
	h.t.Cleanup(func() { n.stop() })
	return n
}
