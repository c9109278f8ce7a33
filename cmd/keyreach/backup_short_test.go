//go:build !long

package main

import "time"

// With the build tag long there is more of all of it.
const (
	createKills, bucketKills, restoreKills, pruneKills = 4, 2, 6, 3

	thorough = false // all pairs of ways, not one of each

	killTimeout = time.Minute
)

func damagedSizes() []int64 { return []int64{0, 65537} }

func measuredSizes() []int64 { return []int64{1 << 20, 64 << 20} }
