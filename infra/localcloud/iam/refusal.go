package iam

import (
	"net/http"
)

// A refusal is an error that the caller is told of.
type refusal struct {
	reason reason
	text   string
}

func (r refusal) Error() string { return r.text }

// A reason is why a request is refused. The services differ in what they call
// it.
type reason int

const (
	accessDenied reason = iota // by policy, or as S3 says of much else
	noSignature
	malformedSignature
	unknownKey
	wrongToken
	wrongSignature
	tooSkewed
	wrongPayload
	missingHeader
	incompleteBody
	requestTooLarge
	invalidRequest
	expiredIterator
	notImplemented
	throttled
	unavailable
)

// An answer is how a service puts a reason.
type answer struct {
	status int
	code   string
}

var s3Answers = map[reason]answer{
	accessDenied:       {http.StatusForbidden, "AccessDenied"},
	noSignature:        {http.StatusForbidden, "AccessDenied"},
	malformedSignature: {http.StatusBadRequest, "AuthorizationHeaderMalformed"},
	unknownKey:         {http.StatusForbidden, "InvalidAccessKeyId"},
	wrongToken:         {http.StatusBadRequest, "InvalidToken"},
	wrongSignature:     {http.StatusForbidden, "SignatureDoesNotMatch"},
	tooSkewed:          {http.StatusForbidden, "RequestTimeTooSkewed"},
	wrongPayload:       {http.StatusBadRequest, "XAmzContentSHA256Mismatch"},
	missingHeader:      {http.StatusBadRequest, "InvalidRequest"},
	incompleteBody:     {http.StatusBadRequest, "IncompleteBody"},
	requestTooLarge:    {http.StatusBadRequest, "MaxMessageLengthExceeded"},
	invalidRequest:     {http.StatusBadRequest, "InvalidArgument"},
	notImplemented:     {http.StatusNotImplemented, "NotImplemented"},
	throttled:          {http.StatusServiceUnavailable, "SlowDown"},
	unavailable:        {http.StatusServiceUnavailable, "ServiceUnavailable"},
}

const (
	coral  = "com.amazon.coral.service#"
	dynamo = "com.amazonaws.dynamodb.v20120810#"
)

var dynamoAnswers = map[reason]answer{
	accessDenied:       {http.StatusBadRequest, coral + "AccessDeniedException"},
	noSignature:        {http.StatusBadRequest, coral + "MissingAuthenticationTokenException"},
	malformedSignature: {http.StatusBadRequest, coral + "IncompleteSignatureException"},
	unknownKey:         {http.StatusBadRequest, coral + "UnrecognizedClientException"},
	wrongToken:         {http.StatusBadRequest, coral + "UnrecognizedClientException"},
	wrongSignature:     {http.StatusBadRequest, coral + "InvalidSignatureException"},
	tooSkewed:          {http.StatusBadRequest, coral + "InvalidSignatureException"},
	wrongPayload:       {http.StatusBadRequest, coral + "InvalidSignatureException"},
	incompleteBody:     {http.StatusBadRequest, coral + "SerializationException"},
	requestTooLarge:    {http.StatusRequestEntityTooLarge, coral + "RequestEntityTooLargeException"},
	invalidRequest:     {http.StatusBadRequest, coral + "SerializationException"},
	expiredIterator:    {http.StatusBadRequest, dynamo + "ExpiredIteratorException"},
	notImplemented:     {http.StatusNotImplemented, coral + "UnknownOperationException"},
	throttled:          {http.StatusBadRequest, dynamo + "ProvisionedThroughputExceededException"},
	unavailable:        {http.StatusInternalServerError, dynamo + "InternalServerError"},
}
