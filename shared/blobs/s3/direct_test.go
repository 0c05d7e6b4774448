package s3_test

import (
	"testing"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/blobs/blobstest"
	"github.com/berthregistry/berth/shared/blobs/s3"
)

// placed is a store, and where it keeps its objects.
type placed struct {
	*s3.Store
	service
	prefix string
}

func openPlaced(t testing.TB) blobs.Store {
	s := testService(t)
	prefix := newPrefix()
	s.cleanUp(t, prefix)
	return placed{s3.New(s.client(), s.bucket, prefix), s, prefix}
}

// marked asks the service for the tags of an object.
func marked(t testing.TB, store blobs.Store, key string) bool {
	t.Helper()
	p := store.(placed)
	object := p.prefix + "object/" + key
	out, err := p.client().GetObjectTagging(t.Context(), &awss3.GetObjectTaggingInput{Bucket: &p.bucket, Key: &object})
	if err != nil {
		t.Fatalf("tags: %v", err)
	}
	for _, tag := range out.TagSet {
		if *tag.Key != "berth" || *tag.Value != "unverified" {
			t.Errorf("tag: got %s=%s", *tag.Key, *tag.Value)
		}
	}
	return len(out.TagSet) == 1
}

func TestDirect(t *testing.T) {
	testService(t)
	blobstest.RunDirect(t, openPlaced, marked)
}
