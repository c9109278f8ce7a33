//go:build !long

package main

// killPoints is how often the sandbox is killed; with the build tag long it is more
// often.
const killPoints = 8
