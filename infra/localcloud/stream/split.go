package stream

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

// split is a source whose shards are each seen as several, since an engine may
// have but one for each stream. The changes of an item stay in one of them, in
// their order; those of different items overtake each other, as they do on AWS
// once a table has grown.
type split struct {
	source
	parts int
}

// inParts is a source with so many shards for each that it has.
func inParts(whole source, parts int) source {
	if parts <= 1 {
		return whole
	}
	return &split{whole, parts}
}

// A part of a shard is named after it: "shard/2". No shard of DynamoDB has a
// slash in its name.
const partMark = "/"

// wholeShard is the shard that a part is of.
func wholeShard(id string) string {
	whole, _, _ := strings.Cut(id, partMark)
	return whole
}

func (s *split) shards(ctx context.Context) ([]types.Shard, error) {
	whole, err := s.source.shards(ctx)
	var parts []types.Shard
	for _, sh := range whole {
		for i := range s.parts {
			part := sh
			part.ShardId = partOf(sh.ShardId, i)
			part.ParentShardId = partOf(sh.ParentShardId, i)
			parts = append(parts, part)
		}
	}
	return parts, err
}

func partOf(id *string, part int) *string {
	if id == nil {
		return nil
	}
	return aws.String(*id + partMark + strconv.Itoa(part))
}

// iterator puts the part in front of the iterator of the whole.
func (s *split) iterator(ctx context.Context, shard, after string, kind types.ShardIteratorType) (string, error) {
	whole, part, _ := strings.Cut(shard, partMark)
	it, err := s.source.iterator(ctx, whole, after, kind)
	if err != nil {
		return "", err
	}
	return part + partMark + it, nil
}

// records leaves out those of the other parts.
func (s *split) records(ctx context.Context, iterator string, limit int) ([]types.Record, *string, error) {
	number, it, _ := strings.Cut(iterator, partMark)
	part, err := strconv.Atoi(number)
	if err != nil {
		return nil, nil, fmt.Errorf("read part of iterator: %w", err)
	}
	all, next, err := s.source.records(ctx, it, limit)
	if next != nil {
		next = aws.String(number + partMark + *next)
	}
	var own []types.Record
	for _, r := range all {
		if s.part(r) == part {
			own = append(own, r)
		}
	}
	return own, next, err
}

// part says to which part the changes of an item belong.
func (s *split) part(r types.Record) int {
	if r.Dynamodb == nil {
		return 0
	}
	h := fnv.New32a()
	for _, name := range slices.Sorted(maps.Keys(r.Dynamodb.Keys)) {
		fmt.Fprintf(h, "%s=%v\n", name, attribute(r.Dynamodb.Keys[name]))
	}
	return int(h.Sum32() % uint32(s.parts))
}
