package main

import (
	"context"
	"io"

	"github.com/keyreach/keyreach/backup/envelope"
	"github.com/keyreach/keyreach/live"
)

// agePlugin is the program under the name of age's plugin: age opens backups by it.
func agePlugin(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	c := live.Open(live.Options{})
	var own envelope.AllowList // otherwise only the keys that the identity names are called
	if account, partition, err := c.OwnIn(ctx); err == nil {
		own = envelope.AllowList{Accounts: []string{account}, Partition: partition}
	}
	return envelope.PluginMain(ctx, c.BackupKMS(""), own, args, in, out, errs)
}
