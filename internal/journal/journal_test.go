package journal_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/claviger-dev/claviger/internal/journal"
)

func TestHowFarAJournalHasComeTakesNoRoomFromWhatItRemembers(t *testing.T) {
	revoked := journal.Line{Action: "key.revoke", Change: 2, At: time.Unix(1, 0).UTC(), Tenant: "ten_1", Key: "key_1"}
	var long []byte
	for change := range int64(1000) {
		if change == revoked.Change {
			long = append(long, revoked.Encode()...)
		}
		long = append(long, journal.Upto(change).Encode()...)
	}
	lean, err := journal.Lean(long)
	if want := append(revoked.Encode(), journal.Upto(999).Encode()...); err != nil || !bytes.Equal(lean, want) {
		t.Errorf("%s, %v, want %s", lean, err, want)
	}
}

func TestALeanJournalGoesOnFromTheLastRestore(t *testing.T) {
	text := append(journal.Upto(95).Encode(), journal.Restoration(41).Encode()...)
	lean, err := journal.Lean(text)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := journal.Read(bytes.NewReader(lean)); err != nil || s.Upto != 41 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestChangesThatARestoreUndidDoNotCountAsLaterThanThoseAfterIt(t *testing.T) {
	at := time.Unix(1, 0).UTC()
	var text []byte
	for _, l := range []journal.Line{
		{Action: "key.revoke", Change: 90, At: at, Tenant: "ten_1", Key: "key_1"}, journal.Upto(95), journal.Restoration(41), journal.Upto(50),
	} {
		text = append(text, l.Encode()...)
	}
	if s, err := journal.Read(bytes.NewReader(text)); err != nil || s.Upto != 50 || s.Latest != at || s.Lines != 4 {
		t.Errorf("%+v, %v", s, err)
	}
}
