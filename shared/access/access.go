// Package access decides who may do what: it has the words for principals,
// actions and rules, and the decision.
//
// It is linked into every function, so it knows neither YAML nor CEL nor HTTP:
// policies come here as they were compiled by package document.
package access

import (
	"fmt"
	"strings"

	"github.com/berthregistry/berth/shared/oci"
)

// An Action is something that a rule lets principals do, or keeps them from.
type Action string

// The actions.
const (
	Pull   Action = "pull"   // read manifests, blobs, tags and referrers
	Push   Action = "push"   // bring content; in every rule it stands for Tag and Attach as well
	Tag    Action = "tag"    // point tags at manifests that are here
	Attach Action = "attach" // push manifests that have a subject, without a tag
	Delete Action = "delete" // remove tags, and without a limit to tags also manifests and blobs
	Admin  Action = "admin"  // change policy, robots and keys; of the registry, not of a repository
)

// A Kind is a way in which principals become known.
type Kind string

// The kinds.
const (
	Anonymous Kind = "anonymous" // whoever presents nothing
	User      Kind = "user"      // a name and a password from a file
	Robot     Kind = "robot"     // an access key
	Issuer    Kind = "issuer"    // a token of an OpenID Connect issuer
	AWS       Kind = "aws"       // a principal of AWS, by a signed request to STS
)

// A Principal is somebody, as far as rules are concerned.
type Principal struct {
	Kind Kind `json:"k"`
	// Name is the user's or the robot's name, the issuer's name in the policy,
	// or the number of the AWS account.
	Name string `json:"n,omitempty"`
	// Subject is the sub claim of an issuer's token, or the ARN of a principal
	// of AWS: of a role and not of its session.
	Subject string `json:"s,omitempty"`
	// Groups are those that a robot was created with. The groups of a policy
	// are not among them.
	Groups []string `json:"g,omitempty"`
	// Holds are the ids of those expressions of the policy that hold of the
	// claims. They were evaluated when the token was made. The id of one that
	// could not be evaluated, for want of a claim as a rule, has InDoubt before
	// it: nothing is allowed for its sake, but what it denies is denied.
	Holds []string `json:"h,omitempty"`
}

// InDoubt is what the ids of expressions that could not be evaluated begin with.
const InDoubt = "?"

// String is what logs call the principal: "anonymous", "user:alice",
// "robot:ci", "issuer:github/repo:acme/app:ref:refs/heads/main",
// "aws:arn:aws:iam::123456789012:role/deploy".
func (p Principal) String() string {
	switch p.Kind {
	case "", Anonymous:
		return string(Anonymous)
	case Issuer:
		return "issuer:" + p.Name + "/" + p.Subject
	case AWS:
		return "aws:" + p.Subject
	}
	return string(p.Kind) + ":" + p.Name
}

// Unknown says whether it is nobody in particular.
func (p Principal) Unknown() bool { return p.Kind == "" || p.Kind == Anonymous }

// HasClaims says whether others have vouched for the principal, with claims that
// expressions of a policy may be about. What those say of them holds for one
// version of the policy.
func (p Principal) HasClaims() bool { return p.Kind == Issuer || p.Kind == AWS }

// ParsePrincipal reads what String writes. A principal of an issuer may lack
// its subject.
func ParsePrincipal(s string) (Principal, error) {
	if s == string(Anonymous) {
		return Principal{Kind: Anonymous}, nil
	}
	kind, name, _ := strings.Cut(s, ":")
	p := Principal{Kind: Kind(kind), Name: name}
	switch {
	case name == "":
	case p.Kind == User || p.Kind == Robot:
		return p, nil
	case p.Kind == Issuer:
		p.Name, p.Subject, _ = strings.Cut(name, "/")
		return p, nil
	case p.Kind == AWS:
		if account, ok := accountOf(name); ok {
			return Principal{Kind: AWS, Name: account, Subject: name}, nil
		}
	}
	return Principal{}, fmt.Errorf("%q is no principal; anonymous, user:NAME, robot:NAME, issuer:NAME/SUBJECT and aws:ARN are", oci.Clip(s))
}

// arnParts are "arn", the partition, the service, the region, the account and
// the resource.
const arnParts = 6

// accountOf returns the account that an ARN names.
func accountOf(arn string) (account string, ok bool) {
	parts := strings.SplitN(arn, ":", arnParts)
	if len(parts) < arnParts || parts[0] != "arn" {
		return "", false
	}
	return parts[4], true
}
