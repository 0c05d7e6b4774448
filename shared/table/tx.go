package table

import (
	"crypto/rand"
	"time"
)

// A Tx is a list of at most MaxActions actions on as many different items,
// done as one.
type Tx struct {
	// Token makes the transaction recognisable when it is sent again, and
	// becomes the Version of every item that it writes. It is 1 to 36 bytes
	// long; take a new one from NewToken for every new intention.
	Token   string
	Actions []Action
}

// NewToken returns a token that nobody else has.
func NewToken() string { return rand.Text() }

// An Op is what an action does with its item.
type Op byte

// The operations.
const (
	// OpPut replaces the item, or makes it.
	OpPut Op = iota + 1
	// OpUpdate changes the named attributes and leaves the others, without
	// reading them first: writers that touch different attributes do not
	// disturb each other. It makes an item that is absent.
	OpUpdate
	// OpDelete removes the item. To delete what is absent is no error.
	OpDelete
	// OpCheck only looks whether the condition holds.
	OpCheck
)

// An Action is one step of a transaction. Make one with Put, Update, Delete or
// Check and narrow it with its methods.
type Action struct {
	Op  Op
	Key Key
	If  Condition

	// Set are the attributes of a put, or those that an update sets.
	Set Attrs
	// Add are numbers that an update adds to; one that is absent counts as 0.
	Add Attrs
	// Unset are names of attributes that an update removes.
	Unset []string
	// Expires is the new expiry of the item, zero for never. An update without
	// it leaves an expiry as it was.
	Expires time.Time
}

// Put makes or replaces the item under key.
func Put(key Key, attrs ...Attr) Action { return Action{Op: OpPut, Key: key, Set: attrs} }

// Update sets these attributes of the item under key.
func Update(key Key, attrs ...Attr) Action { return Action{Op: OpUpdate, Key: key, Set: attrs} }

// Delete removes the item under key.
func Delete(key Key) Action { return Action{Op: OpDelete, Key: key} }

// Check holds the transaction to a condition on an item that it does not write.
func Check(key Key, c Condition) Action { return Action{Op: OpCheck, Key: key, If: c} }

// When makes the action, and so the transaction, depend on c.
func (a Action) When(c Condition) Action { a.If = c; return a }

// Adding makes an update add n to the number called name.
func (a Action) Adding(name string, n int64) Action {
	a.Add = append(a.Add[:len(a.Add):len(a.Add)], N(name, n))
	return a
}

// Unsetting makes an update remove attributes.
func (a Action) Unsetting(names ...string) Action {
	a.Unset = append(a.Unset[:len(a.Unset):len(a.Unset)], names...)
	return a
}

// Until gives the item an expiry.
func (a Action) Until(t time.Time) Action { a.Expires = t; return a }
