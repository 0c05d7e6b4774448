package main

import (
	"cmp"
	"slices"
	"sync"

	"github.com/berthregistry/berth/infra/localcloud/iam"
	"github.com/berthregistry/berth/infra/localcloud/template"
)

// A use is one action on the resources of one pattern, and how often it was
// asked for. What a role allows and nobody asked for is 0; what was refused has
// the resource itself for its pattern.
type use struct {
	Action   string `json:"action"`
	Resource string `json:"resource"`
	Allowed  int64  `json:"allowed"`
	Refused  int64  `json:"refused,omitempty"`
}

// uses counts what a function does with what its role allows. It is safe for
// concurrent use.
type uses struct {
	mu      sync.Mutex
	grants  []grant
	refused map[[2]string]int64 // by action and resource
}

// A grant is one action on one pattern, cut out of a statement.
type grant struct {
	use
	policy iam.Policy
}

func newUses(statements []template.Statement) (*uses, error) {
	u := &uses{refused: map[[2]string]int64{}}
	for _, st := range statements {
		if st.Effect != "Allow" {
			continue
		}
		for _, action := range st.Actions {
			for _, resource := range st.Resources {
				narrow := st
				narrow.Actions, narrow.Resources = []string{action}, []string{resource}
				one, err := policy([]template.Statement{narrow})
				if err != nil {
					return nil, err
				}
				u.grants = append(u.grants, grant{use{Action: action, Resource: resource}, one})
			}
		}
	}
	return u, nil
}

// note counts one decision.
func (u *uses) note(one iam.Use) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !one.Allowed {
		u.refused[[2]string{one.Action, one.Resource}]++
		return
	}
	for i, g := range u.grants {
		if g.policy.Evaluate(one.Action, one.Resource, one.Keys...) == iam.Allowed {
			u.grants[i].Allowed++
		}
	}
}

// list is all that was allowed or refused, by action.
func (u *uses) list() []use {
	u.mu.Lock()
	defer u.mu.Unlock()
	list := []use{}
	for _, g := range u.grants {
		list = append(list, g.use)
	}
	for what, times := range u.refused {
		list = append(list, use{Action: what[0], Resource: what[1], Refused: times})
	}
	slices.SortFunc(list, func(a, b use) int {
		return cmp.Or(cmp.Compare(a.Action, b.Action), cmp.Compare(a.Resource, b.Resource))
	})
	return list
}
