package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/berthregistry/berth/infra/localcloud/iam"
)

// principals knows who holds which access key. A key is for ever: URLs that an
// environment has signed outlive it, as on AWS.
type principals struct{ byKey sync.Map }

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
	id := "ASIA" + rand.Text()[:16]
	session.Secret, session.Token = rand.Text(), rand.Text()
	p.byKey.Store(id, session)
	return aws.Credentials{AccessKeyID: id, SecretAccessKey: session.Secret, SessionToken: session.Token}
}

// guards are the addresses at which functions find the stores.
type guards struct{ dynamoDB, s3 string }

// serveGuards puts the guards before the stores.
func (c *cloud) serveGuards(context.Context) error {
	var err error
	if c.guards.dynamoDB, err = c.serveGuard(iam.Config{
		Service: iam.DynamoDB, Root: dynamoDBRoot, PartitionKey: c.partitionKey(), Fail: c.faults.at(throttleTable),
	}, c.dynamoDB); err != nil {
		return err
	}
	c.guards.s3, err = c.serveGuard(iam.Config{
		Service: iam.S3, Root: c.s3Root(), Fail: c.faults.at(unavailableStore),
	}, c.s3)
	return err
}

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

// serveGuard returns the address of a guard before a target.
func (c *cloud) serveGuard(guard iam.Config, target string) (string, error) {
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
	return c.serve("127.0.0.1:0", string(guard.Service), handler)
}
