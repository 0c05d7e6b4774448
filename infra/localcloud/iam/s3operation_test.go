package iam

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const content = "arn:aws:s3:::content"

// s3Of reads a request: its method and URL, and lines of its header.
func s3Of(t testing.TB, line string, header http.Header) ([]access, error) {
	t.Helper()
	method, rest, _ := strings.Cut(line, " ")
	u, err := url.ParseRequestURI(rest)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parseS3(method, u.Path, u.Query(), header)
	if err != nil {
		return nil, err
	}
	return parsed.accesses(header), nil
}

// withTags adds what a copy says of tags: the directive, and perhaps tags.
func withTags(header http.Header, directive string, tags ...string) http.Header {
	header["X-Amz-Tagging-Directive"] = []string{directive}
	if tags != nil {
		header["X-Amz-Tagging"] = tags
	}
	return header
}

func TestS3Accesses(t *testing.T) {
	none := http.Header{}
	copying := func(source string) http.Header { return http.Header{"X-Amz-Copy-Source": {source}} }
	for _, test := range []struct {
		line   string
		header http.Header
		want   string
	}{
		{"GET /content/a/b", none, "s3:GetObject /a/b"},
		{"GET /content/a?x-id=GetObject", none, "s3:GetObject /a"},
		{"GET /content/a?response-content-type=text/plain&X-Amz-Checksum-Mode=ENABLED", none, "s3:GetObject /a"},
		{"GET /content/sha256%3Aab%20c", none, "s3:GetObject /sha256:ab c"},
		{"GET /content/a", http.Header{"If-Match": {`"x"`}}, "s3:GetObject /a"},
		{"HEAD /content/a", http.Header{"X-Amz-Checksum-Mode": {"ENABLED"}}, "s3:GetObject /a"},
		{"PUT /content/a", none, "s3:PutObject /a"},
		{"PUT /content/a", http.Header{"If-None-Match": {"*"}, "X-Amz-Meta-Who": {"me"}, "X-Amz-Checksum-Sha256": {"x"}}, "s3:PutObject /a"},
		{"PUT /content/a", http.Header{"If-Match": {`"x"`}}, "s3:PutObject /a, s3:GetObject /a"},
		{"PUT /content/a", copying("content/b/c"), "s3:PutObject /a, s3:GetObject /b/c, s3:GetObjectTagging /b/c, s3:PutObjectTagging /a"},
		{"PUT /content/a", copying("/content/b%3Ac"), "s3:PutObject /a, s3:GetObject /b:c, s3:GetObjectTagging /b:c, s3:PutObjectTagging /a"},
		{"DELETE /content/a", none, "s3:DeleteObject /a"},
		{"DELETE /content/a", http.Header{"If-Match": {"*"}}, "s3:DeleteObject /a"},

		{"PUT /content/a", http.Header{"X-Amz-Tagging": {"a=b"}}, "s3:PutObject /a, s3:PutObjectTagging /a"},
		{"PUT /content/a", http.Header{"X-Amz-Tagging": {""}}, "s3:PutObject /a"},
		{"POST /content/a?uploads=", http.Header{"X-Amz-Tagging": {"a=b"}}, "s3:PutObject /a, s3:PutObjectTagging /a"},
		{"PUT /content/a", withTags(copying("content/b"), "COPY"), "s3:PutObject /a, s3:GetObject /b, s3:GetObjectTagging /b, s3:PutObjectTagging /a"},
		{"PUT /content/a", withTags(copying("content/b"), "REPLACE"), "s3:PutObject /a, s3:GetObject /b"},
		{"PUT /content/a", withTags(copying("content/b"), "REPLACE", "a=b"), "s3:PutObject /a, s3:GetObject /b, s3:PutObjectTagging /a"},
		{"GET /content/a?tagging", none, "s3:GetObjectTagging /a"},
		{"PUT /content/a?tagging=", none, "s3:PutObjectTagging /a"},
		{"DELETE /content/a?tagging&x-id=DeleteObjectTagging", none, "s3:DeleteObjectTagging /a"},

		{"POST /content/a?uploads=", none, "s3:PutObject /a"},
		{"POST /content/a?uploads", none, "s3:PutObject /a"},
		{"PUT /content/a?partNumber=1&uploadId=x&x-id=UploadPart", none, "s3:PutObject /a"},
		{"PUT /content/a?partNumber=1&uploadId=x", copying("content/b"), "s3:PutObject /a, s3:GetObject /b"},
		{"POST /content/a?uploadId=x", none, "s3:PutObject /a"},
		{"DELETE /content/a?uploadId=x", none, "s3:AbortMultipartUpload /a"},
		{"GET /content/a?uploadId=x&max-parts=5", none, "s3:ListMultipartUploadParts /a"},

		{"HEAD /content", none, "s3:ListBucket "},
		{"GET /content?list-type=2&prefix=a/", none, "s3:ListBucket "},
		{"GET /content/?list-type=2", none, "s3:ListBucket "},
		{"GET /content?uploads=&prefix=a", none, "s3:ListBucketMultipartUploads "},
	} {
		accesses, err := s3Of(t, test.line, test.header)
		if got := short(accesses, content); err != nil || got != test.want {
			t.Errorf("%s %v:\n got %s, %v\nwant %s", test.line, test.header, got, err, test.want)
		}
	}
}

