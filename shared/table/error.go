package table

import (
	"errors"
	"fmt"
)

// ErrAbsent is returned for an item that is not there.
var ErrAbsent = errors.New("no such item")

// ErrLimit is wrapped by errors about requests that exceed DynamoDB's limits or
// are malformed. Nothing has happened, and sending it again does not help.
var ErrLimit = errors.New("outside the limits of the table")

// ErrConflict is wrapped by the error of a transaction that lost to others on
// the same items time and again. Nothing has happened; it can be sent again.
var ErrConflict = errors.New("transaction conflict")

// A ConditionError says which conditions of a transaction did not hold.
type ConditionError struct {
	// Failed are the indexes of the actions, ascending, never empty.
	Failed []int
}

func (e *ConditionError) Error() string {
	return fmt.Sprintf("condition of actions %v does not hold", e.Failed)
}
