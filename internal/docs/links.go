package docs

// Where the one-time links lead.
const (
	setupPath      = "/setup/{token}"
	invitationPath = "/invitations/{token}"
	claimPath      = "/claims/{token}"
)

// link explains one kind of one-time link to whoever opens it in a browser. The page is the same for every token, so it neither tells whether one is good
// nor holds it.
type link struct {
	Path, Title, Lead, Call string
	// Operation that the link is for, by its id.
	Operation string
}

func links(d *document) []link {
	url := d.Servers[0].URL
	json := " \\\n  -H 'Content-Type: application/json' \\\n  -d "
	return []link{
		{
			Path: setupPath, Title: "Set up Claviger", Operation: "set-up",
			Lead: "This link makes an account, its owner and a first tenant, and signs the owner in. The password has at least 15 characters.",
			Call: `curl -c cookies ` + url + `/api/v1/setup` + json + `'{"token":"…","account":"Your company","email":"you@example.com","name":"Your name","password":"…"}'`,
		},
		{
			Path: invitationPath, Title: "Accept an invitation", Operation: "accept-invitation",
			Lead: "This link makes you a member of the tenant that invites you. If you are new here, choose a password of at least 15 characters; if you are not, give the one you have.",
			Call: `curl -c cookies ` + url + `/api/v1/invitations/$TOKEN` + json + `'{"name":"Your name","password":"…"}'`,
		},
		{
			Path: claimPath, Title: "Claim a key", Operation: "claim-key",
			Lead: "This link gives you the secret of a key that an admin made for you. Sign in first: it works for you alone.",
			Call: `curl -b cookies -X POST ` + url + `/api/v1/claims/$TOKEN`,
		},
	}
}
