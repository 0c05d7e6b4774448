package local

import (
	"bytes"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/table"
)

var sampleKey = table.Key{Partition: "repo#team/app", Sort: "manifest#sha256:00"}

func samples() []table.Item {
	return []table.Item{
		{Key: sampleKey, Attrs: table.Attrs{}},
		{Key: sampleKey, Version: "v", Expires: time.Unix(1700000000, 0).UTC(), Attrs: table.Attrs{}},
		{Key: sampleKey, Version: "v", Expires: time.Unix(-1, 0).UTC(), Attrs: table.Attrs{
			table.N("min", math.MinInt64), table.N("max", math.MaxInt64), table.N("zero", 0), table.S("empty", ""),
			table.B("first", []byte("one")), table.S("text", strings.Repeat("é", 300)), table.B("none", []byte{}), table.B("second", []byte{0, 255}),
		}},
		manifestItem(),
	}
}

// manifestItem is about 2 KB large.
func manifestItem() table.Item {
	return table.Item{Key: sampleKey, Version: table.NewToken(), Attrs: table.Attrs{
		table.B("body", bytes.Repeat([]byte("m"), 1700)), table.S("mediaType", "application/vnd.oci.image.manifest.v1+json"),
		table.N("size", 1700), table.S("subject", ""), table.S("artifactType", ""), table.N("referrers", 3),
		table.S("config", "sha256:"+strings.Repeat("0", 64)), table.N("pushed", 1700000000), table.N("layers", 8), table.S("state", "live"),
	}}
}

func TestItemsComeBack(t *testing.T) {
	for i, want := range samples() {
		raw := appendItem([]byte("before"), want)[len("before"):]
		if got, err := decodeItem(want.Key, raw); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("sample %d: got %+v, %v, want %+v", i, got, err, want)
		}
	}
}

func TestItemIsProjected(t *testing.T) {
	item := samples()[2]
	got, err := decodeItem(item.Key, appendItem(nil, item), "second", "max", "unknown")
	if err != nil {
		t.Fatal(err)
	}
	want := table.Attrs{table.N("max", math.MaxInt64), table.B("second", []byte{0, 255})}
	if !reflect.DeepEqual(got.Attrs, want) {
		t.Errorf("got %v, want %v", got.Attrs, want)
	}
}

// A value cannot be appended to over the next one.
func TestBytesOfAnItemEndWhereTheyEnd(t *testing.T) {
	item, err := decodeItem(sampleKey, appendItem(nil, samples()[2]))
	if err != nil {
		t.Fatal(err)
	}
	_ = append(item.Bin("first"), "overwritten"...)
	if got, want := item.Bin("second"), []byte{0, 255}; !bytes.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestDamagedItemsAreRefused(t *testing.T) {
	for _, item := range samples() {
		raw := appendItem(nil, item)
		for n := range raw {
			if _, err := decodeItem(sampleKey, raw[:n]); err == nil {
				t.Errorf("an item cut to %d of %d bytes was decoded", n, len(raw))
			}
		}
		if _, err := decodeItem(sampleKey, append(slices.Clone(raw), 0)); err == nil {
			t.Error("an item with something behind it was decoded")
		}
		raw[0]++
		if _, err := decodeItem(sampleKey, raw); err == nil {
			t.Error("an item of another format was decoded")
		}
	}
}

// FuzzItem decodes anything without a panic, and what could be decoded is the
// same after a round trip.
func FuzzItem(f *testing.F) {
	for _, item := range samples() {
		f.Add(appendItem(nil, item))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		item, err := decodeItem(sampleKey, raw)
		if err != nil {
			return
		}
		again, err := decodeItem(sampleKey, appendItem(nil, item))
		if err != nil || !reflect.DeepEqual(again, item) {
			t.Errorf("got %+v, %v, want %+v", again, err, item)
		}
		if projected, err := decodeItem(sampleKey, raw, "x"); err != nil || len(projected.Attrs) > len(item.Attrs) {
			t.Errorf("projection: got %+v, %v", projected, err)
		}
	})
}

// FuzzItemValues has any values come back.
func FuzzItemValues(f *testing.F) {
	f.Add("token", "name", "text", int64(-1), []byte{0}, int64(1700000000))
	f.Fuzz(func(t *testing.T, token, name, text string, n int64, b []byte, expires int64) {
		want := table.Item{Key: sampleKey, Version: token, Expires: time.Unix(expires, 0).UTC(), Attrs: table.Attrs{
			table.S(name, text), table.N(text, n), table.B(name, b), table.S("", name), table.B(text, []byte(text)),
		}}
		got, err := decodeItem(sampleKey, appendItem(nil, want))
		if err != nil || got.Version != want.Version || !slices.EqualFunc(got.Attrs, want.Attrs, table.Attr.Equal) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
		if !want.Expires.IsZero() && !got.Expires.Equal(want.Expires) {
			t.Errorf("expiry: got %v, want %v", got.Expires, want.Expires)
		}
	})
}

func BenchmarkDecodeItem(b *testing.B) {
	item := manifestItem()
	raw := appendItem(nil, item)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeItem(item.Key, raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeItem(b *testing.B) {
	item := manifestItem()
	b.ReportAllocs()
	for b.Loop() {
		appendItem(nil, item)
	}
}
