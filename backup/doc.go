// Package backup makes, lists, verifies, restores, prunes and rewraps backups.
package backup
