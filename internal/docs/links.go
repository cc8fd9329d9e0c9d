package docs

import "github.com/claviger-dev/claviger/internal/web"

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
			Path: "/setup/{token}", Title: "Set up Claviger", Operation: "set-up",
			Lead: "This link makes an account, its owner and a first tenant, and signs the owner in. The password has at least 15 characters.",
			Call: `curl -c cookies ` + url + `/api/v1/setup` + json + `'{"token":"…","account":"Your company","email":"you@example.com","name":"Your name","password":"…"}'`,
		},
		{
			Path: "/invitations/{token}", Title: "Accept an invitation", Operation: "accept-invitation",
			Lead: "This link makes you a member of the tenant that invites you. If you are new here, choose a password of at least 15 characters; if you are not, give the one you have.",
			Call: `curl -c cookies ` + url + `/api/v1/invitations/$TOKEN` + json + `'{"name":"Your name","password":"…"}'`,
		},
		{
			Path: "/claims/{token}", Title: "Claim a key", Operation: "claim-key",
			Lead: "This link gives you the secret of a key that an admin made for you. Sign in first: it works for you alone.",
			Call: `curl -b cookies -X POST ` + url + `/api/v1/claims/$TOKEN`,
		},
	}
}

// linkPages serves the page of each kind of link. Nobody is to keep them or to send their address on.
func linkPages(router *web.Router, d *document) {
	t := layout("link.html")
	for _, l := range links(d) {
		p := render(t, d, l)
		p.private = true
		router.Page(l.Path, p.serve)
	}
}
