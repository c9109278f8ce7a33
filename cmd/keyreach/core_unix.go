//go:build unix

package main

import "syscall"

// leaveNoCore has the system write no core when the process crashes: it would have the
// passphrases, keys and contents that are in memory. It is the soft limit of
// https://man7.org/linux/man-pages/man5/core.5.html, which children inherit and may raise.
func leaveNoCore() {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_CORE, &l) == nil {
		l.Cur = 0
		_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &l) // lowering is always allowed
	}
}
