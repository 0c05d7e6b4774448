package template

import "testing"

// Whatever the text is, the answer is a stack or an error. The seeds are small:
// the fuzzer takes long to cut down large ones.
func FuzzLoad(f *testing.F) {
	for _, text := range []string{
		"Resources: {}\nParameters: {P: {Type: 'List<Number>', Default: \"1,2\", MinValue: 1}}\nOutputs: {A: {Value: !Join [-, !Ref P]}}",
		"Resources: {}\nOutputs: {A: {Value: !Sub ['${a}${!b}', {a: !If [X, c, {Ref: d}]}]}}\nConditions: {X: !Or [!Condition X, !Not [!Equals [a, b]]]}",
		"Resources:\n  A: {Type: 'AWS::CloudFormation::Stack', Properties: {TemplateURL: t.yaml}}\n",
		"Mappings: {M: {a: {b: [c]}}}\nRules: {R: {Assertions: [{Assert: !Equals [!Select [0, !Split [x, axb]], a]}]}}\nResources: {Q: {Type: 'AWS::SQS::Queue'}}\nOutputs: {A: {Value: !GetAtt Q.Arn}, B: {Value: !Select [0, !FindInMap [M, a, b]]}}",
		"Transform: AWS::Serverless-2016-10-31\nGlobals: {Function: {Runtime: provided.al2023, Environment: {Variables: {A: b}}}}\nResources:\n  Api: {Type: 'AWS::Serverless::HttpApi'}\n  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      CodeUri: x\n      Handler: y\n      Role: !GetAtt R.Arn\n      Events: {E: {Type: HttpApi, Properties: {ApiId: !Ref Api}}}\n",
		"Resources:\n  R:\n    Type: AWS::IAM::Role\n    Properties:\n      AssumeRolePolicyDocument: {Version: '2012-10-17', Statement: [{Effect: Allow, Action: 'sts:AssumeRole', Principal: {Service: lambda.amazonaws.com}}]}\n      Policies: [{PolicyName: p, PolicyDocument: {Version: '2012-10-17', Statement: {Effect: Allow, Action: [a], Resource: b}}}]\n",
		"Resources:\n  T:\n    Type: AWS::DynamoDB::Table\n    Properties:\n      BillingMode: PAY_PER_REQUEST\n      AttributeDefinitions: [{AttributeName: a, AttributeType: S}]\n      KeySchema: [{AttributeName: a, KeyType: HASH}]\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := load(read(map[string]string{"t.yaml": text}), "t.yaml", nil)
		if (s == nil) == (err == nil) {
			t.Errorf("got stack %v and error %v", s, err)
		}
	})
}
