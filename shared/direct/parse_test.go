package direct_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/direct"
	"github.com/berthregistry/berth/shared/oci"
)

const digest = oci.Digest("sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae")

var sum = string(digest[len("sha256:"):])

func TestParseBegin(t *testing.T) {
	long := "sha512:" + strings.Repeat("0a", 64)
	for body, want := range map[string]direct.Begin{
		`{}`:                                 {},
		" \r\n\t{ } \n":                      {},
		`{"blobs":null,"manifests":[]}`:      {Manifests: []oci.Digest{}},
		`{"blobs":[{}]}`:                     {Blobs: []direct.Wanted{{Size: -1}}},
		`{"blobs":[{"size":-1}]}`:            {Blobs: []direct.Wanted{{Size: -1}}},
		`{"blobs":[{"size":0}]}`:             {Blobs: []direct.Wanted{{}}},
		`{"blobs":[{"size":5497558138880}]}`: {Blobs: []direct.Wanted{{Size: direct.MaxSize}}},
		`{"blobs":[{"digest":"` + string(digest) + `","size":3,"from":"a/b"}]}`: {Blobs: []direct.Wanted{{Digest: digest, Size: 3, From: "a/b"}}},
		`{"manifests":["` + long + `","` + string(digest) + `"]}`:               {Manifests: []oci.Digest{oci.Digest(long), digest}},
		// What a later client adds, it can do without.
		`{"blobs":[{"size":1,"mediaType":{"a":[1]}}],"priority":"high"}`: {Blobs: []direct.Wanted{{Size: 1}}},
	} {
		got, err := direct.ParseBegin([]byte(body))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("ParseBegin(%s) = %+v, %v, want %+v", body, got, err, want)
		}
	}
}

func TestParseBeginRefuses(t *testing.T) {
	for body, want := range map[string]*oci.Error{
		``:                         oci.ErrUploadInvalid,
		`null`:                     oci.ErrUploadInvalid,
		`[]`:                       oci.ErrUploadInvalid,
		`{`:                        oci.ErrUploadInvalid,
		`{}{}`:                     oci.ErrUploadInvalid,
		`{"blobs":{}}`:             oci.ErrUploadInvalid,
		`{"blobs":["x"]}`:          oci.ErrUploadInvalid,
		`{"blobs":[{"size":"1"}]}`: oci.ErrUploadInvalid,
		`{"blobs":[{"size":1.5}]}`: oci.ErrUploadInvalid,
		`{"blobs":[{"size":1e3}]}`: oci.ErrUploadInvalid,
		`{"blobs":[{"size":1` + strings.Repeat("0", 200_000) + `}]}`: oci.ErrUploadInvalid,
		`{"manifests":[1]}`:      oci.ErrUploadInvalid,
		blobs(101, `{"size":1}`): oci.ErrUploadInvalid,
		`{"manifests":[` + list(101, `"`+string(digest)+`"`) + `]}`: oci.ErrUploadInvalid,
		`{"manifests":[""]}`:                                               oci.ErrDigestInvalid,
		`{"manifests":["latest"]}`:                                         oci.ErrDigestInvalid,
		blobs(1, `{"digest":"sha256:0a","size":1}`):                        oci.ErrDigestInvalid,
		blobs(1, `{"digest":"`+strings.Repeat("x", 100_000)+`","size":1}`): oci.ErrDigestInvalid,
		blobs(1, `{"digest":"`+string(digest)+`"}`):                        oci.ErrSizeInvalid,
		blobs(1, `{"digest":"`+string(digest)+`","size":-1}`):              oci.ErrSizeInvalid,
		blobs(1, `{"size":-2}`):                                            oci.ErrSizeInvalid,
		blobs(1, `{"size":5497558138881}`):                                 oci.ErrSizeInvalid,
		blobs(1, `{"from":"../b"}`):                                        oci.ErrNameInvalid,
		blobs(1, `{"from":"a\r\nb"}`):                                      oci.ErrNameInvalid,
		blobs(1, `{"from":"`+strings.Repeat("a", 100_000)+`"}`):            oci.ErrNameInvalid,
		`{"blobs":[` + numbered(9, `{"from":"r%d"}`) + `]}`:                oci.ErrUploadInvalid,
	} {
		_, err := direct.ParseBegin([]byte(body))
		isShort(t, body, err, want)
	}
}

