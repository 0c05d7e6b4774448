package s3

import (
	"crypto/sha256"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/blobs"
)

func exampleParts(n int) []blobs.Part {
	parts := make([]blobs.Part, n)
	for i := range parts {
		sum := sha256.Sum256([]byte{byte(i), byte(i >> 8)})
		parts[i] = blobs.Part{Number: i + 1, Size: minPart, SHA256: sum[:], Tag: fmt.Sprintf("%032x", i)}
	}
	return parts
}

// signed are the headers that a URL binds.
func signed(t *testing.T, signedURL string) string {
	t.Helper()
	u, err := url.Parse(signedURL)
	if err != nil {
		t.Fatal(err)
	}
	for name := range u.Query() {
		for _, header := range []string{"checksum", "tagging", "if-none-match", "content-length"} {
			if strings.Contains(strings.ToLower(name), header) {
				t.Errorf("%s is in the query, where S3 ignores it", name)
			}
		}
	}
	return u.Query().Get("X-Amz-SignedHeaders")
}

// TestWhatURLsBind: what is in the query binds nothing, what is a header does.
func TestWhatURLsBind(t *testing.T) {
	store, part := canned(t, nil), exampleParts(1)[0]
	at, header, err := store.PartURL(t.Context(), "a", "id", part, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := signed(t, at), "content-length;host;x-amz-checksum-sha256"; got != want {
		t.Errorf("a part URL binds %q, want %q", got, want)
	}
	if got, want := header.Get("X-Amz-Checksum-Sha256"), *encodeSHA256(part.SHA256); got != want || len(header) != 2 {
		t.Errorf("part: headers %v, want the checksum %s and the length", header, want)
	}
	at, header, err = store.MarkedURL(t.Context(), "a", part.Size, part.SHA256, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := signed(t, at), "content-length;content-type;host;if-none-match;x-amz-checksum-sha256;x-amz-tagging"; got != want {
		t.Errorf("a marked URL binds %q, want %q", got, want)
	}
	if got := header.Get("X-Amz-Tagging"); got != mark || len(header) != 5 {
		t.Errorf("marked: headers %v, want the mark and four more", header)
	}
}

// joining answers to a join and to the look at what is there.
type joining struct {
	status int    // of the join
	code   string // its error, if any
	sum    string // its checksum

	absent   bool
	size     int64
	sumThere string
}

func (j joining) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodPost && j.code != "":
		w.WriteHeader(j.status)
		fmt.Fprintf(w, "<Error><Code>%s</Code></Error>", j.code)
	case r.Method == http.MethodPost:
		fmt.Fprintf(w, "<CompleteMultipartUploadResult><ChecksumSHA256>%s</ChecksumSHA256></CompleteMultipartUploadResult>", j.sum)
	case j.absent:
		w.WriteHeader(http.StatusNotFound)
	default:
		w.Header().Set("Content-Length", fmt.Sprint(j.size))
		w.Header().Set("X-Amz-Checksum-Sha256", j.sumThere)
	}
}

// TestJoinThatWasDecided has a service that has joined already, or says so.
func TestJoinThatWasDecided(t *testing.T) {
	parts := exampleParts(3)
	ours, others := sumOfSums(parts), sumOfSums(exampleParts(2))
	const size = 3 * minPart
	lost := blobs.ErrUploadLost
	for name, c := range map[string]struct {
		joining
		want error
	}{
		"now":                      {joining{sum: ours, absent: true}, nil},
		"before, by us":            {joining{sum: "", size: size, sumThere: ours}, nil},
		"before, of others":        {joining{sum: others, size: size, sumThere: others}, lost},
		"before, of other sizes":   {joining{sum: others, size: size - 1, sumThere: ours}, lost},
		"before, without checksum": {joining{size: size}, lost},
		"so it says":               {joining{absent: true}, errNotYet},
		"is there, ours":           {joining{412, "PreconditionFailed", "", false, size, ours}, nil},
		"is there, another":        {joining{412, "PreconditionFailed", "", false, size, others}, lost},
		"was there":                {joining{412, "PreconditionFailed", "", true, 0, ""}, lost},
		"gone, ours is there":      {joining{404, "NoSuchUpload", "", false, size, ours}, nil},
		"gone, another is there":   {joining{404, "NoSuchUpload", "", false, size, others}, lost},
		"gone":                     {joining{404, "NoSuchUpload", "", true, 0, ""}, lost},
		"conflict, ours is there":  {joining{409, "ConditionalRequestConflict", "", false, size, ours}, nil},
		"conflict, nothing there":  {joining{409, "ConditionalRequestConflict", "", true, 0, ""}, errNotYet},
		"a part is another":        {joining{400, "InvalidPart", "", true, 0, ""}, lost},
		"a part is damaged":        {joining{400, "BadDigest", "", true, 0, ""}, lost},
		"a part is too small":      {joining{400, "EntityTooSmall", "", true, 0, ""}, lost},
	} {
		err := canned(t, c.ServeHTTP).Join(t.Context(), "a", "id", parts)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got error %v, want %v", name, err, c.want)
		}
		if c.want == errNotYet && errors.Is(err, lost) {
			t.Errorf("%s: got error %v, though it may yet come", name, err)
		}
	}
}

