package local

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/berthregistry/berth/shared/table"
)

// An item is stored as
//
//	format     1 byte, itemFormat
//	head size  4 bytes, little endian
//	head       version, expiry, attributes; of bytes only the length
//	tail       the values of all bytes attributes, one after the other
//
// A string in the head is its length and its text; lengths and numbers are
// varints. The head is decoded with one copy, of which all its strings are
// parts, and the tail, which holds what is large, with none.

const itemFormat = 1

var errItem = errors.New("malformed item")

// appendItem appends the encoded item, without its key.
func appendItem(dst []byte, item table.Item) []byte {
	start := len(dst)
	dst = append(slices.Grow(dst, item.Size()+len(item.Attrs)+16), itemFormat, 0, 0, 0, 0)
	dst = appendText(dst, item.Version)
	dst = appendExpiry(dst, item.Expires)
	dst = binary.AppendUvarint(dst, uint64(len(item.Attrs)))
	for _, a := range item.Attrs {
		dst = appendText(append(dst, byte(a.Kind)), a.Name)
		switch a.Kind {
		case table.KindS:
			dst = appendText(dst, a.Str())
		case table.KindN:
			dst = binary.AppendVarint(dst, a.Num())
		case table.KindB:
			dst = binary.AppendUvarint(dst, uint64(len(a.Bin())))
		}
	}
	binary.LittleEndian.PutUint32(dst[start+1:], uint32(len(dst)-start-5))
	for _, a := range item.Attrs {
		dst = append(dst, a.Bin()...)
	}
	return dst
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendExpiry(dst []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(dst, 0)
	}
	return binary.AppendVarint(append(dst, 1), t.Unix())
}

// decodeItem decodes what appendItem made. The values of bytes attributes are
// parts of raw; all else is copied. With names given, only these attributes
// are decoded.
func decodeItem(key table.Key, raw []byte, names ...string) (table.Item, error) {
	item, err := decodeHead(raw, names)
	if err != nil {
		return table.Item{}, fmt.Errorf("item %v: %w", key, err)
	}
	item.Key = key
	return item, nil
}

func decodeHead(raw []byte, names []string) (table.Item, error) {
	if len(raw) < 5 || raw[0] != itemFormat {
		return table.Item{}, errItem
	}
	size, rest := uint64(binary.LittleEndian.Uint32(raw[1:])), raw[5:]
	if size > uint64(len(rest)) {
		return table.Item{}, errItem
	}
	head, tail := reader{text: string(rest[:size])}, rest[size:]
	item := table.Item{Version: head.string(), Expires: head.expiry()}
	item.Attrs = head.attrs(tail, names)
	if head.bad {
		return table.Item{}, errItem
	}
	return item, nil
}

// A reader reads a head. Once something is wrong it is bad, and what it
// returns means nothing.
type reader struct {
	text string
	bad  bool
}

func (r *reader) attrs(tail []byte, names []string) table.Attrs {
	n := r.uvarint()
	if n > uint64(len(r.text)) { // every attribute takes more than a byte
		r.bad = true
		return nil
	}
	attrs := make(table.Attrs, 0, n)
	for range n {
		a := r.attr(&tail)
		if len(names) == 0 || slices.Contains(names, a.Name) {
			attrs = append(attrs, a)
		}
	}
	if len(r.text)+len(tail) > 0 {
		r.bad = true
	}
	return attrs
}

func (r *reader) attr(tail *[]byte) table.Attr {
	kind, name := table.Kind(r.byte()), r.string()
	switch kind {
	case table.KindS:
		return table.S(name, r.string())
	case table.KindN:
		return table.N(name, r.varint())
	case table.KindB:
		n := r.uvarint()
		if n <= uint64(len(*tail)) {
			value := (*tail)[:n:n]
			*tail = (*tail)[n:]
			return table.B(name, value)
		}
	}
	r.bad = true
	return table.Attr{}
}

func (r *reader) byte() byte {
	if r.text == "" {
		r.bad = true
		return 0
	}
	b := r.text[0]
	r.text = r.text[1:]
	return b
}

func (r *reader) uvarint() uint64 {
	var x uint64
	for i := range binary.MaxVarintLen64 {
		b := r.byte()
		x |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			return x
		}
	}
	r.bad = true
	return 0
}

// varint undoes the zigzag of binary.AppendVarint.
func (r *reader) varint() int64 {
	x := r.uvarint()
	return int64(x>>1) ^ -int64(x&1)
}

func (r *reader) string() string {
	n := r.uvarint()
	if n > uint64(len(r.text)) {
		r.bad = true
		return ""
	}
	s := r.text[:n]
	r.text = r.text[n:]
	return s
}

func (r *reader) expiry() time.Time {
	if r.byte() == 0 {
		return time.Time{}
	}
	return time.Unix(r.varint(), 0).UTC()
}
