package identity

import (
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/credential"
)

func TestAStoredHashCannotAskForMoreThanItsBounds(t *testing.T) {
	good := Cost{Memory: 64, Time: 2, Threads: 2}.hash(credential.NewSecret("a password"))
	if _, err := decodeHash(good); err != nil {
		t.Fatalf("%s: %v", good, err)
	}
	for name, encoded := range map[string]string{
		"too much memory":  strings.Replace(good, "m=64", "m=1048577", 1),
		"memory overflows": strings.Replace(good, "m=64", "m=4294967360", 1),
		"too little":       strings.Replace(good, "m=64", "m=15", 1), // RFC 9106: 8 KiB a lane
		"too many passes":  strings.Replace(good, "t=2", "t=17", 1),
		"no pass":          strings.Replace(good, "t=2", "t=0", 1),
		"too many lanes":   strings.Replace(good, "p=2", "p=17", 1),
		"lanes overflow":   strings.Replace(good, "p=2", "p=258", 1),
		"leading zero":     strings.Replace(good, "m=64", "m=064", 1),
		"another version":  strings.Replace(good, "v=19", "v=16", 1),
		"another function": strings.Replace(good, "argon2id", "argon2i", 1),
		"short hash":       good[:len(good)-4],
		"cut off":          good[:strings.LastIndexByte(good, '$')],
		"trailing text":    good + "$",
		"nothing":          "",
	} {
		if _, err := decodeHash(encoded); err == nil {
			t.Errorf("%s: %q is accepted", name, encoded)
		}
	}
}

func FuzzStoredHash(f *testing.F) {
	f.Add(Cost{Memory: 8, Time: 1, Threads: 1}.hash(credential.NewSecret("a password")))
	f.Add("$argon2id$v=19$m=47104,t=1,p=1$c29tZXNhbHQ$MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE")
	f.Add("$argon2id$v=19$m=1,t=1,p=1$$")
	f.Fuzz(func(t *testing.T, encoded string) {
		s, err := decodeHash(encoded)
		if err != nil {
			return
		}
		if again := s.cost.encode(s.salt, s.hash); again != encoded {
			t.Errorf("%q encodes again to %q", encoded, again)
		}
	})
}
