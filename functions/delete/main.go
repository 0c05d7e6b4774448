// Delete is the function of all that removes: DELETE.
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
		fmt.Fprintln(os.Stderr, "delete:", err)
		os.Exit(1)
	}
	log := wire.NewLog(os.Stderr, config.LogLevel)
	lambda.Start(gateway.New(wire.Handler(config, log, http.MethodDelete), gateway.Log(log)))
}
