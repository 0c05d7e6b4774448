package blobstest_test

import (
	"crypto/sha256"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/blobs/blobstest"
)

// served is a Memory behind a server, so that its URLs can be followed.
func served(t testing.TB) blobs.Store {
	server := httptest.NewUnstartedServer(nil)
	store := blobstest.NewMemory(blobstest.MemoryOptions{Base: "http://" + server.Listener.Addr().String()})
	server.Config.Handler = store
	server.Start()
	t.Cleanup(server.Close)
	return store
}

func TestMemory(t *testing.T) {
	blobstest.Run(t, func(testing.TB) blobs.Store { return blobstest.NewMemory(blobstest.MemoryOptions{}) })
}

func TestMemoryLocates(t *testing.T) { blobstest.RunLocator(t, served) }

func TestMemoryIsDirect(t *testing.T) {
	blobstest.RunDirect(t, served, func(_ testing.TB, store blobs.Store, key string) bool {
		return slices.Contains(store.(*blobstest.Memory).Marked(), key)
	})
}

// TestHollow: what matters about 50 GB is counted, not kept.
func TestHollow(t *testing.T) {
	const size, partSize = 50 << 30, 16 << 20
	store := blobstest.NewMemory(blobstest.MemoryOptions{})
	id, err := store.BeginParts(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	for number := 1; number <= size/partSize; number++ {
		sum := sha256.Sum256([]byte{byte(number), byte(number >> 8)})
		p := blobs.Part{Number: number, Size: partSize, SHA256: sum[:]}
		url, header, err := store.PartURL(t.Context(), "a", id, p, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if err := store.SendHollow(url, header); err != nil {
			t.Fatalf("part %d: %v", number, err)
		}
	}
	var parts []blobs.Part
	for more := true; more; {
		var page []blobs.Part
		if page, more, err = store.Parts(t.Context(), "a", id, len(parts)); err != nil {
			t.Fatal(err)
		}
		parts = append(parts, page...)
	}
	if err := store.Join(t.Context(), "a", id, parts); err != nil {
		t.Fatal(err)
	}
	if got, _, err := store.Stat(t.Context(), "a"); got != size || err != nil {
		t.Errorf("stat: got size %d, error %v, want %d", got, err, int64(size))
	}
	last := make([]byte, 10)
	if err := store.ReadAt(t.Context(), "a", last, size-10); err != nil {
		t.Errorf("read the last bytes: %v", err)
	}
	if err := store.ReadAt(t.Context(), "a", last, size-9); err == nil {
		t.Error("read past the end: got no error")
	}
}
