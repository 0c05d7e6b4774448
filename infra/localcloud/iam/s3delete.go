package iam

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"io"
	"strings"
)

// deleteLimit is the size of the largest DeleteObjects: a thousand keys of a
// kilobyte each, and room for what escaping adds.
const deleteLimit = 8 << 20

// readKeys reads the keys of a DeleteObjects: each needs a permission of its
// own.
func readKeys(r *request, bucket string) ([]access, error) {
	if err := r.buffer(deleteLimit); err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(r.body); r.payload != unsignedPayload && r.payload != hex.EncodeToString(sum[:]) {
		return nil, refusal{reason: wrongPayload}
	}
	keys, err := parseDelete(r.body)
	if err != nil {
		return nil, err
	}
	var all []access
	for _, key := range keys {
		all = append(all, access{action: "s3:DeleteObject", resource: objectARN(bucket, key)})
	}
	return all, nil
}

// parseDelete reads the body of a DeleteObjects. Nothing may be said of an
// object but its key: versions and conditions need further permissions.
func parseDelete(body []byte) ([]string, error) {
	var doc struct {
		XMLName xml.Name `xml:"Delete"`
		Quiet   string
		Objects []struct {
			Keys   []string `xml:"Key"`
			Others []xmlAny `xml:",any"`
		} `xml:"Object"`
		Others []xmlAny `xml:",any"`
	}
	dec := xml.NewDecoder(bytes.NewReader(bytes.TrimSpace(body)))
	if err := dec.Decode(&doc); err != nil {
		return nil, refusal{invalidRequest, "The XML you provided was not well-formed."}
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, unknown("a DeleteObjects with something behind it")
	}
	if len(doc.Objects) == 0 || len(doc.Others) > 0 {
		return nil, unknown("a DeleteObjects of more, or less, than objects")
	}
	var keys []string
	for _, o := range doc.Objects {
		if len(o.Keys) != 1 || len(o.Others) > 0 {
			return nil, unknown("a DeleteObjects that says more than keys")
		}
		if err := checkKey(o.Keys[0]); err != nil {
			return nil, err
		}
		keys = append(keys, o.Keys[0])
	}
	return keys, nil
}

type xmlAny struct{ XMLName xml.Name }

// deleteResult is the answer to a DeleteObjects.
type deleteResult struct {
	XMLName xml.Name      `xml:"http://s3.amazonaws.com/doc/2006-03-01/ DeleteResult"`
	Errors  []deleteError `xml:"Error"`
}

type deleteError struct{ Key, Code, Message string }

// noneDeleted is the answer if no object may be deleted. S3 calls that success
// and says of each key why it is still there.
func (c s3Call) noneDeleted() deleteResult {
	var result deleteResult
	denied := s3Answers[accessDenied]
	prefix := objectARN(c.bucket, "")
	for _, a := range c.needs {
		result.Errors = append(result.Errors, deleteError{
			Key: strings.TrimPrefix(a.resource, prefix), Code: denied.code, Message: denied.text,
		})
	}
	return result
}
