package distribution_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/berthregistry/berth/shared/oci"
	"github.com/berthregistry/berth/shared/registry"
)

// next returns where a Link header leads, "" if there is none.
func (s *server) next(a answer) string {
	s.Helper()
	link := a.get("Link")
	if link == "" {
		return ""
	}
	m := regexp.MustCompile(`^<(/v2/[^>]*)>; rel="next"$`).FindStringSubmatch(link)
	if m == nil {
		s.Fatalf("Link: %s", link)
	}
	return m[1]
}

// names reads one page of tags or repositories.
func (s *server) names(target string) (names []string, next string) {
	s.Helper()
	a := s.get(target)
	s.want(a, http.StatusOK, "")
	var body struct{ Tags, Repositories []string }
	if err := json.Unmarshal(a.body, &body); err != nil {
		s.Fatal(err)
	}
	if body.Tags == nil && body.Repositories == nil {
		s.Errorf("GET %s = %s, want a list, if only an empty one", target, a.body)
	}
	if got := a.get("Content-Type"); got != "application/json" {
		s.Errorf("GET %s: Content-Type %q", target, got)
	}
	return append(body.Tags, body.Repositories...), s.next(a)
}

// walk follows the links to the end and returns the pages.
func (s *server) walk(target string) (pages [][]string) {
	s.Helper()
	for target != "" && len(pages) < 100 {
		var page []string
		page, target = s.names(target)
		pages = append(pages, page)
	}
	return pages
}

// The order is that of bytes: digits, upper case, underscore, lower case.
var sortedTags = []string{"0", "00", "1.10", "1.9", "A", "B", "Z", "_", "__", "_a", "a", "a-", "a.", "aA", "a_", "aa", "b", "latest", "z"}

func tagged(t *testing.T) *server {
	s := serve(t, registry.Options{})
	shuffled := slices.Clone(sortedTags)
	slices.SortFunc(shuffled, func(a, b string) int {
		return strings.Compare(oci.SHA256.Sum([]byte(a)).String(), oci.SHA256.Sum([]byte(b)).String())
	})
	body := indexOf()
	d := s.put("team/app", "a", oci.MediaTypeIndex, body)
	for batch := range slices.Chunk(shuffled, 10) {
		target := string(d.Digest) + "?tag=" + strings.Join(batch, "&tag=")
		s.want(s.tryPut("team/app", target, oci.MediaTypeIndex, body), http.StatusCreated, "")
	}
	return s
}

func TestTags(t *testing.T) {
	s := tagged(t)
	const list = "/v2/team/app/tags/list"
	for query, want := range map[string][]string{
		"":                        sortedTags,
		"?n=0":                    {},
		"?n=0&last=a":             {},
		"?n=3":                    sortedTags[:3],
		"?n=19":                   sortedTags,
		"?n=20":                   sortedTags,
		"?n=2147483648":           sortedTags,
		"?n=9223372036854775807":  sortedTags,
		"?n=99999999999999999999": sortedTags,
		"?last=":                  sortedTags,
		"?last=latest":            {"z"},
		"?last=z":                 {},
		"?last=~":                 {},
		"?last=lates":             {"latest", "z"}, // no tag here
		"?last=%20":               sortedTags,      // no tag anywhere
		"?last=%C3%A4":            {},              // above all ASCII
		"?last=%00":               sortedTags,      // below it
		"?last=Z&n=2":             {"_", "__"},     // from capitals to underscores
		"?last=__&n=2":            {"_a", "a"},     // and on to small letters
		"?last=1.10&n=1":          {"1.9"},         // no numbers
		"?last=a%23":              sortedTags[11:], // a "#", which keys are made with
		"?last=tag%23z":           {"z"},           // a key is not a tag
		"?n=1&unknown=x&artifact": sortedTags[:1],  // what is not known is ignored
		"?n=1&last=b&last=latest": {"latest"},      // the first counts
		"?n=%2B3":                 sortedTags[:3],  // a whole number, oddly written
		"?last=" + strings.Repeat("z", oci.MaxTag): {},
	} {
		if got, _ := s.names(list + query); !slices.Equal(got, want) {
			t.Errorf("GET %s%.40s = %q, want %q", list, query, got, want)
		}
	}
}

