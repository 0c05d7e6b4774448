package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berthregistry/berth/shared/blobs"
	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/table"
)

// Attributes of upload items.
const (
	attrOffset    = "offset"    // bytes so far
	attrTail      = "tail"      // the bytes, while they would fit a blob item
	attrGathered  = "gathered"  // otherwise: what the blob store keeps of them, blobs.Upload.State
	attrAlgorithm = "algorithm" // announced, "" for none
	attrHash      = "hash:"     // and an algorithm: the running state over the bytes so far
	attrBy        = "by"        // whose it is, hashed; none if nobody said who they are. Elsewhere a name: see Rights.by
)

// The states of an upload that takes no more bytes; attrDigest says what it
// ends as.
var (
	// closing: its bytes are here, and one request or several after each other
	// make an object of them and publish it.
	closing = table.S(attrState, "closing")
	// done: it is published. Remembered for doneLife.
	done = table.S(attrState, "done")
	// cancelled: it was given up, or was not what it was said to be. Remembered
	// as long, since its id alone would pass for an upload without bytes.
	cancelled = table.S(attrState, "cancelled")
)

// uploadLife is how long an upload can be gone on with since it was last
// touched; below blobs.UploadLife.
const uploadLife = 48 * time.Hour

// freshLife is how long an upload without bytes can be begun with. There is no
// item of it: its id says when it was made, and that is all there is to know. It
// saves a write on each push. Who invents an id gets what POST would have given.
const freshLife = time.Hour

// maxSkew is how far the clocks of two processes may differ.
const maxSkew = 5 * time.Minute

// doneLife is how long an upload that ended is remembered, so that a client that
// lost the answer gets it again; longer than freshLife and maxSkew, so that what
// ended does not begin again.
const doneLife = 2 * time.Hour

// An Upload is a blob on its way in, between two requests.
type Upload struct {
	ID string
	// Offset is the number of bytes that are here.
	Offset int64
}

// upload is an upload item, read.
type upload struct {
	repo, id  string
	version   string // of its item, "" while there is none
	offset    int64
	tail      []byte
	state     []byte
	algorithm oci.Algorithm
	hashes    map[oci.Algorithm][]byte
	single    bool       // one POST has it all: there never is an item
	ended     string     // "", or the value of closing, done or cancelled
	digest    oci.Digest // what it ended as
}

// StartUpload begins an upload. The algorithm is the one announced for its
// digest, "" if none was (spec, end-4c). To others than who begins it there
// is no such upload. Errors: oci.ErrDenied.
func (r *Registry) StartUpload(ctx context.Context, repo string, algorithm oci.Algorithm) (Upload, error) {
	if err := r.rights.mayBegin(repo); err != nil {
		return Upload{}, err
	}
	u := upload{repo: repo, id: freshID(repo, r.now()), algorithm: algorithm}
	if algorithm == "" {
		return Upload{ID: u.id}, nil
	}
	if err := r.commit(ctx, r.save(u).When(u.seen())); err != nil {
		return Upload{}, fmt.Errorf("start upload: %w", err)
	}
	return Upload{ID: u.id}, nil
}

// sender is what an upload says of whose it is, "" for nobody known. It is never
// anybody else's who goes on with it, so all its bytes come from one, and who
// finishes it has sent them: see load and remember.
func (r *Registry) sender() string {
	if r.rights.Who == "" {
		return ""
	}
	return hashed(r.rights.Who)
}

// freshID makes an id that says when, and in part for which repository: a UUID
// of version 7 with three bytes of the name's hash among its random ones.
func freshID(repo string, now time.Time) string {
	id := uuid.New()
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(now.UnixMilli()))
	copy(id[:6], ms[2:])
	id[6] = id[6]&0x0f | 7<<4
	mark := sha256.Sum256([]byte(repo))
	copy(id[9:12], mark[:])
	return id.String()
}

// fresh says whether an id was made by freshID for the repository, so short a
// time ago that it needs no item.
func fresh(id uuid.UUID, repo string, now time.Time) bool {
	var ms [8]byte
	copy(ms[2:], id[:6])
	age := now.Sub(time.UnixMilli(int64(binary.BigEndian.Uint64(ms[:]))))
	mark := sha256.Sum256([]byte(repo))
	return id.Version() == 7 && bytes.Equal(id[9:12], mark[:3]) && -maxSkew < age && age < freshLife
}

// seen holds while the upload is as it was read.
func (u upload) seen() table.Condition {
	if u.version == "" {
		return table.Absent()
	}
	return table.VersionIs(u.version)
}

// UploadStatus returns how far an upload is. Errors: oci.ErrUploadUnknown.
func (r *Registry) UploadStatus(ctx context.Context, repo, id string) (Upload, error) {
	u, err := r.open(ctx, repo, id)
	return Upload{ID: id, Offset: u.offset}, err
}

