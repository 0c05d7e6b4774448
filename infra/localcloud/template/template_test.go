package template

import (
	"slices"
	"testing"
)

// The project's own template is what all of this is for.
func TestProject(t *testing.T) {
	s, err := Load("../../../template.yaml", map[string]string{"AWS::StackName": "team"})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, f := range s.Functions {
		ids = append(ids, f.ID)
		if len(f.Policies) == 0 {
			t.Errorf("%s may do nothing", f.ID)
		}
		if got := f.Env["BERTH_TABLE"]; got != s.Tables[0].Name {
			t.Errorf("table of %s is %q, want %q", f.ID, got, s.Tables[0].Name)
		}
	}
	if want := []string{"Pull", "Push", "Delete"}; !slices.Equal(ids, want) {
		t.Errorf("functions are %q, want %q", ids, want)
	}
}