// TestJoinNamesItsParts is about the largest upload there is.
func TestJoinNamesItsParts(t *testing.T) {
	parts := exampleParts(maxParts)
	var asked struct {
		Parts []struct {
			PartNumber     int
			ETag           string
			ChecksumSHA256 string
		} `xml:"Part"`
	}
	var length int64
	store := canned(t, func(w http.ResponseWriter, r *http.Request) {
		length = r.ContentLength
		if err := xml.NewDecoder(r.Body).Decode(&asked); err != nil {
			t.Errorf("decode: %v", err)
		}
		fmt.Fprintf(w, "<CompleteMultipartUploadResult><ChecksumSHA256>%s</ChecksumSHA256></CompleteMultipartUploadResult>", sumOfSums(parts))
	})
	if err := store.Join(t.Context(), "a", "id", parts); err != nil {
		t.Fatal(err)
	}
	t.Logf("the request to join %d parts has %d bytes", len(parts), length)
	if len(asked.Parts) != len(parts) {
		t.Fatalf("parts: got %d, want %d", len(asked.Parts), len(parts))
	}
	for i, got := range asked.Parts {
		if got.PartNumber != i+1 || got.ETag != `"`+parts[i].Tag+`"` || got.ChecksumSHA256 != *encodeSHA256(parts[i].SHA256) {
			t.Fatalf("part %d: got %+v", i+1, got)
		}
	}
}

// TestSumThatIsNone has services that copy and say no checksum of a whole, or
// do not copy.
func TestSumThatIsNone(t *testing.T) {
	whole := *encodeSHA256(exampleParts(1)[0].SHA256)
	for name, c := range map[string]struct {
		status int
		answer string
		want   error
	}{
		"told":          {200, "<CopyObjectResult><ChecksumSHA256>" + whole + "</ChecksumSHA256></CopyObjectResult>", nil},
		"of parts":      {200, "<CopyObjectResult><ChecksumSHA256>" + whole + "-3</ChecksumSHA256></CopyObjectResult>", blobs.ErrNoSum},
		"none":          {200, "<CopyObjectResult><ETag>x</ETag></CopyObjectResult>", blobs.ErrNoSum},
		"cut short":     {200, "<CopyObjectResult><ChecksumSHA256>YWJj</ChecksumSHA256></CopyObjectResult>", blobs.ErrNoSum},
		"empty answer":  {200, "", blobs.ErrNoSum},
		"too large":     {400, "<Error><Code>InvalidRequest</Code></Error>", blobs.ErrNoSum},
		"no copies":     {501, "<Error><Code>NotImplemented</Code></Error>", blobs.ErrNoSum},
		"absent":        {404, "<Error><Code>NoSuchKey</Code></Error>", blobs.ErrAbsent},
		"late error":    {200, "<Error><Code>NoSuchKey</Code></Error>", blobs.ErrAbsent},
		"not permitted": {403, "<Error><Code>AccessDenied</Code></Error>", errAny},
	} {
		store := canned(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut {
				w.WriteHeader(c.status)
				io.WriteString(w, c.answer)
			}
		})
		sum, err := store.Sum(t.Context(), "a", minPart)
		switch {
		case c.want == errAny && (err == nil || errors.Is(err, blobs.ErrNoSum) || errors.Is(err, blobs.ErrAbsent)):
			t.Errorf("%s: got error %v, want a plain one", name, err)
		case c.want != errAny && !errors.Is(err, c.want):
			t.Errorf("%s: got error %v, want %v", name, err, c.want)
		case (err == nil) != (len(sum) == sha256.Size):
			t.Errorf("%s: got sum %x, error %v", name, sum, err)
		}
	}
}

// errAny stands for an error that a caller makes no decision by.
var errAny = errors.New("any")

func TestSumOfTooMuch(t *testing.T) {
	store := canned(t, func(http.ResponseWriter, *http.Request) { t.Error("a call was made") })
	if _, err := store.Sum(t.Context(), "a", maxCopy+1); !errors.Is(err, blobs.ErrNoSum) {
		t.Errorf("sum: got error %v, want ErrNoSum", err)
	}
}

// TestStatOfWhatIsEncoded: whoever reads it would get other bytes.
func TestStatOfWhatIsEncoded(t *testing.T) {
	for encoding, want := range map[string]error{"": nil, "gzip": blobs.ErrAbsent, "aws-chunked": blobs.ErrAbsent} {
		store := canned(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "3")
			if encoding != "" {
				w.Header().Set("Content-Encoding", encoding)
			}
		})
		if size, _, err := store.Stat(t.Context(), "a"); !errors.Is(err, want) || err == nil && size != 3 {
			t.Errorf("%q: got %d bytes, error %v, want %v", encoding, size, err, want)
		}
	}
}

// TestKeepWhatIsNotThere: a bucket with versions has a marker in the place of
// what was deleted, and answers of that.
func TestKeepWhatIsNotThere(t *testing.T) {
	for _, c := range []struct {
		status int
		code   string
		want   error
	}{
		{204, "", nil},
		{404, "NoSuchKey", blobs.ErrAbsent},
		{405, "MethodNotAllowed", blobs.ErrAbsent},
	} {
		store := canned(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			if c.code != "" {
				fmt.Fprintf(w, "<Error><Code>%s</Code></Error>", c.code)
			}
		})
		if err := store.Keep(t.Context(), "a"); !errors.Is(err, c.want) {
			t.Errorf("%d %s: got error %v, want %v", c.status, c.code, err, c.want)
		}
	}
}

// TestReadAtOfAnother has a service that answers with another range, or with all.
func TestReadAtOfAnother(t *testing.T) {
	for _, answered := range []string{"", "bytes 0-9/10", "bytes 2-4/10", "bytes 2-33/100"} {
		store := canned(t, func(w http.ResponseWriter, _ *http.Request) {
			if answered != "" {
				w.Header().Set("Content-Range", answered)
			}
			io.WriteString(w, "0123456789")
		})
		if err := store.ReadAt(t.Context(), "a", make([]byte, 2), 2); err == nil {
			t.Errorf("answer %q to 2-3: got no error", answered)
		}
	}
}
