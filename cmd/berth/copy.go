package main

// copyImages is the command that copies images between registries.
type copyImages struct {
	Src  string   `arg:"" name:"src" placeholder:"SRC" help:"What to copy: HOST/REPOSITORY[:TAG][@DIGEST]. Without a tag it is latest."`
	Dst  string   `arg:"" name:"dst" placeholder:"DST" help:"Where to: HOST/REPOSITORY[:TAG]. Without a tag it is that of SRC, which may be none."`
	From []string `placeholder:"REPOSITORY" help:"Another repository of the registry at DST that may have some of the blobs already; may be repeated."`
	copyFlags

	from, to place
}

// Help is what berth copy --help says beneath the flags.
func (copyImages) Help() string {
	return `Manifests are copied byte for byte. Within one registry, blobs are mounted and
not moved.
` + copyNotes + `

Examples:

  berth copy docker://quay.io/team/app:1 registry.example.com/team/app
  berth copy --platform linux/arm64 --referrers quay.io/team/app:1 registry.example.com/team/app:1
  berth copy --all --dry-run quay.io/team/app registry.example.com/team/app`
}

// Validate is called by kong.
func (c *copyImages) Validate() (err error) {
	if c.from, err = parseOrigin(c.Src); err != nil {
		return err
	}
	if c.to, err = parseTarget(c.Dst); err != nil {
		return err
	}
	return c.check(c.from, c.to, c.From)
}

// Run copies.
func (c *copyImages) Run(t terminal) error {
	return (&copying{copyFlags: c.copyFlags, verb: "copy", from: c.from, to: c.to, mounts: c.From}).run(t)
}
