package infra_test

import (
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/berthregistry/berth/shared/registry"
	"github.com/berthregistry/berth/shared/wire"
)

// A document is what these tests read of a template as it is written.
type document struct {
	Metadata struct {
		Interface struct {
			ParameterGroups []struct {
				Parameters []string `yaml:"Parameters"`
			} `yaml:"ParameterGroups"`
		} `yaml:"AWS::CloudFormation::Interface"`
	} `yaml:"Metadata"`
	Parameters map[string]parameter `yaml:"Parameters"`
	Resources  map[string]resource  `yaml:"Resources"`
	Outputs    map[string]struct {
		Description string `yaml:"Description"`
	} `yaml:"Outputs"`
}

type parameter struct {
	Description   string   `yaml:"Description"`
	Default       *string  `yaml:"Default"`
	AllowedValues []string `yaml:"AllowedValues"`
	MinValue      string   `yaml:"MinValue"`
	MaxValue      string   `yaml:"MaxValue"`
}

type resource struct {
	Type                string         `yaml:"Type"`
	DeletionPolicy      string         `yaml:"DeletionPolicy"`
	UpdateReplacePolicy string         `yaml:"UpdateReplacePolicy"`
	Properties          map[string]any `yaml:"Properties"`
}

func read(t *testing.T, file string) document {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var d document
	if err := yaml.Unmarshal(text, &d); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return d
}

// Who deploys is asked for each parameter by its description, and takes the
// default with the return key.
func TestParametersAreDescribed(t *testing.T) {
	for _, file := range []string{"../template.yaml", "state.yaml"} {
		for name, p := range read(t, file).Parameters {
			if len(p.Description) < 30 || p.Default == nil {
				t.Errorf("%s: %s needs a description and a default", file, name)
			}
		}
		for name, o := range read(t, file).Outputs {
			if o.Description == "" {
				t.Errorf("%s: output %s needs a description", file, name)
			}
		}
	}
}

func TestParametersAreInGroups(t *testing.T) {
	d := read(t, "../template.yaml")
	var grouped []string
	for _, g := range d.Metadata.Interface.ParameterGroups {
		grouped = append(grouped, g.Parameters...)
	}
	slices.Sort(grouped)
	if want := slices.Sorted(maps.Keys(d.Parameters)); !slices.Equal(grouped, want) {
		t.Errorf("the groups have %q, the parameters are %q", grouped, want)
	}
}

// Words that YAML 1.1, which SAM reads, takes for true or false. Such a word
// would be let through as "false" and mean nothing to a function.
var truths = regexp.MustCompile(`(?mi)(: |- |\[)(on|off|yes|no|y|n) *([,\]}#]|$)|, (on|off|yes|no|y|n) *[,\]}]`)

func TestWordsAreWords(t *testing.T) {
	for _, file := range []string{"../template.yaml", "state.yaml", "webhook.yaml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found := truths.FindAllString(string(text), -1); found != nil {
			t.Errorf("%s: %q must be in quotes", file, found)
		}
	}
}

