// Package workload makes the credentials that a machine logs in with, out of
// what it is given by where it runs. Nothing of it is kept: a credential is
// made when it is asked for, and ends within minutes.
package workload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/berthregistry/berth/shared/access/federate/presign"
)

// A Kind is a place that machines run in, or a way in which they are told who
// they are.
type Kind string

// The kinds.
const (
	AWS    Kind = "aws"    // the credentials of the AWS SDK
	GitHub Kind = "github" // a job of GitHub Actions
	GitLab Kind = "gitlab" // a job of GitLab CI, by a variable that it names under id_tokens
	File   Kind = "file"   // a file that is kept up to date, such as Kubernetes' projected tokens
)

// A Source says where the credentials for one registry come from.
type Source struct {
	Kind Kind `json:"source"`
	// Audience is whom they are for: what the registry's policy has as its
	// audience, the registry's host as a rule. A file and GitLab's variable have
	// theirs inside.
	Audience string `json:"audience,omitempty"`
	// File is the path of the token, of the kind File.
	File string `json:"file,omitempty"`
	// Variable is the name of the variable, of the kind GitLab.
	Variable string `json:"variable,omitempty"`
}

// TokenUser is the user whose password is a token of an OpenID Connect issuer.
const TokenUser = "oidc"

// maxToken is the largest token that is taken from anywhere, in bytes: the
// registry takes no larger one.
const maxToken = 16 << 10

// A Machine is what this process runs on.
type Machine struct {
	Getenv func(string) string
	HTTP   *http.Client
	// AWS loads credentials and region.
	AWS func(context.Context) (aws.Config, error)
}

// Credentials are a user and a secret.
type Credentials struct{ User, Secret string }

// Credentials makes credentials. Errors say what is missing and how it comes
// about, and have nothing secret in them.
func (m Machine) Credentials(ctx context.Context, s Source) (Credentials, error) {
	var token string
	var err error
	switch s.Kind {
	case AWS:
		return m.presigned(ctx, s.Audience)
	case GitHub:
		token, err = m.actionsToken(ctx, s.Audience)
	case GitLab:
		token, err = m.variable(s.Variable)
	case File:
		token, err = fromFile(s.File)
	default:
		err = fmt.Errorf("%q is not a source of credentials", s.Kind)
	}
	if err != nil {
		return Credentials{}, err
	}
	if len(token) > maxToken {
		return Credentials{}, fmt.Errorf("the token is larger than %d KiB", maxToken>>10)
	}
	return Credentials{TokenUser, token}, nil
}

func (m Machine) presigned(ctx context.Context, audience string) (Credentials, error) {
	cfg, err := m.AWS(ctx)
	if err != nil {
		return Credentials{}, fmt.Errorf("find AWS credentials: %w", err)
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1" // STS is everywhere; this one is asked where no other is named
	}
	secret, err := presign.Password(ctx, cfg, audience)
	return Credentials{presign.User, secret}, err
}

func (m Machine) variable(name string) (string, error) {
	if token := strings.TrimSpace(m.Getenv(name)); token != "" {
		return token, nil
	}
	return "", fmt.Errorf("the variable %s is not set: the job has to name it under id_tokens", name)
}

// fromFile reads no more than a token can have.
func fromFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxToken+2)) // a line's end, and one too many
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	token := strings.TrimSpace(string(raw))
	if token == "" {
		return "", fmt.Errorf("read the token: %s is empty", name)
	}
	return token, nil
}

// User returns the user whose credentials are made.
func (s Source) User() string {
	if s.Kind == AWS {
		return presign.User
	}
	return TokenUser
}

// Validate says what is missing from a source.
func (s Source) Validate() error {
	switch {
	case s.Kind == File && s.File == "":
		return errors.New("there is no file")
	case s.Kind == GitLab && s.Variable == "":
		return errors.New("there is no variable")
	case (s.Kind == AWS || s.Kind == GitHub) && s.Audience == "":
		return errors.New("there is no audience")
	}
	return nil
}
