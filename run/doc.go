// Package run performs: the ops of a plan (Apply, Undo) and the steps of a route on data
// (Route). Everything is in a journal before it is done, is read back after, and can be
// resumed from every point. What it needs of AWS are the interfaces Cloud and Mover,
// which package live and thereby a sandbox satisfy.
package run