// told is what wire makes of what the template tells the functions, and the
// names that each asked for on the way.
func told(t *testing.T, parameters map[string]string) (wire.TokenConfig, map[string][]string) {
	t.Helper()
	lambda := map[string]string{"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}
	asked := map[string][]string{}
	var config wire.TokenConfig
	for _, f := range load(t, parameters).Functions {
		lookup := func(name string) (string, bool) {
			asked[f.ID] = append(asked[f.ID], name)
			if value, ok := f.Env[name]; ok {
				return value, true
			}
			value, ok := lambda[name]
			return value, ok
		}
		var err error
		switch f.ID {
		case "Token":
			config, err = wire.ReadToken(lookup)
		case "Announce":
			_, err = wire.ReadAnnouncer(lookup)
		default:
			_, err = wire.Read(lookup)
		}
		if err != nil {
			t.Errorf("%s with %v: %v", f.ID, parameters, err)
		}
	}
	return config, asked
}

// What is for whoever runs functions elsewhere: on AWS the bucket is the
// registry's alone, and its keys are. And
// what is as it should be for everybody but tests.
var leftOut = []string{"BERTH_PREFIX", "BERTH_SERVICE", "BERTH_VERIFY_INLINE", "BERTH_PART_LIFE"}

// What only some functions are told, who could all ask for it.
var toldTo = map[string][]string{
	"BERTH_VERIFIER": {"Push"},
	"BERTH_BUS":      {"Announce", "Pull"},
	"BERTH_URL":      {"Announce"}, // it is asked by nobody who knows the address
}

// Functions are told all that they ask for and nothing else.
func TestEnvironment(t *testing.T) {
	config, asked := told(t, nil)
	for _, f := range load(t, nil).Functions {
		want := slices.DeleteFunc(asked[f.ID], func(name string) bool {
			to, some := toldTo[name]
			return !strings.HasPrefix(name, "BERTH_") || slices.Contains(leftOut, name) || some && !slices.Contains(to, f.ID)
		})
		slices.Sort(want)
		want = slices.Compact(want)
		if got := slices.Sorted(maps.Keys(f.Env)); !slices.Equal(got, want) {
			t.Errorf("%s is told %q, and asks for %q", f.ID, got, want)
		}
	}
	if config.Table != "the-table" || config.Bucket != "the-bucket" {
		t.Errorf("got table %q and bucket %q", config.Table, config.Bucket)
	}
}

// The template's defaults are the code's.
func TestDefaults(t *testing.T) {
	got, _ := told(t, nil)
	needed := []string{"BERTH_TABLE", "BERTH_BUCKET", "BERTH_SIGNING_KEY", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
	want, err := wire.ReadToken(func(name string) (string, bool) {
		switch {
		case name == "BERTH_ACCESS":
			return wire.Guarded, true
		case slices.Contains(needed, name):
			return "given", true
		}
		return "", false
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.Access != want.Access || got.TokenLife != want.TokenLife || got.LogLevel != want.LogLevel || got.CountsHead != want.CountsHead || got.InlineLimit != want.InlineLimit || got.RequestLimit != want.RequestLimit {
		t.Errorf("without parameters functions are told %+v, and without a variable they take %+v", got, want)
	}
	if got, want := got.Settings.Rules("team/app"), want.Settings.Rules("team/app"); !reflect.DeepEqual(got, want) {
		t.Errorf("without parameters the rules are %+v, without settings %+v", got, want)
	}
}

// Every value that the template lets through is one that the functions start
// with.
func TestEveryParameterValueIsTaken(t *testing.T) {
	for name, p := range read(t, "../template.yaml").Parameters {
		values := p.AllowedValues
		for _, limit := range []string{p.MinValue, p.MaxValue} {
			if limit != "" {
				values = append(values, limit)
			}
		}
		for _, value := range values {
			told(t, map[string]string{name: value})
		}
	}
}

func TestRulesByParameter(t *testing.T) {
	for _, mode := range []registry.HeaderMode{registry.HeaderAlways, registry.HeaderAbsentOnly, registry.HeaderOnRequest, registry.HeaderOff} {
		config, _ := told(t, map[string]string{"ReferrersHeader": string(mode)})
		if got := config.Settings.Rules("a/b/c").ReferrersHeader; got != mode {
			t.Errorf("ReferrersHeader %s means %s", mode, got)
		}
	}
	for value, sparse := range map[string]bool{"all": false, "none": true} {
		config, _ := told(t, map[string]string{"Indexes": value})
		if got := config.Settings.Rules("a/b/c").Indexes; got.AllowMissing != sparse {
			t.Errorf("Indexes %s means %+v", value, got)
		}
	}
	config, _ := told(t, map[string]string{"Settings": `{repositories: [{pattern: "mirror/**", indexes: none}]}`, "ReferrersHeader": "off"})
	if got := config.Settings.Rules("mirror/app"); !got.Indexes.AllowMissing || got.ReferrersHeader != registry.HeaderAlways {
		t.Errorf("under settings of one's own the rules are %+v", got)
	}
}
