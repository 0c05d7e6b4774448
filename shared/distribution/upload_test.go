package distribution_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// patch sends a chunk. With from below 0 it does not say where it starts.
func (s *server) patch(location string, from int, body []byte) answer {
	s.Helper()
	if from < 0 {
		return s.do(http.MethodPatch, location, bytes.NewReader(body))
	}
	return s.do(http.MethodPatch, location, bytes.NewReader(body), "Content-Range", contentRange(from, len(body)))
}

func contentRange(from, size int) string { return fmt.Sprintf("%d-%d", from, from+size-1) }

// finish ends an upload with a last chunk, perhaps none.
func (s *server) finish(location string, d oci.Digest, from int, body []byte) answer {
	s.Helper()
	target := location + "?digest=" + string(d)
	if from < 0 {
		return s.do(http.MethodPut, target, bytes.NewReader(body))
	}
	return s.do(http.MethodPut, target, bytes.NewReader(body), "Content-Range", contentRange(from, len(body)))
}

// wantAt holds an upload to how far it should be.
func (s *server) wantAt(location string, size int) {
	s.Helper()
	a := s.get(location)
	s.want(a, http.StatusNoContent, "")
	s.wantUpload(a, location, size)
}

func (s *server) wantUpload(a answer, location string, size int) {
	s.Helper()
	if got, want := a.get("Range"), fmt.Sprintf("0-%d", max(size-1, 0)); got != want || a.get("Location") != location {
		s.Errorf("%d: Range %q, Location %q, want %q, %q", a.status, got, a.get("Location"), want, location)
	}
}

// wantBlob holds the blob under a digest to its bytes.
func (s *server) wantBlob(repo string, d oci.Digest, content []byte) {
	s.Helper()
	a := s.get("/v2/" + repo + "/blobs/" + string(d))
	if a.status != http.StatusOK || !bytes.Equal(a.body, content) {
		s.Errorf("blob %s = %d, %d bytes, want %d", d, a.status, len(a.body), len(content))
	}
}

func TestUploadStart(t *testing.T) {
	s := serve(t, registry.Options{})
	for _, target := range []string{"/v2/a/b/blobs/uploads/", "/v2/a/b/blobs/uploads", "/v2/a/b/blobs/uploads/?digest-algorithm=sha512"} {
		a := s.do(http.MethodPost, target, nil)
		s.want(a, http.StatusAccepted, "")
		id := a.get("Docker-Upload-UUID")
		if len(id) != 36 || a.get("Location") != "/v2/a/b/blobs/uploads/"+id || a.get("Range") != "0-0" {
			t.Errorf("POST %s: %v", target, a.header)
		}
		if a.get("OCI-Chunk-Min-Length") != "" {
			t.Error("small chunks are welcome")
		}
		s.wantAt(a.get("Location"), 0)
	}
	for _, bad := range []string{"sha1", "SHA256", "blake3", "sha256:"} {
		s.want(s.do(http.MethodPost, "/v2/a/b/blobs/uploads/?digest-algorithm="+bad, nil), http.StatusBadRequest, "DIGEST_INVALID")
	}
}

// All ways in, with both digests, of sizes around what is kept in the item. No
// algorithm need be announced.
func TestUploadWays(t *testing.T) {
	s := serve(t, registry.Options{})
	ways := map[string]func(content []byte, d oci.Digest) answer{
		"PUT": func(content []byte, d oci.Digest) answer { return s.finish(s.begin("a"), d, -1, content) },
		"PUT of unknown length": func(content []byte, d oci.Digest) answer {
			return s.do(http.MethodPut, s.begin("a")+"?digest="+string(d), chunked(content))
		},
		"POST": func(content []byte, d oci.Digest) answer {
			return s.do(http.MethodPost, "/v2/a/blobs/uploads/?digest="+string(d), bytes.NewReader(content))
		},
		"POST of unknown length": func(content []byte, d oci.Digest) answer {
			return s.do(http.MethodPost, "/v2/a/blobs/uploads/?digest="+string(d), chunked(content))
		},
		"one PATCH": func(content []byte, d oci.Digest) answer {
			location := s.begin("a")
			a := s.patch(location, -1, content)
			s.want(a, http.StatusAccepted, "")
			s.wantUpload(a, location, len(content))
			return s.finish(location, d, -1, nil)
		},
		"one PATCH of unknown length": func(content []byte, d oci.Digest) answer {
			location := s.begin("a")
			a := s.do(http.MethodPatch, location, chunked(content))
			s.want(a, http.StatusAccepted, "")
			s.wantUpload(a, location, len(content))
			return s.finish(location, d, -1, nil)
		},
		"three PATCHes": func(content []byte, d oci.Digest) answer {
			location, third := s.begin("a"), len(content)/3
			s.want(s.patch(location, -1, content[:third]), http.StatusAccepted, "")
			s.wantAt(location, third)
			s.want(s.patch(location, -1, content[third:2*third]), http.StatusAccepted, "")
			s.want(s.do(http.MethodPatch, location, chunked(content[2*third:])), http.StatusAccepted, "")
			s.wantAt(location, len(content))
			return s.finish(location, d, -1, nil)
		},
		"announced": func(content []byte, d oci.Digest) answer {
			a := s.do(http.MethodPost, "/v2/a/blobs/uploads/?digest-algorithm="+string(oci.AlgorithmOf(d)), nil)
			s.want(s.do(http.MethodPatch, a.get("Location"), chunked(content)), http.StatusAccepted, "")
			return s.finish(a.get("Location"), d, -1, nil)
		},
		"announced and changed": func(content []byte, d oci.Digest) answer {
			other := map[oci.Algorithm]oci.Algorithm{oci.SHA256: oci.SHA512, oci.SHA512: oci.SHA256}[oci.AlgorithmOf(d)]
			a := s.do(http.MethodPost, "/v2/a/blobs/uploads/?digest-algorithm="+string(other), nil)
			s.want(s.patch(a.get("Location"), -1, content), http.StatusAccepted, "")
			return s.finish(a.get("Location"), d, -1, nil)
		},
	}
	for name, push := range ways {
		t.Run(name, func(t *testing.T) {
			for _, size := range blobSizes {
				for _, a := range []oci.Algorithm{oci.SHA256, oci.SHA512} {
					content := append(noise(size), name[:min(size, len(name))]...)
					d := a.Sum(content)
					got := push(content, d)
					s.want(got, http.StatusCreated, "")
					if want := "/v2/a/blobs/" + string(d); got.get("Location") != want || got.get("Docker-Content-Digest") != string(d) {
						t.Errorf("%d bytes: %v, want Location %s", size, got.header, want)
					}
					s.wantBlob("a", d, content)
				}
			}
		})
	}
}

