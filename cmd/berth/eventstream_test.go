package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// taken reads a stream and returns what it has, each as "id=data".
func taken(text string) (got []string, err error) {
	err = readEventStream(iotest.OneByteReader(strings.NewReader(text)), func(id string, data []byte) error {
		got = append(got, id+"="+string(data))
		return nil
	})
	return got, err
}

func TestReadEventStream(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{"retry: 1000\nid: 1\n\n", []string{"1="}},
		{"id: 1\ndata: x\n\nid: 2\ndata: y\n\n", []string{"1=x", "2=y"}},
		{"id: 1\r\ndata: x\r\n\r\n", []string{"1=x"}},
		{"id:1\ndata:x\n\n", []string{"1=x"}},
		{"data: x\ndata:  y\n\n", []string{"=x\n y"}},
		{": comment\n\n: another\n\n", nil},
		{"event: tag\nid: 1\ndata: x\nunknown\n\n", []string{"1=x"}},
		{"id: 1\ndata: cut off\n", nil},
		{"id: 1\ndata: cut off", nil},
		{"id: 1\ndata: x\n\nid: 2", []string{"1=x"}},
		{"id: a\x00b\ndata: x\n\n", []string{"=x"}},
		{"id: " + strings.Repeat("1", maxMark+1) + "\ndata: x\n\n", []string{"=x"}},
	} {
		got, err := taken(c.text)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%.80q: got %q, %v, want %q", c.text, got, err, c.want)
		}
	}
	for _, text := range []string{
		"data: " + strings.Repeat("x", maxEventLine) + "\n\n",
		strings.Repeat("data: "+strings.Repeat("x", maxEventLine/4)+"\n", 5),
	} {
		if _, err := taken(text); !errors.Is(err, errLongLine) {
			t.Errorf("%d bytes: %v", len(text), err)
		}
	}
	failed := errors.New("failed")
	if err := readEventStream(strings.NewReader("data: x\n\n"), func(string, []byte) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	cut := iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("data: x\n\n")))
	if err := readEventStream(cut, func(string, []byte) error { return nil }); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("got %v", err)
	}
}

// Whatever a server sends is read to its end, and events of ours come back as
// they were.
func FuzzReadEventStream(f *testing.F) {
	f.Add("id: 1\ndata: x\n\n", "2", `{"id":"y"}`)
	f.Add("data", "", "x")
	f.Fuzz(func(t *testing.T, garbage, id, data string) {
		_, _ = taken(garbage)
		if strings.ContainsAny(id+data, "\r\n\x00") || len(id) > maxMark || id+data == "" || strings.HasPrefix(id, " ") {
			return
		}
		got, err := taken(fmt.Sprintf("id: %s\ndata: %s\n\n", id, data))
		if want := id + "=" + data; err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	})
}
