package iam

import "net/http"

// tagging is what a request that writes an object does about its tags.
type tagging int

const (
	untagged tagging = iota // it says nothing of tags
	tagged                  // it says them
	copied                  // they are those of the source
)

// parseTagging reads the headers that say an object's tags.
func parseTagging(op operation, header http.Header) (tagging, error) {
	tags, directives := header["X-Amz-Tagging"], header["X-Amz-Tagging-Directive"]
	if len(tags) > 1 || len(directives) > 1 || len(tags) == 1 && !op.tags || len(directives) == 1 && !(op.tags && op.copies) {
		return untagged, unknown("tags %q by the directive %q in %s", tags, directives, op.name)
	}
	directive := header.Get("X-Amz-Tagging-Directive")
	switch says := header.Get("X-Amz-Tagging") != ""; {
	case !op.tags:
		return untagged, nil
	case op.copies && directive != "REPLACE":
		if says || directive != "" && directive != "COPY" {
			return untagged, unknown("tags %q by the directive %q", tags, directive)
		}
		return copied, nil
	case says:
		return tagged, nil
	}
	return untagged, nil
}

// tagAccesses says what the request needs for the tags it sets. S3 wants those
// of a copy only if the source has tags, which is not known here: what is
// copied so has some, or would do better to say REPLACE.
func (r s3Request) tagAccesses() []access {
	put := access{action: "s3:PutObjectTagging", resource: objectARN(r.bucket, r.key)}
	switch r.tagging {
	case tagged:
		return []access{put}
	case copied:
		return []access{{action: "s3:GetObjectTagging", resource: "arn:aws:s3:::" + r.source}, put}
	}
	return nil
}
