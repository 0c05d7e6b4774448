package wire

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// A caller sends signed requests to one service of AWS. It stands for a client
// of the SDK where one call is all that is needed: that would cost each function
// more at its start than all that is here.
type caller struct {
	service     string // as signatures name it
	region      string
	credentials aws.Credentials
	client      aws.HTTPClient
	retryer     aws.Retryer
	signer      *v4.Signer
}

func newCaller(c Config, service string) *caller {
	return &caller{
		service: service, region: c.Region, credentials: c.Credentials,
		client: newTransport(queueAnswer), retryer: newRetryer(), signer: v4.NewSigner(),
	}
}

// serviceURL is where a service is, if it is not at own. In partitions that are
// neither AWS's own nor China's own must be set.
func serviceURL(own, service, region string) string {
	suffix := "amazonaws.com"
	if strings.HasPrefix(region, "cn-") {
		suffix += ".cn"
	}
	return strings.TrimRight(cmp.Or(own, "https://"+service+"."+region+"."+suffix), "/")
}

// post sends a request once and returns the answer, if that has the status that
// is wanted.
func (c *caller) post(ctx context.Context, url string, header http.Header, payload []byte, want int) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(payload))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.Header = header
	sum := sha256.Sum256(payload)
	if err := c.signer.SignHTTP(ctx, c.credentials, req, hex.EncodeToString(sum[:]), c.service, c.region, time.Now()); err != nil {
		return nil, fmt.Errorf("sign request: %w", err)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, &smithyhttp.RequestSendError{Err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // to its end, so that the connection can be used again
	if resp.StatusCode != want {
		return nil, refusal(resp, body)
	}
	if err != nil {
		return nil, &smithyhttp.RequestSendError{Err: err}
	}
	return body, nil
}

// again says whether to try once more after an attempt, counted from one, that
// failed with err. It returns when it is time to.
func (c *caller) again(ctx context.Context, attempt int, err error) bool {
	if ctx.Err() != nil || attempt >= c.retryer.MaxAttempts() || !c.retryer.IsErrorRetryable(err) {
		return false
	}
	delay, _ := c.retryer.RetryDelay(attempt, err) // ours knows one for each
	select {
	case <-ctx.Done():
		return false
	case <-time.After(delay):
		return true
	}
}

// maxAnswer is how much of an answer is read, in bytes.
const maxAnswer = 16 << 10

// refusal is an answer that is not the one hoped for, as an error of the SDK.
// Services say its code in the header, or in the body behind a name and a #.
func refusal(resp *http.Response, body []byte) error {
	var said struct {
		Type    string `json:"__type"`
		Message string
	}
	_ = json.Unmarshal(body, &said) // without a message the code says enough
	code, _, _ := strings.Cut(resp.Header.Get("X-Amzn-Errortype"), ":")
	return &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: resp},
		Err: &smithy.GenericAPIError{
			Code:    cmp.Or(code, said.Type[strings.LastIndexByte(said.Type, '#')+1:], "Unknown"),
			Message: said.Message,
		},
	}
}
