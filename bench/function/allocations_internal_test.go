package function

import "testing"

const printed = `goos: linux
pkg: github.com/berthregistry/berth/shared/gateway
BenchmarkManifest/whole-2         	     500	     11364 ns/op	    7696 B/op	      65 allocs/op
BenchmarkManifest/handler-16      	     500	      2983 ns/op	    3384 B/op	      36 allocs/op
PASS
ok  	github.com/berthregistry/berth/shared/gateway	0.178s
pkg: github.com/berthregistry/berth/shared/wire
BenchmarkManifest 	    2000	     15901 ns/op	    9012 B/op	      71 allocs/op
BenchmarkManifestList-2 	    2000	     15901 ns/op
`

func TestCounted(t *testing.T) {
	for name, want := range map[string]int{
		"BenchmarkManifest": 71, "BenchmarkManifest/whole": 65, "BenchmarkManifest/handler": 36,
	} {
		if got, err := counted([]byte(printed), name); err != nil || got != want {
			t.Errorf("%s: got %d, %v; want %d", name, got, err, want)
		}
	}
	for _, name := range []string{"BenchmarkManifestList", "BenchmarkManifest/who", "BenchmarkBlob"} {
		if got, err := counted([]byte(printed), name); err == nil {
			t.Errorf("%s: got %d, which nobody has counted", name, got)
		}
	}
}
