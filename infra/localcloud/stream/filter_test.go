package stream

import "testing"

// A filter that is no pattern is refused before anything is read.
func TestBadFilter(t *testing.T) {
	_, err := New(Config{StartingPosition: Latest, Filters: []string{`{"a":["b"]}`, `{"a":"b"}`}})
	if err == nil {
		t.Error("it is taken")
	}
}
