package checkup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/berthregistry/berth/shared/probe"
)

const (
	// patience is how long one request may take: a slow line carries 5 MiB in it.
	patience = 5 * time.Minute
	// maxAnswer is how much is read of an answer. None should have more than
	// 5 MiB.
	maxAnswer = 16 << 20
)

// An answer is a response, read to its end.
type answer struct {
	status int
	header http.Header
	length int64 // as announced, -1 if it was not
	body   []byte
	ahead  time.Duration // how much the Date of the answer is ahead of this machine's clock
}

func (a answer) get(name string) string { return a.header.Get(name) }

// String tells an answer that was not expected, in a line.
func (a answer) String() string {
	text := strings.Join(strings.Fields(string(a.body[:min(len(a.body), 200)])), " ")
	return strings.TrimSpace(fmt.Sprintf("%d %s", a.status, text))
}

// send sends a request to a path of the registry, or to a whole URL. Header is
// name, value, name, value.
func (v *visit) send(ctx context.Context, by Doer, method, target string, body []byte, header ...string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if strings.HasPrefix(target, "/") {
		target = v.URL.Scheme + "://" + v.URL.Host + target
	}
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	began := time.Now()
	resp, err := by.Do(req)
	if err != nil {
		return answer{}, withoutQuery(err)
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header, length: resp.ContentLength}
	if date, err := http.ParseTime(a.get("Date")); err == nil {
		a.ahead = ahead(date.Add(time.Second/2), began, time.Now())
	}
	if a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer)); err != nil {
		return a, fmt.Errorf("read the answer to %s %s%s: %w", method, req.URL.Host, req.URL.Path, err)
	}
	return a, nil
}

// withoutQuery takes the query out of an error's text: that of a URL of the
// bucket is as good as a password.
func withoutQuery(err error) error {
	var failed *url.Error
	if !errors.As(err, &failed) {
		return err
	}
	where, _, _ := strings.Cut(failed.URL, "?")
	return fmt.Errorf("%s %s: %w", failed.Op, where, failed.Err)
}

// ahead is how much a clock that was read between two moments is ahead. Date
// counts in seconds, so half of one is all that can be known.
func ahead(clock, began, ended time.Time) time.Duration {
	return clock.Sub(began.Add(ended.Sub(began) / 2))
}

// ask sends a request to the registry with the caller's credentials.
func (v *visit) ask(ctx context.Context, method, path string, body []byte, header ...string) (answer, error) {
	return v.send(ctx, v.Client, method, path, body, header...)
}

// write is ask for what changes the registry. It is not cut off by the end of
// ctx: the request would go on behind the gateway, and might come after its
// removal.
func (v *visit) write(ctx context.Context, method, path string, body []byte, header ...string) (answer, error) {
	if err := ctx.Err(); err != nil {
		return answer{}, err
	}
	return v.ask(context.WithoutCancel(ctx), method, path, body, header...)
}

// echo asks the probe how a request to a path behind EchoPath arrives. The echo
// is nil if the answer is none.
func (v *visit) echo(ctx context.Context, method, rest string, body []byte, header ...string) (*probe.Echo, answer, error) {
	a, err := v.send(ctx, v.Anonymous, method, probe.EchoPath+rest, body, header...)
	if err != nil || a.status != http.StatusOK {
		return nil, a, err
	}
	var e probe.Echo
	if json.Unmarshal(a.body, &e) != nil || e.Path == "" {
		return nil, a, nil
	}
	return &e, a, nil
}

// knock sees whether anything answers, and what.
func (v *visit) knock(ctx context.Context) error {
	e, a, err := v.echo(ctx, http.MethodGet, "", nil)
	if err != nil {
		return err
	}
	v.probed = e != nil
	v.gateway = a.get("Apigw-Requestid") != "" // HTTP APIs put it on every answer
	return nil
}
