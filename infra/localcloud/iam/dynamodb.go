package iam

import "net/http"

// dynamoLimit is the size of the largest request, as DynamoDB has it.
const dynamoLimit = 16 << 20

// dynamoProtocol is DynamoDB's, and that of its streams.
type dynamoProtocol struct {
	jsonProtocol
	prefix    string // of ARNs in this region and account
	partition string // attribute of the partition key
	iterators *iterators
}

func newDynamoProtocol(c Config) protocol {
	return dynamoProtocol{
		jsonProtocol: jsonProtocol{"application/x-amz-json-1.0", dynamoLimit, dynamoAnswers},
		prefix:       "arn:aws:dynamodb:" + c.Region + ":" + c.Account + ":",
		partition:    c.PartitionKey,
		iterators:    newIterators(c.Clock),
	}
}

func (p dynamoProtocol) read(r *request) (call, error) {
	target, err := p.target(r)
	if err != nil {
		return nil, err
	}
	accesses, err := dynamoAccesses(dynamoRequest{prefix: p.prefix, partition: p.partition, iterators: p.iterators}, target, r.body)
	if err != nil {
		return nil, err
	}
	return dynamoCall{needs: accesses, iterators: p.iterators}, nil
}

// dynamoCall is a request to DynamoDB that has been understood.
type dynamoCall struct {
	needs     []access
	iterators *iterators
}

func (c dynamoCall) accesses() []access { return c.needs }

func (dynamoCall) divisible() bool { return false }

// answer remembers the iterators that a stream gives out.
func (c dynamoCall) answer(resp *http.Response, _ func(access) bool) error {
	switch c.needs[0].action {
	case "dynamodb:GetShardIterator", "dynamodb:GetRecords":
		return c.iterators.remember(resp, c.needs[0].resource)
	}
	return nil
}
