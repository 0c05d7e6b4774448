package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/berthregistry/berth/shared/mirror"
)

// explain says an error of a copy in words of people, and what can be done about
// it. Of URLs it says no more than the path: what is behind that may be secret.
func (c *copying) explain(err error) error {
	text := err.Error()
	advice := ""
	if said, ok := errors.AsType[*errcode.ErrorResponse](err); ok {
		text = strings.ReplaceAll(text, said.Error(), wordsOf(said))
		if said.StatusCode == http.StatusUnauthorized {
			advice = c.login(said.URL.String())
		}
	}
	if failed, ok := errors.AsType[*url.Error](err); ok {
		text = strings.ReplaceAll(text, failed.Error(), lost(failed))
	}
	if errors.Is(err, auth.ErrBasicCredentialNotFound) {
		advice = c.login(err.Error())
	}
	if _, ok := errors.AsType[*mirror.SparseError](err); ok {
		advice = "a Berth takes such an index if its settings say, for this repository, indexes: none, " +
			"or indexes: {platforms: [" + strings.Join(c.Platform, ", ") + "]}; without --platform all is copied"
	}
	text = cleanTo(maxSentence, text)
	if advice != "" {
		text += "\n" + advice
	}
	return errors.New(text)
}

// wordsOf says what a registry answered, with its code.
func wordsOf(said *errcode.ErrorResponse) string {
	var parts []string
	for _, e := range said.Errors {
		if e.Message == "" {
			parts = append(parts, e.Code)
		} else {
			parts = append(parts, e.Code+": "+e.Message)
		}
	}
	if len(parts) == 0 {
		parts = []string{http.StatusText(said.StatusCode)}
	}
	return fmt.Sprintf("%s answered %d %s", said.URL.Host, said.StatusCode, strings.Join(parts, "; "))
}

// lost says why there was no answer.
func lost(failed *url.Error) string {
	host := ""
	if u, err := url.Parse(failed.URL); err == nil {
		host = u.Host
	}
	return fmt.Sprintf("%s: no answer: %v", host, failed.Err)
}

// login says how to log in where credentials were not taken: at the registry whose
// URL is in the text, or if that is of another, such as one for tokens, at those
// of the copy.
func (c *copying) login(text string) string {
	var hosts []string
	for _, p := range []place{c.from, c.to} {
		if p.isFiles() {
			continue
		}
		if strings.Contains(text, "://"+p.repo.Host()+"/") {
			hosts = []string{p.repo.Registry}
			break
		}
		hosts = append(hosts, p.repo.Registry)
	}
	return "to log in: berth login " + strings.Join(hosts, ", or berth login ")
}
