package dynamo_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/table/dynamo"
)

// sample reads the one record of an event in a file.
func sample(t testing.TB, file string) dynamo.EventRecord {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../../events/stream", file))
	if err != nil {
		t.Fatal(err)
	}
	var e dynamo.Event
	if err := json.Unmarshal(text, &e); err != nil || len(e.Records) != 1 {
		t.Fatalf("%s: %d records, %v", file, len(e.Records), err)
	}
	return e.Records[0]
}

func TestEventOfATagThatMoved(t *testing.T) {
	r := sample(t, "tag-moved.json")
	got, err := r.Change()
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != "0c6b5d1e8a3f4b7c9d2e1f0a5b6c7d8e" || got.Key != (table.Key{Partition: "repo#team/app", Sort: "tag#latest"}) ||
		got.Expired || !got.At.Equal(time.Unix(1795309267, 0)) || r.Sequence() != "300000000041953461200" {
		t.Errorf("got %+v, sequence %s", got, r.Sequence())
	}
	if got.Old.Version != "6YJ1L3P5S0" || got.New.Version != "7ZK2M4Q6T1" || got.New.Str("by") != "robot:ci" || len(got.New.Attrs) != 2 {
		t.Errorf("from %+v to %+v", got.Old, got.New)
	}
}

// What the port has no kind for is passed over, and no bit of a number is lost.
func TestEventOfWhatHasExpired(t *testing.T) {
	got, err := sample(t, "expired.json").Change()
	if err != nil {
		t.Fatal(err)
	}
	if !got.Expired || got.New != nil || !got.Old.Expires.Equal(time.Unix(1795222867, 0)) {
		t.Errorf("got %+v, of %+v", got, got.Old)
	}
	old := got.Old.Attrs
	if old.Num("offset") != math.MaxInt64 || string(old.Bin("state")) != "sha\x031\x023" || len(old) != 3 {
		t.Errorf("got %+v", old)
	}
	if a, ok := old.Lookup("empty"); !ok || a.Kind != table.KindB {
		t.Errorf("what is empty is %+v", a)
	}
}

func TestEventOfWhatIsNone(t *testing.T) {
	const keys = `"Keys":{"pk":{"S":"p"},"sk":{"S":"s"}}`
	for name, text := range map[string]string{
		"nothing":     `{}`,
		"no body":     `{"eventID":"1"}`,
		"no id":       `{"dynamodb":{` + keys + `,"NewImage":{"a":{"S":"x"}}}}`,
		"no key":      `{"eventID":"1","dynamodb":{"NewImage":{"a":{"S":"x"}}}}`,
		"half a key":  `{"eventID":"1","dynamodb":{"Keys":{"pk":{"S":"p"}},"NewImage":{"a":{"S":"x"}}}}`,
		"another key": `{"eventID":"1","dynamodb":{"Keys":{"pk":{"N":"1"},"sk":{"S":"s"}},"NewImage":{"a":{"S":"x"}}}}`,
		"no image":    `{"eventID":"1","dynamodb":{` + keys + `}}`,
		"bad number":  `{"eventID":"1","dynamodb":{` + keys + `,"NewImage":{"a":{"N":"1e9"}}}}`,
		"too early":   `{"eventID":"1","dynamodb":{"ApproximateCreationDateTime":-1,` + keys + `,"NewImage":{"a":{"S":"x"}}}}`,
		"too late":    `{"eventID":"1","dynamodb":{"ApproximateCreationDateTime":1e300,` + keys + `,"NewImage":{"a":{"S":"x"}}}}`,
		"a queue's":   `{"messageId":"1","body":"{}","eventSource":"aws:sqs"}`,
	} {
		var r dynamo.EventRecord
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, err := r.Change(); err == nil {
			t.Errorf("%s: got %+v, want an error", name, got)
		}
	}
}

// FuzzEvent holds that whatever comes is a sound change or an error.
func FuzzEvent(f *testing.F) {
	for _, file := range []string{"tag-moved.json", "expired.json"} {
		text, err := os.ReadFile(filepath.Join("../../../events/stream", file))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"Records":[{"eventID":"1","dynamodb":{"Keys":{"pk":{"S":"p","N":"1","B":"AA=="},"sk":{}},"NewImage":{"":{}}}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var e dynamo.Event
		if json.Unmarshal(text, &e) != nil {
			return
		}
		for _, r := range e.Records {
			c, err := r.Change()
			if err != nil {
				continue
			}
			if c.ID == "" || c.Key.Partition == "" || c.Key.Sort == "" || c.Old == nil && c.New == nil {
				t.Errorf("%s became %+v", text, c)
			}
			if _, err := c.At.MarshalJSON(); err != nil {
				t.Errorf("the time of %s: %v", text, err)
			}
		}
	})
}
