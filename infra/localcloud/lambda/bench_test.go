package lambda_test

import (
	"testing"
	"time"

	"github.com/berthregistry/berth/infra/localcloud/lambda"
)

// BenchmarkWarm is what one invocation costs beside what the function does,
// which here is nothing.
func BenchmarkWarm(b *testing.B) {
	f := newFunction(b, lambda.Config{Handler: "echoes", Timeout: 10 * time.Second})
	event := []byte(`{"hello":"world"}`)
	for b.Loop() {
		if _, err := f.Invoke(b.Context(), event); err != nil {
			b.Fatal(err)
		}
	}
	if n := f.Stats().ColdStarts; n != 1 {
		b.Fatalf("%d cold starts", n)
	}
}

func BenchmarkWarmParallel(b *testing.B) {
	f := newFunction(b, lambda.Config{Handler: "echoes", Timeout: 10 * time.Second})
	event := []byte(`{"hello":"world"}`)
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := f.Invoke(b.Context(), event); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkCold(b *testing.B) {
	f := newFunction(b, lambda.Config{Handler: "echoes", Timeout: 10 * time.Second, Idle: time.Nanosecond})
	for b.Loop() {
		if _, err := f.Invoke(b.Context(), []byte(`{}`)); err != nil {
			b.Fatal(err)
		}
		eventually(b, "it has ended", func() bool { return len(f.Stats().Environments) == 0 })
	}
}
