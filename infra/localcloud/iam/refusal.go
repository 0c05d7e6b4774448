package iam

import (
	"cmp"
	"maps"
	"net/http"
)

// A refusal is an error that the caller is told of.
type refusal struct {
	reason reason
	text   string // empty: what the service always says
}

func (r refusal) Error() string {
	return cmp.Or(r.text, s3Answers[r.reason].text, dynamoAnswers[r.reason].text)
}

// A reason is why a request is refused. The services differ in what they call
// it.
type reason int

const (
	accessDenied reason = iota // by policy; S3 says so of much else
	noSignature
	malformedSignature
	unknownKey
	wrongToken
	wrongSignature
	tooSkewed
	noPayload
	wrongPayload
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
	text   string
}

var s3Answers = map[reason]answer{
	accessDenied:       {http.StatusForbidden, "AccessDenied", "Access Denied"},
	noSignature:        {http.StatusForbidden, "AccessDenied", "Access Denied"},
	malformedSignature: {http.StatusBadRequest, "AuthorizationHeaderMalformed", "The authorization header is malformed."},
	unknownKey:         {http.StatusForbidden, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."},
	wrongToken:         {http.StatusBadRequest, "InvalidToken", "The provided token is malformed or otherwise invalid."},
	wrongSignature:     {http.StatusForbidden, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method."},
	tooSkewed:          {http.StatusForbidden, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."},
	noPayload:          {http.StatusBadRequest, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256"},
	wrongPayload:       {http.StatusBadRequest, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed."},
	incompleteBody:     {http.StatusBadRequest, "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header."},
	requestTooLarge:    {http.StatusBadRequest, "MaxMessageLengthExceeded", "Your request was too large."},
	invalidRequest:     {http.StatusBadRequest, "InvalidArgument", "Invalid Argument"},
	notImplemented:     {http.StatusNotImplemented, "NotImplemented", "A header you provided implies functionality that is not implemented."},
	throttled:          {http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate."},
	unavailable:        {http.StatusServiceUnavailable, "ServiceUnavailable", "Service is unable to handle request."},
}

const (
	coral  = "com.amazon.coral.service#"
	dynamo = "com.amazonaws.dynamodb.v20120810#"
)

var dynamoAnswers = map[reason]answer{
	accessDenied:       {http.StatusBadRequest, coral + "AccessDeniedException", "Access denied"},
	noSignature:        {http.StatusBadRequest, coral + "MissingAuthenticationTokenException", "Request is missing Authentication Token"},
	malformedSignature: {http.StatusBadRequest, coral + "IncompleteSignatureException", "The authorization header is malformed."},
	unknownKey:         {http.StatusBadRequest, coral + "UnrecognizedClientException", "The security token included in the request is invalid."},
	wrongToken:         {http.StatusBadRequest, coral + "UnrecognizedClientException", "The security token included in the request is invalid."},
	wrongSignature:     {http.StatusBadRequest, coral + "InvalidSignatureException", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method."},
	tooSkewed:          {http.StatusBadRequest, coral + "InvalidSignatureException", "Signature expired, or not yet current."},
	incompleteBody:     {http.StatusBadRequest, coral + "SerializationException", "The body ended early."},
	requestTooLarge:    {http.StatusRequestEntityTooLarge, coral + "RequestEntityTooLargeException", "Request size exceeded 16777216 bytes."},
	invalidRequest:     {http.StatusBadRequest, coral + "SerializationException", "The request cannot be parsed."},
	expiredIterator:    {http.StatusBadRequest, dynamo + "ExpiredIteratorException", "Iterator expired. It was given out long ago, or by another proxy."},
	notImplemented:     {http.StatusNotImplemented, coral + "UnknownOperationException", "The operation is not known."},
	throttled:          {http.StatusBadRequest, dynamo + "ProvisionedThroughputExceededException", "The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level with the UpdateTable API."},
	unavailable:        {http.StatusInternalServerError, dynamo + "InternalServerError", "Internal server error"},
}

var ssmAnswers = map[reason]answer{
	accessDenied:       {http.StatusBadRequest, "AccessDeniedException", "Access denied"},
	noSignature:        {http.StatusBadRequest, "MissingAuthenticationTokenException", "Missing Authentication Token"},
	malformedSignature: {http.StatusBadRequest, "IncompleteSignatureException", "The authorization header is malformed."},
	unknownKey:         {http.StatusBadRequest, "UnrecognizedClientException", "The security token included in the request is invalid."},
	wrongToken:         {http.StatusBadRequest, "UnrecognizedClientException", "The security token included in the request is invalid."},
	wrongSignature:     {http.StatusBadRequest, "InvalidSignatureException", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method."},
	tooSkewed:          {http.StatusBadRequest, "InvalidSignatureException", "Signature expired, or not yet current."},
	incompleteBody:     {http.StatusBadRequest, "SerializationException", "The body ended early."},
	requestTooLarge:    {http.StatusRequestEntityTooLarge, "RequestEntityTooLargeException", "The request is too large."},
	invalidRequest:     {http.StatusBadRequest, "SerializationException", "The request cannot be parsed."},
	notImplemented:     {http.StatusNotImplemented, "UnknownOperationException", "The operation is not known."},
	throttled:          {http.StatusBadRequest, "ThrottlingException", "Rate exceeded"},
	unavailable:        {http.StatusInternalServerError, "InternalServerError", "Internal server error"},
}

var lambdaAnswers = map[reason]answer{
	accessDenied:       {http.StatusForbidden, "AccessDeniedException", "Access denied"},
	noSignature:        {http.StatusForbidden, "MissingAuthenticationTokenException", "Missing Authentication Token"},
	malformedSignature: {http.StatusForbidden, "IncompleteSignatureException", "The authorization header is malformed."},
	unknownKey:         {http.StatusForbidden, "UnrecognizedClientException", "The security token included in the request is invalid."},
	wrongToken:         {http.StatusForbidden, "UnrecognizedClientException", "The security token included in the request is invalid."},
	wrongSignature:     {http.StatusForbidden, "InvalidSignatureException", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method."},
	tooSkewed:          {http.StatusForbidden, "InvalidSignatureException", "Signature expired, or not yet current."},
	incompleteBody:     {http.StatusBadRequest, "InvalidRequestContentException", "The body ended early."},
	requestTooLarge:    {http.StatusRequestEntityTooLarge, "RequestTooLargeException", "Request must be smaller than 1048576 bytes for the InvokeFunction operation"},
	invalidRequest:     {http.StatusBadRequest, "InvalidRequestContentException", "The request cannot be parsed."},
	notImplemented:     {http.StatusNotImplemented, "UnknownOperationException", "The operation is not known."},
	throttled:          {http.StatusTooManyRequests, "TooManyRequestsException", "Rate Exceeded."},
	unavailable:        {http.StatusInternalServerError, "ServiceException", "The Lambda service encountered an internal error."},
}

// EventBridge speaks as SSM does, and calls one thing by another name.
var eventsAnswers = but(ssmAnswers, unavailable, answer{http.StatusInternalServerError, "InternalException", "Internal server error"})

// but is a copy of answers with another one for a reason.
func but(answers map[reason]answer, r reason, a answer) map[reason]answer {
	answers = maps.Clone(answers)
	answers[r] = a
	return answers
}
