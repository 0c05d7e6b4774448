package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"

	"github.com/berthregistry/berth/infra/localcloud/iam"
	"github.com/berthregistry/berth/infra/localcloud/stream"
	"github.com/berthregistry/berth/infra/localcloud/template"
)

// What a role needs for its function to be fed from a stream. AWS looks when
// the mapping is made, and so it is looked here.
var streamActions = []string{
	"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams",
}

const sendMessage = "sqs:SendMessage"

// followStreams feeds functions from the streams of tables. It returns when
// what changes from then on will be delivered.
func (c *cloud) followStreams(ctx context.Context) error {
	for _, declared := range c.stack.Mappings {
		f, err := c.function(declared.Function)
		if err != nil {
			return fmt.Errorf("follow stream %s: %w", declared.Source, err)
		}
		if err := c.followStream(ctx, declared, f); err != nil {
			return fmt.Errorf("follow stream %s for %s: %w", declared.Source, f.ID, err)
		}
	}
	return nil
}

func (c *cloud) followStream(ctx context.Context, declared template.Mapping, f *function) error {
	if err := c.checkMapping(declared, f); err != nil {
		return err
	}
	arn, ok := c.streams[declared.Source]
	if !ok {
		return errors.New("no table of the template has it")
	}
	m, err := stream.New(c.mappingConfig(declared, f, arn))
	if err != nil {
		return err
	}
	c.mappings[f.ID] = m
	running, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(running) }()
	c.later(func() error {
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			return fmt.Errorf("follow stream for %s: %w", f.ID, err)
		}
		return nil
	})
	select {
	case <-m.Ready():
		return nil
	case err := <-ended:
		ended <- err // for the end of the cloud
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// checkMapping refuses what AWS would refuse to make.
func (c *cloud) checkMapping(declared template.Mapping, f *function) error {
	for _, action := range streamActions {
		allowed := f.session.Policy.Evaluate(action, declared.Source) == iam.Allowed
		if !c.unguarded { // else nobody looks at what is done
			f.uses.note(iam.Use{Action: action, Resource: declared.Source, Allowed: allowed})
		}
		if !allowed {
			return fmt.Errorf("its role may not %s on %s", action, declared.Source)
		}
	}
	if declared.OnFailure == "" {
		return nil
	}
	if !slices.ContainsFunc(c.stack.Queues, func(q template.Queue) bool { return q.ARN == declared.OnFailure }) {
		return fmt.Errorf("%s is no queue of the template", declared.OnFailure)
	}
	if f.session.Policy.Evaluate(sendMessage, declared.OnFailure) != iam.Allowed {
		return fmt.Errorf("its role may not %s on %s", sendMessage, declared.OnFailure)
	}
	return nil
}

// mappingConfig is what a mapping is made of. It reads the stream as the
// function's role, as Lambda does.
func (c *cloud) mappingConfig(declared template.Mapping, f *function, arn string) stream.Config {
	cfg := stream.Config{
		Client: dynamodbstreams.New(dynamodbstreams.Options{
			Region: region, BaseEndpoint: aws.String(c.guards.dynamoDB),
			Credentials: credentials.StaticCredentialsProvider{Value: c.principals.issue(f.session)},
		}),
		Stream: arn, Invoke: f.deliver,
		StartingPosition: declared.Start, BatchSize: declared.BatchSize,
		MaximumBatchingWindow: declared.Window, MaximumRecordAge: declared.MaxAge,
		BisectBatchOnFunctionError: declared.Bisect, ReportBatchItemFailures: declared.ReportItems,
		Filters: declared.Filters,
		Shards:  c.shards, Backoff: c.batchRetry,
		Repeat: c.faults.at(repeatBatch), Delay: c.faults.delays(delayBatch),
		Log: c.log,
	}
	if declared.Retries >= 0 {
		cfg.MaximumRetryAttempts = &declared.Retries
	}
	if declared.OnFailure != "" {
		cfg.OnFailure = func(d stream.DeadLetter) {
			f.uses.note(iam.Use{Action: sendMessage, Resource: declared.OnFailure, Allowed: true})
			body, _ := json.Marshal(d) // of texts, numbers and times alone
			c.queues.Send(declared.OnFailure, string(body), nil)
		}
	}
	return cfg
}

// deliver runs the function for a stream.
func (f *function) deliver(ctx context.Context, event []byte) (stream.Answer, error) {
	result, err := f.run.Invoke(ctx, event)
	if err != nil {
		return stream.Answer{}, err
	}
	return stream.Answer{RequestID: result.RequestID, Payload: result.Payload, Failed: result.Failed}, nil
}
