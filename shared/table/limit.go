package table

import (
	"fmt"
	"strconv"
)

// Size is what DynamoDB would count for the item, in bytes: names and values,
// keys and the attributes that drivers add for Version and Expires included.
func (it Item) Size() int {
	n := len("pk") + len(it.Partition) + len("sk") + len(it.Sort) + len("version") + len(it.Version)
	if !it.Expires.IsZero() {
		n += len("expires") + 7
	}
	for _, a := range it.Attrs {
		n += len(a.Name) + a.size()
	}
	return n
}

func (a Attr) size() int {
	switch a.Kind {
	case KindN:
		// "about one byte per two significant digits, plus one".
		return len(strconv.FormatInt(a.num, 10))/2 + 2
	case KindB:
		return len(a.bin)
	}
	return len(a.str)
}

// Validate reports whether the transaction is within what every driver takes,
// as far as that can be said without the items it meets. Errors wrap ErrLimit.
func (tx Tx) Validate() error {
	if n := len(tx.Token); n < 1 || n > 36 {
		return fmt.Errorf("%w: token of %d bytes", ErrLimit, n)
	}
	if n := len(tx.Actions); n < 1 || n > MaxActions {
		return fmt.Errorf("%w: %d actions in a transaction", ErrLimit, n)
	}
	seen := make(map[Key]bool, len(tx.Actions))
	total := 0
	for _, a := range tx.Actions {
		if seen[a.Key] {
			return fmt.Errorf("%w: two actions on %v", ErrLimit, a.Key)
		}
		seen[a.Key] = true
		n, err := a.validate()
		if err != nil {
			return err
		}
		total += n
	}
	if total > MaxTx {
		return fmt.Errorf("%w: transaction of %d bytes", ErrLimit, total)
	}
	return nil
}

// validate returns the bytes that the action carries.
func (a Action) validate() (int, error) {
	if err := a.Key.Validate(); err != nil {
		return 0, err
	}
	if a.Op == OpCheck && a.If.kind == always {
		return 0, fmt.Errorf("%w: check of %v without a condition", ErrLimit, a.Key)
	}
	names := make(map[string]bool, len(a.Set)+len(a.Add)+len(a.Unset))
	for _, as := range []Attrs{a.Set, a.Add} {
		for _, at := range as {
			if err := once(names, at.Name); err != nil {
				return 0, err
			}
		}
	}
	for _, name := range a.Unset {
		if err := once(names, name); err != nil {
			return 0, err
		}
	}
	n := Item{Key: a.Key, Attrs: a.Set}.Size()
	if n > MaxItem {
		return 0, fmt.Errorf("%w: item %v of %d bytes", ErrLimit, a.Key, n)
	}
	return n, nil
}

func once(names map[string]bool, name string) error {
	switch {
	case name == "" || name == "pk" || name == "sk" || name == "version" || name == "expires":
		return fmt.Errorf("%w: attribute name %q is not free", ErrLimit, name)
	case names[name]:
		return fmt.Errorf("%w: attribute %q twice in one action", ErrLimit, name)
	}
	names[name] = true
	return nil
}

// Validate reports whether the key can be one. Errors wrap ErrLimit.
func (k Key) Validate() error {
	if n := len(k.Partition); n < 1 || n > MaxPartitionKey {
		return fmt.Errorf("%w: partition key of %d bytes", ErrLimit, n)
	}
	if n := len(k.Sort); n < 1 || n > MaxSortKey {
		return fmt.Errorf("%w: sort key of %d bytes", ErrLimit, n)
	}
	return nil
}
