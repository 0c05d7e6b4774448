package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/table"
)

// attrDescriptor holds the descriptor of a referrer as JSON, so that listing
// is copying.
const attrDescriptor = "descriptor"

// maxDescriptor is the largest descriptor of a referrer, in bytes; it must fit
// an item. Annotations are what makes one large.
const maxDescriptor = 256 << 10

// describe prepares the descriptor that a referrers list will show.
func (in *incoming) describe() error {
	if in.parsed.Subject == nil {
		return nil
	}
	d := oci.Descriptor{
		MediaType:    in.parsed.MediaType,
		Digest:       in.digest,
		Size:         int64(len(in.Body)),
		ArtifactType: in.parsed.ArtifactType,
		Annotations:  in.parsed.Annotations,
	}
	var err error
	if in.listed, err = json.Marshal(d); err != nil {
		return fmt.Errorf("describe referrer: %w", err)
	}
	if len(in.listed) > maxDescriptor {
		return oci.ErrTooLarge.With(map[string]int{"limit": maxDescriptor},
			"annotations of a manifest with a subject are listed with it and must fit %d bytes", maxDescriptor)
	}
	return nil
}

// attach lists a new manifest among the referrers of its subject and counts it
// there. The count is an addition, so referrers pushed at once do not wait for
// each other; on a subject that is not here it makes a stub.
func (in *incoming) attach(subject table.Item) []table.Action {
	s, t := in.parsed.Subject.Digest, in.parsed.ArtifactType
	counted, mark := countedAs(subject, t), printOf(in.listed)
	return []table.Action{
		table.Put(referrerKey(in.Repo, s, t, in.digest), append(slices.Clip(in.by),
			table.B(attrDescriptor, in.listed), table.S(attrCountedAs, counted), table.N(attrPrint, mark))...),
		table.Update(manifestKey(in.Repo, s)).
			Adding(attrReferrers, 1).Adding(counted, 1).Adding(printsAs(counted), mark),
	}
}

// detach is the reverse of attach, for the referrer d of a subject.
func (r *Registry) detach(ctx context.Context, repo string, s oci.Digest, artifactType string, d oci.Digest) ([]table.Action, error) {
	entry, err := r.table.Get(ctx, referrerKey(repo, s, artifactType, d))
	if err != nil {
		return nil, fmt.Errorf("read referrer: %w", err)
	}
	subject, err := r.table.Get(ctx, manifestKey(repo, s))
	if err != nil {
		return nil, fmt.Errorf("read subject: %w", err)
	}
	return []table.Action{table.Delete(entry.Key), uncount(subject, entry)}, nil
}

// uncount takes one referrer off a subject. What it would leave at zero it
// removes, and only that needs the subject to be as it was read.
func uncount(subject, entry table.Item) table.Action {
	counted := entry.Str(attrCountedAs)
	prints := printsAs(counted)
	same := table.VersionIs(subject.Version)
	switch {
	case !isLive(subject) && subject.Num(attrReferrers) <= 1:
		return table.Delete(subject.Key).When(same)
	case subject.Num(counted) <= 1:
		return table.Update(subject.Key).Adding(attrReferrers, -1).Unsetting(counted, prints).When(same)
	}
	return table.Update(subject.Key).
		Adding(attrReferrers, -1).Adding(counted, -1).Adding(prints, -entry.Num(attrPrint)).When(table.Exists())
}

// A ReferrersPage is a part of the list of a subject's referrers.
type ReferrersPage struct {
	// Descriptors are JSON objects.
	Descriptors [][]byte
	// Next is where the next page begins, "" if this is the last.
	Next string
	// Fingerprint is the same for as long as the list is, "" if this is not all
	// of it.
	Fingerprint string
}

// maxReferrers bounds the descriptors of one page, in bytes, so that the index
// made of them is one that any client takes (spec, "Listing Referrers").
const maxReferrers = 4<<20 - 4<<10

// Referrers lists the manifests whose subject is d, those of one artifact type
// if that is not empty, from where Next of the page before said. Nothing that
// is here is no error: the list is empty, as it is for what the caller does not
// see. Errors: oci.ErrPage, oci.ErrDenied.
func (r *Registry) Referrers(ctx context.Context, repo string, d oci.Digest, artifactType, from string) (ReferrersPage, error) {
	if err := r.rights.mayPull(repo); err != nil {
		return ReferrersPage{}, err
	}
	q := table.Query{Partition: repoPartition(repo), Prefix: referrerPrefix(d, artifactType)}
	var err error
	if q.After, err = fromCursor(from, q.Prefix); err != nil {
		return ReferrersPage{}, err
	}
	if inSight, err := r.seesReferrers(ctx, repo, d); err != nil || !inSight {
		return ReferrersPage{}.summed(q, fingerprint{}), err
	}
	return r.listReferrers(ctx, q)
}

// seesReferrers says whether the caller sees what refers to a manifest.
func (r *Registry) seesReferrers(ctx context.Context, repo string, d oci.Digest) (bool, error) {
	s := r.sight(repo, r.rights.Pull)
	if err := s.hint(ctx); err != nil {
		return false, err
	}
	return s.has(ctx, node{d, true})
}

func (r *Registry) listReferrers(ctx context.Context, q table.Query) (ReferrersPage, error) {
	var out ReferrersPage
	var sum fingerprint
	first := q
	for size := 0; ; {
		page, err := r.table.Query(ctx, q)
		if err != nil {
			return ReferrersPage{}, fmt.Errorf("list referrers: %w", err)
		}
		for _, item := range page.Items {
			descriptor := item.Bin(attrDescriptor)
			if size += len(descriptor) + 1; size > maxReferrers {
				out.Next = cursor(q.After, q.Prefix)
				return out, nil
			}
			out.Descriptors = append(out.Descriptors, descriptor)
			sum.add(item)
			q.After = item.Sort
		}
		if !page.More {
			return out.summed(first, sum), nil
		}
	}
}

// lostTo takes a part of a manifest that is gone for the work of a rival, so that
// the caller decides anew.
func lostTo(err error) error {
	if errors.Is(err, table.ErrAbsent) {
		return fmt.Errorf("%w: %w", table.ErrConflict, err)
	}
	return err
}