func TestUploadChunks(t *testing.T) {
	s := serve(t, registry.Options{})
	for _, size := range []int{60, 60 << 10} { // in the item, and beyond
		content := noise(size)
		d := oci.SHA256.Sum(content)
		a, b := size/3, 2*size/3
		location := s.begin("a")
		for _, c := range []struct{ from, to int }{{0, a}, {a, b}} {
			got := s.patch(location, c.from, content[c.from:c.to])
			s.want(got, http.StatusAccepted, "")
			s.wantUpload(got, location, c.to)
		}
		// Nothing that does not go on where the upload ends is taken.
		for _, from := range []int{0, a, b - 1, b + 1, size} {
			for what, got := range map[string]answer{
				"PATCH": s.patch(location, from, content[:10]),
				"PUT":   s.finish(location, d, from, content[:10]),
			} {
				if got.status != http.StatusRequestedRangeNotSatisfiable || got.codes(t) != "BLOB_UPLOAD_INVALID" {
					t.Errorf("%s from %d to an upload of %d = %d %s", what, from, b, got.status, got.body)
				}
				s.wantUpload(got, location, b)
			}
		}
		s.wantAt(location, b)
		s.want(s.finish(location, d, b, content[b:]), http.StatusCreated, "")
		s.wantBlob("a", d, content)
	}
}

// The first chunk has to start at 0, and a 416 to an upload of nothing says so.
func TestUploadFirstChunk(t *testing.T) {
	s := serve(t, registry.Options{})
	location := s.begin("a")
	got := s.patch(location, 5, []byte("12345"))
	s.want(got, http.StatusRequestedRangeNotSatisfiable, "BLOB_UPLOAD_INVALID")
	s.wantUpload(got, location, 0)
	if detail := string(got.errors(t)[0].Detail); detail != `{"offset":0}` {
		t.Errorf("detail %s does not say where to go on", detail)
	}
}

func TestUploadContentRange(t *testing.T) {
	s := serve(t, registry.Options{})
	body := []byte("0123456789")
	for value, code := range map[string]string{
		"bytes 0-9/10": "BLOB_UPLOAD_INVALID", "bytes=0-9": "BLOB_UPLOAD_INVALID", "0-": "BLOB_UPLOAD_INVALID",
		"-9": "BLOB_UPLOAD_INVALID", "9": "BLOB_UPLOAD_INVALID", "9-0": "BLOB_UPLOAD_INVALID", "0-9-": "BLOB_UPLOAD_INVALID",
		"+0-+9": "BLOB_UPLOAD_INVALID", "0x0-0x9": "BLOB_UPLOAD_INVALID", "-1-8": "BLOB_UPLOAD_INVALID", "0--1": "BLOB_UPLOAD_INVALID",
		"0-99999999999999999999": "BLOB_UPLOAD_INVALID", "0-9223372036854775807": "BLOB_UPLOAD_INVALID",
		strings.Repeat("0", 100_000) + "-x": "BLOB_UPLOAD_INVALID",
		"0-8":                               "SIZE_INVALID", "0-10": "SIZE_INVALID", "0-0": "SIZE_INVALID", "1-9": "SIZE_INVALID",
		"0-4611686018427387903": "SIZE_INVALID",
	} {
		location := s.begin("a")
		for _, unsized := range []bool{false, true} {
			var reader io.Reader = bytes.NewReader(body)
			if unsized {
				if value == "1-9" {
					continue // 9 bytes from 1 would be a chunk
				}
				reader = chunked(body)
			}
			for _, method := range []string{http.MethodPatch, http.MethodPut} {
				a := s.do(method, location+"?digest="+string(oci.SHA256.Sum(body)), reader, "Content-Range", value)
				if a.status != http.StatusBadRequest || a.codes(t) != code {
					t.Errorf("%s of 10 bytes (unsized %v) as %.30q = %d %.200s, want 400 %s", method, unsized, value, a.status, a.body, code)
				}
				reader = bytes.NewReader(body)
				if unsized {
					reader = chunked(body)
				}
			}
		}
		s.wantAt(location, 0)
		s.want(s.patch(location, 0, body), http.StatusAccepted, "")
		s.wantAt(location, 10)
	}
}

