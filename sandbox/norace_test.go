//go:build !race

package sandbox_test

// raced is set under the race detector, which needs several times the memory.
const raced = false
