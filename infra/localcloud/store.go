package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/berthregistry/berth/infra/localcloud/template"
)

// How long it may take until a table is there, or all of the stores is gone.
const storeTimeout = time.Minute

// anyRoot may do anything in DynamoDB and SSM, which take any credentials.
var anyRoot = aws.Credentials{AccessKeyID: "root", SecretAccessKey: "root"}

// s3Root may do anything in S3.
func (c *cloud) s3Root() aws.Credentials {
	return aws.Credentials{AccessKeyID: c.s3AccessKey, SecretAccessKey: c.s3SecretKey}
}

func (c *cloud) dynamoDBClient() *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region: region, BaseEndpoint: &c.dynamoDB,
		Credentials: credentials.StaticCredentialsProvider{Value: anyRoot},
	})
}

func (c *cloud) s3Client() *s3.Client {
	return s3.New(s3.Options{
		Region: region, BaseEndpoint: &c.s3, UsePathStyle: true,
		Credentials: credentials.StaticCredentialsProvider{Value: c.s3Root()},
	})
}

// makeStores makes the tables and buckets of the template. They are removed
// when the cloud is closed: the services may be others'.
func (c *cloud) makeStores(ctx context.Context) error {
	for _, t := range c.stack.Tables {
		if err := c.makeTable(ctx, t); err != nil {
			return fmt.Errorf("make table %s: %w", t.Name, err)
		}
	}
	for _, b := range c.stack.Buckets {
		if err := c.makeBucket(ctx, b.Name); err != nil {
			return fmt.Errorf("make bucket %s: %w", b.Name, err)
		}
	}
	return nil
}

func (c *cloud) makeTable(ctx context.Context, t template.Table) error {
	client := c.dynamoDBClient()
	input := &dynamodb.CreateTableInput{TableName: &t.Name, BillingMode: types.BillingModePayPerRequest}
	for _, k := range t.Keys {
		input.KeySchema = append(input.KeySchema, types.KeySchemaElement{
			AttributeName: aws.String(k.Name), KeyType: types.KeyType(k.Role),
		})
		input.AttributeDefinitions = append(input.AttributeDefinitions, types.AttributeDefinition{
			AttributeName: aws.String(k.Name), AttributeType: types.ScalarAttributeType(k.Type),
		})
	}
	if t.Stream != "" {
		input.StreamSpecification = &types.StreamSpecification{
			StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewType(t.Stream),
		}
	}
	if _, err := client.CreateTable(ctx, input); err != nil {
		return err
	}
	c.later(func() error { return c.removeTable(client, t.Name) })
	if err := dynamodb.NewTableExistsWaiter(client, func(o *dynamodb.TableExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 20*time.Millisecond, time.Second
	}).Wait(ctx, &dynamodb.DescribeTableInput{TableName: &t.Name}, storeTimeout); err != nil {
		return fmt.Errorf("wait for it: %w", err)
	}
	if t.Stream != "" {
		if err := c.renameStream(ctx, client, t); err != nil {
			return err
		}
	}
	if t.TTL == "" {
		return nil
	}
	_, err := client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName:               &t.Name,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: &t.TTL, Enabled: aws.Bool(true)},
	})
	return err
}

func (c *cloud) removeTable(client *dynamodb.Client, name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	if _, err := client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &name}); err != nil {
		return fmt.Errorf("remove table %s: %w", name, err)
	}
	return nil
}

func (c *cloud) makeBucket(ctx context.Context, name string) error {
	client := c.s3Client()
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name}); err != nil {
		return err
	}
	c.later(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
		defer cancel()
		if err := removeBucket(ctx, client, name); err != nil {
			return fmt.Errorf("remove bucket %s: %w", name, err)
		}
		return nil
	})
	return nil
}

// removeBucket removes all that is in the bucket before the bucket.
func removeBucket(ctx context.Context, client *s3.Client, name string) error {
	if err := abortUploads(ctx, client, name); err != nil {
		return err
	}
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list objects: %w", err)
		}
		if err := removeObjects(ctx, client, name, page.Contents); err != nil {
			return err
		}
	}
	_, err := client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &name})
	return err
}

func removeObjects(ctx context.Context, client *s3.Client, bucket string, objects []s3types.Object) error {
	if len(objects) == 0 {
		return nil
	}
	var ids []s3types.ObjectIdentifier
	for _, o := range objects {
		ids = append(ids, s3types.ObjectIdentifier{Key: o.Key})
	}
	out, err := client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &bucket, Delete: &s3types.Delete{Objects: ids}})
	if err != nil {
		return fmt.Errorf("delete objects: %w", err)
	}
	if len(out.Errors) > 0 {
		return fmt.Errorf("delete object %s: %s", aws.ToString(out.Errors[0].Key), aws.ToString(out.Errors[0].Message))
	}
	return nil
}

func abortUploads(ctx context.Context, client *s3.Client, bucket string) error {
	out, err := client.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &bucket})
	if err != nil {
		return fmt.Errorf("list uploads: %w", err)
	}
	for _, u := range out.Uploads {
		if _, err := client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
			Bucket: &bucket, Key: u.Key, UploadId: u.UploadId,
		}); err != nil {
			return fmt.Errorf("abort upload of %s: %w", aws.ToString(u.Key), err)
		}
	}
	return nil
}

// renameStream has what was read from the template name the stream of a table
// as the engine does, in its last part.
func (c *cloud) renameStream(ctx context.Context, client *dynamodb.Client, t template.Table) error {
	out, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &t.Name})
	if err != nil {
		return fmt.Errorf("find its stream: %w", err)
	}
	arn, label := aws.ToString(out.Table.LatestStreamArn), aws.ToString(out.Table.LatestStreamLabel)
	c.streams[t.ARN+"/stream/"+label] = arn
	rename := strings.NewReplacer(t.StreamARN, t.ARN+"/stream/"+label)
	for i := range c.stack.Mappings {
		c.stack.Mappings[i].Source = rename.Replace(c.stack.Mappings[i].Source)
	}
	for _, f := range c.stack.Functions {
		for name, value := range f.Env {
			f.Env[name] = rename.Replace(value)
		}
		for _, st := range f.Policies {
			for i, resource := range st.Resources {
				st.Resources[i] = rename.Replace(resource)
			}
		}
	}
	return nil
}
