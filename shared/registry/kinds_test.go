package registry

import (
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/table"
)

// What Tells leaves out is nothing that Happened, and what happens it leaves in.
func TestTells(t *testing.T) {
	d := oci.SHA256.Sum(nil)
	for key, want := range map[table.Key]bool{
		manifestKey("a", d):                                   true,
		tagKey("a", "v1"):                                     true,
		referrerKey("a", d, "application/x", d):               true,
		repoKey("a"):                                          true,
		blobKey("a", d):                                       false,
		uploadKey("a", "u"):                                   false,
		deliveryKey("a", "u"):                                 false,
		parentKey("a", d, "v1"):                               false,
		objectItemKey("blobs/x"):                              false,
		digestKey(d, "a"):                                     false,
		sentKey("a", node{d, true}, "x"):                      false,
		{Partition: "events#a", Sort: "at#1"}:                 false,
		{Partition: "letters", Sort: "manifest#" + string(d)}: false,
	} {
		if got := Tells(key); got != want {
			t.Errorf("Tells(%v) = %v, want %v", key, got, want)
		}
	}
}

func FuzzTells(f *testing.F) {
	f.Add("repo#a", "tag#v1")
	f.Add("repos", "repo#a")
	f.Add("repo#a", "blob#x")
	f.Fuzz(func(t *testing.T, partition, sort string) {
		key := table.Key{Partition: partition, Sort: sort}
		item := &table.Item{Key: key, Version: "v", Attrs: table.Attrs{
			live, table.S(attrDigest, string(oci.SHA256.Sum(nil))),
			table.B(attrDescriptor, []byte(`{"digest":"`+sort[strings.LastIndex(sort, "#")+1:]+`"}`)),
		}}
		if _, happened := Happened(table.Change{Key: key, New: item}); happened && !Tells(key) {
			t.Errorf("a change of %v means something, and is not told", key)
		}
	})
}
