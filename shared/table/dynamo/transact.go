package dynamo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/berthregistry/berth/shared/table"
)

// DynamoDB refuses a transaction that meets another on an item, rather than to
// queue it. Sixteen attempts are given up after some six seconds; long before
// that, sixty-four writers of one item have got by each other.
const (
	conflictAttempts = 16
	conflictFirst    = 20 * time.Millisecond
	conflictMost     = time.Second
)

// Transact is one TransactWriteItems, sent again while others are in its way.
// The token is the transaction's, which is what makes sending again safe.
func (s *Store) Transact(ctx context.Context, tx table.Tx) error {
	if err := tx.Validate(); err != nil {
		return err
	}
	in := s.transaction(tx)
	pause := backoff{first: conflictFirst, most: conflictMost}
	for attempt := 1; ; attempt++ {
		_, err := s.client.TransactWriteItems(ctx, in)
		err = outcome(err)
		if !errors.Is(err, table.ErrConflict) || attempt == conflictAttempts {
			return err
		}
		s.log.DebugContext(ctx, "transaction conflict", "attempt", attempt, "err", err)
		if ended := pause.wait(ctx); ended != nil {
			return fmt.Errorf("wait for it to pass: %w: %w", ended, err)
		}
	}
}

func (s *Store) transaction(tx table.Tx) *dynamodb.TransactWriteItemsInput {
	in := &dynamodb.TransactWriteItemsInput{ClientRequestToken: &tx.Token}
	for _, a := range tx.Actions {
		in.TransactItems = append(in.TransactItems, s.action(a, tx.Token))
	}
	return in
}

func (s *Store) action(a table.Action, token string) types.TransactWriteItem {
	// The order in which placeholders are given is part of the request: keep it.
	var e expression
	condition := e.condition(a.If)
	switch a.Op {
	case table.OpPut:
		image := encode(table.Item{Key: a.Key, Version: token, Expires: a.Expires, Attrs: a.Set})
		return types.TransactWriteItem{Put: &types.Put{
			TableName: &s.table, Item: image, ConditionExpression: condition,
			ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
		}}
	case table.OpUpdate:
		update := e.update(a, token)
		return types.TransactWriteItem{Update: &types.Update{
			TableName: &s.table, Key: key(a.Key), UpdateExpression: update, ConditionExpression: condition,
			ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
		}}
	case table.OpDelete:
		return types.TransactWriteItem{Delete: &types.Delete{
			TableName: &s.table, Key: key(a.Key), ConditionExpression: condition,
			ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
		}}
	}
	return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
		TableName: &s.table, Key: key(a.Key), ConditionExpression: condition,
		ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
	}}
}

// outcome turns DynamoDB's answer to a transaction into the port's. What it
// does not know stays as it is, and so means that nobody knows what happened.
func outcome(err error) error {
	if err == nil {
		return nil
	}
	if cancelled, ok := errors.AsType[*types.TransactionCanceledException](err); ok {
		return cancellation(cancelled)
	}
	// Malformed or too large, found before any condition was looked at.
	if api, ok := errors.AsType[smithy.APIError](err); ok && api.ErrorCode() == "ValidationException" {
		return fmt.Errorf("%w: %w", table.ErrLimit, err)
	}
	return fmt.Errorf("transact: %w", err)
}

// cancellation says why a transaction was called off; nothing has happened.
//
// A condition that did not hold outweighs a conflict in the same answer: the
// transaction was not to be done anyway.
func cancellation(cancelled *types.TransactionCanceledException) error {
	var failed []int
	conflict := false
	for i, reason := range cancelled.CancellationReasons {
		switch aws.ToString(reason.Code) {
		case "ConditionalCheckFailed":
			failed = append(failed, i)
		case "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded":
			conflict = true
		case "ValidationError":
			// An update that made its item too large, or adds to a string.
			return fmt.Errorf("%w: action %d: %s", table.ErrLimit, i, aws.ToString(reason.Message))
		}
	}
	switch {
	case failed != nil:
		return &table.ConditionError{Failed: failed}
	case conflict:
		return fmt.Errorf("%w: %w", table.ErrConflict, cancelled)
	}
	return fmt.Errorf("transact: %w", cancelled)
}
