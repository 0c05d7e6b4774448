package layout_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthregistry/berth/shared/layout"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Names longer than a header's field, and times finer than a second, are in
// extra headers, of which there are two kinds.
func TestLongNames(t *testing.T) {
	b := blobs{}
	image := b.image(t, noise(1, 3000))
	long := strings.Repeat("folder/", 40)
	for _, format := range []tar.Format{tar.FormatPAX, tar.FormatGNU} {
		t.Run(format.String(), func(t *testing.T) {
			var packed bytes.Buffer
			w := tar.NewWriter(&packed)
			write := func(h *tar.Header, body []byte) {
				h.Format, h.Mode, h.Size = format, 0o644, int64(len(body))
				if format == tar.FormatPAX {
					h.ModTime = time.Unix(1, 5)
					h.PAXRecords = map[string]string{"SCHILY.xattr.user.x": "y"}
				}
				if err := w.WriteHeader(h); err != nil {
					t.Fatal(err)
				}
				if _, err := w.Write(body); err != nil {
					t.Fatal(err)
				}
			}
			for _, f := range b.layoutFiles(t, tagged(image, "1")) {
				switch {
				case strings.HasSuffix(f.name, "/"):
				case f.name == "index.json":
					write(&tar.Header{Typeflag: tar.TypeReg, Name: long + "index.json"}, f.body)
					write(&tar.Header{Typeflag: tar.TypeSymlink, Name: f.name, Linkname: "./" + long + "index.json"}, nil)
				default:
					write(&tar.Header{Typeflag: tar.TypeReg, Name: f.name}, f.body)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			got := open(t, saveTar(t, packed.Bytes()))
			wantResolved(t, got, "1", image)
			wantBlobs(t, got, image, b)
		})
	}
}

// rawEntry is an entry as it stands in a tar, with a header that the tar package
// would not write.
func rawEntry(name string, typeflag byte, body []byte, fill func(header []byte)) []byte {
	header := make([]byte, 512)
	copy(header, name)
	copy(header[100:], "0000644\x000000000\x000000000\x00")
	copy(header[124:], fmt.Sprintf("%011o\x00", len(body)))
	copy(header[136:], "00000000000\x00")
	header[156] = typeflag
	copy(header[257:], "ustar\x0000")
	if fill != nil {
		fill(header)
	}
	copy(header[148:], "        ")
	sum := 0
	for _, c := range header {
		sum += int(c)
	}
	copy(header[148:], fmt.Sprintf("%06o\x00 ", sum))
	padded := append(header, body...)
	return append(padded, make([]byte, (512-len(body)%512)%512)...)
}

// paxRecords are the body of an extra header.
func paxRecords(pairs ...string) []byte {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		record := fmt.Sprintf(" %s=%s\n", pairs[i], pairs[i+1])
		n := len(record) + 1
		for n != len(fmt.Sprint(n))+len(record) {
			n++
		}
		fmt.Fprintf(&b, "%d%s", n, record)
	}
	return []byte(b.String())
}

// A file with holes: 1000 bytes, a hole, 2000 bytes, a hole to the end.
var (
	holed      = slices.Concat(noise(7, 1000), make([]byte, 100_000), noise(8, 2000), make([]byte, 600_000))
	holedBytes = slices.Concat(holed[:1000], holed[101_000:103_000])
)

// sparseForms are how tar writes down where the holes of a file are.
func sparseForms() map[string]func(name string) []byte {
	const realSize = "703000"
	return map[string]func(name string) []byte{
		"old GNU": func(name string) []byte {
			return rawEntry(name, 'S', holedBytes, func(h []byte) {
				copy(h[257:], "ustar  \x00")
				for i, n := range []int{0, 1000, 101_000, 2000, 703_000, 0} {
					copy(h[386+12*i:], fmt.Sprintf("%011o\x00", n))
				}
				copy(h[483:], fmt.Sprintf("%011o\x00", 703_000))
			})
		},
		"PAX 0.0": func(name string) []byte {
			return slices.Concat(rawEntry("x", 'x', paxRecords("GNU.sparse.size", realSize, "GNU.sparse.numblocks", "3",
				"GNU.sparse.offset", "0", "GNU.sparse.numbytes", "1000", "GNU.sparse.offset", "101000", "GNU.sparse.numbytes", "2000",
				"GNU.sparse.offset", realSize, "GNU.sparse.numbytes", "0"), nil), rawEntry(name, '0', holedBytes, nil))
		},
		"PAX 0.1": func(name string) []byte {
			return slices.Concat(rawEntry("x", 'x', paxRecords("GNU.sparse.size", realSize, "GNU.sparse.numblocks", "3",
				"GNU.sparse.map", "0,1000,101000,2000,703000,0", "GNU.sparse.name", name), nil), rawEntry("GNUSparseFile.1/x", '0', holedBytes, nil))
		},
		"PAX 1.0": func(name string) []byte {
			where := make([]byte, 512)
			copy(where, "3\n0\n1000\n101000\n2000\n703000\n0\n")
			return slices.Concat(rawEntry("x", 'x', paxRecords("GNU.sparse.major", "1", "GNU.sparse.minor", "0",
				"GNU.sparse.name", name, "GNU.sparse.realsize", realSize), nil), rawEntry("GNUSparseFile.1/x", '0', append(where, holedBytes...), nil))
		},
	}
}

func TestSparse(t *testing.T) {
	b := blobs{}
	image := b.image(t, holed, noise(1, 700))
	layer := b.put(v1.MediaTypeImageLayer, holed)
	for name, sparse := range sparseForms() {
		t.Run(name, func(t *testing.T) {
			var packed []byte
			for _, f := range b.layoutFiles(t, tagged(image, "1")) {
				switch {
				case strings.HasSuffix(f.name, "/"):
				case strings.HasSuffix(f.name, layer.Digest.Encoded()):
					// One right behind another is found as well.
					packed = slices.Concat(packed, sparse("another"), sparse(f.name))
				default:
					packed = append(packed, rawEntry(f.name, '0', f.body, nil)...)
				}
			}
			got := open(t, saveTar(t, append(packed, make([]byte, 1024)...)))
			wantResolved(t, got, "1", image)
			wantBlobs(t, got, image, b)
		})
	}
}

func TestHugeSparse(t *testing.T) {
	b := blobs{}
	image := b.image(t, noise(1, 10))
	var packed []byte
	for _, f := range b.layoutFiles(t, image) {
		if strings.HasSuffix(f.name, "/") {
			continue
		}
		body := f.body
		if f.name == "index.json" {
			body = []byte("{}")
			packed = append(packed, rawEntry("x", 'x', paxRecords("GNU.sparse.size", "9223372036854775807", "GNU.sparse.numblocks", "2",
				"GNU.sparse.map", "0,2,9223372036854775807,0", "GNU.sparse.name", f.name), nil)...)
		}
		packed = append(packed, rawEntry(f.name, '0', body, nil)...)
	}
	_, err := layout.Open(saveTar(t, append(packed, make([]byte, 1024)...)))
	wantError(t, "open", err, "pack it without --sparse")
}

// What is no archive of an image, or one that means harm, is refused in words.
func TestOpenWrong(t *testing.T) {
	b := blobs{}
	image := b.image(t, noise(1, 3000))
	files := b.layoutFiles(t, tagged(image, "1"))
	good := tarOf(t, files)
	with := func(more ...file) []byte { return tarOf(t, append(slices.Clone(files), more...)) }
	replaced := func(name string, body []byte) []byte {
		changed := slices.Clone(files)
		i := slices.IndexFunc(changed, func(f file) bool { return f.name == name })
		changed[i].body = body
		return tarOf(t, changed)
	}
	inBlob := bytes.Index(good, noise(1, 3000)) + 100
	var nested []file
	for _, f := range files {
		nested = append(nested, file{name: "app/" + f.name, body: f.body})
	}
	for _, c := range []struct {
		name string
		raw  []byte
		says string
	}{
		{"empty", nil, "it is no tar: too short"},
		{"something else", noise(1, 5000), "it is no tar, or cut short"},
		{"gzip", gzipped(t, good), "it is compressed by gzip, and is read by random access: decompress it first, with gzip -d"},
		{"zstd", append([]byte("\x28\xb5\x2f\xfd"), good...), "compressed by zstd"},
		{"cut in a blob", good[:inBlob], "it is cut short: blobs/sha256/"},
		{"cut in a header", good[:inBlob-200], "it is no tar, or cut short: unexpected EOF"},
		{"nothing in it", make([]byte, 1024), "it has neither oci-layout nor manifest.json"},
		{"not at the top", tarOf(t, nested), "not at its top, but at app/oci-layout: pack it from within, as tar -C FOLDER"},
		{"old Docker", tarOf(t, []file{{name: "repositories", body: []byte("{}")}}), "Docker older than 1.10"},
		{"twice", with(files[2]), "it has blobs/sha256/"},
		{"twice by another name", with(file{name: "blobs/../index.json", body: []byte("{}")}), "it has index.json twice"},
		{"out of it", with(file{name: "../../etc/passwd", body: []byte("x")}), "../../etc/passwd leads out of the archive"},
		{"from the root", with(file{name: "/etc/passwd", body: []byte("x")}), "/etc/passwd leads out of the archive"},
		{"link out of it", with(file{name: "a/b", sym: "../../etc/passwd"}), "../etc/passwd leads out of the archive"},
		{"link to the root", with(file{name: "a", sym: "/etc/passwd"}), "/etc/passwd leads out of the archive"},
		{"hard link out of it", with(file{name: "a", hard: "../x"}), "../x leads out of the archive"},
		{"a size beyond all", slices.Concat(rawEntry("x", '0', nil, func(h []byte) {
			copy(h[124:], "\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff")
		}), good), "it is cut short: x should have 9223372036854775807 bytes"},
		{"version 2", replaced("oci-layout", []byte(`{"imageLayoutVersion":"2.0.0"}`)), `version "2.0.0"`},
		{"version of no text", replaced("oci-layout", []byte(`{"imageLayoutVersion":2}`)), "oci-layout: json: "},
		{"index of nothing", replaced("index.json", []byte(`null`)), "index.json: manifests is not a list"},
		{"index too large", replaced("index.json", make([]byte, 9<<20)), "more than 8388608 are not read"},
		{"path as digest", replaced("index.json", []byte(`{"manifests":[{"mediaType":"x","digest":"sha256:../../x","size":1}]}`)), "index.json: manifests[0]: "},
		{"negative size", replaced("index.json", bytes.Replace(files[len(files)-2].body, []byte(`"size":`), []byte(`"size":-`), 1)), "index.json: manifests[0]: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := saveTar(t, c.raw)
			image, err := layout.Open(path)
			if err == nil {
				image.Close()
			}
			wantError(t, "open", err, c.says)
			wantError(t, "open", err, "open image "+path+": ")
		})
	}
}

