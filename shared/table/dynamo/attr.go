package dynamo

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/berthregistry/berth/shared/table"
)

// The attributes that every item has, or may have, beside its own.
const (
	attrPartition = "pk"
	attrSort      = "sk"
	attrVersion   = "version"
	attrExpires   = "expires"
)

// key is the primary key of an item.
func key(k table.Key) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{
		attrPartition: text(k.Partition),
		attrSort:      text(k.Sort),
	}
}

// encode makes DynamoDB's form of a whole item.
func encode(it table.Item) map[string]types.AttributeValue {
	image := key(it.Key)
	if it.Version != "" {
		image[attrVersion] = text(it.Version)
	}
	if !it.Expires.IsZero() {
		image[attrExpires] = seconds(it.Expires)
	}
	for _, a := range it.Attrs {
		image[a.Name] = value(a)
	}
	return image
}

// value is the value of an attribute of any kind.
func value(a table.Attr) types.AttributeValue {
	switch a.Kind {
	case table.KindN:
		return integer(a.Num())
	case table.KindB:
		if a.Bin() == nil {
			return &types.AttributeValueMemberB{Value: []byte{}} // nil would be sent as null
		}
		return &types.AttributeValueMemberB{Value: a.Bin()}
	}
	return text(a.Str())
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// integer travels as a decimal string, so that no bit of it is lost.
func integer(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func seconds(t time.Time) types.AttributeValue { return integer(t.Unix()) }

// decode makes an item of an image: values by attribute name, as the table and
// its stream give them, each with value types of its own. attr reads one value.
//
// Attributes of a kind that the port does not have were put there by somebody
// else and are passed over. A number that is no int64 is an error: to read a
// count as zero would be worse than not to read it.
func decode[V any](image map[string]V, attr func(name string, v V) (table.Attr, error)) (table.Item, error) {
	it := table.Item{Attrs: make(table.Attrs, 0, len(image))}
	for name, v := range image {
		a, err := attr(name, v)
		if err != nil {
			return table.Item{}, err
		}
		switch name {
		case attrPartition:
			it.Partition = a.Str()
		case attrSort:
			it.Sort = a.Str()
		case attrVersion:
			it.Version = a.Str()
		case attrExpires:
			if a.Kind == table.KindN {
				it.Expires = time.Unix(a.Num(), 0).UTC()
			}
		default:
			if a.Kind != 0 {
				it.Attrs = append(it.Attrs, a)
			}
		}
	}
	slices.SortFunc(it.Attrs, func(a, b table.Attr) int { return strings.Compare(a.Name, b.Name) })
	return it, nil
}

// attr reads a value of the table; its kind is zero if the port has no such.
func attr(name string, v types.AttributeValue) (table.Attr, error) {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return table.S(name, v.Value), nil
	case *types.AttributeValueMemberN:
		return number(name, v.Value)
	case *types.AttributeValueMemberB:
		return table.B(name, v.Value), nil
	}
	return table.Attr{}, nil
}

func number(name, s string) (table.Attr, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return table.Attr{}, fmt.Errorf("number in attribute %q: %w", name, err)
	}
	return table.N(name, n), nil
}
