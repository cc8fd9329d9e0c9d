package app

import (
	"fmt"
	"net/http"
	"time"

	"github.com/claviger-dev/claviger/internal/config"
	"github.com/claviger-dev/claviger/internal/console"
	"github.com/claviger-dev/claviger/internal/dataplane"
	"github.com/claviger-dev/claviger/internal/docsite"
	"github.com/claviger-dev/claviger/internal/manageapi"
	"github.com/claviger-dev/claviger/internal/mcp/endpoint"
	"github.com/claviger-dev/claviger/internal/oauth"
	"github.com/claviger-dev/claviger/internal/proxy"
	"github.com/claviger-dev/claviger/internal/verify"
	"github.com/claviger-dev/claviger/internal/web"
)

// newMiddleware builds what all entry points share: the authenticator and the middleware.
func (a *App) newMiddleware(c config.Server, limits config.PersonLimits) (*web.Middleware, error) {
	auth := &web.Authenticator{
		Verify:         &verify.Authenticator{Engine: a.Engine, Sessions: a.Sessions, ManagementKeys: a.ManagementKeys},
		Secure:         config.BaseURL(a.URL).TLS(),
		Proxies:        proxy.Networks(c.TrustedProxies),
		KeyHeaders:     new(web.KeyHeaders),
		ManagementKeys: web.NewManagementLimit(),
	}
	if c.BaseURL != "" {
		if err := auth.TrustOrigin(string(c.BaseURL)); err != nil {
			return nil, fmt.Errorf("server.base_url: %w", err)
		}
	}
	return web.NewMiddleware(auth, a.options.Log, web.Options{
		Now:           a.clock.Now,
		Tracing:       a.tracing,
		Admit:         a.disk.admit,
		Changes:       web.NewChangeLimit(int(limits.ChangesPerMinute)),
		Anonymous:     web.NewAddressLimit(int(limits.AnonymousPerMinute)),
		AnonymousTime: time.Duration(c.Limits.HeaderTimeout),
	}), nil
}

// entryPoint is a part of what the public listener serves. It mounts its own routes.
type entryPoint interface{ Mount(router *web.Router) }

// handler returns what the public listener serves: the routes of all entry points.
func (a *App) handler() (all http.Handler) {
	resets := web.NewResetLimit()
	router, problems := web.NewRouter(a.web), web.ProblemWriter{Authenticator: a.web.Authenticator}
	management := &manageapi.API{
		Errors: problems, Middleware: a.web, Identity: a.Identity, Sessions: a.Sessions, Accounts: a.Accounts,
		SecondFactors: a.SecondFactors,
		Tenancy:       a.Tenancy,
		Applications:  a.Applications, ServiceAccounts: a.ServiceAccounts, Subjects: a.Subjects,
		Plans: a.Plans, Keys: a.Keys, ManagementKeys: a.ManagementKeys, Keyring: a.keyring, Idempotency: a.Store,
		Reports: a.Reports, Resets: resets, BaseURL: a.URL, Version: a.options.Version,
	}
	for _, e := range []entryPoint{
		&dataplane.API{
			Errors: problems, Authenticator: a.web.Authenticator, Routes: &a.routes, Log: a.options.Log,
		},
		management,
		&oauth.API{
			Authenticator: a.web.Authenticator, Middleware: a.web, Problems: problems, Tokens: a.Tokens, BaseURL: a.URL,
		},
		&healthAPI{errors: problems, app: a},
		&console.Console{
			Middleware: a.web, Identity: a.Identity, Sessions: a.Sessions, Accounts: a.Accounts, Tenancy: a.Tenancy,
			SecondFactors: a.SecondFactors,
			Applications:  a.Applications, Keys: a.Keys, Watches: a.Watches, Reports: a.Reports,
			ServiceAccounts: a.ServiceAccounts,
			ManagementKeys:  a.ManagementKeys, Subjects: a.Subjects, Plans: a.Plans, Keyring: a.keyring,
			Background: a.ConsoleNumbers, Idempotency: a.Store,
			Resets: resets, Now: a.clock.Now, BaseURL: a.URL, Version: a.options.Version,
		},
		&docsite.Site{
			Errors: problems, Document: func() []byte { return management.Document(router.Routes()) }, BaseURL: a.URL,
			Admit: a.web.AdmitAnonymous,
		},
		&endpoint.Endpoint{
			Errors: problems, Middleware: a.web, BaseURL: a.URL, Version: a.options.Version, Log: a.options.Log,
			API: func(w http.ResponseWriter, r *http.Request) { all.ServeHTTP(w, r) },
		},
	} {
		e.Mount(router)
	}
	all = router.Handler(a.refuseInDoubt(router))
	return all
}
