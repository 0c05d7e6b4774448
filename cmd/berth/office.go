package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"oras.land/oras-go/v2/registry/remote/auth"
)

// Where a command finds the desk it goes to. A command embeds those that make
// sense for it, of which one is given.
type (
	atRegistry struct {
		Registry string `xor:"where" required:"" placeholder:"URL" help:"The registry, with the credentials of berth login or docker login."`
	}
	atTable struct {
		Table string `xor:"where" required:"" placeholder:"NAME" help:"The registry's table on AWS, with AWS credentials: for the first policy and the first robot."`
	}
	atData struct {
		Data string `xor:"where" required:"" placeholder:"FOLDER" help:"The data folder of a berth serve that does not run."`
	}
)

// officeTimeout is how long one request may take.
const officeTimeout = time.Minute

// maxAnswer is the most that is read of an answer, in bytes: a policy of the
// largest size, or a long list of robots.
const maxAnswer = 16 << 20

// An office is a desk within reach, over the network or in this process. The
// commands speak HTTP to either.
type office struct {
	url    string
	client interface {
		Do(*http.Request) (*http.Response, error)
	}
	close func() error
}

// openOffice opens the desk of a registry.
func openOffice(registry string) (*office, error) {
	where, err := parseRegistry(registry)
	if err != nil {
		return nil, err
	}
	client, err := newClient(officeHTTP())
	if err != nil {
		return nil, err
	}
	return &office{url: where.String(), client: client, close: func() error { return nil }}, nil
}

// officeHTTP follows no redirect: what it carries is for the registry alone.
func officeHTTP() *http.Client {
	return &http.Client{
		Timeout:       officeTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// A message is a request to a desk.
type message struct {
	method, path string
	header       http.Header
	body         []byte
}

// asking returns a message whose body is JSON.
func asking(method, path string, body any) (message, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return message{}, fmt.Errorf("write the request: %w", err)
	}
	return message{method, path, http.Header{"Content-Type": {"application/json"}}, raw}, nil
}

// send returns the answer, its body read. What is no success is an error with
// the words of the desk.
func (o *office) send(ctx context.Context, m message) (http.Header, []byte, error) {
	ctx = auth.AppendScopes(ctx, "registry:admin:*")
	req, err := http.NewRequestWithContext(ctx, m.method, o.url+m.path, bytes.NewReader(m.body))
	if err != nil {
		return nil, nil, fmt.Errorf("make the request: %w", err)
	}
	for name, values := range m.header {
		req.Header[name] = values
	}
	resp, err := o.client.Do(req)
	if err != nil {
		return nil, nil, refusedBy(o.url, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, nil, fmt.Errorf("read the answer: %w", err)
	}
	if resp.StatusCode/100 != 2 {
		return nil, nil, o.refused(resp, body)
	}
	return resp.Header, body, nil
}

// ask is send for an answer in JSON.
func (o *office) ask(ctx context.Context, m message, into any) error {
	_, body, err := o.send(ctx, m)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}

// refused makes an error of an answer that is none.
func (o *office) refused(resp *http.Response, body []byte) error {
	var problem struct {
		Errors []struct{ Message string }
	}
	_ = json.Unmarshal(body, &problem) // what is no JSON has no words of the desk's
	var lines []string
	for _, e := range problem.Errors {
		lines = append(lines, cleanTo(maxSentence, e.Message))
	}
	said := strings.Join(lines, "\n")
	switch {
	case resp.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("%s wants credentials; see berth login --help", o.url)
	case resp.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%s: no rule of the policy allows you admin", o.url)
	case said == "" && (resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusMethodNotAllowed):
		return fmt.Errorf("%s has no access control: it is open, or no Berth", o.url)
	case said == "":
		return fmt.Errorf("%s answered %s", o.url, resp.Status)
	}
	return errors.New(said)
}
