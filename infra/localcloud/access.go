package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/berthregistry/berth/shared/access/document"
	"github.com/berthregistry/berth/shared/access/ledger"
	"github.com/berthregistry/berth/shared/table/dynamo"
)

// setPolicy puts the policy in force that was given, past the guards: as who
// has deployed a registry does, who may write its table.
func (c *cloud) setPolicy(ctx context.Context) error {
	if c.policy == "" {
		return nil
	}
	if len(c.stack.Tables) == 0 {
		return errors.New("set the policy: the table is not made here")
	}
	text, err := os.ReadFile(c.policy)
	if err != nil {
		return fmt.Errorf("set the policy: %w", err)
	}
	p, err := document.Parse(filepath.Base(c.policy), text)
	if err != nil {
		return err // begins with the file, line and column
	}
	items := dynamo.New(c.dynamoDBClient(), nil, c.stack.Tables[0].Name, c.log)
	if _, err := ledger.New(items, ledger.Options{Log: c.log}).SetPolicy(ctx, text, p, "localcloud", ""); err != nil {
		return fmt.Errorf("set the policy: %w", err)
	}
	return nil
}