// CancelUpload gives an upload up. Errors: oci.ErrUploadUnknown.
func (r *Registry) CancelUpload(ctx context.Context, repo, id string) error {
	ctx, cancel := settle(ctx)
	defer cancel()
	return decide(ctx, func() error {
		u, err := r.open(ctx, repo, id)
		if err != nil {
			return err
		}
		if err := r.commit(ctx, r.end(u, cancelled)); err != nil {
			return err
		}
		// A crash or a failure here leaves bytes that the blob store's broom finds.
		if u.state != nil {
			_ = r.blobs.Abort(ctx, u.gathered())
		}
		return nil
	})
}

// open reads an upload that takes bytes. Errors: oci.ErrUploadUnknown.
func (r *Registry) open(ctx context.Context, repo, id string) (upload, error) {
	u, err := r.load(ctx, repo, id)
	if err == nil && u.ended != "" {
		err = unknownUpload(id)
	}
	return u, err
}

// load reads an upload of the caller's, also one that has ended. Errors:
// oci.ErrUploadUnknown, oci.ErrDenied.
func (r *Registry) load(ctx context.Context, repo, id string) (upload, error) {
	if err := r.rights.mayUpload(repo); err != nil {
		return upload{}, err
	}
	parsed, err := uuid.Parse(id)
	if err != nil || parsed.String() != id {
		return upload{}, unknownUpload(id)
	}
	item, err := r.table.Get(ctx, uploadKey(repo, id))
	switch {
	case errors.Is(err, table.ErrAbsent) && fresh(parsed, repo, r.now()):
		return upload{repo: repo, id: id}, nil
	case errors.Is(err, table.ErrAbsent) || err == nil && item.Expires.Before(r.now()):
		return upload{}, unknownUpload(id)
	case err == nil && item.Str(attrBy) != r.sender():
		return upload{}, unknownUpload(id)
	case err != nil:
		return upload{}, fmt.Errorf("read upload: %w", err)
	}
	u := upload{
		repo: repo, id: id,
		version:   item.Version,
		offset:    item.Num(attrOffset),
		tail:      item.Bin(attrTail),
		state:     item.Bin(attrGathered),
		algorithm: oci.Algorithm(item.Str(attrAlgorithm)),
		hashes:    map[oci.Algorithm][]byte{},
		ended:     item.Str(attrState),
		digest:    oci.Digest(item.Str(attrDigest)),
	}
	for _, a := range []oci.Algorithm{oci.SHA256, oci.SHA512} {
		if state := item.Bin(attrHash + string(a)); state != nil {
			u.hashes[a] = state
		}
	}
	return u, nil
}

func unknownUpload(id string) error {
	return oci.ErrUploadUnknown.With(nil, "no upload %.40q: it may be finished, cancelled or expired", id)
}

// save is the put of an upload that is not done.
func (r *Registry) save(u upload) table.Action {
	put := table.Put(uploadKey(u.repo, u.id), table.N(attrOffset, u.offset)).Until(r.now().Add(uploadLife))
	if u.ended != "" {
		put.Set = append(put.Set, table.S(attrState, u.ended), table.S(attrDigest, string(u.digest)))
	}
	if by := r.sender(); by != "" {
		put.Set = append(put.Set, table.S(attrBy, by))
	}
	if u.algorithm != "" {
		put.Set = append(put.Set, table.S(attrAlgorithm, string(u.algorithm)))
	}
	if u.state != nil {
		put.Set = append(put.Set, table.B(attrGathered, u.state))
	} else if len(u.tail) > 0 {
		put.Set = append(put.Set, table.B(attrTail, u.tail))
	}
	for _, a := range []oci.Algorithm{oci.SHA256, oci.SHA512} {
		if state := u.hashes[a]; state != nil {
			put.Set = append(put.Set, table.B(attrHash+string(a), state))
		}
	}
	return put
}

// end is the put of an upload that takes no more part in anything, done or
// cancelled.
func (r *Registry) end(u upload, as table.Attr) table.Action {
	put := table.Put(uploadKey(u.repo, u.id), as, table.N(attrOffset, u.offset), table.S(attrDigest, string(u.digest)))
	if by := r.sender(); by != "" {
		put.Set = append(put.Set, table.S(attrBy, by))
	}
	return put.When(u.seen()).Until(r.now().Add(doneLife))
}

// gathered is what the blob store has of the upload.
func (u upload) gathered() blobs.Upload {
	out := blobs.Upload{Key: blobObject(u.repo, u.id), State: u.state}
	if u.state != nil {
		out.Size = u.offset
	}
	return out
}

// at holds a request that says where it starts to where the upload ends; a
// negative start stands for a request that does not say.
func (u upload) at(start int64) error {
	if start >= 0 && start != u.offset {
		return oci.ErrOutOfOrder.With(map[string]int64{"offset": u.offset},
			"the chunk starts at %d, the upload is at %d", start, u.offset)
	}
	return nil
}
