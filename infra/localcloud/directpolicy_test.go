package main

import (
	"maps"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/berthregistry/berth/shared/direct"
)

// inline is up to where Push verifies direct uploads itself, in the test of
// policies.
const inline = 20 << 20

// Uploads of one part, of several, and of those that are for Verify; by a digest
// that S3 can compute, and by one that it cannot.
func driveDirect(c *client, cl *cloud) {
	c.want(200, "GET", "/v2/team/app/_oci/ext/discover", nil)
	if b := c.begin("team/app", digestOf(noise(100)), 100); b.State != direct.Small {
		c.t.Errorf("a small blob is %q", b.State)
	}
	one, some, many := noise(9<<20), noise(17<<20), noise(21<<20)
	c.wantDirect("team/app", one, false)
	c.wantDirect("team/app", some, false)
	c.wantDirect("team/app", many, false)
	for _, blob := range [][]byte{noise(17 << 20), noise(21 << 20)} {
		c.wantDirect("team/app", blob, true)
	}
	// One whose deletion was cut short comes anew, and the object that was goes.
	cl.condemn(c.t, "team/app", many)
	c.wantDirect("team/app", many, false)
	if b := c.begin("team/app", digestOf(one), len(one)); b.State != direct.Present {
		c.t.Errorf("a blob that is there is %q", b.State)
	}
}

// condemn leaves a blob as a deletion does that was cut short.
func (c *cloud) condemn(t *testing.T, repo string, blob []byte) {
	t.Helper()
	if _, err := c.dynamoDBClient().UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		TableName: &c.stack.Tables[0].Name,
		Key: map[string]types.AttributeValue{
			"pk": &types.AttributeValueMemberS{Value: "repo#" + repo},
			"sk": &types.AttributeValueMemberS{Value: "blob#" + digest(blob)},
		},
		UpdateExpression:          aws.String("SET #s = :s"),
		ConditionExpression:       aws.String("attribute_exists(pk)"),
		ExpressionAttributeNames:  map[string]string{"#s": "state"},
		ExpressionAttributeValues: map[string]types.AttributeValue{":s": &types.AttributeValueMemberS{Value: "condemned"}},
	}); err != nil {
		t.Fatal(err)
	}
}

// wantDirect sends a blob, looks on the way how far it is, and ends the test
// unless it is there in the end.
func (c *client) wantDirect(repo string, blob []byte, sha512 bool) {
	c.t.Helper()
	d := digestOf(blob)
	if sha512 {
		d = digest512(blob)
	}
	id := c.sendDirect(repo, d, blob)
	var s direct.Status
	if decode(c.t, c.want(200, "GET", uploads(repo, id), nil), &s); len(s.Received) == 0 {
		c.t.Errorf("no part is there: %+v", s)
	}
	if b := c.begin(repo, d, len(blob)); b.Upload == nil || len(b.Upload.Received) == 0 {
		c.t.Errorf("begun again, the upload is %+v", b.Upload)
	}
	c.complete(repo, id, d, len(blob))
	if s := c.ends(repo, id); s.State != direct.Done {
		c.t.Fatalf("the upload ended as %+v", s)
	}
	c.wantBlob(repo, d, blob)
}

// Wrong ones are removed, with parts that a lost answer has left under their key.
func driveWrongDirect(c *client, cl *cloud) {
	for _, size := range []int{17 << 20, 21 << 20} {
		blob, other := noise(size), digestOf(noise(10))
		objects, begun := cl.objects(c.t), cl.multipartUploads(c.t)
		id := c.sendDirect("team/app", other, blob)
		for _, key := range cl.multipartUploads(c.t) {
			if slices.Contains(begun, key) {
				continue
			}
			if _, err := cl.s3Client().CreateMultipartUpload(c.t.Context(), &s3.CreateMultipartUploadInput{
				Bucket: &cl.stack.Buckets[0].Name, Key: &key,
			}); err != nil {
				c.t.Fatal(err)
			}
		}
		c.complete("team/app", id, other, size)
		if s := c.ends("team/app", id); s.State != direct.Failed {
			c.t.Errorf("the upload ended as %+v", s)
		}
		eventually(c.t, "nothing is left", func() bool {
			return maps.Equal(cl.objects(c.t), objects) && slices.Equal(cl.multipartUploads(c.t), begun)
		})
	}
}

// An upload is given up with parts, and with an object.
func driveAbortedDirect(c *client) {
	for _, size := range []int{9 << 20, 17 << 20} {
		blob := noise(size)
		id := c.sendDirect("team/app", digestOf(blob), blob)
		c.want(204, "DELETE", uploads("team/app", id), nil)
		c.want(404, "GET", uploads("team/app", id), nil)
	}
}

func TestInlineIsBetween(t *testing.T) {
	if inline <= 17<<20 || inline >= 21<<20 {
		t.Error("of the uploads that are driven some are for Push and some for Verify")
	}
}
