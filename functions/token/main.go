// Token is the function of the token endpoint, and of what administers the
// registry: policy, robots and keys.
package main

import (
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/berthregistry/berth/shared/gateway"
	"github.com/berthregistry/berth/shared/wire"
	"github.com/berthregistry/berth/shared/wire/issuer"
)

func main() {
	config, err := wire.ReadToken(os.LookupEnv)
	if err != nil {
		fmt.Fprintln(os.Stderr, "token:", err)
		os.Exit(1)
	}
	log := wire.NewLog(os.Stderr, config.LogLevel)
	lambda.Start(gateway.New(issuer.Handler(config, log), gateway.Log(log)))
}
