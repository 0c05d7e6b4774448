package pattern

import (
	"errors"
	"fmt"
	"strings"

	"github.com/berthregistry/berth/shared/oci"
)

// A Repository is a repository name in which "*" stands for any run of
// characters but a slash, also an empty one, and "**" for any run at all.
//
//	team/app    that repository
//	team/*      team/app, but not team and not team/app/cache
//	team/**     all below team/
//	**/cache    all whose last part is cache, but not the repository cache
//	team/app-*  team/app-web, but not team/app-web/cache
//	**          all
type Repository struct{ text text }

// ParseRepository reads a pattern. One that can fit no repository is an error.
func ParseRepository(s string) (Repository, error) {
	switch {
	case s == "":
		return Repository{}, errors.New("the pattern is empty")
	case len(s) > oci.MaxName:
		return Repository{}, fmt.Errorf("the pattern has %d characters, a repository name has at most %d", len(s), oci.MaxName)
	case strings.Contains(s, "***"):
		return Repository{}, fmt.Errorf("pattern %q has three stars in a row", s)
	case strings.HasPrefix(s, "/") || strings.HasSuffix(s, "/") || strings.Contains(s, "//"):
		return Repository{}, fmt.Errorf("pattern %q fits no repository: a name has no empty part", s)
	}
	for _, c := range s {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789._-/*", c) {
			return Repository{}, fmt.Errorf("pattern %q fits no repository: %q cannot be in a name", s, c)
		}
	}
	return Repository{cut(s)}, nil
}

// String returns the pattern as it was written.
func (r Repository) String() string { return r.text.whole }

// Match says whether the pattern fits a name. The zero Repository fits none.
func (r *Repository) Match(name string) bool { return r.text.match(name, '/') }
