package template

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

const project = "../../../template.yaml"

// The project's own template is what all of this is for.
func TestProject(t *testing.T) {
	s, err := Load(project, map[string]string{"AWS::StackName": "team", "InlineLimit": "1000"})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, f := range s.Functions {
		ids = append(ids, f.ID)
		checkProjectFunction(t, s, f)
	}
	if want := []string{"Pull", "Push", "Verify", "Delete", "Token", "Announce"}; !slices.Equal(ids, want) {
		t.Errorf("functions are %q, want %q", ids, want)
	}
	want := []Route{
		{"ANY", "$default", "Pull"},
		{"POST", "/{proxy+}", "Push"}, {"PATCH", "/{proxy+}", "Push"}, {"PUT", "/{proxy+}", "Push"},
		{"DELETE", "/{proxy+}", "Delete"},
		{"GET", "/token", "Token"}, {"POST", "/token", "Token"},
		{"GET", "/_berth/policy", "Token"}, {"PUT", "/_berth/policy", "Token"},
		{"GET", "/_berth/robots", "Token"}, {"POST", "/_berth/robots", "Token"}, {"DELETE", "/_berth/robots", "Token"},
		{"POST", "/_berth/robots/rotate", "Token"}, {"POST", "/_berth/keys/rotate", "Token"},
	}
	if !slices.Equal(s.Routes, want) {
		t.Errorf("routes are %v, want %v", s.Routes, want)
	}
	if got := s.Tables[0]; got.Stream != "NEW_AND_OLD_IMAGES" || got.TTL != "expires" ||
		!slices.Equal(got.Keys, []Key{{"pk", "HASH", "S"}, {"sk", "RANGE", "S"}}) {
		t.Errorf("the table is %+v", got)
	}
	if got := s.Outputs["Login"]; !strings.HasPrefix(got, "berth policy set policy.yaml --table "+s.Tables[0].Name) || !strings.Contains(got, " && docker login ") {
		t.Errorf("the output Login is %q", got)
	}
}

func checkProjectFunction(t *testing.T, s *Stack, f Function) {
	t.Helper()
	if f.Env["BERTH_TABLE"] != s.Tables[0].Name || f.Env["BERTH_BUCKET"] != s.Buckets[0].Name || f.Env["BERTH_INLINE_LIMIT"] != "1000" {
		t.Errorf("%s is told %v, want table %s, bucket %s and limit 1000", f.ID, f.Env, s.Tables[0].Name, s.Buckets[0].Name)
	}
	timeout := 29 * time.Second // of what the gateway waits for
	switch f.ID {
	case "Verify":
		timeout = 15 * time.Minute
	case "Announce":
		timeout = time.Minute
	}
	if f.Timeout != timeout {
		t.Errorf("%s may take %v, want %v", f.ID, f.Timeout, timeout)
	}
	if f.Role != "team-"+f.ID+"Role" {
		t.Errorf("%s has the role %q", f.ID, f.Role)
	}
	for _, st := range f.Policies {
		for _, resource := range st.Resources {
			if resource == "*" || !strings.Contains(resource, "team") {
				t.Errorf("%s may %q on %s, which is not this stack's alone", f.ID, st.Actions, resource)
			}
		}
	}
}

// Two registries in one account share no name.
func TestProjectTwice(t *testing.T) {
	names := map[string]bool{}
	for _, stack := range []string{"one", "other"} {
		s, err := Load(project, map[string]string{"Access": "open", "AWS::StackName": stack})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{s.Tables[0].Name, s.Buckets[0].Name, s.Functions[0].Name, s.Functions[0].Role} {
			if names[name] {
				t.Errorf("both have %q", name)
			}
			names[name] = true
		}
	}
}

