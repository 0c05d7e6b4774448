package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/access/desk"
	"github.com/berthregistry/berth/shared/access/document"
	"github.com/berthregistry/berth/shared/oci"
)

// policy are the commands about who may do what.
type policy struct {
	Get     policyGet     `cmd:"" help:"Print the policy in force."`
	Set     policySet     `cmd:"" help:"Put a policy in force."`
	Test    policyTest    `cmd:"" help:"Check a policy, and run the tests in it."`
	Explain policyExplain `cmd:"" help:"Say what somebody may do, and which rule decides."`
}

const policyPath = "/_berth/policy"

// kept is where policies are kept. That of berth serve is a file.
type kept struct {
	atRegistry
	atTable
}

func (k kept) open(ctx context.Context, t terminal) (*office, error) {
	return anywhere{atRegistry: k.atRegistry, atTable: k.atTable}.open(ctx, t)
}

type policyGet struct{ kept }

// Run prints the policy, and its version beside it.
func (c *policyGet) Run(t terminal) error {
	return visit(c.open, t, func(ctx context.Context, o *office) error {
		header, text, err := o.send(ctx, message{method: http.MethodGet, path: policyPath})
		if err != nil {
			return err
		}
		if version, err := strconv.Unquote(header.Get("Etag")); err == nil {
			fmt.Fprintf(t.err, "version %s\n", clean(version))
		}
		_, err = t.out.Write(text)
		return err
	})
}

type policySet struct {
	File string `arg:"" type:"existingfile" help:"The policy, in YAML."`
	If   string `placeholder:"VERSION" help:"Only if this version is in force, as berth policy get prints it; none stands for no policy."`
	kept
}

// Help is what berth policy set --help says beneath the flags.
func (policySet) Help() string {
	return `A policy with an error in it, or whose own tests fail, is not taken. It is in
force within seconds, for tokens that are out there as well.`
}

// Run puts a policy in force. It is looked at here first, so that errors name
// the file.
func (c *policySet) Run(t terminal) error {
	text, err := readPolicy(c.File)
	if err != nil {
		return err
	}
	m := message{http.MethodPut, policyPath, http.Header{"Content-Type": {"application/yaml"}}, text}
	switch c.If {
	case "":
	case "none":
		m.header.Set("If-None-Match", "*")
	default:
		m.header.Set("If-Match", strconv.Quote(c.If))
	}
	return visit(c.open, t, func(ctx context.Context, o *office) error {
		var done desk.Change
		if err := o.ask(ctx, m, &done); err != nil {
			return err
		}
		_, err := fmt.Fprintf(t.out, "version %s is in force\n", clean(done.Version))
		return err
	})
}

// readPolicy reads a policy that has no errors and whose tests pass.
func readPolicy(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the policy: %w", err)
	}
	_, err = document.Test(file, text)
	return text, err
}

type policyTest struct {
	File string `arg:"" type:"existingfile" help:"The policy, in YAML."`
}

// Run checks a policy.
func (c *policyTest) Run(t terminal) error {
	if _, err := readPolicy(c.File); err != nil {
		return err
	}
	_, err := fmt.Fprintf(t.out, "%s is good\n", c.File)
	return err
}

type policyExplain struct {
	File     string `arg:"" optional:"" type:"existingfile" help:"The policy, in YAML, if it is not one in force."`
	Registry string `xor:"where" placeholder:"URL" help:"The registry whose policy it is about, with the credentials of berth login or docker login."`
	Table    string `xor:"where" placeholder:"NAME" help:"The registry's table on AWS, with AWS credentials."`

	Who        string   `required:"" placeholder:"PRINCIPAL" help:"Such as user:alice, robot:ci, issuer:github/SUBJECT, aws:ARN or anonymous."`
	Group      []string `placeholder:"NAME" help:"A group that a robot was made with; may be given several times."`
	Claims     string   `type:"existingfile" placeholder:"FILE" help:"The claims of an issuer's token, in JSON."`
	Repository string   `placeholder:"NAME" help:"What for; not for admin."`
	Tag        string   `placeholder:"TAG" help:"A tag in it; without one it is about the whole repository."`
	Action     string   `required:"" enum:"pull,push,tag,attach,delete,admin" help:"One of pull, push, tag, attach, delete and admin."`
}

// Run explains. It asks the registry for its policy only; the reasoning is done
// here, and nobody is logged in as.
func (c *policyExplain) Run(t terminal) error {
	if err := c.check(); err != nil {
		return err
	}
	p, err := c.policy(t)
	if err != nil {
		return err
	}
	who, err := c.principal(p)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(t.out, document.Explain(p, who, c.Repository, c.Tag, access.Action(c.Action)))
	return err
}

// check says what cannot be meant: of a repository that cannot be, nothing is
// allowed, which would be taken for what the policy says.
func (c *policyExplain) check() error {
	admin := access.Action(c.Action) == access.Admin
	switch {
	case admin && (c.Repository != "" || c.Tag != ""):
		return errors.New("--action admin is about the whole registry, and goes without --repository and --tag")
	case !admin && c.Repository == "":
		return errors.New("--repository is missing: say which one it is about")
	case !admin && !oci.ValidName(c.Repository):
		return fmt.Errorf("--repository: %q is no name of a repository", c.Repository)
	case c.Tag != "" && !oci.ValidTag(c.Tag):
		return fmt.Errorf("--tag: %q is no tag", c.Tag)
	}
	return nil
}

func (c *policyExplain) policy(t terminal) (*access.Policy, error) {
	inForce := c.Registry != "" || c.Table != ""
	if inForce == (c.File != "") {
		return nil, errors.New("say which policy: a file, or --registry, or --table")
	}
	if c.File != "" {
		text, err := os.ReadFile(c.File)
		if err != nil {
			return nil, fmt.Errorf("read the policy: %w", err)
		}
		return document.Parse(c.File, text)
	}
	var p *access.Policy
	from := kept{atRegistry{c.Registry}, atTable{c.Table}}
	err := visit(from.open, t, func(ctx context.Context, o *office) error {
		_, text, err := o.send(ctx, message{method: http.MethodGet, path: policyPath})
		if err != nil {
			return err
		}
		p, err = document.Parse("policy", text)
		return err
	})
	return p, err
}

// principal is who it is about, as they would be known when they had logged in.
func (c *policyExplain) principal(p *access.Policy) (access.Principal, error) {
	who, err := access.ParsePrincipal(c.Who)
	if err != nil {
		return who, fmt.Errorf("--who: %w", err)
	}
	who.Groups = c.Group
	claims, err := c.claims()
	if err != nil {
		return who, err
	}
	who, err = document.Evaluate(p, who, claims)
	if err != nil {
		return who, fmt.Errorf("%s could not log in: %w", c.Who, err)
	}
	return who, nil
}

func (c *policyExplain) claims() (claims map[string]any, err error) {
	if c.Claims == "" {
		return nil, nil
	}
	text, err := os.ReadFile(c.Claims)
	if err != nil {
		return nil, fmt.Errorf("read the claims: %w", err)
	}
	if err := json.Unmarshal(text, &claims); err != nil {
		return nil, fmt.Errorf("read the claims: %s: %w", c.Claims, err)
	}
	return claims, nil
}
