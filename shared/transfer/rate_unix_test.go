//go:build unix

package transfer

import (
	"context"
	"crypto/sha256"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/oci"
)

// A file is a Source of a file.
type file struct{ *os.File }

func (f file) ReadPart(_ context.Context, off int64, p []byte) error {
	_, err := f.ReadAt(p, off)
	return err
}

// processor is how much time of processors this process has used.
func processor() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

const (
	rateBlobs = 4
	rateSize  = 512 << 20
)

// perGiB reports what moving all blobs once has cost.
func perGiB(b *testing.B, move func()) {
	b.SetBytes(rateBlobs * rateSize)
	before := processor()
	for b.Loop() {
		move()
	}
	gib := float64(b.N) * rateBlobs * rateSize / (1 << 30)
	b.ReportMetric((processor()-before).Seconds()/gib, "cpu-s/GiB")
}

func sparse(b *testing.B) file {
	b.Helper()
	f, err := os.Create(filepath.Join(b.TempDir(), "blob"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = f.Close() })
	p := randomBytes(1, 1<<20)
	for i := range int64(rateSize >> 20) {
		_, _ = f.WriteAt(p, i<<20)
	}
	return file{f}
}

// BenchmarkReadAndHash is what a push cannot do without, but for the sending.
func BenchmarkReadAndHash(b *testing.B) {
	from := sparse(b)
	perGiB(b, func() {
		var work sync.WaitGroup
		for range rateBlobs {
			work.Go(func() {
				p, h := make([]byte, 1<<20), sha256.New()
				for off := int64(0); off < rateSize; off += int64(len(p)) {
					_ = from.ReadPart(b.Context(), off, p)
					h.Write(p)
				}
			})
		}
		work.Wait()
	})
}

// BenchmarkSendOnly is the sending alone.
func BenchmarkSendOnly(b *testing.B) {
	from, to := sparse(b), startSinkhole(b)+"/store"
	client := &http.Client{Transport: NewTransport()}
	perGiB(b, func() {
		var work sync.WaitGroup
		for range 8 {
			work.Go(func() {
				for off := int64(0); off < rateSize*rateBlobs/8; off += 16 << 20 {
					req, _ := http.NewRequest(http.MethodPut, to, io.NewSectionReader(from, off, 16<<20))
					req.ContentLength = 16 << 20
					if resp, err := client.Do(req); err == nil {
						_ = resp.Body.Close()
					}
				}
			})
		}
		work.Wait()
	})
}

func BenchmarkPush(b *testing.B) {
	from, url := sparse(b), startSinkhole(b)
	e := New(Options{})
	r := open(b, e, url, "team/app")
	perGiB(b, func() {
		var work sync.WaitGroup
		for i := range rateBlobs {
			work.Go(func() {
				d := oci.Descriptor{Digest: oci.SHA256.Sum([]byte{byte(i)}), Size: rateSize}
				if _, err := r.Push(b.Context(), d, from, nil); err != nil {
					b.Error(err)
				}
			})
		}
		work.Wait()
	})
}

func BenchmarkFetch(b *testing.B) {
	url := startSinkhole(b)
	e := New(Options{})
	r := open(b, e, url, "team/app")
	h := sha256.New()
	_, _ = io.CopyN(h, zeros{}, rateSize)
	d := oci.Descriptor{Digest: oci.SHA256.Digest(h), Size: rateSize}
	perGiB(b, func() {
		var work sync.WaitGroup
		for range rateBlobs {
			work.Go(func() {
				from, _ := r.Blob(b.Context(), d)
				defer from.Close()
				if err := e.Fetch(b.Context(), d, from, void{}, nil); err != nil {
					b.Error(err)
				}
			})
		}
		work.Wait()
	})
}
