package workload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
)

// actionsToken has GitHub make a token for the job. Both variables are there
// only if the workflow permits it.
func (m Machine) actionsToken(ctx context.Context, audience string) (string, error) {
	where, bearer := m.Getenv("ACTIONS_ID_TOKEN_REQUEST_URL"), m.Getenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
	if where == "" || bearer == "" {
		return "", errors.New("GitHub gives this job no token: the workflow needs permissions: {id-token: write}")
	}
	u, err := url.Parse(where)
	if err != nil || u.Scheme != "https" && !loopback(u) {
		return "", errors.New("ACTIONS_ID_TOKEN_REQUEST_URL is not an https URL")
	}
	query := u.Query()
	query.Set("audience", audience)
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return "", errors.New("ACTIONS_ID_TOKEN_REQUEST_URL is not an https URL")
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	req.Header.Set("Accept", "application/json")
	return m.fetch(req)
}

// fetch returns the value of the answer. The request has a secret in it, so it
// goes nowhere else, and errors do not repeat it.
func (m Machine) fetch(req *http.Request) (string, error) {
	client := *m.HTTP
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err
		}
		return "", fmt.Errorf("ask GitHub for a token: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("ask GitHub for a token: it answered %s", resp.Status)
	}
	var answer struct {
		Value string `json:"value"`
	}
	// JSON may take two characters for one, and there is more in the answer.
	err = json.NewDecoder(io.LimitReader(resp.Body, 4*maxToken)).Decode(&answer)
	if err != nil || answer.Value == "" {
		return "", errors.New("ask GitHub for a token: there is none in its answer")
	}
	return answer.Value, nil
}

// loopback says whether a URL can only lead to this machine, as in tests.
func loopback(u *url.URL) bool { return u.Scheme == "http" && net.ParseIP(u.Hostname()).IsLoopback() }
