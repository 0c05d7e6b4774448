package progress_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthregistry/berth/cmd/berth/progress"
	"github.com/berthregistry/berth/shared/mirror"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/transfer"
)

func size(n int64) string { return fmt.Sprintf("%d bytes", n) }

// blob returns the descriptor of so many bytes.
func blob(n int64) oci.Descriptor {
	return oci.Descriptor{MediaType: "test/blob", Digest: oci.SHA256.Sum(fmt.Append(nil, n)), Size: n}
}

func name(d oci.Descriptor) string { return d.Digest.Encoded()[:12] }

// show is a copy of two blobs, of which one is sent in two attempts, and two
// that are there. The second blob comes to no end unless it is told to.
func show(d progress.Display, ends bool) (first, second oci.Descriptor) {
	first, second = blob(1000), blob(500)
	d.Planned(mirror.Plan{Move: []oci.Descriptor{first, second}, Place: []oci.Descriptor{blob(7)}})
	d.Settled(blob(1), transfer.There)
	d.Settled(blob(2), transfer.Mounted)
	var both sync.WaitGroup
	both.Go(func() {
		for range 10 {
			d.Moved(first, 60)
		}
		d.Moved(first, -600)
		for range 10 {
			d.Moved(first, 100)
		}
		d.Settled(first, transfer.Direct)
	})
	both.Go(func() {
		d.Moved(second, 300)
		if ends {
			d.Moved(second, 200)
			d.Settled(second, transfer.Plain)
		}
	})
	both.Wait()
	fmt.Fprintln(d, "trying again")
	d.Placed(blob(7), []string{"v1"})
	return first, second
}

func TestLines(t *testing.T) {
	var out bytes.Buffer
	d := progress.Lines(&out, size)
	first, second := show(d, true)
	d.Close()
	for _, want := range []string{
		"to be moved: 2 blobs of 1500 bytes\n",
		name(first) + " 1000 bytes moved, direct\n",
		name(second) + " 500 bytes moved, plain\n",
		name(blob(2)) + " mounted\n",
		"trying again\n",
		name(blob(7)) + " tagged v1\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got %q, want %q in it", out.String(), want)
		}
	}
	if got := strings.Count(out.String(), "\n"); got != 6 {
		t.Errorf("%d lines, want 6: what is there, and what moves, is not said", got)
	}
}

func TestEvents(t *testing.T) {
	var out bytes.Buffer
	d := progress.Events(&out)
	_, second := show(d, true)
	d.Close()
	for _, want := range []string{
		`{"event":"plan","blobs":2,"bytes":1500,"manifests":1}` + "\n",
		fmt.Sprintf(`{"event":"blob","digest":%q,"size":500,"way":"plain"}`+"\n", second.Digest),
		fmt.Sprintf(`{"event":"blob","digest":%q,"size":1,"way":"present"}`+"\n", blob(1).Digest),
		`{"event":"note","text":"trying again"}` + "\n",
		fmt.Sprintf(`{"event":"manifest","mediaType":"test/blob","digest":%q,"size":7,"tags":["v1"]}`+"\n", blob(7).Digest),
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got %q, want %q in it", out.String(), want)
		}
	}
}

func TestBars(t *testing.T) {
	for _, ends := range []bool{true, false} {
		var out bytes.Buffer
		d := progress.Bars(&out, size)
		first, second := show(d, ends)
		closed := make(chan struct{})
		go func() { d.Close(); close(closed) }()
		select {
		case <-closed:
		case <-time.After(10 * time.Second):
			t.Fatal("the bars do not end")
		}
		want := []string{"total", name(first), name(second), " 1000 bytes", " 500 bytes", " 1500 bytes", "trying again"}
		if !ends {
			want = []string{name(first), " 1000 bytes", " 300 bytes of 500 bytes, not done", " 1300 bytes of 1500 bytes, not done"}
		}
		for _, part := range want {
			if !strings.Contains(out.String(), part) {
				t.Errorf("got %q, want %q in it", out.String(), part)
			}
		}
	}
}

// Somebody else may have brought a blob by the time that we come to it.
func TestBarsOfWhatIsThereAfterAll(t *testing.T) {
	var out bytes.Buffer
	d := progress.Bars(&out, size)
	one := blob(1000)
	d.Planned(mirror.Plan{Move: []oci.Descriptor{one}})
	d.Settled(blob(1), transfer.There)
	d.Settled(one, transfer.There)
	d.Close()
	if !strings.Contains(out.String(), " 1000 bytes") || strings.Contains(out.String(), "not done") {
		t.Errorf("got %q", out.String())
	}
}

// What fails before anything is known, or has nothing to do, shows nothing.
func TestBarsOfNothing(t *testing.T) {
	var out bytes.Buffer
	progress.Bars(&out, size).Close()
	d := progress.Bars(&out, size)
	d.Planned(mirror.Plan{})
	d.Close()
	if out.Len() > 0 {
		t.Errorf("got %q", out.String())
	}
}

func TestNobodyLooksAtAFile(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if progress.IsTerminal(file) || progress.IsTerminal(&bytes.Buffer{}) {
		t.Error("a file is taken for a terminal")
	}
}
