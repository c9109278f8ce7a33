//go:build !unix

package main

// leaveNoCore does nothing where there are no cores.
func leaveNoCore() {}
