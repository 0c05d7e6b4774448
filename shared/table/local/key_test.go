package local

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/table"
)

func TestKeysKeepOrder(t *testing.T) {
	parts := []string{"a", "b", "a\x00", "a\x00\x00", "a\x00\x01", "a\x01", "a#", "a\x00b", "ab", "é", "\x00", "\x01", "\U0010ffff"}
	var keys []table.Key
	for _, partition := range parts {
		for _, sort := range parts {
			keys = append(keys, table.Key{Partition: partition, Sort: sort})
		}
	}
	slices.SortFunc(keys, func(a, b table.Key) int {
		return cmp.Or(strings.Compare(a.Partition, b.Partition), strings.Compare(a.Sort, b.Sort))
	})
	for i, key := range keys {
		if i > 0 && bytes.Compare(encodeKey(keys[i-1]), encodeKey(key)) >= 0 {
			t.Errorf("%q is not encoded before %q", keys[i-1], key)
		}
	}
}

func FuzzKey(f *testing.F) {
	f.Add("repo#team/app", "tag#v1")
	f.Add("\x00\x01\xff", "\x00\x01")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, partition, sort string) {
		want := table.Key{Partition: partition, Sort: sort}
		if got, err := decodeKey(encodeKey(want)); err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
		_, _ = decodeKey([]byte(sort))
	})
}

func TestExpiriesKeepOrder(t *testing.T) {
	var last []byte
	for _, at := range []time.Time{time.Unix(-5, 0), time.Unix(0, 0), time.Unix(1, 0), time.Now(), time.Now().Add(time.Hour)} {
		b := encodeExpiry(at, []byte("key"))
		if bytes.Compare(last, b) >= 0 {
			t.Errorf("%v is not encoded behind the time before", at)
		}
		if seconds, key, err := decodeExpiry(b); err != nil || seconds != orderedSeconds(at) || string(key) != "key" {
			t.Errorf("decode %v: got %d, %q, %v", at, seconds, key, err)
		}
		last = b
	}
	if _, _, err := decodeExpiry([]byte("short")); err == nil {
		t.Error("a key of the index without a time was decoded")
	}
}
