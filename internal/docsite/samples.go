package docsite

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// sample is a request in one language.
type sample struct{ ID, Name, Text string }

const (
	jsonBody = "application/json"
	formBody = "application/x-www-form-urlencoded"
	pngBody  = "image/png"
	// pngFile is the file that stands for any picture.
	pngFile = "picture.png"
)

// call is what the samples of an operation send.
type call struct {
	base, method, path string
	// kind is the media type of the body; "" for none. body is indented JSON, the fields of a form,
	// or the name of a file.
	kind, body string
	needs      requirement
}

var inBraces = regexp.MustCompile(`\{(\w+)\}`)

// samplesOf returns how to call an operation, with an example of its body.
func samplesOf(c call) []sample {
	return []sample{
		{"curl", "curl", c.curl()}, {"go", "Go", c.inGo()}, {"python", "Python", c.python()},
	}
}

// curl returns a command for a shell, whose variables stand for ids and the key.
func (c call) curl() string {
	lines := []string{"curl -s"}
	if c.method != http.MethodGet && (c.method != http.MethodPost || c.kind == "") {
		lines[0] += " -X " + c.method
	}
	lines[0] += ` "` + c.base + inBraces.ReplaceAllStringFunc(c.path, variable) + `"`
	switch {
	case c.needs.Keys:
		lines = append(lines, `-H "Authorization: Bearer $CLAVIGER_KEY"`)
	case !c.needs.Anyone:
		lines = append(lines, "-b cookies")
	}
	switch c.kind {
	case jsonBody:
		body := strings.ReplaceAll(c.body, "'", `'\''`)
		lines = append(lines, "-H 'Content-Type: application/json'", "-d '"+body+"'")
	case formBody:
		lines = append(lines, "-d '"+c.body+"'")
	case pngBody:
		lines = append(lines, "-H 'Content-Type: "+c.kind+"'", "--data-binary @"+c.body)
	}
	return strings.Join(lines, " \\\n  ")
}

// variable returns the variable of a shell for a parameter of a path.
func variable(name string) string { return "$" + strings.ToUpper(strings.Trim(name, "{}")) }

// inGo returns statements that need only the standard library.
func (c call) inGo() string {
	path := inBraces.ReplaceAllString(c.path, `" + $1 + "`)
	address := strings.TrimSuffix(`"`+c.base+path+`"`, ` + ""`)
	var text strings.Builder
	body := "nil"
	switch c.kind {
	case "":
	case pngBody:
		body = "body"
		text.WriteString("body, err := os.Open(\"" + c.body + "\")\nif err != nil {\n\treturn err\n}\n")
	default:
		body = "body"
		text.WriteString("body := strings.NewReader(`" + c.body + "`)\n")
	}
	text.WriteString("req, err := http.NewRequestWithContext(ctx, \"" + c.method + "\", " + address + ", " +
		body + ")\n")
	text.WriteString("if err != nil {\n\treturn err\n}\n")
	switch {
	case c.needs.Keys:
		text.WriteString("req.Header.Set(\"Authorization\", \"Bearer \"+key)\n")
	case !c.needs.Anyone:
		text.WriteString("req.AddCookie(session)\n")
	}
	if c.kind != "" {
		text.WriteString("req.Header.Set(\"Content-Type\", \"" + c.kind + "\")\n")
	}
	text.WriteString("resp, err := http.DefaultClient.Do(req)\nif err != nil {\n\treturn err\n}\n" +
		"defer resp.Body.Close()")
	return text.String()
}

// python returns statements that need only the standard library.
func (c call) python() string {
	address := `"` + c.base + c.path + `"`
	if strings.Contains(c.path, "{") {
		address = "f" + address
	}
	var headers []string
	switch {
	case c.needs.Keys:
		headers = append(headers, `"Authorization": f"Bearer {key}"`)
	case !c.needs.Anyone:
		headers = append(headers, `"Cookie": f"claviger={session}"`)
	}
	if c.kind != "" {
		headers = append(headers, `"Content-Type": "`+c.kind+`"`)
	}
	text := "import urllib.request\n\nrequest = urllib.request.Request(\n    " + address + ",\n    method=\"" +
		c.method + "\",\n"
	if len(headers) > 0 {
		text += "    headers={" + strings.Join(headers, ", ") + "},\n"
	}
	switch c.kind {
	case "":
	case pngBody:
		text += "    data=open(\"" + c.body + "\", \"rb\"),\n"
	default:
		text += "    data=\"\"\"" + c.body + "\"\"\".encode(),\n"
	}
	return text + ")\nwith urllib.request.urlopen(request) as response:\n    print(response.read().decode())"
}

// exampleOf returns the example of a body, and its media type; "" for no body.
func exampleOf(c content) (kind, text string) {
	if form, ok := c[formBody]; ok && form.Example != nil {
		return formBody, fieldsOf(form.Example)
	}
	for _, kind := range slices.Sorted(maps.Keys(c)) {
		if strings.HasSuffix(kind, "json") && c[kind].Example != nil {
			return kind, indented(c[kind].Example)
		}
	}
	return "", ""
}

func indented(example json.RawMessage) string {
	var text bytes.Buffer
	if err := json.Indent(&text, example, "", "  "); err != nil {
		panic("docsite: an example is no JSON: " + err.Error())
	}
	return text.String()
}

// fieldsOf returns an example as the fields of a form. Its values need no escapes.
func fieldsOf(example json.RawMessage) string {
	var values map[string]string
	if err := json.Unmarshal(example, &values); err != nil {
		panic("docsite: an example is no form: " + err.Error())
	}
	var fields []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		fields = append(fields, name+"="+values[name])
	}
	return strings.Join(fields, "&")
}
