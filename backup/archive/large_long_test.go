//go:build long

package archive_test

var large = []int64{10 << 20, 1 << 30, 8 << 30}
