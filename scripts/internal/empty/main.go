// Empty is a function that does nothing: what a cold start costs at the least.
package main

import "github.com/aws/aws-lambda-go/lambda"

func main() { lambda.Start(func() error { return nil }) }