func TestS3Unknown(t *testing.T) {
	none := http.Header{}
	for _, test := range []struct {
		line   string
		header http.Header
	}{
		{"GET /", none},
		{"GET /content", none}, // the first version of listing
		{"GET /content?list-type=1", none},
		{"GET /content?list-type=2&versions", none},
		{"GET /content?policy", none},
		{"GET /content?location", none},
		{"GET /content?uploads=x", none},
		{"GET /content/a?acl", none},
		{"GET /content/a?versionId=x", none},
		{"GET /content/a?uploadId=x&uploadId=y", none},
		{"GET /content/a?tagging&versionId=x", none},
		{"GET /content/a?tagging=x", none},
		{"GET /content?tagging", none},
		{"PUT /content?tagging", none},
		{"GET /content/a?X-Amz-Acl=public-read", none},
		{"HEAD /content/a?acl", none},
		{"PUT /content", none},
		{"PUT /content/a?acl", none},
		{"PUT /content/a?partNumber=1", none},
		{"PUT /content/a?uploadId=1", none},
		{"PUT /content/a", http.Header{"X-Amz-Acl": {"public-read"}}},
		{"PUT /content/a?X-Amz-Tagging=a%3Db", none}, // S3 passes it over, and nobody would mean that
		{"PUT /content/a", http.Header{"X-Amz-Tagging": {"a=b", "c=d"}}},
		{"PUT /content/a", http.Header{"X-Amz-Tagging-Directive": {"REPLACE"}}},
		{"PUT /content/a", http.Header{"X-Amz-Copy-Source": {"content/b"}, "X-Amz-Tagging": {"a=b"}}},
		{"PUT /content/a", http.Header{"X-Amz-Copy-Source": {"content/b"}, "X-Amz-Tagging-Directive": {"MERGE"}}},
		{"PUT /content/a?partNumber=1&uploadId=x", http.Header{"X-Amz-Tagging": {"a=b"}}},
		{"POST /content/a?uploadId=x", http.Header{"X-Amz-Tagging": {"a=b"}}},
		{"DELETE /content/a", http.Header{"X-Amz-Tagging": {"a=b"}}},
		{"PUT /content/a", http.Header{"X-Amz-Object-Lock-Mode": {"GOVERNANCE"}}},
		{"PUT /content/a", http.Header{"X-Amz-Server-Side-Encryption": {"aws:kms"}}},
		{"PUT /content/a", http.Header{"X-Amz-Copy-Source": {"content/b?versionId=x"}}},
		{"PUT /content/a", http.Header{"X-Amz-Copy-Source": {"content"}}},
		{"PUT /content/a", http.Header{"X-Amz-Copy-Source": {"content/../b"}}},
		{"PUT /content/a", http.Header{"X-Amz-Copy-Source": {"content/%zz"}}},
		{"PUT /content/a", http.Header{"X-Amz-Copy-Source": {"content/b", "content/c"}}},
		{"GET /content/a", http.Header{"X-Amz-Copy-Source": {"content/b"}}},
		{"POST /content", none},
		{"POST /content/a", none},
		{"POST /content/a?select&select-type=2", none},
		{"POST /content/a?restore", none},
		{"DELETE /content", none},
		{"DELETE /content/a?versionId=x", none},
		{"DELETE /content/a", http.Header{"X-Amz-Bypass-Governance-Retention": {"true"}}},
		{"PATCH /content/a", none},
		{"GET /Content/a", none},
		{"GET /a/b", none}, // too short for a bucket
		{"GET /content/a/../b", none},
		{"GET /content/a/%2E%2E/b", none},
		{"GET /content//a", none},
		{"GET /content/a/", none},
		{"GET /content/./a", none},
	} {
		accesses, err := s3Of(t, test.line, test.header)
		if why, ok := err.(refusal); !ok || why.reason != notImplemented {
			t.Errorf("%s %v: got %v, %v, want a refusal", test.line, test.header, accesses, err)
		}
	}
}

