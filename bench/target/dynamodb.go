package target

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"

	"github.com/berthregistry/berth/bench/client"
	"github.com/berthregistry/berth/bench/load"
)

// DynamoDB is an engine that stands in for it. What is asked here has a
// signature of nobody, since engines do not look at it: to sign would cost the
// caller, and is not what is measured.
type DynamoDB struct{ *Target }

// StartDynamoDB has a script of the checkout at root start an engine, which it
// installs at first.
func StartDynamoDB(ctx context.Context, root, dir string) (*DynamoDB, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, fmt.Errorf("start DynamoDB: %w", err)
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("start DynamoDB: %w", err)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(root, "scripts", "services", "dynamodb"), port)
	ready := func(c *client.Client, ctx context.Context) error {
		_, err := (&DynamoDB{&Target{Client: c}}).Tables(ctx)
		return err
	}
	t, err := startUntil(ctx, ready, firstStartTimeout, "DynamoDB", dir, addr, cmd)
	if err != nil {
		return nil, err
	}
	return &DynamoDB{t}, nil
}

// Tables returns the names of all tables.
func (d *DynamoDB) Tables(ctx context.Context) ([]string, error) {
	answer, err := d.call(ctx, tableAPI+"ListTables", []byte("{}"))
	if err != nil {
		return nil, err
	}
	var list struct{ TableNames []string }
	if err := json.Unmarshal(answer, &list); err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	return list.TableNames, nil
}

// GetItem reads an item, and returns the load that reads it again and again:
// strongly consistent, whole, as a registry does.
func (d *DynamoDB) GetItem(ctx context.Context, table, partition, sort string) (load.Load, error) {
	type text struct{ S string }
	body, err := json.Marshal(map[string]any{
		"TableName": table, "ConsistentRead": true,
		"Key": map[string]text{"pk": {partition}, "sk": {sort}},
	})
	if err != nil {
		return load.Load{}, fmt.Errorf("read an item: %w", err)
	}
	answer, err := d.call(ctx, tableAPI+"GetItem", body)
	if err != nil {
		return load.Load{}, err
	}
	if !bytes.Contains(answer, []byte(`"Item"`)) {
		return load.Load{}, errors.New("read an item: it is not there")
	}
	return load.Load{
		Method: http.MethodPost, Path: "/", Header: headers(tableAPI + "GetItem"), Body: body,
		Status: http.StatusOK, Size: int64(len(answer)),
	}, nil
}

func (d *DynamoDB) call(ctx context.Context, action string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+d.Host()+"/", bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", action, err)
	}
	for name, value := range headers(action) {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", action, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", action, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: answered %s: %.200s", action, resp.Status, answer)
	}
	return answer, nil
}

// headers are those of a call, with all that a signature has.
func headers(action string) map[string]string {
	return map[string]string{
		"Content-Type": "application/x-amz-json-1.0",
		"X-Amz-Target": action,
		"X-Amz-Date":   "20260101T000000Z",
		"Authorization": "AWS4-HMAC-SHA256 Credential=bench/20260101/us-east-1/dynamodb/aws4_request, " +
			"SignedHeaders=content-type;host;x-amz-date;x-amz-target, " +
			"Signature=0000000000000000000000000000000000000000000000000000000000000000",
	}
}
