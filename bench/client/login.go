package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// LogIn has all further requests say who they are from. It is called before
// them.
func (c *Client) LogIn(user, password string) { c.user = url.UserPassword(user, password) }

// Token asks the registry for a token with a scope, as docker does.
func (c *Client) Token(ctx context.Context, user, password, scope string) (string, error) {
	other := &Client{base: c.base, http: c.http, user: url.UserPassword(user, password)}
	query := url.Values{"service": {"berth"}, "scope": {scope}}
	a, err := other.do(ctx, request{method: http.MethodGet, path: "/token?" + query.Encode(), want: http.StatusOK})
	if err != nil {
		return "", err
	}
	var got struct{ Token string }
	if err := json.Unmarshal(a.Body, &got); err != nil || got.Token == "" {
		return "", fmt.Errorf("fetch a token: there is none in the answer: %w", err)
	}
	return got.Token, nil
}
