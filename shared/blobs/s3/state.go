package s3

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/berthregistry/berth/shared/blobs"
)

// state is what Upload.State holds: everything that Complete will need, for
// nothing can be asked of S3 whose answer is that of this future alone.
type state struct {
	upload string // id of the multipart upload, empty while there is none
	parts  []part
	tail   tail     // of no size if the last part took everything
	tails  []tailID // all that this upload has had, to be deleted at the end
}

// A part is what Complete must say of it. S3 compares both, so a part which
// another future has overwritten is refused.
type part struct {
	etag string // without quotes
	crc  uint32 // IEEE
}

func newPart(etag *string, crc uint32) part {
	return part{etag: strings.Trim(aws.ToString(etag), `"`), crc: crc}
}

// A tail is an object that holds the last bytes of an upload.
type tail struct {
	id     tailID
	size   int64
	crc    uint32 // as of a part, which it may become
	sha256 [32]byte
}

// tailID tells tails of one key apart. It is random: two futures of one state
// must not share a tail.
type tailID [8]byte

func newTailID() (id tailID) {
	rand.Read(id[:]) // never fails
	return id
}

func (id tailID) String() string { return hex.EncodeToString(id[:]) }

// maxTails bounds the list of tails to delete. Beyond it the oldest are left
// to the lifecycle rule.
const maxTails = 1000

// format is the first byte of a state.
const format = 1

// encode packs a state. Ten thousand parts fit in 300 KiB where ETags are MD5
// sums, as those of S3 look in any case; others are kept as they are.
func (st *state) encode() []byte {
	b := make([]byte, 0, 64+len(st.upload)+21*len(st.parts)+len(st.tails)*len(tailID{}))
	b = append(b, format)
	b = appendString(b, st.upload)
	b = binary.AppendUvarint(b, uint64(len(st.parts)))
	for _, p := range st.parts {
		b = appendETag(b, p.etag)
		b = binary.BigEndian.AppendUint32(b, p.crc)
	}
	b = binary.AppendUvarint(b, uint64(st.tail.size))
	if st.tail.size > 0 {
		b = append(b, st.tail.id[:]...)
		b = binary.BigEndian.AppendUint32(b, st.tail.crc)
		b = append(b, st.tail.sha256[:]...)
	}
	for _, id := range st.tails {
		b = append(b, id[:]...)
	}
	return b
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendETag writes a length of zero before the sixteen bytes of an MD5 sum.
func appendETag(b []byte, etag string) []byte {
	sum, err := hex.DecodeString(etag)
	if err != nil || len(sum) != 16 || hex.EncodeToString(sum) != etag {
		return appendString(b, etag)
	}
	return append(append(b, 0), sum...)
}

// decode unpacks the state of u.
func decode(u blobs.Upload) (*state, error) {
	st := &state{}
	if len(u.State) == 0 && u.Size == 0 {
		return st, nil
	}
	d := decoder{rest: u.State}
	if v := d.bytes(1); len(v) == 0 || v[0] != format {
		return nil, fmt.Errorf("upload state is not of this store: %w", blobs.ErrUploadLost)
	}
	st.upload = d.text(d.number())
	for n := d.number(); n > 0 && !d.short; n-- {
		st.parts = append(st.parts, part{etag: d.etag(), crc: d.crc()})
	}
	if st.tail.size = int64(d.number()); st.tail.size > 0 {
		copy(st.tail.id[:], d.bytes(len(st.tail.id)))
		st.tail.crc = d.crc()
		copy(st.tail.sha256[:], d.bytes(len(st.tail.sha256)))
	}
	for len(d.rest) > 0 && !d.short {
		st.tails = append(st.tails, tailID(d.bytes(len(tailID{}))))
	}
	if d.short || st.tail.size < 0 || st.tail.size > u.Size {
		return nil, fmt.Errorf("upload state is damaged: %w", blobs.ErrUploadLost)
	}
	return st, nil
}

// decoder reads a state. Once short, it returns zeros.
type decoder struct {
	rest  []byte
	short bool
}

func (d *decoder) bytes(n int) []byte {
	if n < 0 || n > len(d.rest) {
		d.short, d.rest = true, nil
		return make([]byte, min(max(n, 0), 64))
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) number() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.short, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) text(n uint64) string {
	if n > uint64(len(d.rest)) {
		d.short, d.rest = true, nil
		return ""
	}
	return string(d.bytes(int(n)))
}

func (d *decoder) etag() string {
	if n := d.number(); n > 0 {
		return d.text(n)
	}
	return hex.EncodeToString(d.bytes(16))
}

func (d *decoder) crc() uint32 { return binary.BigEndian.Uint32(d.bytes(4)) }
