// Package plan finds the least ops that open what a proof says is blocked, proves them
// on a copy of the estate, and refuses a plan that locks somebody out or opens more
// than the routes need. A plan is data: it can be shown, saved, read back and checked
// against an estate that has changed meanwhile. Package run performs it.
package plan
