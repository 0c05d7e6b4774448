package dynamo_test

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A fakeStream is a table with a stream that does what no engine does on
// request: it ends and splits shards, trims them, lets iterators expire. It
// gives two records at most in one answer, nothing at all in every other, and
// lists one shard at a time; a reader has to live with all of that.
type fakeStream struct {
	t  *testing.T
	mu sync.Mutex

	arn       string
	items     map[string]jsonItem
	shards    []*fakeShard
	iterators map[string]*fakeIterator
	last      int            // sequence number
	silent    bool           // about the time
	ops       map[string]int // how often each operation was asked for
	trouble   func(request) *answer
	log       strings.Builder // of the readers; to be read when they rest
}

type fakeShard struct {
	id, parent string
	records    []fakeRecord
	sought     int // how many iterators were asked for
	trimmed    int // the highest sequence number that is gone
	ended      bool
}

type fakeRecord struct {
	sequence int
	json     map[string]any
}

type fakeIterator struct {
	shard   *fakeShard
	after   int
	reads   int
	expired bool
}

func newFakeStream(t *testing.T, shards ...string) *fakeStream {
	f := &fakeStream{t: t, arn: "arn:stream:1", items: map[string]jsonItem{}, iterators: map[string]*fakeIterator{}, ops: map[string]int{}}
	for _, id := range shards {
		f.shards = append(f.shards, &fakeShard{id: id})
	}
	return f
}

// wire answers the requests.
func (f *fakeStream) wire(r request) answer {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ops[r.op]++
	if f.trouble != nil {
		if a := f.trouble(r); a != nil {
			return *a
		}
	}
	var in fakeInput
	r.into(f.t, &in)
	switch r.op {
	case "DescribeTable":
		return ok(map[string]any{"Table": map[string]any{"LatestStreamArn": f.arn}})
	case "GetItem":
		return ok(map[string]any{"Item": f.items[in.Key.name()]})
	case "PutItem":
		f.items[in.Item.name()] = in.Item
		f.record(f.open(), nil, in.Item)
		return ok(struct{}{})
	case "Query":
		return f.query(in)
	case "DescribeStream":
		return f.describe(in)
	case "GetShardIterator":
		return f.iterator(in)
	case "GetRecords":
		return f.records(in)
	}
	f.t.Errorf("got a %s", r.op)
	return answer{err: io.ErrClosedPipe}
}

// fakeInput has the parameters of all operations.
type fakeInput struct {
	Key, Item                 jsonItem
	ExpressionAttributeValues map[string]map[string]string
	StreamArn                 string
	ExclusiveStartShardID     string `json:"ExclusiveStartShardId"`
	ShardID                   string `json:"ShardId"`
	ShardIteratorType         string
	SequenceNumber            string
	ShardIterator             string
}

func (it jsonItem) name() string {
	return fmt.Sprint(it["pk"]["S"], "\x00", it["sk"]["S"])
}

func (f *fakeStream) query(in fakeInput) answer {
	prefix := in.ExpressionAttributeValues[":0"]["S"] + "\x00" + in.ExpressionAttributeValues[":1"]["S"]
	var found []jsonItem
	for name, it := range f.items {
		if strings.HasPrefix(name, prefix) {
			found = append(found, it)
		}
	}
	slices.SortFunc(found, func(a, b jsonItem) int { return cmp.Compare(a.name(), b.name()) })
	return ok(map[string]any{"Items": found})
}

func (f *fakeStream) describe(in fakeInput) answer {
	if in.StreamArn != f.arn {
		return failure("ResourceNotFoundException")
	}
	at := 0
	if in.ExclusiveStartShardID != "" {
		at = 1 + slices.IndexFunc(f.shards, func(s *fakeShard) bool { return s.id == in.ExclusiveStartShardID })
	}
	stream, list := map[string]any{}, []any{}
	if at < len(f.shards) {
		sh := f.shards[at]
		listed := map[string]any{"ShardId": sh.id}
		if sh.parent != "" {
			listed["ParentShardId"] = sh.parent
		}
		list = append(list, listed)
		if at+1 < len(f.shards) {
			stream["LastEvaluatedShardId"] = sh.id
		}
	}
	stream["Shards"] = list
	a := ok(map[string]any{"StreamDescription": stream})
	if !f.silent {
		a.date = time.Now().UTC().Format(http.TimeFormat)
	}
	return a
}

