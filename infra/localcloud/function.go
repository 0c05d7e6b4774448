package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/berthregistry/berth/infra/localcloud/httpapi"
	"github.com/berthregistry/berth/infra/localcloud/iam"
	"github.com/berthregistry/berth/infra/localcloud/lambda"
	"github.com/berthregistry/berth/infra/localcloud/queue"
	"github.com/berthregistry/berth/infra/localcloud/template"
)

// A function of the template, and what became of it here.
type function struct {
	template.Function
	run     *lambda.Function
	queue   *queue.Queue
	session iam.Principal
	uses    *uses
}

// makeFunctions makes the functions of the template. Their processes start with
// the first event.
func (c *cloud) makeFunctions(context.Context) error {
	for _, declared := range c.stack.Functions {
		f, err := c.makeFunction(declared)
		if err != nil {
			return fmt.Errorf("make function %s: %w", declared.ID, err)
		}
		c.functions[f.Name] = f
		c.later(func() error { f.run.Close(); f.queue.Close(); return nil })
	}
	return nil
}

func (c *cloud) makeFunction(declared template.Function) (*function, error) {
	bootstrap, err := filepath.Abs(filepath.Join(c.bootstraps, filepath.Base(declared.CodeDir), "bootstrap"))
	if err != nil {
		return nil, fmt.Errorf("find its bootstrap: %w", err)
	}
	f := &function{Function: declared, session: iam.Principal{Name: declared.Name, Role: declared.Role}}
	if f.session.Policy, err = policy(declared.Policies); err != nil {
		return nil, err
	}
	if f.uses, err = newUses(declared.Policies); err != nil {
		return nil, err
	}
	f.run = lambda.New(lambda.Config{
		Name: f.Name, Bootstrap: bootstrap,
		Env:    func() []string { return c.environment(f) },
		Memory: f.Memory, Timeout: f.Timeout, Concurrency: f.Concurrency,
		Log: c.output, Kill: c.faults.kills(f.ID),
	})
	f.queue = queue.New(queue.Config{
		Invoke: f.take, Retries: f.Async.Retries, MaxAge: f.Async.MaxAge, Retry: c.eventRetry,
		Repeat: c.faults.at(repeatEvent), Delay: c.faults.delays(delayEvent),
		Log: c.log.With("function", f.ID),
	})
	return f, nil
}

// policy makes what a role allows into what the guards evaluate.
func policy(declared []template.Statement) (iam.Policy, error) {
	var statements []iam.Statement
	for _, st := range declared {
		statements = append(statements, iam.Statement{
			Effect: st.Effect, Actions: st.Actions, Resources: st.Resources,
			LeadingKeys: st.LeadingKeys, LeadingKeysLike: st.LeadingKeysLike, AnyLeadingKey: st.AnyLeadingKey,
		})
	}
	p, err := iam.NewPolicy(statements...)
	if err != nil {
		return p, fmt.Errorf("read its policies: %w", err)
	}
	return p, nil
}

// environment is what a new environment of a function finds beside what lambda
// sets: what the template says, where it is, and who it is.
func (c *cloud) environment(f *function) []string {
	keys := c.principals.issue(f.session)
	env := []string{
		"AWS_REGION=" + region,
		"AWS_DEFAULT_REGION=" + region,
		"AWS_EXECUTION_ENV=AWS_Lambda_provided.al2023",
		"AWS_ACCESS_KEY_ID=" + keys.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + keys.SecretAccessKey,
		"AWS_SESSION_TOKEN=" + keys.SessionToken,
		"AWS_ENDPOINT_URL_DYNAMODB=" + c.guards.dynamoDB,
		"AWS_ENDPOINT_URL_DYNAMODB_STREAMS=" + c.guards.dynamoDB,
		"AWS_ENDPOINT_URL_S3=" + c.guards.s3,
		"AWS_ENDPOINT_URL_SSM=" + c.guards.ssm,
		"AWS_ENDPOINT_URL_LAMBDA=" + c.guards.lambda,
		"AWS_ENDPOINT_URL_EVENTBRIDGE=" + c.guards.events,
		"AWS_ENDPOINT_URL_STS=" + c.stsURL,
		"BERTH_URL=" + c.registryURL, // clients would take https for granted
	}
	for _, variables := range []map[string]string{f.Env, c.variables} { // of two of one name the last one counts
		for _, name := range slices.Sorted(maps.Keys(variables)) {
			env = append(env, name+"="+variables[name])
		}
	}
	return env
}

// function returns the one with a logical id.
func (c *cloud) function(id string) (*function, error) {
	for _, f := range c.functions {
		if f.ID == id {
			return f, nil
		}
	}
	return nil, fmt.Errorf("the template has no function %s", id)
}

// invoke runs the function for the gateway.
func (f *function) invoke(ctx context.Context, event []byte) ([]byte, error) {
	result, err := f.run.Invoke(ctx, event)
	switch {
	case errors.Is(err, lambda.ErrThrottled):
		return nil, fmt.Errorf("%w: %w", httpapi.ErrThrottled, err)
	case err != nil:
		return nil, err
	case result.Failed:
		return nil, fmt.Errorf("%s failed: %s", f.ID, result.Payload)
	}
	return result.Payload, nil
}

// take runs the function for an event that nobody waits for.
func (f *function) take(ctx context.Context, event []byte) (failed bool, err error) {
	result, err := f.run.Invoke(ctx, event)
	return result.Failed, err
}

// queueOf returns the queue of the function with a name.
func (c *cloud) queueOf(name string) (*queue.Queue, bool) {
	f, ok := c.functions[name]
	if !ok {
		return nil, false
	}
	return f.queue, true
}
