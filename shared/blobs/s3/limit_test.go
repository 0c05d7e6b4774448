package s3

import (
	"bytes"
	"crypto/sha256"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/berthregistry/berth/shared/blobs"
)

// canned returns a store whose service is a function: for cases that a real
// one gets into after 50 GiB, or never.
func canned(t *testing.T, answer http.HandlerFunc) *Store {
	t.Helper()
	server := httptest.NewTLSServer(answer)
	t.Cleanup(server.Close)
	return New(s3.New(s3.Options{
		BaseEndpoint: &server.URL,
		Region:       "us-east-1",
		Credentials:  credentials.NewStaticCredentialsProvider("key", "secret", ""),
		UsePathStyle: true,
		HTTPClient:   server.Client(),
	}), "bucket", "")
}

// takeAll accepts parts and objects, and calls each part by this ETag.
func takeAll(etag string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("ETag", `"`+etag+`"`)
	}
}

func TestPartsRunOut(t *testing.T) {
	store := canned(t, takeAll(strings.Repeat("ab", 16)))
	st := exampleState(maxParts-2, 0)
	u := blobs.Upload{Key: "a", Size: 9998 * minPart, State: st.encode()}
	least := leastPart(u.Size)

	u, err := store.Append(t.Context(), u, bytes.NewReader(make([]byte, least)))
	if err != nil {
		t.Fatalf("append the last part but one: %v", err)
	}
	next, err := store.Append(t.Context(), u, bytes.NewReader(make([]byte, 2*least)))
	if !errors.Is(err, ErrTooLarge) || next.Size != u.Size || !bytes.Equal(next.State, u.State) {
		t.Fatalf("append one part more: got size %d, error %v, want %d and ErrTooLarge", next.Size, err, u.Size)
	}
	// Part 10,000 is left for a tail.
	next, err = store.Append(t.Context(), u, strings.NewReader("abc"))
	if err != nil || next.Size != u.Size+3 {
		t.Fatalf("append a tail: got size %d, error %v", next.Size, err)
	}
	if len(next.State) > 300<<10 {
		t.Errorf("state: got %d bytes, want at most 300 KiB", len(next.State))
	}
}

// TestStateRunsOut has a service whose ETags are no sums and cannot be packed.
func TestStateRunsOut(t *testing.T) {
	long := strings.Repeat("etag", 16)
	store := canned(t, takeAll(long))
	st := exampleState(4265, 0)
	for i := range st.parts {
		st.parts[i].etag = long
	}
	u := blobs.Upload{Key: "a", Size: 4265 * minPart, State: st.encode()}
	var err error
	for i := 0; err == nil && i < 20; i++ {
		u, err = store.Append(t.Context(), u, bytes.NewReader(make([]byte, 6<<20)))
		if len(u.State) > 300<<10 {
			t.Fatalf("state: got %d bytes, want at most 300 KiB", len(u.State))
		}
	}
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("append without end: got error %v, want ErrTooLarge", err)
	}
}

// TestPartsAreSigned: the SDK signs no bytes where there is TLS, the store does.
func TestPartsAreSigned(t *testing.T) {
	body := bytes.Repeat([]byte("abcd"), minPart/4)
	want := fmt.Sprintf("%x", sha256.Sum256(body))
	parts := 0
	store := canned(t, func(w http.ResponseWriter, r *http.Request) {
		takeAll("etag")(w, r)
		if r.Method == http.MethodPost {
			io.WriteString(w, "<InitiateMultipartUploadResult><UploadId>id</UploadId></InitiateMultipartUploadResult>")
			return
		}
		parts++
		if got := r.Header.Get("X-Amz-Content-Sha256"); got != want {
			t.Errorf("signed sum of a part: got %q, want %q", got, want)
		}
	})
	if _, err := store.Append(t.Context(), blobs.Upload{Key: "a"}, bytes.NewReader(body)); err != nil || parts != 1 {
		t.Errorf("append: got %d parts, error %v, want 1", parts, err)
	}
}

// completion is what a Complete asks for.
type completion struct {
	Parts []struct {
		PartNumber    int
		ETag          string
		ChecksumCRC32 string
	} `xml:"Part"`
}

// TestCompleteNamesItsParts: numbers, ETags and checksums are those of the
// state, the object must be new and as long as was said.
func TestCompleteNamesItsParts(t *testing.T) {
	st := exampleState(maxParts-1, 0)
	var asked completion
	var header http.Header
	store := canned(t, func(w http.ResponseWriter, r *http.Request) {
		header = r.Header
		if err := xml.NewDecoder(r.Body).Decode(&asked); err != nil {
			t.Errorf("decode: %v", err)
		}
		fmt.Fprintf(w, "<CompleteMultipartUploadResult><ChecksumCRC32>%s</ChecksumCRC32></CompleteMultipartUploadResult>", *st.sumOfParts())
	})
	u := blobs.Upload{Key: "a", Size: 1 << 35, State: st.encode()}
	if err := store.Complete(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if got := header.Get("If-None-Match"); got != "*" {
		t.Errorf("If-None-Match: got %q, want *", got)
	}
	if got, want := header.Get("X-Amz-Mp-Object-Size"), fmt.Sprint(u.Size); got != want {
		t.Errorf("object size: got %q, want %q", got, want)
	}
	if len(asked.Parts) != len(st.parts) {
		t.Fatalf("parts: got %d, want %d", len(asked.Parts), len(st.parts))
	}
	for i, got := range asked.Parts {
		want := completedPart(i+1, st.parts[i])
		if got.PartNumber != i+1 || got.ETag != *want.ETag || got.ChecksumCRC32 != *want.ChecksumCRC32 {
			t.Fatalf("part %d: got %+v", i+1, got)
		}
	}
}

// TestCompleteThatIsNotOurs has a service that calls any Complete done, as S3
// does when it was done before.
func TestCompleteThatIsNotOurs(t *testing.T) {
	st := exampleState(3, 0)
	u := blobs.Upload{Key: "a", Size: 20 << 20, State: st.encode()}
	for name, c := range map[string]struct {
		size   int64
		sum    string
		absent bool
		want   error
	}{
		"ours":           {size: u.Size, sum: *st.sumOfParts()},
		"other bytes":    {size: u.Size, sum: "AAAAAA==-3", want: blobs.ErrUploadLost},
		"other size":     {size: 1, sum: *st.sumOfParts(), want: blobs.ErrUploadLost},
		"no checksum":    {size: u.Size, want: blobs.ErrUploadLost},
		"not there, yet": {absent: true, want: errNotYet},
	} {
		store := canned(t, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == http.MethodPost:
				io.WriteString(w, "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>")
			case c.absent:
				w.WriteHeader(http.StatusNotFound)
			default:
				w.Header().Set("Content-Length", fmt.Sprint(c.size))
				w.Header().Set("X-Amz-Checksum-Crc32", c.sum)
			}
		})
		if err := store.Complete(t.Context(), u); !errors.Is(err, c.want) {
			t.Errorf("%s: got error %v, want %v", name, err, c.want)
		}
	}
}
