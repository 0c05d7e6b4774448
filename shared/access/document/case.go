package document

import (
	"errors"
	"fmt"
	"slices"

	"github.com/berthregistry/berth/shared/access"
	"github.com/berthregistry/berth/shared/oci"
)

// Test is Parse, and runs the tests of the policy: each says what somebody wants
// to do, and whether that is to be allowed. The error has a line for each that
// fails, which begins with name, line and column.
//
// A test without a tag is about the whole repository: "allow" wants all of it
// allowed, "deny" nothing. If some tags are, both fail.
func Test(name string, text []byte) (*access.Policy, error) {
	w, err := read(name, text)
	if err != nil {
		return nil, err
	}
	var failed []error
	for i := range w.form.Tests {
		if err := w.form.Tests[i].run(w.policy); err != nil {
			failed = append(failed, w.located(&access.Fault{Place: fmt.Sprintf("tests[%d]", i), Text: err.Error()}))
		}
	}
	if failed != nil {
		return nil, errors.Join(failed...)
	}
	return w.policy, nil
}

// checkTests checks what the tests are about, so that none passes for want of
// it.
func (w *written) checkTests() error {
	for i := range w.form.Tests {
		if err := w.form.Tests[i].check(w.policy, fmt.Sprintf("tests[%d]", i)); err != nil {
			return err
		}
	}
	return nil
}

var actions = []access.Action{access.Pull, access.Push, access.Tag, access.Attach, access.Delete, access.Admin}

func (t *testForm) check(p *access.Policy, place string) error {
	wrong := func(key, format string, args ...any) error {
		return &access.Fault{Place: place + "." + key, Text: fmt.Sprintf(format, args...)}
	}
	who, err := t.principal()
	admin := t.Action == word(access.Admin)
	switch {
	case err != nil:
		return wrong("who", "%v", err)
	case who.Kind == access.Issuer && !slices.ContainsFunc(p.Issuers, func(i access.Trust) bool { return i.Name == who.Name }):
		return wrong("who", "there is no issuer %q", oci.Clip(who.Name))
	case t.Claims != nil && !who.HasClaims():
		return wrong("claims", "only principals of issuers and of AWS have claims")
	case t.Groups != nil && who.Kind != access.Robot:
		return wrong("groups", "only robots are made with groups")
	case !slices.Contains(actions, access.Action(t.Action)):
		return wrong("action", "%q is no action; one of pull, push, tag, attach, delete and admin is expected", oci.Clip(string(t.Action)))
	case admin && (t.Repository != "" || t.Tag != ""):
		return wrong("repository", "admin is of the whole registry, not of a repository")
	case !admin && !oci.ValidName(string(t.Repository)):
		return wrong("repository", "%q is no name of a repository", oci.Clip(string(t.Repository)))
	case t.Tag != "" && !oci.ValidTag(string(t.Tag)):
		return wrong("tag", "%q is no tag", oci.Clip(string(t.Tag)))
	case t.Want != "allow" && t.Want != "deny":
		return wrong("want", "want is allow or deny, not %q", oci.Clip(string(t.Want)))
	}
	return nil
}

func (t *testForm) principal() (access.Principal, error) {
	who, err := access.ParsePrincipal(string(t.Who))
	who.Groups = as[string](t.Groups)
	return who, err
}

// run returns an error if the policy does not answer as is wanted. Whose token
// would be refused may do nothing.
func (t *testForm) run(p *access.Policy) error {
	who, err := t.principal()
	if err != nil {
		return err
	}
	who, err = Evaluate(p, who, t.Claims)
	if err != nil {
		if t.Want == "deny" {
			return nil
		}
		return fmt.Errorf("wanted allow, got no login: %w", err)
	}
	e := Explain(p, who, string(t.Repository), string(t.Tag), access.Action(t.Action))
	switch {
	case t.Want == "allow" && e.Answer == Allowed, t.Want == "deny" && e.Answer == Denied:
		return nil
	case e.Answer == Partly:
		return fmt.Errorf("wanted %s, but it is %s: name a tag", t.Want, e.Answer)
	case e.Rule == "":
		return fmt.Errorf("wanted %s, got %s: no rule allows it", t.Want, e.Answer)
	}
	return fmt.Errorf("wanted %s, got %s by %q", t.Want, e.Answer, e.Rule)
}
