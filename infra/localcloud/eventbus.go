package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/berthregistry/berth/infra/localcloud/bus"
	"github.com/berthregistry/berth/infra/localcloud/iam"
	"github.com/berthregistry/berth/infra/localcloud/pattern"
	"github.com/berthregistry/berth/infra/localcloud/sqs"
	"github.com/berthregistry/berth/infra/localcloud/template"
)

const (
	queuePrefix       = "arn:aws:sqs:" + region + ":" + account + ":"
	invokeDestination = "events:InvokeApiDestination"
)

// serveQueues opens SQS, with the queues of the template and those that rules
// lead to, which are somebody else's.
func (c *cloud) serveQueues(context.Context) (err error) {
	queues := map[string]sqs.Queue{}
	for _, q := range c.stack.Queues {
		queues[q.ARN] = sqs.Queue{Name: q.Name, ARN: q.ARN, URL: q.URL, Visibility: q.Visibility}
	}
	for _, r := range c.stack.Rules {
		for _, t := range r.Targets {
			name, isQueue := strings.CutPrefix(t.ARN, queuePrefix)
			if _, known := queues[t.ARN]; isQueue && !known {
				url := "https://sqs." + region + ".amazonaws.com/" + account + "/" + name
				queues[t.ARN] = sqs.Queue{Name: name, ARN: t.ARN, URL: url, Visibility: 30 * time.Second}
			}
		}
	}
	c.queues = sqs.New(slices.Collect(maps.Values(queues))...)
	c.queuesURL, err = c.serve("127.0.0.1:0", "queues of SQS", c.queues)
	return err
}

// serveBus opens EventBridge, with the buses and the rules of the template.
func (c *cloud) serveBus(context.Context) (err error) {
	cfg := bus.Config{
		Region: region, Account: account,
		Refuse: c.faults.at(refuseEvent), Repeat: c.faults.at(repeatEvent), Delay: c.faults.delays(delayEvent),
		Log: c.log,
	}
	for _, b := range c.stack.Buses {
		cfg.Buses = append(cfg.Buses, b.Name)
	}
	for _, declared := range c.stack.Rules {
		r, err := c.rule(declared)
		if err != nil {
			return fmt.Errorf("make rule %s: %w", declared.ID, err)
		}
		cfg.Rules = append(cfg.Rules, r)
	}
	c.bus = bus.New(cfg)
	c.later(func() error { c.bus.Close(); return nil })
	c.busURL, err = c.serve("127.0.0.1:0", "buses", c.bus)
	return err
}

func (c *cloud) rule(declared template.Rule) (bus.Rule, error) {
	r := bus.Rule{
		ARN: "arn:aws:events:" + region + ":" + account + ":rule/" + declared.Bus + "/" + declared.Name,
		Bus: declared.Bus,
	}
	var err error
	if r.Pattern, err = pattern.Parse(declared.Pattern); err != nil {
		return r, fmt.Errorf("read its pattern: %w", err)
	}
	for _, t := range declared.Targets {
		target, err := c.target(t)
		if err != nil {
			return r, fmt.Errorf("target %s: %w", t.ID, err)
		}
		r.Targets = append(r.Targets, target)
	}
	return r, nil
}

func (c *cloud) target(declared template.Target) (bus.Target, error) {
	t := bus.Target{ARN: declared.ARN, InputPath: declared.InputPath, Retries: declared.Retries, MaxAge: declared.MaxAge}
	if declared.DeadLetters != "" {
		if !slices.ContainsFunc(c.stack.Queues, func(q template.Queue) bool { return q.ARN == declared.DeadLetters }) {
			return t, fmt.Errorf("%s is no queue of the template", declared.DeadLetters)
		}
		t.Undelivered = func(event []byte, why map[string]string) { c.queues.Send(declared.DeadLetters, string(event), why) }
	}
	if strings.HasPrefix(declared.ARN, queuePrefix) {
		t.Send = func(_ context.Context, event []byte) error {
			c.queues.Send(declared.ARN, string(event), nil)
			return nil
		}
		return t, nil
	}
	destination, err := c.destination(declared)
	t.Send = destination.Send
	return t, err
}

// destination is the API destination of a target. AWS finds out what its role
// may not when the first event comes; here nobody has to wait for that.
func (c *cloud) destination(declared template.Target) (bus.Destination, error) {
	d := bus.Destination{Header: declared.Header, Transport: c.webhooks}
	i := slices.IndexFunc(c.stack.Destinations, func(d template.Destination) bool { return d.ARN == declared.ARN })
	if i < 0 {
		return d, fmt.Errorf("%s is neither a queue of the account nor an API destination of the template", declared.ARN)
	}
	role, err := policy(declared.Policies)
	if err != nil {
		return d, err
	}
	if role.Evaluate(invokeDestination, declared.ARN) != iam.Allowed {
		return d, fmt.Errorf("its role may not %s on %s", invokeDestination, declared.ARN)
	}
	found := c.stack.Destinations[i]
	d.Method, d.URL = found.Method, found.URL
	for _, connection := range c.stack.Connections {
		if connection.ARN == found.Connection {
			d.Key, d.Secret = connection.Header, connection.Value
			return d, nil
		}
	}
	return d, fmt.Errorf("%s is no connection of the template", found.Connection)
}

// loseAnswers lets a fault strike: what is asked is done, and nobody hears of
// it.
func (c *cloud) loseAnswers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !c.faults.strikes(loseAnswer) {
			next.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(unheard{}, r)
		panic(http.ErrAbortHandler) // it has the server close the connection
	})
}

// unheard is an answer that goes nowhere.
type unheard http.Header

func (u unheard) Header() http.Header       { return http.Header(u) }
func (unheard) Write(p []byte) (int, error) { return len(p), nil }
func (unheard) WriteHeader(int)             {}
