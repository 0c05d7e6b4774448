// Announce is the function of the table's stream: what has changed becomes an
// event.
package main

import (
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/berthregistry/berth/shared/wire"
)

func main() {
	config, err := wire.ReadAnnouncer(os.LookupEnv)
	if err != nil {
		fmt.Fprintln(os.Stderr, "announce:", err)
		os.Exit(1)
	}
	lambda.Start(wire.Announcer(config, wire.NewLog(os.Stderr, config.LogLevel)))
}
