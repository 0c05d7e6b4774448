package settings

import (
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/berthregistry/berth/shared/registry"
)

// A Webhook is a URL that is told what happens, in berth serve.
type Webhook struct {
	// URL is where events are sent. It must be there.
	URL WebhookURL `yaml:"url"`

	// SecretFile is the file with the secret that signs what is sent, by its path
	// from the folder of the settings file. It must be there. A file with two
	// lines has two secrets, and all is signed with both: so one takes the place
	// of the other. The file is read at each request.
	SecretFile string `yaml:"secret-file"`

	// Types are the types of events that are sent, all if it is left out, such as
	// referrer.attached. See EventType.
	Types []EventType `yaml:"types"`

	// Repositories are patterns of the repositories of which events are sent, all
	// if it is left out.
	Repositories []Pattern `yaml:"repositories"`
}

// WebhookURL is a URL of http or https.
type WebhookURL struct{ *url.URL }

// EventType is a type of events: what comes after dev.berth. in their type, with
// or without that.
type EventType registry.Kind

// eventPrefix begins the types of events.
const eventPrefix = "dev.berth."

// Wants says whether the hook is to be told of what happened in a repository.
func (w Webhook) Wants(kind registry.Kind, repo string) bool {
	return (len(w.Types) == 0 || slices.Contains(w.Types, EventType(kind))) &&
		(len(w.Repositories) == 0 || slices.ContainsFunc(w.Repositories, func(p Pattern) bool { return p.Match(repo) }))
}

// UnmarshalYAML reads a webhook, and what it lacks.
func (w *Webhook) UnmarshalYAML(node ast.Node) error {
	type plain Webhook
	if err := yaml.NodeToValue(node, (*plain)(w), yaml.Strict()); err != nil {
		return err
	}
	switch {
	case w.URL.URL == nil:
		return refuse(node, "this webhook has no url")
	case w.SecretFile == "":
		return refuse(node, "this webhook has no secret-file; without a secret nobody could tell who sends")
	}
	return nil
}

// UnmarshalYAML reads a URL. Errors do not repeat it: it may have a secret.
func (u *WebhookURL) UnmarshalYAML(node ast.Node) error {
	text, err := word(node)
	if err != nil {
		return err
	}
	parsed, err := url.Parse(text)
	if err != nil || parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.Hostname() == "" || parsed.Fragment != "" {
		return refuse(node, "this is not the URL of a webhook, such as https://ci.example.com/hook")
	}
	u.URL = parsed
	return nil
}

// UnmarshalYAML reads a type.
func (e *EventType) UnmarshalYAML(node ast.Node) error {
	text, err := word(node)
	if err != nil {
		return err
	}
	kind, ok := ParseEventType(text)
	if !ok {
		return refuse(node, "%q is no type of events; there are %s", text, EventTypes())
	}
	*e = kind
	return nil
}

// ParseEventType reads a type, with or without its prefix.
func ParseEventType(text string) (EventType, bool) {
	kind := registry.Kind(strings.TrimPrefix(text, eventPrefix))
	return EventType(kind), slices.Contains(registry.Kinds(), kind)
}

// EventTypes lists all types, for people.
func EventTypes() string {
	var names []string
	for _, k := range registry.Kinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

// beside makes the paths of secrets ones from where this process is.
func (s *Settings) beside(path string) {
	for i := range s.Webhooks {
		if w := &s.Webhooks[i]; !filepath.IsAbs(w.SecretFile) {
			w.SecretFile = filepath.Join(filepath.Dir(path), w.SecretFile)
		}
	}
}
