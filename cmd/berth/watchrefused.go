package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// unanswered says why there is no answer. Credentials that are no good stay so.
func (w *watcher) unanswered(ctx context.Context, err error) error {
	err = refusedBy(w.host, err)
	switch failed, ok := errors.AsType[*url.Error](err); {
	case errors.Is(err, errNotValid):
		return final{err}
	case errors.Is(context.Cause(ctx), errSilent):
		return fmt.Errorf("%s: %w", w.host, errSilent)
	case ok:
		return errors.New(lost(failed)) // without the URL, which is long
	}
	return err
}

// lost says why an answer ended.
func (w *watcher) lost(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(context.Cause(ctx), errSilent):
		return fmt.Errorf("%s: %w", w.host, errSilent)
	}
	return fmt.Errorf("%s: %w", w.host, err)
}

// refused makes an error of an answer that has no events.
func (w *watcher) refused(resp *http.Response) error {
	var said struct {
		Errors []struct{ Message string }
	}
	_ = json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&said) // what is no JSON says nothing
	text := fmt.Sprintf("%s answered %d %s", w.host, resp.StatusCode, http.StatusText(resp.StatusCode))
	if len(said.Errors) > 0 && said.Errors[0].Message != "" {
		text += ": " + cleanTo(maxSentence, said.Errors[0].Message)
	}
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests, code >= 500:
		return errors.New(text)
	case code == http.StatusUnauthorized:
		text += "\nto log in: berth login " + w.host
	case code == http.StatusNotFound && len(said.Errors) == 0:
		text += ": it tells no events"
	}
	return final{errors.New(text)}
}

func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.ParseUint(h.Get("Retry-After"), 10, 16)
	if err != nil {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, mostAfter)
}
