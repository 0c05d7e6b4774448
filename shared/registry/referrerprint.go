package registry

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/table"
)

// A list of referrers has a fingerprint: how many they are, and the sum of their
// prints. The subject's item counts the prints as it counts the referrers, in the
// transaction that puts or deletes one. So that one item says whether a client
// still has the list, however long that is, and the list says its own
// fingerprint without the item.
//
// The version of the subject's item would not do. It is read apart from the list,
// and a query that meets a transaction may see it in part (DynamoDB calls that
// read-committed): a list from before and a version from after would make a pair
// that stays true to the client for ever. A fingerprint is that of what was
// listed, whatever else happened.
const (
	attrPrint    = "print"   // on a referrer: its print; one from before there were any has none
	attrPrintsOf = "prints:" // on a subject, and what follows in the count's name: their sum
)

// printBits is how much of a hash a print is. Sums of eight million fit a number
// of the table. Two different lists of one length have one fingerprint by
// accident once in 2^40; on purpose only who may attach and delete there makes
// such a list, and who may delete can hide more by that.
const printBits = 40

// printOf returns the print of a referrer. It is made of the descriptor and not
// of the digest: the same bytes may come back as another media type.
func printOf(descriptor []byte) int64 {
	sum := sha256.Sum256(descriptor)
	return int64(binary.BigEndian.Uint64(sum[:]) >> (64 - printBits))
}

// printsAs is the attribute that sums the prints of what an attribute counts.
func printsAs(counted string) string {
	return attrPrintsOf + strings.TrimPrefix(counted, attrReferrersOf)
}

// A fingerprint is what a list adds up to. Overflow does no harm: both sides add
// up alike.
type fingerprint struct{ count, sum int64 }

func (f *fingerprint) add(entry table.Item) {
	f.count++
	f.sum += entry.Num(attrPrint)
}

// String is how it is told to clients: not longer than 40 characters, all of them
// fit for an entity tag.
func (f fingerprint) String() string { return fmt.Sprintf("%d-%x", f.count, uint64(f.sum)) }

// fingerprintOf reads from a subject's item, zero if there is none, what the list
// of its referrers of one type adds up to, of all if that is empty. It is false if
// the item does not tell.
func fingerprintOf(subject table.Item, artifactType string) (fingerprint, bool) {
	if artifactType != "" {
		counted := attrReferrersOf + artifactType
		// Among those that are counted together may be some of this type.
		return fingerprint{subject.Num(counted), subject.Num(printsAs(counted))}, subject.Num(attrReferrersAny) <= 0
	}
	f := fingerprint{count: subject.Num(attrReferrers)}
	for _, a := range subject.Attrs {
		if strings.HasPrefix(a.Name, attrPrintsOf) {
			f.sum += a.Num()
		}
	}
	return f, true
}

// summed is the last page of a list, whose fingerprint is told if the page is also
// the first.
func (p ReferrersPage) summed(q table.Query, f fingerprint) ReferrersPage {
	if q.After == "" {
		p.Fingerprint = f.String()
	}
	return p
}

// ReferrersUnless is Referrers from the beginning for who has a list already. If
// known is true of the fingerprint that the list has now, the list is not read:
// the page holds the fingerprint only, and same is true. That costs one item read,
// and says nothing that the list would not say. Errors: oci.ErrDenied.
func (r *Registry) ReferrersUnless(ctx context.Context, repo string, d oci.Digest, artifactType string, known func(fingerprint string) bool) (page ReferrersPage, same bool, err error) {
	if err := r.rights.mayPull(repo); err != nil {
		return ReferrersPage{}, false, err
	}
	inSight, err := r.seesReferrers(ctx, repo, d)
	if err != nil {
		return ReferrersPage{}, false, err
	}
	q := table.Query{Partition: repoPartition(repo), Prefix: referrerPrefix(d, artifactType)}
	if !inSight {
		page = page.summed(q, fingerprint{})
		return page, known(page.Fingerprint), nil
	}
	subject, err := r.table.Get(ctx, manifestKey(repo, d))
	if err != nil && !errors.Is(err, table.ErrAbsent) {
		return ReferrersPage{}, false, fmt.Errorf("read subject: %w", err)
	}
	if now, told := fingerprintOf(subject, artifactType); told && known(now.String()) {
		return page.summed(q, now), true, nil
	}
	page, err = r.listReferrers(ctx, q)
	return page, false, err
}
