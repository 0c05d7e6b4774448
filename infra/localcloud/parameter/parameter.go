// Package parameter plays the part of SSM that keeps parameters: GetParameter
// and PutParameter, by its protocol, in memory.
//
// It keeps every version up to the hundred that SSM keeps, and gives the value
// of a SecureString only to who asks for it decrypted. Who may ask at all is for
// the guard before it to say.
package parameter

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// What SSM takes.
const (
	maxVersions      = 100
	maxStandardValue = 4096 // characters
	maxName          = 1011
)

// A Store keeps parameters. It is an http.Handler, and safe for concurrent use.
type Store struct {
	region, account string

	mu         sync.Mutex
	parameters map[string][]version // oldest first
}

// A version is what a parameter was set to once.
type version struct {
	number int64
	kind   string // String, StringList or SecureString
	value  string
	at     time.Time
}

// New returns an empty store of a region and an account.
func New(region, account string) *Store {
	return &Store{region: region, account: account, parameters: map[string][]version{}}
}

// A failure is an error of SSM.
type failure struct{ code, text string }

func (f failure) Error() string { return f.code + ": " + f.text }

var (
	errAbsent        = failure{"ParameterNotFound", ""}
	errAbsentVersion = failure{"ParameterVersionNotFound", "Systems Manager could not find the version of the parameter."}
	errThere         = failure{"ParameterAlreadyExists", "The parameter already exists. To overwrite this value, set the overwrite option in the request to true."}
)

func invalid(format string, args ...any) failure {
	return failure{"ValidationException", fmt.Sprintf(format, args...)}
}

// put is what PutParameter says. Only of a parameter that is new it must give
// the type.
type put struct {
	Name, Value, Type, Tier, DataType, Description string
	Overwrite                                      bool
}

var validName = regexp.MustCompile(`^/?[a-zA-Z0-9_.-]+(/[a-zA-Z0-9_.-]+)*$`)

func (p put) check() error {
	reserved := strings.ToLower(strings.TrimPrefix(p.Name, "/"))
	switch {
	case !validName.MatchString(p.Name) || len(p.Name) > maxName:
		return invalid("Parameter name: can't be prefixed with \"ssm\" and only a mix of letters, numbers and the symbols .-_/ is allowed.")
	case strings.HasPrefix(reserved, "aws") || strings.HasPrefix(reserved, "ssm"):
		return failure{"AccessDeniedException", "No access to reserved parameter name: " + p.Name + "."}
	case p.Value == "":
		return invalid("value must have length greater than or equal to 1")
	case p.Type != "" && p.Type != "String" && p.Type != "StringList" && p.Type != "SecureString":
		return failure{"UnsupportedParameterType", "The parameter type " + p.Type + " is not supported."}
	case p.Tier != "" && p.Tier != "Standard":
		return invalid("localcloud has the tier Standard alone, not %s", p.Tier)
	case utf8.RuneCountInString(p.Value) > maxStandardValue:
		return invalid("Standard tier parameters support a maximum parameter value of %d characters.", maxStandardValue)
	}
	return nil
}

// put sets a parameter and returns the number of the version.
func (s *Store) put(p put) (int64, error) {
	if err := p.check(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	versions := s.parameters[p.Name]
	next := version{number: 1, kind: p.Type, value: p.Value, at: time.Now()}
	switch {
	case len(versions) > 0 && !p.Overwrite:
		return 0, errThere
	case len(versions) > 0:
		last := versions[len(versions)-1]
		if next.number = last.number + 1; next.kind == "" {
			next.kind = last.kind
		}
	case p.Type == "":
		return 0, invalid("A parameter type is required when you create a parameter.")
	}
	versions = append(versions, next)
	s.parameters[p.Name] = versions[max(0, len(versions)-maxVersions):]
	return next.number, nil
}

// get returns a parameter by its name, of which ":3" may say the version.
func (s *Store) get(name string) (bare string, v version, err error) {
	bare, selector, selected := strings.Cut(name, ":")
	s.mu.Lock()
	defer s.mu.Unlock()
	versions := s.parameters[bare]
	if len(versions) == 0 {
		return bare, v, errAbsent
	}
	if !selected {
		return bare, versions[len(versions)-1], nil
	}
	number, err := strconv.ParseInt(selector, 10, 64)
	if err != nil {
		return bare, v, invalid("localcloud has versions and no labels, such as %s", selector)
	}
	for _, v := range versions {
		if v.number == number {
			return bare, v, nil
		}
	}
	return bare, v, errAbsentVersion
}

// shown is the value as it is given out: what is secret looks encrypted unless
// it is asked for otherwise, so that who forgets to ask finds out here.
func (v version) shown(decrypted bool) string {
	if v.kind != "SecureString" || decrypted {
		return v.value
	}
	return base64.StdEncoding.EncodeToString([]byte("localcloud shows this to who asks WithDecryption"))
}

// arn is that of a parameter, between whose parts is one slash.
func (s *Store) arn(name string) string {
	return "arn:aws:ssm:" + s.region + ":" + s.account + ":parameter/" + strings.TrimPrefix(name, "/")
}
