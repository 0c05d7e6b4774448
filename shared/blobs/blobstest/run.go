// Package blobstest is the contract of blobs.Store in executable form: the
// suites that every driver passes. For tests of what stands above there are two
// wrapping stores, one that counts calls and one that fails them, a store in
// memory that is as strict as S3, and the broom that sweeps a bucket.
package blobstest

import (
	"testing"

	"github.com/berthregistry/berth/shared/blobs"
)

// The sizes around which drivers change their ways: S3 refuses parts below
// 5 MiB, so a driver gathers what is smaller.
const (
	mib  = 1 << 20
	part = 5 * mib
	big  = 24*mib + 7
)

// A rule is one part of the contract.
type rule struct {
	name string
	hold func(t *testing.T, store blobs.Store)
}

// Run holds a store to the contract. It calls open once for each rule, for a
// store in which nobody else writes.
func Run(t *testing.T, open func(testing.TB) blobs.Store) {
	rules := []rule{
		{"what is put can be opened", putOpens},
		{"the same bytes can be put again", putAgain},
		{"what was never put is absent", absent},
		{"an open object can be read anywhere", seeks},
		{"a deleted object is absent", deletes},
		{"keys do not affect each other", keysApart},

		{"pieces of any size add up", pieces},
		{"nothing appended is nothing changed", nothing},
		{"an upload of nothing is an empty object", emptyUpload},
		{"a reader that fails spoils nothing", readerFails},
		{"a cancelled append spoils nothing", cancelled},
		{"a cancelled context stops every call", cancelledBefore},
		{"complete can be done again", completeAgain},
		{"abort gives up everything", aborts},
		{"abort gives up every future", abortsFutures},
		{"abort takes back what was completed", abortAfterComplete},

		{"an append repeated in turn has the last word", futuresInTurn},
		{"futures of one state never mix", futures},
		{"futures completed at once never mix", futuresAtOnce},
		{"an earlier state never becomes the later", ancestor},
		{"a future can be continued", futureContinued},

		{"sixteen writers do not disturb each other", writers},
		{"one upload completed by many is completed once", completers},
	}
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) { r.hold(t, open(t)) })
	}
}
