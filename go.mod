module github.com/berthregistry/berth

go 1.26.0

// Each with the reason it is here.
require (
	cel.dev/cel-go v0.33.2 // conditions on the claims of tokens, as users of zot know them
	github.com/alecthomas/kong v1.17.0 // commands, flags and their environment as one struct
	github.com/aws/aws-lambda-go v1.55.1 // the runtime of the functions, and the events they are handed
	github.com/aws/aws-sdk-go-v2 v1.47.7
	github.com/aws/aws-sdk-go-v2/config v1.33.15 // the credentials of whoever types berth
	github.com/aws/aws-sdk-go-v2/credentials v1.20.15 // the functions' own, from their environment
	github.com/aws/aws-sdk-go-v2/service/dynamodb v1.68.0 // the table on AWS; later ones build 0.6 MB of schemas at each cold start
	github.com/aws/aws-sdk-go-v2/service/dynamodbstreams v1.41.0 // what changed in it; see the line above
	github.com/aws/aws-sdk-go-v2/service/s3 v1.114.7 // the blobs on AWS
	github.com/aws/aws-sdk-go-v2/service/sqs v1.52.10 // where changes end that could not be announced, for whoever types berth redrive
	github.com/aws/aws-sdk-go-v2/service/ssm v1.79.3 // where the key that signs tokens is kept; later ones build 1.4 MB of schemas at each cold start
	github.com/aws/aws-sdk-go-v2/service/sts v1.51.8 // who a principal of AWS is
	github.com/aws/smithy-go v1.28.8 // the errors of the three
	github.com/awslabs/aws-lambda-go-api-proxy v0.16.2 // a gateway's event as a request
	github.com/coreos/go-oidc/v3 v3.21.0 // tokens of OpenID Connect issuers
	github.com/go-jose/go-jose/v4 v4.1.8 // our own tokens, signed and verified
	github.com/goccy/go-yaml v1.19.2 // settings, strict and with the line of an error
	github.com/google/uuid v1.6.0 // ids of uploads
	github.com/opencontainers/go-digest v1.0.0 // the field's type of a digest
	github.com/opencontainers/image-spec v1.1.1 // the field's type of a descriptor
	github.com/prometheus/client_golang v1.25.0 // metrics
	github.com/prometheus/client_model v0.6.3 // which of them somebody may see
	github.com/vbauerster/mpb/v8 v8.9.3 // bars of what berth push, pull and copy are at
	go.etcd.io/bbolt v1.5.0 // the table of berth serve
	golang.org/x/crypto v0.58.0 // bcrypt and argon2id, of password files
	golang.org/x/sync v0.24.0 // a bounded number of reads at once
	golang.org/x/sys v0.49.0 // how a file is written back while it grows
	oras.land/oras-go/v2 v2.6.4 // how berth, the command, speaks to any registry, and Docker's credentials
)

require (
	cel.dev/expr v0.25.1 // indirect
	github.com/VividCortex/ewma v1.2.0 // indirect
	github.com/acarl005/stripansi v0.0.0-20180116102854-5a71ef0e047d // indirect
	github.com/antlr4-go/antlr/v4 v4.13.1 // indirect
	github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream v1.7.26 // indirect
	github.com/aws/aws-sdk-go-v2/feature/ec2/imds v1.20.7 // indirect
	github.com/aws/aws-sdk-go-v2/internal/configsources v1.5.10 // indirect
	github.com/aws/aws-sdk-go-v2/internal/endpoints/v2 v2.8.10 // indirect
	github.com/aws/aws-sdk-go-v2/internal/v4a v1.5.10 // indirect
	github.com/aws/aws-sdk-go-v2/service/internal/accept-encoding v1.13.24 // indirect
	github.com/aws/aws-sdk-go-v2/service/internal/checksum v1.11.10 // indirect
	github.com/aws/aws-sdk-go-v2/service/internal/endpoint-discovery v1.13.9 // indirect
	github.com/aws/aws-sdk-go-v2/service/internal/presigned-url v1.14.10 // indirect
	github.com/aws/aws-sdk-go-v2/service/internal/s3shared v1.20.9 // indirect
	github.com/aws/aws-sdk-go-v2/service/signin v1.12.3 // indirect
	github.com/aws/aws-sdk-go-v2/service/sso v1.39.3 // indirect
	github.com/aws/aws-sdk-go-v2/service/ssooidc v1.44.3 // indirect
	github.com/beorn7/perks v1.0.1 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/kylelemons/godebug v1.1.0 // indirect
	github.com/mattn/go-runewidth v0.0.16 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/prometheus/common v0.72.0 // indirect
	github.com/prometheus/procfs v0.22.0 // indirect
	github.com/rivo/uniseg v0.4.7 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/exp v0.0.0-20240823005443-9b4947da3948 // indirect
	golang.org/x/oauth2 v0.37.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	google.golang.org/genproto/googleapis/api v0.0.0-20240826202546-f6391c0de4c7 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20240826202546-f6391c0de4c7 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

// What only tests need.
require (
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3 // holds events to their schemas
	github.com/standard-webhooks/standard-webhooks/libraries v0.0.1 // verifies our signatures as receivers do
)
