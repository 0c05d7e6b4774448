// Package wire assembles a registry on AWS from the environment that a function
// runs in, and is the only reader of that environment.
package wire

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/berthregistry/berth/shared/settings"
)

// A Config is all that a function is told. Each field names its variable; one
// that is set to nothing counts as not set.
type Config struct {
	// Table is BERTH_TABLE, the name of the DynamoDB table that holds all
	// items. It must be set.
	Table string

	// Bucket is BERTH_BUCKET, the name of the S3 bucket that holds all bytes.
	// It must be set.
	Bucket string

	// Prefix is BERTH_PREFIX, what the keys of all objects in the bucket begin
	// with: nothing (the default), or folders that end in a slash.
	Prefix string

	// Access is BERTH_ACCESS, who may do what. It must be set. With policy it is
	// what the policy in the table allows, and nothing if there is none; with
	// open whoever reaches the registry may push, pull and delete.
	Access string

	// Service is BERTH_SERVICE, what tokens are meant for: their audience, and
	// the service that clients are told to ask for. The default is berth.
	Service string

	// URL is BERTH_URL, where clients reach the registry, such as
	// https://registry.example.com. Without it that is https and the host that
	// each request was sent to, which the gateway vouches for.
	URL string

	// Settings are BERTH_SETTINGS, the text of a settings file: see package
	// settings. Without it all is default. A text with an error in it is not
	// taken, and the function does not start.
	Settings *settings.Settings

	// LogLevel is BERTH_LOG_LEVEL: debug, info (the default), warn or error.
	// Less is not logged. Requests are info, those that failed are errors. The
	// audit is logged at any level.
	LogLevel slog.Level

	// CountsHead is BERTH_HEAD_LENGTH. With counted (the default) the gateway
	// drops the Content-Length of an answer to HEAD and counts the body: so
	// that of a manifest is sent with its body, and that of a blob is a
	// redirect to the bucket. With kept it passes the header on, and HEAD is
	// answered as everywhere. berth doctor says which of the two is true.
	CountsHead bool

	// InlineLimit is BERTH_INLINE_LIMIT in bytes: a larger blob is answered
	// with a redirect to the bucket. The default is 4194304, 4 MiB. At most
	// 4669440, which is what an answer of a function holds.
	InlineLimit int64

	// RequestLimit is BERTH_REQUEST_LIMIT in bytes: clients that begin an
	// upload are told that no larger request gets through. The default is
	// 4500000. At most 4669440, which is what a function's event holds.
	RequestLimit int64

	// Verifier is BERTH_VERIFIER, the name or the ARN of the function that
	// verifies uploads which are too large for VerifyInline. Without it whoever
	// completes an upload waits until it is verified, and in vain if that takes
	// longer than a request may.
	Verifier string

	// VerifyInline is BERTH_VERIFY_INLINE in bytes: up to that size an upload is
	// verified while the client waits. The default is the registry's, 256 MiB.
	VerifyInline int64

	// Bus is BERTH_BUS, the name or the ARN of the bus in EventBridge where what
	// happens becomes an event. Without it nothing does, and there is no log of
	// events that a client could read.
	Bus string

	// PartLife is BERTH_PART_LIFE, for how many seconds a client may use the URL
	// of a part. The default is the registry's, an hour; at most 43200, 12 hours.
	// No URL outlives the credentials that have signed it.
	PartLife time.Duration

	// Region is AWS_REGION, where table and bucket are. Lambda sets it.
	Region string

	// Credentials are AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
	// AWS_SESSION_TOKEN. Lambda sets them to those of the function's role; they
	// outlive its environment. Without a token they are those of a user.
	Credentials aws.Credentials

	// DynamoDB is AWS_ENDPOINT_URL_DYNAMODB, the URL of another DynamoDB than
	// the region's.
	DynamoDB string

	// S3 is AWS_ENDPOINT_URL_S3, the URL of another S3 than the region's. The
	// bucket is then part of the path and not of the host.
	S3 string

	// Lambda is AWS_ENDPOINT_URL_LAMBDA, the URL of another Lambda than the
	// region's.
	Lambda string

	// EventBridge is AWS_ENDPOINT_URL_EVENTBRIDGE, the URL of another
	// EventBridge than the region's.
	EventBridge string
}

// The words for Access.
const (
	Guarded = "policy"
	Open    = "open"
)

// DefaultService is what Service is if nothing is set.
const DefaultService = "berth"

// What InlineLimit and RequestLimit are if nothing is set, in bytes.
const (
	DefaultInlineLimit  = 4 << 20
	DefaultRequestLimit = 4_500_000
)

// lambdaLimit is how large a body may be whose base64 fits the 6 MiB of an
// event or an answer, beside the rest of its JSON: 10 KB of headers and
// path, which an event holds several times over.
const lambdaLimit = (6<<20 - 64<<10) / 4 * 3

// The bounds of VerifyInline, which is what S3 copies in one request, and of
// PartLife.
const (
	maxInline   = 5 << 30
	maxPartLife = 12 * 60 * 60
)

// Read reads the environment by lookup, which os.LookupEnv is. Its error names
// every variable that is missing or makes no sense, in one line, and tells no
// secret.
func Read(lookup func(string) (string, bool)) (Config, error) {
	e := environment{lookup: lookup}
	c := e.config()
	if err := e.err(); err != nil {
		return Config{}, fmt.Errorf("read the environment: %w", err)
	}
	return c, nil
}

func (e *environment) config() Config {
	return Config{
		Table:        e.required("BERTH_TABLE"),
		Bucket:       e.required("BERTH_BUCKET"),
		Prefix:       e.folder("BERTH_PREFIX"),
		Access:       e.word("BERTH_ACCESS", Guarded, Open),
		Service:      e.text("BERTH_SERVICE", DefaultService),
		URL:          e.url("BERTH_URL"),
		Settings:     e.settings("BERTH_SETTINGS"),
		LogLevel:     e.level("BERTH_LOG_LEVEL"),
		CountsHead:   e.choice("BERTH_HEAD_LENGTH", "counted", "kept") == "counted",
		InlineLimit:  e.number("BERTH_INLINE_LIMIT", DefaultInlineLimit, 1, lambdaLimit, "bytes"),
		RequestLimit: e.number("BERTH_REQUEST_LIMIT", DefaultRequestLimit, 1, lambdaLimit, "bytes"),
		Verifier:     e.function("BERTH_VERIFIER"),
		Bus:          e.bus("BERTH_BUS"),
		VerifyInline: e.number("BERTH_VERIFY_INLINE", 0, 1, maxInline, "bytes"),
		PartLife:     time.Duration(e.number("BERTH_PART_LIFE", 0, 1, maxPartLife, "seconds")) * time.Second,
		Region:       e.required("AWS_REGION"),
		Credentials: aws.Credentials{
			AccessKeyID:     e.required("AWS_ACCESS_KEY_ID"),
			SecretAccessKey: e.required("AWS_SECRET_ACCESS_KEY"),
			SessionToken:    e.get("AWS_SESSION_TOKEN"),
			Source:          "environment",
		},
		DynamoDB:    e.url("AWS_ENDPOINT_URL_DYNAMODB"),
		S3:          e.url("AWS_ENDPOINT_URL_S3"),
		Lambda:      e.url("AWS_ENDPOINT_URL_LAMBDA"),
		EventBridge: e.url("AWS_ENDPOINT_URL_EVENTBRIDGE"),
	}
}