func TestParseDelete(t *testing.T) {
	const object = "<Object><Key>a/b</Key></Object>"
	keys, err := parseDelete([]byte(`<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` + object +
		`<Object><Key>c&amp;d</Key></Object><Quiet>true</Quiet></Delete>`))
	if got, want := strings.Join(keys, " "), "a/b c&d"; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	for _, body := range []string{
		"", "<Delete>", "<Delete></Delete>", "<Remove>" + object + "</Remove>",
		"<Delete>" + object + "<Extra/></Delete>",
		"<Delete><Object></Object></Delete>",
		"<Delete><Object><Key></Key></Object></Delete>",
		"<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>",
		"<Delete><Object><Key>a</Key><VersionId>1</VersionId></Object></Delete>",
		"<Delete><Object><Key>a</Key><ETag>1</ETag></Object></Delete>",
		"<Delete><Object><Key>a/../b</Key></Object></Delete>",
		"<Delete>" + object + "</Delete><Delete>" + object + "</Delete>",
	} {
		if keys, err := parseDelete([]byte(body)); err == nil {
			t.Errorf("%s: got %q, want an error", body, keys)
		}
	}
}

// FuzzRequest has whatever is understood need a permission on the bucket and
// key that the path names, and all else refused.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/content/a", "x-id=GetObject", "Range", "bytes=0-1")
	f.Add("PUT", "/content/a", "partNumber=1&uploadId=x", "X-Amz-Copy-Source", "content/b")
	f.Add("GET", "/content", "list-type=2", "X-Amz-Acl", "private")
	f.Add("POST", "/content", "delete", "If-Match", "x")
	f.Add("DELETE", "/content/a", "tagging", "X-Amz-Tagging", "a=b")
	f.Fuzz(func(t *testing.T, method, path, query, name, value string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		header := http.Header{http.CanonicalHeaderKey(name): {value}}
		parsed, err := parseS3(method, path, values, header)
		if err != nil {
			if why, ok := err.(refusal); !ok || s3Answers[why.reason].status < http.StatusBadRequest {
				t.Fatalf("%v is not a refusal that can be written", err)
			}
			return
		}
		all := parsed.accesses(header)
		if len(all) == 0 {
			t.Fatal("it needs no permission")
		}
		want := strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/")
		if got := strings.TrimPrefix(all[0].resource, "arn:aws:s3:::"); got != want {
			t.Fatalf("got the resource %q of the path %q", got, path)
		}
		for param := range values {
			if strings.EqualFold(param, "acl") || strings.EqualFold(param, "versionId") {
				t.Fatalf("%s was passed over", param)
			}
			if strings.EqualFold(param, "tagging") && !strings.HasSuffix(all[0].action, "Tagging") {
				t.Fatalf("%s is said to need %s", param, all[0].action)
			}
		}
	})
}
