// Package ssm keeps a vault's document in a parameter of AWS Systems Manager,
// as a SecureString under the key that AWS keeps for that.
//
// PutParameter overwrites whatever is there, so of two who write at once the
// second would win without a word. SSM numbers the versions of a parameter,
// though, and keeps the last hundred. So each value says which version it was
// written after, and whoever reads goes by that: a version counts only if it
// was written after the last one that counts. The one that lost is there and is
// never read for its keys; its writer sees by the number that others wrote, and
// looks who came first.
//
// What is put there by hand is not taken, unless it names the version before
// it. To begin anew the parameter is deleted.
package ssm

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/berthregistry/berth/shared/access/vault"
)

// A Vault is a parameter. It needs ssm:GetParameter and ssm:PutParameter.
type Vault struct {
	client *ssm.Client
	name   string
}

var _ vault.Vault = (*Vault)(nil)

// New returns the vault in the parameter of a name. It makes no call.
func New(client *ssm.Client, name string) *Vault { return &Vault{client, name} }

// Load reads the parameter, and those versions before it that were written at
// once with it, if any.
func (v *Vault) Load(ctx context.Context) (doc []byte, version string, err error) {
	last, err := v.get(ctx, v.name)
	if err != nil {
		return nil, "", err
	}
	e, err := v.counting(ctx, last)
	if err != nil {
		return nil, "", err
	}
	return []byte(e.doc), strconv.FormatInt(e.number, 10), nil
}

// Store writes a version. A crash before its number is known leaves one that
// counts, or that lost.
func (v *Vault) Store(ctx context.Context, doc []byte, ifVersion string) error {
	e := entry{doc: string(doc)}
	if ifVersion != "" {
		var err error
		if e.after, err = strconv.ParseInt(ifVersion, 10, 64); err != nil {
			return fmt.Errorf("version %q is none of a parameter", ifVersion)
		}
	}
	number, err := v.put(ctx, e)
	switch {
	case errors.As(err, new(*types.ParameterAlreadyExists)):
		return v.same(ctx, e)
	case err != nil:
		return err
	case number > e.after+1:
		return v.won(ctx, e, number)
	}
	return nil // a number that is lower is of a parameter that was deleted meanwhile
}

// same says whether what is there is what was to be put. The client tries
// again where an answer was lost, and then finds its own.
func (v *Vault) same(ctx context.Context, e entry) error {
	doc, _, err := v.Load(ctx)
	if err != nil && !errors.Is(err, vault.ErrAbsent) {
		return err
	}
	if err != nil || string(doc) != e.doc {
		return vault.ErrConflict
	}
	return nil
}

// won says whether an entry was the first to be written after the one it names.
// Its own number is given, or that of a second try of the client.
func (v *Vault) won(ctx context.Context, e entry, number int64) error {
	for n := e.after + 1; n <= number; n++ {
		other, err := v.get(ctx, v.numbered(n))
		if err != nil {
			return err
		}
		if other.after == e.after && other.doc == e.doc {
			return nil
		}
		if other.after == e.after {
			break
		}
	}
	return vault.ErrConflict
}

// maxTogether bounds how many may have written at once.
const maxTogether = 50

// counting returns the version that counts, of which the last one is given.
// The one it was written after counted: its writer went by this as well.
func (v *Vault) counting(ctx context.Context, last entry) (entry, error) {
	if last.number <= last.after+1 {
		return last, nil
	}
	if last.number-last.after > maxTogether {
		return entry{}, fmt.Errorf("version %d of the parameter was written after %d: too many lie between", last.number, last.after)
	}
	counts := entry{number: last.after}
	for n := last.after + 1; n < last.number; n++ {
		e, err := v.get(ctx, v.numbered(n))
		if err != nil {
			return entry{}, err
		}
		if e.after == counts.number {
			counts = e
		}
	}
	if last.after == counts.number {
		counts = last
	}
	return counts, nil
}

// numbered is the name of one version.
func (v *Vault) numbered(n int64) string { return v.name + ":" + strconv.FormatInt(n, 10) }
