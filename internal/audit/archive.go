package audit

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/claviger-dev/claviger/internal/hashline"
	"github.com/claviger-dev/claviger/internal/ident"
)

// An archive is a file of chains that can be verified without the database. It consists of lines of
// JSON:
//
//	{"claviger_audit":1,"version":"1.4.0","created_at":"…","change":812}  an [ArchiveHeader]
//	{"chain":"acc_…","seq":1,"prev_hash":"…","hash":"…","change":7,…}     a record of a chain
//	{"head":{"chain":"acc_…","seq":93,"hash":"…","mac":"…",…}}            its signed end
//	…
//	{"end":{"records":812,"chains":9,"sha256":"…","mac":"…",…}}           signed hash of the lines
//
// The records of a chain are in order. Hashes and signatures are in hexadecimal. [VerifyArchive]
// reads an archive.

// archiveFormat is the format that this program writes and reads.
const archiveFormat = 1

// ArchiveHeader describes an archive.
type ArchiveHeader struct {
	Format int `json:"claviger_audit"`
	// Version of the program that wrote the archive.
	Version   string    `json:"version"`
	CreatedAt time.Time `json:"created_at"`
	// Change is the number of the last change in the archive.
	Change int64 `json:"change"`
	// Chain is the name of the only chain; "" if the archive contains all chains.
	Chain string `json:"only_chain,omitempty"`
}

// archivedRecord is a record as a line.
type archivedRecord struct {
	Chain    string          `json:"chain"`
	Seq      int64           `json:"seq"`
	PrevHash string          `json:"prev_hash"`
	Hash     string          `json:"hash"`
	Change   int64           `json:"change"`
	ID       ident.EventID   `json:"id"`
	At       time.Time       `json:"at"`
	Actor    archivedActor   `json:"actor"`
	Action   Action          `json:"action"`
	Target   archivedTarget  `json:"target"`
	IP       string          `json:"ip"`
	Request  string          `json:"request_id"`
	Details  mapOfTexts      `json:"details"`
	Account  ident.AccountID `json:"account_id"`
	Tenant   ident.TenantID  `json:"tenant_id"`
	// Effects is null for records from before schema 8.
	Effects json.RawMessage `json:"effects"`
}

type mapOfTexts map[string]string

type archivedActor struct {
	Type  string `json:"type"`
	ID    string `json:"id"`
	Email string `json:"email"`
}

type archivedTarget struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Name string `json:"name"`
}

// archivedHead is the end of a chain as a line.
type archivedHead struct {
	Chain    string `json:"chain"`
	Seq      int64  `json:"seq"`
	Hash     string `json:"hash"`
	Change   int64  `json:"change"`
	Unproven int64  `json:"unproven,omitempty"`
	archivedMAC
}

// archivedMAC is a signature. Its version is 0 if there is none.
type archivedMAC struct {
	Version int    `json:"mac_version"`
	MAC     string `json:"mac"`
}

type archivedEnd struct {
	Records int64  `json:"records"`
	Chains  int64  `json:"chains"`
	SHA256  string `json:"sha256"`
	archivedMAC
}

type headLine struct {
	Head *archivedHead `json:"head"`
}

type endLine struct {
	End *archivedEnd `json:"end"`
}

func encodeMAC(m MAC) archivedMAC {
	if m.Version == 0 {
		return archivedMAC{}
	}
	return archivedMAC{m.Version, hex.EncodeToString(m.Sum[:])}
}

func archiveRecord(r Record) archivedRecord {
	line := archivedRecord{
		Chain: r.Chain(), Seq: r.Seq, PrevHash: hex.EncodeToString(r.PrevHash[:]), Hash: hex.EncodeToString(r.Hash[:]),
		Change: r.Change, ID: r.ID, At: r.At.UTC(), Actor: archivedActor(r.Actor), Action: r.Action,
		Target: archivedTarget(r.Target), IP: r.IP, Request: r.RequestID,
		Details: r.Details, Account: r.Account, Tenant: r.Tenant,
	}
	if r.Effects != nil {
		line.Effects = EncodeEffects(r.Effects)
	}
	return line
}

// archiveWriter writes the lines of an archive.
type archiveWriter struct{ *hashline.Writer }

// errPastHead ends the reading of a chain at its head.
var errPastHead = errors.New("at the head")

// ErrNoChain says that there is no chain with that name.
var ErrNoChain = errors.New("there is no chain of this name")

// WriteArchive writes the trail as it is now, or the one chain that the header names. It does not
// verify the trail; use [VerifyArchive] on the result.
func WriteArchive(ctx context.Context, to io.Writer, from Source, h ArchiveHeader) error {
	names, err := from.ChainNames(ctx)
	if err != nil {
		return err
	}
	heads, err := from.Chains(ctx)
	if err != nil {
		return err
	}
	for _, chain := range names {
		if _, ok := heads[chain]; !ok {
			heads[chain] = Head{}
		}
	}
	if h.Chain != "" {
		maps.DeleteFunc(heads, func(chain string, _ Head) bool { return chain != h.Chain })
		if len(heads) == 0 {
			return ErrNoChain
		}
	}
	h.Format = archiveFormat
	for _, head := range heads {
		h.Change = max(h.Change, head.Change)
	}
	w := archiveWriter{hashline.NewWriter(to)}
	if err := w.Write(h); err != nil {
		return err
	}
	end := archivedEnd{Chains: int64(len(heads))}
	for _, chain := range slices.Sorted(maps.Keys(heads)) {
		n, err := w.chain(ctx, from, chain, heads[chain])
		if err != nil {
			return err
		}
		end.Records += n
	}
	end.SHA256 = hex.EncodeToString(w.Sum())
	if key := from.AuditKey(); key != nil {
		end.archivedMAC = encodeMAC(key.signArchive(w.Sum()))
	}
	if err := w.Write(endLine{&end}); err != nil {
		return err
	}
	return w.Flush()
}

// chain writes the records of a chain up to its head, and then the head.
func (w archiveWriter) chain(ctx context.Context, from Source, chain string, head Head) (n int64, err error) {
	err = from.Chain(ctx, chain, func(r Record) error {
		if head != (Head{}) && r.Seq > head.Seq { // written meanwhile
			return errPastHead
		}
		n++
		line := archiveRecord(r)
		line.Chain = chain
		return w.Write(line)
	})
	if err != nil && !errors.Is(err, errPastHead) {
		return n, err
	}
	if head == (Head{}) {
		return n, nil
	}
	return n, w.Write(headLine{&archivedHead{
		Chain: chain, Seq: head.Seq, Hash: hex.EncodeToString(head.Hash[:]), Change: head.Change,
		Unproven: head.Unproven, archivedMAC: encodeMAC(head.MAC),
	}})
}

// signArchive signs the hash of an archive with the current version of the key.
func (k *Key) signArchive(sum []byte) MAC {
	return MAC{Version: keyVersion, Sum: k.archiveSum(keyVersion, sum)}
}

// verifyArchiveMAC reports whether the signature of an archive is valid.
func (k *Key) verifyArchiveMAC(sum []byte, mac MAC) bool {
	if _, known := k.versions[mac.Version]; !known {
		return false
	}
	want := k.archiveSum(mac.Version, sum)
	return hmac.Equal(want[:], mac.Sum[:])
}

func (k *Key) archiveSum(version int, of []byte) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, k.versions[version])
	mac.Write(encode(nil, "claviger audit archive v1", strconv.Itoa(version), string(of)))
	mac.Sum(sum[:0])
	return sum
}
