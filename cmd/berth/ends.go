package main

import (
	"context"
	"errors"
	"strings"

	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/berthregistry/berth/shared/layout"
	"github.com/berthregistry/berth/shared/mirror"
)

// origin opens where images are copied from. The function is called at the end.
func (c *copying) origin() (mirror.Origin, func(), error) {
	if c.from.isFiles() {
		image, err := layout.Open(c.from.path)
		if err != nil {
			return nil, nil, err
		}
		return image, func() { _ = image.Close() }, nil
	}
	remote, err := c.remote(c.from)
	return remote, func() {}, err
}

// target opens where images are copied to. The function is called at the end with
// the error of the copy, and returns that or its own.
func (c *copying) target() (mirror.Target, func(error) error, error) {
	nothing := func(err error) error { return err }
	switch {
	case c.to.isFiles() && c.DryRun:
		return nowhere{}, nothing, nil
	case c.to.isFiles():
		return c.files()
	}
	remote, err := c.remote(c.to)
	if err != nil {
		return nil, nil, err
	}
	remote.From = c.mounts
	if !c.from.isFiles() && c.from.repo.Registry == c.to.repo.Registry && c.from.repo.Repository != c.to.repo.Repository {
		remote.From = append(remote.From, c.from.repo.Repository)
	}
	if c.DryRun {
		return remote.Unchanged(), nothing, nil
	}
	return remote, nothing, nil
}

// files opens files to write. What was written before a failure stays, and the
// next attempt goes on from there.
func (c *copying) files() (mirror.Target, func(error) error, error) {
	w, err := layout.Create(c.to.path, c.to.formatOf())
	if err != nil {
		return nil, nil, err
	}
	if err := w.SetName(c.nameInFiles()); err != nil {
		return nil, nil, errors.Join(err, w.Close())
	}
	return files{w, c.engine}, func(err error) error {
		if err == nil {
			err = w.Commit()
		}
		return errors.Join(err, w.Close())
	}, nil
}

// nameInFiles is how who loads an archive shall know the images: as was said, or
// as they were known where they come from.
func (c *copying) nameInFiles() string {
	if colon := strings.LastIndexByte(c.to.name, ':'); colon >= 0 {
		return c.to.name[:colon]
	}
	return c.from.String()
}

// remote opens a repository.
func (c *copying) remote(p place) (*mirror.Remote, error) {
	hint := ""
	if !c.All {
		hint = p.hint()
	}
	repo, err := c.network.open(p.repo, hint)
	if err != nil {
		return nil, err
	}
	return &mirror.Remote{Blobs: c.engine.Open(repo, hint), Repo: repo}, nil
}

// hint says to a registry which image is meant.
func (p place) hint() string {
	out := p.String()
	if p.tag != "" {
		out += ":" + p.tag
	}
	if p.digest != "" {
		out += "@" + string(p.digest)
	}
	return out
}

// scoped has one login be good for all that will be done at a registry.
func (c *copying) scoped(ctx context.Context) context.Context {
	if !c.from.isFiles() {
		ctx = auth.AppendRepositoryScope(ctx, c.from.repo, auth.ActionPull)
	}
	if c.to.isFiles() {
		return ctx
	}
	if c.DryRun {
		return auth.AppendRepositoryScope(ctx, c.to.repo, auth.ActionPull)
	}
	for _, name := range c.mounts {
		other := c.to.repo
		other.Repository = name
		ctx = auth.AppendRepositoryScope(ctx, other, auth.ActionPull)
	}
	return auth.AppendRepositoryScope(ctx, c.to.repo, auth.ActionPull, auth.ActionPush)
}