// On what was kept of another stack no new one is made, and every branch of the
// template can be taken.
func TestProjectOnWhatWasKept(t *testing.T) {
	s, err := Load(project, map[string]string{
		"Access": "open", "Table": "kept-table", "Bucket": "kept-bucket", "Settings": "repositories: []", "Tracing": "true", "Dashboard": "true",
		"DomainName": "registry.example.com", "CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/x",
		"AlarmTopic": "arn:aws:sns:us-east-1:123456789012:alarms", "Recovery": "0",
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Tables) != 0 || len(s.Buckets) != 0 {
		t.Errorf("made %v and %v, want none", s.Tables, s.Buckets)
	}
	if got := s.Functions[0].Env; got["BERTH_TABLE"] != "kept-table" || got["BERTH_SETTINGS"] != "repositories: []" {
		t.Errorf("Pull is told %v", got)
	}
	if got := s.Outputs["Registry"]; got != "registry.example.com" {
		t.Errorf("the registry is at %q", got)
	}
	if _, err := Load(project, map[string]string{"Access": "open", "Table": "kept-table"}); err == nil || !strings.Contains(err.Error(), "StateIsWhole") {
		t.Errorf("a table without its bucket gives %v, want what the rule says", err)
	}
}

// read returns a reader of the files that tests write.
func read(files map[string]string) func(string) ([]byte, error) {
	return func(path string) ([]byte, error) {
		text, ok := files[path]
		if !ok {
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		}
		return []byte(text), nil
	}
}

// outputs evaluates a template that has parameters, conditions and one bucket.
func outputs(t *testing.T, text string, parameters map[string]string) (map[string]string, error) {
	t.Helper()
	const head = `
Parameters:
  Colour: {Type: String, Default: red}
  Words: {Type: CommaDelimitedList, Default: "a, b,c"}
Mappings:
  Sizes: {red: {small: 1, list: [x, y]}}
Conditions:
  Red: !Equals [!Ref Colour, red]
  Blue: !Equals [!Ref Colour, blue]
  Either: !Or [!Condition Red, !Condition Blue]
  Both: !And [!Condition Red, !Not [!Condition Blue]]
Resources:
  Bucket: {Type: "AWS::S3::Bucket"}
  Extra: {Type: "AWS::S3::Bucket", Condition: Blue}
Outputs:
`
	s, err := load(read(map[string]string{"t.yaml": head + text}), "t.yaml", parameters)
	if err != nil {
		return nil, err
	}
	return s.Outputs, nil
}

func TestFunctions(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{`!Ref Colour`, "red"},
		{`{Ref: Colour}`, "red"},
		{`!Ref Bucket`, "berth-bucket"},
		{`!GetAtt Bucket.Arn`, "arn:aws:s3:::berth-bucket"},
		{`{"Fn::GetAtt": [Bucket, Arn]}`, "arn:aws:s3:::berth-bucket"},
		{`{"Fn::GetAtt": Bucket.Arn}`, "arn:aws:s3:::berth-bucket"},
		{`!Sub "${AWS::Partition}-${AWS::Region}-${AWS::AccountId}-${AWS::URLSuffix}"`, "aws-us-east-1-123456789012-amazonaws.com"},
		{`!Sub "${Bucket.Arn}/${Colour}/${!Colour}/$Colour/${}"`, "arn:aws:s3:::berth-bucket/red/${Colour}/$Colour/${}"},
		{`!Sub ["${a}-${ Colour }", {a: !If [Red, 1, 2]}]`, "1-red"},
		{`!Join ["-", !Ref Words]`, "a-b-c"},
		{`!Join ["", [x, !Ref Colour, !Ref "AWS::NoValue"]]`, "xred"},
		{`!Select [1, !Split [",", "x,y,z"]]`, "y"},
		{`!Select ["2", !Ref Words]`, "c"},
		{`!FindInMap [Sizes, !Ref Colour, small]`, "1"},
		{`!Select [1, !FindInMap [Sizes, red, list]]`, "y"},
		{`!If [Red, yes, no]`, "yes"},
		{`!If [Blue, !Ref Extra, none]`, "none"},
		{`!If [Either, !If [Both, deep, x], y]`, "deep"},
		{"!Sub |\n      two ${Colour}\n      lines\n", "two red\nlines\n"},
	} {
		got, err := outputs(t, "  It: {Value: "+tt.text+"}\n", nil)
		if strings.Contains(tt.text, "\n") {
			got, err = outputs(t, "  It:\n    Value: "+tt.text, nil)
		}
		if err != nil || got["It"] != tt.want {
			t.Errorf("%s: got %q and error %v, want %q", tt.text, got["It"], err, tt.want)
		}
	}
}

func TestOutputsWithConditions(t *testing.T) {
	const text = "  Extra: {Condition: Blue, Value: !Ref Extra}\n"
	for colour, want := range map[string]map[string]string{"red": {}, "blue": {"Extra": "berth-extra"}} {
		got, err := outputs(t, text, map[string]string{"Colour": colour})
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("%s: got %v and error %v, want %v", colour, got, err, want)
		}
	}
}

// A nested stack is read from its file, and says what it made by its outputs.
func TestNested(t *testing.T) {
	files := map[string]string{
		"dir/t.yaml": `
Resources:
  State:
    Type: AWS::CloudFormation::Stack
    Properties: {TemplateURL: infra/inner.yaml, Parameters: {Colour: blue}}
Outputs:
  Name: {Value: !GetAtt State.Outputs.Name}
`,
		"dir/infra/inner.yaml": `
Parameters: {Colour: {Type: String}}
Resources:
  Bucket: {Type: "AWS::S3::Bucket"}
Outputs:
  Name: {Value: !Sub "${Bucket}-${Colour}-${AWS::StackName}"}
`,
	}
	s, err := load(read(files), "dir/t.yaml", map[string]string{"AWS::StackName": "Team"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.Outputs["Name"], "team-state-bucket-blue-Team-State"; got != want {
		t.Errorf("the output is %q, want %q", got, want)
	}
	if len(s.Buckets) != 1 || s.Buckets[0].Name != "team-state-bucket" {
		t.Errorf("buckets are %v", s.Buckets)
	}
	files["dir/infra/inner.yaml"] = "Parameters: {Colour: {Type: String}}" +
		strings.Replace(files["dir/t.yaml"], "infra/inner.yaml", "inner.yaml", 1)
	if _, err := load(read(files), "dir/t.yaml", nil); err == nil || !strings.Contains(err.Error(), "nested in itself") {
		t.Errorf("a template in itself gives %v", err)
	}
	delete(files, "dir/infra/inner.yaml")
	if _, err := load(read(files), "dir/t.yaml", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a nested template that is not there gives %v", err)
	}
}

// Whoever says nothing gets a registry that lets nobody in.
func TestProjectIsNotOpenByDefault(t *testing.T) {
	for _, given := range []map[string]string{{"Access": ""}, {"Access": "closed"}} {
		if _, err := Load(project, given); err == nil || !strings.Contains(err.Error(), "Access") {
			t.Errorf("%v: got %v, want an error about Access", given, err)
		}
	}
	s, err := Load(project, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range s.Functions {
		if got := f.Env["BERTH_ACCESS"]; got != "policy" {
			t.Errorf("%s is told that access is %q", f.ID, got)
		}
	}
}
