package audit

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/claviger-dev/claviger/internal/hashline"
)

// ErrNoArchive says that a file is not an archive of an audit trail.
var ErrNoArchive = errors.New("this file is not an archive of an audit trail; `claviger audit archive` writes one")

// maxArchiveLine bounds a line, in bytes.
const maxArchiveLine = 16 << 20

// ArchiveFinding is the result of VerifyArchive.
type ArchiveFinding struct {
	// State is the state of the whole trail; the zero value if the archive has only one chain.
	Finding
	Header ArchiveHeader
	// Proven says whether the signatures were checked with the key of the root secret.
	Proven bool
}

// VerifyArchive follows every chain in an archive from its first record to its head, and stops at
// the first damage. With the key of the root secret it checks that Claviger wrote the archive and
// that nothing is missing. With a nil key it only checks that the archive is consistent, which a
// forged archive can be. since is a state that was stored elsewhere, or the zero value; it also
// detects a forged archive without a key.
func VerifyArchive(from io.Reader, key *Key, since State) (f ArchiveFinding, err error) {
	r := &archiveReader{
		lines: hashline.NewReader(from, maxArchiveLine, errCut), key: key, since: since,
		heads: map[string]Head{}, headsAtSince: map[string]Head{},
	}
	text, err := r.lines.Next()
	if err != nil && !errors.Is(err, errCut) {
		return f, err
	}
	if err != nil || json.Unmarshal(text, &f.Header) != nil || f.Header.Format == 0 {
		return f, ErrNoArchive
	}
	if f.Header.Format != archiveFormat {
		return f, fmt.Errorf("the archive has format %d, and this program reads only format %d: use a newer claviger",
			f.Header.Format, archiveFormat)
	}
	if f.Header.Chain != "" && since != (State{}) {
		return f, errors.New("a head covers the whole trail, and this archive has only one chain: verify it " +
			"without a head")
	}
	r.lines.Hash(text)
	r.header = f.Header
	err = r.body()
	f.Chains = int64(len(r.heads))
	f.Records = r.records
	f.Proven = key != nil
	if err != nil && !errors.As(err, &f.Damage) {
		return f, err
	}
	if f.Damage == nil && f.Header.Chain == "" {
		f.State = StateOf(f.Header.Change, r.heads)
	}
	return f, nil
}

// errCut says that the file ends inside a line or has too long a line.
var errCut = errors.New("the file ends within a line")

// archiveReader follows the chains of an archive.
type archiveReader struct {
	lines  *hashline.Reader
	key    *Key
	since  State
	header ArchiveHeader

	records, lineNumber int64
	// chain is the current chain, "" between two. last is its last record.
	chain string
	last  Head
	// heads are the ends of the chains so far. headsAtSince are their heads at the state since.
	heads, headsAtSince map[string]Head
}

// damaged returns the damage at the current line.
func (r *archiveReader) damaged(format string, args ...any) error {
	return &Damage{Chain: r.chain, After: r.last.Seq, What: fmt.Sprintf(format, args...)}
}

// body reads the lines after the header, up to the last one.
func (r *archiveReader) body() error {
	for r.lineNumber = 2; ; r.lineNumber++ {
		line, err := r.lines.Next()
		if errors.Is(err, errCut) {
			return r.damaged("the archive ends before its last line: it was cut off")
		}
		if err != nil {
			return err
		}
		switch {
		case bytes.HasPrefix(line, []byte(`{"chain":`)):
			err = r.record(line)
		case bytes.HasPrefix(line, []byte(`{"head":`)):
			err = r.head(line)
		case bytes.HasPrefix(line, []byte(`{"end":`)):
			return r.end(line)
		default:
			err = r.damaged("line %d was not written by Claviger", r.lineNumber)
		}
		if err != nil {
			return err
		}
		r.lines.Hash(line)
	}
}

// parse parses a line strictly.
func (r *archiveReader) parse(line []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return r.damaged("line %d was not written by Claviger", r.lineNumber)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return r.damaged("line %d has more than one value", r.lineNumber)
	}
	return nil
}

// enterChain begins the chain of a line, or stays in it.
func (r *archiveReader) enterChain(chain string) error {
	if r.chain == chain {
		return nil
	}
	if r.chain != "" {
		return r.damaged("chain %s: its head is missing", r.chain)
	}
	r.chain, r.last = chain, Head{}
	if _, twice := r.heads[chain]; twice {
		return r.damaged("chain %s comes twice", chain)
	}
	if r.header.Chain != "" && chain != r.header.Chain {
		return r.damaged("chain %s is not the one that the archive is of", chain)
	}
	return nil
}

