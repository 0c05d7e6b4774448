package main

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/berthregistry/berth/bench/tool"
)

// A copier is a command that copies an image and all that refers to it.
type copier struct {
	name    string
	proxied bool // it knows nothing of the header; berth proxy does, before the registry that it copies from
	copy    func(ctx context.Context, from, to string) (tool.Run, error)
}

// copiers are ours, and others' through our proxy. None of them finds what an
// earlier one has left at home.
func (s *stage) copiers(ctx context.Context) ([]copier, error) {
	s.say("installing regctl and oras, unless they are there")
	cache, err := filepath.Abs(filepath.Join(".cache", "bench"))
	if err != nil {
		return nil, err
	}
	regctl, err := tool.InstallRegctl(ctx, cache)
	if err != nil {
		return nil, err
	}
	oras, err := tool.BuildOras(ctx, ".", cache)
	if err != nil {
		return nil, err
	}
	berth := tool.Tool{Name: "berth", Path: s.berth}
	for _, t := range []*tool.Tool{&berth, &regctl, &oras} {
		home := filepath.Join(s.dir, "home-"+t.Name)
		t.Env = []string{"HOME=" + home, "XDG_CACHE_HOME=" + home, "XDG_CONFIG_HOME=" + home, "DOCKER_CONFIG=" + home}
	}
	return []copier{
		{name: "berth copy", copy: func(ctx context.Context, from, to string) (tool.Run, error) {
			return berth.Run(ctx, "copy", "--referrers", from, to)
		}},
		{name: "regctl", proxied: true, copy: func(ctx context.Context, from, to string) (tool.Run, error) {
			return regctl.Run(ctx, "--host", plainHTTP(from), "--host", plainHTTP(to),
				"image", "copy", "--referrers", "--digest-tags", from, to)
		}},
		{name: "oras", proxied: true, copy: func(ctx context.Context, from, to string) (tool.Run, error) {
			return oras.Run(ctx, "copy", "--recursive", "--no-tty", "--from-plain-http", "--to-plain-http", from, to)
		}},
	}, nil
}

// plainHTTP tells regctl that the registry of an image speaks HTTP.
func plainHTTP(image string) string {
	host, _, _ := strings.Cut(image, "/")
	return "reg=" + host + ",tls=disabled"
}
