package main

import "fmt"

// push is the command that brings images to a registry.
type push struct {
	Src  string   `arg:"" name:"src" placeholder:"SRC" help:"What to push: PATH[:TAG][@DIGEST] of an OCI layout, be it a folder or a tar, or of an archive of docker save; or HOST/REPOSITORY[:TAG][@DIGEST]."`
	Dst  string   `arg:"" name:"dst" placeholder:"DST" help:"Where to: HOST/REPOSITORY[:TAG]. Without a tag it is that of SRC, or else latest; an image that is named by its digest alone gets none."`
	From []string `placeholder:"REPOSITORY" help:"Another repository of the registry that may have some of the blobs already; may be repeated."`
	copyFlags

	from, to place
}

// Help is what berth push --help says beneath the flags.
func (push) Help() string {
	return `SRC is a path if something is there, if it begins with a dot or a slash or has no
slash, or if it begins with oci:, oci-archive: or docker-archive:, as for skopeo;
anything else is in a registry. Manifests are pushed byte for byte.
` + copyNotes + `

Examples:

  berth push ./layout 127.0.0.1:5000/team/app:1
  berth push --all ./layout registry.example.com/team/app
  berth push docker-archive:app.tar registry.example.com/team/app:1`
}

// Validate is called by kong.
func (c *push) Validate() (err error) {
	if c.from, err = parsePlace(c.Src); err != nil {
		return err
	}
	if c.to, err = parseTarget(c.Dst); err != nil {
		return err
	}
	return c.check(c.from, c.to, c.From)
}

// Run pushes.
func (c *push) Run(t terminal) error {
	return (&copying{copyFlags: c.copyFlags, verb: "push", from: c.from, to: c.to, mounts: c.From}).run(t)
}

// parseTarget reads where in a registry images go.
func parseTarget(text string) (place, error) {
	p, err := parsePlace(text)
	switch {
	case err != nil:
		return place{}, err
	case p.isFiles():
		return place{}, fmt.Errorf("%s is a path, and not HOST/REPOSITORY; what writes files is berth pull", text)
	case p.digest != "":
		return place{}, fmt.Errorf("%s: an image keeps its digest, so give DST a tag or nothing", text)
	}
	return p, nil
}
