package local_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/berthregistry/berth/shared/table"
)

// manifest is an item of about 2 KB, like the manifest of an image.
func manifest(key table.Key) table.Action {
	return table.Put(key,
		table.B("body", []byte(strings.Repeat("m", 1700))), table.S("mediaType", "application/vnd.oci.image.manifest.v1+json"),
		table.N("size", 1700), table.S("subject", ""), table.S("artifactType", ""), table.N("referrers", 3),
		table.S("config", "sha256:"+strings.Repeat("0", 64)), table.N("pushed", 1700000000), table.N("layers", 8),
		table.S("state", "live"),
	)
}

func fill(b *testing.B, s table.Store, n int) []table.Key {
	b.Helper()
	keys := make([]table.Key, n)
	for i := 0; i < n; i += 50 {
		var actions []table.Action
		for j := i; j < min(n, i+50); j++ {
			keys[j] = table.Key{Partition: fmt.Sprintf("repo#team/app-%d", j%10), Sort: fmt.Sprintf("manifest#sha256:%064x", j*7919)}
			actions = append(actions, manifest(keys[j]))
		}
		if err := s.Transact(b.Context(), tx(actions...)); err != nil {
			b.Fatal(err)
		}
	}
	return keys
}

// BenchmarkGet reads items of 2 KB out of 20 MB: the same again and again, each
// in its turn, and from 64 goroutines.
func BenchmarkGet(b *testing.B) {
	s := open(b)
	keys := fill(b, s, 10_000)
	get := func(b *testing.B, key table.Key) {
		if _, err := s.Get(b.Context(), key); err != nil {
			b.Error(err)
		}
	}
	b.Run("same", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			get(b, keys[4711])
		}
	})
	b.Run("spread", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			get(b, keys[i%len(keys)])
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.SetParallelism(64 / runtime.GOMAXPROCS(0))
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				get(b, keys[i*31%len(keys)])
			}
		})
	})
}

func BenchmarkGetMany(b *testing.B) {
	s := open(b)
	keys := fill(b, s, 1000)[:100]
	for name, names := range map[string][]string{"whole": nil, "projected": {"state", "size"}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.GetMany(b.Context(), keys, names...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkQuery(b *testing.B) {
	s := open(b)
	fill(b, s, 10_000)
	for b.Loop() {
		if _, err := s.Query(b.Context(), table.Query{Partition: "repo#team/app-3", Prefix: "manifest#", Limit: 100}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTransact commits transactions of three keys with two conditions,
// durably, into a table that has some size.
func BenchmarkTransact(b *testing.B) {
	for _, writers := range []int{1, 16} {
		for _, consumers := range []int{0, 1} {
			b.Run(fmt.Sprintf("writers=%d/consumers=%d", writers, consumers), func(b *testing.B) {
				s := open(b)
				fill(b, s, 10_000)
				for range consumers {
					go s.Changes(b.Context(), "bench", func(context.Context, []table.Change) error { return nil })
				}
				transactAll(b, s, writers)
			})
		}
	}
}

func transactAll(b *testing.B, s table.Store, writers int) {
	var next atomic.Int64
	var all sync.WaitGroup
	b.ResetTimer()
	for range writers {
		all.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				repo := fmt.Sprintf("repo#team/app-%d", n%10)
				err := s.Transact(b.Context(), tx(
					table.Put(table.Key{Partition: repo, Sort: fmt.Sprintf("tag#v%d", n)}, table.S("digest", "sha256:"+strings.Repeat("1", 64))).When(table.Absent()),
					table.Update(table.Key{Partition: repo, Sort: "count"}).Adding("tags", 1),
					table.Check(table.Key{Partition: repo, Sort: fmt.Sprintf("blob#%d", n)}, table.Absent()),
				))
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tx/s")
}
