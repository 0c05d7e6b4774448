package main

import "fmt"

// pull is the command that brings images into files.
type pull struct {
	Src string `arg:"" name:"src" placeholder:"SRC" help:"What to pull: HOST/REPOSITORY[:TAG][@DIGEST]. Without a tag it is latest."`
	Dst string `arg:"" name:"dst" placeholder:"DST" help:"Where to: a folder for an OCI layout, a FILE.tar for one in a tar, docker-archive:FILE.tar for what docker load takes. A tag behind it, as in PATH:TAG, is that in the layout."`
	copyFlags

	from, to place
}

// Help is what berth pull --help says beneath the flags.
func (pull) Help() string {
	return `A folder keeps the images that it has. A tar has its name once it is whole; until
then there is a FILE.tar.partial, with which the next attempt goes on. An archive
for docker load holds images and no index: of an index it gets the image for
--platform, or for Linux on this machine's architecture.
` + copyNotes + `

Examples:

  berth pull registry.example.com/team/app:1 ./layout
  berth pull registry.example.com/team/app:1 app.tar
  berth pull registry.example.com/team/app:1 docker-archive:app.tar`
}

// Validate is called by kong.
func (c *pull) Validate() (err error) {
	if c.from, err = parseOrigin(c.Src); err != nil {
		return err
	}
	if c.to, err = parsePath(c.Dst); err != nil {
		return err
	}
	return c.check(c.from, c.to, nil)
}

// Run pulls.
func (c *pull) Run(t terminal) error {
	return (&copying{copyFlags: c.copyFlags, verb: "pull", from: c.from, to: c.to}).run(t)
}

// parseOrigin reads where in a registry images are.
func parseOrigin(text string) (place, error) {
	p, err := parsePlace(text)
	if err == nil && p.isFiles() {
		err = fmt.Errorf("%s is a path, and not HOST/REPOSITORY; what reads files is berth push", text)
	}
	return p, err
}
