package template

import (
	"os"
	"testing"
)

// Whatever the text is, the answer is a stack or an error.
func FuzzLoad(f *testing.F) {
	for _, file := range []string{project, "../../state.yaml", "../testdata/stream.yaml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("Resources: {}\nOutputs: {A: {Value: !Sub ['${a}', {a: !If [X, [], {}]}]}}\nConditions: {X: !Or [!Condition X, !Condition X]}")
	f.Add("Resources:\n  A: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: t.yaml}}\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := load(read(map[string]string{"t.yaml": text}), "t.yaml", nil)
		if (s == nil) == (err == nil) {
			t.Errorf("got stack %v and error %v", s, err)
		}
	})
}