func TestTagsLink(t *testing.T) {
	s := tagged(t)
	for query, want := range map[string]string{
		"":              "",
		"?n=0":          "",
		"?n=0&last=a":   "",
		"?n=19":         "",
		"?n=20":         "",
		"?n=1":          "/v2/team/app/tags/list?last=0&n=1",
		"?n=2&last=a.":  "/v2/team/app/tags/list?last=a_&n=2",
		"?n=2&last=b":   "",
		"?last=a":       "",
		"?n=1&last=1.9": "/v2/team/app/tags/list?last=A&n=1",
	} {
		if _, got := s.names("/v2/team/app/tags/list" + query); got != want {
			t.Errorf("GET tags/list%s links to %q, want %q", query, got, want)
		}
	}
}

// Whoever follows the links sees each tag once, and only full pages but the last.
func TestTagsWalk(t *testing.T) {
	s := tagged(t)
	for n := 1; n <= len(sortedTags)+1; n++ {
		pages := s.walk(fmt.Sprintf("/v2/team/app/tags/list?n=%d", n))
		if got := slices.Concat(pages...); !slices.Equal(got, sortedTags) {
			t.Errorf("pages of %d: %q, want %q", n, got, sortedTags)
		}
		if want := (len(sortedTags) + n - 1) / n; len(pages) != want {
			t.Errorf("pages of %d: %d of them, want %d", n, len(pages), want)
		}
	}
}

func TestPagingRefuses(t *testing.T) {
	s := tagged(t)
	for _, list := range []string{"/v2/team/app/tags/list", "/v2/_catalog"} {
		for _, query := range []string{
			"?n=-1", "?n=x", "?n=", "?n=1.5", "?n=0x10", "?n=-99999999999999999999", "?n=1_000",
			"?last=%FF", "?last=" + strings.Repeat("z", 256),
		} {
			a := s.get(list + query)
			if a.status != http.StatusBadRequest || a.codes(t) != "UNSUPPORTED" {
				t.Errorf("GET %s%.40s = %d %s, want 400 UNSUPPORTED", list, query, a.status, a.body)
			}
		}
	}
}

func TestTagsOfRepositories(t *testing.T) {
	s := tagged(t)
	s.want(s.get("/v2/nobody/tags/list"), http.StatusNotFound, "NAME_UNKNOWN")
	s.want(s.get("/v2/nobody/tags/list?n=0"), http.StatusNotFound, "NAME_UNKNOWN")
	s.want(s.get("/v2/team/tags/list"), http.StatusNotFound, "NAME_UNKNOWN") // a name above is no repository

	s.blob("only/blobs", []byte("x"))
	a := s.get("/v2/only/blobs/tags/list")
	s.want(a, http.StatusOK, "")
	if got, want := string(a.body), `{"name":"only/blobs","tags":[]}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if h := s.head("/v2/team/app/tags/list"); h.status != http.StatusOK || h.get("Content-Length") == "0" {
		t.Errorf("HEAD = %d, Content-Length %s", h.status, h.get("Content-Length"))
	}
}

func TestCatalog(t *testing.T) {
	s := serve(t, registry.Options{})
	if got, next := s.names("/v2/_catalog"); len(got) != 0 || next != "" {
		t.Errorf("an empty registry lists %q, %q", got, next)
	}
	sorted := []string{"0", "a", "a-b", "a.b", "a/b", "a/b/c", "a0", "a_b", "aa", "b/tags", "blobs/uploads", "z"}
	for i := range sorted {
		s.put(sorted[len(sorted)-1-i], "x", oci.MediaTypeIndex, indexOf())
	}
	s.begin("not/yet") // an upload does not make a repository
	for query, want := range map[string][]string{
		"":                        sorted,
		"?n=0":                    {},
		"?n=99999999999999999999": sorted,
		"?last=a/b/c":             sorted[6:],
		"?last=zz":                {},
		"?last=A":                 sorted[1:],
		"?n=2&last=a.b":           {"a/b", "a/b/c"},
	} {
		if got, _ := s.names("/v2/_catalog" + query); !slices.Equal(got, want) {
			t.Errorf("GET /v2/_catalog%s = %q, want %q", query, got, want)
		}
	}
	for n := 1; n <= len(sorted); n++ {
		pages := s.walk(fmt.Sprintf("/v2/_catalog?n=%d", n))
		if got := slices.Concat(pages...); !slices.Equal(got, sorted) {
			t.Errorf("pages of %d: %q, want %q", n, got, sorted)
		}
	}
}