func TestSources(t *testing.T) {
	b, err := direct.ParseBegin([]byte(`{"blobs":[` + numbered(8, `{"from":"r%d"}`) + `,{"from":"r3"},{}]}`))
	want := []string{"r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7"}
	if got := b.Sources(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func TestParseSign(t *testing.T) {
	part := `{"number":10000,"size":5368709120,"sha256":"` + sum + `"}`
	got, err := direct.ParseSign([]byte(`{"parts":[` + list(100, part) + `]}`))
	if want := (direct.Part{Number: 10_000, Size: direct.MaxPart, SHA256: sum}); err != nil || len(got.Parts) != 100 || got.Parts[99] != want {
		t.Errorf("got %d parts, %v, want 100 of %+v", len(got.Parts), err, want)
	}
	for body, want := range map[string]*oci.Error{
		`{}`:                         oci.ErrUploadInvalid,
		`{"parts":[]}`:               oci.ErrUploadInvalid,
		`{"parts":[null]}`:           oci.ErrUploadInvalid,
		parts(`"number":0`):          oci.ErrUploadInvalid,
		parts(`"number":-1`):         oci.ErrUploadInvalid,
		parts(`"number":10001`):      oci.ErrUploadInvalid,
		parts(`"number":1`):          oci.ErrDigestInvalid,
		parts(`"number":1,"size":1`): oci.ErrDigestInvalid,
		parts(`"number":1,"size":1,"sha256":"` + strings.ToUpper(sum) + `"`): oci.ErrDigestInvalid,
		parts(`"number":1,"size":0,"sha256":"` + sum + `"`):                  oci.ErrSizeInvalid,
		parts(`"number":1,"size":-1,"sha256":"` + sum + `"`):                 oci.ErrSizeInvalid,
		parts(`"number":1,"size":5368709121,"sha256":"` + sum + `"`):         oci.ErrSizeInvalid,
		`{"parts":[` + list(101, part) + `]}`:                                oci.ErrUploadInvalid,
	} {
		_, err := direct.ParseSign([]byte(body))
		isShort(t, body, err, want)
	}
}

func TestParseComplete(t *testing.T) {
	got, err := direct.ParseComplete([]byte(`{"digest":"` + string(digest) + `","size":0}`))
	if want := (direct.Complete{Digest: digest}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for body, want := range map[string]*oci.Error{
		``:                                    oci.ErrUploadInvalid,
		`{}`:                                  oci.ErrDigestInvalid,
		`{"size":3}`:                          oci.ErrDigestInvalid,
		`{"digest":"` + string(digest) + `"}`: oci.ErrSizeInvalid,
		`{"digest":"` + string(digest) + `","size":-1}`:            oci.ErrSizeInvalid,
		`{"digest":"` + string(digest) + `","size":5497558138881}`: oci.ErrSizeInvalid,
	} {
		_, err := direct.ParseComplete([]byte(body))
		isShort(t, body, err, want)
	}
}

func FuzzParseBegin(f *testing.F) {
	f.Add([]byte(`{"blobs":[{"digest":"` + string(digest) + `","size":3,"from":"a/b"},{"size":-1}],"manifests":["` + string(digest) + `"]}`))
	f.Fuzz(func(t *testing.T, raw []byte) { again(t, raw, direct.ParseBegin) })
}

func FuzzParseSign(f *testing.F) {
	f.Add([]byte(parts(`"number":1,"size":5242880,"sha256":"` + sum + `"`)))
	f.Fuzz(func(t *testing.T, raw []byte) { again(t, raw, direct.ParseSign) })
}

func FuzzParseComplete(f *testing.F) {
	f.Add([]byte(`{"digest":"` + string(digest) + `","size":3}`))
	f.Fuzz(func(t *testing.T, raw []byte) { again(t, raw, direct.ParseComplete) })
}

// again holds a parser to what it makes of what it has read, and to errors of
// the spec that do not say again what a stranger sent.
func again[T any](t *testing.T, raw []byte, parse func([]byte) (T, error)) {
	t.Helper()
	first, err := parse(raw)
	if err != nil {
		isShort(t, string(raw), err, nil)
		return
	}
	written, err := json.Marshal(first)
	if err != nil {
		t.Fatal(err)
	}
	second, err := parse(written)
	if err != nil {
		t.Fatalf("%q is read and %q is not: %v", raw, written, err)
	}
	if twice, _ := json.Marshal(second); string(twice) != string(written) {
		t.Fatalf("%q is read as %s and then as %s", raw, written, twice)
	}
}

// isShort wants an error of a kind, of any if that is nil, in few words.
func isShort(t *testing.T, body string, err error, want *oci.Error) {
	t.Helper()
	var e *oci.Error
	if !errors.As(err, &e) || want != nil && !errors.Is(err, want) {
		t.Errorf("%.100s: got %v, want %v", body, err, want)
		return
	}
	if said := fmt.Sprint(e, e.Detail); len(said) > 1000 || strings.Contains(said, "direct.") {
		t.Errorf("%.100s: says %.300s", body, said)
	}
}

func blobs(n int, one string) string { return `{"blobs":[` + list(n, one) + `]}` }

func parts(one string) string { return `{"parts":[{` + one + `}]}` }

func list(n int, one string) string { return strings.TrimSuffix(strings.Repeat(one+",", n), ",") }

func numbered(n int, form string) string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf(form, i))
	}
	return strings.Join(out, ",")
}
