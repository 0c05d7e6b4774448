package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/berthregistry/berth/shared/table"
	"github.com/berthregistry/berth/shared/table/dynamo"
	"github.com/berthregistry/berth/shared/wire"
)

// redrive is the command about what could not be told on AWS.
type redrive struct {
	Queue string `required:"" placeholder:"URL" help:"The queue of what could not be told."`
	Table string `required:"" placeholder:"NAME" env:"BERTH_TABLE" help:"The registry's table."`
	Bus   string `required:"" placeholder:"NAME" env:"BERTH_BUS" help:"The bus where events go."`
	URL   string `name:"url" required:"" placeholder:"URL" env:"BERTH_URL" help:"The registry's address, which events have as their source."`
	Drop  bool   `help:"Also delete the messages about what the stream has no more: that is lost, and is said here."`

	// What the SDK reads itself for the other services.
	EventBridge string `hidden:"" env:"AWS_ENDPOINT_URL_EVENTBRIDGE"`
}

// Help is what berth redrive --help says beneath the flags.
func (redrive) Help() string {
	return `What happens in a registry on AWS and could not be told, in an hour or in twenty
attempts, is a message in a queue: it says where in the table's stream the
changes are. This tells them from here, with your AWS credentials, and deletes
the message when it is done. The stream keeps a change for a day. The whole
command, with all flags, is the output Redrive of the stack.

Receivers may get an event twice; they know it by its id.`
}

// Run tells what could not be told.
func (c *redrive) Run(t terminal) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	r, err := c.open(ctx, t)
	if err != nil {
		return err
	}
	return r.run(ctx)
}

// open makes the clients, of which none has called yet but for credentials.
func (c *redrive) open(ctx context.Context, t terminal) (*redriver, error) {
	if u, err := url.Parse(c.URL); err != nil || u.Host == "" {
		return nil, fmt.Errorf("--url: %q is no address such as https://registry.example.com", c.URL)
	}
	cfg, err := config.LoadDefaultConfig(ctx, inRegionOf(c.Queue))
	if err != nil {
		return nil, fmt.Errorf("find AWS credentials: %w", err)
	}
	keys, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("find AWS credentials: %w", err)
	}
	log := logTo(t)
	store := dynamo.New(dynamodb.NewFromConfig(cfg), dynamodbstreams.NewFromConfig(cfg), c.Table, log)
	to := wire.Config{Bus: c.Bus, URL: c.URL, Region: cfg.Region, Credentials: keys, EventBridge: c.EventBridge}
	return &redriver{
		findBus: func(ctx context.Context) error { return wire.FindBus(ctx, to) },
		letters: &mailbox{client: sqs.NewFromConfig(cfg), url: c.Queue, look: look},
		stream:  store, announcer: wire.NewAnnouncer(to, store, log), name: c.Table, drop: c.Drop, out: t.out,
	}, nil
}

var queueRegion = regexp.MustCompile(`^https://sqs\.([a-z0-9-]+)\.`)

// inRegionOf spares whoever types the command to say the region beside the URL,
// which has it.
func inRegionOf(queue string) config.LoadOptionsFunc {
	return func(o *config.LoadOptions) error {
		if found := queueRegion.FindStringSubmatch(queue); found != nil {
			o.Region = found[1]
		}
		return nil
	}
}

// A letter is what Lambda says of records that it has given up, as far as it
// matters here.
type letter struct {
	Batch *batch `json:"DDBStreamBatchInfo"`
}

type batch struct {
	Shard   string    `json:"shardId"`
	First   string    `json:"startSequenceNumber"`
	Last    string    `json:"endSequenceNumber"`
	FirstAt time.Time `json:"approximateArrivalOfFirstRecord"`
	LastAt  time.Time `json:"approximateArrivalOfLastRecord"`
	Stream  string    `json:"streamArn"`
}

// check refuses what this command cannot be meant for.
func (l letter) check(table string) error {
	switch b := l.Batch; {
	case b == nil || b.Shard == "" || b.First == "" || b.Last == "" || b.Stream == "":
		return errors.New("it is no message of Lambda about a table's stream")
	case !strings.Contains(b.Stream, ":table/"+table+"/stream/"):
		return fmt.Errorf("it is about another table: %s", clean(b.Stream))
	}
	return nil
}

// A repeater reads a part of the table's stream again.
type repeater interface {
	Again(ctx context.Context, span dynamo.Span, deliver func(context.Context, []table.Change) error) error
}

var _ repeater = (*dynamo.Store)(nil)
