package s3

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"reflect"
	"testing"

	"github.com/berthregistry/berth/shared/blobs"
)

// exampleState has so many parts and tails.
func exampleState(parts, tails int) *state {
	st := &state{upload: "an-upload-id-as-long-as-those-of-S3-which-have-some-130-characters-of-letters-digits-dots-and-underscores-and-are-opaque-to-everybody"}
	for i := range parts {
		sum := md5.Sum(fmt.Append(nil, i))
		st.parts = append(st.parts, part{etag: hex.EncodeToString(sum[:]), crc: uint32(i) * 77777})
	}
	for range tails {
		st.tails = append(st.tails, newTailID())
	}
	if tails > 0 {
		st.tail = tail{id: st.tails[tails-1], size: minPart - 1, crc: 7, sha256: [32]byte{1, 2, 3}}
	}
	return st
}

func TestStateRoundTrip(t *testing.T) {
	odd := exampleState(3, 2)
	odd.parts[0].etag = "not a sum"
	odd.parts[1].etag = "ABCDEFABCDEFABCDEFABCDEFABCDEFAB" // hex, but not as we would write it
	odd.parts[2].etag = "0123456789abcdef"
	for name, st := range map[string]*state{
		"tail alone": {tail: tail{id: newTailID(), size: 1}},
		"parts":      exampleState(2, 0),
		"both":       exampleState(300, 5),
		"odd etags":  odd,
	} {
		u := blobs.Upload{Key: "a", Size: 1 << 40, State: st.encode()}
		got, err := decode(u)
		if err != nil || !reflect.DeepEqual(got, st) {
			t.Errorf("%s: got %+v, error %v, want %+v", name, got, err, st)
		}
	}
}

func TestLargestStateFits(t *testing.T) {
	const allowed = 300 << 10
	if got := len(exampleState(maxParts, maxTails).encode()); got > allowed {
		t.Errorf("state of %d parts: got %d bytes, want at most %d", maxParts, got, allowed)
	}
	t.Logf("%d bytes", len(exampleState(maxParts, maxTails).encode()))
}

// TestReach pins the limits that the package comment states.
func TestReach(t *testing.T) {
	for _, c := range []struct {
		name     string
		partSize int64
		want     int64 // GiB
	}{{"streamed", 8 << 20, 139}, {"in smallest parts", minPart, 87}} {
		var offset int64
		for range maxParts - 1 {
			offset += max(c.partSize, leastPart(offset))
		}
		if got := offset >> 30; got != c.want {
			t.Errorf("%s: got %d GiB, want %d", c.name, got, c.want)
		}
	}
}

// FuzzDecode: no state makes decode panic, or allocate what is not there.
func FuzzDecode(f *testing.F) {
	f.Add(exampleState(3, 2).encode())
	f.Add(exampleState(0, 1).encode())
	f.Add([]byte{format, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, b []byte) {
		st, err := decode(blobs.Upload{Key: "a", Size: 1 << 40, State: b})
		if err != nil {
			return
		}
		again, err := decode(blobs.Upload{Key: "a", Size: 1 << 40, State: st.encode()})
		if err != nil || !reflect.DeepEqual(again, st) {
			t.Errorf("decode again: got %+v, error %v, want %+v", again, err, st)
		}
	})
}
