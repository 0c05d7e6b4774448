// Package iam is the guard that AWS puts before DynamoDB, S3, the parameter
// store of SSM, the functions of Lambda and the buses of EventBridge: a proxy
// that lets a request pass if it is signed by a principal whose policy allows
// what the request does.
//
// A permission that a template forgets so fails on this machine, with the
// words in which AWS would refuse it, and not at whoever deploys it.
//
// What it does not know it refuses: operations, parameters and headers that
// would need a permission nobody has thought of are answered with 501, and a
// policy with a variable, an incomplete ARN or a condition but those on
// partition keys is not read. Bucket
// policies and other policies of resources are not evaluated, nor is anything
// beyond one account: what a principal's own policy allows, it may do.
//
// It trusts the server behind to tell operations apart as it does itself, and
// to verify the payload hash that is handed on. Whoever reaches that server
// past the proxy is not guarded.
package iam

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// A Service is what a proxy stands before.
type Service string

// The services, by their names in signatures.
const (
	DynamoDB Service = "dynamodb" // its streams as well, which sign by the same name
	S3       Service = "s3"
	SSM      Service = "ssm"    // its parameters alone
	Lambda   Service = "lambda" // its functions, to be invoked without waiting
	Events   Service = "events" // EventBridge, to put events on its buses
)

var services = []Service{DynamoDB, S3, SSM, Lambda, Events}

// A Principal is one session of a role: what AWS makes of a function.
type Principal struct {
	Name   string // of the session, which for a function is that of the function
	Role   string // name of the role it has assumed
	Secret string // key of its signatures. An access key ID has one, for ever
	Token  string // session token that it must show; empty: it must show none
	Policy Policy // all policies of the role together
}

// Config is what a proxy needs to know. All fields without a word to the
// contrary are required.
type Config struct {
	Service Service
	Target  *url.URL        // the server behind: scheme and host
	Root    aws.Credentials // for Target, where they may do anything
	Region  string          // that principals sign for
	Account string          // twelve digits; a part of ARNs
	Log     *slog.Logger    // what goes wrong with Target

	// TargetRegion is the one that Target expects in signatures: Region if
	// empty.
	TargetRegion string

	// Domain is the host name, without port, below which a host name holds a
	// bucket: BUCKET.Domain. If empty, requests to S3 are path-style.
	Domain string

	// Principals finds a principal by its access key ID. It is called for
	// every request, by many goroutines at once.
	Principals func(accessKeyID string) (Principal, bool)

	// PartitionKey is the name of the attribute that is the partition key of
	// each table; only for DynamoDB. The key of an index is not known: what
	// names one is about the item "", which no condition lets through.
	PartitionKey string

	// Used, if set, is told every decision. A request is as many decisions as
	// it needs permissions. It is called by many goroutines at once.
	Used func(Use)

	// Fail, if set, is asked for each request that would be let through, by
	// many goroutines at once. If true, the request is throttled in the way of
	// the service and does not reach Target.
	Fail func() bool

	// Expire, if set, is asked for each presigned request that is signed as it
	// should be, by many goroutines at once. If true, it is taken for one whose time
	// is over.
	Expire func() bool

	// Clock tells the time by which signatures expire: time.Now if nil.
	Clock func() time.Time
}

// A Use is one decision: whether a principal was allowed an action on a
// resource, and in DynamoDB the partition keys that it was about.
type Use struct {
	Principal        string // its name
	Action, Resource string
	Keys             []string
	Allowed          bool
}

// check reports what is missing.
func (c *Config) check() error {
	switch {
	case !slices.Contains(services, c.Service):
		return fmt.Errorf("service %q is none of %q", c.Service, services)
	case c.Target == nil || c.Target.Host == "" || c.Target.Path != "" && c.Target.Path != "/":
		return fmt.Errorf("target %v is not the address of a server", c.Target)
	case c.Region == "" || c.Account == "":
		return errors.New("region or account is missing")
	case c.Service == DynamoDB && c.PartitionKey == "":
		return errors.New("the name of the partition key is missing")
	case c.Principals == nil || c.Log == nil:
		return errors.New("principals or log is missing")
	}
	return nil
}

// arn is the principal as AWS names it.
func (p Principal) arn(account string) string {
	return "arn:aws:sts::" + account + ":assumed-role/" + p.Role + "/" + p.Name
}
