//go:build long

package main

const killPoints = 100