func (f *fakeStream) iterator(in fakeInput) answer {
	sh := f.shard(in.ShardID)
	if sh == nil || in.StreamArn != f.arn {
		return failure("ResourceNotFoundException")
	}
	sh.sought++
	it := &fakeIterator{shard: sh}
	switch in.ShardIteratorType {
	case "LATEST":
		it.after = f.last
	case "TRIM_HORIZON":
		it.after = sh.trimmed
	case "AFTER_SEQUENCE_NUMBER":
		it.after, _ = strconv.Atoi(in.SequenceNumber)
	case "AT_SEQUENCE_NUMBER":
		it.after, _ = strconv.Atoi(in.SequenceNumber)
		it.after--
	}
	if it.after < sh.trimmed {
		return failure("TrimmedDataAccessException")
	}
	return ok(map[string]any{"ShardIterator": f.keep(it)})
}

func (f *fakeStream) keep(it *fakeIterator) string {
	name := fmt.Sprintf("iterator-%d", len(f.iterators))
	f.iterators[name] = it
	return name
}

func (f *fakeStream) records(in fakeInput) answer {
	it := f.iterators[in.ShardIterator]
	switch {
	case f.shard(it.shard.id) != it.shard:
		return failure("ResourceNotFoundException")
	case it.expired:
		return failure("ExpiredIteratorException")
	case it.after < it.shard.trimmed:
		return failure("TrimmedDataAccessException")
	}
	next := &fakeIterator{shard: it.shard, after: it.after, reads: it.reads + 1}
	out, left := []any{}, 0
	for _, r := range it.shard.records {
		switch {
		case r.sequence <= it.after:
		case it.reads%2 == 0 || len(out) == 2:
			left++
		default:
			out = append(out, r.json)
			next.after = r.sequence
		}
	}
	body := map[string]any{"Records": out}
	if left > 0 || !it.shard.ended {
		body["NextShardIterator"] = f.keep(next)
	}
	return ok(body)
}

func (f *fakeStream) shard(id string) *fakeShard {
	for _, sh := range f.shards {
		if sh.id == id {
			return sh
		}
	}
	return nil
}

// open returns the first shard that takes records.
func (f *fakeStream) open() *fakeShard {
	for _, sh := range f.shards {
		if !sh.ended {
			return sh
		}
	}
	f.t.Error("all shards have ended")
	return nil
}

// record appends to a shard.
func (f *fakeStream) record(sh *fakeShard, old, image jsonItem) map[string]any {
	f.last++
	change := map[string]any{
		"SequenceNumber":              fmt.Sprintf("%021d", f.last),
		"ApproximateCreationDateTime": time.Now().Unix(),
	}
	for name, it := range map[string]jsonItem{"OldImage": old, "NewImage": image} {
		if it != nil {
			change[name] = it
			change["Keys"] = jsonItem{"pk": it["pk"], "sk": it["sk"]}
		}
	}
	r := map[string]any{"eventID": fmt.Sprintf("event-%d", f.last), "dynamodb": change}
	sh.records = append(sh.records, fakeRecord{f.last, r})
	return r
}

// write makes a change, by the name of an item, in a shard.
func (f *fakeStream) write(shard, name string) map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.record(f.shard(shard), nil, jsonItem{"pk": {"S": "repo#a"}, "sk": {"S": name}})
}

// split ends a shard and gives it children.
func (f *fakeStream) split(shard string, children ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shard(shard).ended = true
	for _, id := range children {
		// In front of its parent: the order of the list says nothing.
		f.shards = slices.Insert(f.shards, 0, &fakeShard{id: id, parent: shard})
	}
}

// trim removes all records of a shard.
func (f *fakeStream) trim(shard string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	sh := f.shard(shard)
	sh.trimmed, sh.records = f.last, nil
}

// do changes the fake while nobody asks it.
func (f *fakeStream) do(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fakeStream) count(op string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ops[op]
}
