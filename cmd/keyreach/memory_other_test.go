//go:build !linux || race

package main

// measured is the program; nothing is measured here.
func measured() { main() }
