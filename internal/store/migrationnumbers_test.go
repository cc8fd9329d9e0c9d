package store_test

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/testkit"
)

// neverUsed is a number that no migration may have: databases went from 13 to 15, and all of them
// would refuse a migration 14.
const neverUsed = 14

// goMigrations are the numbers of the migrations without a file.
var goMigrations = []int{15}

// numberFaults returns what is wrong with the numbers of an engine's migration files.
func numberFaults(files []string) (faults []string) {
	numbers := slices.Clone(goMigrations)
	for _, file := range files {
		digits, _, _ := strings.Cut(file, "_")
		n, err := strconv.Atoi(digits)
		if err != nil || len(digits) != 5 {
			faults = append(faults, file+" does not begin with a number of five digits")
			continue
		}
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	want := 1
	for _, n := range numbers {
		switch {
		case n == neverUsed:
			faults = append(faults, fmt.Sprintf("the number %d must not be used", n))
			continue
		case n < want:
			faults = append(faults, fmt.Sprintf("the number %d is used twice", n))
		case n > want:
			faults = append(faults, fmt.Sprintf("the number %d is missing", want))
		}
		want = n + 1
		if want == neverUsed {
			want++
		}
	}
	return faults
}

// goose refuses a migration whose number is lower than that of one that the database has.
func TestMigrationsAreNumberedWithoutGapsAndFourteenIsNeverUsed(t *testing.T) {
	for _, e := range testkit.Engines() {
		var files []string
		err := fs.WalkDir(os.DirFS(string(e)), ".", func(_ string, entry fs.DirEntry, err error) error {
			if strings.HasSuffix(entry.Name(), ".sql") {
				files = append(files, entry.Name())
			}
			return err
		})
		testkit.NoError(t, err)
		for _, f := range numberFaults(files) {
			t.Errorf("%s: %s", e, f)
		}
	}
	var released []string
	for n := 1; n <= 13; n++ {
		released = append(released, fmt.Sprintf("%05d_change.sql", n))
	}
	for _, c := range []struct {
		more []string
		want string
	}{
		{nil, ""},
		{[]string{"00016_next.sql"}, ""},
		{[]string{"00014_late.sql"}, "the number 14 must not be used"},
		{[]string{"00014_late.sql", "00016_next.sql"}, "the number 14 must not be used"},
		{[]string{"00015_again.sql"}, "the number 15 is used twice"},
		{[]string{"00013_again.sql"}, "the number 13 is used twice"},
		{[]string{"00017_early.sql"}, "the number 16 is missing"},
		{[]string{"16_short.sql"}, "16_short.sql does not begin with a number of five digits"},
	} {
		got := strings.Join(numberFaults(slices.Concat(released, c.more)), ", ")
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.more, got, c.want)
		}
	}
}

func TestNoDatabaseHasMigrationFourteen(t *testing.T) {
	for _, e := range testkit.Engines() {
		versions := lines(t, open(t, e), `SELECT CAST(version_id AS TEXT) FROM goose_db_version`)
		if slices.Contains(versions, strconv.Itoa(neverUsed)) || !slices.Contains(versions, "15") {
			t.Errorf("%s: migrations %v", e, versions)
		}
	}
}
