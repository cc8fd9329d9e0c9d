package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"

	"github.com/claviger-dev/claviger/internal/route"
	"github.com/claviger-dev/claviger/internal/telemetry"
)

// routeFile is the operator's file of entries and rules. It is read again when it changes.
type routeFile struct {
	path string
	log  *slog.Logger
	// current is what was read last without a fault.
	current atomic.Pointer[route.File]
	// failed is set while the file has a fault, so that current is not what it says.
	failed atomic.Bool
	// read is the stamp of the file at the last attempt to read it.
	read stamp
}

// openRouteFile reads the file; nil where the settings name none.
func openRouteFile(path string, log *slog.Logger) (*routeFile, error) {
	if path == "" {
		return nil, nil
	}
	f := &routeFile{path: path, log: log}
	if err := f.load(); err != nil {
		return nil, fmt.Errorf("server.routes: %w", err)
	}
	return f, nil
}

// reload reads the file again if it has changed. A file with a fault is logged once, and what was
// read before stays in use. It is a job.
func (f *routeFile) reload(context.Context) error {
	if stampOf(f.path) == f.read {
		return nil
	}
	err := f.load()
	f.failed.Store(err != nil)
	if err != nil {
		f.log.Error("cannot use the changed file of route rules: the old rules stay in use", "error", err)
		return nil
	}
	f.log.Info("the file of route rules has changed", "file", f.path, "entries", len(f.current.Load().Entries))
	return nil
}

// load reads the file and puts it in use.
func (f *routeFile) load() error {
	f.read = stampOf(f.path)
	info, err := os.Stat(f.path)
	if err != nil {
		return err
	}
	if mode := info.Mode(); mode.IsRegular() && mode.Perm()&0o022 != 0 {
		return fmt.Errorf("%s: group or others can write the file (mode %04o), and make routes public: run "+
			"chmod go-w on it", f.path, mode.Perm())
	}
	text, err := os.ReadFile(f.path)
	if err != nil {
		return err
	}
	file, err := route.ParseFile(f.path, text)
	if err != nil {
		return err
	}
	f.current.Store(&file)
	return nil
}

// entries returns the entries of the file; none where there is no file.
func (f *routeFile) entries() []route.Entry {
	if f == nil {
		return nil
	}
	return f.current.Load().Entries
}

func (a *App) routeMetrics() []telemetry.Family {
	return []telemetry.Family{
		telemetry.Gauge("claviger_route_file_failed",
			"1 while the file of route rules has a fault and the rules that were read before it stay in use, else 0.",
			nil, telemetry.Unlabeled(a.routes.fileFailed)),
	}
}

// fileFailed returns the value of claviger_route_file_failed.
func (r *routes) fileFailed() int {
	if r.file != nil && r.file.failed.Load() {
		return 1
	}
	return 0
}
