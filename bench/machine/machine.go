// Package machine asks the operating system for what Go does not know: what
// another process costs, and what is left of a disk.
package machine

import "errors"

// ErrUnknown is returned where this system is not asked in a way known here.
var ErrUnknown = errors.New("not known on this system")
