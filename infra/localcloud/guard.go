package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/berthregistry/berth/infra/localcloud/iam"
	"github.com/berthregistry/berth/infra/localcloud/parameter"
	"github.com/berthregistry/berth/infra/localcloud/queue"
	"github.com/berthregistry/berth/infra/localcloud/sts"
)

// principals knows who holds which access key. A key is for ever: URLs that an
// environment has signed outlive it, as on AWS.
type principals struct {
	root    aws.Credentials // what all sessions get; none: each has its own
	byKey   sync.Map        // of iam.Principal: the sessions of functions
	callers sync.Map        // of sts.Principal: whoever else there is in the account
}

func (p *principals) find(accessKeyID string) (iam.Principal, bool) {
	v, ok := p.byKey.Load(accessKeyID)
	if !ok {
		return iam.Principal{}, false
	}
	return v.(iam.Principal), true
}

// issue returns new credentials of a session, as each environment of a function
// has its own.
func (p *principals) issue(session iam.Principal) aws.Credentials {
	if p.root.HasKeys() {
		return p.root
	}
	id := "ASIA" + rand.Text()[:16]
	session.Secret, session.Token = rand.Text(), rand.Text()
	p.byKey.Store(id, session)
	return aws.Credentials{AccessKeyID: id, SecretAccessKey: session.Secret, SessionToken: session.Token}
}

// caller finds who is no function.
func (p *principals) caller(accessKeyID string) (sts.Principal, bool) {
	v, ok := p.callers.Load(accessKeyID)
	if !ok {
		return sts.Principal{}, false
	}
	return v.(sts.Principal), true
}

// admit returns new credentials of a principal of AWS, who may do nothing but
// ask STS who they are.
func (p *principals) admit(arn string) aws.Credentials {
	id := "ASIA" + rand.Text()[:16]
	who := sts.Principal{ARN: arn, UserID: "AROA" + rand.Text()[:16] + ":local", Secret: rand.Text(), Token: rand.Text()}
	p.callers.Store(id, who)
	return aws.Credentials{AccessKeyID: id, SecretAccessKey: who.Secret, SessionToken: who.Token}
}

// serveSTS opens the service that tells who somebody is.
func (c *cloud) serveSTS(context.Context) error {
	service, err := sts.New(sts.Config{Region: region, Principals: c.principals.caller})
	if err != nil {
		return err
	}
	c.stsURL, err = c.serve("127.0.0.1:0", "sts", service)
	return err
}

// guards are the addresses at which functions find the stores.
type guards struct{ dynamoDB, s3, ssm, lambda, events string }

// serveGuards puts the guards before the stores.
func (c *cloud) serveGuards(context.Context) error {
	if c.unguarded {
		c.principals.root = c.s3Root() // the others take any
	}
	for _, serve := range []func() error{c.guardTable, c.guardStore, c.guardParameters, c.guardFunctions, c.guardBus} {
		if err := serve(); err != nil {
			return err
		}
	}
	return nil
}

func (c *cloud) guardTable() (err error) {
	c.guards.dynamoDB, err = c.serveGuard(iam.Config{
		Service: iam.DynamoDB, Root: anyRoot, PartitionKey: c.partitionKey(), Fail: c.faults.at(throttleTable),
	}, c.dynamoDB, asItIs)
	return err
}

func (c *cloud) guardStore() (err error) {
	c.guards.s3, err = c.serveGuard(iam.Config{
		Service: iam.S3, Root: c.s3Root(), Fail: c.faults.at(unavailableStore), Expire: c.faults.at(expireURL),
	}, c.s3, c.hinder)
	return err
}

func (c *cloud) guardParameters() error {
	parameters, err := c.serve("127.0.0.1:0", "parameters", parameter.New(region, account))
	if err != nil {
		return err
	}
	c.guards.ssm, err = c.serveGuard(iam.Config{
		Service: iam.SSM, Root: anyRoot, Fail: c.faults.at(throttleParameters),
	}, parameters, asItIs)
	return err
}

func (c *cloud) guardFunctions() error {
	queues, err := c.serve("127.0.0.1:0", "queues", queue.Handler(c.queueOf))
	if err != nil {
		return err
	}
	c.guards.lambda, err = c.serveGuard(iam.Config{
		Service: iam.Lambda, Root: anyRoot, Fail: c.faults.at(throttleInvoke),
	}, queues, asItIs)
	return err
}

func (c *cloud) guardBus() (err error) {
	c.guards.events, err = c.serveGuard(iam.Config{
		Service: iam.Events, Root: anyRoot, Fail: c.faults.at(throttleBus),
	}, c.busURL, c.loseAnswers)
	return err
}

func asItIs(h http.Handler) http.Handler { return h }

// partitionKey is the attribute of the tables of the template, which have one
// name for it, and of one that was made before.
func (c *cloud) partitionKey() string {
	for _, t := range c.stack.Tables {
		for _, k := range t.Keys {
			if k.Role == "HASH" {
				return k.Name
			}
		}
	}
	return "pk"
}

// serveGuard returns the address of a guard before a target, and of what lies
// before the guard: of the target itself, if there are to be no guards.
func (c *cloud) serveGuard(guard iam.Config, target string, before func(http.Handler) http.Handler) (string, error) {
	if c.unguarded {
		return target, nil
	}
	var err error
	if guard.Target, err = url.Parse(target); err != nil {
		return "", fmt.Errorf("address of %s: %w", guard.Service, err)
	}
	guard.Region, guard.Account, guard.Log = region, account, c.log
	guard.Principals = c.principals.find
	guard.Used = func(u iam.Use) { c.functions[u.Principal].uses.note(u) }
	handler, err := iam.NewProxy(guard)
	if err != nil {
		return "", err
	}
	return c.serve("127.0.0.1:0", string(guard.Service), before(handler))
}
