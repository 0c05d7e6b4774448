package sqs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"path"
	"strings"

	"github.com/google/uuid"
)

// maxRequest is more than any request needs, in bytes: a message has 1 MiB.
const maxRequest = 2 << 20

const target = "AmazonSQS."

// A failure is an error in SQS's words.
type failure struct{ code, text string }

func (f failure) Error() string { return f.code + ": " + f.text }

// An operation answers one request. All that a request may say is in asked.
type operation func(*Service, context.Context, *queue, asked) (any, error)

var operations = map[string]operation{
	"ChangeMessageVisibility": (*Service).changeVisibility,
	"DeleteMessage":           (*Service).deleteMessage,
	"GetQueueAttributes":      (*Service).attributes,
	"GetQueueUrl":             (*Service).url,
	"ReceiveMessage":          (*Service).receive,
	"SendMessage":             (*Service).sendMessage,
}

// asked has the fields of all operations. A queue is found by the end of its
// URL: clients are given one of AWS by the template, and ask here all the same.
type asked struct {
	QueueURL  string `json:"QueueUrl"`
	QueueName string

	MaxNumberOfMessages *int
	VisibilityTimeout   *int // seconds
	WaitTimeSeconds     int
	ReceiptHandle       string
	MessageBody         string

	AttributeNames              []string
	MessageSystemAttributeNames []string
	MessageAttributeNames       []string
}

// ServeHTTP answers an operation, which is named by the header X-Amz-Target.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	result, err := s.serve(w, r)
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("X-Amzn-Requestid", uuid.NewString())
	if err != nil {
		f, ok := errors.AsType[failure](err)
		if !ok {
			return // who asked has gone
		}
		result = map[string]string{"__type": "com.amazonaws.sqs#" + f.code, "message": f.text}
		w.WriteHeader(http.StatusBadRequest)
	}
	_ = json.NewEncoder(w).Encode(result) // who asked has gone
}

func (s *Service) serve(w http.ResponseWriter, r *http.Request) (any, error) {
	name, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), target)
	do := operations[name]
	if !ok || do == nil || r.Method != http.MethodPost || r.URL.Path != "/" {
		return nil, failure{"UnknownOperationException", "localcloud does not know " + r.Header.Get("X-Amz-Target") + "."}
	}
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	body.DisallowUnknownFields() // what is not played is not passed over
	var a asked
	if err := body.Decode(&a); err != nil {
		return nil, failure{"SerializationException", "localcloud does not understand the request: " + err.Error()}
	}
	s.mu.Lock()
	q := s.queues[cmp.Or(a.QueueName, path.Base(a.QueueURL))]
	s.mu.Unlock()
	if q == nil {
		return nil, failure{"QueueDoesNotExist", "The specified queue does not exist."}
	}
	return do(s, r.Context(), q, a)
}
