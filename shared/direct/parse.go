package direct

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"

	"github.com/berthregistry/berth/shared/oci"
)

// ParseBegin reads the body of a Begin and checks all that can be without
// looking at the repository. Errors: oci.ErrUploadInvalid for what is none,
// oci.ErrDigestInvalid, oci.ErrSizeInvalid, oci.ErrNameInvalid.
func ParseBegin(raw []byte) (Begin, error) {
	var b Begin
	if err := decode(raw, &b); err != nil {
		return Begin{}, err
	}
	if len(b.Blobs) > MaxBlobs || len(b.Manifests) > MaxBlobs {
		return Begin{}, invalid("up to %d blobs and as many manifests can be named at once", MaxBlobs)
	}
	for _, w := range b.Blobs {
		if err := w.check(); err != nil {
			return Begin{}, err
		}
	}
	for _, d := range b.Manifests {
		if _, err := oci.ParseDigest(string(d)); err != nil {
			return Begin{}, err
		}
	}
	if len(b.Sources()) > MaxSources {
		return Begin{}, invalid("up to %d repositories can be named to mount from", MaxSources)
	}
	return b, nil
}

// ParseSign reads the body of a Sign. Errors are those of ParseBegin.
func ParseSign(raw []byte) (Sign, error) {
	var s Sign
	if err := decode(raw, &s); err != nil {
		return Sign{}, err
	}
	if len(s.Parts) < 1 || len(s.Parts) > MaxParts {
		return Sign{}, invalid("%d parts are named, from 1 to %d can be at once", len(s.Parts), MaxParts)
	}
	for _, p := range s.Parts {
		if err := p.check(); err != nil {
			return Sign{}, err
		}
	}
	return s, nil
}

// ParseComplete reads the body of a Complete. Errors are those of ParseBegin.
func ParseComplete(raw []byte) (Complete, error) {
	c := Complete{Size: -1}
	if err := decode(raw, &c); err != nil {
		return Complete{}, err
	}
	if _, err := oci.ParseDigest(string(c.Digest)); err != nil {
		return Complete{}, err
	}
	if err := checkSize(c.Size, MaxSize); err != nil {
		return Complete{}, err
	}
	return c, nil
}

// Sources are the repositories that a Begin names to mount from, each once.
func (b Begin) Sources() []string {
	var out []string
	for _, w := range b.Blobs {
		if w.From != "" && !slices.Contains(out, w.From) {
			out = append(out, w.From)
		}
	}
	return out
}

// UnmarshalJSON takes a size that is not given for one that is not known, rather
// than for that of the empty blob.
func (w *Wanted) UnmarshalJSON(raw []byte) error {
	type plain Wanted
	p := plain{Size: -1}
	err := json.Unmarshal(raw, &p)
	*w = Wanted(p)
	return err
}

func (w Wanted) check() error {
	if w.From != "" && !oci.ValidName(w.From) {
		name := oci.Clip(w.From)
		return oci.ErrNameInvalid.With(map[string]string{"name": name}, "%q is not a repository name", name)
	}
	if w.Digest == "" && w.Size == -1 {
		return nil
	}
	if w.Digest != "" {
		if _, err := oci.ParseDigest(string(w.Digest)); err != nil {
			return err
		}
	}
	return checkSize(w.Size, MaxSize)
}

func (p Part) check() error {
	if p.Number < 1 || p.Number > MaxNumber {
		return invalid("parts have numbers from 1 to %d, not %d", MaxNumber, p.Number)
	}
	if _, err := oci.ParseDigest("sha256:" + p.SHA256); err != nil {
		return err
	}
	if p.Size == 0 {
		return oci.ErrSizeInvalid.With(nil, "part %d is empty", p.Number)
	}
	return checkSize(p.Size, MaxPart)
}

func checkSize(n, most int64) error {
	if n < 0 || n > most {
		return oci.ErrSizeInvalid.With(map[string]int64{"limit": most}, "a size must be given, from 0 to %d bytes", most)
	}
	return nil
}

func invalid(format string, args ...any) error {
	return oci.ErrUploadInvalid.With(nil, format, args...)
}

// decode reads a JSON object, and nothing behind it. Members that are not known
// are passed over: what is added to this version of the protocol may be.
func decode(raw []byte, v any) error {
	if !bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("{")) {
		return invalid("the body is not a JSON object")
	}
	var wrong *json.UnmarshalTypeError
	switch err := json.Unmarshal(raw, v); {
	case errors.As(err, &wrong): // whose text has Go types in it
		return invalid("%q is not of its type, but: %s", oci.Clip(wrong.Field), oci.Clip(wrong.Value))
	case err != nil:
		return invalid("the body is not a JSON object: %v", err)
	}
	return nil
}
