package dynamo

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	streams "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/berthregistry/berth/shared/table"
)

// What is written comes back the same, from the table, from its stream and from
// what Lambda makes of that.
func FuzzItem(f *testing.F) {
	f.Add("repo#a", "tag#1", "size", int64(math.MinInt64), "text", []byte{0}, int64(1700000000))
	f.Add("p", "s", "a", int64(math.MaxInt64), "", []byte(nil), int64(0))
	f.Fuzz(func(t *testing.T, partition, sort, name string, n int64, s string, b []byte, expires int64) {
		want := table.Item{
			Key: table.Key{Partition: partition, Sort: sort}, Version: "token",
			Attrs: table.Attrs{table.N(name+"1", n), table.S(name+"2", s), table.B(name+"3", b)},
		}
		if expires != 0 {
			want.Expires = time.Unix(expires, 0)
		}
		encoded := encode(want)
		got, err := decode(encoded, attr)
		wantSame(t, got, err, want)
		got, err = decode(streamed(encoded), streamAttr)
		wantSame(t, got, err, want)
		if !slices.ContainsFunc([]string{partition, sort, name, s}, func(s string) bool { return !utf8.ValidString(s) }) { // JSON is
			got, err = decode(handed(t, encoded), eventAttr)
			wantSame(t, got, err, want)
		}
	})
}

// handed is an image as Lambda hands it to a function.
func handed(t *testing.T, image map[string]types.AttributeValue) map[string]eventValue {
	values := map[string]map[string]any{}
	for name, v := range image {
		switch v := v.(type) {
		case *types.AttributeValueMemberS:
			values[name] = map[string]any{"S": v.Value}
		case *types.AttributeValueMemberN:
			values[name] = map[string]any{"N": v.Value}
		case *types.AttributeValueMemberB:
			values[name] = map[string]any{"B": v.Value}
		}
	}
	text, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]eventValue
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func wantSame(t *testing.T, got table.Item, err error, want table.Item) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if got.Key != want.Key || got.Version != want.Version || !got.Expires.Equal(want.Expires) || !slices.EqualFunc(got.Attrs, want.Attrs, table.Attr.Equal) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// streamed is an image as the stream gives it, in the stream's own types.
func streamed(image map[string]types.AttributeValue) map[string]streams.AttributeValue {
	out := make(map[string]streams.AttributeValue, len(image))
	for name, v := range image {
		switch v := v.(type) {
		case *types.AttributeValueMemberS:
			out[name] = &streams.AttributeValueMemberS{Value: v.Value}
		case *types.AttributeValueMemberN:
			out[name] = &streams.AttributeValueMemberN{Value: v.Value}
		case *types.AttributeValueMemberB:
			out[name] = &streams.AttributeValueMemberB{Value: v.Value}
		}
	}
	return out
}

// FuzzNumber holds that a number is read exactly or not at all.
func FuzzNumber(f *testing.F) {
	for _, s := range []string{"0", "-0", "+1", "9223372036854775807", "9223372036854775808", "1e3", "0x1", "1_0", " 1", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := number("n", s)
		if err != nil {
			return
		}
		again, err := number("n", integer(a.Num()).(*types.AttributeValueMemberN).Value)
		if err != nil || !again.Equal(a) {
			t.Errorf("%q is read as %d, and that as %d, %v", s, a.Num(), again.Num(), err)
		}
	})
}
