// Package backup makes backups that open when they must, and proves that they do: it
// lists, verifies, restores, prunes and rewraps them. What they are of, how they are
// encrypted, what lies inside and where they lie are packages below it.
package backup
