package main

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// poison writes a tag that no registry writes: the function can't read it, at
// whatever time.
func (c *cloud) poison(t *testing.T, tag string) {
	t.Helper()
	text := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	_, err := c.dynamoDBClient().PutItem(t.Context(), &dynamodb.PutItemInput{
		TableName: &c.stack.Tables[0].Name,
		Item: map[string]types.AttributeValue{
			"pk": text("repo#team/poison"), "sk": text("tag#" + tag), "version": text("v"),
			"digest": text(digest([]byte(tag))), "n": &types.AttributeValueMemberN{Value: "1.5"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A record that can't be told, among others in a batch, is a letter by itself:
// all others are told, before it and behind it. The letter stays for as long as
// it can't be told.
func TestAnnouncePoison(t *testing.T) {
	cl := newCloud(t, func(cfg *config) { cfg.batchRetry = time.Millisecond })
	s := newStory(newClient(t, cl.registryURL))
	cl.inject(t, delayBatch, "count=1&delay=3s") // so that the rest is one batch
	s.tell("team/before")
	cl.poison(t, "one")
	s.tell("team/between")
	cl.poison(t, "two")
	s.tell("team/behind")
	queue := cl.queueOfLetters(t)
	eventually(t, "two letters are there", func() bool { return len(cl.letters()[queue]) >= 2 })
	cl.reader(t).wantAll(s)
	letters := cl.letters()[queue]
	for _, l := range letters {
		if !strings.Contains(string(l), `"batchSize":1,`) || !strings.Contains(string(l), "RetryAttemptsExhausted") {
			t.Errorf("a letter is not of the poison alone: %s", l)
		}
	}
	told := len(cl.bus.Taken(0, 1000))
	out, err := cl.redriveCommand(t).CombinedOutput()
	if err == nil || strings.Count(string(out), `number in attribute "n"`) != 2 || len(letters) != 2 || len(cl.letters()[queue]) != 2 {
		t.Errorf("%d letters, and %d behind %v:\n%s", len(letters), len(cl.letters()[queue]), err, out)
	}
	if now := len(cl.bus.Taken(0, 1000)); now != told {
		t.Errorf("%d events were told of what can't be read", now-told)
	}
}
