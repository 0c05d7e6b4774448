package sqs

import (
	"errors"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

var letters = Queue{
	Name: "letters", ARN: "arn:aws:sqs:us-east-1:123456789012:letters",
	URL: "https://sqs.us-east-1.amazonaws.com/123456789012/letters", Visibility: 30 * time.Second,
}

// A client is the SDK's, of a service on loopback.
type client struct {
	*testing.T
	*sqs.Client
	service *Service
}

func newClient(t *testing.T) client {
	t.Helper()
	service := New(letters)
	server := httptest.NewServer(service)
	t.Cleanup(server.Close)
	return client{t, sqs.New(sqs.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	}), service}
}

func (c client) receive(visibility int32) []types.Message {
	c.Helper()
	out, err := c.ReceiveMessage(c.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: &letters.URL, MaxNumberOfMessages: 10, VisibilityTimeout: visibility,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		MessageAttributeNames:       []string{"All"},
	})
	if err != nil {
		c.Fatal(err)
	}
	return out.Messages
}

func (c client) delete(handle *string) {
	c.Helper()
	if _, err := c.DeleteMessage(c.Context(), &sqs.DeleteMessageInput{QueueUrl: &letters.URL, ReceiptHandle: handle}); err != nil {
		c.Fatal(err)
	}
}

// counts are the messages to be had, and those that are out.
func (c client) counts() string {
	c.Helper()
	out, err := c.GetQueueAttributes(c.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: &letters.URL, AttributeNames: []types.QueueAttributeName{"All"},
	})
	if err != nil {
		c.Fatal(err)
	}
	return out.Attributes["ApproximateNumberOfMessages"] + " " + out.Attributes["ApproximateNumberOfMessagesNotVisible"]
}

// A message that was handed out is nobody else's for a while, and gone once it
// is deleted.
func TestMessages(t *testing.T) {
	c := newClient(t)
	if !c.service.Send(letters.ARN, "one", map[string]string{"WHY": "because"}) || !c.service.Send(letters.ARN, "two", nil) {
		t.Fatal("they are not taken")
	}
	if c.service.Send(letters.ARN+"x", "three", nil) {
		t.Error("a queue that is not there takes a message")
	}
	got := c.receive(30)
	if len(got) != 2 || *got[0].Body != "one" || *got[1].Body != "two" || got[0].Attributes["ApproximateReceiveCount"] != "1" {
		t.Fatalf("got %+v", got)
	}
	if why := got[0].MessageAttributes["WHY"]; aws.ToString(why.StringValue) != "because" || len(got[1].MessageAttributes) != 0 {
		t.Errorf("the attributes are %+v and %+v", got[0].MessageAttributes, got[1].MessageAttributes)
	}
	if again := c.receive(30); len(again) != 0 {
		t.Errorf("got %+v again", again)
	}
	if got, want := c.counts(), "0 2"; got != want {
		t.Errorf("counts are %s, want %s", got, want)
	}
	c.delete(got[0].ReceiptHandle)
	c.delete(got[0].ReceiptHandle) // a second time is no failure
	if left := c.service.Bodies()["letters"]; len(left) != 1 || left[0] != "two" {
		t.Errorf("left is %q, want two", left)
	}
}

// Who gives a message back sees it come again; the handle of the first time then
// deletes nothing.
func TestVisibility(t *testing.T) {
	c := newClient(t)
	c.service.Send(letters.ARN, "one", nil)
	first := c.receive(30)
	if len(first) != 1 {
		t.Fatalf("got %+v, want one message", first)
	}
	if _, err := c.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &letters.URL, ReceiptHandle: first[0].ReceiptHandle, VisibilityTimeout: 0,
	}); err != nil {
		t.Fatal(err)
	}
	second := c.receive(30)
	if len(second) != 1 || second[0].Attributes["ApproximateReceiveCount"] != "2" {
		t.Fatalf("got %+v, want it a second time", second)
	}
	if c.delete(first[0].ReceiptHandle); c.counts() != "0 1" {
		t.Errorf("with the first handle deleted, counts are %s, want it still there", c.counts())
	}
	if c.delete(second[0].ReceiptHandle); c.counts() != "0 0" {
		t.Errorf("with the second handle deleted, counts are %s, want none", c.counts())
	}
}

func TestSendMessage(t *testing.T) {
	c := newClient(t)
	out, err := c.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &letters.Name})
	if err != nil || *out.QueueUrl != letters.URL {
		t.Fatalf("the URL is %+v, %v, want %s", out, err, letters.URL)
	}
	if _, err := c.Client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: out.QueueUrl, MessageBody: aws.String("one")}); err != nil {
		t.Fatal(err)
	}
	if got := c.receive(1); len(got) != 1 || *got[0].Body != "one" {
		t.Errorf("got %+v", got)
	}
}

// A request that waits is answered when the first message comes, or when one is
// visible again, or when its time is over.
func TestLongPoll(t *testing.T) {
	for _, tt := range []struct {
		name  string
		wait  int
		after time.Duration // until it is answered
		first func(*Service)
		want  int
	}{
		{"arrives", 20, 3 * time.Second, func(s *Service) {
			time.AfterFunc(3*time.Second, func() { s.Send(letters.ARN, "one", nil) })
		}, 1},
		{"never", 20, 20 * time.Second, func(*Service) {}, 0},
		{"no wait", 0, 0, func(*Service) {}, 0},
		{"visible again", 20, 10 * time.Second, func(s *Service) {
			s.Send(letters.ARN, "one", nil)
			s.queues["letters"].take(1, 10*time.Second)
		}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, began := New(letters), time.Now()
				tt.first(s)
				got, err := s.receive(t.Context(), s.queues["letters"], asked{WaitTimeSeconds: tt.wait})
				if err != nil {
					t.Fatal(err)
				}
				if n := len(got.(map[string]any)["Messages"].([]map[string]any)); n != tt.want || time.Since(began) != tt.after {
					t.Errorf("got %d messages after %v, want %d after %v", n, time.Since(began), tt.want, tt.after)
				}
			})
		})
	}
}

func TestRefusals(t *testing.T) {
	c := newClient(t)
	elsewhere := "https://sqs.us-east-1.amazonaws.com/123456789012/elsewhere"
	for code, call := range map[string]func() error{
		"QueueDoesNotExist": func() error {
			_, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &elsewhere})
			return err
		},
		"InvalidParameterValue": func() error {
			_, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &letters.URL, MaxNumberOfMessages: 11})
			return err
		},
		"ReceiptHandleIsInvalid": func() error {
			_, err := c.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &letters.URL, ReceiptHandle: aws.String("x")})
			return err
		},
		"UnknownOperationException": func() error {
			_, err := c.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: &letters.URL})
			return err
		},
		"SerializationException": func() error {
			_, err := c.Client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &letters.URL, MessageBody: aws.String("x"), DelaySeconds: 5})
			return err
		},
	} {
		api, ok := errors.AsType[smithy.APIError](call())
		if !ok || api.ErrorCode() != code {
			t.Errorf("got %v, want %s", api, code)
		}
	}
}