// A last chunk that is wrong is not taken, and the upload goes on.
func TestUploadWrongDigest(t *testing.T) {
	s := serve(t, registry.Options{})
	for _, size := range []int{0, 20, 40 << 10, 1 << 20} {
		content := noise(size)
		half := size / 2
		for _, a := range []oci.Algorithm{oci.SHA256, oci.SHA512} {
			d := a.Sum(content)
			location := s.begin("a")
			s.want(s.patch(location, -1, content[:half]), http.StatusAccepted, "")
			wrong := a.Sum([]byte("something else"))
			got := s.finish(location, wrong, -1, content[half:])
			s.want(got, http.StatusBadRequest, "DIGEST_INVALID")
			if detail := string(got.errors(t)[0].Detail); !strings.Contains(detail, string(d)) {
				t.Errorf("the detail %s does not say what was sent: %s", detail, d)
			}
			for _, bad := range []string{"", "sha256", "sha256:x", "blake3:" + digest256[7:]} {
				s.want(s.finish(location, oci.Digest(bad), -1, content[half:]), http.StatusBadRequest, "DIGEST_INVALID")
			}
			s.wantAt(location, half)
			s.want(s.get("/v2/a/blobs/"+string(wrong)), http.StatusNotFound, "BLOB_UNKNOWN")
			s.want(s.finish(location, d, -1, content[half:]), http.StatusCreated, "")
			s.wantBlob("a", d, content)
			s.want(s.delete("/v2/a/blobs/"+string(d)), http.StatusAccepted, "")
		}
	}
}

// A client that lost the answer asks again and gets it, for a while. Nothing
// else can be done with an upload that has ended.
func TestUploadFinishedTwice(t *testing.T) {
	s := serve(t, registry.Options{})
	for _, size := range []int{10, 40 << 10} {
		content := noise(size)
		d := oci.SHA256.Sum(content)
		location := s.begin("a")
		for range 3 {
			a := s.finish(location, d, -1, content)
			s.want(a, http.StatusCreated, "")
			if want := "/v2/a/blobs/" + string(d); a.get("Location") != want {
				t.Errorf("Location %q, want %q", a.get("Location"), want)
			}
		}
		s.wantBlob("a", d, content)
		s.want(s.finish(location, oci.Digest(digest256), -1, content), http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
		s.want(s.patch(location, -1, content), http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
		s.want(s.get(location), http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
		s.want(s.delete(location), http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
		s.wantBlob("a", d, content)
	}
}

func TestUploadCancel(t *testing.T) {
	s := serve(t, registry.Options{})
	for _, size := range []int{0, 10, 40 << 10} {
		location := s.begin("a")
		s.want(s.patch(location, -1, noise(size)), http.StatusAccepted, "")
		s.want(s.delete(location), http.StatusNoContent, "")
		s.want(s.delete(location), http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
		s.want(s.get(location), http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
		s.want(s.patch(location, -1, noise(10)), http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
		s.want(s.finish(location, oci.SHA256.Sum(noise(size)), -1, nil), http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
		s.want(s.get("/v2/a/blobs/"+string(oci.SHA256.Sum(noise(size)))), http.StatusNotFound, "BLOB_UNKNOWN")
	}
}

// An upload is known under its whole URL only.
func TestUploadUnknown(t *testing.T) {
	s := serve(t, registry.Options{})
	mine := s.begin("mine")
	id := mine[strings.LastIndexByte(mine, '/')+1:]
	for _, location := range []string{
		"/v2/other/blobs/uploads/" + id, "/v2/mine/blobs/uploads/" + strings.ToUpper(id), "/v2/mine/blobs/uploads/" + id[:35],
		"/v2/mine/blobs/uploads/" + strings.ReplaceAll(id, "-", ""), "/v2/mine/blobs/uploads/{" + id + "}",
		"/v2/mine/blobs/uploads/00000000-0000-0000-0000-000000000000", "/v2/mine/blobs/uploads/x",
	} {
		d := oci.SHA256.Sum(nil)
		s.want(s.get(location), http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
		s.want(s.patch(location, -1, []byte("x")), http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
		s.want(s.finish(location, d, -1, nil), http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
		s.want(s.delete(location), http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN")
	}
	s.wantAt(mine, 0)
	s.wantUpload(s.get(mine+"?digest="+digest256+"&unknown=x"), mine, 0)
}
