package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// answerIn is how long an API destination may take.
const answerIn = 5 * time.Second

// maxAnswer is how much of an answer is read, in bytes.
const maxAnswer = 1 << 20

// A Destination is an API destination: an address that gets each event in a
// request.
type Destination struct {
	Method, URL string
	Key, Secret string            // header of its connection, and what it holds
	Header      map[string]string // of its rule
	Transport   http.RoundTripper // nil: the usual one
}

// Send sends what an event leads to. An address that answers 2xx has taken it;
// after 409, 429, 5xx and no answer it is tried again. A redirect is not
// followed, and is as final as any other answer.
func (d Destination) Send(ctx context.Context, event []byte) error {
	ctx, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, d.Method, d.URL, bytes.NewReader(event))
	if err != nil {
		return &Failure{Code: "INVALID_PARAMETER", Err: fmt.Errorf("make request: %w", withoutURL(err)), Final: true}
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", "Amazon/EventBridge/ApiDestinations")
	req.Header.Set("Range", "bytes=0-1048575")
	for name, value := range d.Header {
		req.Header.Set(name, value)
	}
	req.Header.Set(d.Key, d.Secret)
	client := http.Client{
		Transport:     d.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return &Failure{Code: "SDK_CLIENT_ERROR", Err: fmt.Errorf("send request: %w", withoutURL(err))}
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer) // so that the connection can be used again
	return judge(resp)
}

// judge is nil for an answer that takes the event.
func judge(resp *http.Response) error {
	code := resp.StatusCode
	if code/100 == 2 {
		return nil
	}
	again := code == http.StatusConflict || code == http.StatusTooManyRequests || code/100 == 5
	return &Failure{
		Code: "SDK_CLIENT_ERROR", Err: fmt.Errorf("the answer is %s", resp.Status),
		Final: !again, After: retryAfter(resp.Header.Get("Retry-After")),
	}
}

// withoutURL is an error without the address, which may hold a secret.
func withoutURL(err error) error {
	if of, ok := errors.AsType[*url.Error](err); ok {
		return of.Err
	}
	return err
}

// retryAfter reads seconds, or a date.
func retryAfter(text string) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return max(time.Until(at), 0)
}