func TestOpenFolderWrong(t *testing.T) {
	b := blobs{}
	image := b.image(t, noise(1, 3000))
	dir := inFolder(t, b.layoutFiles(t, tagged(image, "1")))
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, b[image.Digest], 0o666); err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(dir, "blobs", "sha256", image.Digest.Encoded())
	if err := os.Remove(at); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, at); err != nil {
		t.Skipf("no links here: %v", err)
	}
	_, err := open(t, dir).Manifest(t.Context(), image)
	wantError(t, "manifest by a link out of the folder", err, "cp -RL")
	if err := os.Rename(filepath.Join(dir, "index.json"), filepath.Join(dir, "other")); err != nil {
		t.Fatal(err)
	}
	_, err = layout.Open(dir)
	wantError(t, "folder without index.json", err, "nothing was ever written to its end")
	_, err = layout.Open(t.TempDir())
	wantError(t, "folder of nothing", err, "no oci-layout in it")
	_, err = layout.Open(filepath.Join(dir, "nowhere"))
	wantError(t, "path of nothing", err, "no such file")
	if err := os.Symlink("other", filepath.Join(dir, "index.json")); err != nil {
		t.Fatal(err)
	}
	wantResolved(t, open(t, dir), "1", image) // a link within the folder
}

// Ever more entries are refused, before they are more than memory has room for.
func TestEndless(t *testing.T) {
	one := rawEntry("0000000", '0', nil, nil)
	path := filepath.Join(t.TempDir(), "endless.tar")
	var many bytes.Buffer
	for i := range 100_001 {
		// The same digits in another place: the checksum stays.
		copy(one, fmt.Sprintf("%06d%06d", i, 999_999-i))
		if i == 0 {
			one = rawEntry(string(one[:12]), '0', nil, nil)
		}
		many.Write(one)
	}
	if err := os.WriteFile(path, many.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	_, err := layout.Open(path)
	wantError(t, "open", err, "more than 100000 entries")
}
