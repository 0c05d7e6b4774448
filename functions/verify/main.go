// Verify is the function of large uploads: it reads what clients have sent past
// the registry, and publishes what is what it was said to be.
package main

import (
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/berthregistry/berth/shared/wire"
)

func main() {
	config, err := wire.Read(os.LookupEnv)
	if err != nil {
		fmt.Fprintln(os.Stderr, "verify:", err)
		os.Exit(1)
	}
	lambda.Start(wire.Verifier(config, wire.NewLog(os.Stderr, config.LogLevel)))
}
