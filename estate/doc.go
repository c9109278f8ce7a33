// Package estate is the model of all that decides whether a key opens:
// organization, accounts, principals and their policies, keys with policy,
// grants and state, encrypted resources, endpoints. It reads and writes the
// estate file, and it turns a Request into a Case: the request together with
// every policy, grant and context value that bears on it.
//
// It decides nothing; package access does. Its one invariant is that what
// could not be read is never the same as what is not there: an unreadable part
// carries its reason, and a context key that nobody can know is not known
// rather than absent.
package estate
