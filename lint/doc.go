// Package lint reads files of every kind that people keep policies, grants and
// commands in, asks the rules about them, and tells what it found: for people,
// for GitHub, as SARIF and as JUnit. It can write what a rule knows to mend
// safely.
package lint
