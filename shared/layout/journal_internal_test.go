package layout

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
)

func planned(t testing.TB) *plan {
	t.Helper()
	var all []oci.Descriptor
	for i := range 5 {
		d := oci.Descriptor{Digest: oci.SHA256.Sum([]byte{byte(i)}), Size: int64(i) * 1000}
		if i%2 == 1 {
			d.Digest = oci.SHA512.Sum([]byte{byte(i)})
		}
		all = append(all, d, d)
	}
	p, err := newPlan(all)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A journal says how far each blob is, or nothing.
func TestJournal(t *testing.T) {
	p := planned(t)
	journal := p.journal()
	for i, s := range p.slots {
		copy(journal[s.line:], journalNumber(s.size-int64(i)))
	}
	got, ok := p.resume(bytes.Clone(journal))
	if !ok {
		t.Fatalf("got nothing of %s", journal)
	}
	for i, s := range p.slots {
		want := s.size - int64(i)
		if s.size == 0 && i > 0 {
			want = 0
		}
		if got[i] != want {
			t.Errorf("%s: got %d, want %d", s.digest, got[i], want)
		}
	}
	if lines := strings.Count(string(journal), "\n"); lines != len(p.slots)+1 {
		t.Errorf("got %d lines for %d blobs: %s", lines, len(p.slots), journal)
	}
}

// FuzzJournal: whatever is there, no blob is further than its end.
func FuzzJournal(f *testing.F) {
	p := planned(f)
	f.Add(p.journal())
	f.Add(bytes.Replace(p.journal(), []byte("0000 "), []byte("0001 "), 1))
	f.Fuzz(func(t *testing.T, journal []byte) {
		far, ok := p.resume(journal)
		for i, n := range far {
			if n < 0 || n > p.slots[i].size {
				t.Errorf("got %d of %d bytes, said %v", n, p.slots[i].size, ok)
			}
		}
	})
}

// Blobs do not touch each other, nor headers, however large they are.
func TestPlan(t *testing.T) {
	huge := oci.Descriptor{Digest: oci.SHA256.Sum([]byte("huge")), Size: 9 << 33} // needs a longer header
	p, err := newPlan([]oci.Descriptor{huge, {Digest: oci.SHA512.Sum(nil), Size: 1}, {Digest: oci.SHA256.Sum(nil), Size: 513}})
	if err != nil {
		t.Fatal(err)
	}
	end := int64(0)
	for _, s := range p.slots {
		if s.start != end || len(s.header)%512 != 0 {
			t.Errorf("%s begins at %d with a header of %d, want %d", s.digest, s.start, len(s.header), end)
		}
		end = blockEnd(s.body() + s.size)
	}
	if end != p.end {
		t.Errorf("got an end of %d, want %d", p.end, end)
	}
	if _, err := newPlan([]oci.Descriptor{{Digest: huge.Digest, Size: 1<<63 - 1}}); err == nil {
		t.Error("got room for more than any file holds")
	}
	if want := fmt.Sprint(p.slots[0].digest); !strings.Contains(string(p.journal()), want) {
		t.Errorf("got %s, want %s in it", p.journal(), want)
	}
}
