package cli

import (
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

// fieldInputs maps each field of an API request to the inputs of commands that set it. An input
// with capitals is an argument. The first input that a command has is the one that sets the field
// there.
var fieldInputs = map[string][]string{
	"acknowledge_risk":       {"--acknowledge-risk"},
	"action":                 {"--action"},
	"actor":                  {"--by"},
	"blocked_by":             {"--blocked-by"},
	"limit":                  {"--limit"},
	"q":                      {"--query"},
	"since":                  {"--since"},
	"state":                  {"--state"},
	"target":                 {"--target"},
	"until":                  {"--until"},
	"account":                {"--account"},
	"account_id":             {"--account"},
	"all_applications":       {"--all-applications"},
	"allowed_cidrs":          {"--allow-cidr"},
	"application_id":         {"--application"},
	"application_ids":        {"--application"},
	"auto_expiry":            {"--auto-expiry"},
	"auto_expiry.days":       {"--auto-expiry"},
	"auto_expiry.enabled":    {"--auto-expiry"},
	"code":                   {"--code"},
	"require_second_factor":  {"--require-factor"},
	"copy_settings_from":     {"--copy-settings-from"},
	"credential":             {"--credential-file"},
	"dead":                   {"--dead"},
	"delivery":               {"--link"},
	"description":            {"--description"},
	"dry_run":                {"--dry-run"},
	"email":                  {"--email"},
	"expires_at":             {"--expires"},
	"headers":                {"--headers-file"},
	"id":                     {"ID"},
	"ip":                     {"--ip"},
	"keep_id":                {"--new-id"},
	"max_lifetime_days":      {"--max-lifetime"},
	"metadata":               {"--metadata"},
	"name":                   {"--name", "NAME", "SCOPE"},
	"overlap_seconds":        {"--overlap"},
	"owner":                  {"--owner"},
	"owner.external_id":      {"--owner"},
	"owner.id":               {"--owner"},
	"owner.type":             {"--owner"},
	"external_id":            {"EXTERNAL_ID"},
	"owner.name":             {"--owner-name"},
	"owner.plan":             {"--plan"},
	"plan":                   {"--plan"},
	"owner_email":            {"--owner-email"},
	"owner_id":               {"--owner"},
	"owner_name":             {"--owner-name"},
	"password":               {"--password-file"},
	"preset":                 {"--preset"},
	"reason":                 {"--reason"},
	"role":                   {"--role"},
	"roles":                  {"--role"},
	"scopes":                 {"--scope"},
	"session_absolute_hours": {"--session-absolute"},
	"session_idle_minutes":   {"--session-idle"},
	"session_only":           {"--session-only"},
	"shown_to":               {"--shown-to"},
	"status":                 {"--status"},
	"stewards":               {"--steward"},
	"tag":                    {"--tag"},
	"tenant":                 {"--tenant"},
	"tenant_id":              {"--tenant"},
	"time":                   {"--time"},
	"token":                  {"--link-file"},
	"transport":              {"--transport"},
	"version":                {"VERSION", "--if-version"},
	"If-Match":               {"--if-version"},
}

// fieldIndex is the index of an element, as in "scopes.0".
var fieldIndex = regexp.MustCompile(`\.[0-9]+$`)

// inputName returns what the user of a command calls a field of the API: a flag, or an argument. It
// returns the field itself if the command has no such input.
func inputName(cmd *cobra.Command, field string) string {
	name := fieldIndex.ReplaceAllString(field, "")
	if setting, ok := strings.CutPrefix(name, "settings."); ok && cmd.Flag("set") != nil {
		return "--set " + setting
	}
	if strings.HasPrefix(name, "metadata.") {
		name = "metadata" // the flag is the same for all members
	}
	for _, input := range fieldInputs[name] {
		flag, isFlag := strings.CutPrefix(input, "--")
		if isFlag && cmd.Flag(flag) != nil || !isFlag && takesArgument(cmd, input) {
			return input
		}
	}
	return field
}

// takesArgument reports whether the usage line of a command has the argument.
func takesArgument(cmd *cobra.Command, name string) bool {
	for word := range strings.FieldsFuncSeq(cmd.Use, func(r rune) bool { return strings.ContainsRune(" []|", r) }) {
		if word == name {
			return true
		}
	}
	return false
}

// quotedField is the name of a field in a message of the API.
var quotedField = regexp.MustCompile("`([a-z_]+(?:\\.[a-z_]+)*)`")

// translateFields replaces the fields that a message of the API names in backticks by the inputs of
// the command.
func translateFields(cmd *cobra.Command, message string) string {
	return quotedField.ReplaceAllStringFunc(message, func(quoted string) string {
		field := strings.Trim(quoted, "`")
		if name := inputName(cmd, field); name != field {
			return name
		}
		return quoted
	})
}
