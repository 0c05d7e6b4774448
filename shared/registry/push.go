package registry

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/table"
)

// A ManifestPush is a manifest on its way in.
type ManifestPush struct {
	Repo string
	// Ref is what the manifest is pushed as: its digest, or a tag, which it
	// then gets.
	Ref oci.Reference
	// Tags are further tags that it gets.
	Tags        []string
	ContentType string
	Body        []byte
	// If is held to the tag of Ref, or to the manifest itself if Ref is a digest.
	If Precondition
}

// A Pushed says what became of a manifest push.
type Pushed struct {
	Digest  oci.Digest
	Subject oci.Digest // "" if the manifest has none
}

// PutManifest takes a manifest in: it, its tags, its edges and the counts on
// its subject become visible together or not at all. To push again what is
// there already changes nothing and succeeds.
//
// Errors: oci.ErrManifestInvalid, oci.ErrDigestInvalid, oci.ErrTooLarge,
// oci.ErrTooManyTags, oci.ErrPrecondition, oci.ErrDenied, and oci.Errors with one
// oci.ErrManifestBlobUnknown for every child that is missing and should not be.
func (r *Registry) PutManifest(ctx context.Context, p ManifestPush) (Pushed, error) {
	if err := r.rights.mayPut(p); err != nil {
		return Pushed{}, err
	}
	in, err := r.inspect(p)
	if err != nil {
		return Pushed{}, err
	}
	ctx, cancel := settle(ctx)
	defer cancel()
	err = decide(ctx, func() error { return r.place(ctx, in) })
	// A crash before here leaves at most an object that no item names and edges
	// to a manifest that does not exist; nothing is visible. An error that does
	// not tell what happened must not cost a manifest its body.
	if err == nil || refused(err) {
		r.discard(ctx, in.object)
	}
	if err != nil {
		return Pushed{}, err
	}
	out := Pushed{Digest: in.digest}
	if in.parsed.Subject != nil {
		out.Subject = in.parsed.Subject.Digest
	}
	return out, nil
}

// incoming is a manifest push that makes sense by itself.
type incoming struct {
	ManifestPush
	digest oci.Digest
	parsed oci.Manifest
	tags   []string // Ref's and Tags, each once
	by     []table.Attr
	listed []byte // the descriptor that its subject's referrers list shows
	object string // where the body was put, if it was and is not yet named by an item
}

// inspect checks what can be checked without looking at the repository.
func (r *Registry) inspect(p ManifestPush) (*incoming, error) {
	if int64(len(p.Body)) > r.limits.ManifestSize {
		return nil, oci.ErrTooLarge.With(map[string]int64{"limit": r.limits.ManifestSize},
			"manifest of %d bytes, the limit is %d", len(p.Body), r.limits.ManifestSize)
	}
	if len(p.Tags) > r.limits.TagsPerPush {
		return nil, oci.ErrTooManyTags.With(map[string]int{"limit": r.limits.TagsPerPush},
			"%d tags in one request, the limit is %d", len(p.Tags), r.limits.TagsPerPush)
	}
	in := &incoming{ManifestPush: p, by: r.rights.by()}
	algorithm := oci.SHA256
	if p.Ref.Digest != "" {
		algorithm = oci.AlgorithmOf(p.Ref.Digest)
	}
	in.digest = algorithm.Sum(p.Body)
	if p.Ref.Digest != "" && p.Ref.Digest != in.digest {
		return nil, oci.ErrDigestInvalid.With(map[string]string{"digest": string(in.digest)},
			"the manifest has digest %s, not %s", in.digest, p.Ref.Digest)
	}
	var err error
	in.parsed, err = oci.ParseManifest(p.ContentType, p.Body)
	if err != nil {
		return nil, err
	}
	if s := in.parsed.Subject; s != nil && s.Digest == in.digest {
		return nil, oci.ErrManifestInvalid.With(nil, "a manifest cannot be its own subject")
	}
	in.tags = distinct(p.Ref.Tag, p.Tags)
	return in, in.describe()
}

func distinct(first string, more []string) []string {
	var out []string
	seen := map[string]bool{"": true}
	for _, t := range append([]string{first}, more...) {
		if !seen[t] {
			seen[t] = true
			out = append(out, t)
		}
	}
	return out
}

// place reads what the push meets, decides, and commits.
func (r *Registry) place(ctx context.Context, in *incoming) error {
	met, err := r.meet(ctx, in)
	if err != nil {
		return err
	}
	if err := in.precondition(met, r.rights.Pull); err != nil {
		return err
	}
	if met.manifest && met.as != in.parsed.MediaType {
		// This is the one answer that tells of a manifest out of sight; it tells
		// who has its bytes, and may read all that it lists.
		return oci.ErrManifestInvalid.With(map[string]string{"mediaType": met.as},
			"these bytes are here as %s, and are served as that", met.as)
	}
	if met.manifest {
		if met.object == in.object {
			in.object = ""
		}
		actions := in.retag(met, r.now().Unix())
		if met.known != seen {
			actions = append(actions, r.remember(in.Repo, node{in.digest, true})...)
		}
		if len(actions) > 0 {
			return r.commit(ctx, actions...)
		}
		return nil
	}
	if err := r.stow(ctx, in); err != nil {
		return err
	}
	core, children := in.actions(met, r.now())
	core = append(core, r.remember(in.Repo, node{in.digest, true})...)
	if len(core)+len(children) > table.MaxActions {
		if err := r.spill(ctx, in, met, children); err != nil {
			return err
		}
		core[0], children = core[0].When(stateIs(met.state)), nil
	}
	err = r.commit(ctx, append(core, children...)...)
	if err == nil {
		in.object = ""
	}
	return err
}

// stow puts a large body where its item will find it.
func (r *Registry) stow(ctx context.Context, in *incoming) error {
	if len(in.Body) <= maxInlineManifest || in.object != "" {
		return nil
	}
	in.object = manifestObject(uuid.NewString())
	if err := r.blobs.Put(ctx, in.object, in.Body); err != nil {
		return fmt.Errorf("write manifest body: %w", err)
	}
	return nil
}

// arriving begins the state of a manifest whose edges are written ahead of it.
// What follows tells one arrival from the next.
const arriving = "arriving "

// stateIs holds where a manifest item has this state, "" for none.
func stateIs(state string) table.Condition {
	if state == "" {
		return table.Lacks(attrState)
	}
	return table.Equals(table.S(attrState, state))
}

// spill commits the children ahead of the manifest where one transaction does
// not hold all. An edge that is young keeps its child from deletion even while
// its parent is not there, see DeleteBlob, so what was checked stays true until
// the manifest follows.
//
// Who deletes a manifest takes its edges away, also those of a second push of
// it that is still on its way. So pushes mark the manifest as arriving, all with
// one mark, and go on only as long as that is there.
func (r *Registry) spill(ctx context.Context, in *incoming, m *met, children []table.Action) error {
	mark := m.state
	if mark == "" {
		mark = arriving + table.NewToken()
	}
	for len(children) > 0 {
		// Pairs of check and edge stay together: see actions.
		n := min(len(children), table.MaxActions-1)
		if children[n-1].Op == table.OpCheck {
			n--
		}
		marked := table.Update(manifestKey(in.Repo, in.digest), table.S(attrState, mark)).When(stateIs(m.state))
		// A crash here leaves a mark, which the next push goes on with, and
		// edges to a manifest that does not exist. They lose their force after
		// edgeYouth.
		if err := r.commit(ctx, append([]table.Action{marked}, children[:n]...)...); err != nil {
			return err
		}
		m.state, children = mark, children[n:]
	}
	return nil
}
