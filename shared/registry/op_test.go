package registry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// An op is what one request asks for.
type op struct {
	name string
	// do returns what the client is told, if that is more than success.
	do func(context.Context, *registry.Registry) (string, error)
	// sure says that it succeeds in calm weather, whatever others do.
	sure bool
}

func sure(o op) op { o.sure = true; return o }

// as is an op of somebody with these rights.
func as(w registry.Rights, o op) op {
	o.name = w.Who + " limited: " + o.name
	do := o.do
	o.do = func(ctx context.Context, r *registry.Registry) (string, error) { return do(ctx, r.For(w)) }
	return o
}

// An outcome is what a client got to know of an op.
type outcome struct {
	end  ending
	word string
}

type ending int

const (
	unsent  ending = iota // the process ended before
	unknown               // it ended in the middle, or the answer was an internal error
	refused               // an error with a code: nothing has happened
	success
)

func (o outcome) String() string {
	return [...]string{"not sent", "unknown", "refused", "success"}[o.end] + " " + o.word
}

func (o op) perform(ctx context.Context, reg *registry.Registry) outcome {
	word, err := o.do(ctx, reg)
	var one *oci.Error
	switch {
	case err == nil:
		return outcome{success, word}
	case errors.As(err, &one) && !errors.Is(err, oci.ErrTooManyRequests):
		return outcome{refused, one.Code}
	}
	return outcome{unknown, err.Error()}
}

// An act is an op of which only the success counts.
func act(name string, f func(context.Context, *registry.Registry) error) op {
	return op{name: name, do: func(ctx context.Context, r *registry.Registry) (string, error) { return "", f(ctx, r) }}
}

// The repositories of all ops. Where an op does not say, it is in the first.
const home, other, third = "team/app", "team/other", "team/third"

func putBlob(repo string, body []byte) op {
	d := oci.SHA256.Sum(body)
	return act(fmt.Sprintf("put blob %.8s into %s", d.Encoded(), repo), func(ctx context.Context, r *registry.Registry) error {
		return r.PutBlob(ctx, repo, int64(len(body)), d, bytes.NewReader(body))
	})
}

func deleteBlob(repo string, body []byte) op {
	d := oci.SHA256.Sum(body)
	return act(fmt.Sprintf("delete blob %.8s of %s", d.Encoded(), repo), func(ctx context.Context, r *registry.Registry) error {
		return r.DeleteBlob(ctx, repo, d)
	})
}

func mount(repo, from string, body []byte) op {
	d := oci.SHA256.Sum(body)
	return act(fmt.Sprintf("mount blob %.8s from %q into %s", d.Encoded(), from, repo), func(ctx context.Context, r *registry.Registry) error {
		return r.Mount(ctx, repo, from, d)
	})
}

func readBlob(repo string, body []byte) op {
	d := oci.SHA256.Sum(body)
	return op{name: fmt.Sprintf("read blob %.8s of %s", d.Encoded(), repo), do: func(ctx context.Context, r *registry.Registry) (string, error) {
		b, err := r.Blob(ctx, repo, d)
		if err != nil {
			return "", err
		}
		f, err := r.OpenBlob(ctx, b)
		if err != nil {
			return "", err
		}
		defer f.Close()
		got, err := io.ReadAll(f)
		return fmt.Sprint(bytes.Equal(got, body)), err
	}}
}

// push pushes a manifest as the first tag, or by digest without one.
func push(body []byte, tags ...string) op { return pushIf(registry.Precondition{}, body, tags...) }

func pushIf(pre registry.Precondition, body []byte, tags ...string) op {
	d := oci.SHA256.Sum(body)
	p := registry.ManifestPush{Repo: home, Ref: oci.Reference{Digest: d}, Body: body, If: pre}
	if len(tags) > 0 {
		p.Ref, p.Tags = oci.Reference{Tag: tags[0]}, tags[1:]
	}
	return act(fmt.Sprintf("push manifest %.8s %v", d.Encoded(), tags), func(ctx context.Context, r *registry.Registry) error {
		_, err := r.PutManifest(ctx, p)
		return err
	})
}

func deleteManifest(body []byte) op {
	d := oci.SHA256.Sum(body)
	return act(fmt.Sprintf("delete manifest %.8s", d.Encoded()), func(ctx context.Context, r *registry.Registry) error {
		return r.DeleteManifest(ctx, home, d, registry.Precondition{})
	})
}

func deleteTag(tag string) op {
	return act("delete tag "+tag, func(ctx context.Context, r *registry.Registry) error {
		return r.DeleteTag(ctx, home, tag, registry.Precondition{})
	})
}

// look asks for a manifest, and whether anything refers to it.
func look(ref oci.Reference) op {
	return op{name: "look at " + ref.String(), do: func(ctx context.Context, r *registry.Registry) (string, error) {
		m, err := r.Manifest(ctx, home, ref)
		return fmt.Sprint(m.Digest, " ", len(m.Body), " ", m.Referrers.Count > 0), err
	}}
}

func appendTo(id string, start int, chunk []byte) op {
	return op{name: fmt.Sprintf("append %d bytes", len(chunk)), do: func(ctx context.Context, r *registry.Registry) (string, error) {
		u, err := r.AppendUpload(ctx, home, id, int64(start), int64(len(chunk)), bytes.NewReader(chunk))
		return fmt.Sprint(u.Offset), err
	}}
}

func finish(id string, start int, chunk []byte, d oci.Digest) op {
	return act(fmt.Sprintf("finish as %.8s", d.Encoded()), func(ctx context.Context, r *registry.Registry) error {
		_, err := r.FinishUpload(ctx, home, id, int64(start), int64(len(chunk)), d, bytes.NewReader(chunk))
		return err
	})
}

func cancel(id string) op {
	return act("cancel", func(ctx context.Context, r *registry.Registry) error { return r.CancelUpload(ctx, home, id) })
}
