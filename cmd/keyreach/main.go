// Command keyreach proves who can open encrypted AWS data, and says exactly who
// lacks what on which key.
package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/keyreach/keyreach/backup/envelope"
)

func main() { os.Exit(start()) }

// collectAt is debug.SetGCPercent, unless the environment says how much garbage there may be.
func collectAt(percent int) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}

// start runs the program until it ends or is interrupted.
func start() int {
	leaveNoCore()
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as it is under nohup
		ends = append(ends, syscall.SIGHUP) // a lost connection leaves no half of anything
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	defer stop()
	if len(os.Args) > 0 && strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe") == "age-plugin-"+envelope.PluginName {
		return agePlugin(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	}
	return execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}
