package local

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/table"
)

func sampleRecords() []record {
	key, item, other := encodeKey(sampleKey), appendItem(nil, manifestItem()), appendItem(nil, samples()[0])
	at := time.Unix(1700000000, 123456789).UTC()
	return []record{
		{key: key, new: item, at: at},
		{key: key, old: item, new: other, at: at},
		{key: key, old: other, at: at},
		{key: key, old: other, at: at, expired: true},
	}
}

func TestChangesComeBack(t *testing.T) {
	for i, want := range sampleRecords() {
		raw := want.encode()
		if got, err := decodeRecord(raw); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("record %d: got %+v, %v, want %+v", i, got, err, want)
		}
		change, err := decodeChange(uint64(i), raw)
		if err != nil || change.Key != sampleKey || !change.At.Equal(want.at) || change.Expired != want.expired {
			t.Errorf("change %d: got %+v, %v", i, change, err)
		}
		wantImage(t, change.Old, want.old)
		wantImage(t, change.New, want.new)
	}
}

func wantImage(t *testing.T, got *table.Item, raw []byte) {
	t.Helper()
	if (got == nil) != (raw == nil) {
		t.Errorf("image: got %v, want one: %v", got, raw != nil)
	}
	if got != nil && !bytes.Equal(appendItem(nil, *got), raw) {
		t.Errorf("image: got %+v, which is encoded otherwise", *got)
	}
}

func TestDamagedChangesAreRefused(t *testing.T) {
	for _, r := range sampleRecords() {
		raw := r.encode()
		for n := range raw {
			if _, err := decodeChange(1, raw[:n]); err == nil {
				t.Errorf("a change cut to %d of %d bytes was decoded", n, len(raw))
			}
		}
		if _, err := decodeChange(1, append(raw, 0)); err == nil {
			t.Error("a change with something behind it was decoded")
		}
	}
}

// FuzzChange decodes anything without a panic, and what could be decoded is
// the same after a round trip.
func FuzzChange(f *testing.F) {
	for _, r := range sampleRecords() {
		f.Add(r.encode())
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, _ = decodeChange(1, raw)
		r, err := decodeRecord(raw)
		if err != nil {
			return
		}
		if again, err := decodeRecord(r.encode()); err != nil || !reflect.DeepEqual(again, r) {
			t.Errorf("got %+v, %v, want %+v", again, err, r)
		}
	})
}
