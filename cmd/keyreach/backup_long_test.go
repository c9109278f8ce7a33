//go:build long

package main

import "time"

// How often backups are killed, how large they get, and how long a process may take.
const (
	createKills, bucketKills, restoreKills, pruneKills = 200, 200, 400, 50

	thorough = true // all pairs of ways, not one of each

	killTimeout = 10 * time.Minute
)

func damagedSizes() []int64 {
	return []int64{0, 1, 65535, 65536, 65537, 131072, 10 << 20, 1 << 30}
}

func measuredSizes() []int64 { return []int64{10 << 20, 1 << 30, 8 << 30} }
