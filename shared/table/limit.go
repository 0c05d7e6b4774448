package table

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
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
		n, err := a.validate(tx.Token)
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
func (a Action) validate(token string) (int, error) {
	if err := a.Key.Validate(); err != nil {
		return 0, err
	}
	if err := a.validateOp(); err != nil {
		return 0, err
	}
	if err := a.validateAttrs(); err != nil {
		return 0, err
	}
	n := Item{Key: a.Key, Version: token, Expires: a.Expires, Attrs: a.Set}.Size()
	if n > MaxItem {
		return 0, fmt.Errorf("%w: item %v of %d bytes", ErrLimit, a.Key, n)
	}
	return n, nil
}

// validateOp refuses what the operation has no use for, rather than to drop it
// silently.
func (a Action) validateOp() error {
	switch a.Op {
	case OpPut:
		if len(a.Add)+len(a.Unset) == 0 {
			return nil
		}
	case OpUpdate:
		return nil
	case OpDelete, OpCheck:
		if a.Op == OpCheck && a.If.kind == always {
			return fmt.Errorf("%w: check of %v without a condition", ErrLimit, a.Key)
		}
		if len(a.Set)+len(a.Add)+len(a.Unset) == 0 && a.Expires.IsZero() {
			return nil
		}
	}
	return fmt.Errorf("%w: operation %d on %v does not take what it is given", ErrLimit, a.Op, a.Key)
}

func (a Action) validateAttrs() error {
	names := make(map[string]bool, len(a.Set)+len(a.Add)+len(a.Unset))
	for _, at := range a.Set {
		if err := once(names, at.Name); err != nil {
			return err
		}
		if err := at.validate(); err != nil {
			return err
		}
	}
	for _, at := range a.Add {
		if err := once(names, at.Name); err != nil {
			return err
		}
		if at.Kind != KindN {
			return fmt.Errorf("%w: attribute %q to add is no number", ErrLimit, at.Name)
		}
	}
	for _, name := range a.Unset {
		if err := once(names, name); err != nil {
			return err
		}
	}
	return nil
}

func (a Attr) validate() error {
	switch {
	case a.Kind != KindS && a.Kind != KindN && a.Kind != KindB:
		return fmt.Errorf("%w: attribute %q of kind %q", ErrLimit, a.Name, a.Kind)
	case !utf8.ValidString(a.str):
		return fmt.Errorf("%w: attribute %q is not UTF-8", ErrLimit, a.Name)
	}
	return nil
}

func once(names map[string]bool, name string) error {
	switch {
	case name == "" || name == "pk" || name == "sk" || name == "version" || name == "expires" || !utf8.ValidString(name):
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
	if !utf8.ValidString(k.Partition) || !utf8.ValidString(k.Sort) {
		return fmt.Errorf("%w: key %q is not UTF-8", ErrLimit, k)
	}
	return nil
}

// ValidateKeys reports whether GetMany takes these keys. Errors wrap ErrLimit.
func ValidateKeys(keys []Key) error {
	if n := len(keys); n > MaxKeys {
		return fmt.Errorf("%w: %d keys at once", ErrLimit, n)
	}
	seen := make(map[Key]bool, len(keys))
	for _, k := range keys {
		if seen[k] {
			return fmt.Errorf("%w: key %v twice", ErrLimit, k)
		}
		seen[k] = true
		if err := k.Validate(); err != nil {
			return err
		}
	}
	return nil
}

// Validate reports whether the query is well-formed. Errors wrap ErrLimit.
func (q Query) Validate() error {
	if err := (Key{Partition: q.Partition, Sort: q.Prefix}).Validate(); err != nil {
		return fmt.Errorf("query: %w", err)
	}
	if q.After != "" && !strings.HasPrefix(q.After, q.Prefix) {
		return fmt.Errorf("%w: query after %q, which does not begin with %q", ErrLimit, q.After, q.Prefix)
	}
	if len(q.After) > MaxSortKey || !utf8.ValidString(q.After) {
		return fmt.Errorf("%w: query after %q", ErrLimit, q.After)
	}
	if q.Limit < 0 {
		return fmt.Errorf("%w: query limited to %d", ErrLimit, q.Limit)
	}
	return nil
}
