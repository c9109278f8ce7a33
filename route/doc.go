// Package route knows the ways by which encrypted data becomes usable where it
// is needed: the kinds of routes as data, the routes that somebody declared in
// keyreach.yaml, and Prove, which asks package access about every key use of
// every step and tells what is proven, fragile, open if something holds, or
// blocked.
//
// A kind is rows of package usage and a list of steps in kinds/; if a new kind
// needs code of its own, the mechanism here is at the wrong depth.
package route
