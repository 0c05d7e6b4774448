// Package template reads a SAM template as AWS would, as far as the templates of
// this project go.
//
// What it does not understand is an error that says file, line and column: an
// unknown property passed over here would be a surprise on AWS. It knows the
// intrinsic functions, parameters, mappings, conditions, Globals, and nested
// stacks in files beside the template. Resources that mean nothing on one
// machine, such as alarms, are evaluated and then left out.
package template

import (
	"fmt"
	"os"
	"time"
)

// A Stack is what a template declares under the parameters it was given: its own
// resources and those of its nested stacks.
type Stack struct {
	Functions []Function
	Routes    []Route
	Tables    []Table
	Buckets   []Bucket
	Queues    []Queue
	Mappings  []Mapping
	Buses     []Bus
	Rules     []Rule
	AccessLog string // format of a line of the HTTP API's
	Outputs   map[string]string

	Destinations []Destination
	Connections  []Connection
}

// A Function is an AWS::Serverless::Function.
type Function struct {
	ID          string // logical id in the template
	Name        string
	CodeDir     string // folder that holds the bootstrap, from the template's folder
	Env         map[string]string
	Memory      int // MiB
	Timeout     time.Duration
	Concurrency int         // reserved, 0 for no limit of its own
	Role        string      // name of the role it takes on
	Policies    []Statement // of that role
	Async       Async
}

// Async is what becomes of events that a function is sent and nobody waits for.
type Async struct {
	Retries int           // after the first attempt, of an event that the function fails at
	MaxAge  time.Duration // of an event
}

// A Statement is one of a role's policies. Effect is Allow or Deny. If there
// are LeadingKeys, it speaks only of requests about items with these partition
// keys alone, as it does with LeadingKeysLike, which are patterns; if there is an
// AnyLeadingKey, of those about one of them.
type Statement struct {
	Effect          string
	Actions         []string
	Resources       []string
	LeadingKeys     []string
	LeadingKeysLike []string
	AnyLeadingKey   []string
}

// A Route is one of the HTTP API. Method is ANY where it takes all; Path is
// $default for the route of whatever has no other, and then Method is ANY too.
type Route struct {
	Method   string
	Path     string
	Function string // logical id
}

// A Table is an AWS::DynamoDB::Table.
type Table struct {
	ID     string
	Name   string
	ARN    string
	Keys   []Key
	Stream string // view type, empty for no stream
	TTL    string // attribute, empty for none

	// StreamARN is what Fn::GetAtt gives. Its end, the time at which a stream
	// was made, nobody knows before; an engine has another.
	StreamARN string
}

// A Key is one attribute of a table's key. Role is HASH or RANGE, Type is S, N
// or B.
type Key struct{ Name, Role, Type string }

// A Bucket is an AWS::S3::Bucket.
type Bucket struct{ ID, Name string }

// A Queue is an AWS::SQS::Queue. Visibility is how long a message that somebody
// has taken is nobody else's.
type Queue struct {
	ID, Name, ARN, URL string
	Visibility         time.Duration
}

// A Mapping is an event source mapping: what a stream has goes to a function.
type Mapping struct {
	Function    string // logical id
	Source      string // ARN of the stream
	Start       string // TRIM_HORIZON or LATEST
	BatchSize   int
	Window      time.Duration // how long a batch is gathered
	Retries     int           // -1 for no end
	MaxAge      time.Duration // of a record, 0 for no end
	Bisect      bool          // a failed batch is halved
	ReportItems bool          // the answer names the records that failed
	Parallel    int           // batches of a shard at a time
	Filters     []string      // patterns; a record that fits none is not delivered
	OnFailure   string        // ARN of a queue, empty for none
}

// Load reads the template in a file. Parameters it does not give have their
// defaults; AWS::StackName, AWS::Region and AWS::AccountId may be given as if
// they were parameters. Resources without a name of their own are named after
// the stack.
func Load(path string, parameters map[string]string) (*Stack, error) {
	return load(os.ReadFile, path, parameters)
}

func load(read func(string) ([]byte, error), path string, parameters map[string]string) (*Stack, error) {
	own, pseudo := withPseudo(parameters)
	s, err := newScope(loader{read: read}, path, own, pseudo)
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	stack, err := s.stack()
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	return stack, nil
}

// withPseudo takes the pseudo parameters out of what was given.
func withPseudo(given map[string]string) (own, pseudo map[string]string) {
	own, pseudo = map[string]string{}, map[string]string{
		"AWS::StackName": "berth",
		"AWS::Region":    "us-east-1",
		"AWS::AccountId": "123456789012",
		"AWS::Partition": "aws",
		"AWS::URLSuffix": "amazonaws.com",
	}
	for name, v := range given {
		if _, ok := pseudo[name]; ok {
			pseudo[name] = v
			continue
		}
		own[name] = v
	}
	return own, pseudo
}
