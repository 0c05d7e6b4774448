// Reader is a function that reads the item that its event names, and does
// nothing else: what an answer from the table costs at the least.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/berthregistry/berth/shared/wire"
)

type key struct{ PK, SK string }

func main() {
	config, err := wire.Read(os.LookupEnv)
	if err != nil {
		fmt.Fprintln(os.Stderr, "reader:", err)
		os.Exit(1)
	}
	client := dynamodb.New(dynamodb.Options{
		Region: config.Region, BaseEndpoint: aws.String(config.DynamoDB),
		Credentials: credentials.StaticCredentialsProvider{Value: config.Credentials},
	})
	lambda.Start(func(ctx context.Context, k key) error {
		out, err := client.GetItem(ctx, &dynamodb.GetItemInput{
			TableName: &config.Table, ConsistentRead: aws.Bool(true),
			Key: map[string]types.AttributeValue{
				"pk": &types.AttributeValueMemberS{Value: k.PK},
				"sk": &types.AttributeValueMemberS{Value: k.SK},
			},
		})
		if err == nil && len(out.Item) == 0 {
			err = fmt.Errorf("there is no item %+v", k)
		}
		return err
	})
}
