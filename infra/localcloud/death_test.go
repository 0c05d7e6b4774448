package main

import (
	"fmt"
	"slices"
	"testing"
)

// Environments die in the middle of requests, again and again, while several
// push and attach. What was answered is there, whole; what is listed can be
// pulled; and a subject whose referrer was answered never says absent.
func TestDeathsLeaveNothingHalf(t *testing.T) {
	cl := newCloud(t)
	c := newClient(t, cl.registryURL)
	subject := c.pushImage("team/app", "subject", noise(100<<10))
	cl.inject(t, killEnvironment, "rate=0.15")

	const pushers, images = 4, 8
	answered := make([][][]byte, pushers)
	t.Run("push", func(t *testing.T) {
		for i := range pushers {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				sub := *c
				sub.t = t
				for n := range images {
					answered[i] = append(answered[i], sub.attachDespite(subject, fmt.Sprintf("v%d-%d", i, n)))
				}
			})
		}
	})
	if cl.struck(killEnvironment) == 0 {
		t.Error("nobody died")
	}
	cl.faults.delete(killEnvironment)

	all := slices.Concat(answered...)
	for _, m := range all {
		c.wantWhole("team/app", digest(m), m)
	}
	if got := c.want(200, "GET", "/v2/team/app/manifests/subject", nil).header.Get("OCI-Referrers"); got != "present" {
		t.Errorf("OCI-Referrers is %q, and %d referrers were answered", got, len(all))
	}
	var list struct {
		Manifests []struct{ Digest string }
		Tags      []string
	}
	decode(t, c.want(200, "GET", "/v2/team/app/referrers/"+digest(subject), nil), &list)
	for _, m := range all {
		if !slices.ContainsFunc(list.Manifests, func(d struct{ Digest string }) bool { return d.Digest == digest(m) }) {
			t.Errorf("%s was answered and is not among the referrers", digest(m))
		}
	}
	decode(t, c.want(200, "GET", "/v2/team/app/tags/list", nil), &list)
	for _, tag := range list.Tags {
		c.wantWhole("team/app", tag, c.want(200, "GET", "/v2/team/app/manifests/"+tag, nil).body)
	}
}

// attachDespite pushes an artifact on subject, and begins anew whenever a
// request fails, until all is answered.
func (c *client) attachDespite(subject []byte, tag string) []byte {
	c.t.Helper()
	layer, config := noise(40<<10), []byte("{}")
	m := image(config, [][]byte{layer}, map[string]any{
		"artifactType": "application/vnd.example.sbom", "subject": describe(imageType, subject),
	})
	for range 100 {
		if c.tryBlob("team/app", config) && c.tryBlob("team/app", layer) &&
			c.do("PUT", "/v2/team/app/manifests/"+tag, m, "Content-Type", imageType).status == 201 {
			return m
		}
	}
	c.t.Fatal("a hundred tries were not enough")
	return nil
}

func (c *client) tryBlob(repo string, blob []byte) bool {
	c.t.Helper()
	begun := c.do("POST", "/v2/"+repo+"/blobs/uploads/", nil)
	if begun.status != 202 {
		return false
	}
	sent := c.do("PATCH", begun.header.Get("Location"), blob, "Content-Type", "application/octet-stream")
	if sent.status != 202 {
		return false
	}
	return c.do("PUT", with(sent.header.Get("Location"), "digest", digest(blob)), nil).status == 201
}

// wantWhole pulls a manifest with all that it needs.
func (c *client) wantWhole(repo, ref string, manifest []byte) {
	c.t.Helper()
	if got := c.want(200, "GET", "/v2/"+repo+"/manifests/"+ref, nil); string(got.body) != string(manifest) {
		c.t.Errorf("%s: got manifest %s, want %s", ref, got.body, manifest)
	}
	var m struct {
		Config struct{ Digest string }
		Layers []struct{ Digest string }
	}
	decode(c.t, reply{body: manifest}, &m)
	for _, d := range append(m.Layers, m.Config) {
		if got := c.want(200, "GET", "/v2/"+repo+"/blobs/"+d.Digest, nil); digest(got.body) != d.Digest {
			c.t.Errorf("%s: blob %s came back as %s", ref, d.Digest, digest(got.body))
		}
	}
}
