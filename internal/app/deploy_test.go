package app_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/claviger-dev/claviger/internal/testkit"
)

// Dashboard and alerts name metrics, so each name is looked up in a scrape.
const (
	dashboard  = "../../deploy/grafana/claviger.json"
	alerts     = "../../deploy/prometheus/alerts.yaml"
	operations = "../../docs/operations.md"
)

var (
	metricName = regexp.MustCompile(`\b(?:claviger|go|process)_[a-z_]+\b`)
	selector   = regexp.MustCompile(`\b((?:claviger|go|process)_[a-z_]+)\{([^}]*)\}`)
	matcher    = regexp.MustCompile(`(\w+)(=~|!~|!=|=)"([^"]*)"`)
	// ofTheScrape are labels that Prometheus itself adds.
	ofTheScrape = []string{"job", "instance"}
)

func TestEveryMetricOfTheDashboardAndTheAlertsExists(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	testkit.Get(t, h.URL+"/healthz") // requests are shown once there was one
	there := testkit.Scrape(t, h)
	names := map[string]bool{}
	for s := range there {
		name, _, _ := strings.Cut(s, "{")
		names[name] = true
	}
	shown := map[string]bool{}
	for _, expression := range append(dashboardExpressions(t), alertExpressions(t)...) {
		for _, name := range metricName.FindAllString(expression, -1) {
			shown[family(name)] = true
			if !names[name] {
				t.Errorf("there is no metric %s for %s", name, expression)
			}
		}
		for _, s := range selector.FindAllStringSubmatch(expression, -1) {
			for _, m := range matcher.FindAllStringSubmatch(s[2], -1) {
				expectLabel(t, there, s[1], m[1], m[3])
			}
		}
	}
	for name := range names {
		if strings.HasPrefix(name, "claviger_") && !shown[family(name)] {
			t.Errorf("%s is neither on the dashboard nor in an alert", name)
		}
	}
}

// family returns the name of the histogram that a series belongs to, or the name itself.
func family(name string) string {
	for _, part := range []string{"_bucket", "_count", "_sum"} {
		name = strings.TrimSuffix(name, part)
	}
	return name
}

func dashboardExpressions(t *testing.T) (all []string) {
	t.Helper()
	var d struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(readText(t, dashboard)), &d); err != nil {
		t.Fatal(err)
	}
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			all = append(all, target.Expr)
		}
	}
	if len(all) < 30 {
		t.Errorf("read %d expressions of the dashboard", len(all))
	}
	return all
}

// alert is one rule with its parts.
type alert struct{ name, expr, wait, severity, summary, runbook string }

var alertForm = regexp.MustCompile(`(?s)^(\w+)\n\s+expr:(.*?)\n\s+for: (\d+[ms])\n\s+` +
	`labels: \{severity: (\w+)\}\n\s+annotations:\n\s+summary: "([^\n]+)"\n\s+runbook: (\S+)\s*$`)

func readAlerts(t *testing.T) (all []alert) {
	t.Helper()
	for _, rule := range strings.Split(readText(t, alerts), "- alert: ")[1:] {
		m := alertForm.FindStringSubmatch(rule)
		if m == nil {
			t.Errorf("an alert without one of expr, for, severity, summary and runbook, in this order:\n%s", rule)
			continue
		}
		all = append(all, alert{m[1], m[2], m[3], m[4], m[5], m[6]})
	}
	if len(all) < 10 {
		t.Errorf("read %d alerts", len(all))
	}
	return all
}

func alertExpressions(t *testing.T) (all []string) {
	t.Helper()
	for _, a := range readAlerts(t) {
		all = append(all, a.expr)
	}
	return all
}

func TestEveryAlertSaysHowBadItIsAndWhatToDo(t *testing.T) {
	guide := readText(t, operations)
	for _, a := range readAlerts(t) {
		if !slices.Contains([]string{"critical", "warning", "info"}, a.severity) {
			t.Errorf("%s: severity %s", a.name, a.severity)
		}
		if want := "docs/operations.md#" + strings.ToLower(a.name); a.runbook != want || !strings.Contains(guide,
			"\n### "+a.name+"\n\n") {
			t.Errorf("%s: the runbook is %s, want %s and a section there", a.name, a.runbook, want)
		}
	}
}

func TestTheGuideForOperatorsListsEveryMetric(t *testing.T) {
	h := testkit.Start(t, testkit.SQLite)
	guide := readText(t, operations)
	testkit.Get(t, h.URL+"/healthz") // requests are shown once there was one
	_, text := testkit.Get(t, h.AdminURL+"/metrics")
	there := testkit.Scrape(t, h)
	var rows []string
	for _, m := range regexp.MustCompile(`# HELP (claviger_\w+) (.*)\n# TYPE \w+ (\w+)`).FindAllStringSubmatch(text,
		-1) {
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s | %s |", m[1], m[3], labelsOf(there, m[1]), m[2]))
	}
	if table := strings.Join(rows, "\n"); len(rows) < 20 || !strings.Contains(guide, "\n"+table+"\n") {
		t.Errorf("the table of %s should be\n%s", operations, table)
	}
}

func readText(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// expectLabel fails the test unless there is a series for each of the values that a matcher names.
func expectLabel(t *testing.T, there testkit.Series, name, label, values string) {
	t.Helper()
	if slices.Contains(ofTheScrape, label) {
		return
	}
	for value := range strings.SplitSeq(values, "|") {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(there)), func(s string) bool {
			return strings.HasPrefix(s, name+"{") && strings.Contains(s, label+`="`+value+`"`)
		}) {
			t.Errorf("there is no %s with %s %q", name, label, value)
		}
	}
}

// labelsOf returns the labels of a family, but for the bound of a histogram.
func labelsOf(there testkit.Series, name string) string {
	found := map[string]bool{}
	for s := range there {
		if series, labels, ok := strings.Cut(s, "{"); ok && family(series) == name {
			for _, m := range matcher.FindAllStringSubmatch(labels, -1) {
				found["`"+m[1]+"`"] = true
			}
		}
	}
	delete(found, "`le`")
	return strings.Join(slices.Sorted(maps.Keys(found)), " ")
}
