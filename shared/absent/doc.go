// Package absent spares a client the question for referrers where a registry
// has just said that there are none.
package absent
