package login

import (
	"github.com/berthregistry/berth/shared/access/ledger"
)

// Robots is the provider of the robots that a ledger has.
func Robots(l *ledger.Ledger) Provider { return nil }
