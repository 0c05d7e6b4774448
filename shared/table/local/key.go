package local

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"github.com/berthregistry/berth/shared/table"
)

// All buckets of the file, and what is in them:
//
//	items      partition key 00 01 sort key           -> item
//	expiries   seconds since 1970, key of the item    -> nothing
//	changes    sequence                               -> change
//	consumers  name                                   -> sequence of the last acknowledged change
//	meta       "format"                               -> format
//
// Numbers in keys and positions are 8 bytes, big endian. In a partition key,
// 00 is written as 00 FF. So the end 00 01 can be mistaken for nothing else,
// the order of the bytes is that of (partition, sort), and all partitions,
// however many there are, live in one tree.
var (
	itemsBucket     = []byte("items")
	expiriesBucket  = []byte("expiries")
	changesBucket   = []byte("changes")
	consumersBucket = []byte("consumers")
	metaBucket      = []byte("meta")

	formatKey = []byte("format")
)

// format is the version of the layout above. Items and changes have versions
// of their own.
const format = "1"

const (
	zero    = "\x00"
	escaped = "\x00\xff"
	end     = "\x00\x01"
)

var errKey = errors.New("malformed key")

// appendKey appends the encoded key. With part of a sort key it is the prefix
// of all keys that begin with that part.
func appendKey(dst []byte, key table.Key) []byte {
	for rest := key.Partition; ; {
		before, after, found := strings.Cut(rest, zero)
		dst = append(dst, before...)
		if !found {
			break
		}
		dst = append(dst, escaped...)
		rest = after
	}
	dst = append(dst, end...)
	return append(dst, key.Sort...)
}

func encodeKey(key table.Key) []byte {
	return appendKey(make([]byte, 0, len(key.Partition)+len(end)+len(key.Sort)), key)
}

// decodeKey is the inverse of appendKey. It copies.
func decodeKey(b []byte) (table.Key, error) {
	partition, sort, found := bytes.Cut(b, []byte(end))
	if !found {
		return table.Key{}, errKey
	}
	return table.Key{
		Partition: strings.ReplaceAll(string(partition), escaped, zero),
		Sort:      string(sort),
	}, nil
}

// encodeExpiry returns the key in the index of expiries.
func encodeExpiry(at time.Time, key []byte) []byte {
	b := make([]byte, 0, 8+len(key))
	return append(binary.BigEndian.AppendUint64(b, orderedSeconds(at)), key...)
}

// decodeExpiry splits a key of the index. The item's key is not copied.
func decodeExpiry(b []byte) (seconds uint64, key []byte, err error) {
	if len(b) < 8 {
		return 0, nil, errKey
	}
	return binary.BigEndian.Uint64(b), b[8:], nil
}

// orderedSeconds keeps the order of times before 1970 as well.
func orderedSeconds(t time.Time) uint64 { return uint64(t.Unix()) ^ 1<<63 }

func encodeSequence(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func decodeSequence(b []byte) (uint64, error) {
	if len(b) != 8 {
		return 0, errKey
	}
	return binary.BigEndian.Uint64(b), nil
}
