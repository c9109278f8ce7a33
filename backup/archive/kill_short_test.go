//go:build unix && !long

package archive_test

const kills = 15
