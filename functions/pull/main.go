// Pull is the function of all that only reads: GET, HEAD, and what no route of
// the gateway is for.
package main

import (
	"fmt"
	"net/http"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/berthregistry/berth/shared/gateway"
	"github.com/berthregistry/berth/shared/wire"
)

func main() {
	config, err := wire.Read(os.LookupEnv)
	if err != nil {
		fmt.Fprintln(os.Stderr, "pull:", err)
		os.Exit(1)
	}
	log := wire.NewLog(os.Stderr, config.LogLevel)
	lambda.Start(gateway.New(wire.Handler(config, log, http.MethodGet, http.MethodHead), gateway.Log(log)))
}
