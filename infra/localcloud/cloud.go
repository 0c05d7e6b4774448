package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/berthregistry/berth/infra/localcloud/bus"
	"github.com/berthregistry/berth/infra/localcloud/httpapi"
	"github.com/berthregistry/berth/infra/localcloud/sqs"
	"github.com/berthregistry/berth/infra/localcloud/stream"
	"github.com/berthregistry/berth/infra/localcloud/template"
)

// The account and the region that the cloud plays.
const (
	account = "123456789012"
	region  = "us-east-1"
)

// config is what a cloud is made of.
type config struct {
	root       string // of the project, where scripts/ is
	template   string // path of the file
	parameters map[string]string
	policy     string // path of the file, of who may do what; empty: none
	unguarded  bool   // functions do in the stores what they like

	listen, control string // addresses
	data            string // folder; empty: a temporary one
	bootstraps      string // folder; empty: they are built

	dynamoDB, s3             string // URLs; empty: they are started
	s3AccessKey, s3SecretKey string

	variables  map[string]string // of all functions, over those of the template
	eventRetry time.Duration     // pause before an event is tried again that a function failed at; 0: as on AWS
	batchRetry time.Duration     // pause after a function failed at a batch of a stream, twice as much the next time; 0: as on AWS
	shards     int               // of each stream, of which the engine may have one; 0: as it has
	webhooks   http.RoundTripper // to API destinations; nil: the usual one

	deviations httpapi.Deviations
	faults     *faults
	log        *slog.Logger
	output     io.Writer // of functions and gateway; nil: nowhere
}

// A cloud runs until it is closed.
type cloud struct {
	config
	registry    net.Listener // of the front door
	registryURL string
	controlURL  string
	stsURL      string
	queuesURL   string
	busURL      string
	failed      chan error // what ends the cloud before anybody asked for it

	stack      *template.Stack
	functions  map[string]*function // by name
	principals principals
	streams    map[string]string // ARNs of streams as the template knows them, to those of the engine
	guards     guards
	mappings   map[string]*stream.Mapping // by the logical id of the function that they feed
	queues     *sqs.Service
	bus        *bus.Bus
	endings    []func() error // what is to be undone, in the order it was done
}

// start starts a cloud. One that does not come up whole leaves nothing behind.
func start(ctx context.Context, cfg config) (_ *cloud, err error) {
	c := &cloud{config: cfg, failed: make(chan error, 8), functions: map[string]*function{}, streams: map[string]string{}, mappings: map[string]*stream.Mapping{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	if err := c.readTemplate(); err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context) error{
		c.makeFolder,
		c.listenForRegistry,
		c.startServices,
		c.makeStores,
		c.setPolicy,
		c.build,
		c.serveSTS,
		c.serveQueues,
		c.serveBus,
		c.serveGuards,
		c.makeFunctions,
		c.followStreams,
		c.serveRegistry,
		c.serveControl,
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// later has something undone when the cloud is closed: what was done last is
// undone first.
func (c *cloud) later(end func() error) { c.endings = append(c.endings, end) }

// close ends all that was started.
func (c *cloud) close() error {
	var failed []error
	for len(c.endings) > 0 {
		last := len(c.endings) - 1
		failed = append(failed, c.endings[last]())
		c.endings = c.endings[:last]
	}
	return errors.Join(failed...)
}

// fail reports what ends the cloud before anybody asked for it.
func (c *cloud) fail(err error) {
	select {
	case c.failed <- err:
	default: // the first one is enough
	}
}

func (c *cloud) readTemplate() error {
	// Whoever starts a second cloud on the same services finds other names.
	parameters := map[string]string{"AWS::StackName": "berth-" + strings.ToLower(rand.Text()[:8])}
	maps.Copy(parameters, c.parameters)
	parameters["AWS::Region"], parameters["AWS::AccountId"] = region, account
	var err error
	c.stack, err = template.Load(c.template, parameters)
	return err
}

// makeFolder makes the folder of all files.
func (c *cloud) makeFolder(context.Context) error {
	if c.data != "" {
		if err := os.MkdirAll(c.data, 0o700); err != nil {
			return fmt.Errorf("make the folder of the data: %w", err)
		}
		return nil
	}
	var err error
	if c.data, err = os.MkdirTemp("", "localcloud-"); err != nil {
		return fmt.Errorf("make a folder for the data: %w", err)
	}
	c.later(func() error { return os.RemoveAll(c.data) })
	return nil
}

// build makes the functions' binaries, if nobody has.
func (c *cloud) build(ctx context.Context) error {
	if c.bootstraps != "" {
		return nil
	}
	c.bootstraps = filepath.Join(c.data, "bootstraps")
	absolute, err := filepath.Abs(c.bootstraps)
	if err != nil {
		return fmt.Errorf("find the folder of bootstraps: %w", err)
	}
	s := c.service("build", "scripts/build", "--native", absolute)
	if err := s.start(c); err != nil {
		return fmt.Errorf("build the functions: %w", err)
	}
	select {
	case <-s.ended:
	case <-ctx.Done():
		return fmt.Errorf("build the functions: %w", ctx.Err())
	}
	if !s.cmd.ProcessState.Success() {
		return s.failure(errors.New("build the functions: " + s.cmd.ProcessState.String()))
	}
	return nil
}
