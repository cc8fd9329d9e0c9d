// Package client is the Go client of a Claviger server. It sends requests as a key or as a
// signed-in person.
//
//	c, err := client.New("https://claviger.example.com")
//	if err != nil {
//		return err // the address is wrong: see ErrAddress
//	}
//	me, err := c.WithKey(os.Getenv("CLAVIGER_KEY")).Whoami(ctx)
//
// # Decisions
//
// A protected API asks for a decision about each request, and passes on the request's headers:
//
//	d, err := c.Verify(ctx, api.VerifyRequest{Headers: r.Header, Scopes: []string{"orders:read"}})
//
// # Errors
//
// An error response is an *api.Problem. errors.Is(err, api.KeyLimitReached) tests its code;
// errors.As gives the invalid fields and how long to wait. The client repeats a request that failed
// on the way only if repeating it changes nothing more: see [Retry].
//
// # Edits
//
// Objects that can be edited have a Version. An edit that sends it never overwrites what somebody
// else changed meanwhile:
//
//	app, err := c.Application(ctx, tenant, id)
//	…
//	_, err = c.WithIfMatch(app.Version).EditApplication(ctx, tenant, id, change)
//	if now, changed := client.Present[api.Application](err); changed {
//		… // decide again, by the application as it is now
//	}
//
// # Times
//
// Times have microseconds, as Claviger stores them. The server refuses a more precise time with
// 422, so truncate what time.Now returns:
//
//	edit.ExpiresAt = api.To(time.Now().AddDate(0, 3, 0).Truncate(time.Microsecond))
//
// # Lists
//
// A list comes in pages. For each list there is an iterator over all its items:
//
//	for key, err := range c.AllKeys(ctx, tenant, client.KeyFilter{}) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(key.Name)
//	}
package client
