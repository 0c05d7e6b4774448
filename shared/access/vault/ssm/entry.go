package ssm

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/berthregistry/berth/shared/access/vault"
)

// An entry is a version of the parameter. Its value is a line and a document:
//
//	after 5
//	{"keys":[...]}
type entry struct {
	number int64
	after  int64 // the version that its writer had read, 0 for none
	doc    string
}

const heading = "after "

func (e entry) value() string { return heading + strconv.FormatInt(e.after, 10) + "\n" + e.doc }

// parse reads the value of a version. Its error repeats nothing of it.
func parse(value string, number int64) (entry, error) {
	line, doc, ok := strings.Cut(value, "\n")
	text, headed := strings.CutPrefix(line, heading)
	after, err := strconv.ParseInt(text, 10, 64)
	if !ok || !headed || err != nil || after < 0 {
		return entry{}, fmt.Errorf("version %d of the parameter is no vault's", number)
	}
	return entry{number: number, after: after, doc: doc}, nil
}

// get reads the version that a name stands for.
func (v *Vault) get(ctx context.Context, name string) (entry, error) {
	out, err := v.client.GetParameter(ctx, &ssm.GetParameterInput{Name: &name, WithDecryption: aws.Bool(true)})
	if errors.As(err, new(*types.ParameterNotFound)) {
		return entry{}, vault.ErrAbsent
	}
	if err != nil {
		return entry{}, fmt.Errorf("get parameter %s: %w", name, err)
	}
	if out.Parameter == nil {
		return entry{}, fmt.Errorf("get parameter %s: there is none in the answer", name)
	}
	return parse(aws.ToString(out.Parameter.Value), out.Parameter.Version)
}

// put writes a version and returns its number.
func (v *Vault) put(ctx context.Context, e entry) (int64, error) {
	out, err := v.client.PutParameter(ctx, &ssm.PutParameterInput{
		Name: &v.name, Value: aws.String(e.value()), Type: types.ParameterTypeSecureString,
		Overwrite: aws.Bool(e.after > 0),
	})
	if err != nil {
		return 0, fmt.Errorf("put parameter %s: %w", v.name, err)
	}
	return out.Version, nil
}
