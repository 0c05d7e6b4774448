package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// The rules that the template begins with lead to a webhook and a queue. Each gets
// the events of the types that it was set up for, as CloudEvents and by the key of
// the webhook, though it is asked twice and does not always answer.
func TestRulesOfTheTemplate(t *testing.T) {
	const queue = "arn:aws:sqs:" + region + ":" + account + ":ci"
	heard, asked := make(chan []byte, 1000), atomic.Int64{}
	hook := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != "POST" || r.URL.Path != "/hook" || r.Header.Get("X-Key") != "team/hook" ||
			r.Header.Get("Content-Type") != "application/cloudevents+json" {
			t.Errorf("got %s %s %v, %v", r.Method, r.URL, r.Header, err)
		}
		if asked.Add(1)%3 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		heard <- body
	}))
	defer hook.Close()
	cl := newCloud(t, func(cfg *config) {
		cfg.webhooks = hook.Client().Transport
		cfg.parameters = map[string]string{
			"Access": "open", "EventTypes": "dev.berth.referrer.", "EventTarget": queue,
			"WebhookUrl": hook.URL + "/hook", "WebhookHeader": "X-Key", "WebhookSecret": "team/hook",
		}
	})
	cl.inject(t, repeatEvent, "rate=0.5")
	s := newStory(newClient(t, cl.registryURL))
	s.tell("team/app")
	cl.reader(t).wantAll(s) // the bus has all, whatever the rules choose

	want := map[string]int{}
	for of, n := range s.events {
		if strings.HasPrefix(of, "dev.berth.referrer.") {
			want[of] = n
		}
	}
	l := newListener(t)
	eventually(t, "the webhook has all", func() bool {
		for len(heard) > 0 {
			l.hear(<-heard)
		}
		return len(l.seen) >= len(want) && cl.waiting() == 0
	})
	l.compare(want)

	l = newListener(t)
	for _, body := range cl.queues.Bodies()["ci"] {
		l.hear([]byte(body))
	}
	l.compare(want)
	if cl.struck(repeatEvent) == 0 {
		t.Error("no event was sent twice")
	}
}

// A webhook that says no for good has its events in the queue of what was not
// delivered, each whole.
func TestUndelivered(t *testing.T) {
	hook := httptest.NewTLSServer(http.NotFoundHandler())
	defer hook.Close()
	cl := newCloud(t, func(cfg *config) {
		cfg.webhooks = hook.Client().Transport
		cfg.parameters = map[string]string{"Access": "open", "WebhookUrl": hook.URL + "/hook?token=xyz", "WebhookSecret": "team/hook"}
	})
	s := newStory(newClient(t, cl.registryURL))
	s.tell("team/app")
	cl.reader(t).wantAll(s)
	eventually(t, "all is given up", func() bool { return cl.waiting() == 0 })
	l := newListener(t)
	for name, letters := range cl.letters() {
		for _, letter := range letters {
			var of struct{ Detail json.RawMessage }
			decode(t, reply{body: letter}, &of)
			l.hear(of.Detail)
		}
		if !strings.Contains(name, "Undelivered") {
			t.Errorf("there are letters in %s", name)
		}
	}
	l.compare(s.events)
}

// waiting is how many events are on their way from rules.
func (c *cloud) waiting() int64 {
	n := int64(0)
	for _, s := range c.bus.Stats() {
		n += s.Waiting
	}
	return n
}
