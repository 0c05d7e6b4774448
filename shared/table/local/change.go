package local

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/berthregistry/berth/shared/table"
)

// A change is stored under its sequence as
//
//	format  1 byte, changeFormat
//	flags   1 byte
//	time    8 bytes, nanoseconds since 1970
//	key     length and encoded key
//	old     length and item, if the flags say so
//	new     length and item, if the flags say so

const changeFormat = 1

const (
	hasOld = 1 << iota
	hasNew
	hasExpired
)

const changeHead = 10 // bytes before the key

var errChange = errors.New("malformed change")

// A record is a change as it is stored. Its images are nil or encoded items.
type record struct {
	key, old, new []byte
	at            time.Time
	expired       bool
}

func (r record) encode() []byte {
	b := make([]byte, 0, changeHead+len(r.key)+len(r.old)+len(r.new)+3*binary.MaxVarintLen32)
	b = append(b, changeFormat, r.flags())
	b = binary.BigEndian.AppendUint64(b, uint64(r.at.UnixNano()))
	b = appendBytes(b, r.key)
	if r.old != nil {
		b = appendBytes(b, r.old)
	}
	if r.new != nil {
		b = appendBytes(b, r.new)
	}
	return b
}

func (r record) flags() byte {
	var flags byte
	if r.old != nil {
		flags |= hasOld
	}
	if r.new != nil {
		flags |= hasNew
	}
	if r.expired {
		flags |= hasExpired
	}
	return flags
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// recordTime returns when an encoded change was made.
func recordTime(b []byte) (time.Time, error) {
	if len(b) < changeHead || b[0] != changeFormat {
		return time.Time{}, errChange
	}
	return time.Unix(0, int64(binary.BigEndian.Uint64(b[2:]))).UTC(), nil
}

// decodeRecord decodes what encode made. The result is made of parts of b.
func decodeRecord(b []byte) (record, error) {
	at, err := recordTime(b)
	if err != nil {
		return record{}, err
	}
	r, flags, rest, ok := record{at: at, expired: b[1]&hasExpired != 0}, b[1], b[changeHead:], false
	if r.key, rest, ok = cutBytes(rest); !ok {
		return record{}, errChange
	}
	if flags&hasOld != 0 {
		if r.old, rest, ok = cutBytes(rest); !ok {
			return record{}, errChange
		}
	}
	if flags&hasNew != 0 {
		if r.new, rest, ok = cutBytes(rest); !ok {
			return record{}, errChange
		}
	}
	if len(rest) > 0 {
		return record{}, errChange
	}
	return r, nil
}

func cutBytes(b []byte) (value, rest []byte, ok bool) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return nil, nil, false
	}
	return b[n:][:size:size], b[n:][size:], true
}

// decodeChange decodes an encoded change. The bytes of its images are parts of
// raw.
func decodeChange(sequence uint64, raw []byte) (table.Change, error) {
	c, err := decodeImages(raw)
	if err != nil {
		return table.Change{}, fmt.Errorf("change %d: %w", sequence, err)
	}
	c.ID = strconv.FormatUint(sequence, 10)
	return c, nil
}

func decodeImages(raw []byte) (table.Change, error) {
	r, err := decodeRecord(raw)
	if err != nil {
		return table.Change{}, err
	}
	c := table.Change{At: r.at, Expired: r.expired}
	if c.Key, err = decodeKey(r.key); err != nil {
		return table.Change{}, err
	}
	if c.Old, err = decodeImage(c.Key, r.old); err != nil {
		return table.Change{}, err
	}
	c.New, err = decodeImage(c.Key, r.new)
	return c, err
}

func decodeImage(key table.Key, raw []byte) (*table.Item, error) {
	if raw == nil {
		return nil, nil
	}
	item, err := decodeItem(key, raw)
	if err != nil {
		return nil, err
	}
	return &item, nil
}
