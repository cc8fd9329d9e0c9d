package mail

import "testing"

func TestNothingThatPeopleWroteIsALink(t *testing.T) {
	for in, want := range map[string]string{
		"http://x":                           "http[:]/ /x",
		"HTTPS://evil.example/login?a=b.c":   "HTTPS[:]/ /evil[.]example/login?a=b[.]c",
		"www.x":                              "www[.]x",
		"see evil.example/pay now":           "see evil[.]example/pay now",
		"a.b.c.example":                      "a[.]b[.]c[.]example",
		"evil。example and evil．example":      "evil[。]example and evil[．]example",
		"bücher.example":                     "bücher[.]example",
		"xn--bcher-kva.example":              "xn--bcher-kva[.]example",
		"me@evil.example":                    "me@evil[.]example",
		"mailto:me@host":                     "mailto[:]me@host",
		"javascript:alert(1)":                "javascript[:]alert(1)",
		"//evil.example":                     "/ /evil[.]example",
		`\\evil\share`:                       `\ \evil\share`,
		"http://192.0.2.1/x":                 "http[:]/ /192[.]0.2.1/x",
		"192.0.2.1:8080":                     "192[.]0.2.1:8080",
		"ftp:///x":                           "ftp[:]/ / /x",
		"h\u200bttp\u200b://x":               "h\u200bttp\u200b:/ /x",
		"evil.\u200bexample, i❤.ws":          "evil[.]\u200bexample, i❤[.]ws",
		"Ann's reports, version 1.2 (CI/CD)": "Ann's reports, version 1.2 (CI/CD)",
		"from 203.0.113.7":                   "from 203.0.113.7",
		"1 March 2026, 12:00 UTC":            "1 March 2026, 12:00 UTC",
		"The end. Another sentence: so.":     "The end. Another sentence: so.",
	} {
		if got := plainText(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}
