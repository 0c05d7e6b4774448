package s3

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

const binaryType = "application/octet-stream"

// withSignedPayload binds the bytes of a request by their SHA-256 also where
// the SDK would leave that to TLS.
func withSignedPayload(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		hash := &v4.ComputePayloadSHA256{}
		_, err := stack.Finalize.Swap(hash.ID(), hash)
		return err
	})
}

// withoutChecksums keeps the SDK from checksums of its own: ours are given,
// and a checksum of a whole object says nothing of a range.
func withoutChecksums(o *s3.Options) {
	o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
}

// encodeCRC and encodeSHA256 write a checksum as S3 does.
func encodeCRC(crc uint32) *string {
	return aws.String(base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc)))
}

func encodeSHA256(sum []byte) *string {
	return aws.String(base64.StdEncoding.EncodeToString(sum))
}

// decodeSHA256 returns nil for what is no checksum of a whole: none at all, or
// one of the checksums of parts, which says "-" and how many.
func decodeSHA256(sum *string) []byte {
	raw, err := base64.StdEncoding.DecodeString(aws.ToString(sum))
	if err != nil || len(raw) != sha256.Size {
		return nil
	}
	return raw
}

// hasCode reports whether the service answered with one of these error codes.
func hasCode(err error, codes ...string) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	for _, code := range codes {
		if api.ErrorCode() == code {
			return true
		}
	}
	return false
}

// isAbsent reports whether an object is not there. The answer to a HEAD has no
// body to carry a code, and is NotFound.
func isAbsent(err error) bool { return hasCode(err, "NoSuchKey", "NotFound") }

// isThere reports whether a write was refused since the object is there.
func isThere(err error) bool {
	var resp *smithyhttp.ResponseError
	return errors.As(err, &resp) && resp.HTTPStatusCode() == http.StatusPreconditionFailed
}
