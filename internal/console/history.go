package console

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/claviger-dev/claviger/internal/audit"
	"github.com/claviger-dev/claviger/internal/console/view"
	"github.com/claviger-dev/claviger/internal/ident"
)

// eventWords are the icon and the sentence of each event, after its actor.
var eventWords = map[audit.Action]struct{ icon, text string }{
	audit.ActionKeyCreate:         {"plus", "created the key"},
	audit.ActionKeyClaim:          {"link", "claimed the key and saw its secret"},
	audit.ActionKeyClaimLink:      {"link", "created another claim link"},
	audit.ActionKeyEdit:           {"edit", "changed the key"},
	audit.ActionKeyReveal:         {"copy", "was shown the secret again"},
	audit.ActionKeyRefresh:        {"turn", "regenerated the secret"},
	audit.ActionKeyEndPrevious:    {"cross", "ended the old secret"},
	audit.ActionKeyDisable:        {"pause", "disabled the key"},
	audit.ActionKeyEnable:         {"check", "enabled the key"},
	audit.ActionKeyRevoke:         {"cross", "revoked the key"},
	audit.ActionKeyDelete:         {"bin", "deleted the key"},
	audit.ActionKeyForget:         {"bin", "deleted what is left of the expired secret"},
	audit.ActionKeyForgetPrevious: {"bin", "deleted what is left of the old secret"},

	audit.ActionServiceAccountCreate:  {"plus", "created the service account"},
	audit.ActionServiceAccountEdit:    {"edit", "changed the service account"},
	audit.ActionServiceAccountDisable: {"pause", "disabled the service account"},
	audit.ActionServiceAccountEnable:  {"check", "enabled the service account"},

	audit.ActionManagementKeyCreate:         {"plus", "created the management key"},
	audit.ActionManagementKeyEdit:           {"edit", "narrowed the management key"},
	audit.ActionManagementKeyRefresh:        {"turn", "regenerated the secret"},
	audit.ActionManagementKeyEndPrevious:    {"cross", "ended the old secret"},
	audit.ActionManagementKeyRevoke:         {"cross", "revoked the management key"},
	audit.ActionManagementKeyForget:         {"bin", "deleted what is left of the expired secret"},
	audit.ActionManagementKeyForgetPrevious: {"bin", "deleted what is left of the old secret"},

	audit.ActionSubjectCreate:  {"plus", "created the subject"},
	audit.ActionSubjectEdit:    {"edit", "changed the subject"},
	audit.ActionSubjectDisable: {"pause", "disabled the subject"},
	audit.ActionSubjectEnable:  {"check", "enabled the subject"},
}

// historyPanel lists the changes of an object of a tenant that is no key, to those who may read the
// object.
func (k *call) historyPanel(tenant ident.TenantID, id string) (view.Panel, error) {
	part, err := k.console.Tenancy.TenantTrail(k.Context(), k.who, tenant, audit.TrailFilter{Target: id},
		audit.TrailPage{Limit: maxHistory})
	panel := view.Panel{
		ID: "history", Heading: "History", Days: k.history(part.Events),
	}
	if len(part.Events) == 0 {
		panel.Text = "No change is recorded."
	}
	if len(part.Events) == maxHistory {
		panel.Shown = fmt.Sprintf("The latest %d changes.", maxHistory)
	}
	return panel, err
}

// history returns the events of an object by day, the latest first.
func (k *call) history(events []audit.TrailEvent) (days []view.Day) {
	return k.days(events, func(e audit.TrailEvent) view.Event {
		words, known := eventWords[e.Action]
		if !known {
			words.icon, words.text = "info", string(e.Action)
		}
		return view.Event{Icon: words.icon, Who: k.actorWords(e.Event), Text: words.text, Note: k.eventNote(e.Event)}
	})
}

// days returns events by day, in their order. show returns an event without its time.
func (k *call) days(events []audit.TrailEvent, show func(audit.TrailEvent) view.Event) (days []view.Day) {
	for _, e := range events {
		text := k.date(e.At)
		if text == k.date(k.now) {
			text = "Today"
		}
		if len(days) == 0 || days[len(days)-1].Text != text {
			days = append(days, view.Day{Text: text})
		}
		last := &days[len(days)-1]
		event := show(e)
		event.When = when(e.At.In(k.zone).Format(clockForm), e.At)
		last.Events = append(last.Events, event)
	}
	return days
}

// actorWords returns who made a change.
func (k *call) actorWords(e audit.Event) string {
	switch {
	case e.Actor.ID == string(k.session.User.ID):
		return "You"
	case e.Actor.Type == "system":
		return "Claviger"
	case e.Actor.Type == "operator":
		return "The operator"
	}
	return cmp.Or(e.Actor.Email, e.Details[audit.DetailActorName], e.Actor.ID)
}

// fieldWords are the fields of a key, as people know them.
var fieldWords = map[string]string{
	"name": "name", "description": "description", "scopes": "scopes", "all_applications": "applications",
	"application_ids": "applications", "expires_at": "expiry", "allowed_cidrs": "allowed addresses",
	"metadata": "metadata",
}

// eventNote returns what else people want to know of an event.
func (k *call) eventNote(e audit.Event) string {
	switch e.Action {
	case audit.ActionKeyEdit, audit.ActionManagementKeyEdit:
		var fields []string
		for name := range strings.FieldsSeq(e.Details["changed"]) {
			fields = append(fields, cmp.Or(fieldWords[name], name))
		}
		return strings.Join(fields, ", ")
	case audit.ActionKeyRefresh, audit.ActionManagementKeyRefresh:
		until, err := time.Parse(time.RFC3339, e.Details["previous_until"])
		if err != nil {
			return "the old one ended at once"
		}
		return "the old one works until " + k.at(until).Text
	default:
		return e.Details["reason"]
	}
}
