package console

import "github.com/claviger-dev/claviger/internal/console/view"

const dataPath = profilePath + "/data"

// dataPanel is the part of the profile about the download.
var dataPanel = view.Panel{
	ID: "data", Heading: "Your data",
	Text: "Everything that is stored about you, as a file: your record, roles, sessions, keys without secrets, and " +
		"what you did.",
	Actions: []view.Action{{Text: "Download…", Object: "your data", Class: "small", Path: dataPath}},
}

// showData leads to the file after a recent sign-in.
func (c *Console) showData(k *call) (response, error) {
	if !k.session.Recent(k.now) {
		return k.signInAgain(dataPath, nil), nil
	}
	return response{page: view.Overview{
		Crumb: view.Link{Text: "Profile", Path: profilePath}, Heading: "Download your data",
		Intro: "One JSON file. It says at its end whether it is complete.",
		Panels: []view.Panel{{
			ID: "file", Heading: "claviger-data.json",
			Text: "It has your record, your roles and memberships, sessions, keys without secrets, and what you did, " +
				"with the addresses that you did it from. Your picture is not in it.",
			Actions: []view.Action{{Text: "Download", Class: "small primary", Path: "/api/v1/me/data"}},
		}},
	}, title: "Download your data", current: profilePath}, nil
}
