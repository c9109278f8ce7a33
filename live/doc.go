// Package live is the one place that calls AWS. It reads an estate (Collect), looks at
// and writes single things (Current, Perform), and does the work on data of a route's
// steps (Look, Start, Remove). What the verbs want of it they say in interfaces of
// their own; how a call failed it says with cloud.Error.
package live
