// Package presign makes the password with which a principal of AWS logs in: a
// signed request that only the registry it is meant for can use.
package presign

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// User is the user name that goes with the password.
const User = "aws"

// Life is how long a password is good for: as long as federate.STS permits.
const Life = 15 * time.Minute

// anyRegion is for those who have none configured: STS knows everybody
// everywhere.
const anyRegion = "us-east-1"

// header names the registry. It is signed, and not in the URL: whoever gets
// hold of the URL must add it, and STS then tells a wrong name by the
// signature.
const header = "X-Berth-Registry"

// Password returns a password for the registry that has this audience in its
// policy, which is its host as a rule. It is a secret until it expires.
//
// Region, credentials and endpoint of STS are those of cfg. Nothing is sent,
// but where credentials have to be fetched.
func Password(ctx context.Context, cfg aws.Config, audience string) (string, error) {
	if cfg.Region == "" {
		cfg.Region = anyRegion
	}
	client := sts.NewPresignClient(sts.NewFromConfig(cfg))
	request, err := client.PresignGetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}, func(o *sts.PresignOptions) {
		o.ClientOptions = append(o.ClientOptions, sts.WithAPIOptions(
			smithyhttp.SetHeaderValue(header, audience),
			// What begins with X-Amz is moved to the query.
			smithyhttp.SetHeaderValue("X-Amz-Expires", strconv.Itoa(int(Life.Seconds()))),
		))
	})
	if err != nil {
		return "", fmt.Errorf("sign a request to STS: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(request.URL)), nil
}