func (r *archiveReader) record(line []byte) error {
	var stored archivedRecord
	if err := r.parse(line, &stored); err != nil {
		return err
	}
	if err := r.enterChain(stored.Chain); err != nil {
		return err
	}
	r.records++
	rec, err := stored.record()
	if err != nil {
		return r.damaged("chain %s: record %d: %s", r.chain, stored.Seq, err)
	}
	if rec.Chain() != r.chain {
		return r.damaged("chain %s: record %d is of chain %s", r.chain, rec.Seq, rec.Chain())
	}
	next, err := r.last.Follow(rec)
	if err != nil {
		return r.damaged("%s", err)
	}
	if next.Change <= r.last.Change {
		return r.damaged("chain %s: the change of record %d came before that of record %d", r.chain, next.Seq,
			r.last.Seq)
	}
	r.last = next
	if next.Change <= r.since.Change {
		r.headsAtSince[r.chain] = next
	}
	return nil
}

// record returns the archived record.
func (a archivedRecord) record() (r Record, err error) {
	r = Record{
		Event: Event{
			ID: a.ID, At: a.At, Actor: Actor(a.Actor), Action: a.Action, Target: Target(a.Target),
			IP: a.IP, RequestID: a.Request, Details: a.Details, Account: a.Account, Tenant: a.Tenant,
		},
		Seq: a.Seq, Change: a.Change,
	}
	if string(a.Effects) != "null" && len(a.Effects) > 0 {
		r.Effects, err = ParseEffects(a.Effects)
		if err != nil {
			return r, err
		}
	}
	err = decodeHex(r.PrevHash[:], a.PrevHash)
	if err == nil {
		err = decodeHex(r.Hash[:], a.Hash)
	}
	return r, err
}

// ParseRecord parses a record of an archive. It does not check its hash.
func ParseRecord(line []byte) (r Record, err error) {
	var stored archivedRecord
	if err := json.Unmarshal(line, &stored); err != nil {
		return r, err
	}
	return stored.record()
}

// decodeHex decodes a hash and checks its length.
func decodeHex(into []byte, text string) error {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(into) {
		return errors.New("a hash is not as Claviger writes it")
	}
	copy(into, raw)
	return nil
}

func (m archivedMAC) decode() (mac MAC, err error) {
	if m.Version == 0 {
		return MAC{}, nil
	}
	mac.Version = m.Version
	return mac, decodeHex(mac.Sum[:], m.MAC)
}

func (r *archiveReader) head(line []byte) error {
	var v headLine
	if err := r.parse(line, &v); err != nil {
		return err
	}
	if v.Head == nil {
		return r.damaged("line %d was not written by Claviger", r.lineNumber)
	}
	if err := r.enterChain(v.Head.Chain); err != nil {
		return err
	}
	head := Head{Seq: v.Head.Seq, Change: v.Head.Change, Unproven: v.Head.Unproven}
	err := decodeHex(head.Hash[:], v.Head.Hash)
	if err == nil {
		head.MAC, err = v.Head.decode()
	}
	switch {
	case err != nil:
		return r.damaged("chain %s: its head: %s", r.chain, err)
	case !r.last.SameRecord(head):
		return r.damaged("chain %s: it ends at record %d, and its head is record %d", r.chain, r.last.Seq, head.Seq)
	case r.key != nil && !r.key.Signed(r.chain, head):
		r.last = Head{}
		return r.damaged("chain %s: its head, record %d, is not signed under this root secret: "+
			"any record up to it may have been altered", r.chain, head.Seq)
	case head.Unproven > 0:
		r.last = Head{}
		return r.damaged("chain %s: record %d was added to a head that was not signed under this root secret: "+
			"any record before it may have been altered", r.chain, head.Unproven)
	}
	r.heads[r.chain] = head
	r.chain, r.last = "", Head{}
	return nil
}

// end checks the last line, and its statements about all lines before it.
func (r *archiveReader) end(line []byte) error {
	var v endLine
	if err := r.parse(line, &v); err != nil {
		return err
	}
	if v.End == nil {
		return r.damaged("line %d was not written by Claviger", r.lineNumber)
	}
	if r.chain != "" {
		return r.damaged("chain %s: its head is missing", r.chain)
	}
	last := int64(0)
	for _, h := range r.heads {
		last = max(last, h.Change)
	}
	sum := r.lines.Sum()
	mac, err := v.End.decode()
	atEnd, endErr := r.lines.AtEnd()
	switch {
	case err != nil:
		return r.damaged("the last line: %s", err)
	case v.End.Records != r.records || v.End.Chains != int64(len(r.heads)):
		return r.damaged("the archive was written with %d records in %d chains, and has %d in %d",
			v.End.Records, v.End.Chains, r.records, len(r.heads))
	case r.header.Change != last:
		return r.damaged("the archive is of change %d, and its last record of change %d", r.header.Change, last)
	case r.header.Chain == "" && r.records != last:
		return r.damaged("%d changes were made and %d are recorded", last, r.records)
	case v.End.SHA256 != hex.EncodeToString(sum):
		return r.damaged("the lines of the archive are not those that were written")
	case r.key != nil && !r.key.verifyArchiveMAC(sum, mac):
		return r.damaged("the archive is not signed under this root secret")
	case endErr != nil:
		return endErr
	case !atEnd:
		return r.damaged("something follows the last line")
	case r.since != (State{}) && (r.since.Change > last || StateOf(r.since.Change, r.headsAtSince) != r.since):
		return r.since.mismatch()
	}
	return nil
}
