package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"

	"github.com/berthregistry/berth/shared/announce"
	"github.com/berthregistry/berth/shared/announce/webhook"
	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/settings"
)

// consumer is by what the table knows who tells what happens.
const consumer = "announce"

// A herald tells what happens in a registry: to who watches, and to webhooks.
type herald struct {
	data *data
	log  *slog.Logger
	post *webhook.Post
}

// herald opens what telling takes. From here on changes of the table are kept for
// it: nothing that is pushed before it runs is missed.
func (c *serve) herald(ctx context.Context, d *data, hooks []webhook.Hook, log *slog.Logger) (*herald, error) {
	h := &herald{data: d, log: log}
	var err error
	if h.post, err = webhook.Open(ctx, webhook.Options{Table: d.table, Hooks: hooks, Log: log}); err != nil {
		return nil, err
	}
	if err := d.table.Begin(ctx, consumer, registry.Tells); err != nil {
		return nil, err
	}
	return h, nil
}

// run tells until ctx ends. What is not told by then is told by the next process
// on the folder.
func (h *herald) run(ctx context.Context, background *sync.WaitGroup, source string) {
	a := &announce.Announcer{
		Source: source, Registry: registry.New(h.data.table, h.data.blobs, registry.Options{}),
		To: append([]announce.Publisher{h.data.events}, h.post.Publishers()...), Log: h.log,
	}
	background.Go(func() { h.post.Run(ctx) })
	background.Go(func() { h.follow(ctx, a) })
}

// hooks are the webhooks of the settings file and of the flags.
func (c *serve) hooks(file *settings.File) ([]webhook.Hook, error) {
	hooks, err := c.flagHooks()
	if err != nil || file == nil {
		return hooks, err
	}
	for _, w := range file.Webhooks() {
		hook, err := openHook(w.URL.URL, w.SecretFile, w.Wants)
		if err != nil {
			return nil, fmt.Errorf("webhook of the settings: %w", err)
		}
		hooks = append(hooks, hook)
	}
	return hooks, nil
}

// flagHooks are those of the flags, which share a secret and what they want.
func (c *serve) flagHooks() ([]webhook.Hook, error) {
	if len(c.Webhook) == 0 {
		if c.WebhookSecretFile != "" || len(c.WebhookType) > 0 {
			return nil, errors.New("--webhook-secret-file and --webhook-type are for a --webhook")
		}
		return nil, nil
	}
	if c.WebhookSecretFile == "" {
		return nil, errors.New("--webhook: without a --webhook-secret-file nobody could tell who sends")
	}
	wanted := settings.Webhook{}
	for _, text := range c.WebhookType {
		kind, ok := settings.ParseEventType(text)
		if !ok {
			return nil, fmt.Errorf("--webhook-type: %q is no type of events; there are %s", text, settings.EventTypes())
		}
		wanted.Types = append(wanted.Types, kind)
	}
	var hooks []webhook.Hook
	for _, text := range c.Webhook {
		u, err := webhook.ParseURL(text)
		if err != nil {
			return nil, fmt.Errorf("--webhook: %w", err)
		}
		hook, err := openHook(u, c.WebhookSecretFile, wanted.Wants)
		if err != nil {
			return nil, fmt.Errorf("--webhook: %w", err)
		}
		hooks = append(hooks, hook)
	}
	return hooks, nil
}

// openHook makes a hook, whose secret is there now and read again whenever it is
// needed.
func openHook(u *url.URL, secretFile string, wants func(registry.Kind, string) bool) (webhook.Hook, error) {
	secrets := func() ([]webhook.Secret, error) { return webhook.ReadSecrets(secretFile) }
	if _, err := secrets(); err != nil {
		return webhook.Hook{}, err
	}
	return webhook.Hook{URL: u, Secrets: secrets, Wants: func(e announce.Event) bool {
		// Names of repositories have neither of these.
		repo, _, _ := strings.Cut(e.Subject, "@")
		repo, _, _ = strings.Cut(repo, ":")
		return wants(registry.Kind(strings.TrimPrefix(e.Type, announce.TypePrefix)), repo)
	}}, nil
}
