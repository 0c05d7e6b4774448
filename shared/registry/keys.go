package registry

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/table"
)

// All keys of items and objects are built in this file.
//
//	repo#<name>
//	  manifest#<digest>                      a manifest, or a stub that only counts referrers
//	  tag#<tag>                              the digest that the tag names
//	  referrer#<subject>#<type>#<digest>     the descriptor of a referrer, ready to be listed
//	  blob#<digest>                          where the bytes of a blob are
//	  parent#<child>#<parent>                child is part of parent, a digest, or is tagged parent, a tag
//	  upload#<id>                            an upload in progress, or just done
//	  direct#<id>                            one that goes straight to the blob store
//	  sent#<kind>#<digest>#<who>             who, by the hash of their name, has sent this manifest or
//	                                         blob of late
//	object#<key>
//	  object                                 how many blob items share an object
//	digest#<digest>
//	  repo#<name>                            a repository that has the blob
//	repos
//	  repo#<name>                            a repository that was pushed to
//
// Objects in the blob store:
//
//	blobs/<xx>/<id>-<repo>                   by the id of the upload, xx its last two digits, and
//	                                         16 digits of the hash of the repository's name: an id
//	                                         may be invented, but not for two repositories at once.
//	                                         The id of a direct upload comes again, so its object
//	                                         has another, made each time that it begins
//	manifests/<xx>/<id>                      a manifest too large for an item
//
// Names, tags and digests hold no "#". Types may: see typeInKey.

func repoPartition(repo string) string { return repoPrefix + repo }

const manifestPrefix = "manifest#"

func manifestKey(repo string, d oci.Digest) table.Key {
	return table.Key{Partition: repoPartition(repo), Sort: manifestPrefix + string(d)}
}

// manifestOf is the way back.
func manifestOf(key table.Key) oci.Digest {
	return oci.Digest(strings.TrimPrefix(key.Sort, manifestPrefix))
}

const tagPrefix = "tag#"

func tagKey(repo, tag string) table.Key {
	return table.Key{Partition: repoPartition(repo), Sort: tagPrefix + tag}
}

func blobKey(repo string, d oci.Digest) table.Key {
	return table.Key{Partition: repoPartition(repo), Sort: "blob#" + string(d)}
}

func uploadKey(repo, id string) table.Key {
	return table.Key{Partition: repoPartition(repo), Sort: "upload#" + id}
}

func deliveryKey(repo, id string) table.Key {
	return table.Key{Partition: repoPartition(repo), Sort: "direct#" + id}
}

// sentKey says that somebody, hashed, has sent the bytes of a node, as what it is.
func sentKey(repo string, n node, who string) table.Key {
	kind := "blob#"
	if n.manifest {
		kind = manifestPrefix
	}
	return table.Key{Partition: repoPartition(repo), Sort: "sent#" + kind + string(n.Digest) + "#" + who}
}

// hashed is what items say of a principal: of a fixed length, whatever the name.
func hashed(who string) string { return oci.SHA256.Sum([]byte(who)).Encoded() }

// parentPrefix begins the keys of all edges from a child upwards.
func parentPrefix(child oci.Digest) string { return "parent#" + string(child) + "#" }

// parentKey is the edge from a child up to a parent, the digest of a manifest
// or a tag; the two cannot be mistaken, since only digests have a colon.
func parentKey(repo string, child oci.Digest, parent string) table.Key {
	return table.Key{Partition: repoPartition(repo), Sort: parentPrefix(child) + parent}
}

const referrersPrefix = "referrer#"

// referrerPrefix begins the keys of the referrers of a subject; with a type
// given, of those of that type.
func referrerPrefix(subject oci.Digest, artifactType string) string {
	prefix := referrersPrefix + string(subject) + "#"
	if artifactType != "" {
		prefix += typeInKey(artifactType) + "#"
	}
	return prefix
}

func referrerKey(repo string, subject oci.Digest, artifactType string, d oci.Digest) table.Key {
	return table.Key{
		Partition: repoPartition(repo),
		Sort:      referrersPrefix + string(subject) + "#" + typeInKey(artifactType) + "#" + string(d),
	}
}

// typeInKey writes an artifact type for a key: as it is if it has only the
// characters of RFC 6838 but "#", otherwise by its hash, so that no type's keys
// begin like another's.
func typeInKey(t string) string {
	if len(t) <= oci.MaxArtifactType && strings.IndexFunc(t, unfitForKey) < 0 {
		return t
	}
	return "%" + oci.SHA256.Sum([]byte(t)).Encoded()
}

func unfitForKey(c rune) bool {
	return c <= ' ' || c >= 0x7f || c == '#' || c == '%'
}

func objectItemKey(object string) table.Key {
	return table.Key{Partition: "object#" + object, Sort: "object"}
}

func digestPartition(d oci.Digest) string { return "digest#" + string(d) }

func digestKey(d oci.Digest, repo string) table.Key {
	return table.Key{Partition: digestPartition(d), Sort: repoPrefix + repo}
}

const (
	reposPartition = "repos"
	repoPrefix     = "repo#"
)

func repoKey(repo string) table.Key {
	return table.Key{Partition: reposPartition, Sort: repoPrefix + repo}
}

func blobObject(repo, id string) string {
	return "blobs/" + id[len(id)-2:] + "/" + id + "-" + oci.SHA256.Sum([]byte(repo)).Encoded()[:16]
}

func manifestObject(id string) string { return "manifests/" + id[len(id)-2:] + "/" + id }

// cursor makes a sort key below prefix safe to carry in a URL.
func cursor(sort, prefix string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strings.TrimPrefix(sort, prefix)))
}

// fromCursor is the way back. Errors are oci.ErrPage.
func fromCursor(s, prefix string) (string, error) {
	if s == "" {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) == 0 || len(prefix)+len(b) > table.MaxSortKey || !utf8.Valid(b) {
		return "", oci.ErrPage.With(nil, "the page cursor is not one of ours")
	}
	return prefix + string(b), nil
}
